package ownership

// deepen returns a scenario with more of each of its faults.
func (sc scenario) deepen() scenario {
	b := &sc.b
	for _, n := range []*int{&b.kills, &b.powers, &b.errs, &b.drops, &b.dups, &b.slips, &b.lapses, &b.damages, &b.forged} {
		if *n > 0 {
			*n++
		}
	}
	if sc.ops > 0 {
		sc.ops++
	}
	sc.writes++
	return sc
}

// scenarios returns what TestExplore explores. Each has its own kinds of
// faults: all of them at once would be too many worlds to visit.
func scenarios() []scenario {
	there, roundTrip := []goal{moveThere}, []goal{moveThere, moveBack}
	return []scenario{
		{
			name: "kills", runs: [][]goal{there}, writes: 1, tries: 1, b: budget{kills: 2, lapses: 1},
			want: []string{"prepared again after a void", "moved active", "run 0 reached its goals"},
		}, {
			name: "power", runs: [][]goal{there}, writes: 1, tries: 1, b: budget{kills: 1, powers: 1},
			want: []string{"prepared again after a void", "moved active", "run 0 reached its goals"},
		}, {
			name: "messages", runs: [][]goal{there}, writes: 1, tries: 1, b: budget{drops: 1, dups: 1, lapses: 1, forged: 1},
			want: []string{"prepared again after a void", "moved active", "run 0 reached its goals"},
		}, {
			name: "failing disk", runs: [][]goal{there}, writes: 1, tries: 1, b: budget{errs: 1, kills: 1},
			want: []string{"moved active", "run 0 reached its goals"},
		}, {
			name: "doors", runs: [][]goal{there}, writes: 1, tries: 1, b: budget{slips: 1, drops: 1, kills: 1},
			want: []string{"prepared again after a void", "moved active", "run 0 reached its goals"},
		}, {
			name: "woken run", runs: [][]goal{there, {abortFrozen, moveThere}}, writes: 1, b: budget{dups: 1},
			want: []string{"prepared again after a void", "moved active", "run 0 reached its goals", "run 1 reached its goals"},
		}, {
			name: "two runs and a kill", runs: [][]goal{there, {moveThere}}, writes: 1, b: budget{kills: 1},
			want: []string{"moved active", "run 0 reached its goals", "run 1 reached its goals"},
		}, {
			name: "rollback", runs: [][]goal{roundTrip}, writes: 2, b: budget{kills: 1, dups: 1},
			want: []string{"active moved", "active at epoch 2", "run 0 reached its goals"},
		}, {
			name: "rollback and power", runs: [][]goal{roundTrip}, writes: 2, b: budget{powers: 1, drops: 1},
			want: []string{"active moved", "active at epoch 2", "run 0 reached its goals"},
		}, {
			name: "there again", runs: [][]goal{{moveThere, moveBack, moveThere}}, writes: 3, b: budget{dups: 1},
			want: []string{"active at epoch 3", "run 0 reached its goals"},
		}, {
			name: "wipe and relocation", runs: [][]goal{{moveThere, wipe, moveBack}}, writes: 2, b: budget{kills: 1, dups: 1},
			want: []string{"home again after a wipe", "run 0 reached its goals"},
		}, {
			name: "wipe and power", runs: [][]goal{{moveThere, wipe, moveBack}}, writes: 2, b: budget{powers: 1, drops: 1},
			want: []string{"home again after a wipe", "run 0 reached its goals"},
		}, {
			name: "wipe against rollback", runs: [][]goal{roundTrip, {wipe}}, writes: 1, b: budget{dups: 1},
			want: []string{"active at epoch 2", "run 1 reached its goals"},
		}, {
			name: "unseal against rollback", runs: [][]goal{roundTrip, {sealUnseal, moveBack}}, writes: 1, b: budget{kills: 1},
			want: []string{"active at epoch 2", "run 1 reached its goals"},
		}, {
			name: "old snapshot", runs: [][]goal{roundTrip}, writes: 2, b: budget{snaps: 1},
			want: []string{"fenced", "active at epoch 2"},
		}, {
			name: "lost record", runs: [][]goal{there, {rebuildLost}}, writes: 1, b: budget{damages: 1, drops: 1},
			want: []string{"unreadable active", "moved unreadable", "run 1 reached its goals"},
		}, {
			name: "lost record, second move", runs: [][]goal{there, {rebuildLost, moveThere}}, writes: 1, again: "assist", b: budget{damages: 1, dups: 1},
			want: []string{"run 1 reached its goals"},
		}, {
			name: "chaos", ops: 6, writes: 1,
			want: []string{"moved active", "active at epoch 1"},
		}, {
			name: "chaos after a move", ops: 6, writes: 1, moved: true,
			want: []string{"active moved", "active at epoch 2"},
		}, {
			name: "lost server", runs: [][]goal{there, {declareLost}}, writes: 1, b: budget{dies: 1},
			want: []string{"active at epoch 2", "run 1 reached its goals"},
		},
	}
}

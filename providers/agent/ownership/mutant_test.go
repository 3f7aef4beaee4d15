package ownership

import (
	"maps"
	"slices"
	"testing"
)

// mutantCase is a way to break the protocol that an exploration must notice.
type mutantCase struct {
	name     string
	without  []Guard
	scenario scenario
}

func caught() []mutantCase {
	there, roundTrip := []goal{moveThere}, []goal{moveThere, moveBack}
	one := func(b budget) scenario { return scenario{runs: [][]goal{there}, writes: 1, tries: 1, b: b} }
	round := scenario{runs: [][]goal{roundTrip}, writes: 1, b: budget{kills: 1}}
	snap := scenario{runs: [][]goal{there}, writes: 1, b: budget{snaps: 1}}
	lost := scenario{runs: [][]goal{there, {rebuildLost, moveThere}}, writes: 1, again: "assist", b: budget{damages: 1, dups: 1}}
	chaotic := func(ops int, only string) scenario { return scenario{ops: ops, writes: 1, only: only} }
	twist := func(sc scenario, how string) scenario { sc.twist = how; return sc }
	after := chaotic(8, "sea0 rei0 sta0 fre1 syn0 beg0 pre0 com1")
	after.moved = true
	prepared := chaotic(5, "")
	void := scenario{writes: 1, script: []string{"freeze 1", "sync 1", "begin 1", "prepare 1", "thaw 1", "freeze 1", "commit 1"}}
	other := scenario{writes: 1, script: []string{"freeze 2", "sync 2", "begin 2", "prepare 2", "thaw 1", "freeze 2", "commit 2"}}
	hasty := scenario{writes: 1, script: []string{"freeze 1", "sync 1", "begin 1", "prepare 1", "commit 1", "stage"}}
	late := scenario{writes: 1, script: []string{"freeze 1", "sync 1", "thaw 1", "freeze 2", "sync 2", "begin 2", "prepare 2", "commit 2"}}
	half := scenario{writes: 1, script: []string{"freeze 1", "sync 1", "begin 1", "cancel 1", "sync 1", "prepare 1", "commit 1"}, b: budget{kills: 1}}
	return []mutantCase{
		{"F1: a void token freezes again", []Guard{GuardUnvoided}, void},
		{"a thaw for another token", []Guard{GuardToken}, other},
		{"F2: whatever is not moved counts as void", nil, twist(one(budget{kills: 1}), "anything but moved is void")},
		{"F3: the receiver gives a prepared copy up by itself", nil, twist(prepared, "receiver aborts")},
		{"F4: staged again before the owner was seen", []Guard{GuardConfirmed}, hasty},
		{"F4: anybody counts as the owner that was seen", []Guard{GuardSeenOwner}, round},
		{"F5: a seal over an owner", []Guard{GuardEmpty}, chaotic(2, "")},
		{"F5: a sealed server takes an account back", []Guard{GuardUnsealed}, after},
		{"F6: the doors do not count", []Guard{GuardDoors}, round},
		{"F7: a stream lands after the comparison", []Guard{GuardDrained}, late},
		{"F7: a comparison is used after the copy was opened again", []Guard{GuardBegun}, half},
		{"F9: an owner that was seen is declared lost", []Guard{GuardUnconfirmed}, scenario{runs: [][]goal{there, {declareLost}}, writes: 1, b: budget{dies: 1}}},
		{"F10: somebody's word counts as the origin's", []Guard{GuardAuthentic}, one(budget{forged: 1})},
		{"F11: an old disk serves without asking", []Guard{GuardSettled}, snap},
		{"an answer from before the disk was restored", []Guard{GuardFresh}, snap},
		{"F12: the peer's token is not voided", nil, twist(lost, "assist voids nothing")},
		{"F12: a late question voids a later token", []Guard{GuardCovered}, lost},
		{"a commit without the receiver's receipt", []Guard{GuardReceipt}, prepared},
	}
}

// TestMutantUnsettledIsCaught: a successor that does not write again what it
// found. It is no guard, and so stands apart.
func TestMutantUnsettledIsCaught(t *testing.T) {
	sc := scenario{runs: [][]goal{{moveThere}}, b: budget{kills: 1, powers: 1}, mutant: mutant{unsettled: true}}
	if out := explore(&sc, 1000, 100_000); out.broken == "" {
		t.Errorf("not noticed in %d states", out.states)
	}
}

func TestMutantsAreCaught(t *testing.T) {
	for _, m := range caught() {
		t.Run(m.name, func(t *testing.T) {
			sc := m.scenario
			if sc.script != nil {
				if out := explore(&sc, 1000, 100_000); out.broken != "" || !out.complete {
					t.Fatalf("without the mutant: %q, complete %v\n%v", out.broken, out.complete, out.trace)
				}
			}
			sc.mutant.without = m.without
			out := explore(&sc, 1000, 100_000)
			if out.broken == "" {
				t.Fatalf("not noticed in %d states, complete %v", out.states, out.complete)
			}
			t.Logf("%s, after %d states, %d steps deep", out.broken, out.states, out.depth)
		})
	}
}

// redundant lists the guards that no exploration misses, with the reason. Their
// own refusals are tested row by row in TestRows.
func redundant() map[Guard]string {
	return map[Guard]string{
		GuardTerm:        "tokens, epochs and the receiver's strictness carry safety without it; it keeps a woken run from useless work",
		GuardTokenTerm:   "keeps tokens of different runs apart, which in these worlds they are",
		GuardMigration:   "these worlds have one migration",
		GuardAdopt:       "these worlds have one migration",
		GuardMachine:     "an order for an earlier machine names an earlier epoch, and its receipt too",
		GuardEpoch:       "the receipt names token and epoch; refusing at the freeze only saves the downtime",
		GuardPaired:      "without a peer there is no credential, and so no receipt",
		GuardLeaseLength: "bounds the downtime, not who owns",
		GuardLive:        "what another instance froze is thawed at start, and its doors do not count as closed",
		GuardLease:       "until the thaw the doors are still closed: a commit at that moment loses nothing",
		GuardPeer:        "machines that lie or come back are the operator's; nobody here pairs a server with itself",
		GuardSamePeer:    "these worlds have two servers",
		GuardFits:        "about space, not about who owns",
		GuardFenced:      "an operator's order, which no run here gives",
		GuardUnfenced:    "an operator's order: who is fenced has seen a newer owner",
		GuardYielded:     "an operator's order, which no run here gives",
		GuardHarmless:    "covers the snapshots that F11 would have refused later",
		GuardLostPeer:    "the name that the operator types",
		GuardMonotonic:   "a copy of an earlier epoch would be prepared for a commit whose receipt is refused",
		GuardIdle:        "a prepare asks all its guards again at the write",
		GuardOpen:        "a stream opened during a prepare is caught by drained at the write",
		GuardDigest:      "a replay with another digest returns the first receipt at most",
		GuardSuccessor:   "a token belongs to one epoch",
		GuardAbsent:      "no run here stages an account on the server where it lives; TestRows holds the refusal",
		GuardReinstalled: "a stub over a copy that was given up points to its owner all the same",
	}
}

// TestEveryGuardHasItsMutant: each guard is caught or redundant, not both.
func TestEveryGuardHasItsMutant(t *testing.T) {
	found := map[Guard]bool{}
	for _, m := range caught() {
		for _, g := range m.without {
			found[g] = true
		}
	}
	for _, g := range slices.Sorted(maps.Keys(guards)) {
		if found[g] == (redundant()[g] != "") {
			t.Errorf("guard %s: caught %v, redundant because %q", g, found[g], redundant()[g])
		}
	}
}

// TestRedundantGuardsAreRedundant: where this begins to fail, the guard has got
// a mutant that can be caught, and belongs into the other list.
func TestRedundantGuardsAreRedundant(t *testing.T) {
	if raced {
		t.Skip("explored without the race detector")
	}
	for _, g := range slices.Sorted(maps.Keys(redundant())) {
		sc := scenario{ops: 4, writes: 1, moved: true, mutant: mutant{without: []Guard{g}}}
		if out := explore(&sc, 1000, 20_000); out.broken != "" {
			t.Errorf("guard %s is not redundant: %s\n%v", g, out.broken, out.trace)
		}
	}
}

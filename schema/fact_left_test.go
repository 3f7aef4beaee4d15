package schema

import (
	"testing"
	"time"
)

// TestFactsOfMigrations: a server keeps the facts of every migration; a reader
// gets those of one, and what a finished one left behind is known as that.
func TestFactsOfMigrations(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	spring := []Fact{
		{ID: "migration", Migration: "s", Kind: FactMigration, Value: []byte(`{"id":"s","name":"spring"}`), At: at},
		{ID: "reinstall", Migration: "s", Kind: FactReinstall, Value: []byte(`{"old":"m0","new":"m1"}`), At: at},
		{ID: "handover", Migration: "s", Kind: FactHandover, At: at},
	}
	autumn := []Fact{
		{ID: "migration", Migration: "a", Kind: FactMigration, Value: []byte(`{"id":"a","name":"autumn"}`), At: at.Add(time.Hour)},
		{ID: "handover", Migration: "a", Kind: FactHandover, At: at.Add(time.Hour)},
	}
	early := []Fact{{ID: "handover", Kind: FactHandover, At: at.Add(2 * time.Hour)}, {ID: "approval/x", Kind: FactApproval, At: at}}
	if open, finished := OtherMigrations("autumn", spring); len(open) != 1 || len(finished) != 0 || open[0] != (MigrationFact{ID: "s", Name: "spring"}) {
		t.Errorf("open %v, finished %v", open, finished)
	}
	if LeftBy("autumn", "m1", spring) {
		t.Error("a migration that is under way has left a machine")
	}
	spring = append(spring, Fact{ID: "released", Migration: "s", Kind: FactReleased, At: at})
	all := UnionFacts(spring, autumn, early, spring)
	if len(all) != len(spring)+len(autumn)+len(early) {
		t.Errorf("%d facts: %v", len(all), all)
	}
	got := FactsOf("autumn", all)
	if len(got) != 3 || got[0].ID != "approval/x" || got[1].ID != "handover" || got[1].Migration != "a" || got[2].Migration != "a" {
		t.Errorf("autumn has %v", got)
	}
	if open, finished := OtherMigrations("autumn", all); len(open) != 0 || len(finished) != 1 {
		t.Errorf("open %v, finished %v", open, finished)
	}
	for machine, want := range map[string]bool{"m1": true, "m0": false, "": false} {
		if LeftBy("autumn", machine, all) != want {
			t.Errorf("left %q: %v", machine, !want)
		}
	}
	if LeftBy("spring", "m1", all) {
		t.Error("a migration has left a machine to itself")
	}
	for i := range all {
		if all[i].Kind == FactReleased {
			all[i].Revoked = true
		}
	}
	if LeftBy("autumn", "m1", all) {
		t.Error("a revoked fact counts")
	}
}

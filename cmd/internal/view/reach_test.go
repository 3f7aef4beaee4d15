package view

import (
	"strings"
	"testing"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// A plan that ends in the middle says so, and why; one that goes to the end, or
// as far as was asked for, does not.
func TestReach(t *testing.T) {
	phases := func(left ...int) []plan.PhaseState {
		out := []plan.PhaseState{{Name: "prepare", State: plan.PhaseDone}}
		for i, name := range []string{"migrate", "reinstall", "finish"} {
			out = append(out, plan.PhaseState{Name: name, State: plan.PhaseAhead, Left: left[i]})
		}
		return out
	}
	residue := []schema.Finding{{Code: "residue-unruled", Severity: schema.Warning}}
	for _, c := range []struct {
		name   string
		plan   plan.Plan
		all    []schema.Finding
		want   string // part of the sentence; empty: none
		finish string // what stands at the phase finish
	}{
		{"whole", plan.Plan{Phases: phases(1, 2, 1)}, residue, "", "1 step left"},
		{"nothing to reinstall", plan.Plan{Phases: phases(1, 0, 1)}, residue, "", "1 step left"},
		{"residue", plan.Plan{Phases: phases(1, 0, 0)}, residue, "as far as migrate only: what follows is planned once that is mended: residue-unruled", "not planned yet"},
		{"accounts", plan.Plan{Phases: phases(1, 0, 0), Goal: plan.Goal{Accounts: []string{"blog"}}}, residue, "--account leaves out", "not planned yet"},
		{"until", plan.Plan{Phases: phases(1, 0, 0), Goal: plan.Goal{Until: "migrate"}}, residue, "", "not asked for"},
	} {
		r := reachOf(&c.plan)
		got := r.short(&c.plan, c.all)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, got, c.want)
		}
		if got := r.left(&c.plan, c.plan.Phases[3]); got != c.finish {
			t.Errorf("%s: finish: %q, want %q", c.name, got, c.finish)
		}
	}
}

// Errors that were joined are one line, and nothing is said twice.
func TestOnceLine(t *testing.T) {
	for in, want := range map[string]string{
		"disk full": "disk full",
		"take over: listen: in use\nlisten: in use": "take over: listen: in use",
		"one\n\ntwo": "one; two",
	} {
		if got := onceLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

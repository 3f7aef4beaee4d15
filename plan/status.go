package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// Runnable are the steps that may run from this plan: none that is a gate,
// projected, or the undo of a cutover.
func (p *Plan) Runnable() []Step {
	var out []Step
	for _, s := range p.Steps {
		if s.runs() {
			out = append(out, s)
		}
	}
	return out
}

func (s *Step) runs() bool { return !s.Projected && !s.Undo && s.Op != OpGate }

// Waiting are the gates that are open: somebody has to do something now.
func (p *Plan) Waiting() []Gate {
	var out []Gate
	for _, g := range p.Gates {
		if g.Open {
			out = append(out, g)
		}
	}
	return out
}

// Gate returns a gate by its id, or nil.
func (p *Plan) Gate(id ID) *Gate {
	i := slices.IndexFunc(p.Gates, func(g Gate) bool { return g.ID == id })
	if i < 0 {
		return nil
	}
	return &p.Gates[i]
}

// MatchGates are the gates that a pattern names, such as verify.accept[*]: what
// is in brackets is a glob over the escaped name.
func (p *Plan) MatchGates(pattern string) []Gate {
	what, object, bracket := strings.Cut(strings.TrimSuffix(pattern, "]"), "[")
	var out []Gate
	for _, g := range p.Gates {
		gateWhat, gateObject, _ := strings.Cut(strings.TrimSuffix(string(g.ID), "]"), "[")
		if bracket && gateWhat == what && Glob(object, gateObject) {
			out = append(out, g)
		}
	}
	return out
}

// Account returns an account by its name, or nil.
func (p *Plan) Account(name string) *AccountPlan {
	i := slices.IndexFunc(p.Accounts, func(a AccountPlan) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Accounts[i]
}

// Phase returns the state of a phase, or nil.
func (p *Plan) Phase(name string) *PhaseState {
	i := slices.IndexFunc(p.Phases, func(s PhaseState) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Phases[i]
}

// Current is the name of the phase that the journey is in; empty when all are
// done.
func (p *Plan) Current() string {
	for _, s := range p.Phases {
		if s.State == PhaseCurrent {
			return s.Name
		}
	}
	return ""
}

// Stages counts accounts by stage.
func (p *Plan) Stages() map[string]int {
	out := map[string]int{}
	for i := range p.Accounts {
		out[p.Accounts[i].Stage]++
	}
	return out
}

// Blockers are the findings that stop something.
func (p *Plan) Blockers() []schema.Finding {
	var out []schema.Finding
	for _, f := range p.Findings {
		if f.Blocks() {
			out = append(out, f)
		}
	}
	return out
}

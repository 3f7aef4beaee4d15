package view

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// reach is how far a plan goes through the journey.
type reach struct {
	last  string // phase of the last step; empty: there is none
	whole bool   // to the end
	asked bool   // or as far as was asked for
}

func reachOf(p *plan.Plan) reach {
	r := reach{whole: true, asked: p.Goal.Until != "" || len(p.Goal.Rollback) > 0}
	for _, ph := range p.Phases {
		switch {
		case ph.State == plan.PhaseAbsent:
			continue
		case ph.Left > 0:
			r.last = ph.Name
		}
		// The last phase closes the journey: while it is not done it has a step.
		r.whole = ph.State == plan.PhaseDone || ph.Left > 0
	}
	return r
}

// behind says whether a phase without steps comes after all that is planned, so
// that nobody knows yet what will be left to do in it.
func (r reach) behind(p *plan.Plan, phase string) bool {
	at := func(name string) int {
		return slices.IndexFunc(p.Phases, func(ph plan.PhaseState) bool { return ph.Name == name })
	}
	return !r.whole && (r.last == "" || at(phase) > at(r.last))
}

// left says what is left of a phase.
func (r reach) left(p *plan.Plan, ph plan.PhaseState) string {
	switch {
	case ph.Left > 0:
		return plural(ph.Left, "step") + " left"
	case ph.State == plan.PhaseAhead && r.behind(p, ph.Name) && r.asked:
		return "not asked for"
	case ph.State == plan.PhaseAhead && r.behind(p, ph.Name):
		return "not planned yet"
	}
	return "nothing to do"
}

// short says that a plan does not go to the end of the journey, and why; empty
// where it does, or where that was asked for.
func (r reach) short(p *plan.Plan, all []schema.Finding) string {
	if r.whole || r.asked || r.last == "" {
		return ""
	}
	return "Planned as far as " + r.last + " only: " + r.why(p, all) + "."
}

func (r reach) why(p *plan.Plan, all []schema.Finding) string {
	if len(p.Goal.Accounts) > 0 {
		return "what follows needs accounts that --account leaves out"
	}
	var codes []string
	for i := range all {
		if f := &all[i]; f.Blocks() || holdsWipe(f.Code) && f.Waived == nil && !slices.Contains(codes, f.Code) {
			codes = append(codes, f.Code)
		}
	}
	slices.Sort(codes)
	if codes = slices.Compact(codes); len(codes) > 0 {
		return "what follows is planned once that is mended: " + clean(strings.Join(codes, ", "))
	}
	return "what follows is planned when this is done"
}

// holdsWipe are findings that only warn, and without whose mending no
// reinstallation is planned.
func holdsWipe(code string) bool {
	return slices.Contains([]string{"residue-unruled", "account-unnamed", "account-dropped"}, code)
}

// rerouted is for how long users of external DNS may reach nothing while the
// service addresses change hands; 0: not in this plan.
func rerouted(p *plan.Plan) string {
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Op == plan.OpReroute && s.Estimate.Downtime > 0 {
			return took(s.Estimate.Downtime)
		}
	}
	return ""
}

// ConfirmedWipe is the server whose reinstallation was confirmed when the plan
// was made; a saved plan does not confirm it again by itself.
func ConfirmedWipe(p *plan.Plan) string {
	for i := range p.Gates {
		if g := &p.Gates[i]; g.Closed != "" && strings.HasPrefix(string(g.ID), "reinstall.confirm[") {
			return p.Config.Migration.Source
		}
	}
	return ""
}

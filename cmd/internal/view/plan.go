package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Planned shows the plan that a run begins with. For programs it is one message
// of the run's stream.
func (v *View) Planned(p *plan.Plan, notes []string) {
	if v.json {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.message(map[string]any{"type": "planned", "plan": p, "notes": notes})
		return
	}
	v.Plan(p, notes, "")
}

// Plan shows a plan: the verdict, findings first, then phase by phase what is
// left, and who must do what.
func (v *View) Plan(p *plan.Plan, notes []string, saved string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json {
		v.document(p)
		return
	}
	for _, n := range notes {
		v.line("%s %s", v.style.yellow("Note:"), wrap(clean(n), 79, "      "))
	}
	v.findings(p)
	if len(p.Steps) == 0 && len(p.Waiting()) == 0 {
		v.line("%s", v.verdict(p))
		return
	}
	v.line("%s", wrap(v.opening(p), 80, ""))
	v.line("")
	for _, ph := range p.Phases {
		v.phase(p, ph)
	}
	if v.verbose {
		v.steps(p)
	}
	v.altered(p)
	v.gates(p)
	v.line("%s", wrap(v.verdict(p), 80, ""))
	if saved != "" {
		v.line("\nSaved the plan to %s. To do exactly this, run:\n    stopover apply %s", saved, saved)
	}
}

func (v *View) opening(p *plan.Plan) string {
	what := "Stopover will move " + plural(len(p.Accounts), "account")
	if n := len(p.Goal.Rollback); n > 0 {
		what = "Stopover will move " + plural(n, "account") + " back to " + schema.QuoteName(p.Config.Migration.Source)
	}
	return fmt.Sprintf("%s, migration %s by process %s:", what, schema.QuoteName(p.Migration), clean(p.Config.Migration.Process))
}

func (v *View) verdict(p *plan.Plan) string {
	run, projected := len(p.Runnable()), 0
	for _, s := range p.Steps {
		if s.Projected {
			projected++
		}
	}
	switch {
	case p.Blocked() && run == 0:
		return v.style.red("Blocked.") + " Nothing can be done until the blockers above are removed."
	case len(p.Steps) == 0 && len(p.Waiting()) == 0:
		return v.style.green("Nothing to do.") + " Every account is where it belongs."
	}
	s := fmt.Sprintf("%s %s now, %s behind gates.", v.style.bold("Plan:"), plural(run, "step"), number(int64(projected)))
	if d := p.Downtime; d.Max > 0 {
		s += fmt.Sprintf(" Predicted downtime: at most %s for one account", took(d.Max))
		if d.Of != "" {
			s += " (" + schema.QuoteName(d.Of) + ")"
		}
		s += fmt.Sprintf(", %s in all.", took(d.Total))
	}
	return s
}

// mostAlike is how many findings of one code are shown; the others are counted.
const mostAlike = 5

// findings come first: blockers, then warnings, then what only informs.
func (v *View) findings(p *plan.Plan) {
	for _, severity := range []string{schema.Blocker, schema.Warning, schema.Info} {
		shown := map[string]int{}
		for i := range p.Findings {
			f := &p.Findings[i]
			if f.Severity != severity {
				continue
			}
			if shown[f.Code]++; shown[f.Code] <= mostAlike || v.verbose {
				v.finding(f)
			}
		}
		for _, code := range slices.Sorted(maps.Keys(shown)) {
			if n := shown[code] - mostAlike; n > 0 && !v.verbose {
				v.line("%s… and %s like it [%s]; --verbose shows all", strings.Repeat(" ", 9), number(int64(n)), clean(code))
			}
		}
	}
	if len(p.Findings) > 0 {
		v.gap()
	}
}

func (v *View) finding(f *schema.Finding) {
	head := v.style.faint("info    ")
	switch f.Severity {
	case schema.Blocker:
		head = v.style.red("blocker ")
	case schema.Warning:
		head = v.style.yellow("warning ")
	}
	v.line("%s %s", head, wrap(about(f.Account)+clean(f.Summary)+" ["+clean(f.Code)+"]", 79, "         "))
	if f.Remedy != "" {
		v.line("         %s %s", v.style.blue("→"), wrap(clean(f.Remedy), 79, "           "))
	}
}

// row is one line of a phase: the same op on several accounts is one row.
type row struct {
	text     string
	accounts []string
	steps    []plan.Step
	group    bool
}

func (v *View) phase(p *plan.Plan, ph plan.PhaseState) {
	switch ph.State {
	case plan.PhaseAbsent:
		return
	case plan.PhaseDone:
		v.line("  %s %s", v.style.green("✓"), ph.Name)
		return
	}
	mark := " "
	if ph.State == plan.PhaseCurrent {
		mark = v.style.blue("▶")
	}
	left := plural(ph.Left, "step") + " left"
	if ph.Left == 0 {
		left = "nothing to do"
	}
	v.line("  %s %s %s", mark, v.style.bold(padded(ph.Name, 10)), v.style.faint(left))
	for _, r := range rows(p, ph.Name) {
		v.row(r)
	}
}

// rows folds steps that differ only in their account.
func rows(p *plan.Plan, phase string) []*row {
	var out []*row
	at := map[string]*row{}
	seen := map[string]bool{} // groups that have a row already
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Phase != phase || s.Undo {
			continue
		}
		text := describe(s)
		key := string(s.Op) + s.Part + text
		if s.Group != "" {
			key, text = "cutover", "move to "+clean(s.To)+": freeze, copy what changed, compare, switch"
		}
		if s.Account == "" {
			key = string(s.ID)
		}
		r := at[key]
		if r == nil {
			r = &row{text: text, group: s.Group != ""}
			at[key] = r
			out = append(out, r)
		}
		r.steps = append(r.steps, *s)
		if name := s.Account; name != "" && !seen[key+"\x00"+name] {
			seen[key+"\x00"+name] = true
			r.accounts = append(r.accounts, name)
		}
	}
	return out
}

func (v *View) row(r *row) {
	s := r.steps[0]
	mark := "+"
	if s.Projected {
		mark = v.style.faint("·")
	}
	text := r.text
	if len(r.accounts) > 0 {
		text += ": " + names(r.accounts, v.most(4))
	}
	if r.group {
		var longest plan.Estimate
		for _, x := range r.steps {
			if x.Estimate.Downtime > longest.Downtime {
				longest = x.Estimate
			}
		}
		if longest.Downtime > 0 {
			text += fmt.Sprintf(" (down for up to %s, %s)", took(longest.Downtime), confidence(longest.Confidence))
		}
	}
	if s.Op == plan.OpReinstall {
		text += ": point of no return, what was on it is gone"
	}
	text = wrap(text, 80, "        ")
	if s.Op == plan.OpReinstall {
		text = v.style.red(text)
	}
	v.line("      %s %s", mark, text)
}

// names lists the first few of many.
func names(list []string, most int) string {
	var out []string
	for i, n := range list {
		if i == most && len(list) > most+1 {
			out = append(out, fmt.Sprintf("and %s more", number(int64(len(list)-most))))
			break
		}
		out = append(out, schema.QuoteName(n))
	}
	return strings.Join(out, ", ")
}

func (v *View) altered(p *plan.Plan) {
	if len(p.Altered) == 0 {
		return
	}
	v.gap()
	v.line("%s", v.style.bold("Will not arrive as it was:"))
	for _, a := range p.Altered {
		v.line("  ~ %s", wrap(about(a.Account)+clean(a.Object)+": "+clean(a.From)+" → "+clean(a.To)+" ("+clean(a.Why)+")", 80, "    "))
	}
}

// gates says who must do what now.
func (v *View) gates(p *plan.Plan) {
	open := p.Waiting()
	if len(open) == 0 {
		v.gap()
		return
	}
	v.gap()
	v.line("%s", v.style.bold("Waiting for somebody:"))
	for i := range open {
		if i == mostGates && !v.verbose && len(open) > mostGates+1 {
			v.line("  … and %s more; --verbose shows all", number(int64(len(open)-i)))
			break
		}
		v.gate(&open[i])
	}
	v.line("")
}

// mostGates is how many open gates are shown without --verbose.
const mostGates = 12

// gate says who must do what, and how that is noticed.
func (v *View) gate(g *plan.Gate) {
	v.line("  ◯ %s  %s", clean(string(g.ID)), v.style.faint("("+clean(g.Who)+")"))
	v.line("      %s", wrap(clean(g.What), 78, "      "))
	if g.Evidence == "" {
		return
	}
	v.line("      %s", v.style.faint("evidence "+clean(g.Evidence)))
	v.line("      %s", v.style.faint("stopover approve '"+clean(string(g.ID))+"'"))
}

// steps lists every step with its id, for whoever wants to know exactly.
func (v *View) steps(p *plan.Plan) {
	v.gap()
	v.line("%s", v.style.bold("Every step:"))
	for i := range p.Steps {
		s := &p.Steps[i]
		mark := "+"
		switch {
		case s.Undo:
			mark = "↶"
		case s.Projected:
			mark = "·"
		}
		cost := ""
		if s.Estimate.Duration > 0 {
			cost = "  " + v.style.faint(took(s.Estimate.Duration))
		}
		v.line("  %s %s%s", mark, clean(string(s.ID)), cost)
	}
}

package view

import (
	"fmt"
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
		v.line("%s %s", v.style.yellow("Note:"), n)
	}
	v.findings(p)
	if len(p.Steps) == 0 && len(p.Waiting()) == 0 {
		v.line("%s", v.verdict(p))
		return
	}
	v.line("Stopover will move %s of migration %s by process %s:", plural(len(p.Accounts), "account"),
		v.style.bold(schema.QuoteName(p.Migration)), v.style.bold(p.Config.Migration.Process))
	v.line("")
	for _, ph := range p.Phases {
		v.phase(p, ph)
	}
	v.altered(p)
	v.gates(p)
	v.line("%s", v.verdict(p))
	if saved != "" {
		v.line("\nSaved the plan to %s. To do exactly this, run:\n    stopover apply %s", saved, saved)
	}
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
	s := fmt.Sprintf("%s %s now, %d behind gates.", v.style.bold("Plan:"), plural(run, "step"), projected)
	if d := p.Downtime; d.Max > 0 {
		s += fmt.Sprintf(" Predicted downtime: at most %s for one account", took(d.Max))
		if d.Of != "" {
			s += " (" + schema.QuoteName(d.Of) + ")"
		}
		s += fmt.Sprintf(", %s in all.", took(d.Total))
	}
	return s
}

// findings come first: blockers, then warnings; information only when few.
func (v *View) findings(p *plan.Plan) {
	for _, severity := range []string{schema.Blocker, schema.Warning, schema.Info} {
		for _, f := range p.Findings {
			if f.Severity != severity {
				continue
			}
			head := v.style.faint("info    ")
			switch severity {
			case schema.Blocker:
				head = v.style.red("blocker ")
			case schema.Warning:
				head = v.style.yellow("warning ")
			}
			about := ""
			if f.Account != "" {
				about = schema.QuoteName(f.Account) + ": "
			}
			v.line("%s %s %s", head, wrap(about+f.Summary, 78, "         "), v.style.faint("["+f.Code+"]"))
			if f.Remedy != "" {
				v.line("         %s %s", v.style.blue("→"), wrap(f.Remedy, 76, "           "))
			}
		}
	}
	if len(p.Findings) > 0 {
		v.line("")
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
		v.line("  %s %s", v.style.green("✓"), padded(ph.Name, 10))
		return
	}
	mark := " "
	if ph.State == plan.PhaseCurrent {
		mark = v.style.blue("▶")
	}
	v.line("  %s %s %s", mark, v.style.bold(padded(ph.Name, 10)), v.style.faint(plural(ph.Left, "step")+" left"))
	for _, r := range rows(p, ph.Name) {
		v.row(r)
	}
}

// rows folds steps that differ only in their account.
func rows(p *plan.Plan, phase string) []*row {
	var out []*row
	at := map[string]*row{}
	seen := map[string]bool{} // groups that have a row already
	for _, s := range p.Steps {
		if s.Phase != phase || s.Undo {
			continue
		}
		key := string(s.Op) + s.Part
		text := describe(s)
		if s.Group != "" {
			key, text = "cutover", fmt.Sprintf("cut over from %s to %s: freeze, sync, compare, switch", s.From, s.To)
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
		r.steps = append(r.steps, s)
		if name := s.Account; name != "" && !seen[key+"\x00"+name] {
			seen[key+"\x00"+name] = true
			r.accounts = append(r.accounts, name)
		}
	}
	return out
}

func describe(s plan.Step) string {
	what := strings.ReplaceAll(string(s.Op), "_", " ")
	switch {
	case s.Why != "" && s.Account == "":
		return s.Why
	case s.Part != "":
		what += " " + s.Part
	}
	if s.From != "" && s.To != "" {
		what += " from " + s.From + " to " + s.To
	}
	return what
}

func (v *View) row(r *row) {
	s := r.steps[0]
	mark := "+"
	if s.Projected {
		mark = v.style.faint("·")
	}
	text := r.text
	if len(r.accounts) > 0 {
		text += ": " + names(r.accounts, 4)
	}
	if r.group {
		var longest plan.Estimate
		for _, x := range r.steps {
			if x.Estimate.Downtime > longest.Downtime {
				longest = x.Estimate
			}
		}
		if longest.Downtime > 0 {
			text += v.style.faint(fmt.Sprintf(" (down for up to %s, %s)", took(longest.Downtime), longest.Confidence))
		}
	}
	if s.Op == plan.OpReinstall {
		text += " " + v.style.red("— point of no return")
	}
	v.line("      %s %s", mark, wrap(text, 74, "        "))
}

// names lists the first few of many.
func names(list []string, most int) string {
	var out []string
	for i, n := range list {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(list)-most))
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
	v.line("\n%s", v.style.bold("Will not arrive as it was:"))
	for _, a := range p.Altered {
		v.line("  ~ %s %s: %s → %s (%s)", schema.QuoteName(a.Account), a.Object, a.From, a.To, a.Why)
	}
}

// gates says who must do what now.
func (v *View) gates(p *plan.Plan) {
	open := p.Waiting()
	if len(open) == 0 {
		v.line("")
		return
	}
	v.line("\n%s", v.style.bold("Waiting for somebody:"))
	for i, g := range open {
		if i == 12 {
			v.line("  … and %d more", len(open)-i)
			break
		}
		v.line("  ◯ %s  %s", g.ID, v.style.faint("("+g.Who+")"))
		v.line("      %s", wrap(g.What, 72, "      "))
		if g.Evidence != "" {
			v.line("      %s", v.style.faint("evidence "+g.Evidence))
		}
	}
	v.line("")
}

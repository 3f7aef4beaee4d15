package view

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Situation is what status shows.
type Situation struct {
	Plan      *plan.Plan // a fresh one
	Inventory *schema.Inventory
	Past      plan.Past
	Last      *report.Run // nil: nothing was ever run, or nobody knows
}

// StatusDocument is a situation for programs.
type StatusDocument struct {
	FormatVersion string             `json:"format_version"`
	Migration     string             `json:"migration"`
	Process       string             `json:"process"`
	Servers       []report.Server    `json:"servers"`
	Phases        []plan.PhaseState  `json:"phases"`
	Accounts      []plan.AccountPlan `json:"accounts"`
	Gates         []plan.Gate        `json:"gates"`
	Findings      []schema.Finding   `json:"findings"`
	Downtime      plan.Downtime      `json:"downtime"`
	Dates         plan.Dates         `json:"dates"`
	Steps         int                `json:"steps"`     // that can run now
	Projected     int                `json:"projected"` // behind gates
	Facts         []schema.Fact      `json:"facts"`
	Score         *plan.Scored       `json:"score,omitempty"`
	Last          *report.Run        `json:"last_run,omitempty"`
}

// Status draws the servers with the accounts on them, what is next and what it
// waits for.
func (v *View) Status(s Situation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := s.Plan
	r := report.Build(report.Input{Plan: p, Past: s.Past, Inventory: s.Inventory, Run: s.Last, Now: v.now()})
	sum := summary(p, 0)
	if v.give(StatusDocument{FormatVersion: FormatVersion, Migration: p.Migration, Process: p.Config.Migration.Process, Servers: r.Servers,
		Phases: p.Phases, Accounts: p.Accounts, Gates: p.Gates, Findings: p.Findings, Downtime: p.Downtime, Dates: p.Dates,
		Steps: sum.Steps, Projected: sum.Projected, Facts: s.Past.Facts, Score: r.Score, Last: s.Last}) {
		return
	}
	m := p.Config.Migration
	v.item("", "", nil, named(p.Migration)+", process "+named(m.Process), v.style.bold)
	v.line("")
	v.phaseBar(p)
	v.line("")
	v.draw(p, s.Inventory.Servers[m.Source], s.Inventory.Servers[m.Transit])
	v.gap()
	v.nowhere(p)
	v.findings(unfolded(p))
	v.next(p)
	v.waitsFor(p, s.Past.Facts)
	v.lastRun(clockOf(p.Config), s.Last)
	v.scored(r)
	v.deadlines(p)
	v.gap()
}

// nowhere names the accounts that are on neither server, as far as anybody
// knows.
func (v *View) nowhere(p *plan.Plan) {
	var list []string
	for i := range p.Accounts {
		a := &p.Accounts[i]
		if a.Where != p.Config.Migration.Source && a.Where != p.Config.Migration.Transit {
			list = append(list, a.Name)
		}
	}
	if len(list) > 0 {
		v.item("", "Nobody knows where they are:", v.style.red, names(list, v.most(8)), nil)
		v.gap()
	}
}

// next says what an apply would do.
func (v *View) next(p *plan.Plan) {
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Projected || s.Undo || s.Op == plan.OpGate {
			continue
		}
		k := keyOf(s)
		var accounts []string
		for j := i; j < len(p.Steps); j++ {
			if x := &p.Steps[j]; !x.Projected && !x.Undo && x.Account != "" && keyOf(x) == k {
				accounts = append(accounts, x.Account)
			}
		}
		text := rowText(s)
		if accounts = once(accounts); len(accounts) > 0 {
			text += ": " + names(accounts, v.most(4))
		}
		v.lead("Next:", v.style.bold, text+". Run stopover apply.")
		v.appointment(p, s.Phase)
		return
	}
	if x := judge(p, allFindings(p)); x.word == wordNothing || x.word == wordBlocked {
		v.verdict(x)
	}
}

// appointment is the next one of a phase that waits for a window.
func (v *View) appointment(p *plan.Plan, phase string) {
	c := clockOf(p.Config)
	for i := range p.Dates.Timetable {
		a := &p.Dates.Timetable[i]
		if a.Begins.After(v.now()) && a.Window != "" && a.Phase == phase {
			v.lead("Waits until", v.style.bold, c.moment(a.Begins)+" ("+c.name+") for "+windowOf(a.Window)+": "+clean(a.What)+".")
			return
		}
	}
}

// waitsFor says who must do what, and since when that is waited for.
func (v *View) waitsFor(p *plan.Plan, facts []schema.Fact) {
	open := p.Waiting()
	if len(open) == 0 {
		return
	}
	c := clockOf(p.Config)
	v.gates(p, true)
	if since := waitedSince(open, facts); !since.IsZero() {
		text := c.moment(since)
		if d := v.now().Sub(since); d >= time.Minute {
			text += " (" + took(d.Round(time.Minute)) + ")"
		}
		v.lead("Waiting since", plainInk, text+".")
	}
}

// waitedSince is when the first of the gates opened: after the last thing that
// is remembered of its account.
func waitedSince(open []plan.Gate, facts []schema.Fact) time.Time {
	if len(open) > mostGates { // of many, what happened last to any
		return report.Since(facts, "")
	}
	var since time.Time
	for _, g := range open {
		if t := report.Since(facts, g.Account); since.IsZero() || !t.IsZero() && t.Before(since) {
			since = t
		}
	}
	return since
}

// lastRun says what the last run did.
func (v *View) lastRun(c clock, r *report.Run) {
	if r == nil {
		return
	}
	s := c.moment(r.Began)
	if !r.Ended.IsZero() {
		s += "–" + c.until(r.Began, r.Ended)
	}
	s += " by " + clean(r.Who) + ": " + plural(r.Done, "step") + " done"
	if n := len(r.Moved); n > 0 {
		s += ", " + plural(n, "account") + " moved"
	}
	if n := len(r.Failed); n > 0 {
		s += ", " + number(int64(n)) + " failed"
	}
	v.gap()
	v.lead("Last run:", v.style.bold, s+".")
	switch {
	case r.Ended.IsZero():
		v.item("  ", "", nil, "It has not ended: it is still running, or it was stopped hard. Running apply again goes on; begun steps: "+plural(len(r.Open), "step")+".", nil)
	case r.How != "" && r.How != "done" && !strings.HasPrefix(r.How, "waiting"): // what it waits for is shown
		v.item("  ", "", nil, "It ended with: "+onceLine(r.How), nil)
	}
	for i, f := range r.Failed {
		if i == mostAlike && !v.verbose && len(r.Failed) > mostAlike+1 {
			v.item("  ", "", nil, "… and "+number(int64(len(r.Failed)-i))+" more; --verbose shows all", v.style.faint)
			return
		}
		v.item("  ", "✗", v.style.red, clean(string(f.Step))+": "+onceLine(f.Why), nil)
	}
}

// scored says how well downtimes were predicted so far.
func (v *View) scored(r *report.Report) {
	if r.Score == nil {
		return
	}
	v.gap()
	v.lead("Predictions:", v.style.bold, scoreSentence(r.Score))
}

func scoreSentence(s *plan.Scored) string {
	if s.N == 1 {
		return "of 1 move, " + verdictSentence(&s.Cutovers[0]) + "."
	}
	longer, worst := 0, &s.Cutovers[0]
	for i := range s.Cutovers {
		c := &s.Cutovers[i]
		if c.Error < 0 {
			longer++
		}
		if math.Abs(c.Error) > math.Abs(worst.Error) {
			worst = c
		}
	}
	more := number(int64(longer))
	if longer == 0 {
		more = "none"
	}
	return fmt.Sprintf("of %s, %s took longer than predicted; half were off by at most %s what was measured, 95 of 100 by at most %s. Farthest off: %s.",
		plural(s.N, "move"), more, share(s.Median), strings.TrimSuffix(share(s.P95), " of"), verdictSentence(worst))
}

// verdictSentence is one prediction beside what came.
func verdictSentence(v *plan.Verdict) string {
	return named(v.Account) + ", " + took(v.Predicted) + " predicted and " + took(v.Measured) + " measured"
}

// share is a part of what was measured; many hundreds of percent are a rule of
// thumb that was too careful, and no alarm.
func share(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.0f times", x)
	}
	return fmt.Sprintf("%.0f %% of", 100*x)
}

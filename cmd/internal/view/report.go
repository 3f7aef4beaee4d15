package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Report shows a report in one of Formats, on the view's output. With --json it
// is JSON whatever the format is.
func (v *View) Report(r *report.Report, format string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.give(r) {
		return nil
	}
	if format == JSON {
		return v.jsonPage(r)
	}
	return v.print(reportPage(r, v.verbose || format == HTML, format == HTML || format == Markdown), format)
}

// jsonPage prints a document on the output, as a format that was asked for.
func (v *View) jsonPage(x any) error { return encode(v.out, x) }

// reportPage is a report to read. Without all, long lists are cut; wide tables
// are for who has no 80 columns.
func reportPage(r *report.Report, all, wide bool) *page {
	c := clockOf(r.Config)
	p := &page{Title: "Migration " + named(r.Migration)}
	p.Lead, p.Tone = reportLead(c, r)
	x := &reporter{page: p, r: r, clock: c, all: all, wide: wide}
	for _, part := range []func(){x.servers, x.milestones, x.accounts, x.scores, x.promises, x.ahead, x.deadlines, x.cost, x.altered,
		x.findings, x.waived, x.approvals, x.dispositions, x.trials, x.gates, x.lastRun} {
		part()
	}
	return p
}

// reporter writes a report part by part; a part that has nothing to say is left
// out.
type reporter struct {
	*page
	r     *report.Report
	clock clock
	all   bool
	wide  bool
}

// reportLead is what a report comes to.
func reportLead(c clock, r *report.Report) ([]string, string) {
	var lead []string
	tone := "wait"
	first := "The journey by process " + named(r.Process) + " from " + named(r.Source) + " over " + named(r.Transit) + " is " + r.State
	switch r.State {
	case report.Finished:
		tone = "good"
		first += "."
	case report.UnderWay:
		first += phaseNow(r.Phases) + "."
	default:
		first += "."
	}
	lead = append(lead, first)
	d := r.Downtime
	if d.Moves > 0 {
		s := fmt.Sprintf("%s moved %s", plural(movedAccounts(r), "account"), plural(d.Moves, "time"))
		if d.Max > 0 {
			s += fmt.Sprintf("; the longest downtime was %s (%s), %s in all", took(d.Max), named(d.Of), took(d.Total))
		}
		if d.Unknown > 0 {
			s += "; of " + plural(d.Unknown, "move") + " the downtime was not measured, because a run was interrupted"
		}
		lead = append(lead, s+".")
	}
	if n := blocking(r.Findings); n > 0 {
		tone = "bad"
		lead = append(lead, plural(n, "blocker")+" left.")
	}
	if n := len(r.Gates); n > 0 {
		lead = append(lead, plural(n, "gate")+" "+isAre(n)+" waiting for somebody.")
	}
	return append(lead, "As of "+c.moment(r.At)+" ("+c.name+")."), tone
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func phaseNow(list []plan.PhaseState) string {
	for _, p := range list {
		if p.State == plan.PhaseCurrent {
			return ", in phase " + clean(p.Name)
		}
	}
	return ""
}

func movedAccounts(r *report.Report) int {
	n := 0
	for i := range r.Accounts {
		if len(r.Accounts[i].Moves) > 0 {
			n++
		}
	}
	return n
}

func (x *reporter) servers() {
	x.heading("Servers")
	var rows [][]string
	for i := range x.r.Servers {
		s := &x.r.Servers[i]
		state := "not there"
		switch s.Presence {
		case schema.Present:
			state = "architecture " + named(s.Architecture)
			if x.r.Config != nil && s.Architecture != "" {
				state = architecture(x.r.Config, s.Architecture)
			}
		case schema.Unreachable:
			state = "does not answer"
		}
		rows = append(rows, []string{named(s.Name), s.Role, state, clean(strings.Join(s.Serves, ", ")), plural(s.Accounts, "account")})
	}
	x.table([]string{"server", "role", "state", "answers on", "holds"}, rows)
}

// milestone says for people what happened.
func milestone(what string) string {
	s := map[string]string{"handover": "the transit server was handed over", "first_move": "the first account moved out", "last_move": "the last account moved out",
		"reinstalled": "the source was reinstalled", "first_return": "the first account came home", "last_return": "the last account came home",
		"released": "the copies on transit were released"}[what]
	if s == "" {
		return clean(what)
	}
	return s
}

func (x *reporter) milestones() {
	if len(x.r.Milestones) == 0 {
		return
	}
	x.heading("What happened when")
	var rows [][]string
	for _, m := range x.r.Milestones {
		rows = append(rows, []string{x.clock.moment(m.At), milestone(m.What), clean(m.By)})
	}
	x.table(nil, rows, keep)
}

// mostReported is how many rows a list of a report has in text and Markdown
// without --verbose.
const mostReported = 50

// cut takes rows that are too many away, and says so below the table.
func (x *reporter) cut(head []string, rows [][]string, kinds ...column) {
	left := 0
	if len(rows) > mostReported && !x.all {
		left = len(rows) - mostReported
		rows = rows[:mostReported]
	}
	x.table(head, rows, kinds...)
	if left > 0 {
		x.text("faint", "… and "+number(int64(left))+" more; --verbose, JSON and HTML have all.")
	}
}

func (x *reporter) accounts() {
	if len(x.r.Accounts) == 0 {
		return
	}
	x.heading("Accounts")
	var rows [][]string
	for i := range x.r.Accounts {
		a := &x.r.Accounts[i]
		row := []string{named(a.Name), clean(strings.ReplaceAll(a.Stage, "_", " ")), sized(a.Bytes)}
		if len(a.Moves) == 0 {
			rows = append(rows, row)
		}
		for j := range a.Moves {
			if x.wide {
				row = append(row, x.move(&a.Moves[j])...)
			} else {
				row = append(row, x.moveBrief(&a.Moves[j]))
			}
			rows = append(rows, row)
			row = []string{"", "", ""}
		}
	}
	if x.wide {
		x.cut([]string{"account", "stage", "size", "moved to", "at", "down", "predicted", "outside", "probes"}, rows, loose, loose, keep, loose, loose, numeric, numeric, numeric)
		return
	}
	x.cut([]string{"account", "stage", "size", "moves"}, rows, loose, keep, keep)
}

func (x *reporter) move(m *report.Move) []string {
	return []string{moveTo(m), x.clock.moment(m.At), orUnknown(m.Downtime), orUnknown(m.Predicted), orUnknown(m.Outside), clean(m.Probed)}
}

func moveTo(m *report.Move) string {
	if m.Back {
		return "back to " + named(m.To)
	}
	return named(m.To)
}

// moveBrief is a move in one cell.
func (x *reporter) moveBrief(m *report.Move) string {
	s := moveTo(m) + " " + x.clock.moment(m.At) + ", downtime not measured"
	if m.Downtime > 0 {
		s = moveTo(m) + " " + x.clock.moment(m.At) + ", down " + took(m.Downtime)
	}
	if m.Predicted > 0 {
		s += ", predicted " + took(m.Predicted)
	}
	if m.Outside > 0 {
		s += ", outside " + took(m.Outside)
	}
	if m.Probed != "" {
		s += ", probes " + clean(m.Probed)
	}
	return s
}

func orUnknown(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return took(d)
}

func (x *reporter) scores() {
	s := x.r.Score
	if s == nil {
		return
	}
	x.heading("Predictions")
	x.text("", "Downtimes predicted and measured: "+scoreSentence(s))
	var predicted, measured time.Duration
	for i := range s.Cutovers {
		predicted += s.Cutovers[i].Predicted
		measured += s.Cutovers[i].Measured
	}
	x.text("", "In all "+took(predicted)+" were predicted and "+took(measured)+" measured.")
}

// promises is the timetable of the plan that was saved beside what happened.
func (x *reporter) promises() {
	var rows [][]string
	for i := range x.r.Timetable {
		a := &x.r.Timetable[i]
		if a.Happened.IsZero() {
			continue
		}
		rows = append(rows, []string{x.clock.when(&a.Appointment), clean(a.What), x.clock.moment(a.Happened), late(a)})
	}
	if len(rows) == 0 {
		return
	}
	x.heading("Timetable and what came of it")
	x.cut([]string{"promised", "what", "happened", ""}, rows)
}

func late(a *report.Appointment) string {
	switch {
	case a.Ends.IsZero():
		return ""
	case a.Late > 0:
		return seconds(a.Late)
	}
	return "in time"
}

// ahead is what is still to come.
func (x *reporter) ahead() {
	var rows [][]string
	for i := range x.r.Timetable {
		if a := &x.r.Timetable[i]; a.Happened.IsZero() {
			rows = append(rows, []string{x.clock.when(&a.Appointment), clean(a.What), remarks(&a.Appointment)})
		}
	}
	if len(rows) == 0 {
		return
	}
	x.heading("Still to come")
	x.cut([]string{"when", "what", ""}, rows)
}

func (x *reporter) deadlines() {
	if len(x.r.Deadlines) == 0 {
		return
	}
	x.heading("Deadlines")
	for i := range x.r.Deadlines {
		tone := ""
		if x.r.Deadlines[i].Missed {
			tone = "bad"
		}
		x.text(tone, sentence(deadline(x.clock, &x.r.Deadlines[i], x.r.At)))
	}
}

func (x *reporter) cost() {
	if x.r.Cost != nil {
		x.heading("Cost")
		x.text("", costSentence(x.clock, x.r.Cost))
	}
}

func (x *reporter) altered() {
	if len(x.r.Altered) > 0 {
		x.heading("Does not arrive as it was")
		x.alteredList(x.r.Altered, x.all)
	}
}

func (x *reporter) findings() {
	if len(x.r.Findings) > 0 {
		x.heading("Findings")
		x.findingList(x.r.Findings, x.all)
	}
}

func (x *reporter) waived() {
	if len(x.r.Waived) > 0 {
		x.heading("Findings that were let pass")
		x.findingList(x.r.Waived, x.all)
	}
}

func (x *reporter) approvals() {
	if len(x.r.Approvals) == 0 {
		return
	}
	x.heading("Approvals")
	var rows [][]string
	for i := range x.r.Approvals {
		a := &x.r.Approvals[i]
		when := ""
		if !a.At.IsZero() {
			when = x.clock.moment(a.At)
		}
		var notes []string
		if a.Revoked {
			notes = append(notes, "taken away")
		}
		if a.Config {
			notes = append(notes, "in the configuration")
		}
		if a.Note != "" {
			notes = append(notes, clean(a.Note))
		}
		rows = append(rows, []string{clean(a.Gate), clean(a.By), when, evidenceBrief(a.Evidence, x.all), strings.Join(notes, "; ")})
	}
	x.cut([]string{"gate", "by", "when", "evidence", "note"}, rows)
}

// evidenceBrief is as much of a digest as tells it from others.
func evidenceBrief(s string, all bool) string {
	if s = clean(s); all || len(s) <= 19 {
		return s
	}
	return head(s, 18) + "…"
}

func (x *reporter) dispositions() {
	if len(x.r.Dispositions) == 0 {
		return
	}
	x.heading("What does not move")
	var rows [][]string
	var kept []string
	for i := range x.r.Dispositions {
		d := &x.r.Dispositions[i]
		name := named(d.Account)
		if d.Account == "" {
			name = named(d.Path)
		}
		when := "not yet"
		if !d.At.IsZero() {
			when = x.clock.moment(d.At)
		}
		rows = append(rows, []string{name, clean(d.Action), when, clean(d.Reason)})
		if d.Ref != "" { // whole: whoever looks for it years later has nothing else
			kept = append(kept, name+" is kept as "+clean(d.Ref))
		}
	}
	x.cut([]string{"what", "action", "done", "reason"}, rows)
	if len(kept) > 0 {
		x.list(kept)
	}
}

func (x *reporter) trials() {
	if len(x.r.Trials) == 0 {
		return
	}
	x.heading("Trials of databases")
	var rows [][]string
	for i := range x.r.Trials {
		t := &x.r.Trials[i]
		for _, d := range t.Databases {
			result := "arrives"
			if n := len(d.Errors); n > 0 {
				result = plural(n, "error") + ": " + clean(d.Errors[0])
			} else if n := len(d.Warnings); n > 0 {
				result = plural(n, "warning") + ": " + clean(d.Warnings[0])
			}
			rows = append(rows, []string{named(d.Name), clean(d.Engine) + " on " + clean(t.Engine) + " " + clean(t.Version), size(d.Bytes), result})
		}
	}
	x.cut([]string{"database", "tried", "size", "result"}, rows)
}

func (x *reporter) gates() {
	if len(x.r.Gates) > 0 {
		x.heading("Who must do what")
		x.gateList(x.r.Gates, x.all)
	}
}

func (x *reporter) lastRun() {
	r := x.r.Run
	if r == nil {
		return
	}
	x.heading("Last run")
	s := x.clock.moment(r.Began)
	if !r.Ended.IsZero() {
		s += "–" + x.clock.until(r.Began, r.Ended)
	}
	x.text("", fmt.Sprintf("%s by %s: %s done, %s failed.", s, clean(r.Who), plural(r.Done, "step"), number(int64(len(r.Failed)))))
	var items []string
	for _, f := range r.Failed {
		items = append(items, clean(string(f.Step))+": "+onceLine(f.Why))
	}
	if len(items) > 0 {
		x.list(items)
	}
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

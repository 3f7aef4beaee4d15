package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/stopover/stopover/plan"
)

// timetable shows when what happens: every appointment, or where there are many
// the days with what is on them.
func (v *View) timetable(p *plan.Plan) {
	list := p.Dates.Timetable
	if len(list) == 0 {
		return
	}
	c := clockOf(p.Config)
	c.year = yearOf(c, list)
	zone := c.name
	if c.year != 0 {
		zone = fmt.Sprint(c.year) + ", " + zone
	}
	v.heading("Timetable (" + zone + "):")
	if h := handoverLine(c, &p.Dates); h != "" {
		v.item("  ", "", nil, h, nil)
	}
	sure, early := splitEarly(list)
	v.table("  ", timetableRows(c, sure, v.verbose), []column{keep})
	if len(early) > 0 {
		v.item("  ", "", nil, earlySentence, v.style.faint)
		v.table("  ", timetableRows(c, early, v.verbose), []column{keep})
	}
	if len(list) > mostRows && !v.verbose {
		v.item("  ", "", nil, "--verbose shows every appointment.", v.style.faint)
	}
}

// earlySentence stands before appointments that may come later.
const earlySentence = "At the earliest, because somebody has to act before, or nobody knows how long something takes:"

// splitEarly divides a timetable where it becomes uncertain.
func splitEarly(list []plan.Appointment) (sure, early []plan.Appointment) {
	for i := range list {
		if list[i].Earliest {
			return list[:i], list[i:]
		}
	}
	return list, nil
}

// yearOf is the year that all appointments are in; 0: there are several, or
// none has a date.
func yearOf(c clock, list []plan.Appointment) int {
	year := 0
	for i := range list {
		for _, t := range []time.Time{list[i].Begins, list[i].Ends} {
			switch y := t.In(c.Location).Year(); {
			case t.IsZero():
			case year == 0:
				year = y
			case y != year:
				return 0
			}
		}
	}
	return year
}

// handoverLine says what dates count from.
func handoverLine(c clock, d *plan.Dates) string {
	switch {
	case d.Handover.IsZero() && d.FromHand != "":
		return "Nobody has promised the transit server yet: what comes after its hand-over is counted from it."
	case d.Handover.IsZero():
		return ""
	case d.Promised:
		return "The transit server is promised for " + c.day(d.Handover) + "; later dates rest on that."
	}
	return "The transit server was handed over on " + c.day(d.Handover) + "."
}

func timetableRows(c clock, list []plan.Appointment, all bool) [][]string {
	var rows [][]string
	if len(list) <= mostRows || all {
		for i := range list {
			rows = append(rows, []string{c.when(&list[i]), clean(list[i].What), remarks(&list[i])})
		}
		return rows
	}
	days, accounts := 0, 0
	var last []string
	for _, d := range daysOf(c, list) {
		if d.accounts > 0 {
			days++
		}
		if d.accounts > 0 && days > mostDays {
			accounts += d.accounts
			last = d.row(c)
			continue
		}
		rows = append(rows, d.row(c))
	}
	if accounts > 0 {
		rows = append(rows, []string{last[0], "the last of " + plural(days-mostDays, "more day") + " with " + plural(accounts, "account"), ""})
	}
	return rows
}

// mostDays is how many days a timetable has without --verbose.
const mostDays = 14

// remarks say what an appointment costs and why it is then.
func remarks(a *plan.Appointment) string {
	var out []string
	if a.Downtime > 0 {
		out = append(out, down(a.Downtime))
	} else if a.Takes >= time.Second {
		out = append(out, "takes "+took(a.Takes))
	}
	if a.Window != "" {
		out = append(out, windowOf(a.Window))
	}
	switch waited := clean(a.Waited); waited {
	case "", "window " + clean(a.Window), "working hours", "the accounts before it": // that is said, or seen
	default:
		out = append(out, "waited for "+waited)
	}
	return strings.Join(out, ", ")
}

// windowOf names a window.
func windowOf(name string) string {
	if name == plan.WorkingWindow {
		return "working hours"
	}
	return "window " + named(name)
}

// daySum is what happens to accounts on one day in one phase; what happens to a
// server stands alone.
type daySum struct {
	first    *plan.Appointment
	ends     time.Time
	accounts int
	most     time.Duration // longest downtime
}

func daysOf(c clock, list []plan.Appointment) []*daySum {
	var out []*daySum
	at := map[string]*daySum{}
	for i := range list {
		a := &list[i]
		key := fmt.Sprint(i)
		if a.Account != "" {
			day := "unknown"
			if a.Relative {
				day = fmt.Sprint("+", a.After/(24*time.Hour))
			} else if !a.Begins.IsZero() {
				day = c.day(a.Begins)
			}
			key = a.Phase + " " + day
		}
		d := at[key]
		if d == nil {
			d = &daySum{first: a}
			at[key] = d
			out = append(out, d)
		}
		if a.Ends.After(d.ends) {
			d.ends = a.Ends
		}
		d.most = max(d.most, a.Downtime)
		if a.Account != "" {
			d.accounts++
		}
	}
	return out
}

func (d *daySum) row(c clock) []string {
	if d.accounts == 0 {
		return []string{c.when(d.first), clean(d.first.What), remarks(d.first)}
	}
	span := *d.first
	span.Ends = d.ends
	what := clean(d.first.Phase) + ": " + plural(d.accounts, "account")
	if d.accounts == 1 {
		what = clean(d.first.What)
	}
	rest := ""
	if d.most > 0 {
		rest = "each down up to " + took(d.most)
	}
	return []string{c.when(&span), what, rest}
}

// deadlines say which dates are kept, and by how much.
func (v *View) deadlines(p *plan.Plan) {
	if len(p.Dates.Deadlines) == 0 {
		return
	}
	c := clockOf(p.Config)
	v.heading("Deadlines:")
	for i := range p.Dates.Deadlines {
		d := &p.Dates.Deadlines[i]
		mark, paint := "✓", v.style.green
		switch {
		case d.Missed:
			mark, paint = "✗", v.style.red
		case d.Ends.IsZero():
			mark, paint = "?", v.style.yellow
		}
		v.item("  ", mark, paint, deadline(c, d, p.Dates.Computed), nil)
		if m := mends(p, d); m != "" {
			v.item("    ", "→", v.style.blue, m, nil)
		}
	}
}

// deadline is one date and how it looks at a moment. The end of a day is shown
// as that day.
func deadline(c clock, d *plan.Deadline, now time.Time) string {
	last := c.day(d.At.Add(-time.Second))
	var what string
	switch d.What {
	case "finish_by":
		what = "finish by " + last
	case "forced_on":
		what = "the hosting company acts by itself on " + c.day(d.At)
	case "free_days":
		what = "the free days end on " + last
	case "rollback": // a date to know, nothing to keep
		return "accounts may go back until " + last + reason("; ", d)
	default:
		what = clean(d.What) + " " + last
	}
	switch {
	case d.Missed && d.At.Before(now) && !now.IsZero():
		return what + ": that was " + days(now.Sub(d.At)) + " ago"
	case d.Missed && d.Slack != 0:
		return what + ": will miss it by " + days(d.Slack) + reason(" because ", d)
	case d.Missed:
		return what + ": cannot be kept" + reason(" because ", d)
	case d.Ends.IsZero():
		return what + ": not known yet" + reason("; ", d)
	}
	return what + ": kept, " + days(d.Slack) + " to spare (" + c.moment(d.Ends) + ")"
}

// reason says what takes the time, behind a word that joins the two.
func reason(word string, d *plan.Deadline) string {
	if d.Why == "" {
		return ""
	}
	return word + strings.TrimSuffix(clean(d.Why), ".")
}

// cost says what the transit server costs beyond the free days.
func (v *View) cost(p *plan.Plan) {
	if p.Dates.Cost == nil {
		return
	}
	v.heading("Cost:")
	v.item("  ", "", nil, costSentence(clockOf(p.Config), p.Dates.Cost), nil)
}

func costSentence(c clock, x *plan.Cost) string {
	free := plural(x.FreeDays, "day") + " of the transit server are free"
	if !x.FreeEnds.IsZero() {
		free += ", until " + c.day(x.FreeEnds.Add(-time.Second))
	}
	s := free + "; " + plural(x.Used, "day") + " counted."
	if x.Used == 0 {
		s = free + "."
	}
	switch {
	case x.Overrun > 0 && x.Why != "":
		s += fmt.Sprintf(" %s beyond them: %s.", plural(x.Overrun, "day"), strings.TrimSuffix(clean(x.Why), "."))
	case x.Overrun > 0:
		s += fmt.Sprintf(" %s beyond them at %s a day: %s.", plural(x.Overrun, "day"), money(x.PerDay, x.Currency), money(x.Total, x.Currency))
	case x.Why != "":
		why := strings.TrimSuffix(clean(x.Why), ".")
		s += " " + strings.ToUpper(why[:1]) + why[1:] + "."
	default:
		s += " Nothing to pay."
	}
	return s
}

// costBrief is the cost in the verdict.
func costBrief(x *plan.Cost) string {
	switch {
	case x == nil:
		return ""
	case x.Overrun > 0 && x.Total > 0:
		return "Costs " + money(x.Total, x.Currency) + "."
	case x.Overrun > 0:
		return "Costs " + plural(x.Overrun, "day") + " beyond the free ones."
	case x.Why != "":
		return ""
	}
	return "Costs nothing beyond the free days."
}

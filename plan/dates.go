package plan

import (
	"fmt"
	"strconv"
	"time"

	"github.com/stopover/stopover/schema"
)

// What a deadline is.
const (
	deadlineFinish   = "finish_by"
	deadlineForced   = "forced_on"
	deadlineFree     = "free_days"
	deadlineRollback = "rollback"
)

// dates are predictions; nothing else depends on the clock.
func (b *builder) dates() Dates {
	d := Dates{Computed: b.in.Now}
	if b.in.Now.IsZero() {
		return d
	}
	t := b.timetable()
	d.Earliest = t.early && !t.end().IsZero()
	if t.known && b.past.has(schema.FactHandover) || t.promised {
		d.Handover, d.Promised = t.hand, t.promised
	}
	end := t.end()
	switch {
	case end.IsZero():
	case t.relative:
		d.FromHand = "+" + roughly(end.Sub(t.hand))
	default:
		d.Ends = end
	}
	x := deadlines{b: b, t: t, d: &d}
	x.finishBy()
	x.forcedOn()
	x.rollback()
	d.Cost = x.cost()
	x.stuck()
	d.Timetable = t.appointments()
	sortFindings(d.Findings)
	return d
}

// end is when everything that is planned is done; zero when there is nothing, or
// when it never is.
func (t *timetable) end() time.Time {
	if len(t.stuck) > 0 || len(t.b.steps) == 0 {
		return time.Time{}
	}
	return t.at
}

// appointments are the list as people see it: what comes after an unknown
// hand-over has no date.
func (t *timetable) appointments() []Appointment {
	if !t.relative {
		return t.list
	}
	for i := range t.list {
		x := &t.list[i]
		if x.Begins.Before(t.hand) {
			continue
		}
		x.After, x.Relative = x.Begins.Sub(t.hand), true
		x.Begins, x.Ends = time.Time{}, time.Time{}
	}
	return t.list
}

// because is what takes the most time until something, for people.
func (t *timetable) because(until time.Time) string {
	var most *taker
	for i := range t.takers {
		if x := &t.takers[i]; (until.IsZero() || !x.until.After(until)) && (most == nil || x.took > most.took) {
			most = &t.takers[i]
		}
	}
	if most == nil {
		return ""
	}
	return most.what()
}

// deadlines compares the timetable with what was asked for.
type deadlines struct {
	b *builder
	t *timetable
	d *Dates
}

// report adds a finding that depends on the date.
func (x *deadlines) report(code, account, object, summary string) {
	f := x.b.finding(code, account, "", object, summary)
	x.b.waivers.waive(&f)
	x.d.Findings = append(x.d.Findings, f)
}

// finishBy is the day on which the journey has to be over.
func (x *deadlines) finishBy() {
	day, ok := x.b.day(x.b.mig.FinishBy)
	if !ok || x.b.past.has(schema.FactReleased) && len(x.b.steps) == 0 {
		return
	}
	at := day.AddDate(0, 0, 1).UTC()
	name := dayOf(day, x.b.zone())
	l := Deadline{What: deadlineFinish, At: at, Why: x.t.because(time.Time{})}
	end := x.t.end()
	switch {
	case x.t.relative:
		x.lastHandover(l, end, name)
		return
	case len(x.t.stuck) > 0:
		l.Missed, l.Why = true, x.never()
		x.report(codeMissed, "", deadlineFinish, name+" will be missed, because "+l.Why)
	case !end.IsZero() && end.After(at), end.IsZero() && x.b.in.Now.After(at):
		x.miss(&l, end, name)
	case !x.t.finished:
		l.Why = x.unplanned()
		if x.wholeJourney() {
			x.report(codeFinishUnknown, "", deadlineFinish, "whether "+name+" can be kept is not known: "+l.Why)
		}
	default:
		l.Ends, l.Slack = end, at.Sub(end)
		if left := at.Sub(x.b.in.Now); l.Slack < max(24*time.Hour, left/10) {
			x.report(codeClose, "", deadlineFinish, fmt.Sprintf("%s will be met with %s to spare%s", name, inWords(l.Slack), becauseOf(l.Why)))
		}
	}
	x.d.Deadlines = append(x.d.Deadlines, l)
}

func becauseOf(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// miss is a deadline that cannot be kept.
func (x *deadlines) miss(l *Deadline, end time.Time, name string) {
	if end.IsZero() {
		end = x.b.in.Now.UTC()
	}
	l.Ends, l.Slack, l.Missed = end, l.At.Sub(end), true
	if x.b.in.Now.After(l.At) {
		l.Why = "it is over"
		x.report(codeMissed, "", l.What, name+" was missed "+inWords(x.b.in.Now.Sub(l.At))+" ago")
		return
	}
	summary := name + " will be missed by " + inWords(-l.Slack)
	if l.Why != "" {
		summary += ", because " + l.Why
	}
	x.report(codeMissed, "", l.What, summary)
}

// lastHandover is what can be said while nobody knows when the transit server
// will be there: how long it all takes from then on, and so the last day.
func (x *deadlines) lastHandover(l Deadline, end time.Time, name string) {
	if end.IsZero() || !x.t.finished {
		l.Why = x.unplanned()
		if len(x.t.stuck) > 0 {
			l.Why = x.never()
		}
	} else {
		takes := end.Sub(x.t.hand)
		last := l.At.Add(-takes).In(x.b.zone()).AddDate(0, 0, -1) // the last day that is over by then
		l.Why = "everything from the hand-over on takes " + inWords(takes)
		if l.At.Add(-takes).Before(x.b.in.Now) {
			l.Missed = true
			x.report(codeMissed, "", l.What, name+" will be missed, even if the transit server is handed over now, because "+x.t.because(time.Time{}))
			x.d.Deadlines = append(x.d.Deadlines, l)
			return
		}
		l.Why += ": the transit server has to be there by " + dayOf(last, x.b.zone())
	}
	x.report(codeFinishUnknown, "", l.What, "whether "+name+" can be kept depends on the hand-over, which is not known; "+l.Why)
	x.d.Deadlines = append(x.d.Deadlines, l)
}

// wholeJourney says whether the goal does not leave anything out.
func (x *deadlines) wholeJourney() bool {
	g := x.b.in.Goal
	return g.Until == "" && len(g.Accounts)+len(g.Rollback)+len(g.Verify) == 0
}

// unplanned says why the plan does not go to the end of the journey.
func (x *deadlines) unplanned() string {
	if !x.wholeJourney() {
		return "this plan is for a part of the journey only"
	}
	n := 0
	for _, a := range x.b.accounts {
		if a.stop != iNever {
			n++
		}
	}
	if n > 0 {
		return count(n, "account") + " " + plural(n, "is", "are") + " stopped, and the end is not planned"
	}
	return "the end is not planned yet"
}

// never names who waits for a window that does not open.
func (x *deadlines) never() string {
	return "no window opens for " + schema.QuoteName(x.t.stuck[0].a.name) + more(len(x.t.stuck)-1)
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return " and " + strconv.Itoa(n) + " more"
}

// stuck reports accounts for which no window opens.
func (x *deadlines) stuck() {
	for _, m := range x.t.stuck {
		x.report(codeWindowNever, m.a.name, "", "nothing opens for its cutover to "+m.to+" in the next "+strconv.Itoa(searchDays)+" days: "+x.t.windowWords(m))
	}
}

// forcedOn is the day on which the hosting company acts by itself: everything
// has to be over before it begins.
func (x *deadlines) forcedOn() {
	day, ok := x.b.day(x.b.mig.ForcedOn)
	if !ok || x.b.past.has(schema.FactReleased) && len(x.b.steps) == 0 {
		return
	}
	at, name := day.UTC(), dayOf(day, x.b.zone())
	l := Deadline{What: deadlineForced, At: at, Why: x.t.because(time.Time{})}
	end := x.t.end()
	say := func(summary string) {
		l.Missed = true
		x.report(codeForced, "", deadlineForced, summary)
	}
	switch {
	case x.b.in.Now.After(at):
		l.Ends, l.Slack = end, at.Sub(latest(end, x.b.in.Now.UTC()))
		say("since " + name + " the hosting company may act by itself, and the journey is not over")
	case x.t.relative:
		if !end.IsZero() && x.b.in.Now.Add(end.Sub(x.t.hand)).After(at) {
			say("the hosting company acts by itself on " + name + "; even if the transit server is handed over now, the journey takes until after that, because " + l.Why)
		}
	case len(x.t.stuck) > 0:
		l.Why = x.never()
		say("the hosting company acts by itself on " + name + ", before the journey is over, because " + l.Why)
	case !end.IsZero() && end.After(at):
		l.Ends, l.Slack = end, at.Sub(end)
		say(fmt.Sprintf("the hosting company acts by itself on %s, %s before the journey is over: %s", name, inWords(end.Sub(at)), l.Why))
	case x.t.finished:
		l.Ends, l.Slack = end, at.Sub(end)
	}
	x.d.Deadlines = append(x.d.Deadlines, l)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rollback is until when the first account may go back. It is about what is to
// be seen before: the reinstallation ends the way back for good.
func (x *deadlines) rollback() {
	var first time.Time
	var whose string
	for _, a := range x.b.accounts {
		if a.found != sideTransit || !x.b.wayBackOpen() {
			continue
		}
		if by := x.b.rollbackBy(a); !by.IsZero() && (first.IsZero() || by.Before(first)) {
			first, whose = by, a.name
		}
	}
	if first.IsZero() {
		return
	}
	l := Deadline{What: deadlineRollback, At: first.UTC(), Why: "the way back of " + schema.QuoteName(whose) + " ends first"}
	if !x.t.wiped.IsZero() && !x.t.relative {
		l.Ends = x.t.wiped
		l.Slack = l.At.Sub(l.Ends)
	}
	if l.Missed = x.b.in.Now.After(l.At); l.Missed {
		l.Why = "the way back of " + schema.QuoteName(whose) + " has ended"
	}
	x.d.Deadlines = append(x.d.Deadlines, l)
}

// roughly is a duration for people who plan days ahead.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day {
		return itoa(int64((d+day-1)/day)) + " d"
	}
	return itoa(int64((d+time.Hour-1)/time.Hour)) + " h"
}

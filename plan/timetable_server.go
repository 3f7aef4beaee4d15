package plan

import (
	"strconv"
	"time"

	"github.com/stopover/stopover/schema"
)

// server takes what is done to a whole server: everything before it is over,
// and everything behind it waits for it.
func (t *timetable) server(s *Step) {
	t.enter(s.Phase)
	t.early = t.early || t.pending && s.Phase != schema.PhaseInstall
	switch {
	case s.Op == OpGate && s.ID == t.gate(schema.PhaseInstall, "handover", t.b.t.name):
		t.handover(s)
	case s.Op == OpGate:
		t.byPeople(s)
	case s.Op == OpHandover:
		if !t.known && !t.relative && !t.promised {
			t.hand, t.known = t.at, true
		}
	case s.Op == OpFinish:
		t.finished = true
		t.appoint(s, "the journey is over", s.Estimate.Duration)
	default:
		t.byMachine(s)
	}
}

func (t *timetable) gate(phase, what, object string) ID { return gateID(phase, what, escape(object)) }

// byMachine is a step that Stopover does.
func (t *timetable) byMachine(s *Step) {
	what := ""
	switch s.Op {
	case OpProvision:
		what = s.Server + " comes up"
	case OpReroute:
		what = t.b.t.name + " answers on the addresses of " + t.b.s.name
	case OpReinstall:
		what = s.Server + " is reinstalled"
	case OpReturnAddresses:
		what = "the addresses of " + s.Server + " come back"
	case OpRelease:
		what = "the copies on " + s.Server + " are dropped"
	}
	switch s.Op {
	case OpReroute, OpReinstall, OpReturnAddresses: // apply waits for working hours with these
		t.beWorking(s)
	}
	if s.Op == OpReinstall || s.Op == OpSeal || s.Op == OpReroute {
		t.wipeBegins()
	}
	if what == "" {
		t.pass(s.Estimate.Duration, string(s.Op)+" takes ")
		return
	}
	t.appoint(s, what, s.Estimate.Duration)
	if s.Op == OpReinstall {
		t.rebuilt = t.at
	}
}

func (t *timetable) wipeBegins() {
	if t.wiped.IsZero() {
		t.wiped = t.at
	}
}

// byPeople is a gate: how long people take is not known, but for what the
// process says of it.
func (t *timetable) byPeople(s *Step) {
	rule := t.b.phaseRule(s.Phase)
	switch s.ID {
	case t.gate(schema.PhaseReinstall, "done", t.b.s.name):
		t.beWorking(s)
		t.wipeBegins()
		var d time.Duration
		if n := len(rule.Lasts); n > 0 {
			d = rule.Lasts[n-1]
		} else {
			t.early = true
		}
		t.appoint(s, t.b.s.name+" is reinstalled, by "+s.Actor, d)
		t.rebuilt = t.at
	case t.gate(schema.PhaseReinstall, "reroute", t.b.s.name):
		t.beWorking(s)
		t.wipeBegins()
		t.appoint(s, t.b.t.name+" answers on the addresses of "+t.b.s.name, t.b.proc.Downtime.Reroute)
	case t.gate(schema.PhaseReinstall, "return", t.b.s.name):
		t.beWorking(s)
		t.appoint(s, "the addresses of "+t.b.s.name+" come back", t.b.proc.Downtime.Reroute)
	default:
		t.early = true
	}
}

// beWorking waits for working hours where the phase keeps to them.
func (t *timetable) beWorking(s *Step) {
	open := t.open.of(nil, t.b.phaseRule(s.Phase))
	o, ok := open.next(t.at, WindowNeed(0, s.Estimate.Downtime))
	if open.always() || !ok {
		return
	}
	d := o.Begins.Sub(t.at)
	t.at = o.Begins
	t.blame(d, func() string { return "what is done to servers waits for working hours" })
}

// appoint adds something that is done to a server.
func (t *timetable) appoint(s *Step, what string, takes time.Duration) {
	x := Appointment{Phase: s.Phase, Server: s.Server, What: what, Begins: t.at, Ends: t.at.Add(takes), Takes: takes,
		Downtime: s.Estimate.Downtime, Earliest: t.early}
	if t.b.phaseRule(s.Phase).Hours == hoursWorking {
		x.Window = WorkingWindow
	}
	t.list = append(t.list, x)
	t.at = x.Ends
	t.blame(takes, func() string { return what + ", which takes " + inWords(takes) })
}

// handover is the wait for a transit server, which has no limit: where no day
// was promised, everything later is counted from it.
func (t *timetable) handover(s *Step) {
	t.early, t.pending = false, false // who had to ask has asked by then
	x := Appointment{Phase: s.Phase, Server: s.Server, What: s.Server + " is handed over"}
	if at, ok := t.b.promise(); ok && !at.Before(t.at) {
		t.promised = true
		waited := at.Sub(t.at)
		t.blame(waited, func() string {
			return "the transit server was promised for " + dayOf(at.Add(-time.Nanosecond), t.b.zone())
		})
		t.at = at
	} else {
		t.relative = true
	}
	t.hand = t.at
	x.Begins, x.Ends = t.at, t.at
	t.list = append(t.list, x)
}

// promise is when a transit server that was promised for a day can be counted
// on: at the end of that day's working hours, or of the day.
func (b *builder) promise() (time.Time, bool) {
	day, ok := b.day(b.mig.HandoverOn)
	if !ok {
		return time.Time{}, false
	}
	next := day.AddDate(0, 0, 1)
	c := newCalendar([]schema.Window{WorkingHours(b.proc)})
	at := next
	for from := day; ; {
		o, ok := c.next(from, 0)
		if !ok || !o.Begins.Before(next) {
			return at.UTC(), true
		}
		at, from = o.Closes, o.Closes
	}
}

// zone is the migration's time zone.
func (b *builder) zone() *time.Location {
	if z, err := loadZone(b.mig.Timezone); err == nil {
		return z
	}
	return time.UTC
}

// day is the begin of a day in the migration's time zone. In a zone whose clocks
// jump at midnight it is the first moment of the day.
func (b *builder) day(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, false
	}
	d, err := time.ParseInLocation(time.DateOnly, text, b.zone())
	if err != nil {
		return time.Time{}, false
	}
	return d, true
}

// dayOf is a day as people write it.
func dayOf(t time.Time, zone *time.Location) string { return t.In(zone).Format("2 January 2006") }

// inWords is a duration for people, rounded up to what they would say.
func inWords(d time.Duration) string {
	const day = 24 * time.Hour
	for _, u := range []struct {
		least, unit time.Duration
		one, many   string
	}{{2 * day, day, "day", "days"}, {2 * time.Hour, time.Hour, "hour", "hours"}, {2 * time.Minute, time.Minute, "minute", "minutes"}} {
		if d >= u.least {
			n := int64((d + u.unit - 1) / u.unit)
			return strconv.FormatInt(n, 10) + " " + plural(int(n), u.one, u.many)
		}
	}
	n := int64((d + time.Second - 1) / time.Second)
	return strconv.FormatInt(n, 10) + " " + plural(int(n), "second", "seconds")
}

// blamePool says what took the time of a phase's cutovers: their windows, or
// that so many of them follow each other.
func (t *timetable) blamePool(start, end time.Time, rule *schema.ProcessPhase) {
	var work time.Duration
	type waiters struct {
		n     int
		shut  time.Duration
		some  *move
		times map[time.Time]bool
	}
	by := map[*opens]*waiters{}
	var most *waiters
	for _, m := range t.moves {
		work += m.takes()
		if m.open.always() || !m.placed {
			continue
		}
		w := by[m.open]
		if w == nil {
			w = &waiters{some: m, times: map[time.Time]bool{}}
			by[m.open] = w
		}
		w.n++
		w.shut = max(w.shut, m.begins.Sub(start))
		w.times[m.window.Closes] = true
		if most == nil || w.shut > most.shut {
			most = w
		}
	}
	work /= time.Duration(max(1, rule.Parallel))
	n := len(t.moves)
	if most != nil && end.Sub(start) > 2*work {
		t.blame(end.Sub(start), func() string {
			each := (most.n + len(most.times) - 1) / len(most.times)
			text := count(most.n, "account") + " " + plural(most.n, "waits", "wait") + " for " + t.windowWords(most.some)
			if most.n > 1 {
				text += ", " + strconv.Itoa(each) + " " + most.some.each(t.b)
			}
			return text
		})
		return
	}
	t.blame(end.Sub(start), func() string {
		text := count(n, "account") + " " + plural(n, "moves", "move")
		if n > 1 {
			if p := max(1, rule.Parallel); p == 1 {
				text += " one at a time"
			} else {
				text += ", " + strconv.Itoa(p) + " at a time"
			}
		}
		return text + ", which takes " + inWords(end.Sub(start))
	})
}

// each is how people count the openings of a cutover's windows.
func (m *move) each(b *builder) string {
	for _, w := range WindowsOf(b.in.Config, m.names) {
		if h, ok := readHours(w); !ok || h.from >= 6*time.Hour && h.from < 20*time.Hour {
			return "each time"
		}
	}
	if len(m.names) == 0 {
		return "a day"
	}
	return "a night"
}

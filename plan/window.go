package plan

import (
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a plan must be the same on a machine without zone files

	"github.com/stopover/stopover/schema"
)

// searchDays is how far ahead an opening is looked for. A window that opens only
// on the 29th of February is not found in most years, which is what a person
// would say of it too.
const searchDays = 400

// WorkingWindow is the name of the process's working hours in a timetable.
const WorkingWindow = "working"

// Opening is one time at which windows are open.
type Opening struct {
	Begins time.Time // in UTC; not before the time that was asked from
	Closes time.Time // in UTC; zero: nothing closes it. At most 400 days after the time that was asked from
	Window string    // the first in the list that is open at Begins
}

// NextOpen returns the earliest moment, not before from, at which one of the
// windows is open and at least one of them stays open for need. Windows that
// touch or overlap are one. Without windows everything is open. ok is false when
// there is no such moment within 400 days: need is longer than every opening,
// the days of all windows are over, or a time zone is not known.
//
// A window is open whenever a clock on the wall of its time zone shows a time in
// it. In the night in which the clock jumps from 02:00 to 03:00, a window from
// 02:00 to 04:00 opens at 03:00, and one from 02:00 to 03:00 does not open at
// all. In the night in which the hour from 02:00 to 03:00 comes twice, a window
// is open both times: one from 02:00 to 03:00 for two hours on end, one from
// 02:00 to 02:30 twice for half an hour. Where a window goes over midnight, its
// days are those on which it begins.
func NextOpen(windows []schema.Window, from time.Time, need time.Duration) (Opening, bool) {
	return newCalendar(windows).next(from, need)
}

// OpenAt says whether one of the windows is open at a time, and until when.
// Without windows everything is open.
func OpenAt(windows []schema.Window, at time.Time) (Opening, bool) {
	o, ok := NextOpen(windows, at, 0)
	if !ok || !o.Begins.Equal(at) {
		return Opening{}, false
	}
	return o, true
}

// WindowsOf returns the windows of those names, in the order of the names; names
// that the configuration does not know are left out.
func WindowsOf(cfg *schema.Config, names []string) []schema.Window {
	out := make([]schema.Window, 0, len(names))
	for _, name := range names {
		if w := cfg.Window(name); w != nil {
			out = append(out, *w)
		}
	}
	return out
}

// WindowNeed is how long a window has to stay open for a cutover to begin: the
// predicted outage, a quarter more, ten seconds, and the warm pass as far as it
// has to lie within the window too, which for apply it does not: that ends when
// the window opens.
func WindowNeed(warm, cut time.Duration) time.Duration {
	return warm + cut + cut/4 + 10*time.Second
}

// WorkingHours are the process's own, or those of most offices: Monday to
// Friday, 9 to 18 o'clock in UTC. Their name is WorkingWindow.
func WorkingHours(p *schema.Process) schema.Window {
	w := schema.Window{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", To: "18:00", Timezone: "UTC"}
	if p.Working != nil {
		w = *p.Working
	}
	w.Name = WorkingWindow
	return w
}

// hours is one window, its texts read.
type hours struct {
	name          string
	zone          *time.Location
	from, to      time.Duration // since midnight on the wall; to may be on the next day
	days          [7]bool       // by time.Weekday
	dates, except []string
	every         bool // neither days nor dates were named
}

// readHours reads a window. ok is false where it can never open: only a
// configuration that nobody has validated holds such a one.
func readHours(w schema.Window) (hours, bool) {
	h := hours{name: w.Name, dates: w.Dates, except: w.Except, every: len(w.Days) == 0 && len(w.Dates) == 0}
	var err1, err2, err3 error
	h.from, err1 = timeOfDay(w.From)
	h.to, err2 = timeOfDay(w.To)
	h.zone, err3 = loadZone(w.Timezone)
	if err1 != nil || err2 != nil || err3 != nil {
		return h, false
	}
	if h.to <= h.from {
		h.to += 24 * time.Hour
	}
	for _, d := range w.Days {
		for i := time.Sunday; i <= time.Saturday; i++ {
			if strings.EqualFold(d, i.String()[:3]) {
				h.days[i] = true
			}
		}
	}
	return h, true
}

// timeOfDay reads "15:04", and "24:00", which is the midnight at the end.
func timeOfDay(s string) (time.Duration, error) {
	if s == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", s)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}

// loadZone loads a time zone. "Local" is refused: a plan must be the same on every
// machine.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, &time.ParseError{Value: name, Message: ": the time zone of one machine"}
	}
	return time.LoadLocation(name)
}

// on says whether the window begins on a day, given as midnight in UTC.
func (h *hours) on(day time.Time) bool {
	usual := h.every || h.days[day.Weekday()]
	if len(h.dates)+len(h.except) == 0 {
		return usual
	}
	text := day.Format(time.DateOnly)
	return (usual || slices.Contains(h.dates, text)) && !slices.Contains(h.except, text)
}

// wall is what a clock in the zone shows, written down as if it were UTC: only
// then do days have 24 hours.
func (h *hours) wall(t time.Time) time.Time {
	_, offset := t.In(h.zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// shows says whether the window is open at t.
func (h *hours) shows(t time.Time) bool {
	w := h.wall(t)
	day := w.Truncate(24 * time.Hour)
	at := w.Sub(day)
	return at >= h.from && at < h.to && h.on(day) || at+24*time.Hour < h.to && h.on(day.AddDate(0, 0, -1))
}

// span is a time during which at least one window is open.
type span struct{ from, to time.Time }

// farthest is more than any zone's distance from UTC has ever been.
const farthest = 16 * time.Hour

// add appends the spans of the window that begins on a day: one, or none or two
// where the clock is changed meanwhile.
func (h *hours) add(spans []span, day time.Time) []span {
	if !h.on(day) {
		return spans
	}
	from, to := day.Add(h.from), day.Add(h.to)
	for t := from.Add(-farthest); t.Before(to.Add(farthest)); {
		_, end := t.In(h.zone).ZoneBounds()
		off := h.wall(t).Sub(t)
		x := span{from.Add(-off), to.Add(-off)}
		if x.from.Before(t) {
			x.from = t
		}
		if !end.IsZero() && x.to.After(end) {
			x.to = end
		}
		if x.from.Before(x.to) {
			spans = append(spans, span{x.from.UTC(), x.to.UTC()})
		}
		if end.IsZero() {
			break
		}
		t = end
	}
	return spans
}

// calendar is when any of some windows is open. It grows as it is asked for
// later times, so that ten thousand questions cost one walk through the days.
type calendar struct {
	list  []hours
	any   bool      // no window was given: always open
	day   time.Time // the first day whose windows are not in spans yet, as midnight in UTC
	spans []span    // joined and sorted
}

func newCalendar(windows []schema.Window) *calendar {
	c := &calendar{any: len(windows) == 0}
	for _, w := range windows {
		if h, ok := readHours(w); ok {
			c.list = append(c.list, h)
		}
	}
	return c
}

// known is until when all that begins is in spans.
func (c *calendar) known() time.Time { return c.day.Add(-farthest) }

// grow adds days until all that begins before a time is known.
func (c *calendar) grow(until time.Time) {
	if !c.known().Before(until) {
		return
	}
	first := len(c.spans)
	for first > 0 && !c.spans[first-1].to.Before(c.known()) {
		first-- // what begins from now on may touch these
	}
	for c.known().Before(until) {
		for i := range c.list {
			c.spans = c.list[i].add(c.spans, c.day)
		}
		c.day = c.day.AddDate(0, 0, 1)
	}
	c.spans = append(c.spans[:first], joined(c.spans[first:])...)
}

// joined sorts spans and joins those that touch.
func joined(list []span) []span {
	slices.SortFunc(list, func(a, b span) int { return a.from.Compare(b.from) })
	out := list[:0]
	for _, x := range list {
		if n := len(out); n > 0 && !x.from.After(out[n-1].to) {
			if x.to.After(out[n-1].to) {
				out[n-1].to = x.to
			}
			continue
		}
		out = append(out, x)
	}
	return out
}

// begin sets the first time that the calendar may be asked for.
func (c *calendar) begin(at time.Time) {
	if c.day.IsZero() {
		c.day = at.UTC().Truncate(24*time.Hour).AddDate(0, 0, -3)
	}
}

// next is NextOpen. It may be asked for times in any order, but not for one
// before the first.
func (c *calendar) next(from time.Time, need time.Duration) (Opening, bool) {
	from = from.UTC()
	if c.any {
		return Opening{Begins: from}, true
	}
	if len(c.list) == 0 {
		return Opening{}, false
	}
	c.begin(from)
	limit := from.AddDate(0, 0, searchDays)
	for step := from; ; {
		i, _ := slices.BinarySearchFunc(c.spans, step, func(x span, t time.Time) int {
			if x.to.After(t) {
				return 1
			}
			return -1
		})
		if i == len(c.spans) || !c.known().After(c.spans[i].to) && c.known().Before(limit) {
			if !c.known().Before(limit) {
				return Opening{}, false
			}
			c.grow(c.known().AddDate(0, 0, 8))
			continue
		}
		o := c.opening(c.spans[i], from, limit)
		if !o.Begins.Before(limit) {
			return Opening{}, false
		}
		if o.Closes.Sub(o.Begins) >= need {
			return o, true
		}
		step = c.spans[i].to
	}
}

// opening is the part of a span that lies between two times.
func (c *calendar) opening(x span, from, limit time.Time) Opening {
	o := Opening{Begins: x.from, Closes: x.to}
	if o.Begins.Before(from) {
		o.Begins = from
	}
	if o.Closes.After(limit) {
		o.Closes = limit
	}
	for i := range c.list {
		if c.list[i].shows(o.Begins) {
			o.Window = c.list[i].name
			break
		}
	}
	return o
}

package plan

import (
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// opens is when the cutovers of some accounts may begin: while one of their
// windows is open, and where the phase keeps to them, within working hours.
type opens struct {
	windows, hours *calendar // nil: any time
}

// next is the earliest opening of both that lasts for need.
func (o *opens) next(from time.Time, need time.Duration) (Opening, bool) {
	limit := from.AddDate(0, 0, searchDays)
	for at := from; !at.After(limit); {
		w, h := Opening{Begins: at}, Opening{}
		ok := true
		if o.windows != nil {
			w, ok = o.windows.next(at, need)
		}
		if !ok {
			return Opening{}, false
		}
		if o.hours == nil {
			return w, !w.Begins.After(limit)
		}
		if h, ok = o.hours.next(w.Begins, need); !ok {
			return Opening{}, false
		}
		if h.Begins.Equal(w.Begins) {
			if w.Closes.IsZero() || h.Closes.Before(w.Closes) {
				w.Closes = h.Closes
			}
			if w.Window == "" {
				w.Window = h.Window
			}
			return w, true
		}
		at = h.Begins
	}
	return Opening{}, false
}

// always says whether nothing restricts it.
func (o *opens) always() bool { return o.windows == nil && o.hours == nil }

// openings are the calendars of one timetable: accounts with the same windows
// share one.
type openings struct {
	cfg   *schema.Config
	proc  *schema.Process
	start time.Time
	by    map[string]*opens
	hours *calendar
}

// of returns when the accounts with those windows may begin in a phase.
func (o *openings) of(names []string, rule *schema.ProcessPhase) *opens {
	working := rule.Hours == hoursWorking
	key := strings.Join(names, "\x00")
	if working {
		key += "\x00\x00"
	}
	if x := o.by[key]; x != nil {
		return x
	}
	x := &opens{}
	if len(names) > 0 {
		x.windows = newCalendar(WindowsOf(o.cfg, names))
		x.windows.any = false // names that nobody knows open never
		x.windows.begin(o.start)
	}
	if working {
		if o.hours == nil {
			o.hours = newCalendar([]schema.Window{WorkingHours(o.proc)})
			o.hours.begin(o.start)
		}
		x.hours = o.hours
	}
	o.by[key] = x
	return x
}

package apply

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// ClosedWindow is what waits until a window opens.
type ClosedWindow struct {
	Window   string    `json:"window"`             // name, or plan.WorkingWindow; several are joined with ", "
	Opens    time.Time `json:"opens,omitzero"`     // when the work may begin: not the window's own opening if the rest of it is too short; zero: Never
	Closes   time.Time `json:"closes,omitzero"`    // zero: nothing closes it
	Timezone string    `json:"timezone,omitempty"` // of the window, for people; empty: UTC
	Never    bool      `json:"never,omitempty"`    // no opening is long enough, or there is none any more
	Needs    string    `json:"needs,omitempty"`    // Never: how long it would have to be open
	Accounts []string  `json:"accounts,omitempty"` // that move then
	Steps    []plan.ID `json:"steps"`              // the first of each group
}

// Sentence says for people what opens when, and for whom.
func (c ClosedWindow) Sentence() string {
	who := "the server"
	switch n := len(c.Accounts); {
	case n == 1:
		who = schema.QuoteName(c.Accounts[0])
	case n > 1:
		who = fmt.Sprintf("%s and %s", schema.QuoteName(c.Accounts[0]), count(n-1, "other account"))
	}
	if c.Never {
		return fmt.Sprintf("window %s never opens for %s, which %s: widen the window, or name another one for it", c.Window, c.Needs, fmt.Sprintf("%s needs", who))
	}
	return fmt.Sprintf("window %s opens for %s at %s", c.Window, who, c.local())
}

// local is the time of the opening as the window's author would write it.
func (c ClosedWindow) local() string {
	const layout = "Mon 2 Jan 2006, 15:04"
	if zone, err := time.LoadLocation(c.Timezone); err == nil && c.Timezone != "" && c.Timezone != "UTC" {
		return c.Opens.In(zone).Format(layout) + " " + c.Timezone
	}
	return c.Opens.UTC().Format(layout) + " UTC"
}

// openings says when units may begin. What it once found closed stays closed
// until the time that it found, so that ten thousand accounts that wait for one
// night are not worked out again whenever a step ends.
type openings struct {
	config *schema.Config
	shut   map[*unit]*shut
	near   map[string]shut // by windows: the next opening of any length
}

type shut struct {
	opens plan.Opening
	never bool
	need  time.Duration
	asked time.Time // when this was found out
}

func openingsOf(c *schema.Config) *openings {
	return &openings{config: c, shut: map[*unit]*shut{}, near: map[string]shut{}}
}

// open says whether a unit may begin now. A cutover begins only while its
// windows are open for as long as it is predicted to take. Once begun it is
// finished, whatever closes: an outage that is cut short by the clock is one for
// nothing.
func (o *openings) open(list []*unit, u *unit, now time.Time) bool {
	s := o.shut[u]
	if s != nil && !now.Before(s.asked) && (s.never || now.Before(s.opens.Begins)) {
		return false
	}
	delete(o.shut, u)
	bound, lead := u, time.Duration(0)
	if u.cut != 0 { // a warm pass is for the cutover behind it: it ends when that may begin
		bound, lead = list[u.cut], u.first().Estimate.Duration
	}
	sets, known := o.sets(bound)
	if len(sets) == 0 && known {
		return true
	}
	need := bound.need()
	at, ok := plan.Opening{}, false
	if known {
		at, ok = o.next(sets, now.Add(lead), need)
	}
	if ok && !at.Begins.After(now.Add(lead)) {
		return true
	}
	at.Begins = at.Begins.Add(-lead)
	o.shut[u] = &shut{opens: at, never: !ok, need: need, asked: now}
	return false
}

// next is bothOpen for many accounts that are bound to the same windows: while
// these are closed, all of them wait for the same opening, unless it is too
// short for one.
func (o *openings) next(sets [][]schema.Window, from time.Time, need time.Duration) (plan.Opening, bool) {
	var names []string
	for _, set := range sets {
		for _, w := range set {
			names = append(names, w.Name)
		}
		names = append(names, "")
	}
	key := strings.Join(names, "\n")
	n, ok := o.near[key]
	if !ok || from.Before(n.asked) || !from.Before(n.opens.Begins) {
		at, ok := bothOpen(sets, from, 0)
		if !ok {
			return at, false
		}
		n = shut{opens: at, asked: from}
		o.near[key] = n
	}
	if n.opens.Begins.After(from) && n.opens.Closes.Sub(n.opens.Begins) >= need {
		return n.opens, true
	}
	return bothOpen(sets, from, need)
}

// need is how long windows have to stay open for a unit: as long as users would
// notice it. What is done to a server may go on beyond them, as a reinstallation
// of a day does; the timetable counts alike.
func (u *unit) need() time.Duration { return plan.WindowNeed(0, u.predicted()) }

// predicted is the outage that the plan predicts for a cutover, or for what is
// done to a server.
func (u *unit) predicted() time.Duration {
	var d time.Duration
	for i := range u.steps {
		d += u.steps[i].Estimate.Downtime
	}
	return d
}

// sets are the windows that a unit is bound to: of each set one has to be open.
// A name that nothing declares opens never, rather than always.
func (o *openings) sets(u *unit) (sets [][]schema.Window, known bool) {
	names := u.windows()
	p := o.config.Process()
	working := false
	if p == nil {
		p = &schema.Process{}
	} else if f := p.Phase(u.phase()); f != nil {
		working = f.Hours == "working" && u.disrupts()
	}
	var own []schema.Window
	for _, name := range names {
		w := o.config.Window(name)
		switch {
		case w != nil:
			own = append(own, *w)
		case name == plan.WorkingWindow:
			own = append(own, plan.WorkingHours(p))
		}
	}
	if len(names) > 0 {
		if len(own) == 0 {
			return nil, false
		}
		sets = append(sets, own)
	}
	if working && !(len(names) == 1 && names[0] == plan.WorkingWindow) {
		sets = append(sets, []schema.Window{plan.WorkingHours(p)})
	}
	return sets, true
}

// windows are the names that any of the unit's steps gives.
func (u *unit) windows() []string {
	for i := range u.steps {
		if len(u.steps[i].Windows) > 0 {
			return u.steps[i].Windows
		}
	}
	return nil
}

// disrupts says whether users notice a unit: those are what working hours are
// about. Copies and probes run at any time, and a rollback when a person asks
// for it.
func (u *unit) disrupts() bool {
	switch u.first().Op {
	case plan.OpReroute, plan.OpReinstall, plan.OpReturnAddresses:
		return true
	}
	return u.first().Group != "" && !strings.HasPrefix(u.first().Group, "rollback[")
}

// bothOpen is the first moment at which every set has been open, and stays
// open, for need.
func bothOpen(sets [][]schema.Window, from time.Time, need time.Duration) (plan.Opening, bool) {
	const most = 2000 // moves between two sets that hardly ever meet
	at := from
	for range most {
		var o plan.Opening
		moved := false
		for _, set := range sets {
			x, ok := plan.NextOpen(set, at, need)
			if !ok || at.Sub(from) > 400*24*time.Hour {
				return plan.Opening{}, false
			}
			if x.Begins.After(at) {
				at, moved = x.Begins, true
			}
			if o.Window == "" {
				o = x
			} else if o.Closes.After(x.Closes) {
				o.Closes = x.Closes
			}
		}
		if !moved {
			o.Begins = at
			return o, true
		}
	}
	return plan.Opening{}, false
}

// closed gathers what waits for windows, by when it may begin.
func (o *openings) closed(list []*unit) []ClosedWindow {
	type key struct {
		window string
		opens  time.Time
	}
	at := map[key]int{}
	var out []ClosedWindow
	for _, u := range list {
		s := o.shut[u]
		if s == nil || u.state != unitWaiting && u.state != unitHeld {
			continue
		}
		c := o.describe(list, u, s)
		k := key{c.Window, c.Opens}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, c)
		}
		out[i].Steps = append(out[i].Steps, u.first().ID)
		if a := u.account(); a != "" && !slices.Contains(out[i].Accounts, a) {
			out[i].Accounts = append(out[i].Accounts, a)
		}
	}
	slices.SortStableFunc(out, func(a, b ClosedWindow) int {
		if a.Never != b.Never {
			return cmp.Compare(b2i(a.Never), b2i(b.Never))
		}
		return a.Opens.Compare(b.Opens)
	})
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (o *openings) describe(list []*unit, u *unit, s *shut) ClosedWindow {
	if u.cut != 0 {
		u = list[u.cut]
	}
	c := ClosedWindow{Window: s.opens.Window, Never: s.never}
	sets, _ := o.sets(u)
	var names []string
	for _, set := range sets {
		for _, w := range set {
			names = append(names, w.Name)
			if w.Name == c.Window || c.Timezone == "" {
				c.Timezone = w.Timezone
			}
		}
	}
	if s.never {
		c.Needs = s.need.Round(time.Second).String()
		c.Window = strings.Join(names, ", ")
		if c.Window == "" {
			c.Window = strings.Join(u.windows(), ", ")
		}
		return c
	}
	c.Opens, c.Closes = s.opens.Begins, s.opens.Closes
	return c
}

// soonest is when the next of the closed units may begin; zero: none ever.
func (o *openings) soonest() time.Time {
	var t time.Time
	for _, s := range o.shut {
		if !s.never && (t.IsZero() || s.opens.Begins.Before(t)) {
			t = s.opens.Begins
		}
	}
	return t
}

// Ready are the steps of a plan that can begin now: that come after nothing
// else, behind no gate, and whose windows are open. Of a cutover it is the first.
func Ready(p *plan.Plan, now time.Time) []plan.ID {
	list := unitsOf(p)
	o := openingsOf(p.Config)
	seen := passage{bad: map[string]*unit{}, busy: map[string]bool{}}
	var ready []plan.ID
	for _, u := range list {
		if u.state == unitWaiting && seen.ready(list, u) && o.open(list, u, now) {
			ready = append(ready, u.first().ID)
		}
		seen.pass(u)
	}
	return ready
}

// Waits is what a plan waits for now, as a run of it would say: open gates and
// closed windows. nil: nothing.
func Waits(p *plan.Plan, now time.Time) *WaitingError {
	w := &WaitingError{}
	for _, g := range p.Gates {
		if g.Open {
			w.Gates = append(w.Gates, g)
		}
	}
	list := unitsOf(p)
	o := openingsOf(p.Config)
	seen := passage{bad: map[string]*unit{}, busy: map[string]bool{}}
	for _, u := range list {
		if u.state == unitWaiting && seen.ready(list, u) {
			o.open(list, u, now)
		}
		seen.pass(u)
	}
	w.Windows = o.closed(list)
	if len(w.Gates)+len(w.Windows) == 0 {
		return nil
	}
	return w
}

// LeaveOut is a plan in which nothing of some accounts is run, nor what comes
// after it: for whoever goes on after they failed.
func LeaveOut(p *plan.Plan, accounts map[string]bool) *plan.Plan {
	if len(accounts) == 0 {
		return p
	}
	q := *p
	q.Steps = slices.Clone(p.Steps)
	for i := range q.Steps {
		// What is done to a whole server is for all accounts.
		if s := &q.Steps[i]; accounts[s.Account] || s.Account == "" && s.Op != plan.OpGate {
			s.Projected = true
		}
	}
	return &q
}

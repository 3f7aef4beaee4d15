package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// timetable is a simulation of what is left: the steps of the plan in their
// order, a phase at a time, cutovers in windows and within working hours, as
// many accounts at once as the process allows.
type timetable struct {
	b    *builder
	at   time.Time // everything so far is over
	open openings
	list []Appointment

	phase  string
	moves  []*move
	warm   time.Duration // of the account whose cutover comes next
	copies work          // of the phase, before its cutovers
	probes work          // after them

	early   bool // somebody acts before, or a step has no estimate: not before
	pending bool // early, for what waits for all accounts

	hand     time.Time // the hand-over, in the simulation
	known    bool      // it happened, or happens when the steps before it are done
	relative bool      // nobody knows when it will be
	promised bool

	migrated time.Time // the last account has left the source; zero: not in this plan
	wiped    time.Time // the reinstallation begins
	rebuilt  time.Time // and ends
	homeAt   time.Time // the last account is home
	finished bool      // the plan goes to the end of the journey
	stuck    []*move
	takers   []taker
}

// taker is one thing that takes time, until when, and how people say it.
type taker struct {
	took  time.Duration
	until time.Time
	what  func() string
}

// work is what is done for accounts beside cutovers. Several accounts are worked
// on at once; the copies of one run beside each other.
type work struct {
	sum, longest time.Duration // of accounts
	account      string
	serial, side time.Duration // of the account
}

func (w *work) add(s *Step) {
	if s.Account != w.account {
		w.close()
		w.account = s.Account
	}
	if s.Op == OpPrecopy {
		w.side = max(w.side, s.Estimate.Duration)
		return
	}
	w.serial += s.Estimate.Duration
}

func (w *work) close() {
	d := w.serial + w.side
	w.sum, w.longest = w.sum+d, max(w.longest, d)
	w.account, w.serial, w.side = "", 0, 0
}

// takes is how long all of it takes with so many accounts at once.
func (w *work) takes(slots int) time.Duration {
	w.close()
	return max(w.longest, w.sum/time.Duration(max(1, slots)))
}

// timetable simulates the plan from now on.
func (b *builder) timetable() *timetable {
	start := b.in.Now.UTC()
	t := &timetable{b: b, at: start, list: make([]Appointment, 0, 2*len(b.accounts)+8),
		open: openings{cfg: b.in.Config, proc: b.proc, start: start, by: map[string]*opens{}}}
	if f := b.past.byID[schema.FactHandover]; f != nil {
		t.hand, t.known = f.At.UTC(), true
	} else if b.t.present {
		t.hand, t.known = start, true
	}
	steps := b.steps
	for i := 0; i < len(steps) && len(t.stuck) == 0; i++ {
		s := &steps[i]
		switch {
		case s.Undo:
		case s.Group != "":
			i = t.cutover(i)
		case s.Account == "":
			t.flush()
			if len(t.stuck) == 0 {
				t.server(s)
			}
		default:
			t.account(s)
		}
	}
	t.flush()
	slices.SortStableFunc(t.list, func(x, y Appointment) int { return x.Begins.Compare(y.Begins) })
	return t
}

// enter closes the phase before.
func (t *timetable) enter(phase string) {
	if t.phase != phase {
		t.flush()
		t.phase = phase
	}
}

// account takes a step of one account that is no part of a cutover.
func (t *timetable) account(s *Step) {
	t.enter(s.Phase)
	switch {
	case s.Op == OpGate:
		t.pending = true
	case s.Op == OpWarm:
		t.warm = s.Estimate.Duration
	case s.Op == OpSwitch: // what is left of one that was interrupted
		t.copies.add(s)
		t.list = append(t.list, Appointment{Phase: s.Phase, Account: s.Account, What: schema.QuoteName(s.Account) + ": an interrupted switch is finished",
			Begins: t.at, Ends: t.at.Add(s.Estimate.Duration), Takes: s.Estimate.Duration, Downtime: s.Estimate.Downtime})
	case s.Op == OpConfirm || s.Op == OpProbe:
		t.probes.add(s)
	default:
		if s.Op == OpPrecopy && s.Estimate.Confidence == confidenceUnknown {
			t.early = true // how long a first copy takes, nobody has measured yet
		}
		t.copies.add(s)
	}
}

// cutover takes a whole group, and returns the index of its last step.
func (t *timetable) cutover(i int) int {
	first := &t.b.steps[i]
	t.enter(first.Phase)
	m := &move{a: t.b.byName[first.Account], what: t.words(first), to: first.To}
	j := i
	for ; j < len(t.b.steps) && t.b.steps[j].Group == first.Group; j++ {
		if !t.b.steps[j].Undo {
			m.cut += t.b.steps[j].Estimate.Downtime
		}
	}
	rule := t.b.phaseRule(first.Phase)
	m.warm, m.need = t.warm, WindowNeed(0, m.cut)
	if strings.HasPrefix(first.Group, "rollback") {
		rule = &schema.ProcessPhase{} // somebody asked for it now
	}
	m.names, m.open = first.Windows, t.open.of(first.Windows, rule)
	for _, name := range m.a.conf.After {
		if o := t.b.byName[name]; o != nil {
			m.after = append(m.after, o)
		}
	}
	t.warm = 0
	t.moves = append(t.moves, m)
	return j - 1
}

// words say what becomes of an account.
func (t *timetable) words(s *Step) string {
	name := schema.QuoteName(s.Account)
	switch {
	case s.To != t.b.s.name:
		return name + " moves to " + s.To
	case s.Phase == schema.PhaseRelocate:
		return name + " moves home"
	}
	return name + " goes back to " + s.To
}

// flush does what has been gathered of a phase: copies, then cutovers, then
// probes.
func (t *timetable) flush() {
	rule := t.b.phaseRule(t.phase)
	t.pass(t.copies.takes(rule.Parallel), "copying ahead takes ")
	if len(t.moves) > 0 {
		t.place(rule)
	}
	t.pass(t.probes.takes(rule.Parallel), "the probes take ")
	t.copies, t.probes, t.moves = work{}, work{}, nil
}

func (t *timetable) pass(d time.Duration, what string) {
	t.at = t.at.Add(d)
	t.blame(d, func() string { return what + inWords(d) })
}

// blame notes what the time until t.at went to.
func (t *timetable) blame(took time.Duration, what func() string) {
	if took > 0 {
		t.takers = append(t.takers, taker{took, t.at, what})
	}
}

// place gives the cutovers of a phase their times.
func (t *timetable) place(rule *schema.ProcessPhase) {
	start := t.at
	end := arrange(t.moves, rule.Parallel, start)
	for _, m := range t.moves {
		if !m.placed {
			t.stuck = append(t.stuck, m)
			continue
		}
		x := Appointment{Phase: t.phase, Account: m.a.name, What: m.what, Begins: m.begins.Add(m.warm), Ends: m.begins.Add(m.takes()),
			Takes: m.cut, Downtime: m.cut, Window: m.window.Window, Waited: t.waited(m, start), Earliest: t.early}
		t.list = append(t.list, x)
	}
	t.at = end
	t.blamePool(start, end, rule)
	if len(t.stuck) > 0 {
		return
	}
	switch t.phase {
	case schema.PhaseMigrate:
		t.migrated = end
	case schema.PhaseRelocate:
		t.homeAt = end
	}
}

// waited says what a cutover waited for longest after its phase had begun.
func (t *timetable) waited(m *move, start time.Time) string {
	order, window := m.ready.Sub(start), m.begins.Sub(latest(m.ready, m.room))
	slot := m.begins.Sub(m.ready) - window
	if m.open.always() {
		window = 0
	}
	switch {
	case max(window, order, slot) <= 0:
		return ""
	case window >= order && window >= slot:
		return t.windowWords(m)
	case slot >= order:
		return "the accounts before it"
	}
	names := make([]string, len(m.a.conf.After))
	for i, name := range m.a.conf.After {
		names[i] = schema.QuoteName(name)
	}
	return strings.Join(names, ", ") + ", which it comes after"
}

// windowWords name what has to be open for a cutover.
func (t *timetable) windowWords(m *move) string {
	var out []string
	if m.open.windows != nil {
		out = append(out, plural(len(m.names), "window ", "windows ")+strings.Join(m.names, " or "))
	}
	if m.open.hours != nil {
		out = append(out, "working hours")
	}
	return strings.Join(out, " within ")
}

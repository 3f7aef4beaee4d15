package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stopover/stopover/plan"
)

// unit is what is begun, and fails, as a whole: one step, or a cutover group.
type unit struct {
	steps  []plan.Step // undo steps left out
	undo   []plan.Step
	state  unitState
	err    error
	why    string // skipped or held: because of what
	after  []int  // units, by index
	cut    int    // of a warm pass: the cutover that it is for, by index; 0: none, for none comes first
	timing cutTiming
	asked  []ProbeResult
}

type unitState int

const (
	unitWaiting unitState = iota
	unitRunning
	unitDone
	unitFailed
	unitSkipped // something before it failed
	unitHeld    // behind a gate, or projected
)

func (u *unit) first() *plan.Step { return &u.steps[0] }

func (u *unit) account() string { return u.steps[0].Account }

func (u *unit) phase() string { return u.steps[0].Phase }

// unitsOf gathers the steps of a plan to units, in the plan's order.
func unitsOf(p *plan.Plan) []*unit {
	var list []*unit
	groups := map[string]*unit{}
	of := map[plan.ID]int{}
	for _, s := range p.Steps {
		u := groups[s.Group]
		if s.Group == "" || u == nil {
			u = &unit{}
			list = append(list, u)
			if s.Group != "" {
				groups[s.Group] = u
			}
		}
		if s.Undo {
			u.undo = append(u.undo, s)
		} else {
			u.steps = append(u.steps, s)
		}
	}
	list = slices.DeleteFunc(list, func(u *unit) bool { return len(u.steps) == 0 })
	for i, u := range list {
		for _, s := range u.steps {
			of[s.ID] = i
		}
	}
	gates := openGates(p)
	for i, u := range list {
		u.connect(i, of, gates)
		for _, j := range u.after {
			if u.first().Group != "" && list[j].first().Op == plan.OpWarm {
				list[j].cut = i
			}
			if u.state != unitHeld && list[j].state == unitHeld {
				u.state, u.why = unitHeld, list[j].reason()
			}
		}
	}
	return list
}

func openGates(p *plan.Plan) map[plan.ID]bool {
	gates := map[plan.ID]bool{}
	for _, g := range p.Gates {
		if g.Open {
			gates[g.ID] = true
		}
	}
	return gates
}

// connect finds the units that u comes after. What is not in the plan is done.
func (u *unit) connect(i int, of map[plan.ID]int, gates map[plan.ID]bool) {
	for _, s := range u.steps {
		if s.Projected || s.Op == plan.OpGate {
			u.state, u.why = unitHeld, "it is behind a gate"
		}
		for _, id := range s.After {
			if gates[id] {
				u.state, u.why = unitHeld, "gate "+string(id)+" is open"
			}
			if j, ok := of[id]; ok && j != i && !slices.Contains(u.after, j) {
				u.after = append(u.after, j)
			}
		}
	}
}

// schedule runs the units in an order that their edges allow and returns when
// none is running. Failures stop what comes after them, not the others; what
// waits for a window stops nobody, and begins if it opens while others go on.
func (x *run) schedule(list []*unit) error {
	done := make(chan *unit)
	running := 0
	for {
		for _, u := range x.next(list) {
			u.state = unitRunning
			running++
			x.tally.add(u)
			go func() {
				u.err = x.perform(u)
				done <- u
			}()
		}
		var ended <-chan struct{}
		if running == 0 {
			if x.stopped() != nil || !x.imminent(list) {
				x.holdClosed(list)
				return x.stopped()
			}
			ended = x.soft.Done()
		}
		select {
		case u := <-done:
			running--
			x.finished(u)
		case <-x.opening():
		case <-ended:
		}
	}
}

// opening fires when a window may have opened. It looks at the clock at least
// once a minute: a machine that slept, or whose clock was set, is late.
func (x *run) opening() <-chan time.Time {
	t := x.windows.soonest()
	if t.IsZero() || x.stopped() != nil {
		return nil
	}
	return x.clock.After(min(max(t.Sub(x.clock.Now()), time.Millisecond), time.Minute))
}

// imminent says whether a cutover whose warm pass was done in this run waits
// only for its window: the pass was begun so that it ends about then, and is
// worth nothing to a later run.
func (x *run) imminent(list []*unit) bool {
	for u, s := range x.windows.shut {
		if s.never || u.state != unitWaiting || u.first().Group == "" {
			continue
		}
		for _, j := range u.after {
			w := list[j]
			if w.state == unitDone && w.cut != 0 && s.opens.Begins.Sub(x.clock.Now()) <= w.first().Estimate.Duration {
				return true
			}
		}
	}
	return false
}

// holdClosed marks what is left when nothing runs any more and only windows are
// in the way, like what is behind a gate.
func (x *run) holdClosed(list []*unit) {
	if x.stopped() != nil || len(x.windows.shut) == 0 {
		return
	}
	closed := x.windows.closed(list)
	why := map[plan.ID]string{}
	for _, c := range closed {
		for _, id := range c.Steps {
			why[id] = c.Sentence()
		}
	}
	for _, u := range list {
		if u.state != unitWaiting {
			continue
		}
		u.state, u.why = unitHeld, why[u.first().ID]
		if u.why == "" {
			u.why = "it comes after what waits for a window"
		}
	}
}

func (x *run) finished(u *unit) {
	if u.err == nil {
		u.state = unitDone
		return
	}
	u.state = unitFailed
	var pending *PendingError
	if x.stopped() != nil && !errors.As(u.err, &pending) {
		u.state = unitWaiting // stopped, not failed: it goes on in the next run
		if !undone(u.err) {
			return
		}
	}
	x.tally.over(u.steps...)
	e := about(Failed, u.first())
	e.Err, e.Undone = u.err, undone(u.err)
	var at *StepError
	if errors.As(u.err, &at) {
		e.Step = at.Step
	}
	x.tell(e)
}

func undone(err error) bool {
	var at *StepError
	return errors.As(err, &at) && at.Undone
}

// stopped says why nothing more may begin, or nil.
func (x *run) stopped() error {
	if x.soft.Err() == nil {
		return nil
	}
	return context.Cause(x.soft)
}

// passage is what one pass over the units in their order has seen so far.
type passage struct {
	bad        map[string]*unit // by account: failed or skipped
	badAny     *unit
	badServer  *unit
	open       bool // something is not over yet
	openServer bool // something that is done to a whole server is not
	busy       map[string]bool
}

// next skips and holds back what cannot run any more and returns the units
// that may begin now: what they come after is done, and the phase allows one
// more account. Beside its edges a unit comes after every earlier one of its
// account. What is done to a whole server is a barrier: it waits for everything
// before it, and everything behind it waits for it.
func (x *run) next(list []*unit) []*unit {
	p := passage{bad: map[string]*unit{}, busy: map[string]bool{}}
	for _, u := range list {
		if u.state == unitRunning {
			p.busy[u.account()] = true
		}
	}
	var ready []*unit
	for _, u := range list {
		if u.state == unitWaiting {
			x.bar(u, p.blocker(list, u))
		}
		if u.state == unitWaiting && x.soft.Err() == nil && p.ready(list, u) &&
			(p.busy[u.account()] || len(p.busy) < x.limit(u.phase())) && x.windows.open(list, u, x.clock.Now()) {
			p.busy[u.account()] = true
			ready = append(ready, u)
		}
		p.pass(u)
	}
	return ready
}

// pass takes note of a unit for those that come behind it.
func (p *passage) pass(u *unit) {
	server := u.account() == ""
	switch u.state {
	case unitFailed, unitSkipped:
		if p.badAny == nil {
			p.badAny = u
		}
		if p.bad[u.account()] == nil {
			p.bad[u.account()] = u
		}
		if server && p.badServer == nil {
			p.badServer = u
		}
	case unitWaiting, unitRunning:
		p.open = true
		p.openServer = p.openServer || server
	}
}

// blocker returns the unit because of which a waiting unit will not run.
func (p *passage) blocker(list []*unit, u *unit) *unit {
	for _, j := range u.after {
		if s := list[j].state; s == unitFailed || s == unitSkipped || s == unitHeld {
			return list[j]
		}
	}
	switch {
	case p.bad[u.account()] != nil:
		return p.bad[u.account()]
	case p.badServer != nil:
		return p.badServer
	case u.account() == "":
		return p.badAny
	}
	return nil
}

func (p *passage) ready(list []*unit, u *unit) bool {
	for _, j := range u.after {
		if list[j].state != unitDone {
			return false
		}
	}
	return !p.openServer && (u.account() != "" || !p.open)
}

// bar skips a unit, or holds it back, because of another one.
func (x *run) bar(u, cause *unit) {
	if cause == nil {
		return
	}
	u.why = cause.reason()
	if cause.state == unitHeld {
		u.state = unitHeld
		return
	}
	u.state = unitSkipped
	x.tally.over(u.steps...)
	e := about(Skipped, u.first())
	e.Text = u.why
	x.tell(e)
}

func (u *unit) reason() string {
	switch u.state {
	case unitFailed:
		return fmt.Sprintf("%s failed", u.first().ID)
	case unitSkipped:
		return u.why
	}
	return fmt.Sprintf("%s waits", u.first().ID)
}

// limit is how many accounts may be worked on at once.
func (x *run) limit(phase string) int {
	if x.Parallel > 0 {
		return x.Parallel
	}
	if p := x.plan.Config.Process(); p != nil {
		if f := p.Phase(phase); f != nil && f.Parallel > 0 {
			return f.Parallel
		}
	}
	return 1
}

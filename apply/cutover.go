package apply

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
	"golang.org/x/sync/errgroup"
)

// cutover is one account between freeze and switch. It runs as a whole: nothing
// of another account comes between unless the process allows several at once,
// and until the commit it is undone rather than left.
type cutover struct {
	x        *run
	u        *unit
	s        *plan.Step // the freeze
	from, to *server
	token    providers.Token
	budget   time.Duration // 0: none
	watcher  *watcher

	cut      context.Context // ends when the cutover has to be given up
	giveUp   context.CancelCauseFunc
	began    time.Time // of the freeze
	compared providers.Compared
	receipt  providers.Receipt
	commits  bool // the commit was asked for: only an answer can tell what became of it
	moved    bool // the origin has committed: there is nothing to undo any more

	mu       sync.Mutex
	frozen   bool
	prepared bool
	took     map[plan.ID]plan.Timing
	parts    []Part
	notes    []string
}

// cutTiming is what a cutover took, for the result.
type cutTiming struct {
	downtime, outside time.Duration
	parts             []Part
	watched           Watched
}

// cutover runs a cutover group. All its steps are journalled as started before
// the freeze and as finished after the switch: between the two no disk of ours
// is waited for.
func (x *run) cutover(u *unit) error {
	s := u.first()
	from, to, err := x.two(s)
	if err == nil && s.Op != plan.OpFreeze {
		err = fmt.Errorf("the cutover does not begin with a freeze but with %s", s.Op)
	}
	if err != nil {
		return x.failed(s, err)
	}
	c := &cutover{x: x, u: u, s: s, from: from, to: to, token: x.newToken(from, to),
		budget: settingsOf(x.plan.Config, s.Account, formerNames(x.plan.Config, x.Inventory, s.Account)...).DowntimeBudget, took: map[plan.ID]plan.Timing{}}
	events := make([]state.Event, len(u.steps))
	for i := range u.steps {
		events[i] = state.Event{What: state.Started, Step: u.steps[i].ID, Op: u.steps[i].Op, Token: c.token.String()}
	}
	if err := x.journal(events...); err != nil {
		return &StepError{Step: s.ID, Account: s.Account, Err: err}
	}
	c.watcher = x.watch(s.Account)
	err = c.run()
	u.timing.watched = c.watcher.stop(err == nil)
	if u.timing.watched.Why == "" {
		u.timing.outside = u.timing.watched.Gap
	}
	u.timing.parts = c.parts
	c.closeOrigin()
	if err != nil {
		return err
	}
	return c.conclude()
}

// newToken names one attempt. Its term is that of both servers, and within the
// run it counts up.
func (x *run) newToken(from, to *server) providers.Token {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lastToken++
	return providers.Token{Term: max(from.term, to.term), N: x.lastToken}
}

// run is the cutover itself: the steps in their order, the copies beside each
// other; given up when one fails before the commit.
func (c *cutover) run() error {
	c.cut, c.giveUp = context.WithCancelCause(c.x.hard)
	defer c.giveUp(nil)
	stop := c.guard()
	defer stop()
	for i := 0; i < len(c.u.steps); {
		n := 1
		for c.u.steps[i].Op == plan.OpFinalSync && i+n < len(c.u.steps) && c.u.steps[i+n].Op == plan.OpFinalSync {
			n++
		}
		if s, err := c.together(c.u.steps[i : i+n]); err != nil {
			return c.undo(s, err)
		}
		i += n
	}
	return nil
}

// together performs steps beside each other and returns the one that failed.
func (c *cutover) together(steps []plan.Step) (*plan.Step, error) {
	if err := c.ended(); err != nil {
		return &steps[0], err
	}
	g, ctx := errgroup.WithContext(c.cut)
	failed := make([]error, len(steps))
	for i := range steps {
		g.Go(func() error {
			failed[i] = c.part(ctx, &steps[i])
			return failed[i]
		})
	}
	first := g.Wait()
	if first == nil {
		return nil, nil
	}
	// The first error ended the others: theirs only say so.
	i := slices.IndexFunc(failed, func(err error) bool { return err == first })
	return &steps[i], first
}

// ended says why the cutover has to be given up, or nil.
func (c *cutover) ended() error {
	if c.cut.Err() == nil || c.commits {
		return nil
	}
	return context.Cause(c.cut)
}

func (c *cutover) part(ctx context.Context, s *plan.Step) error {
	p, ok := performerOf(s.Op)
	if !ok || p.part == nil {
		return fmt.Errorf("%q is no part of a cutover", s.Op)
	}
	began := c.x.clock.Now()
	c.x.tally.begin(s.ID, began)
	c.x.tell(about(Started, s))
	d, err := p.part(c, ctx, s)
	if err != nil {
		return c.x.notice(err)
	}
	t := timingOf(s, d, c.x.since(began))
	c.mu.Lock()
	c.took[s.ID] = t
	c.notes = append(c.notes, d.notes...)
	c.mu.Unlock()
	if s.Op != plan.OpSwitch {
		c.measured(s, partName(s), t.Duration)
	}
	c.x.tally.over(*s)
	e := about(Finished, s)
	e.Bytes, e.Total, e.Items, e.Duration = d.sent, d.bytes, d.items, t.Duration
	if s.Op == plan.OpSwitch {
		e.Downtime = c.u.timing.downtime
	}
	c.x.tell(e)
	return nil
}

func partName(s *plan.Step) string {
	if s.Op == plan.OpFinalSync {
		return PartFinalSync + "/" + s.Part
	}
	return string(s.Op)
}

func (c *cutover) measured(s *plan.Step, name string, d time.Duration) {
	c.mu.Lock()
	c.parts = append(c.parts, Part{Name: name, Took: d})
	c.mu.Unlock()
	e := about(Measured, s)
	e.Text, e.Duration = name, d
	c.x.tell(e)
}

// past says whether a point of the cutover was reached.
func (c *cutover) past(point *bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *point
}

func (c *cutover) reach(point *bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*point = true
}

// retry is run.retry for an account that is held still: it does not wait long.
func (c *cutover) retry(ctx context.Context, s *plan.Step, f func(context.Context) error) error {
	quick := c.x.settings
	quick.RetryMost = min(quick.RetryMost, time.Second)
	return c.x.retrying(ctx, quick, s, f)
}

// closeOrigin ends the sessions that warm passes keep open. It is only a
// courtesy: they end with the term as well.
func (c *cutover) closeOrigin() {
	if c.from.can.Copier == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.x.hard), c.x.settings.Renew)
	defer cancel()
	_ = c.from.can.Copier.CloseOrigin(ctx, c.s.Account)
}

// conclude writes down a cutover that is over: the fact, what each part took.
func (c *cutover) conclude() error {
	s := &c.u.steps[len(c.u.steps)-1]
	fail := func(err error) error { return &StepError{Step: s.ID, Account: s.Account, Err: err} }
	t := &c.u.timing
	m := schema.MigratedFact{Epoch: s.Epoch + 1, To: s.To, Downtime: t.downtime, Outside: t.outside}
	m.Predicted, m.Confidence = c.u.prediction()
	if err := c.x.rememberSwitch(s, s.Epoch+1, m); err != nil {
		return fail(err)
	}
	if t.watched.Why == "" {
		c.measured(s, PartOutside, t.outside)
		t.parts = c.parts
	}
	c.x.note(s, t.watched.sentence())
	if c.budget > 0 && t.downtime > c.budget {
		c.x.note(s, fmt.Sprintf("it was down for %s, longer than its budget of %s: the switch was made by then, and is never undone", t.downtime.Round(time.Millisecond), c.budget))
	}
	var events []state.Event
	for _, p := range c.parts {
		events = append(events, state.Event{What: state.Measured, Step: s.ID, Op: s.Op, Text: p.Name,
			Timing: &plan.Timing{Op: p.Name, Account: s.Account, Duration: p.Took}})
	}
	for i := range c.u.steps {
		events = append(events, state.Event{What: state.Finished, Step: c.u.steps[i].ID, Op: c.u.steps[i].Op, Token: c.token.String(), Timing: c.timing(&c.u.steps[i])})
	}
	if err := c.x.journal(events...); err != nil {
		return fail(err)
	}
	for _, n := range c.notes {
		c.x.note(s, n)
	}
	if err := c.x.flush(); err != nil {
		return fail(err)
	}
	return nil
}

// prediction is what the plan said of the outage right before it, and how sure
// it was: as sure as of the least sure part. 0: it said nothing.
func (u *unit) prediction() (time.Duration, string) {
	grades := []string{"measured", "rule", "range", "unknown"}
	worst := -1
	for i := range u.steps {
		if e := u.steps[i].Estimate; e.Downtime > 0 {
			worst = max(worst, slices.Index(grades, e.Confidence))
		}
	}
	if worst < 0 {
		return 0, ""
	}
	return u.predicted(), grades[worst]
}

// timing is what a step took. The downtime stands with the switch, once, beside
// the sizes that the whole cutover was about: its copies run beside each other,
// so that what each took says little of the sum.
func (c *cutover) timing(s *plan.Step) *plan.Timing {
	t := c.took[s.ID]
	if s.Op != plan.OpSwitch {
		return &t
	}
	t.Downtime = c.u.timing.downtime
	for i := range c.u.steps {
		if o := &c.u.steps[i]; o.Op == plan.OpFinalSync {
			t.Bytes += c.took[o.ID].Bytes
			t.Sent += c.took[o.ID].Sent
		}
	}
	if f := c.from.found.Account(s.Account); f != nil {
		t.Entries = f.Files.Entries + f.Mail.Messages
	}
	return &t
}

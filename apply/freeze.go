package apply

import (
	"context"
	"errors"
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

// Why a cutover is given up before its switch, beside what its parts say.
var (
	errOverBudget = errors.New("the account was down for longer than its budget")
	errNoReceiver = errors.New("the receiver does not answer any more")
	errLeaseLost  = errors.New("the freeze could not be renewed and has ended by itself")
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
		budget: settingsOf(x.plan.Config, s.Account).DowntimeBudget, took: map[plan.ID]plan.Timing{}}
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
	u.timing.outside = u.timing.watched.Gap
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
	if g.Wait() == nil {
		return nil, nil
	}
	// The first error ended the others: theirs only say so.
	for i := range steps {
		if failed[i] != nil && !errors.Is(failed[i], context.Canceled) {
			return &steps[i], failed[i]
		}
	}
	i := slices.IndexFunc(failed, func(err error) bool { return err != nil })
	return &steps[i], failed[i]
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
	c.x.observer.tell(about(Started, s))
	began := c.x.clock.Now()
	d, err := p.part(c, ctx, s)
	if err != nil {
		return c.x.notice(err)
	}
	t := plan.Timing{Op: string(s.Op), Account: s.Account, Bytes: d.bytes, Entries: d.items, Duration: c.x.since(began)}
	c.mu.Lock()
	c.took[s.ID] = t
	c.notes = append(c.notes, d.notes...)
	c.mu.Unlock()
	if s.Op != plan.OpSwitch {
		c.measured(s, partName(s), t.Duration)
	}
	e := about(Finished, s)
	e.Bytes, e.Items, e.Duration = d.bytes, d.items, t.Duration
	c.x.observer.tell(e)
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
	c.x.observer.tell(e)
}

// guard renews the lease, and gives the cutover up when the run is told to
// stop, when the lease is lost, or when the downtime budget is spent.
func (c *cutover) guard() (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { c.renew(done) })
	wg.Go(func() { c.listen(done) })
	wg.Go(func() {
		select {
		case <-done:
		case <-c.x.soft.Done():
			if !c.past(&c.prepared) { // from there on, finishing is the shorter way
				c.giveUp(context.Cause(c.x.soft))
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// renew keeps the freeze alive while this process does. Before the freeze is
// complete there may be nothing to renew yet.
func (c *cutover) renew(done <-chan struct{}) {
	good := c.x.clock.Now()
	for {
		select {
		case <-done:
			return
		case <-c.x.clock.After(c.x.settings.Renew):
		}
		call, cancel := context.WithTimeout(c.x.hard, c.x.settings.Renew)
		err := c.from.can.Owner.Renew(call, c.from.term, c.s.Account, c.token)
		cancel()
		switch {
		case err == nil:
			good = c.x.clock.Now()
		case errors.Is(err, providers.ErrSuperseded):
			_ = c.x.notice(err)
			return
		case refused(err) && !c.past(&c.frozen):
			good = c.x.clock.Now() // it answers, and has not begun to freeze
		case refused(err), c.x.since(good) > c.x.settings.Lease:
			c.giveUp(fmt.Errorf("%w: %w", errLeaseLost, err))
			return
		}
	}
}

// listen gives the cutover up when the receiver has not answered for a lease:
// the origin would be held still for nothing.
func (c *cutover) listen(done <-chan struct{}) {
	good := c.x.clock.Now()
	for {
		select {
		case <-done:
			return
		case <-c.x.clock.After(c.x.settings.Renew):
		}
		call, cancel := context.WithTimeout(c.x.hard, c.x.settings.Renew)
		_, err := c.to.can.Owner.Identity(call)
		cancel()
		switch {
		case err == nil:
			good = c.x.clock.Now()
		case c.x.since(good) > c.x.settings.Lease:
			c.giveUp(fmt.Errorf("%w: %w", errNoReceiver, err))
			return
		}
	}
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

// budgetEnds starts the clock of the downtime budget. It counts from when the
// freeze is asked for, and is stopped by the commit.
func (c *cutover) budgetEnds() {
	if c.budget <= 0 {
		return
	}
	go func() {
		select {
		case <-c.cut.Done():
		case <-c.x.clock.After(c.budget):
			c.giveUp(fmt.Errorf("%w of %s", errOverBudget, c.budget))
		}
	}()
}

// freeze holds the account still and looks at what it has now.
func (c *cutover) freeze(ctx context.Context, s *plan.Step) (done, error) {
	if err := c.x.unprepare(ctx, s, c.to); err != nil {
		return done{}, err
	}
	c.began = c.x.clock.Now()
	c.budgetEnds()
	var f providers.Frozen
	err := c.retry(ctx, s, func(ctx context.Context) error {
		var err error
		f, err = c.from.can.Owner.Freeze(ctx, providers.FreezeRequest{Term: c.from.term, Account: s.Account, Token: c.token,
			Machine: c.from.identity.Machine, Epoch: s.Epoch, Lease: c.x.settings.Lease})
		return err
	})
	if err != nil {
		return done{}, fmt.Errorf("freeze %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(c.from.name), err)
	}
	c.reach(&c.frozen)
	return done{}, c.newObjects(f)
}

func (c *cutover) finalSync(ctx context.Context, s *plan.Step) (d done, err error) {
	err = c.retry(ctx, s, func(ctx context.Context) error {
		p, err := c.x.pull(ctx, s, c.from, c.to, s.Part, providers.PassFinal, c.token, nil)
		d = copied(p)
		return err
	})
	return d, err
}

// retry is run.retry for an account that is held still: it does not wait long.
func (c *cutover) retry(ctx context.Context, s *plan.Step, f func(context.Context) error) error {
	quick := c.x.settings
	quick.RetryMost = min(quick.RetryMost, time.Second)
	return c.x.retrying(ctx, quick, s, f)
}

// compare has the receiver compare both sides. What differs is sent once more
// in whole; if it differs still, the cutover is given up.
func (c *cutover) compare(ctx context.Context, s *plan.Step) (done, error) {
	if err := c.comparison(ctx, s); err != nil || c.compared.Equal {
		return done{bytes: c.compared.Hashed}, err
	}
	first := c.compared
	began := c.x.clock.Now()
	for _, part := range partsToRepair(first) {
		err := c.retry(ctx, s, func(ctx context.Context) error {
			_, err := c.x.pull(ctx, s, c.from, c.to, part, providers.PassFinal, c.token, first.Paths[part])
			return err
		})
		if err != nil {
			return done{}, err
		}
	}
	c.measured(s, PartRepair, c.x.since(began))
	if err := c.comparison(ctx, s); err != nil {
		return done{}, err
	}
	if !c.compared.Equal {
		return done{}, &DifferentError{Account: s.Account, Differences: c.compared.Differences}
	}
	return done{bytes: first.Hashed + c.compared.Hashed,
		notes: []string{fmt.Sprintf("sent again because it differed: %s", shortened(first.Differences))}}, nil
}

// partsToRepair are the parts of which paths differ; each of them if the
// comparison could not say.
func partsToRepair(c providers.Compared) []string {
	var parts []string
	for _, part := range []string{plan.PartFiles, plan.PartMail, plan.PartDatabases} {
		if _, ok := c.Paths[part]; ok || len(c.Paths) == 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

func (c *cutover) comparison(ctx context.Context, s *plan.Step) error {
	if c.from.can.Copier == nil || c.to.can.Copier == nil {
		return errors.Join(c.from.cannot(schema.CanCopy), c.to.cannot(schema.CanCopy))
	}
	err := c.retry(ctx, s, func(ctx context.Context) error {
		origin, err := c.from.can.Copier.Origin(ctx, c.from.term, s.Account)
		if err != nil {
			return err
		}
		c.compared, err = c.to.can.Copier.Compare(ctx, origin, c.to.term, c.token)
		return err
	})
	if err != nil {
		return fmt.Errorf("compare %s on both servers: %w", schema.QuoteName(s.Account), err)
	}
	return nil
}

// prepareCopy has the receiver close its copy and wait for the origin's word.
func (c *cutover) prepareCopy(ctx context.Context, s *plan.Step) (done, error) {
	err := c.retry(ctx, s, func(ctx context.Context) error {
		var err error
		c.receipt, err = c.to.can.Owner.PrepareCopy(ctx, c.to.term, s.Account, c.token, c.compared.Digest)
		return err
	})
	if err != nil {
		return done{}, fmt.Errorf("prepare the copy of %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(c.to.name), err)
	}
	c.reach(&c.prepared)
	return done{}, nil
}

// undo gives a cutover up before its switch: the account goes on where it was.
// A failure after the commit was asked for is none: c.switchOwner has settled
// what became of it.
func (c *cutover) undo(s *plan.Step, err error) error {
	if cause := c.ended(); cause != nil && !errors.Is(err, errOverBudget) {
		err = cause
	}
	at := &StepError{Step: s.ID, Account: s.Account, Err: err}
	var pending *PendingError
	if errors.As(err, &pending) {
		_ = c.x.journal(state.Event{What: state.Unanswered, Step: s.ID, Op: s.Op, Token: c.token.String(), Err: err.Error()})
		return at
	}
	if c.moved || errors.Is(err, providers.ErrSuperseded) {
		return at // nothing to undo; or whoever took over does, and nothing that we do counts any more
	}
	ctx, cancel := c.undoing()
	defer cancel()
	undo := &plan.Step{ID: s.ID, Phase: s.Phase, Op: plan.OpThaw, Account: s.Account, Server: c.from.name, From: s.From, To: s.To, Epoch: s.Epoch, Undo: true}
	if len(c.u.undo) > 0 {
		undo = &c.u.undo[0]
	}
	c.x.observer.tell(about(Started, undo))
	if _, e := c.thawing(ctx, undo, err.Error()); e != nil {
		c.x.note(undo, fmt.Sprintf("%v; the account goes on by itself when its lease of %s has ended", e, c.x.settings.Lease))
		at.Err = errors.Join(err, e)
	} else {
		at.Undone = true
		c.x.observer.tell(about(Finished, undo))
	}
	_ = c.x.journal(state.Event{What: state.Undone, Step: s.ID, Op: s.Op, Token: c.token.String(), Err: at.Err.Error()})
	return at
}

// undoing bounds the undo: by the lease, after which the origin has thawed by
// itself; by much less when everything has to stop now.
func (c *cutover) undoing() (context.Context, context.CancelFunc) {
	bound := c.x.settings.Lease
	if c.x.hard.Err() != nil {
		bound = min(bound, 2*time.Second)
	}
	return context.WithTimeout(context.WithoutCancel(c.x.hard), bound)
}

// thaw is the undo step of the plan.
func (c *cutover) thaw(ctx context.Context, s *plan.Step) (done, error) {
	return c.thawing(ctx, s, "given up")
}

// thawing voids the token for good and opens the account where it was. It asks
// again as long as the origin does not answer.
func (c *cutover) thawing(ctx context.Context, s *plan.Step, reason string) (done, error) {
	pauses := c.x.settings.pauses()
	for {
		call, cancel := c.x.short(ctx)
		err := c.from.can.Owner.Thaw(call, s.Account, c.token, reason)
		cancel()
		if err == nil {
			return done{}, nil
		}
		if refused(err) || errors.Is(err, providers.ErrSuperseded) || c.x.sleep(ctx, pauses.NextBackOff()) != nil {
			return done{}, fmt.Errorf("thaw %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(c.from.name), err)
		}
	}
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

package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// Why a cutover is given up before its switch, beside what its parts say.
var (
	errOverBudget = errors.New("the account was down for longer than its budget")
	errNoReceiver = errors.New("the receiver does not answer any more")
	errLeaseLost  = errors.New("the freeze could not be renewed and has ended by itself")
)

// guard renews the lease, and gives the cutover up when the run is told to
// stop, when the lease is lost, or when the downtime budget is spent.
func (c *cutover) guard() (stop func()) {
	ctx, end := context.WithCancel(c.x.hard)
	var wg sync.WaitGroup
	wg.Go(func() { c.renew(ctx) })
	wg.Go(func() { c.listen(ctx) })
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-c.x.soft.Done():
			if !c.past(&c.prepared) { // from there on, finishing is the shorter way
				c.giveUp(context.Cause(c.x.soft))
			}
		}
	})
	return func() { end(); wg.Wait() }
}

// renew keeps the freeze alive while this process does. Before the freeze is
// complete there may be nothing to renew yet.
func (c *cutover) renew(ctx context.Context) {
	good := c.x.clock.Now()
	for {
		if c.x.sleep(ctx, c.x.settings.Renew) != nil {
			return
		}
		call, cancel := context.WithTimeout(ctx, c.x.settings.Renew)
		err := c.from.can.Owner.Renew(call, c.from.term, c.s.Account, c.token)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
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
func (c *cutover) listen(ctx context.Context) {
	good := c.x.clock.Now()
	for {
		if c.x.sleep(ctx, c.x.settings.Renew) != nil {
			return
		}
		call, cancel := context.WithTimeout(ctx, c.x.settings.Renew)
		_, err := c.to.can.Owner.Identity(call)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			good = c.x.clock.Now()
		case c.x.since(good) > c.x.settings.Lease:
			c.giveUp(fmt.Errorf("%w: %w", errNoReceiver, err))
			return
		}
	}
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
	err := c.retry(ctx, s, func(ctx context.Context) error { return c.x.unprepare(ctx, s, c.to) })
	if err != nil {
		return done{}, err
	}
	c.began = c.x.clock.Now()
	c.budgetEnds()
	var f providers.Frozen
	err = c.retry(ctx, s, func(ctx context.Context) error {
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
	c.x.tell(about(Started, undo))
	if _, e := c.thawing(ctx, undo, err.Error()); e != nil {
		c.x.note(undo, fmt.Sprintf("%v; the account goes on by itself when its lease of %s has ended", e, c.x.settings.Lease))
		at.Err = errors.Join(err, e)
	} else {
		at.Undone = true
		c.x.tell(about(Finished, undo))
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

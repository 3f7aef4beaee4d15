package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// switchOwner is the switch: the origin commits, from then on it redirects, and
// the receiver activates on the origin's own word. Once the commit is asked for
// the cutover's context does not count any more: it is finished, or the origin
// says that it did not happen.
func (c *cutover) switchOwner(_ context.Context, s *plan.Step) (done, error) {
	if c.budget > 0 && c.x.since(c.began) > c.budget {
		return done{}, fmt.Errorf("%w of %s", errOverBudget, c.budget)
	}
	began := c.x.clock.Now()
	c.commits = true
	if err := c.commit(s); err != nil {
		return done{}, err
	}
	c.moved = true
	c.measured(s, PartCommit, c.x.since(began))
	began = c.x.clock.Now()
	if err := c.x.activate(s, c.to, c.token); err != nil {
		return done{}, err
	}
	c.measured(s, PartActivate, c.x.since(began))
	c.u.timing.downtime = c.x.since(c.began)
	c.measured(s, PartDowntime, c.u.timing.downtime)
	return done{}, nil
}

// commit asks the origin until it is known what became of the switch: done, or
// never. An answer that got lost is asked for again; the prepared copy is
// neither touched nor given up meanwhile.
func (c *cutover) commit(s *plan.Step) error {
	ctx, cancel := c.x.patience()
	defer cancel()
	pauses := c.x.settings.pauses()
	for {
		call, end := c.x.short(ctx)
		err := c.from.can.Owner.Commit(call, c.from.term, s.Account, c.token, c.receipt)
		end()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, providers.ErrSuperseded):
			return c.x.notice(err)
		case refused(err):
			return c.refusedCommit(ctx, s, err)
		}
		c.x.note(s, fmt.Sprintf("the answer to the switch of %s is not known yet: %v; asking again", schema.QuoteName(s.Account), err))
		if happened, known := c.settled(ctx, s); known && happened {
			return nil
		}
		if c.x.sleep(ctx, pauses.NextBackOff()) != nil {
			return &PendingError{Account: s.Account, Why: "server " + schema.QuoteName(c.from.name) + " does not say whether it has committed", Err: err}
		}
	}
}

// refusedCommit settles a commit that the origin refused. An earlier one whose
// answer got lost may have happened all the same; after a thaw none ever can.
func (c *cutover) refusedCommit(ctx context.Context, s *plan.Step, refusal error) error {
	pauses := c.x.settings.pauses()
	for {
		if happened, known := c.settled(ctx, s); known {
			if happened {
				return nil
			}
			return fmt.Errorf("switch %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(c.from.name), refusal)
		}
		call, end := c.x.short(ctx)
		_ = c.from.can.Owner.Thaw(call, s.Account, c.token, refusal.Error()) // the next look says what came of it
		end()
		if c.x.sleep(ctx, pauses.NextBackOff()) != nil {
			return &PendingError{Account: s.Account, Why: "server " + schema.QuoteName(c.from.name) + " refused and then did not answer", Err: refusal}
		}
	}
}

// settled asks the origin's record what became of the switch. Frozen is no
// answer: a commit on its way may still arrive.
func (c *cutover) settled(ctx context.Context, s *plan.Step) (happened, known bool) {
	call, end := c.x.short(ctx)
	defer end()
	st, err := c.from.can.Owner.Status(call, s.Account)
	if err != nil {
		return false, false
	}
	switch st.State {
	case schema.StateMoved:
		return st.Epoch > s.Epoch, true
	case schema.StateActive, schema.StateUnmanaged:
		return false, true
	case schema.StateFrozen:
		return false, st.Token != "" && st.Token != c.token.String()
	}
	return false, false
}

// patience bounds what goes on after the commit was asked for. A gentle stop
// does not end it: a switch is finished.
func (x *run) patience() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(x.hard)
	go func() {
		select {
		case <-ctx.Done():
		case <-x.clock.After(x.settings.Patience):
			cancel()
		}
	}()
	return ctx, cancel
}

// activate asks the receiver to activate until it has: it polls the origin
// itself and takes nobody else's word.
func (x *run) activate(s *plan.Step, to *server, token providers.Token) error {
	ctx, cancel := x.patience()
	defer cancel()
	pauses := x.settings.pauses()
	for {
		call, end := x.short(ctx)
		a, err := to.can.Owner.Activate(call, s.Account, token)
		end()
		switch {
		case err == nil && a.State == schema.StateActive:
			return nil
		case err == nil && a.State != schema.StatePrepared:
			return fmt.Errorf("activate %s on server %s: its copy is %s now: %s: plan again", schema.QuoteName(s.Account), schema.QuoteName(to.name), a.State, a.Why)
		case err == nil:
			err = fmt.Errorf("server %s waits for the origin: %s", schema.QuoteName(to.name), a.Why)
		case errors.Is(err, providers.ErrSuperseded):
			return x.notice(err)
		}
		if x.sleep(ctx, pauses.NextBackOff()) != nil {
			return &PendingError{Account: s.Account, Why: "it is committed and server " + schema.QuoteName(to.name) + " has not activated it yet", Err: err}
		}
		x.note(s, fmt.Sprintf("%v; asking again", err))
	}
}

// finishSwitch is what is left of a switch that a dead run committed.
func (x *run) finishSwitch(ctx context.Context, s *plan.Step) (done, error) {
	if s.Method != plan.MethodFinish {
		return done{}, fmt.Errorf("a switch of its own must have method %q, not %q", plan.MethodFinish, s.Method)
	}
	to, err := x.server(s.To)
	if err != nil {
		return done{}, err
	}
	status, err := to.can.Owner.Status(ctx, s.Account)
	if err != nil {
		return done{}, fmt.Errorf("status of %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(to.name), err)
	}
	if status.State == schema.StatePrepared {
		token, err := providers.ParseToken(status.Token)
		if err != nil {
			return done{}, fmt.Errorf("status of %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(to.name), err)
		}
		if err := x.activate(s, to, token); err != nil {
			return done{}, err
		}
	} else if status.State != schema.StateActive {
		return done{}, fmt.Errorf("the copy of %s on server %s is %s now: plan again", schema.QuoteName(s.Account), schema.QuoteName(to.name), status.State)
	}
	return done{}, x.rememberSwitch(s, s.Epoch+1, schema.MigratedFact{Epoch: s.Epoch + 1, To: s.To})
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
)

// How apply --wait looks again. A gate that somebody closes is noticed within a
// minute; a window opens by the clock, so that nobody has to be asked often.
const (
	firstLook  = 2 * time.Second
	gateLook   = time.Minute
	windowLook = 5 * time.Minute
	badLooks   = 30        // in a row; then something is wrong that time does not mend
	sameAgain  = time.Hour // after which steps that would show the same again are done once more
)

// waiter is apply --wait: what can be done is done, then it sleeps without the
// lock of the state store, looks again without changing anything, and goes on
// as soon as something can be done. Another run may come between: each go takes
// the lock and plans anew, as a run started by hand would.
type waiter struct {
	clock    state.Clock
	graceful context.Context
	timeout  time.Duration // of all the waiting; 0: none
	gates    bool          // wait for gates too; else only for windows
	tell     func(apply.Event)
	// once applies what can be done now. Accounts in failed are left alone: to
	// try a cutover again and again would be an outage again and again.
	// It returns the steps that could be done again, but would only show the same.
	once func(ctx context.Context, failed map[string]bool) (same []plan.ID, err error)
	// look plans without changing anything.
	look func(ctx context.Context, failed map[string]bool) (*plan.Plan, error)

	same   []plan.ID
	went   time.Time // the last go ended
	slept  time.Duration
	failed map[string]bool
	errs   []error
}

func (w *waiter) run(ctx context.Context) error {
	w.failed = map[string]bool{}
	for {
		var err error
		w.same, err = w.once(ctx, w.failed)
		w.went = w.clock.Now()
		var waiting *apply.WaitingError
		var failed *apply.FailedError
		var locked *state.LockedError
		switch {
		case errors.As(err, &failed):
			w.errs = append(w.errs, err)
			if !w.leaveOut(err) {
				return w.verdict(nil)
			}
			p, lookErr := w.peek(ctx)
			if lookErr != nil {
				return w.verdict(lookErr)
			}
			switch waiting = apply.Waits(p, w.clock.Now()); {
			case w.more(p):
				continue
			case waiting == nil || !w.opens(waiting):
				return w.verdict(nil)
			}
		case errors.As(err, &waiting):
			if !w.opens(waiting) {
				return w.verdict(err)
			}
		case errors.As(err, &locked) && w.slept > 0:
			waiting = &apply.WaitingError{} // somebody else is at it meanwhile
		default:
			return w.verdict(err)
		}
		if err := w.await(ctx, waiting, locked); err != nil {
			return w.verdict(err)
		}
	}
}

// more says whether a plan has steps that can begin now and have not just been
// done.
func (w *waiter) more(p *plan.Plan) bool {
	now := w.clock.Now()
	ready := apply.Ready(p, now)
	if now.Sub(w.went) >= sameAgain {
		return len(ready) > 0
	}
	return slices.ContainsFunc(ready, func(id plan.ID) bool { return !slices.Contains(w.same, id) })
}

// opens says whether there is something to wait for.
func (w *waiter) opens(waiting *apply.WaitingError) bool {
	return w.gates || slices.ContainsFunc(waiting.Windows, func(c apply.ClosedWindow) bool { return !c.Never })
}

// verdict is the end: what failed on the way counts before what is waited for.
func (w *waiter) verdict(err error) error {
	var waiting *apply.WaitingError
	if len(w.errs) == 0 || err != nil && !errors.As(err, &waiting) && !errors.Is(err, apply.ErrInterrupted) {
		return errors.Join(append(w.errs, err)...)
	}
	if errors.Is(err, apply.ErrInterrupted) {
		return err
	}
	return errors.Join(w.errs...)
}

// leaveOut takes the accounts that failed out of what is done from now on; false
// if something failed that is no account's.
func (w *waiter) leaveOut(err error) bool {
	ok := true
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case *apply.StepError:
			ok = ok && e.Account != ""
			w.failed[e.Account] = true
		case interface{ Unwrap() []error }:
			for _, x := range e.Unwrap() {
				walk(x)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	return ok && len(w.failed) > 0
}

// await sleeps and looks until something can be done.
func (w *waiter) await(ctx context.Context, waiting *apply.WaitingError, locked *state.LockedError) error {
	bad := 0
	for pause := firstLook; ; pause = min(pause*3/2, gateLook) {
		d, until := w.pause(waiting, pause)
		if w.timeout > 0 && w.slept+d > w.timeout {
			d = w.timeout - w.slept
		}
		if err := w.sleep(ctx, d, until, purpose(waiting, locked)); err != nil {
			return err
		}
		p, err := w.peek(ctx)
		switch {
		case err == nil:
			bad = 0
			now := apply.Waits(p, w.clock.Now())
			if now == nil || w.more(p) {
				return nil
			}
			waiting, locked = now, nil
			if !w.opens(waiting) {
				return waiting
			}
		case errors.Is(err, apply.ErrInterrupted):
			return err
		default:
			if bad++; bad >= badLooks {
				return err
			}
			w.tell(apply.Event{What: apply.Note, At: w.clock.Now(), Text: fmt.Sprintf("looking again did not work: %v", err)})
		}
		if w.timeout > 0 && w.slept >= w.timeout {
			return waiting
		}
	}
}

// peek is a look that Ctrl-C ends: there is nothing to finish.
func (w *waiter) peek(ctx context.Context) (*plan.Plan, error) {
	looking, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.graceful, cancel)()
	p, err := w.look(looking, w.failed)
	if err != nil && looking.Err() != nil {
		return nil, apply.ErrInterrupted
	}
	return p, err
}

// pause is how long to sleep before the next look, and what for if it is a
// matter of time alone.
func (w *waiter) pause(waiting *apply.WaitingError, pause time.Duration) (d time.Duration, until time.Time) {
	d = pause
	for _, c := range waiting.Windows {
		if !c.Never && (until.IsZero() || c.Opens.Before(until)) {
			until = c.Opens
		}
	}
	if until.IsZero() {
		return d, until
	}
	if len(waiting.Gates) == 0 {
		d = windowLook
	}
	return max(0, min(d, until.Sub(w.clock.Now()))), until
}

// sleep counts down in public, and ends at once when it is told to.
func (w *waiter) sleep(ctx context.Context, d time.Duration, until time.Time, text string) error {
	for end := w.clock.Now().Add(d); ; {
		now := w.clock.Now()
		if w.graceful.Err() != nil || ctx.Err() != nil {
			return apply.ErrInterrupted
		}
		left := end.Sub(now)
		if left <= 0 {
			return nil
		}
		e := apply.Event{What: apply.Countdown, At: now, Text: text, Left: left, Until: until}
		if !until.IsZero() {
			e.Left = max(0, until.Sub(now))
		}
		w.tell(e)
		select {
		case <-w.clock.After(min(left, time.Second)):
		case <-w.graceful.Done():
		case <-ctx.Done():
		}
		w.slept += w.clock.Now().Sub(now)
	}
}

// purpose says in one sentence what is waited for: what comes first, and how
// much more there is.
func purpose(w *apply.WaitingError, locked *state.LockedError) string {
	n := len(w.Gates) + len(w.Windows)
	more := ""
	if n > 1 {
		more = fmt.Sprintf(" (and %d more)", n-1)
	}
	switch {
	case locked != nil:
		return "another run is at it: " + locked.Holder.String()
	case len(w.Windows) > 0 && !w.Windows[0].Never:
		return w.Windows[0].Sentence() + more
	case len(w.Gates) > 0:
		return fmt.Sprintf("%s: %s%s", w.Gates[0].Who, w.Gates[0].What, more)
	case n > 0:
		return w.Windows[0].Sentence() + more
	}
	return "something that can be done"
}

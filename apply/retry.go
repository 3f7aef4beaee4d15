package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
)

// Settings are the times of a run. The zero value of each field means its
// default, which is right outside tests.
type Settings struct {
	Lease     time.Duration // of a freeze; default 30 s
	Renew     time.Duration // how often the lease is renewed; default 5 s
	Call      time.Duration // longest wait for the answer to a call that is short by nature; default 10 s
	Retry     time.Duration // first pause before a temporary error is tried again; default 200 ms
	RetryMost time.Duration // longest pause; default 10 s
	Tries     int           // of a call that fails temporarily; default 8
	Patience  time.Duration // how long an unanswered switch is asked for before the run goes on without it; default 10 min
	Settle    time.Duration // how long a site may take to answer as before after a switch; default 15 s
	Watch     time.Duration // pause between two questions of the watcher; default 20 ms
	Wait      time.Duration // how long the watcher waits for one answer; default 2 s
}

func (s Settings) withDefaults() Settings {
	or := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	or(&s.Lease, 30*time.Second)
	or(&s.Renew, min(5*time.Second, s.Lease/3))
	or(&s.Call, 10*time.Second)
	or(&s.Retry, 200*time.Millisecond)
	or(&s.RetryMost, 10*time.Second)
	or(&s.Patience, 10*time.Minute)
	or(&s.Settle, 15*time.Second)
	or(&s.Watch, 20*time.Millisecond)
	or(&s.Wait, 2*time.Second)
	if s.Tries <= 0 {
		s.Tries = 8
	}
	return s
}

// pauses makes the row of waits between tries.
func (s Settings) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = s.Retry, s.RetryMost, 2
	return b
}

// retry calls f until it succeeds, for errors that say that they are temporary
// and for no others.
func (x *run) retry(ctx context.Context, s *plan.Step, f func(context.Context) error) error {
	return x.retrying(ctx, x.settings, s, f)
}

func (x *run) retrying(ctx context.Context, times Settings, s *plan.Step, f func(context.Context) error) error {
	pauses := times.pauses()
	for try := 1; ; try++ {
		err := x.notice(f(ctx))
		if err == nil || !errors.Is(err, providers.ErrTemporary) || ctx.Err() != nil {
			return err
		}
		if try >= times.Tries {
			return fmt.Errorf("given up after %d tries: %w", try, err)
		}
		pause := pauses.NextBackOff()
		x.note(s, fmt.Sprintf("%v; trying again in %s", err, pause.Round(time.Millisecond)))
		if x.sleep(ctx, pause) != nil {
			return err
		}
	}
}

// sleep waits on the run's clock.
func (x *run) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-x.clock.After(d):
		return nil
	}
}

// short bounds a call that is short by nature, so that a server that hangs is
// noticed. The bound is real time: a clock under test must not cut calls off.
func (x *run) short(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, x.settings.Call)
}

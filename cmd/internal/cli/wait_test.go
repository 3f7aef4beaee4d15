package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// leapClock lets each wait pass at once.
type leapClock struct{ now time.Time }

func (c *leapClock) Now() time.Time { return c.now }
func (c *leapClock) After(d time.Duration) <-chan time.Time {
	c.now = c.now.Add(d)
	out := make(chan time.Time, 1)
	out <- c.now
	return out
}

// waitWorld is what a waiter sees: a plan that the test changes.
type waitWorld struct {
	clock  *leapClock
	plan   *plan.Plan
	events []apply.Event
	onces  []string // time of each go, and who was left out
	looks  int
	act    func(n int) error // a go's result; nil: what the plan waits for
	seen   func(n int) error // a look's error
	same   []plan.ID
	hangs  bool
	each   func(e apply.Event)     // of each countdown
	stop   context.CancelCauseFunc // Ctrl-C
}

func newWait(t *testing.T) (*waitWorld, *waiter) {
	t.Helper()
	w := &waitWorld{clock: &leapClock{time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}, plan: &plan.Plan{Config: &schema.Config{
		Windows: []schema.Window{{Name: "night", From: "01:00", To: "05:00", Timezone: "UTC"}}}}}
	graceful, stop := context.WithCancelCause(context.Background())
	t.Cleanup(func() { stop(nil) })
	w.stop = stop
	return w, &waiter{clock: w.clock, graceful: graceful, gates: true, tell: w.tell, once: w.once, look: w.look}
}

func (w *waitWorld) tell(e apply.Event) {
	w.events = append(w.events, e)
	if w.each != nil {
		w.each(e)
	}
}

func (w *waitWorld) once(_ context.Context, failed map[string]bool) ([]plan.ID, error) {
	w.onces = append(w.onces, w.clock.now.Format("02 15:04:05"))
	if w.act != nil {
		if err := w.act(len(w.onces)); err != nil {
			return nil, err
		}
	}
	if waits := apply.Waits(apply.LeaveOut(w.plan, failed), w.clock.now); waits != nil {
		return w.same, waits
	}
	return nil, nil
}

func (w *waitWorld) look(ctx context.Context, failed map[string]bool) (*plan.Plan, error) {
	w.looks++
	if w.hangs {
		w.stop(apply.ErrInterrupted) // Ctrl-C while a server does not answer
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if w.seen != nil {
		if err := w.seen(w.looks); err != nil {
			return nil, err
		}
	}
	return apply.LeaveOut(w.plan, failed), nil
}

func cutoverOf(account string, windows ...string) plan.Step {
	return plan.Step{ID: plan.ID("migrate.freeze[" + account + "]@0"), Op: plan.OpFreeze, Account: account, Phase: "migrate", Group: "migrate[" + account + "]@0", Windows: windows}
}

func gated(id string) plan.Gate {
	return plan.Gate{ID: plan.ID(id), Who: "support", What: "reinstall the server", Open: true}
}

func TestWaitForAWindow(t *testing.T) {
	w, x := newWait(t)
	w.plan.Steps = []plan.Step{cutoverOf("shop", "night")}
	w.act = func(n int) error {
		if n == 2 {
			w.plan.Steps = nil
		}
		return nil
	}
	if err := x.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(w.onces, ", "); got != "02 12:00:00, 03 01:00:00" {
		t.Errorf("goes at %s", got)
	}
	if n := len(w.events); n != 13*3600 || w.looks > 13*12+1 {
		t.Errorf("%d countdowns, %d looks", n, w.looks)
	}
	e := w.events[0]
	if e.What != apply.Countdown || e.Left != 13*time.Hour || e.Until.Hour() != 1 || e.Text != "window night opens for shop at Tue 3 Mar 2026, 01:00 UTC" {
		t.Errorf("%+v", e)
	}
}

func TestWaitForAGate(t *testing.T) {
	w, x := newWait(t)
	w.plan.Gates = []plan.Gate{gated("reinstall.done[client]"), gated("verify.accept[shop]")}
	w.seen = func(n int) error {
		switch n {
		case 3:
			return errors.New("no route to host") // does not end a wait of days
		case 20:
			w.plan.Gates = nil
		}
		return nil
	}
	if err := x.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(w.onces) != 2 || w.looks != 20 {
		t.Errorf("goes %v, looks %d", w.onces, w.looks)
	}
	if took := w.clock.now.Sub(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)); took < 10*time.Minute || took > 20*time.Minute {
		t.Errorf("20 looks in %s", took)
	}
	if e := w.events[0]; e.Text != "support: reinstall the server (and 1 more)" || e.Left != firstLook || !e.Until.IsZero() {
		t.Errorf("%+v", e)
	}
}

// A trial that fails again and again is not repeated at every look, but once an
// hour, and when something else can be done.
func TestWaitDoesNotRepeat(t *testing.T) {
	w, x := newWait(t)
	try := plan.Step{ID: "prepare.try_databases[shop]@0", Op: plan.OpTrial, Account: "shop", Phase: "prepare"}
	w.plan.Steps = []plan.Step{try}
	w.plan.Gates = []plan.Gate{gated("x.y[z]")}
	w.same = []plan.ID{try.ID}
	x.timeout = 150 * time.Minute
	if err := x.run(context.Background()); apply.ExitCode(err) != apply.ExitWaiting || len(w.onces) != 3 {
		t.Errorf("%v: goes %v", err, w.onces)
	}
}

func TestWaitEnds(t *testing.T) {
	night := func(w *waitWorld) { w.plan.Steps = []plan.Step{cutoverOf("shop", "night")} }
	gate := func(w *waitWorld) { w.plan.Gates = []plan.Gate{gated("verify.accept[shop]")} }
	failure := &apply.FailedError{Err: &apply.StepError{Step: "x", Account: "blog", Err: errors.New("disk full")}}
	for _, c := range []struct {
		name  string
		set   func(w *waitWorld, x *waiter)
		exit  int
		goes  int
		slept time.Duration
	}{
		{"timeout", func(w *waitWorld, x *waiter) { gate(w); x.timeout = 90 * time.Second }, apply.ExitWaiting, 1, 90 * time.Second},
		{"Ctrl-C", func(w *waitWorld, _ *waiter) {
			night(w)
			w.each = func(apply.Event) {
				if len(w.events) == 5 {
					w.stop(apply.ErrInterrupted)
				}
			}
		}, apply.ExitInterrupted, 1, 5 * time.Second},
		{"Ctrl-C in a look", func(w *waitWorld, _ *waiter) { gate(w); w.hangs = true }, apply.ExitInterrupted, 1, firstLook},
		{"a saved plan does not wait for gates", func(w *waitWorld, x *waiter) { gate(w); x.gates = false }, apply.ExitWaiting, 1, 0},
		{"a window that never opens", func(w *waitWorld, x *waiter) {
			w.plan.Steps = []plan.Step{cutoverOf("shop", "gone")}
			x.gates = false
		}, apply.ExitWaiting, 1, 0},
		{"locked from the beginning", func(w *waitWorld, _ *waiter) {
			w.act = func(int) error { return &state.LockedError{} }
		}, apply.ExitLocked, 1, 0},
		{"locked meanwhile", func(w *waitWorld, _ *waiter) {
			night(w)
			w.act = func(n int) error {
				switch n {
				case 2:
					return &state.LockedError{Holder: state.Holder{Who: "bob"}}
				case 3:
					w.plan.Steps = nil
				}
				return nil
			}
		}, apply.ExitDone, 3, 13*time.Hour + firstLook},
		{"everything failed", func(w *waitWorld, _ *waiter) { w.act = func(int) error { return failure } }, apply.ExitError, 1, 0},
		{"one account failed, another one waits", func(w *waitWorld, _ *waiter) {
			w.plan.Steps = []plan.Step{cutoverOf("blog"), cutoverOf("shop", "night")}
			w.act = func(n int) error {
				if n == 1 {
					return failure
				}
				w.plan.Steps = w.plan.Steps[:1] // shop has moved; blog is still to be done, and is left alone
				return nil
			}
		}, apply.ExitError, 2, 13 * time.Hour},
		{"a step of no account failed", func(w *waitWorld, _ *waiter) {
			night(w)
			w.act = func(int) error {
				return &apply.FailedError{Err: &apply.StepError{Step: "x", Err: errors.New("no such server")}}
			}
		}, apply.ExitError, 1, 0},
		{"refused", func(w *waitWorld, _ *waiter) {
			w.act = func(int) error { return &apply.RefusedError{Reason: "no"} }
		}, apply.ExitRefused, 1, 0},
		{"nothing can be looked at any more", func(w *waitWorld, _ *waiter) {
			gate(w)
			w.seen = func(int) error { return fmt.Errorf("journal is damaged") }
		}, apply.ExitError, 1, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, x := newWait(t)
			c.set(w, x)
			err := x.run(context.Background())
			if apply.ExitCode(err) != c.exit || len(w.onces) != c.goes || c.slept >= 0 && x.slept != c.slept {
				t.Errorf("%v: exit %d, %d goes, slept %s", err, apply.ExitCode(err), len(w.onces), x.slept)
			}
		})
	}
}

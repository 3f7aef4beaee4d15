//go:build linux

package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/deploy/pulse"
	"github.com/stopover/stopover/providers/linux/trial"
	"github.com/stopover/stopover/schema"
)

type looker struct {
	agent.Looker
	began chan struct{}
	end   func(context.Context)
}

func (l *looker) Look(ctx context.Context, _ agent.LookRequest, _ func(*schema.FoundAccount) error, _ func(providers.Progress)) (*schema.FoundServer, error) {
	close(l.began)
	l.end(ctx)
	return nil, ctx.Err()
}

// TestEnds: an agent whose connection is gone waits for what its calls put
// away, and not for ever.
func TestEnds(t *testing.T) {
	away := make(chan struct{})
	stuck := make(chan struct{})
	defer close(stuck)
	for _, end := range []func(context.Context){
		func(ctx context.Context) { <-ctx.Done(); time.Sleep(50 * time.Millisecond); close(away) },
		func(context.Context) { <-stuck },
	} {
		l := &looker{began: make(chan struct{}), end: end}
		a, b := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- serve(t.Context(), pulse.New(b, pulse.Limit), l, hclog.NewNullLogger(), 500*time.Millisecond, time.Hour)
		}()
		c, err := agent.NewLookClient("here", func(context.Context, string) (net.Conn, error) { return pulse.New(a, pulse.Limit), nil })
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = c.Look(t.Context(), agent.LookRequest{}, nil) }()
		<-l.began
		_ = a.Close()
		if err := <-done; err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
		_ = c.Close()
	}
	select {
	case <-away:
	default:
		t.Error("it did not wait for what was put away")
	}
}

// TestForeignCaller: an agent that somebody runs by hand ends.
func TestForeignCaller(t *testing.T) {
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- serve(t.Context(), pulse.New(b, pulse.Limit), &looker{}, hclog.NewNullLogger(), time.Second, time.Second)
	}()
	go func() { _, _ = io.Copy(io.Discard, a) }()
	if _, err := a.Write([]byte("hello? anybody there\n")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, pulse.ErrForeign) {
		t.Errorf("%v", err)
	}
}

// TestGrace: a trial has the time that clearing up after it may take, when the
// others have had theirs; an agent with nothing to do leaves at once.
func TestGrace(t *testing.T) {
	if trialGrace < trial.CleanTime+10*time.Second {
		t.Errorf("an agent leaves %s after its connection, and a trial may clear up for %s", trialGrace, trial.CleanTime)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			trial        bool
			takes, stays time.Duration
		}{{false, 0, 0}, {true, 2 * time.Minute, 2 * time.Minute}, {false, 2 * time.Minute, grace}, {true, time.Hour, trialGrace}} {
			calls := &calls{}
			end, err := calls.begin(c.trial)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if c.takes == 0 {
				end()
			} else {
				time.AfterFunc(c.takes, end)
			}
			calls.wait(grace, trialGrace)
			if stayed := time.Since(began); stayed != c.stays { // in the bubble's time
				t.Errorf("%+v: stayed %s", c, stayed)
			}
			if _, err := calls.begin(true); err == nil {
				t.Error("a call began after the end")
			}
			time.Sleep(c.takes)
		}
	})
}

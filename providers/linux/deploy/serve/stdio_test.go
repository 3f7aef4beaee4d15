//go:build linux

package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/deploy/pulse"
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
			done <- serve(t.Context(), pulse.New(b, pulse.Limit), l, hclog.NewNullLogger(), 500*time.Millisecond)
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
		done <- serve(t.Context(), pulse.New(b, pulse.Limit), &looker{}, hclog.NewNullLogger(), time.Second)
	}()
	go func() { _, _ = io.Copy(io.Discard, a) }()
	if _, err := a.Write([]byte("hello? anybody there\n")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, pulse.ErrForeign) {
		t.Errorf("%v", err)
	}
}

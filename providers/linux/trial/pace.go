//go:build linux

package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/stopover/stopover/providers"
)

// errTrialTime is why a trial ended that took too long.
var errTrialTime = errors.New("the trial took too long")

// longest is how long the trial of a database of so many bytes may take. What it
// loads may have been made to take for ever, and while it is tried it takes room
// on the server. The size is what the origin says, and so it counts up to a week.
func longest(bytes int64) time.Duration {
	const week = 7 * 24 * 60 * 60
	return 30*time.Minute + time.Duration(min(bytes/(1<<20), week))*time.Second
}

// pace is a dump on its way. It knows how long it was waited for, and nobody
// waits for it any longer than the trial lasts.
type pace struct {
	r    io.Reader
	most time.Duration
	buf  []byte
	rest []byte // of buf, that came and was not taken
	err  error  // that came with it
	came chan int

	mu     sync.Mutex
	ctx    context.Context // of the trial
	waited time.Duration
}

func newPace(ctx context.Context, r io.Reader) *pace {
	return &pace{r: r, ctx: ctx, buf: make([]byte, 1<<16), came: make(chan int, 1)}
}

// limit bounds the trial from now on.
func (p *pace) limit(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("%w: it was ended after %s", errTrialTime, most))
	p.mu.Lock()
	p.ctx, p.most, p.waited = ctx, most, 0
	p.mu.Unlock()
	return ctx, cancel
}

// Read implements io.Reader. After it has given up no other read begins: the one
// that goes on ends with the connection.
func (p *pace) Read(b []byte) (int, error) {
	p.mu.Lock()
	ctx := p.ctx
	p.mu.Unlock()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if len(p.rest) == 0 && p.err == nil {
		began := time.Now()
		buf := p.buf[:min(len(b), len(p.buf))]
		go func() {
			n, err := p.r.Read(buf)
			p.err = err
			p.came <- n
		}()
		n, over := 0, false
		select {
		case n = <-p.came:
		case <-ctx.Done():
			over = true
		}
		p.mu.Lock()
		p.waited += time.Since(began)
		p.mu.Unlock()
		if over {
			return 0, context.Cause(ctx)
		}
		p.rest = buf[:n]
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	if len(p.rest) > 0 {
		return n, nil
	}
	return n, p.err
}

// judge says whose fault it is that a trial took too long: where most of the time
// went by in waiting for the dump, nothing is known of the database; where it did
// not, the database is one that cannot be loaded in good time.
func (p *pace) judge(err error, found *problems) error {
	if !errors.Is(err, errTrialTime) {
		return err
	}
	p.mu.Lock()
	waited := p.waited
	p.mu.Unlock()
	if waited > p.most/2 {
		return fmt.Errorf("%w: %w, and %s of it went by in waiting for the dump: look at the connection to the server that it comes from, and try again",
			providers.ErrTemporary, err, waited.Round(time.Second))
	}
	found.add("it was not loaded and looked at within %s, and the trial was ended: something in it takes very long, such as a function in an index, a view or a check", p.most)
	return nil
}

package main

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stopover/stopover/providers/local"
)

// pocket is a pocket server's process with faults around what it says to its
// peer: calls are lost before or after they were done, late, or done twice;
// streams are cut after some bytes.
func pocket(args []string) int {
	f := flag.NewFlagSet("pocket", flag.ExitOnError)
	dir := f.String("dir", "", "")
	rate := f.Float64("rate", 0, "share of calls and streams that meet a fault")
	_ = f.Parse(args)
	faults := &faults{rate: *rate, report: make(chan string, 100)}
	go faults.write(*dir + ".faults")
	// The machine's clock jumps forward by an hour at each SIGUSR1, as that of a
	// guest does that was suspended.
	var jumped atomic.Int64
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		for range signals {
			jumped.Add(int64(time.Hour))
		}
	}()
	now := func() time.Duration { return local.SinceBoot() + time.Duration(jumped.Load()) }
	return local.Process{Dial: faults.dial, Calls: faults.calls, Now: now}.Main(*dir)
}

type faults struct {
	rate   float64
	report chan string
}

// roll says whether to hurt, and how. Which call of a busy process meets which
// number depends on timing, so no seed could repeat it.
func (f *faults) roll(n int) (int, bool) {
	if rand.Float64() >= f.rate {
		return 0, false
	}
	return rand.IntN(n), true
}

var errLost = errors.New("lost on the way")

func (f *faults) calls(ctx context.Context, method string, do func(context.Context) error) error {
	kind, hurt := f.roll(4)
	if !hurt {
		return do(ctx)
	}
	switch kind {
	case 0:
		f.say("request lost")
		return errLost
	case 1:
		f.say("answer lost")
		_ = do(ctx)
		return errLost
	case 2:
		f.say("late")
		select {
		case <-time.After(time.Duration(rand.IntN(1500)) * time.Millisecond):
		case <-ctx.Done():
		}
		return do(ctx)
	}
	f.say("doubled")
	_ = do(ctx)
	return do(ctx)
}

// dial opens a stream that may break after some bytes.
func (f *faults) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := local.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	if _, hurt := f.roll(1); hurt {
		return &brittle{Conn: c, left: 200 + rand.IntN(200000), f: f}, nil
	}
	return c, nil
}

type brittle struct {
	net.Conn
	left int
	f    *faults
}

func (b *brittle) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.f.say("stream cut")
		_ = b.Conn.Close()
		return 0, errLost
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func (f *faults) say(kind string) {
	select {
	case f.report <- kind:
	default:
	}
}

// write notes the faults that happened, for the tally.
func (f *faults) write(path string) {
	for kind := range f.report {
		if file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			_, _ = file.WriteString(kind + "\n")
			_ = file.Close()
		}
	}
}

package front

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// gate is what every request of one account goes through.
type gate struct {
	name string

	mu       sync.Mutex
	account  Account
	mode     Mode
	version  uint64        // counts changes of the mode
	changed  chan struct{} // closed at the next change of the mode
	flights  map[*flight]struct{}
	left     chan struct{} // closed when the next flight ends
	waiting  int
	counters Counters
}

// flight is one request that is being answered.
type flight struct {
	gate     *gate
	cut      func() // breaks its connections; nil if it may not be broken
	upgraded bool   // a connection that never ends by itself
}

func newGate(name string) *gate {
	return &gate{name: name, changed: make(chan struct{}), left: make(chan struct{}), flights: map[*flight]struct{}{}}
}

// set changes the mode and lets those that wait look at it again, if it is
// another one.
func (g *gate) set(m Mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.setLocked(m)
}

func (g *gate) setLocked(m Mode) {
	if m == g.mode {
		return // setting an account anew does not end a hold that goes on
	}
	g.mode = m
	g.version++
	close(g.changed)
	g.changed = make(chan struct{})
}

// peek returns account and mode as they are now.
func (g *gate) peek() (Account, Mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.account, g.mode
}

// admission is what a request got at the gate. Without a flight (modes Closed
// and Absent) there is nothing to leave.
type admission struct {
	*flight
	account Account
	mode    Mode
}

// enter lets a request in by the account's mode. In mode Hold it waits, at most
// age and only if fewer than limit others do; limit 0 means that it never waits.
// The caller ends the flight with leave.
func (g *gate) enter(ctx context.Context, limit int, age time.Duration, cut func()) (admission, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mode.Kind == Hold {
		if err := g.wait(ctx, limit, age); err != nil {
			return admission{}, err
		}
	}
	in := admission{account: g.account, mode: g.mode}
	if g.mode.Kind == Serve || g.mode.Kind == Redirect {
		in.flight = &flight{gate: g, cut: cut}
		g.flights[in.flight] = struct{}{}
	}
	return in, nil
}

// wait returns when the mode is not Hold. It is called, and returns, with the
// lock held.
func (g *gate) wait(ctx context.Context, limit int, age time.Duration) error {
	if limit == 0 {
		return errHeld
	}
	if g.waiting >= limit {
		return errFull
	}
	g.waiting++
	g.counters.Held++
	began := time.Now()
	timer := time.NewTimer(age)
	defer timer.Stop()
	defer func() {
		g.waiting--
		g.counters.LongestHold = max(g.counters.LongestHold, time.Since(began))
	}()
	for g.mode.Kind == Hold {
		changed := g.changed
		g.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-timer.C:
			err = errTooLong
		case <-ctx.Done():
			err = errGone
		}
		g.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// leave ends the flight.
func (fl *flight) leave() {
	g := fl.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.flights, fl)
	close(g.left)
	g.left = make(chan struct{})
}

// upgrade says that the connection now lives on until one side ends it. Nobody
// waits for such a one: while the account is held it is cut at once.
func (fl *flight) upgrade() {
	g := fl.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	fl.upgraded = true
	if g.mode.Kind == Hold {
		fl.cut()
	}
}

// hold sets mode Hold and returns when no request is in flight any more. Those
// that are may end until ctx is done, then their connections are cut.
func (g *gate) hold(ctx context.Context, cutLimit time.Duration) error {
	g.mu.Lock()
	if g.mode.Kind != Hold {
		g.setLocked(Mode{Kind: Hold, Epoch: g.mode.Epoch})
	}
	version := g.version
	g.cutLocked(func(fl *flight) bool { return fl.upgraded })
	g.mu.Unlock()

	err := g.drain(ctx, version)
	if err == nil || ctx.Err() == nil {
		return err
	}
	g.mu.Lock()
	g.cutLocked(func(*flight) bool { return true })
	g.mu.Unlock()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutLimit)
	defer cancel()
	return g.drain(last, version)
}

func (g *gate) cutLocked(which func(*flight) bool) {
	for fl := range g.flights {
		if fl.cut != nil && which(fl) {
			fl.cut()
			g.counters.Cut++
		}
	}
}

// drain waits until nothing is in flight.
func (g *gate) drain(ctx context.Context, version uint64) error {
	for {
		g.mu.Lock()
		n, changed, left, now := len(g.flights), g.changed, g.left, g.version
		g.mu.Unlock()
		switch {
		case now != version:
			return fmt.Errorf("hold %q: %w", g.name, ErrReleased)
		case n == 0:
			return nil
		}
		select {
		case <-changed:
		case <-left:
		case <-ctx.Done():
			return fmt.Errorf("hold %q: %d left: %w", g.name, n, ErrBusy)
		}
	}
}

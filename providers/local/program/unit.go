package program

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/stopover/stopover/providers/local/description"
)

// unit supervises one program of an account.
type unit struct {
	manager  *Manager
	account  Account
	program  Program
	digest   string
	schedule cron.Schedule // tasks
	dirty    bool          // processes of an earlier run may be there

	cancel context.CancelFunc
	done   chan struct{} // closed when the supervising goroutine has ended

	mu       sync.Mutex
	process  *child
	restarts int
	last     string
}

// child is a process that a unit watches.
type child struct {
	Process
	adopted bool
	ended   chan struct{} // closed when it has ended and, if it is our child, was waited for
	how     string        // set before ended is closed
}

// newUnit begins to supervise a program; what still runs is adopted.
func (m *Manager) newUnit(a Account, p Program, leftover bool) (*unit, error) {
	ctx, cancel := context.WithCancel(context.Background())
	u := &unit{
		manager: m, account: a, program: p, digest: digest(m.options.Machine, &a, p), dirty: leftover,
		cancel: cancel, done: make(chan struct{}),
	}
	if p.Kind == Task {
		var err error
		if u.schedule, err = description.ParseSchedule(p.Schedule); err != nil {
			cancel()
			return nil, err
		}
	}
	if old, ok := m.readProcess(u); ok {
		u.process = m.watch(ctx, old)
		m.log.Info("program adopted", "account", a.Name, "kind", p.Kind, "program", p.Name, "pid", old.PID)
	}
	go func() {
		defer close(u.done)
		if p.Kind == Task {
			u.runTask(ctx)
		} else {
			u.runService(ctx)
		}
	}()
	return u, nil
}

// stop ends the supervision, not the program.
func (u *unit) stop() {
	u.cancel()
	<-u.done
}

func (u *unit) current() *child {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.process
}

func (u *unit) set(c *child, last string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.process = c
	if last != "" {
		u.last = last
	}
}

func (u *unit) status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := Status{Program: u.program, Restarts: u.restarts, Last: u.last}
	if u.process != nil {
		s.PID, s.Adopted = u.process.PID, u.process.adopted
	}
	return s
}

// runService keeps the program running until ctx is done.
func (u *unit) runService(ctx context.Context) {
	backoff := u.manager.options.MinBackoff
	for first := true; ; first = false {
		c := u.current()
		if c == nil {
			var err error
			if c, err = u.restart(ctx, first); err != nil {
				u.set(nil, err.Error())
				u.manager.log.Warn("program not started", "account", u.account.Name, "program", u.program.Name, "error", err)
			}
		}
		began := u.manager.clock.Now()
		if c != nil {
			u.set(c, "")
			select {
			case <-c.ended:
			case <-ctx.Done():
				return
			}
			u.set(nil, c.how)
			u.manager.log.Warn("program ended", "account", u.account.Name, "program", u.program.Name, "pid", c.PID, "how", c.how)
		}
		if u.manager.clock.Now().Sub(began) >= 10*time.Second {
			backoff = u.manager.options.MinBackoff
		}
		select {
		case <-u.manager.clock.After(backoff):
		case <-ctx.Done():
			return
		}
		backoff = min(2*backoff, u.manager.options.MaxBackoff)
	}
}

// restart starts the program after what an earlier run has left is ended: a
// second listener, or two writers where the program expects one, would be
// worse than a moment without.
func (u *unit) restart(ctx context.Context, first bool) (*child, error) {
	if !first || u.dirty {
		key := programMarker(u.program.Kind, u.program.Name)
		if err := u.manager.end(ctx, u.manager.membersOf(u.account.Name, key, 0)); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !first {
		u.mu.Lock()
		u.restarts++
		u.mu.Unlock()
	}
	return u.spawn()
}

// waitStarted returns when the program runs; a site's when it accepts.
func (u *unit) waitStarted(ctx context.Context) error {
	if u.program.Kind == Task {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, u.manager.options.StartLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		s := u.status()
		switch {
		case s.PID != 0 && (u.program.Kind == Service || u.accepts(ctx)):
			return nil
		case s.PID == 0 && s.Last != "":
			return fmt.Errorf("%s; it is tried again", s.Last)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if u.program.Kind == Site && s.PID != 0 {
				return fmt.Errorf("runs but does not accept connections on LISTEN_SOCKET: %w", ctx.Err())
			}
			return ctx.Err()
		}
	}
}

func (u *unit) accepts(ctx context.Context) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", u.manager.Socket(u.account.Name))
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// watch follows a process that is not our child.
func (m *Manager) watch(ctx context.Context, p Process) *child {
	c := &child{Process: p, adopted: true, ended: make(chan struct{}), how: "ended"}
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if !p.alive() {
				close(c.ended)
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// alive tells whether this very process still runs.
func (p Process) alive() bool {
	dir := filepath.Join("/proc", strconv.Itoa(p.PID))
	now, state, ok := readStat(dir, p.PID)
	if !ok || now.Start != p.Start {
		return false
	}
	return state != 'Z' && state != 'X' || livingThread(dir, p.PID) != ""
}

// removeSocket takes away what an earlier run has left.
func (u *unit) removeSocket() {
	if u.program.Kind == Site {
		_ = os.Remove(u.manager.Socket(u.account.Name))
	}
}

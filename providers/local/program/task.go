package program

import (
	"context"
	"time"
)

const (
	// longestSleep is how long the scheduler sleeps before it looks at the wall
	// clock again, which may have been set meanwhile.
	longestSleep = 30 * time.Second
	// lateLimit is how late a task may begin; one that is later was missed (the
	// machine slept, the clock was set) and is not run.
	lateLimit = time.Minute
	// backLimit is how far the clock may be set back without times that were
	// already run being run again. More is a correction: the schedule counts.
	backLimit = 3 * time.Hour
)

// runTask runs the program by its schedule until ctx is done. A time is run at
// most once, also by different server processes; times that were missed, or
// come while the last run still runs, are left out.
func (u *unit) runTask(ctx context.Context) {
	m := u.manager
	next := u.schedule.Next(m.clock.Now())
	for !next.IsZero() {
		c := u.current()
		var ended <-chan struct{}
		if c != nil {
			ended = c.ended
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
			u.set(nil, c.how)
			m.log.Debug("task ended", "account", u.account.Name, "task", u.program.Name, "how", c.how)
			continue
		case <-m.clock.After(min(max(next.Sub(m.clock.Now()), 0), longestSleep)):
		}
		now := m.clock.Now()
		if now.Before(next) {
			// Set back: what was the next time may be far away now.
			if earlier := u.schedule.Next(now); earlier.Before(next) {
				next = earlier
			}
			continue
		}
		if ctx.Err() == nil && u.due(next, now) {
			u.runOnce(next)
		}
		next = u.schedule.Next(now)
	}
	<-ctx.Done()
}

func (u *unit) due(at, now time.Time) bool {
	reason := ""
	last := u.manager.lastRun(u.account.Name, u.program)
	switch {
	case now.Sub(at) > lateLimit:
		reason = "missed"
	case !at.After(last) && last.Sub(at) < backLimit:
		reason = "was run already"
	case u.current() != nil:
		reason = "the last run still runs"
	default:
		return true
	}
	u.manager.log.Info("task left out", "account", u.account.Name, "task", u.program.Name, "at", at, "reason", reason)
	return false
}

// runOnce notes the time before it starts the program: after a crash between
// the two the run is missing, which is better than there twice.
func (u *unit) runOnce(at time.Time) {
	m := u.manager
	if err := m.setLastRun(u.account.Name, u.program, at); err != nil {
		u.set(nil, err.Error())
		m.log.Warn("task not started", "account", u.account.Name, "task", u.program.Name, "error", err)
		return
	}
	c, err := u.spawn()
	if err != nil {
		u.set(nil, err.Error())
		m.log.Warn("task not started", "account", u.account.Name, "task", u.program.Name, "error", err)
		return
	}
	u.set(c, "")
}

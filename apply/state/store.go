package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Store keeps a journal and a lock. The kinds of stores differ in where and in
// how soon what was appended is safe; package statetest is the suite that all
// of them pass. A Store may be used by several goroutines at once.
type Store interface {
	// Load reads the journal as it is now, what other processes appended
	// included. It needs no lock and changes nothing.
	Load(ctx context.Context) (*Log, error)
	// Append adds events in their order, all or none. A local store has them on
	// disk when it returns; for a remote one see Flush.
	Append(ctx context.Context, events ...Event) error
	// Flush returns when everything appended is where the store keeps it. Runs
	// call it at approvals, switches, ends of phases and when they stop.
	Flush(ctx context.Context) error
	// Lock takes the store's lock. It waits out a lock whose heartbeat has
	// stopped and returns a *LockedError as soon as it sees one beat.
	Lock(ctx context.Context, h Holder) (Lock, error)
	// Close lets go of what the store holds open, a lock included.
	Close() error
}

// Lock is held until Release, or until Lost is closed.
type Lock interface {
	// Lost is closed when somebody else has taken the lock over, which can only
	// be after this process did not run for a whole lease.
	Lost() <-chan struct{}
	// Release frees the lock at once. It is safe to call it twice.
	Release() error
}

// Unlocker is a store whose lock can be left behind by a holder that died.
// Runs need no Unlocker, since they wait out a lock whose heartbeat has stopped;
// it is for people who want to know now, and for stores where nobody can tell a
// dead holder from a living one by waiting.
type Unlocker interface {
	// Unlock removes the lock of a holder that is dead and says whose it was.
	// While the holder lives, which can take a whole lease to find out, it is
	// refused with a *LockedError; without a lock with ErrNotLocked. It never
	// takes anything from a holder that is alive: there is no way to force it.
	Unlock(ctx context.Context) (Holder, error)
}

// ErrNotLocked: nobody holds the lock.
var ErrNotLocked = errors.New("nobody holds the lock of the state store: there is nothing to unlock")

// Holder says who holds a lock, for people.
type Holder struct {
	Who     string    `json:"who"` // user@host (pid)
	Doing   string    `json:"doing,omitempty"`
	Started time.Time `json:"started"`
}

// String is "who, doing since 15:04".
func (h Holder) String() string {
	s := h.Who
	if h.Doing != "" {
		s += ", " + h.Doing
	}
	if !h.Started.IsZero() {
		s += ", since " + h.Started.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return s
}

// LockedError says that another run holds the lock and is alive.
type LockedError struct {
	Holder Holder
	Where  string // the lock, for people
}

// Error implements error.
func (e *LockedError) Error() string {
	return fmt.Sprintf("another run holds the lock %s: %s; wait until it has ended, or stop it", e.Where, e.Holder)
}

// ErrLockLost: this process did not run for so long that another one has taken
// the lock over.
var ErrLockLost = errors.New("the lock of the state store was taken over by another run, because this one had stopped")

// CorruptError says that something in a store is not what this program wrote.
type CorruptError struct {
	Path string
	Line int // 0: the file as a whole
	Why  string
}

// Error implements error.
func (e *CorruptError) Error() string {
	at := e.Path
	if e.Line > 0 {
		at = fmt.Sprintf("%s line %d", e.Path, e.Line)
	}
	if strings.Contains(e.Path, "://") { // it may be somebody's state: nobody is told to touch it
		return fmt.Sprintf("journal %s cannot be used: %s; write another address in state \"http\" and run again: "+
			"facts are on the servers too, so that only timings are lost", at, e.Why)
	}
	return fmt.Sprintf("journal %s is damaged: %s; move the file away, for example to %s.damaged, and run again: "+
		"facts are on the servers too, so that only timings are lost", at, e.Why, e.Path)
}

// Clock is the time as a run sees it. Durations between two results of Now are
// those of a monotonic clock.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

// System is the clock of this machine.
type System struct{}

// Now implements Clock.
func (System) Now() time.Time { return time.Now() }

// After implements Clock.
func (System) After(d time.Duration) <-chan time.Time { return time.After(d) }

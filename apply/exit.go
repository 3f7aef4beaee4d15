package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// Exit codes of the program.
const (
	ExitDone        = 0
	ExitError       = 1
	ExitWaiting     = 3
	ExitRefused     = 4
	ExitLocked      = 5
	ExitInterrupted = 130
)

// ErrInterrupted: the run was told to stop, and stopped. Running again goes on.
var ErrInterrupted = errors.New("interrupted; run apply again to go on")

// FailedError: some steps failed. The accounts that failed are in the Result.
type FailedError struct {
	Steps   []plan.ID // that failed
	Skipped int       // steps that were not tried because of them
	Err     error     // of all of them
}

// Error implements error.
func (e *FailedError) Error() string {
	return fmt.Sprintf("%s failed: %v", count(len(e.Steps), "step"), e.Err)
}

// Unwrap returns the errors of the steps.
func (e *FailedError) Unwrap() error { return e.Err }

// StepError says which step an error belongs to.
type StepError struct {
	Step    plan.ID
	Account string
	Undone  bool // a cutover was given up before its switch: the account is where it was
	Err     error
}

// Error implements error.
func (e *StepError) Error() string { return fmt.Sprintf("step %s: %v", e.Step, e.Err) }

// Unwrap returns what happened.
func (e *StepError) Unwrap() error { return e.Err }

// PendingError: the account's switch was asked for and is not answered yet. It
// has happened or has not; the servers know, and nothing is lost either way.
type PendingError struct {
	Account string
	Why     string
	Err     error // the last one
}

// Error implements error.
func (e *PendingError) Error() string {
	return fmt.Sprintf("the switch of %s is pending, %s: run apply again: %v", schema.QuoteName(e.Account), e.Why, e.Err)
}

// Unwrap returns the last error.
func (e *PendingError) Unwrap() error { return e.Err }

// DifferentError: the two sides were compared after the freeze and differ.
type DifferentError struct {
	Account     string
	Differences []string
}

// Error implements error.
func (e *DifferentError) Error() string {
	return fmt.Sprintf("the copy of %s differs from its origin after a second try: %s", schema.QuoteName(e.Account), shortened(e.Differences))
}

// shortened lists the first few of many.
func shortened(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// WaitingError: only gates and closed windows are left.
type WaitingError struct {
	Gates   []plan.Gate
	Windows []ClosedWindow // those that open first come first
}

// Error implements error.
func (e *WaitingError) Error() string {
	if len(e.Gates)+len(e.Windows) == 0 {
		return "waiting"
	}
	var parts []string
	for _, g := range e.Gates {
		parts = append(parts, fmt.Sprintf("%s (%s: %s)", g.ID, g.Who, g.What))
	}
	for _, c := range e.Windows {
		parts = append(parts, c.Sentence())
	}
	return "waiting for " + strings.Join(parts, "; ")
}

// RefusedError: the plan is not run, or not all of it, for reasons that the
// user can remove.
type RefusedError struct {
	Reason  string
	Details []string // one sentence each
	Blocked bool     // by findings of the plan alone: all that they do not stop was done, or waits
}

// Error implements error.
func (e *RefusedError) Error() string {
	if len(e.Details) == 0 {
		return e.Reason
	}
	return e.Reason + ": " + strings.Join(e.Details, "; ")
}

// SupersededError: another run steers the servers now, or this one could not
// claim them. Nothing that this run does has any effect any more.
type SupersededError struct {
	Server string // where it was noticed
	Holder string // who steers it now; empty if nobody could tell
	Err    error
}

// Error implements error.
func (e *SupersededError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("another run has taken over server %s; this run has stopped: %v", schema.QuoteName(e.Server), e.Err)
	}
	return fmt.Sprintf("%s has taken over server %s; this run has stopped", e.Holder, schema.QuoteName(e.Server))
}

// Unwrap returns what the server said.
func (e *SupersededError) Unwrap() error { return e.Err }

// ExitCode is the program's exit code for an error of this package, of the
// state store or of planning.
func ExitCode(err error) int {
	var (
		failed     *FailedError
		waiting    *WaitingError
		refused    *RefusedError
		superseded *SupersededError
		locked     *state.LockedError
	)
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &failed):
		return ExitError // whatever its steps ran into
	case errors.As(err, &superseded), errors.As(err, &locked), errors.Is(err, state.ErrLockLost), errors.Is(err, providers.ErrSuperseded):
		return ExitLocked
	case errors.Is(err, ErrInterrupted), errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.As(err, &refused):
		return ExitRefused
	case errors.As(err, &waiting):
		return ExitWaiting
	}
	return ExitError
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

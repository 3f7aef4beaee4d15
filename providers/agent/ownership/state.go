package ownership

import (
	"fmt"
	"math"
)

// State is what one server's record says about one account.
type State uint8

// The states of PROTOCOL.md, and two that stand for the absence of a record.
const (
	// Unmanaged: no record, on a server known since the beginning: the account
	// lives here untouched, at epoch 0. Never written to disk.
	Unmanaged State = iota
	// Active: owner at the record's epoch.
	Active
	// Frozen: owner, held still for a cutover by one live instance of the agent.
	Frozen
	// Staged: a copy being prepared; the epoch is that of the owner it is read from.
	Staged
	// Prepared: complete, synced, compared; waits for the origin's word.
	Prepared
	// Moved: was owner; passes traffic on to its peer.
	Moved
	// Retired: stopped by a disposition.
	Retired
	// Unknown: nothing is known here, and so the account is never active here.
	// Said of accounts without a record on a fresh or reinstalled server, and
	// written to disk when a staged copy was given up.
	Unknown
	// Unreadable: both slots of the record are lost. Written to disk only as
	// the mark of a rebuilding in progress (Keeper.AskRebuild).
	Unreadable
)

// States returns every state, in the order of their numbers.
func States() []State {
	return []State{Unmanaged, Active, Frozen, Staged, Prepared, Moved, Retired, Unknown, Unreadable}
}

// String returns the lower-case name that PROTOCOL.md uses.
func (s State) String() string {
	switch s {
	case Unmanaged:
		return "unmanaged"
	case Active:
		return "active"
	case Frozen:
		return "frozen"
	case Staged:
		return "staged"
	case Prepared:
		return "prepared"
	case Moved:
		return "moved"
	case Retired:
		return "retired"
	case Unknown:
		return "unknown"
	case Unreadable:
		return "unreadable"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Owner reports whether a record in this state holds the account: it, and
// nobody else, may accept writes (a frozen owner accepts none just now).
func (s State) Owner() bool {
	return s == Unmanaged || s == Active || s == Frozen
}

// Token names one attempt at a cutover: the term of the run that makes it and
// that run's own counter. Tokens are totally ordered, and a voided token stays
// void for good, together with all that are below it.
type Token struct {
	Term uint64
	N    uint64
}

// Compare returns -1, 0 or 1 as t is below, equal to or above u.
func (t Token) Compare(u Token) int {
	switch {
	case t.Term < u.Term, t.Term == u.Term && t.N < u.N:
		return -1
	case t == u:
		return 0
	}
	return 1
}

// IsZero reports whether t is no token at all. No run ever gets term 0.
func (t Token) IsZero() bool { return t == Token{} }

// String returns "term.n".
func (t Token) String() string { return fmt.Sprintf("%d.%d", t.Term, t.N) }

// max returns the higher token.
func (t Token) max(u Token) Token {
	if t.Compare(u) < 0 {
		return u
	}
	return t
}

// lastOf returns the highest token that runs up to term can have made.
func lastOf(term uint64) Token { return Token{Term: term, N: math.MaxUint64} }

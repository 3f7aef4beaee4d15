// Package front is the users' side of a pocket server: it answers HTTP and SMTP
// on the server's service addresses and treats every request by the mode of
// the account that it is for. It knows nothing of ownership; whoever does tells
// it the mode of each account. What it promises is that a mode is kept: after
// Hold has returned, no request of the account is being answered and no mail is
// delivered until Release.
package front

import (
	"errors"
	"fmt"
)

// Kind is how the requests of an account are treated.
type Kind int

// Kinds of modes.
const (
	Absent   Kind = iota // nothing is here: 404, 550
	Serve                // answered here
	Hold                 // kept waiting, within limits; mail is deferred
	Redirect             // passed on to the front of the peer, one hop
	Closed               // 503 with Retry-After, 451
)

// String is the kind in lower case, for logs.
func (k Kind) String() string {
	switch k {
	case Absent:
		return "absent"
	case Serve:
		return "serve"
	case Hold:
		return "hold"
	case Redirect:
		return "redirect"
	case Closed:
		return "closed"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Mode is how the requests of an account are treated, with what that needs.
type Mode struct {
	Kind Kind
	// Epoch of the owner as this server knows it. Redirect passes it on; Serve
	// refuses requests that a peer sent on for a newer one (0: unknown, serve).
	Epoch uint64
	Peer  Peer // Redirect only
}

// Peer is where another server's front listens.
type Peer struct {
	HTTP string // host:port
	SMTP string // host:port
}

// Account is what the front has to know of an account.
type Account struct {
	Dir     string   // directory with home/ and mail/
	Domains []string // lower case, for HTTP and for mail
	Site    Site
	// Also are names for HTTP alone. They may be in a domain of another account,
	// and go before that.
	Also []string
	// Quotas are the bytes that mailboxes, user@domain, may hold; none: any.
	Quotas map[string]int64
	// UID and GID own what is delivered, and the site's program has to run as
	// UID. 0: the account has no user of its own.
	UID, GID int
}

// Site is where the answers to an account's requests come from: a Unix socket
// that the account's program listens on, or the files below a folder of its
// home. With neither there is no site (404).
type Site struct {
	Socket string
	Root   string
}

// Errors of the front.
var (
	// ErrReleased is returned by a Hold during which the mode was changed.
	ErrReleased = errors.New("released before the hold was complete")
	// ErrBusy is returned by a Hold whose requests did not even end when their
	// connections were cut. The account is still held.
	ErrBusy = errors.New("requests do not end although their connections are cut")
	// ErrUnknown is returned for an account that was never Set.
	ErrUnknown = errors.New("unknown account")
)

// InUseError says that somebody else listens on an address.
type InUseError struct {
	Address string // host:port
	Err     error
}

// Error names the address.
func (e *InUseError) Error() string {
	return fmt.Sprintf("listen on %s: somebody else listens there; stop that server (or let it give the address up) first", e.Address)
}

// Unwrap returns what the system said.
func (e *InUseError) Unwrap() error { return e.Err }

// errors of entering a gate
var (
	errHeld    = errors.New("held")
	errFull    = errors.New("too many requests wait")
	errTooLong = errors.New("waited too long")
	errGone    = errors.New("the client went away")
)

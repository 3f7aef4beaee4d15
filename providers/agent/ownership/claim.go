package ownership

import (
	"errors"
	"fmt"
	"slices"
)

// ErrDraining is returned by FinishClaim while streams of older terms run.
var ErrDraining = errors.New("work of an older claim has not ended yet")

// maxTerm leaves room, so that no order of a broken tool can use terms up.
const maxTerm = 1 << 62

// BeginClaim makes the run that brings nonce the only one whose orders count
// on this server, durably, and cancels what older runs have under way. The
// agent then waits until the cancelled streams have ended, calls FinishClaim,
// and only then tells the run its term.
//
// The term is at least atLeast: a run claims its servers in the order of their
// machine identities, passing the highest term it was given so far, and goes
// round again with the same nonce until all have the same term. Only so can
// tokens be compared on both servers. A repeated nonce makes no new term unless
// atLeast demands it; a nonce that lost its claim is refused (GuardTerm), and
// its run gives up all its claims.
func (k *Keeper) BeginClaim(migration, nonce string, atLeast uint64) (Claim, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &call{event: EventClaim}
	s := k.server.Clone()
	repeated := nonce == s.Nonce && migration == s.Migration
	switch {
	case !k.serverReadable:
		return Claim{}, c.refuse(GuardServer, "the server's own record is unreadable: rebuild it first")
	case migration == "" || nonce == "" || len(migration) > maxName || len(nonce) > maxName:
		return Claim{}, c.refuse(GuardTerm, fmt.Sprintf("migration and nonce need 1 to %d bytes each", maxName))
	case atLeast >= maxTerm:
		return Claim{}, c.refuse(GuardTerm, fmt.Sprintf("term %d is out of range", atLeast))
	case slices.Contains(s.Past, nonce) || nonce == s.Nonce && !repeated:
		return Claim{}, c.refuse(GuardTerm, "this run's claim was taken over by another run: give up and start again")
	case repeated && atLeast <= s.Term:
		return Claim{Term: s.Term, Repeated: true, Draining: k.older(s.Term)}, k.settleServer()
	}
	if !repeated && s.Nonce != "" {
		s.Past = append(s.Past, s.Nonce)
		s.Past = slices.Clone(s.Past[max(0, len(s.Past)-maxPast):])
	}
	s.Migration, s.Nonce, s.Term = migration, nonce, max(s.Term+1, atLeast)
	if err := k.putServer(s); err != nil {
		return Claim{}, fmt.Errorf("claim: %w", err)
	}
	k.cancelOlder(s.Term)
	return Claim{Term: s.Term, Repeated: repeated, Draining: k.older(s.Term)}, nil
}

// cancelOlder ends the prepares of older terms and tells their streams to end.
func (k *Keeper) cancelOlder(term uint64) {
	for _, h := range k.accounts {
		if h.preparing.Term < term {
			h.preparing = Token{}
		}
	}
	for _, s := range k.streams {
		if s.term < term {
			s.cancel()
		}
	}
}

// older counts the streams that an older term still has open.
func (k *Keeper) older(term uint64) int {
	n := 0
	for _, s := range k.streams {
		if s.term < term {
			n++
		}
	}
	return n
}

// FinishClaim returns nil once no stream of an older term is left, ErrDraining
// before.
func (k *Keeper) FinishClaim(term uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if why := guardTerm(k, &call{term: term}); why != "" {
		return (&call{event: EventClaim}).refuse(GuardTerm, why)
	}
	if k.older(term) > 0 {
		return ErrDraining
	}
	return nil
}

// Claim is BeginClaim and FinishClaim in one, for callers that have no streams
// to wait for. With ErrDraining the claim is made and the term is valid: call
// again with the same nonce.
func (k *Keeper) Claim(migration, nonce string, atLeast uint64) (uint64, error) {
	c, err := k.BeginClaim(migration, nonce, atLeast)
	if err != nil {
		return 0, err
	}
	return c.Term, k.FinishClaim(c.Term)
}

// CheckTerm returns a Refusal (GuardTerm) unless term holds the claim. Every
// order that does not pass through another method of Keeper is checked by it.
func (k *Keeper) CheckTerm(term uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if why := guardTerm(k, &call{term: term}); why != "" {
		return (&call{event: EventClaim}).refuse(GuardTerm, why)
	}
	return nil
}

// streaming is one open stream of data into a staged copy.
type streaming struct {
	account   string
	term      uint64
	cancelled bool
	done      chan struct{} // nil in tests
}

func (s *streaming) cancel() {
	if !s.cancelled && s.done != nil {
		close(s.done)
	}
	s.cancelled = true
}

// streaming counts an account's open streams.
func (k *Keeper) streaming(account string) int {
	n := 0
	for _, s := range k.streams {
		if s.account == account {
			n++
		}
	}
	return n
}

// Stream is the permission to write data into a staged copy.
type Stream struct {
	k    *Keeper
	id   uint64
	done <-chan struct{}
}

// Stream opens a stream of data into a staged copy: data is accepted in no
// other state, and not once its prepare has begun (F7). Every stream must be
// closed; a prepare and a higher claim wait for it.
func (k *Keeper) Stream(term uint64, account string) (*Stream, error) {
	done := make(chan struct{})
	id, err := k.openStream(term, account, done)
	if err != nil {
		return nil, err
	}
	return &Stream{k: k, id: id, done: done}, nil
}

// Done is closed when the stream must end: the claim was taken over or a
// prepare has begun.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Check returns an error once the stream must end. The agent calls it before
// each write.
func (s *Stream) Check() error { return s.k.checkStream(s.id) }

// Close ends the stream, after the last byte of it was written. It may be
// called more than once.
func (s *Stream) Close() { s.k.closeStream(s.id) }

// ErrCancelled is returned by Stream.Check.
var ErrCancelled = errors.New("the stream was cancelled: its claim was taken over, or the copy is being prepared")

func (k *Keeper) openStream(term uint64, account string, done chan struct{}) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventStream, account, Staged)
	c.term = term
	if err := k.check(c); err != nil {
		return 0, err
	}
	k.lastStream++
	k.streams[k.lastStream] = &streaming{account: account, term: term, done: done}
	return k.lastStream, nil
}

func (k *Keeper) checkStream(id uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.streams[id]; s == nil || s.cancelled {
		return ErrCancelled
	}
	return nil
}

func (k *Keeper) closeStream(id uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.streams, id)
}

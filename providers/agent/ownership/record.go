package ownership

import (
	"maps"
	"slices"
	"time"
)

// Peer is the other server of a pair, as one account's record remembers it.
type Peer struct {
	Machine    string // machine identity; a reinstallation makes a new one
	Agent      string // where its agent is reached
	Front      string // where its users' traffic is sent
	Credential string // secret shared by the two agents; signs receipts, questions and answers
}

// Record is what one server durably says about one account.
type Record struct {
	Migration string
	Account   string
	Epoch     uint64 // of the owner; for Staged, that of the owner it was read from
	State     State
	Token     Token // of the cutover it is frozen for, prepared for or moved by
	Void      Token // tokens at or below it are void for good
	Peer      Peer
	Former    []string      // credentials shared with the same peer before, newest first
	Paired    bool          // a peer may hold a copy of this account: ask it after a reboot
	Confirmed bool          // Moved, Staged: the peer was seen to own the account
	Boot      string        // Frozen: boot id under which it was frozen
	Instance  string        // Frozen: the instance of the agent that holds it
	Lease     time.Duration // Frozen: how long it stays frozen without a Renew
	Digest    string        // Prepared: of the copy; kept afterwards
	Ours      []string      // marks of what on this server is Stopover's own
	Blocker   string        // not empty: fenced, and why; nothing but an operator opens it
}

// Clone returns a copy that shares nothing with r.
func (r Record) Clone() Record {
	r.Ours, r.Former = slices.Clone(r.Ours), slices.Clone(r.Former)
	return r
}

// maxFormer bounds how often a pairing may be renewed on one side only.
const maxFormer = 8

// meet returns r with a new peer. A credential shared with the same machine so
// far is kept, because the two sides cannot change theirs at the same moment: a
// run that dies between Stage and Pair must not leave two servers that no longer
// understand each other.
func (r Record) meet(p Peer) Record {
	old := r.Peer
	r.Peer, r.Paired = p, true
	switch {
	case old.Machine != p.Machine:
		r.Former = nil
	case old.Credential != p.Credential:
		keep := []string{old.Credential}
		for _, c := range r.Former {
			if c != p.Credential && c != old.Credential && len(keep) < maxFormer {
				keep = append(keep, c)
			}
		}
		r.Former = keep
	}
	return r
}

// credentials returns all that the peer may sign with, the newest first.
func (r Record) credentials() []string {
	if r.Peer.Credential == "" {
		return nil
	}
	return append([]string{r.Peer.Credential}, r.Former...)
}

// public returns a copy without credentials, which never leave the package.
func (r Record) public() Record {
	r = r.Clone()
	r.Peer, r.Former = r.Peer.public(), nil
	return r
}

func (p Peer) public() Peer {
	p.Credential = ""
	return p
}

// ServerRecord is what a server durably says about itself.
type ServerRecord struct {
	Machine   string   // machine identity under which all records here were written
	Known     bool     // known since the beginning: an account without a record is Unmanaged
	Term      uint64   // highest term claimed
	Migration string   // holder of the term
	Nonce     string   // holder of the term: the nonce it claimed with
	Past      []string // nonces that lost their claim, newest last, bounded
	Seal      *Seal    // nil: not sealed
	SealCount uint64   // number of the newest seal, also after it was lifted
	Lineage   []Lineage
	Lost      []string // machines declared lost: never trusted again
}

// Clone returns a copy that shares nothing with s.
func (s ServerRecord) Clone() ServerRecord {
	s.Past = slices.Clone(s.Past)
	s.Lost = slices.Clone(s.Lost)
	if s.Seal != nil {
		seal := *s.Seal
		seal.Epochs = maps.Clone(seal.Epochs)
		s.Seal = &seal
	}
	s.Lineage = slices.Clone(s.Lineage)
	for i := range s.Lineage {
		s.Lineage[i].Epochs = maps.Clone(s.Lineage[i].Epochs)
	}
	return s
}

// Seal says that no account lives on this server any more and none may come
// back, so that it can be wiped.
type Seal struct {
	Number uint64
	Term   uint64
	Epochs map[string]uint64 // account → epoch at the time of the seal
}

// Lineage says that this server took over the accounts of a machine that was
// sealed, and so need not ask that machine about them any more.
type Lineage struct {
	Machine string
	Epochs  map[string]uint64 // account → epoch it was taken over at
}

// inherited returns the epoch at which account was taken over from machine.
func (s ServerRecord) inherited(machine, account string) (uint64, bool) {
	for _, l := range s.Lineage {
		if l.Machine == machine {
			e, ok := l.Epochs[account]
			return e, ok
		}
	}
	return 0, false
}

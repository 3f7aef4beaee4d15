package ownership

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// MaxLease bounds how long an account may stay frozen without a Renew.
const MaxLease = 10 * time.Minute

const (
	maxName   = 256 // bytes of a boot id, an instance, a digest, a nonce, a migration
	maxReason = 512 // bytes of a blocker
	maxPast   = 16  // nonces remembered after they lost their claim
)

const serverBlob = "server"

func accountBlob(account string) string { return "account/" + account }

// Options say under which circumstances the keeper runs.
type Options struct {
	Machine  string // this server's identity; a reinstallation makes a new one
	Boot     string // changes with every boot
	Instance string // changes with every start of the agent

	// Known says that accounts may have lived here before Stopover came: one
	// without a record is then Unmanaged, and not Unknown. It is written down
	// when the keeper is opened for the first time and ignored afterwards.
	Known bool

	// Now returns the time since boot (CLOCK_BOOTTIME, which goes on while the
	// machine sleeps). Only differences count.
	Now func() time.Duration

	// Nonce returns a string that was never used before; nil means a random one.
	Nonce func() string
}

// Keeper holds one server's records and makes every change to them. Its methods
// are atomic: check, write durably, return. They never wait for a door, a stream
// or the network; the agent around it does that, and tells. They may be called
// from several goroutines.
type Keeper struct {
	mu             sync.Mutex
	disk           Disk
	options        Options
	server         ServerRecord
	serverBlob     blob
	serverReadable bool
	serverSettled  bool // what was read at start is known to be on stable storage
	accounts       map[string]*holding
	streams        map[uint64]*streaming
	lastStream     uint64
	actions        []Action
	mutant         mutant
}

// mutant lets tests break the keeper on purpose, to see that they notice, and
// see which rows of the table were used.
type mutant struct {
	seen      func(from State, event Event, to State, by Guard) // by: the guard that refused
	without   []Guard
	extra     []Transition
	unsettled bool // do not rewrite what a predecessor may have left unsynced
}

func (m *mutant) lacks(g Guard) bool { return slices.Contains(m.without, g) }

// holding is an account's record and what only this instance knows about it.
type holding struct {
	rec       Record
	blob      blob
	stored    bool          // the blob exists
	settled   bool          // what was read at start is known to be on stable storage
	deadline  time.Duration // Frozen: end of the lease
	closed    bool          // Frozen: closing is complete
	thawed    bool          // was found frozen at start
	preparing Token         // Staged: a prepare is under way
	question  string        // nonce of the newest question to the peer
	note      string        // what last kept it closed
}

// StartActions returns what Open found to do, in the order of the accounts'
// names. It does not change afterwards; Next tells the same of one account now.
func (k *Keeper) StartActions() []Action { return slices.Clone(k.actions) }

// Next returns what the agent has to do about an account now, by its record.
func (k *Keeper) Next(account string) Action {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.action(k.holding(account))
}

// pending reports whether an owner was started again on a new boot and does
// not know yet whether its peer has taken over meanwhile (F11).
func (k *Keeper) pending(r Record) bool {
	if r.State != Active || !r.Paired || r.Boot == k.options.Boot || k.mutant.lacks(GuardSettled) {
		return false
	}
	e, ok := k.server.inherited(r.Peer.Machine, r.Account)
	return !ok || e > r.Epoch
}

// holding returns what is known of an account; for one without a record a
// fresh value that put will store.
func (k *Keeper) holding(account string) *holding {
	if h := k.accounts[account]; h != nil {
		return h
	}
	r := Record{Account: account, State: Unknown}
	if k.serverReadable && k.server.Known {
		r.State = Unmanaged
	}
	return &holding{rec: r, settled: true, blob: blob{name: accountBlob(account), size: SlotSize}}
}

// call begins the description of an event.
func (k *Keeper) call(event Event, account string, to State) *call {
	h := k.holding(account)
	return &call{event: event, account: account, to: to, h: h, rec: h.rec, next: h.rec}
}

// check looks the event up in the table and asks its guards.
func (k *Keeper) check(c *call) error {
	t := k.find(c.rec.State, c.event, c.to)
	if t == nil {
		if c.rec.State == Unreadable {
			return c.refuse(GuardReadable, "its record is lost: rebuild it from the peer")
		}
		// A run that was overtaken has to hear that, not that its accounts are not
		// where it believes them.
		if c.term != 0 && k.serverReadable && c.term < k.server.Term {
			return c.refuse(GuardTerm, guardTerm(k, c))
		}
		return c.refuse(GuardState, "possible only from "+origins(c.event))
	}
	for _, g := range t.Guards {
		if k.mutant.lacks(g) {
			continue
		}
		if why := guards[g](k, c); why != "" {
			return k.saw(c, g, why)
		}
	}
	return k.saw(c, "", "")
}

// saw reports the verdict to a test that listens.
func (k *Keeper) saw(c *call, by Guard, why string) error {
	if k.mutant.seen != nil {
		k.mutant.seen(c.rec.State, c.event, c.to, by)
	}
	if by == "" {
		return nil
	}
	return c.refuse(by, why)
}

func origins(event Event) string {
	var s []string
	for _, t := range transitions {
		if t.Event == event && !slices.Contains(s, t.From.String()) {
			s = append(s, t.From.String())
		}
	}
	return strings.Join(s, " or ")
}

func (c *call) refuse(g Guard, why string) error {
	return &Refusal{Event: c.event, Guard: g, Account: c.account, State: c.rec.State, Reason: why}
}

// apply checks the event and writes c.next, durably.
func (k *Keeper) apply(c *call) error {
	c.next.State = c.to
	if err := k.check(c); err != nil {
		return err
	}
	if err := k.put(c.h, c.next); err != nil {
		return fmt.Errorf("%s %q: %w", c.event, c.account, err)
	}
	return nil
}

// put writes a record. If that fails, what is in memory stays as it was: both
// the old and the new record may be found at the next start, and every event
// is safe with either.
func (k *Keeper) put(h *holding, next Record) error {
	payload := encodeRecord(next)
	if !h.stored {
		if err := h.blob.create(k.disk, payload); err != nil {
			return fmt.Errorf("create its record: %w", err)
		}
		h.stored = true
		k.accounts[next.Account] = h
	} else if err := h.blob.save(k.disk, payload); err != nil {
		return fmt.Errorf("write its record: %w", err)
	}
	h.rec, h.settled, h.thawed = next, true, false
	return nil
}

// putServer writes the server's record.
func (k *Keeper) putServer(next ServerRecord) error {
	if err := k.serverBlob.save(k.disk, encodeServer(next)); err != nil {
		return fmt.Errorf("write the server's record: %w", err)
	}
	k.server, k.serverSettled = next, true
	return nil
}

// Server returns the server's record; ok is false if it is unreadable.
func (k *Keeper) Server() (s ServerRecord, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.server.Clone(), k.serverReadable
}

// Accounts returns the names of all accounts with a record, sorted.
func (k *Keeper) Accounts() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.accounts))
}

// Status returns all that is known about an account, with or without a record,
// but for the pairing credential.
func (k *Keeper) Status(account string) Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holding(account)
	s := Status{
		Record: h.rec.public(), Serves: k.serves(h.rec), Pending: k.pending(h.rec),
		Preparing: h.preparing, Streams: k.streaming(account), Note: h.note,
		Pairing: pairing(h.rec.Peer.Credential),
	}
	if h.rec.State == Frozen {
		s.DoorsClosed = h.closed
		s.Remaining = max(0, h.deadline-k.options.Now())
	}
	return s
}

// Serves reports whether this server may serve an account's users right now.
// The agent opens doors only while it holds.
func (k *Keeper) Serves(account string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.serves(k.holding(account).rec)
}

func (k *Keeper) serves(r Record) bool {
	return r.State == Unmanaged || r.State == Active && r.Blocker == "" && !k.pending(r)
}

package ownership

import (
	"fmt"
	"slices"
	"time"
)

// Pair writes down, at the owner, which server will receive the account and the
// credential that the two agents share until the account is accepted there.
// epoch is what the caller believes the owner's to be (0 for an account that
// never moved). An account without a record on a known server gets one. The
// peer can be changed only if the old one holds nothing: see Unpair.
func (k *Keeper) Pair(term uint64, account string, epoch uint64, peer Peer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventPair, account, Active)
	c.term, c.epoch, c.peer = term, epoch, peer
	c.next = c.rec.meet(peer)
	n := &c.next
	n.Migration, n.Account, n.Boot = k.server.Migration, account, k.options.Boot
	return k.apply(c)
}

// Unpair forgets the peer, after the peer has answered a Tell that it holds no
// copy that could be activated. From then on the account opens after a reboot
// without asking anybody.
func (k *Keeper) Unpair(term uint64, account string, a Answer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventUnpair, account, Active)
	c.term, c.answer = term, &a
	if c.rec.State == Active && !c.rec.Paired {
		return nil
	}
	c.next.Paired, c.next.Peer, c.next.Former = false, Peer{}, nil
	return k.apply(c)
}

// Freeze makes the owner hold the account still for the cutover token, on
// machine and at epoch only. It is durable when Freeze returns; the agent then
// closes the account's doors and calls DoorsClosed. Without a Renew the account
// must be thawed after lease. Repeating it does not prolong the lease.
func (k *Keeper) Freeze(term uint64, account string, token Token, machine string, epoch uint64, lease time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventFreeze, account, Frozen)
	c.term, c.token, c.machine, c.epoch, c.lease = term, token, machine, epoch, lease
	if c.rec.State == Frozen {
		return k.check(c)
	}
	n := &c.next
	n.Token, n.Lease, n.Boot, n.Instance = token, lease, k.options.Boot, k.options.Instance
	// The doors count as open and the lease runs before the record says so.
	c.h.closed, c.h.deadline = false, k.options.Now()+lease
	return k.apply(c)
}

// DoorsClosed tells that closing is complete: connections are held at the
// front, no process of the account is left, databases let no writer in, mail
// is deferred. Only then may the final sync begin, and only then will Commit
// succeed.
func (k *Keeper) DoorsClosed(account string, token Token) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventClose, account, Frozen)
	c.token = token
	if err := k.check(c); err != nil {
		return err
	}
	c.h.closed = true
	return nil
}

// DoorOpened tells that a door of a frozen account is about to open or has
// opened: its token is void from here on (F6). An agent that opens a door
// itself calls this first and opens only if it returns nil.
func (k *Keeper) DoorOpened(account string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holding(account)
	if k.mutant.lacks(GuardDoors) {
		return nil
	}
	if h.rec.State == Frozen {
		// Whatever happens to the write, this instance commits no more.
		h.closed, h.deadline = false, k.options.Now()
		return k.thaw(account, h.rec.Token)
	}
	if k.serves(h.rec) {
		return nil
	}
	c := k.call(EventThaw, account, Active)
	return c.refuse(GuardState, "no door of it may be open")
}

// Renew prolongs the lease of a frozen account by its length, from now.
func (k *Keeper) Renew(term uint64, account string, token Token) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventRenew, account, Frozen)
	c.term, c.token = term, token
	if err := k.check(c); err != nil {
		return err
	}
	c.h.deadline = k.options.Now() + c.rec.Lease
	return nil
}

// Lapsed returns the frozen accounts whose lease is over. The agent thaws each.
func (k *Keeper) Lapsed() []Lapse {
	k.mu.Lock()
	defer k.mu.Unlock()
	var l []Lapse
	for account, h := range k.accounts {
		if h.rec.State == Frozen && k.options.Now() >= h.deadline {
			l = append(l, Lapse{Account: account, Token: h.rec.Token})
		}
	}
	slices.SortFunc(l, func(a, b Lapse) int {
		return slices.Compare([]string{a.Account}, []string{b.Account})
	})
	return l
}

// Thaw gives the cutover token up, if it is not committed: the owner is active
// again and the token void, durably, before Thaw returns and the agent may let
// writers in. Anybody may thaw: it needs no claim. A token that never arrived
// here is voided too, so that its freeze cannot come late.
func (k *Keeper) Thaw(account string, token Token, reason string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.thaw(account, token); err != nil {
		return err
	}
	if h := k.accounts[account]; h != nil {
		h.note = reason
	}
	return nil
}

func (k *Keeper) thaw(account string, token Token) error {
	c := k.call(EventThaw, account, Active)
	c.token = token
	if c.rec.State == Active && (token.IsZero() || token.Compare(c.rec.Void) <= 0) {
		return nil
	}
	if c.rec.State == Active && token.Term > k.server.Term {
		return c.refuse(GuardToken, fmt.Sprintf("no run of term %d ever came here", token.Term))
	}
	if c.rec.State == Moved && c.rec.Token == token {
		return c.refuse(GuardState, "it was handed over already: the cutover can only be finished")
	}
	c.next = thawed(c.rec, token)
	if k.mutant.lacks(GuardUnvoided) {
		c.next.Void = c.rec.Void
	}
	if err := k.apply(c); err != nil {
		return err
	}
	c.h.closed, c.h.deadline = false, 0
	return nil
}

// thawed returns the owner's record after token was given up.
func thawed(r Record, token Token) Record {
	r.State, r.Void = Active, r.Void.max(token)
	r.Instance, r.Lease = "", 0
	return r
}

// Commit hands the account over to the peer that signed receipt: the one write
// that switches the owner. Repeated for the same token it gives the same
// answer. The agent then redirects and never opens the account's files or
// tables for writing again.
func (k *Keeper) Commit(term uint64, account string, token Token, receipt Receipt) (Committed, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventCommit, account, Moved)
	c.term, c.token, c.receipt = term, token, &receipt
	if c.rec.State == Moved {
		if err := k.check(c); err != nil {
			return Committed{}, err
		}
		return committed(c.rec), k.settle(c.h)
	}
	n := &c.next
	n.Epoch, n.Confirmed, n.Digest = c.rec.Epoch+1, false, receipt.Digest
	n.Instance, n.Lease = "", 0
	if err := k.apply(c); err != nil {
		return Committed{}, err
	}
	return committed(c.h.rec), nil
}

func committed(r Record) Committed {
	return Committed{Account: r.Account, Token: r.Token, Epoch: r.Epoch, Peer: r.Peer.public()}
}

// Confirm writes down, where the account was, that the peer answered a Tell as
// its owner (F4). Only then may this side become a copy again, or be sealed.
func (k *Keeper) Confirm(account string, a Answer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holding(account)
	c := k.call(EventConfirm, account, h.rec.State)
	c.answer = &a
	if c.rec.Confirmed && (c.rec.State == Moved || c.rec.State == Staged) {
		return nil
	}
	c.next.Confirmed = true
	return k.apply(c)
}

// Retire stops an account for good where it lives, after its disposition was
// carried out.
func (k *Keeper) Retire(term uint64, account string, epoch uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventRetire, account, Retired)
	c.term, c.epoch = term, epoch
	if c.rec.State == Retired {
		return k.check(c)
	}
	c.next.Migration, c.next.Account = k.server.Migration, account
	return k.apply(c)
}

// Reintroduce gives an account's peer, which stays the same machine, another
// credential or other addresses, in any state. A run does it before a lost
// record is rebuilt: nobody else knows the credential.
func (k *Keeper) Reintroduce(term uint64, account string, peer Peer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holding(account)
	c := k.call(EventReintroduce, account, h.rec.State)
	c.term, c.peer, c.machine = term, peer, peer.Machine
	c.next = c.rec.meet(peer)
	return k.apply(c)
}

// Mark adds marks of what on this server is Stopover's own for this account
// (staged directories, units, rules), so that a clean-up finds it all.
func (k *Keeper) Mark(term uint64, account string, ours ...string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holding(account)
	c := k.call(EventMark, account, h.rec.State)
	c.term = term
	if !h.stored || h.rec.State == Unreadable {
		return c.refuse(GuardState, "it has no record to mark")
	}
	c.next.Ours = slices.Clone(c.rec.Ours)
	for _, m := range ours {
		if !slices.Contains(c.next.Ours, m) {
			c.next.Ours = append(c.next.Ours, m)
		}
	}
	for _, g := range []Guard{GuardTerm, GuardMigration, GuardFits} {
		if why := guards[g](k, c); why != "" {
			return c.refuse(g, why)
		}
	}
	if err := k.put(h, c.next); err != nil {
		return fmt.Errorf("mark %q: %w", account, err)
	}
	return nil
}

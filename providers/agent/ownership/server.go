package ownership

import (
	"fmt"
	"maps"
	"slices"
)

// Seal writes down that nothing lives on this server any more, after which it
// may be wiped: until Unseal it takes no account back. epochs must name every
// account that has a record here with the epoch of that record; present is the
// agent's own list of the accounts that exist on the system, so that one that
// was never managed stops the seal. It returns the seal's number, which a
// reinstallation or reroute order must name (CheckOrder). Repeated with the
// same epochs it returns the same number.
func (k *Keeper) Seal(term uint64, machine string, epochs map[string]uint64, present []string) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &call{event: EventSeal, term: term, machine: machine}
	if err := k.hold(c, GuardTerm, guardTerm(k, c)); err != nil {
		return 0, err
	}
	if err := k.hold(c, GuardMachine, guardMachine(k, c)); err != nil {
		return 0, err
	}
	if s := k.server.Seal; s != nil {
		if maps.Equal(s.Epochs, epochs) {
			return s.Number, k.settleServer()
		}
		return 0, c.refuse(GuardUnsealed, fmt.Sprintf("it is sealed already (number %d)", s.Number))
	}
	if err := k.sealable(c, epochs, present); err != nil {
		return 0, err
	}
	s := k.server.Clone()
	s.SealCount++
	s.Seal = &Seal{Number: s.SealCount, Term: term, Epochs: maps.Clone(epochs)}
	if s.Seal.Epochs == nil {
		s.Seal.Epochs = map[string]uint64{}
	}
	if err := k.putServer(s); err != nil {
		return 0, fmt.Errorf("seal: %w", err)
	}
	return s.SealCount, nil
}

// sealable checks every account (F5).
func (k *Keeper) sealable(c *call, epochs map[string]uint64, present []string) error {
	for _, account := range slices.Concat(present, slices.Sorted(maps.Keys(epochs))) {
		if k.accounts[account] == nil {
			c.account, c.rec = account, k.holding(account).rec
			if err := k.hold(c, GuardMember, "it lives here or was never looked at"); err != nil {
				return err
			}
		}
	}
	for _, account := range slices.Sorted(maps.Keys(k.accounts)) {
		h := k.accounts[account]
		c.account, c.rec, c.h = account, h.rec, h
		if err := k.hold(c, GuardIdle, guardIdle(k, c)); err != nil {
			return err
		}
		if err := k.hold(c, GuardEmpty, gone(h.rec)); err != nil {
			return err
		}
		if e, ok := epochs[account]; !ok || e != h.rec.Epoch {
			if err := k.hold(c, GuardEpoch, fmt.Sprintf("its epoch is %d, not %d: survey again", h.rec.Epoch, e)); err != nil {
				return err
			}
		}
	}
	return nil
}

// gone returns why an account's record does not allow the server to be wiped.
func gone(r Record) string {
	switch {
	case r.State == Retired || r.State == Unknown:
		return ""
	case r.State != Moved && r.State != Staged:
		return "the server cannot be sealed with it"
	case !r.Confirmed:
		return "its owner elsewhere was not yet seen"
	}
	return ""
}

// hold turns a guard's reason into a refusal.
func (k *Keeper) hold(c *call, g Guard, why string) error {
	if why == "" || k.mutant.lacks(g) {
		return nil
	}
	return c.refuse(g, why)
}

// Unseal lifts the seal of this number.
func (k *Keeper) Unseal(term uint64, number uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &call{event: EventUnseal, term: term}
	if why := guardTerm(k, c); why != "" {
		return c.refuse(GuardTerm, why)
	}
	s := k.server.Clone()
	if s.Seal == nil && number == s.SealCount {
		return nil
	}
	if s.Seal == nil || s.Seal.Number != number {
		return c.refuse(GuardNumber, fmt.Sprintf("the newest seal is number %d, not %d", s.SealCount, number))
	}
	s.Seal = nil
	if err := k.putServer(s); err != nil {
		return fmt.Errorf("unseal: %w", err)
	}
	return nil
}

// CheckOrder returns nil if an order to reinstall or reroute this server names
// its current seal and its machine identity.
func (k *Keeper) CheckOrder(number uint64, machine string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &call{event: EventSeal, machine: machine}
	if why := guardMachine(k, c); why != "" {
		return c.refuse(GuardMachine, why)
	}
	if !k.serverReadable {
		return c.refuse(GuardServer, "the server's own record is unreadable: rebuild it first")
	}
	if s := k.server.Seal; s == nil || s.Number != number {
		return c.refuse(GuardNumber, fmt.Sprintf("the server is not sealed under number %d", number))
	}
	return k.settleServer()
}

// Inherit writes down that the accounts of machine, which is sealed, were taken
// over here at these epochs: they open after a reboot without asking it, and
// may be paired with its successor. Undo it (Disinherit) before Unseal there.
func (k *Keeper) Inherit(term uint64, machine string, epochs map[string]uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &call{event: EventInherit, term: term}
	if why := guardTerm(k, c); why != "" {
		return c.refuse(GuardTerm, why)
	}
	for _, account := range slices.Sorted(maps.Keys(epochs)) {
		h := k.holding(account)
		c.account, c.rec = account, h.rec
		if !h.stored || h.rec.Peer.Machine != machine || h.rec.Epoch < epochs[account] {
			return c.refuse(GuardEpoch, fmt.Sprintf("it was not taken over from machine %q at epoch %d", machine, epochs[account]))
		}
		if !h.rec.State.Owner() && h.rec.State != Retired {
			return c.refuse(GuardState, "it is not owned here")
		}
	}
	s := k.server.Clone()
	s.Lineage = slices.DeleteFunc(s.Lineage, func(l Lineage) bool { return l.Machine == machine })
	s.Lineage = append(s.Lineage, Lineage{Machine: machine, Epochs: maps.Clone(epochs)})
	if err := k.putServer(s); err != nil {
		return fmt.Errorf("inherit from %q: %w", machine, err)
	}
	return nil
}

// Disinherit takes Inherit back: the machine will be unsealed and counts again.
func (k *Keeper) Disinherit(term uint64, machine string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &call{event: EventDisinherit, term: term}
	if why := guardTerm(k, c); why != "" {
		return c.refuse(GuardTerm, why)
	}
	s := k.server.Clone()
	s.Lineage = slices.DeleteFunc(s.Lineage, func(l Lineage) bool { return l.Machine == machine })
	if len(s.Lineage) == len(k.server.Lineage) {
		return nil
	}
	if err := k.putServer(s); err != nil {
		return fmt.Errorf("disinherit %q: %w", machine, err)
	}
	return nil
}

// Stub makes a reinstalled server pass an account's traffic on to peer, which
// took it over at epoch, before the addresses come home. It is possible only
// where nothing is known of the account and nothing ever was.
func (k *Keeper) Stub(term uint64, account string, epoch uint64, token Token, peer Peer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventStub, account, Moved)
	c.term, c.epoch, c.token, c.peer = term, epoch, token, peer
	if r := c.rec; r.State == Moved && r.Peer == peer && r.Epoch == epoch && r.Token == token {
		return nil
	}
	c.next = Record{
		Migration: k.server.Migration, Account: account, Epoch: epoch, Token: token, Void: c.rec.Void,
		Peer: peer, Paired: true, Confirmed: true,
	}
	return k.apply(c)
}

// RebuildServer replaces a server record that cannot be read. term and seals
// must be at least the highest term and seal number that any run or peer knows
// of. The new record has no seal: an order to reinstall needs a new one.
func (k *Keeper) RebuildServer(known bool, term, seals uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.serverReadable {
		return (&call{event: EventStart}).refuse(GuardServer, "the server's record is readable: nothing to rebuild")
	}
	for _, h := range k.accounts {
		term = max(term, h.rec.Token.Term, h.rec.Void.Term)
	}
	s := ServerRecord{Machine: k.options.Machine, Known: known, Term: term, SealCount: seals}
	k.serverBlob.seq += 1 << 32
	if err := k.putServer(s); err != nil {
		return err
	}
	k.serverReadable = true
	return nil
}

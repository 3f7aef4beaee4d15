package ownership

import (
	"errors"
	"fmt"
)

// AskRebuild begins the rebuilding of a lost record from the peer. It first
// writes down, over both slots, that the record is lost and which tokens will
// be void: a slot that turns out readable after all must not come back once the
// peer has acted on the question. The peer's credential is one that the same run
// has given to the other side (Reintroduce).
func (k *Keeper) AskRebuild(term uint64, account string, peer Peer) (Question, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventAskRebuild, account, Unreadable)
	c.term, c.peer = term, peer
	c.next = Record{
		Migration: k.server.Migration, Account: account, State: Unreadable, Peer: peer, Paired: true,
		Void: c.rec.Void.max(lastOf(k.server.Term)),
	}
	if c.h.stored {
		c.h.blob.seq += 1 << 32 // above whatever the unreadable slots hold
	}
	err := k.apply(c)
	if errors.Is(err, errShape) {
		// There are no slots that could be written over: the record gets new ones.
		c.h.stored = false
		err = k.apply(c)
		c.h.stored = true
	}
	if err != nil {
		return Question{}, err
	}
	if c.h.blob.good != [2]bool{true, true} {
		return Question{}, fmt.Errorf("ask-rebuild %q: one of its slots cannot be written", account)
	}
	return k.question(c.h, c.h.rec.Void, true), nil
}

// Assist answers a peer that lost its record (F12). A frozen owner is thawed
// first, a prepared copy voids its token first, both durably; the token must be
// one that the peer's new record will void as well, so that a late copy of the
// question cannot disturb a later cutover.
func (k *Keeper) Assist(q Question) (Answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, err := k.asked(q)
	if err != nil {
		return Answer{}, err
	}
	c.event = EventAssist
	if err := k.hold(c, GuardSettled, guardSettled(k, c)); err != nil {
		return Answer{}, err
	}
	switch c.rec.State {
	case Frozen:
		c.to, c.next = Active, thawed(c.rec, c.rec.Token)
	case Prepared:
		c.to = Staged
		c.next.Epoch--
		c.next.Void = c.rec.Void.max(c.rec.Token)
	default:
		return k.answer(q, ToldAnswer, c.rec), nil
	}
	if err := k.apply(c); err != nil {
		return Answer{}, err
	}
	c.h.question, c.h.closed, c.h.deadline = "", false, 0
	return k.answer(q, ToldAnswer, c.h.rec), nil
}

// Rebuild makes a new record from the peer's answer to Assist. If the peer owns
// the account this side is a staged copy; if the peer holds a copy or passed
// the account on, this side was its owner and is active. All tokens before the
// rebuilding are void.
func (k *Keeper) Rebuild(account string, a Answer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	to := Active
	if a.State == Active {
		to = Staged
	}
	c := k.call(EventRebuild, account, to)
	c.answer = &a
	switch {
	case a.Kind != ToldAnswer:
		return c.refuse(GuardFresh, "the answer is not one to this question")
	case a.State != Active && a.State != Staged && a.State != Moved && a.State != Unknown:
		return c.refuse(GuardState, fmt.Sprintf("the peer is %s, which does not say who owns it", a.State))
	}
	n := &c.next
	n.Epoch, n.Confirmed = a.Epoch, to == Staged
	if to == Active {
		n.Boot = k.options.Boot
	}
	if err := k.apply(c); err != nil {
		return err
	}
	c.h.question, c.h.note = "", ""
	return nil
}

// DeclareLost is the operator's word that machine, the account's peer, is gone
// and fenced off for ever: nobody but a person can know. A prepared copy
// activates; an owner that has moved and never saw the receiver own the account
// becomes owner again, two epochs on (F9); an owner that waits for the peer
// after a reboot opens. The machine is never trusted again under this identity.
// All tokens made so far are void; a further cutover needs a new claim.
func (k *Keeper) DeclareLost(term uint64, account, machine string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventDeclareLost, account, Active)
	c.term, c.machine = term, machine
	if c.rec.State == Active && !c.rec.Paired && k.lost(machine) {
		return nil
	}
	n := &c.next
	if c.rec.State == Moved {
		n.Epoch++
	}
	n.Void = c.rec.Void.max(lastOf(k.server.Term))
	n.Paired, n.Boot, n.Instance, n.Lease = false, k.options.Boot, "", 0
	if err := k.check(c); err != nil {
		return err
	}
	if !k.lost(machine) {
		s := k.server.Clone()
		s.Lost = append(s.Lost, machine)
		if err := k.putServer(s); err != nil {
			return fmt.Errorf("declare-lost %q: %w", account, err)
		}
	}
	return k.apply(c)
}

func (k *Keeper) lost(machine string) bool {
	for _, m := range k.server.Lost {
		if m == machine {
			return true
		}
	}
	return false
}

package ownership

import "fmt"

// Ask makes a question to the account's peer and remembers its nonce: only the
// answer to the newest question counts.
func (k *Keeper) Ask(account string) (Question, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holding(account)
	if h.rec.Peer.Credential == "" || h.rec.State == Unreadable {
		return Question{}, k.call(EventVerify, account, h.rec.State).refuse(GuardPaired, "it has no peer to ask")
	}
	return k.question(h, h.rec.Token, false), nil
}

func (k *Keeper) question(h *holding, t Token, rebuild bool) Question {
	h.question = k.options.Nonce()
	q := Question{
		Account: h.rec.Account, Machine: k.options.Machine, To: h.rec.Peer.Machine,
		Token: t, Rebuild: rebuild, Nonce: h.question,
	}
	q.MAC = q.sum(h.rec.Peer.Credential)
	for _, c := range h.rec.Former {
		q.Former = append(q.Former, q.sum(c))
	}
	return q
}

// asked checks who asks, and that what will be answered is on stable storage.
func (k *Keeper) asked(q Question) (*call, error) {
	h := k.holding(q.Account)
	c := k.call(EventVerify, q.Account, h.rec.State)
	c.ask = &q
	if why := guardAuthentic(k, c); why != "" && !k.mutant.lacks(GuardAuthentic) {
		return nil, c.refuse(GuardAuthentic, why)
	}
	return c, k.settle(h)
}

// answer signs what the record says, with a credential that the question shows
// the asker to have.
func (k *Keeper) answer(q Question, kind Kind, r Record) Answer {
	a := Answer{
		Kind: kind, Account: q.Account, Machine: k.options.Machine, To: q.Machine, Nonce: q.Nonce,
		Question: q.Token, State: r.State, Epoch: r.Epoch, Token: r.Token, Confirmed: r.Confirmed,
	}
	a.MAC = a.sum(common(r, q.sum, append([][]byte{q.MAC}, q.Former...)...))
	return a
}

// Poll answers a prepared peer about its token. Moved and void are durable
// before they are told. A token that the owner never saw is voided on the spot:
// its freeze can only come late now. A peer that polls although it was seen to
// own the account already has an old record and is not told to activate again.
func (k *Keeper) Poll(q Question) (Answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, err := k.asked(q)
	if err != nil {
		return Answer{}, err
	}
	r := c.rec
	kind := OtherAnswer
	switch {
	case q.Token.IsZero() || r.Blocker != "":
	case r.State == Moved && r.Token == q.Token && (!r.Confirmed || k.mutant.lacks(GuardConfirmed)):
		kind = MovedAnswer
	case r.State == Frozen && r.Token == q.Token:
		kind = FrozenAnswer
	case r.State.Owner() && q.Token.Compare(r.Void) <= 0:
		kind = VoidAnswer
	case r.State == Active:
		v := k.call(EventThaw, q.Account, Active)
		v.token, v.next = q.Token, thawed(r, q.Token)
		if err := k.apply(v); err != nil {
			return Answer{}, err
		}
		r, kind = v.h.rec, VoidAnswer
	}
	return k.answer(q, kind, r), nil
}

// Tell answers what this server's record says. An answer to an earlier poll
// that is still on its way does not count any more: whoever asks may act on
// what it is told now.
func (k *Keeper) Tell(q Question) (Answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, err := k.asked(q)
	if err != nil {
		return Answer{}, err
	}
	if c.rec.State == Prepared {
		c.h.question = ""
	}
	return k.answer(q, ToldAnswer, c.rec), nil
}

// AnswerPeer takes the peer's answer to a Tell, for an owner that was started
// again on a new boot (AskPeer). The account opens here unless the peer knows a
// newer owner; then it is fenced, durably (F11).
func (k *Keeper) AnswerPeer(account string, a Answer) (Action, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holding(account)
	if !k.pending(h.rec) || h.rec.Blocker != "" {
		return k.action(h), nil
	}
	if a.Kind != ToldAnswer || a.State == Unreadable {
		h.note = fmt.Sprintf("the peer's record is %s: it stays closed", a.State)
		return k.action(h), nil
	}
	c := k.call(EventVerify, account, Active)
	if newer(h.rec, a) {
		c.event = EventFence
		c.next.Blocker = fmt.Sprintf("the peer is %s at epoch %d and this server is at %d: its record is an old one", a.State, a.Epoch, h.rec.Epoch)
	} else {
		c.next.Boot = k.options.Boot
		if a.State == Prepared {
			// Whatever this server did with the token before an old record came
			// back, it will not commit it.
			c.next.Void = c.rec.Void.max(a.Token)
		}
	}
	c.answer = &a
	if err := k.apply(c); err != nil {
		return k.action(h), err
	}
	h.question, h.note = "", ""
	return k.action(h), nil
}

// newer reports whether the peer's answer shows that the owner's record r is
// not the newest.
func newer(r Record, a Answer) bool {
	switch a.State {
	case Active, Frozen, Retired, Unmanaged:
		return a.Epoch >= r.Epoch
	case Moved, Staged:
		return a.Epoch > r.Epoch
	case Prepared:
		return a.Epoch > r.Epoch+1
	}
	return false
}

// Surrender makes a fenced owner pass traffic on to its peer, which answered a
// Tell as the newer owner. What was written here after the peer took over is
// lost: an operator decides.
func (k *Keeper) Surrender(term uint64, account string, a Answer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventSurrender, account, Moved)
	c.term, c.answer = term, &a
	if a.State != Active && a.State != Frozen || !newer(c.rec, a) {
		return c.refuse(GuardSeenOwner, fmt.Sprintf("the peer is %s at epoch %d: it does not own it", a.State, a.Epoch))
	}
	n := &c.next
	n.Epoch, n.Confirmed, n.Blocker, n.Token = a.Epoch, true, "", Token{}
	n.Void = c.rec.Void.max(lastOf(k.server.Term))
	return k.apply(c)
}

// Accept opens an old record although writes that were made since are lost,
// where the peer answered a Tell that this server is the owner: it is moved or
// staged. An operator decides, after a disk was restored from a snapshot.
func (k *Keeper) Accept(term uint64, account string, a Answer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventAccept, account, Active)
	c.term, c.answer = term, &a
	n := &c.next
	n.Epoch, n.Blocker, n.Boot = max(c.rec.Epoch, a.Epoch), "", k.options.Boot
	n.Void = c.rec.Void.max(lastOf(k.server.Term))
	return k.apply(c)
}

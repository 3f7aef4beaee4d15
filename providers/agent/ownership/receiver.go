package ownership

import "fmt"

// Stage makes this server's copy of an account one that may be written to:
// epoch is that of the owner it will be read from, and never decreases. It is
// possible where nothing is known of the account, where it is staged already,
// and where it was, once its new owner was seen (F4). On a server known since
// the beginning an account without a record lives here and is refused.
func (k *Keeper) Stage(term uint64, account string, epoch uint64, peer Peer) error {
	return k.stage(term, account, epoch, peer, false)
}

// StageNew is Stage for an account that the agent has just seen not to exist on
// this system: only so can a server that had accounts before Stopover came
// receive another one.
func (k *Keeper) StageNew(term uint64, account string, epoch uint64, peer Peer) error {
	return k.stage(term, account, epoch, peer, true)
}

func (k *Keeper) stage(term uint64, account string, epoch uint64, peer Peer, absent bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventStage, account, Staged)
	c.absent = absent
	c.term, c.epoch, c.peer = term, epoch, peer
	c.next = c.rec.meet(peer)
	n := &c.next
	n.Migration, n.Account, n.Epoch = k.server.Migration, account, epoch
	n.Confirmed = c.rec.Confirmed && c.rec.Peer.Machine == peer.Machine
	return k.apply(c)
}

// Unstage gives a staged copy up. If the owner was seen, this side passes
// traffic on (Moved), else it knows nothing of the account any more (Unknown);
// never does it become Unmanaged, which would be an owner.
func (k *Keeper) Unstage(term uint64, account string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holding(account)
	to := Unknown
	if h.rec.Confirmed {
		to = Moved
	}
	if h.stored && (h.rec.State == Unknown || h.rec.State == Moved) {
		return nil
	}
	c := k.call(EventUnstage, account, to)
	c.term = term
	c.next.Token, c.next.Void = Token{}, c.rec.Void.max(c.rec.Token)
	return k.apply(c)
}

// PrepareBegin closes the copy for data: from here on Stream refuses and open
// streams are cancelled (F7). The agent waits for them to end, computes the
// digest, syncs data and directories, and calls Prepare, or PrepareCancel.
func (k *Keeper) PrepareBegin(term uint64, account string, token Token, epoch uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventPrepare, account, Prepared)
	c.term, c.token, c.epoch = term, token, epoch
	if c.rec.State == Prepared {
		c.digest = c.rec.Digest
		return k.check(c)
	}
	t := k.find(c.rec.State, c.event, c.to)
	if t == nil {
		return k.check(c)
	}
	for _, g := range t.Guards {
		if g == GuardBegun || g == GuardDrained || k.mutant.lacks(g) {
			continue
		}
		if why := guards[g](k, c); why != "" {
			return c.refuse(g, why)
		}
	}
	if p := c.h.preparing; !p.IsZero() && p != token {
		return c.refuse(GuardOpen, fmt.Sprintf("a prepare for token %s is under way: cancel it first", p))
	}
	c.h.preparing = token
	if k.mutant.lacks(GuardDrained) {
		return nil
	}
	for _, s := range k.streams {
		if s.account == account {
			s.cancel()
		}
	}
	return nil
}

// PrepareCancel opens the copy for data again, if token's prepare is under way
// and not done.
func (k *Keeper) PrepareCancel(account string, token Token) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.holding(account); h.preparing == token {
		h.preparing = Token{}
	}
}

// Prepare writes down that the copy is complete, synced and has this digest,
// against the owner at epoch, and returns the receipt that Commit asks for.
// All guards are asked again at the write. From here on only the origin's own
// word opens it (Activate) or makes it a staged copy again (Void): see Ask and
// Learn. Repeating it returns the same receipt.
func (k *Keeper) Prepare(term uint64, account string, token Token, epoch uint64, digest string) (Receipt, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.call(EventPrepare, account, Prepared)
	c.term, c.token, c.epoch, c.digest = term, token, epoch, digest
	if len(digest) > maxName {
		return Receipt{}, c.refuse(GuardDigest, fmt.Sprintf("the digest has more than %d bytes", maxName))
	}
	if c.rec.State == Prepared {
		if err := k.check(c); err != nil {
			return Receipt{}, err
		}
		return k.receipt(c.rec), k.settle(c.h)
	}
	n := &c.next
	n.Epoch, n.Token, n.Digest = c.rec.Epoch+1, token, digest
	if err := k.apply(c); err != nil {
		return Receipt{}, err
	}
	c.h.preparing, c.h.question = Token{}, ""
	return k.receipt(c.h.rec), nil
}

func (k *Keeper) receipt(r Record) Receipt {
	rc := Receipt{Account: r.Account, Machine: k.options.Machine, Token: r.Token, Epoch: r.Epoch, Digest: r.Digest}
	rc.MAC = rc.sum(r.Peer.Credential)
	return rc
}

// Learn takes the origin's answer to a Poll about a prepared copy. Moved: the
// account is active here, durably, and Learn returns Active; only then does the
// agent open it. Void: the copy is staged again. Frozen: nothing changes; ask
// again. Anything else is a Refusal: it stays closed, and Status has a note for
// people (F2).
func (k *Keeper) Learn(account string, a Answer) (State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.holding(account)
	var c *call
	switch a.Kind {
	case MovedAnswer:
		if h.rec.State == Active && h.rec.Token == a.Question {
			return Active, nil
		}
		c = k.call(EventActivate, account, Active)
		c.next.Void, c.next.Confirmed, c.next.Boot = c.rec.Void.max(a.Question), false, k.options.Boot
	case VoidAnswer:
		if h.rec.State == Staged && a.Question.Compare(h.rec.Void) <= 0 {
			return Staged, nil
		}
		c = k.call(EventVoid, account, Staged)
		c.next.Void, c.next.Confirmed = c.rec.Void.max(a.Question), true
		c.next.Epoch--
	case FrozenAnswer:
		return h.rec.State, nil
	default:
		c = k.call(EventActivate, account, Active)
		h.note = fmt.Sprintf("the origin is %s at epoch %d with token %s and says nothing about token %s: it stays closed", a.State, a.Epoch, a.Token, h.rec.Token)
		return h.rec.State, c.refuse(GuardState, h.note)
	}
	c.token, c.answer = a.Question, &a
	if err := k.apply(c); err != nil {
		return h.rec.State, err
	}
	h.question, h.note = "", ""
	return h.rec.State, nil
}

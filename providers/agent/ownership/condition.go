package ownership

import (
	"crypto/hmac"
	"fmt"
	"slices"
)

func guardTerm(k *Keeper, c *call) string {
	switch {
	case !k.serverReadable:
		return "the server's own record is unreadable: rebuild it first"
	case c.term == 0 || c.term != k.server.Term:
		return fmt.Sprintf("term %d does not hold the claim, the term is %d now: another run took over; start again", c.term, k.server.Term)
	}
	return ""
}

func guardTokenTerm(_ *Keeper, c *call) string {
	if c.token.Term != c.term || c.token.N == 0 {
		return fmt.Sprintf("token %s was not made under term %d", c.token, c.term)
	}
	return ""
}

func guardMigration(k *Keeper, c *call) string {
	if c.rec.State != Unmanaged && c.rec.Migration != k.server.Migration {
		return fmt.Sprintf("it belongs to migration %q, the claim to %q", c.rec.Migration, k.server.Migration)
	}
	return ""
}

func guardAdopt(k *Keeper, c *call) string {
	if !c.rec.Paired {
		return ""
	}
	return guardMigration(k, c)
}

func guardMachine(k *Keeper, c *call) string {
	if c.machine != k.options.Machine {
		return fmt.Sprintf("the order is for machine %q, this is %q", c.machine, k.options.Machine)
	}
	return ""
}

// guardEpoch compares with the epoch of the owner, which a prepared copy is
// already one above.
func guardEpoch(_ *Keeper, c *call) string {
	have := c.rec.Epoch
	if c.rec.State == Prepared {
		have--
	}
	if c.epoch != have {
		return fmt.Sprintf("its epoch is %d, not %d: survey again", have, c.epoch)
	}
	return ""
}

func guardToken(_ *Keeper, c *call) string {
	if c.token != c.rec.Token || c.token.IsZero() {
		return fmt.Sprintf("its token is %s, not %s", c.rec.Token, c.token)
	}
	return ""
}

func guardUnvoided(_ *Keeper, c *call) string {
	if c.token.Compare(c.rec.Void) <= 0 {
		return fmt.Sprintf("token %s is void (all up to %s are): begin the cutover again with a new one", c.token, c.rec.Void)
	}
	return ""
}

func guardPaired(_ *Keeper, c *call) string {
	if !c.rec.Paired {
		return "it is not paired with a server that could take it"
	}
	return ""
}

func guardLeaseLength(_ *Keeper, c *call) string {
	if c.lease <= 0 || c.lease > MaxLease {
		return fmt.Sprintf("a lease of %s is not between 0 and %s", c.lease, MaxLease)
	}
	return ""
}

func guardLive(k *Keeper, c *call) string {
	if c.rec.Boot != k.options.Boot || c.rec.Instance != k.options.Instance {
		return "another instance of the agent froze it"
	}
	return ""
}

func guardLease(k *Keeper, c *call) string {
	if k.options.Now() >= c.h.deadline {
		return "the lease has lapsed: it is about to be thawed"
	}
	return ""
}

func guardDoors(_ *Keeper, c *call) string {
	if !c.h.closed {
		return "its doors are not closed"
	}
	return ""
}

func guardReceipt(_ *Keeper, c *call) string {
	r := c.receipt
	switch {
	case r == nil || !signed(c.rec, r.sum, r.MAC):
		return "the receipt is not signed by the peer"
	case r.Account != c.account || r.Machine != c.rec.Peer.Machine || r.Token != c.token || r.Epoch != c.rec.Epoch+1:
		return fmt.Sprintf("the receipt is for token %s and epoch %d", r.Token, r.Epoch)
	}
	return ""
}

func guardUnsealed(k *Keeper, _ *call) string {
	if k.server.Seal != nil {
		return fmt.Sprintf("the server is sealed (number %d): unseal it first", k.server.Seal.Number)
	}
	return ""
}

func guardPeer(k *Keeper, c *call) string {
	switch p := c.peer; {
	case p.Machine == "" || p.Credential == "":
		return "the peer has no machine identity or no credential"
	case p.Machine == k.options.Machine:
		return "the peer is this very machine"
	case slices.Contains(k.server.Lost, p.Machine):
		return fmt.Sprintf("machine %q was declared lost: it needs a new identity", p.Machine)
	}
	if _, ok := k.server.inherited(c.peer.Machine, c.account); ok {
		return fmt.Sprintf("machine %q is sealed and its accounts were taken over here: disinherit first", c.peer.Machine)
	}
	return ""
}

// guardSamePeer: a peer that was sealed and wiped, or declared lost, holds
// nothing that could still be activated.
func guardSamePeer(k *Keeper, c *call) string {
	old := c.rec.Peer.Machine
	if !c.rec.Paired || old == c.peer.Machine || slices.Contains(k.server.Lost, old) {
		return ""
	}
	if e, ok := k.server.inherited(old, c.account); ok && e <= c.rec.Epoch {
		return ""
	}
	return fmt.Sprintf("it is paired with machine %q: unpair it first", old)
}

// guardFits makes the longest record that can follow from this one without a
// call of Pair, Stage or Mark, so that no full slot ever stops a thaw.
func guardFits(_ *Keeper, c *call) string {
	r := c.next
	r.Epoch, r.Token, r.Void = ^uint64(0), lastOf(^uint64(0)), lastOf(^uint64(0))
	r.Lease = MaxLease
	n := slotHeader + len(encodeRecord(r)) + 3*maxName + maxReason + 16
	if n > SlotSize {
		return fmt.Sprintf("its record may need %d bytes and a slot holds %d: shorten the addresses or what is marked as ours", n, SlotSize)
	}
	return ""
}

func guardSettled(k *Keeper, c *call) string {
	switch {
	case c.rec.Blocker != "":
		return c.rec.Blocker
	case k.pending(c.rec):
		return fmt.Sprintf("the server was started again and its peer %q has not answered yet", c.rec.Peer.Machine)
	}
	return ""
}

func guardFenced(_ *Keeper, c *call) string {
	if c.rec.Blocker == "" {
		return "it is not fenced"
	}
	return ""
}

func guardUnfenced(_ *Keeper, c *call) string { return c.rec.Blocker }

func guardConfirmed(_ *Keeper, c *call) string {
	if !c.rec.Confirmed {
		return "its peer was not yet seen to own it"
	}
	return ""
}

func guardUnconfirmed(_ *Keeper, c *call) string {
	if c.rec.Confirmed {
		return "its peer was seen to own it and may have written since"
	}
	return ""
}

func guardMonotonic(_ *Keeper, c *call) string {
	if c.epoch < c.rec.Epoch {
		return fmt.Sprintf("its epoch is %d already, an owner at %d is out of date", c.rec.Epoch, c.epoch)
	}
	return ""
}

func guardIdle(k *Keeper, c *call) string {
	if n := k.streaming(c.account); n > 0 || !c.h.preparing.IsZero() {
		return fmt.Sprintf("%d streams or a prepare are under way", n)
	}
	return ""
}

func guardOpen(_ *Keeper, c *call) string {
	if !c.h.preparing.IsZero() {
		return "it is being prepared, no more data is accepted"
	}
	return ""
}

func guardBegun(_ *Keeper, c *call) string {
	if c.h.preparing != c.token {
		return "this prepare was not begun, or was cancelled"
	}
	return ""
}

func guardDrained(k *Keeper, c *call) string {
	if n := k.streaming(c.account); n > 0 {
		return fmt.Sprintf("%d streams have not ended", n)
	}
	return ""
}

func guardDigest(_ *Keeper, c *call) string {
	if c.digest != c.rec.Digest {
		return "it was prepared with another digest"
	}
	return ""
}

func guardAuthentic(k *Keeper, c *call) string {
	machine, to, account, ok := c.source()
	switch {
	case !ok:
		return "the message is not signed by the peer"
	case account != c.account || to != k.options.Machine || machine != c.rec.Peer.Machine:
		return fmt.Sprintf("the message is from machine %q to %q about %q", machine, to, account)
	case slices.Contains(k.server.Lost, machine):
		return fmt.Sprintf("machine %q was declared lost", machine)
	}
	return ""
}

// source returns who signed the call's message and for whom.
func (c *call) source() (machine, to, account string, ok bool) {
	switch {
	case c.answer != nil:
		a := c.answer
		return a.Machine, a.To, a.Account, signed(c.rec, a.sum, a.MAC)
	case c.ask != nil:
		q := c.ask
		return q.Machine, q.To, q.Account, signed(c.rec, q.sum, q.MAC) || signed(c.rec, q.sum, q.Former...)
	}
	return "", "", "", false
}

// signed reports whether one of macs was made with a credential of the record.
func signed(r Record, sum func(credential string) []byte, macs ...[]byte) bool {
	return common(r, sum, macs...) != ""
}

// common returns the credential that made one of macs, or "".
func common(r Record, sum func(credential string) []byte, macs ...[]byte) string {
	for _, c := range r.credentials() {
		want := sum(c)
		for _, m := range macs {
			if hmac.Equal(m, want) {
				return c
			}
		}
	}
	return ""
}

func guardFresh(_ *Keeper, c *call) string {
	if c.h.question == "" || c.answer.Nonce != c.h.question {
		return "the answer is not to the newest question: ask again"
	}
	return ""
}

func guardSuccessor(_ *Keeper, c *call) string {
	want := c.rec.Epoch
	if c.event == EventVoid {
		want--
	}
	if c.answer.Epoch != want {
		return fmt.Sprintf("the origin speaks of epoch %d, not %d", c.answer.Epoch, want)
	}
	return ""
}

// guardSeenOwner: active, frozen and retired are owners; one that has moved on
// since was one.
func guardSeenOwner(_ *Keeper, c *call) string {
	a := c.answer
	owned := a.State == Active || a.State == Frozen || a.State == Retired
	if c.rec.State == Moved && a.State == Moved && a.Epoch > c.rec.Epoch {
		owned = true
	}
	if !owned || a.Epoch < c.rec.Epoch {
		return fmt.Sprintf("the peer is %s at epoch %d, this is epoch %d", a.State, a.Epoch, c.rec.Epoch)
	}
	return ""
}

// guardYielded: for a prepared copy the peer must have committed this token, and
// then seen the account owned here.
func guardYielded(_ *Keeper, c *call) string {
	a, r := c.answer, c.rec
	ok := a.State == Moved || a.State == Staged
	if r.State == Prepared {
		ok = a.State == Moved && a.Confirmed && a.Token == r.Token && a.Epoch == r.Epoch
	}
	if !ok {
		return fmt.Sprintf("the peer is %s at epoch %d: it did not pass the account on to here", a.State, a.Epoch)
	}
	return ""
}

func guardHarmless(_ *Keeper, c *call) string {
	a := c.answer
	if a.State == Unknown || a.State == Moved && a.Confirmed && a.Epoch <= c.rec.Epoch {
		return ""
	}
	return fmt.Sprintf("the peer is %s: unstage it there first", a.State)
}

func guardLostPeer(_ *Keeper, c *call) string {
	if c.machine == "" || c.machine != c.rec.Peer.Machine || !c.rec.Paired {
		return fmt.Sprintf("its peer is %q, not %q", c.rec.Peer.Machine, c.machine)
	}
	return ""
}

func guardCovered(_ *Keeper, c *call) string {
	if !c.ask.Rebuild || c.rec.Token.Compare(c.ask.Token) > 0 {
		return fmt.Sprintf("token %s is newer than the rebuilding that asks", c.rec.Token)
	}
	return ""
}

func guardReinstalled(k *Keeper, _ *call) string {
	if k.server.Known {
		return "this server had accounts before: no record means that the account lives here"
	}
	return ""
}

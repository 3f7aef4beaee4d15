package ownership

import (
	"errors"
	"fmt"
	"time"
)

// Guard names one condition that a change must meet.
type Guard string

// The guards. GuardState, GuardReadable, GuardServer and GuardMember are held
// for every event and so do not stand in the table's rows.
const (
	GuardState       Guard = "state"        // the table has no such row
	GuardReadable    Guard = "readable"     // the account's record was read
	GuardServer      Guard = "server"       // the server's own record was read
	GuardTerm        Guard = "term"         // the caller holds the newest claim
	GuardTokenTerm   Guard = "token-term"   // the token was made by that claim
	GuardMigration   Guard = "migration"    // the claim and the record belong to one migration
	GuardAdopt       Guard = "adopt"        // as migration, but an unpaired record may change hands
	GuardMachine     Guard = "machine"      // the order was meant for this machine (F1)
	GuardEpoch       Guard = "epoch"        // the order was meant for this epoch (F1)
	GuardToken       Guard = "token"        // the record is about this very token
	GuardUnvoided    Guard = "unvoided"     // the token is above the mark (F1)
	GuardPaired      Guard = "paired"       // a receiver is known
	GuardLeaseLength Guard = "lease-length" // the lease is neither nothing nor for ever
	GuardLive        Guard = "live"         // this instance, in this boot, froze it
	GuardLease       Guard = "lease"        // the lease has not lapsed
	GuardDoors       Guard = "doors"        // closing is complete, and no door opened since (F6)
	GuardReceipt     Guard = "receipt"      // the peer prepared exactly this
	GuardUnsealed    Guard = "unsealed"     // the server is not about to be wiped (F5)
	GuardPeer        Guard = "peer"         // the peer is another machine, neither lost nor sealed
	GuardSamePeer    Guard = "same-peer"    // no change of peer while the old one may hold a copy
	GuardFits        Guard = "fits"         // the record fits its slot, whatever follows
	GuardSettled     Guard = "settled"      // no question to the peer is open, and not fenced (F11)
	GuardFenced      Guard = "fenced"       // is fenced
	GuardUnfenced    Guard = "unfenced"     // is not fenced
	GuardConfirmed   Guard = "confirmed"    // the peer was seen to own the account (F4)
	GuardUnconfirmed Guard = "unconfirmed"  // the peer was never seen to own the account (F9)
	GuardMonotonic   Guard = "monotonic"    // a staged epoch never decreases
	GuardIdle        Guard = "idle"         // no stream and no prepare is under way
	GuardOpen        Guard = "open"         // no prepare is under way (F7)
	GuardBegun       Guard = "begun"        // this prepare was begun, and nothing was accepted since (F7)
	GuardDrained     Guard = "drained"      // every stream has ended (F7)
	GuardDigest      Guard = "digest"       // a replay says the same as the first time
	GuardAuthentic   Guard = "authentic"    // signed by the peer of the record
	GuardFresh       Guard = "fresh"        // answers the newest question
	GuardSuccessor   Guard = "successor"    // the origin's epoch is the one this copy was prepared against
	GuardSeenOwner   Guard = "seen-owner"   // the peer says that it owns or owned the account since (F4)
	GuardYielded     Guard = "yielded"      // the peer has passed the account on to here
	GuardHarmless    Guard = "harmless"     // the peer holds nothing that could be activated
	GuardLostPeer    Guard = "lost-peer"    // the machine named is the peer (F9)
	GuardCovered     Guard = "covered"      // the token is one that the asker's new record voids (F12)
	GuardAbsent      Guard = "absent"       // the agent has just seen that the system has no such account
	GuardReinstalled Guard = "reinstalled"  // this server has no accounts from before Stopover
	GuardMember      Guard = "member"       // the account lives here or is known here
	GuardEmpty       Guard = "empty"        // every account is gone from here for certain (F5)
	GuardNumber      Guard = "number"       // names the current seal
)

// Refusal is the error of an order that a guard stopped. Nothing was changed.
type Refusal struct {
	Event   Event
	Guard   Guard
	Account string // empty: the order was about the server
	State   State
	Reason  string // a sentence for people
}

// Error names event, account, state and reason.
func (r *Refusal) Error() string {
	if r.Account == "" {
		return fmt.Sprintf("%s: %s (guard %s)", r.Event, r.Reason, r.Guard)
	}
	return fmt.Sprintf("%s %q, which is %s here: %s (guard %s)", r.Event, r.Account, r.State, r.Reason, r.Guard)
}

// RefusedBy returns the guard that stopped an order, or "" if err is no Refusal.
func RefusedBy(err error) Guard {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Guard
	}
	return ""
}

// call is all that the guards of one event look at.
type call struct {
	event   Event
	account string
	to      State
	h       *holding
	rec     Record // before
	next    Record // after, for GuardFits
	term    uint64
	token   Token
	machine string
	epoch   uint64
	lease   time.Duration
	peer    Peer
	digest  string
	receipt *Receipt
	absent  bool
	answer  *Answer
	ask     *Question
}

// guards holds one function for each guard in the table; it returns why the
// guard does not hold, or "". Never written to.
var guards = map[Guard]func(*Keeper, *call) string{
	GuardTerm:        guardTerm,
	GuardTokenTerm:   guardTokenTerm,
	GuardMigration:   guardMigration,
	GuardAdopt:       guardAdopt,
	GuardMachine:     guardMachine,
	GuardEpoch:       guardEpoch,
	GuardToken:       guardToken,
	GuardUnvoided:    guardUnvoided,
	GuardPaired:      guardPaired,
	GuardLeaseLength: guardLeaseLength,
	GuardLive:        guardLive,
	GuardLease:       guardLease,
	GuardDoors:       guardDoors,
	GuardReceipt:     guardReceipt,
	GuardUnsealed:    guardUnsealed,
	GuardPeer:        guardPeer,
	GuardSamePeer:    guardSamePeer,
	GuardFits:        guardFits,
	GuardSettled:     guardSettled,
	GuardFenced:      guardFenced,
	GuardUnfenced:    guardUnfenced,
	GuardConfirmed:   guardConfirmed,
	GuardUnconfirmed: guardUnconfirmed,
	GuardMonotonic:   guardMonotonic,
	GuardIdle:        guardIdle,
	GuardOpen:        guardOpen,
	GuardBegun:       guardBegun,
	GuardDrained:     guardDrained,
	GuardDigest:      guardDigest,
	GuardAuthentic:   guardAuthentic,
	GuardFresh:       guardFresh,
	GuardSuccessor:   guardSuccessor,
	GuardSeenOwner:   guardSeenOwner,
	GuardYielded:     guardYielded,
	GuardHarmless:    guardHarmless,
	GuardLostPeer:    guardLostPeer,
	GuardCovered:     guardCovered,
	GuardAbsent:      guardAbsent,
	GuardReinstalled: guardReinstalled,
}

// guardAbsent: on a server known since the beginning an account without a
// record lives there, unless the agent has looked and found no such account.
func guardAbsent(_ *Keeper, c *call) string {
	if !c.absent {
		return "this server had accounts before: no record means that the account lives here"
	}
	return ""
}

package ownership

import "slices"

// Event is what happens to an account's record.
type Event string

// The events. Each is one method of Keeper, except that Learn is Activate or
// Void as the answer says, and that Thaw is also what a lapsed lease, a door
// that opens and a new instance of the agent do.
const (
	EventPair        Event = "pair"         // owner: remember the peer of a coming cutover
	EventUnpair      Event = "unpair"       // owner: forget the peer once it holds nothing that could be activated
	EventFreeze      Event = "freeze"       // owner: hold the account still
	EventClose       Event = "close"        // owner: closing is complete (no write)
	EventRenew       Event = "renew"        // owner: prolong the lease (no write)
	EventThaw        Event = "thaw"         // owner: give the cutover up, void its token
	EventCommit      Event = "commit"       // owner: hand over
	EventConfirm     Event = "confirm"      // not owner: the peer was seen to own the account
	EventRetire      Event = "retire"       // owner: stopped by a disposition
	EventStage       Event = "stage"        // receiver: become a copy
	EventUnstage     Event = "unstage"      // receiver: give the copy up
	EventPrepare     Event = "prepare"      // receiver: the copy is complete
	EventActivate    Event = "activate"     // receiver: the origin says moved
	EventVoid        Event = "void"         // receiver: the origin says void
	EventVerify      Event = "verify"       // owner after a reboot: the peer has answered
	EventFence       Event = "fence"        // owner after a reboot: the peer has a newer record
	EventSurrender   Event = "surrender"    // fenced owner: the operator gives in to the peer
	EventAccept      Event = "accept"       // old record after a snapshot: the operator accepts the loss
	EventDeclareLost Event = "declare-lost" // the peer is gone for good, says the operator
	EventAssist      Event = "assist"       // the peer lost its record and voids every token up to a mark
	EventAskRebuild  Event = "ask-rebuild"  // the record is lost: from here on it only comes from the peer
	EventRebuild     Event = "rebuild"      // the record is lost: make it from what the peer says
	EventStub        Event = "stub"         // reinstalled server: point to who holds the account
	EventReintroduce Event = "reintroduce"  // any with a peer: another credential or address
	EventMark        Event = "mark"         // any: write down what here is ours
	EventStream      Event = "stream"       // receiver: accept data (no write)
	EventSeal        Event = "seal"         // server: nothing lives here any more
	EventUnseal      Event = "unseal"       // server
	EventInherit     Event = "inherit"      // server: took over the accounts of a sealed machine
	EventDisinherit  Event = "disinherit"   // server
	EventClaim       Event = "claim"        // server
	EventStart       Event = "start"        // server
)

// Transition is one row of the table: in state From, Event leads to To if
// every guard holds. A row whose From and To are equal changes other fields or
// replays an earlier answer.
type Transition struct {
	From   State
	Event  Event
	To     State
	Guards []Guard
}

// Transitions returns the table of all changes that a record can undergo.
func Transitions() []Transition {
	t := slices.Clone(transitions)
	for i := range t {
		t[i].Guards = slices.Clone(t[i].Guards)
	}
	return t
}

// transitions is never written to. Seal and the claims are not in it: they
// change the server's record only.
var transitions = []Transition{
	{Unmanaged, EventPair, Active, pairGuards},
	{Active, EventPair, Active, pairGuards},
	{Active, EventUnpair, Active, []Guard{GuardTerm, GuardMigration, GuardSettled, GuardAuthentic, GuardFresh, GuardHarmless}},
	{Unmanaged, EventRetire, Retired, []Guard{GuardTerm, GuardEpoch}},
	{Active, EventRetire, Retired, []Guard{GuardTerm, GuardMigration, GuardSettled, GuardEpoch}},
	{Retired, EventRetire, Retired, []Guard{GuardTerm, GuardMigration, GuardEpoch}},

	{Active, EventFreeze, Frozen, []Guard{GuardTerm, GuardTokenTerm, GuardMigration, GuardSettled, GuardMachine, GuardEpoch, GuardUnvoided, GuardPaired, GuardLeaseLength}},
	{Frozen, EventFreeze, Frozen, []Guard{GuardTerm, GuardMachine, GuardEpoch, GuardToken, GuardLive, GuardLease}},
	{Frozen, EventClose, Frozen, []Guard{GuardToken, GuardLive, GuardLease}},
	{Frozen, EventRenew, Frozen, []Guard{GuardTerm, GuardToken, GuardLive, GuardLease}},
	{Frozen, EventThaw, Active, []Guard{GuardToken}},
	{Active, EventThaw, Active, nil},
	{Frozen, EventCommit, Moved, []Guard{GuardTerm, GuardMigration, GuardToken, GuardLive, GuardLease, GuardDoors, GuardReceipt}},
	{Moved, EventCommit, Moved, []Guard{GuardToken}},

	{Moved, EventConfirm, Moved, confirmGuards},
	{Staged, EventConfirm, Staged, confirmGuards},

	{Unmanaged, EventStage, Staged, []Guard{GuardTerm, GuardUnsealed, GuardAbsent, GuardPeer, GuardFits}},
	{Unknown, EventStage, Staged, []Guard{GuardTerm, GuardUnsealed, GuardPeer, GuardFits}},
	{Staged, EventStage, Staged, stageGuards},
	{Moved, EventStage, Staged, append(slices.Clip(stageGuards), GuardConfirmed)},
	{Staged, EventUnstage, Unknown, []Guard{GuardTerm, GuardMigration, GuardIdle, GuardUnconfirmed}},
	{Staged, EventUnstage, Moved, []Guard{GuardTerm, GuardMigration, GuardIdle, GuardConfirmed}},
	{Staged, EventStream, Staged, []Guard{GuardTerm, GuardMigration, GuardUnsealed, GuardOpen}},
	{Staged, EventPrepare, Prepared, []Guard{GuardTerm, GuardTokenTerm, GuardMigration, GuardUnsealed, GuardEpoch, GuardUnvoided, GuardBegun, GuardDrained}},
	{Prepared, EventPrepare, Prepared, []Guard{GuardToken, GuardEpoch, GuardDigest}},

	{Prepared, EventActivate, Active, []Guard{GuardAuthentic, GuardFresh, GuardToken, GuardSuccessor, GuardUnsealed}},
	{Prepared, EventVoid, Staged, []Guard{GuardAuthentic, GuardFresh, GuardToken, GuardSuccessor}},

	{Active, EventVerify, Active, []Guard{GuardAuthentic, GuardFresh}},
	{Active, EventFence, Active, []Guard{GuardAuthentic, GuardFresh}},
	{Active, EventSurrender, Moved, []Guard{GuardTerm, GuardMigration, GuardAuthentic, GuardFresh, GuardFenced}},
	{Active, EventAccept, Active, []Guard{GuardTerm, GuardMigration, GuardAuthentic, GuardFresh, GuardFenced, GuardYielded, GuardUnsealed}},
	{Prepared, EventAccept, Active, []Guard{GuardTerm, GuardMigration, GuardAuthentic, GuardFresh, GuardYielded, GuardUnsealed}},

	{Prepared, EventDeclareLost, Active, []Guard{GuardTerm, GuardMigration, GuardLostPeer, GuardUnsealed}},
	{Moved, EventDeclareLost, Active, []Guard{GuardTerm, GuardMigration, GuardLostPeer, GuardUnconfirmed, GuardUnsealed}},
	{Active, EventDeclareLost, Active, []Guard{GuardTerm, GuardMigration, GuardLostPeer, GuardUnfenced}},
	{Frozen, EventDeclareLost, Active, []Guard{GuardTerm, GuardMigration, GuardLostPeer}},

	{Frozen, EventAssist, Active, []Guard{GuardAuthentic, GuardCovered}},
	{Prepared, EventAssist, Staged, []Guard{GuardAuthentic, GuardCovered}},
	{Unreadable, EventAskRebuild, Unreadable, []Guard{GuardTerm, GuardPeer, GuardFits}},
	{Unreadable, EventRebuild, Active, []Guard{GuardAuthentic, GuardFresh, GuardUnsealed}},
	{Unreadable, EventRebuild, Staged, []Guard{GuardAuthentic, GuardFresh}},

	{Active, EventReintroduce, Active, reintroduceGuards},
	{Frozen, EventReintroduce, Frozen, reintroduceGuards},
	{Staged, EventReintroduce, Staged, reintroduceGuards},
	{Prepared, EventReintroduce, Prepared, reintroduceGuards},
	{Moved, EventReintroduce, Moved, reintroduceGuards},

	{Unknown, EventStub, Moved, []Guard{GuardTerm, GuardUnsealed, GuardReinstalled, GuardPeer, GuardFits}},
}

// Guard lists that several rows share, never written to.
var (
	pairGuards        = []Guard{GuardTerm, GuardAdopt, GuardUnsealed, GuardSettled, GuardEpoch, GuardPeer, GuardSamePeer, GuardFits}
	stageGuards       = []Guard{GuardTerm, GuardMigration, GuardUnsealed, GuardIdle, GuardMonotonic, GuardPeer, GuardSamePeer, GuardFits}
	reintroduceGuards = []Guard{GuardTerm, GuardMigration, GuardLostPeer, GuardPeer, GuardFits}
	confirmGuards     = []Guard{GuardAuthentic, GuardFresh, GuardSeenOwner}
)

// find returns the row for a change, or nil.
func (k *Keeper) find(from State, event Event, to State) *Transition {
	for i := range transitions {
		if t := &transitions[i]; t.From == from && t.Event == event && t.To == to {
			return t
		}
	}
	for i := range k.mutant.extra {
		if t := &k.mutant.extra[i]; t.From == from && t.Event == event && t.To == to {
			return t
		}
	}
	return nil
}

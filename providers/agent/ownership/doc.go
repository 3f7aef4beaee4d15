// Package ownership decides which server an account is active on: one record
// per account and server, changed only by the rows of one table. It is the
// part of Stopover that must never be wrong, and so it knows nothing of files of
// accounts, databases, doors or networks. The agent around it closes doors,
// copies data and carries messages; the Keeper says what may be done, and has it
// on stable storage before it says so.
//
// # Use
//
// An agent takes the lock that lets only one of it run, opens a FileDisk, opens
// a Keeper on it and does what StartActions say. After that:
//
//   - It opens an account's doors only while Serves holds, and asks Serves again
//     after every change.
//   - Every few seconds it thaws what Lapsed names, polls for what is prepared
//     (Ask, the peer's Poll, Learn), asks for what waits after a reboot (Ask, the
//     peer's Tell, AnswerPeer), and confirms what moved (Ask, Tell, Confirm).
//   - Each write of data passes a Stream.
//
// A run of the tool claims its servers in the order of their machine
// identities, passing on the highest term that it was given, and goes round
// again until all have the same term: tokens are compared on both sides. Then,
// for each account: Stage at the receiver, and after it Pair at the owner (an
// owner that is paired has to ask its peer after a reboot, and only a peer with
// a record can answer); Freeze, wait for DoorsClosed, sync, PrepareBegin, Prepare,
// Commit. Anything else than success before the commit is answered by Thaw.
// A lost record is rebuilt with Reintroduce at the peer and AskRebuild here (both
// with one new credential), the peer's Assist, and Rebuild.
// After DeclareLost, Surrender, Accept and Rebuild all tokens of the claim are
// void: a further cutover begins with a new claim, or with the same nonce and a
// higher atLeast.
//
// Every method may be repeated, with the same result. An order that is refused
// returns a *Refusal, which names the guard; nothing was changed then. Another
// error means that the disk failed: the order may or may not be found at the
// next start, and the memory of this instance stays at the old record, which is
// safe with both.
//
// # States
//
//	unmanaged   no record, on a server known since the beginning: serves, epoch 0
//	active      owner at its epoch: serves, unless it is fenced or waits for its peer
//	frozen      owner, held still by one live instance for one token
//	staged      a copy being prepared; the epoch is that of the owner it is read from
//	prepared    complete, one epoch above the owner; waits for the origin's word
//	moved       was owner; passes traffic on
//	retired     stopped by a disposition
//	unknown     nothing is known here: never active
//	unreadable  the record is lost: never active; rebuilt from the peer only
//
// An owner that was started on a new boot and has a peer waits until the peer
// has answered (the record remembers under which boot it was last known to be
// the newest). An owner whose record turned out to be an old one is fenced.
//
// # Transitions
//
// From, event, to, guards. Besides these, every order needs a readable record.
//
//	unmanaged   pair          active      term adopt unsealed settled epoch peer same-peer fits
//	active      pair          active      term adopt unsealed settled epoch peer same-peer fits
//	active      unpair        active      term migration settled authentic fresh harmless
//	unmanaged   retire        retired     term epoch
//	active      retire        retired     term migration settled epoch
//	retired     retire        retired     term migration epoch
//	active      freeze        frozen      term token-term migration settled machine epoch unvoided paired lease-length
//	frozen      freeze        frozen      term machine epoch token live lease
//	frozen      close         frozen      token live lease
//	frozen      renew         frozen      term token live lease
//	frozen      thaw          active      token
//	active      thaw          active
//	frozen      commit        moved       term migration token live lease doors receipt
//	moved       commit        moved       token
//	moved       confirm       moved       authentic fresh seen-owner
//	staged      confirm       staged      authentic fresh seen-owner
//	unmanaged   stage         staged      term unsealed absent peer fits
//	unknown     stage         staged      term unsealed peer fits
//	staged      stage         staged      term migration unsealed idle monotonic peer same-peer fits
//	moved       stage         staged      term migration unsealed idle monotonic peer same-peer fits confirmed
//	staged      unstage       unknown     term migration idle unconfirmed
//	staged      unstage       moved       term migration idle confirmed
//	staged      stream        staged      term migration unsealed open
//	staged      prepare       prepared    term token-term migration unsealed epoch unvoided begun drained
//	prepared    prepare       prepared    token epoch digest
//	prepared    activate      active      authentic fresh token successor unsealed
//	prepared    void          staged      authentic fresh token successor
//	active      verify        active      authentic fresh
//	active      fence         active      authentic fresh
//	active      surrender     moved       term migration authentic fresh fenced
//	active      accept        active      term migration authentic fresh fenced yielded unsealed
//	prepared    accept        active      term migration authentic fresh yielded unsealed
//	prepared    declare-lost  active      term migration lost-peer unsealed
//	moved       declare-lost  active      term migration lost-peer unconfirmed unsealed
//	active      declare-lost  active      term migration lost-peer unfenced
//	frozen      declare-lost  active      term migration lost-peer
//	frozen      assist        active      authentic covered
//	prepared    assist        staged      authentic covered
//	unreadable  ask-rebuild   unreadable  term peer fits
//	unreadable  rebuild       active      authentic fresh unsealed
//	unreadable  rebuild       staged      authentic fresh
//	active      reintroduce   active      term migration lost-peer peer fits
//	frozen      reintroduce   frozen      term migration lost-peer peer fits
//	staged      reintroduce   staged      term migration lost-peer peer fits
//	prepared    reintroduce   prepared    term migration lost-peer peer fits
//	moved       reintroduce   moved       term migration lost-peer peer fits
//	unknown     stub          moved       term unsealed reinstalled peer fits
//
// On the server's record: Claim (newest nonce), Seal (term, machine, member,
// idle, empty, epoch), Unseal and CheckOrder (number), Inherit, Disinherit.
//
// # Guards
//
//	state         the table has no such row
//	readable      the account's record was read
//	server        the server's own record was read
//	term          the caller holds the newest claim
//	token-term    the token was made by that claim
//	migration     the claim and the record belong to one migration
//	adopt         as migration, but an unpaired record may change hands
//	machine       the order was meant for this machine (F1)
//	epoch         the order was meant for this epoch (F1)
//	token         the record is about this very token
//	unvoided      the token is above the mark (F1)
//	paired        a receiver is known
//	lease-length  the lease is neither nothing nor for ever
//	live          this instance, in this boot, froze it
//	lease         the lease has not lapsed
//	doors         closing is complete, and no door opened since (F6)
//	receipt       the peer prepared exactly this
//	unsealed      the server is not about to be wiped (F5)
//	peer          the peer is another machine, neither lost nor sealed
//	same-peer     no change of peer while the old one may hold a copy
//	fits          the record fits its slot, whatever follows
//	settled       no question to the peer is open, and not fenced (F11)
//	fenced        is fenced
//	unfenced      is not fenced
//	confirmed     the peer was seen to own the account (F4)
//	unconfirmed   the peer was never seen to own the account (F9)
//	monotonic     a staged epoch never decreases
//	idle          no stream and no prepare is under way
//	open          no prepare is under way (F7)
//	begun         this prepare was begun, and nothing was accepted since (F7)
//	drained       every stream has ended (F7)
//	digest        a replay says the same as the first time
//	authentic     signed by the peer of the record
//	fresh         answers the newest question
//	successor     the origin's epoch is the one this copy was prepared against
//	seen-owner    the peer says that it owns or owned the account since (F4)
//	yielded       the peer has passed the account on to here
//	harmless      the peer holds nothing that could be activated
//	lost-peer     the machine named is the peer (F9)
//	covered       the token is one that the asker's new record voids (F12)
//	absent        the agent has just seen that the system has no such account
//	reinstalled   this server has no accounts from before Stopover
//	member        the account lives here or is known here
//	empty         every account is gone from here for certain (F5)
//	number        names the current seal
//
// # What is on disk
//
// Each record has two slots of fixed size, made in full when the record is made,
// so that no full disk can stop a thaw. A record is written to one slot, synced,
// and then to the other: at rest both hold the newest one, and the loss of
// either brings no old one back. A record that could outgrow its slot is refused
// when it is paired or staged. What is found at start is written again before
// anything is said about it, because its writer may have been killed between
// writing and syncing.
//
// # Where this is stricter than PROTOCOL.md
//
//   - Settling at start, as above: without it, a commit that a killed agent left
//     unsynced is told to the receiver and then taken back by a power loss.
//   - Rebuilding (F12) begins by writing over both slots that the record is lost,
//     with the mark that will void all tokens so far; the question to the peer
//     carries that mark and the peer voids nothing above it. Else a late copy of
//     the question voids the token of a later cutover that the origin commits,
//     and nobody is owner; and a slot that becomes readable again brings back a
//     record whose token the peer has voided.
//   - A prepared copy that tells its peer so (Tell) no longer takes an answer that
//     was on its way: an origin restored from a snapshot opens on that word.
//   - An origin that has seen the receiver own the account does not tell it to
//     activate a second time: such a receiver came back from a snapshot, and
//     would go on from old data. An operator may Accept that.
//   - A staged peer with a higher epoch fences an owner as well.
//   - Receipts, questions and answers are signed by the pairing credential.
//   - A pairing that is renewed keeps the credentials before it: the two sides
//     cannot change theirs at the same moment.
//   - A copy that was given up keeps a record (unknown): its peer can still ask.
//
// # How it is tested
//
// TestRows takes every row of the table and lets every guard refuse.
// TestExplore visits all worlds that follow from some twenty scenarios: two
// servers, runs of the tool, clients, doors, and agents that are killed before,
// within and after each disk write, reboots, power losses, failing disks, lost
// and doubled orders and answers, forged answers, old snapshots, lost records, a
// dead server, and a tool that gives its orders in any order. After every step
// there is one owner or pending owner, at most one open door, and no
// acknowledged write is missing; from a sample of worlds the agents alone, with
// tools and faults stopped, get the account served again.
// STOPOVER_EXPLORE_STATES above 60000 (worlds for each scenario) explores more
// faults, STOPOVER_EXPLORE_DEPTH bounds the steps. TestMutantsAreCaught breaks
// one rule at a time and expects an exploration to notice; what none can notice
// is listed with the reason.
package ownership

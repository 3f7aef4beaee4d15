package ownership

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// rowCase is one row of the table taken, or refused by one of its guards.
type rowCase struct {
	from  State
	event Event
	to    State
	guard Guard // "": the event happens
	do    func(r *rig) error
}

// stuck starts server 0 with a disk that fails when the frozen account is to be
// thawed.
func (r *rig) stuck() {
	r.disk[0].writes, r.disk[0].at, r.disk[0].fault = 0, 2, errBefore
	r.start(0)
	r.disk[0].fault = noFault
}

func (r *rig) pair(term, epoch uint64, p Peer) error { return r.k[0].Pair(term, "shop", epoch, p) }

func (r *rig) stage(x int, term, epoch uint64) error {
	return r.k[x].Stage(term, "shop", epoch, r.peer(1-x))
}

// otherMigration takes the claims of both servers over for another migration.
func (r *rig) otherMigration() {
	r.t.Helper()
	for range 2 {
		for x := range r.k {
			term, err := r.k[x].Claim("autumn", "other", r.term)
			r.ok(err)
			r.term = term
		}
	}
}

func big() Peer {
	return Peer{Machine: "m1", Credential: "c", Front: strings.Repeat("f", SlotSize)}
}

func TestRows(t *testing.T) {
	type verdict struct {
		from  State
		event Event
		to    State
		by    Guard
	}
	seen := map[verdict]bool{}
	cases := slices.Concat(ownerRows(), receiverRows(), questionRows(), lostRows(), stubRows())
	for _, c := range cases {
		name := fmt.Sprintf("%s %s %s/%s", c.from, c.event, c.to, c.guard)
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			hit := false
			r.seen = func(from State, event Event, to State, by Guard) {
				seen[verdict{from, event, to, by}] = true
				hit = hit || from == c.from && event == c.event && to == c.to && by == c.guard
			}
			for x := range r.k {
				r.k[x].mutant.seen = r.seen
			}
			err := c.do(r)
			if got := RefusedBy(err); got != c.guard || got == "" && err != nil {
				t.Fatalf("refused by %q, want %q: %v", got, c.guard, err)
			}
			if err != nil && !strings.Contains(err.Error(), "shop") {
				t.Errorf("the refusal does not name the account: %v", err)
			}
			if !hit {
				t.Error("the row was not used")
			}
		})
	}
	for _, row := range Transitions() {
		for _, g := range append([]Guard{""}, row.Guards...) {
			v := verdict{row.From, row.Event, row.To, g}
			why, exempt := unreachable()[fmt.Sprintf("%s %s %s %s", v.from, v.event, v.to, v.by)]
			if !seen[v] && !exempt {
				t.Errorf("no case for %s %s %s, guard %q", v.from, v.event, v.to, v.by)
			}
			if seen[v] && exempt {
				t.Errorf("%v is said to be unreachable (%s) and was reached", v, why)
			}
		}
	}
}

// unreachable lists guards that cannot refuse in a row that shares its list
// with others, with the reason.
func unreachable() map[string]string {
	return map[string]string{
		"unmanaged pair active adopt":        "no record, so no migration",
		"unmanaged pair active settled":      "no record, so no peer to ask",
		"unmanaged pair active same-peer":    "no record, so no peer",
		"staged unstage unknown unconfirmed": "Unstage chooses between the two rows by it",
		"staged unstage moved confirmed":     "Unstage chooses between the two rows by it",
		"frozen assist active authentic":     "every question is checked before the table is asked: TestQuestionsAreChecked",
		"prepared assist staged authentic":   "every question is checked before the table is asked: TestQuestionsAreChecked",
	}
}

func ownerRows() []rowCase {
	freeze := func(change func(r *rig, term *uint64, token *Token, machine *string, epoch *uint64, l *time.Duration)) func(*rig) error {
		return func(r *rig) error {
			r.staged(1)
			r.n++
			term, token, machine, epoch, l := r.term, r.token(), "m0", uint64(0), lease
			change(r, &term, &token, &machine, &epoch, &l)
			return r.k[0].Freeze(term, "shop", token, machine, epoch, l)
		}
	}
	again := func(change func(r *rig, term *uint64, token *Token, machine *string, epoch *uint64)) func(*rig) error {
		return func(r *rig) error {
			r.frozen(1)
			term, token, machine, epoch := r.term, r.token(), "m0", uint64(0)
			change(r, &term, &token, &machine, &epoch)
			return r.k[0].Freeze(term, "shop", token, machine, epoch, lease)
		}
	}
	commit := func(change func(r *rig, term *uint64, token *Token, rc *Receipt)) func(*rig) error {
		return func(r *rig) error {
			rc := r.prepared(1)
			term, token := r.term, r.token()
			change(r, &term, &token, &rc)
			_, err := r.k[0].Commit(term, "shop", token, rc)
			return err
		}
	}
	renew := func(term uint64, change func(r *rig, token *Token)) func(*rig) error {
		return func(r *rig) error {
			r.frozen(1)
			token := r.token()
			change(r, &token)
			return r.k[0].Renew(r.term+term, "shop", token)
		}
	}
	closeDoors := func(change func(r *rig, token *Token)) func(*rig) error {
		return func(r *rig) error {
			r.frozen(1)
			token := r.token()
			change(r, &token)
			return r.k[0].DoorsClosed("shop", token)
		}
	}
	none := func(*rig, *Token) {}
	lapse := func(r *rig, _ *Token) { r.clock += lease }
	stuck := func(r *rig, _ *Token) { r.stuck() }
	wrong := func(_ *rig, token *Token) { token.N++ }
	retire := func(r *rig, term, epoch uint64) error { return r.k[0].Retire(term, "shop", epoch) }

	return []rowCase{
		{Unmanaged, EventPair, Active, "", func(r *rig) error { return r.pair(r.term, 0, r.peer(1)) }},
		{Unmanaged, EventPair, Active, GuardTerm, func(r *rig) error { return r.pair(r.term-1, 0, r.peer(1)) }},
		{Unmanaged, EventPair, Active, GuardUnsealed, func(r *rig) error { r.sealFlag(0); return r.pair(r.term, 0, r.peer(1)) }},
		{Unmanaged, EventPair, Active, GuardEpoch, func(r *rig) error { return r.pair(r.term, 1, r.peer(1)) }},
		{Unmanaged, EventPair, Active, GuardPeer, func(r *rig) error { return r.pair(r.term, 0, r.peer(0)) }},
		{Unmanaged, EventPair, Active, GuardFits, func(r *rig) error { return r.pair(r.term, 0, big()) }},

		{Active, EventPair, Active, "", func(r *rig) error { r.staged(1); return r.pair(r.term, 0, r.peer(1)) }},
		{Active, EventPair, Active, GuardTerm, func(r *rig) error { r.staged(1); return r.pair(r.term+1, 0, r.peer(1)) }},
		{Active, EventPair, Active, GuardAdopt, func(r *rig) error { r.staged(1); r.otherMigration(); return r.pair(r.term, 0, r.peer(1)) }},
		{Active, EventPair, Active, GuardUnsealed, func(r *rig) error { r.staged(1); r.sealFlag(0); return r.pair(r.term, 0, r.peer(1)) }},
		{Active, EventPair, Active, GuardSettled, func(r *rig) error { r.staged(1); r.reboot(0); return r.pair(r.term, 0, r.peer(1)) }},
		{Active, EventPair, Active, GuardEpoch, func(r *rig) error { r.staged(1); return r.pair(r.term, 1, r.peer(1)) }},
		{Active, EventPair, Active, GuardPeer, func(r *rig) error { r.staged(1); return r.pair(r.term, 0, Peer{Machine: "m1"}) }},
		{Active, EventPair, Active, GuardSamePeer, func(r *rig) error {
			r.staged(1)
			return r.pair(r.term, 0, Peer{Machine: "m2", Credential: "c"})
		}},
		{Active, EventPair, Active, GuardFits, func(r *rig) error { r.staged(1); return r.pair(r.term, 0, big()) }},

		{Active, EventUnpair, Active, "", func(r *rig) error { r.confirmed(1); return r.k[1].Unpair(r.term, "shop", r.tell(1)) }},
		{Active, EventUnpair, Active, GuardTerm, func(r *rig) error { r.confirmed(1); return r.k[1].Unpair(r.term+1, "shop", r.tell(1)) }},
		{Active, EventUnpair, Active, GuardMigration, func(r *rig) error {
			r.confirmed(1)
			r.otherMigration()
			return r.k[1].Unpair(r.term, "shop", r.tell(1))
		}},
		{Active, EventUnpair, Active, GuardSettled, func(r *rig) error { r.confirmed(1); r.reboot(1); return r.k[1].Unpair(r.term, "shop", r.tell(1)) }},
		{Active, EventUnpair, Active, GuardAuthentic, func(r *rig) error {
			r.confirmed(1)
			a := r.tell(1)
			a.Epoch++
			return r.k[1].Unpair(r.term, "shop", a)
		}},
		{Active, EventUnpair, Active, GuardFresh, func(r *rig) error {
			r.confirmed(1)
			a := r.tell(1)
			r.tell(1)
			return r.k[1].Unpair(r.term, "shop", a)
		}},
		{Active, EventUnpair, Active, GuardHarmless, func(r *rig) error { r.active(1); return r.k[1].Unpair(r.term, "shop", r.tell(1)) }},

		{Unmanaged, EventRetire, Retired, "", func(r *rig) error { return retire(r, r.term, 0) }},
		{Unmanaged, EventRetire, Retired, GuardTerm, func(r *rig) error { return retire(r, r.term-1, 0) }},
		{Unmanaged, EventRetire, Retired, GuardEpoch, func(r *rig) error { return retire(r, r.term, 1) }},
		{Active, EventRetire, Retired, "", func(r *rig) error { r.staged(1); return retire(r, r.term, 0) }},
		{Active, EventRetire, Retired, GuardTerm, func(r *rig) error { r.staged(1); return retire(r, r.term-1, 0) }},
		{Active, EventRetire, Retired, GuardMigration, func(r *rig) error { r.staged(1); r.otherMigration(); return retire(r, r.term, 0) }},
		{Active, EventRetire, Retired, GuardSettled, func(r *rig) error { r.staged(1); r.reboot(0); return retire(r, r.term, 0) }},
		{Active, EventRetire, Retired, GuardEpoch, func(r *rig) error { r.staged(1); return retire(r, r.term, 1) }},
		{Retired, EventRetire, Retired, "", func(r *rig) error { r.ok(retire(r, r.term, 0)); return retire(r, r.term, 0) }},
		{Retired, EventRetire, Retired, GuardTerm, func(r *rig) error { r.ok(retire(r, r.term, 0)); return retire(r, r.term+1, 0) }},
		{Retired, EventRetire, Retired, GuardMigration, func(r *rig) error { r.ok(retire(r, r.term, 0)); r.otherMigration(); return retire(r, r.term, 0) }},
		{Retired, EventRetire, Retired, GuardEpoch, func(r *rig) error { r.ok(retire(r, r.term, 0)); return retire(r, r.term, 1) }},

		{Active, EventFreeze, Frozen, "", freeze(func(*rig, *uint64, *Token, *string, *uint64, *time.Duration) {})},
		{Active, EventFreeze, Frozen, GuardTerm, freeze(func(_ *rig, term *uint64, _ *Token, _ *string, _ *uint64, _ *time.Duration) { *term++ })},
		{Active, EventFreeze, Frozen, GuardTokenTerm, freeze(func(_ *rig, _ *uint64, token *Token, _ *string, _ *uint64, _ *time.Duration) { token.Term++ })},
		{Active, EventFreeze, Frozen, GuardMigration, freeze(func(r *rig, term *uint64, token *Token, _ *string, _ *uint64, _ *time.Duration) {
			r.otherMigration()
			*term, token.Term = r.term, r.term
		})},
		{Active, EventFreeze, Frozen, GuardSettled, freeze(func(r *rig, _ *uint64, _ *Token, _ *string, _ *uint64, _ *time.Duration) { r.reboot(0) })},
		{Active, EventFreeze, Frozen, GuardMachine, freeze(func(_ *rig, _ *uint64, _ *Token, machine *string, _ *uint64, _ *time.Duration) { *machine = "m1" })},
		{Active, EventFreeze, Frozen, GuardEpoch, freeze(func(_ *rig, _ *uint64, _ *Token, _ *string, epoch *uint64, _ *time.Duration) { *epoch++ })},
		{Active, EventFreeze, Frozen, GuardUnvoided, freeze(func(r *rig, _ *uint64, token *Token, _ *string, _ *uint64, _ *time.Duration) {
			r.ok(r.k[0].Thaw("shop", *token, "late freeze"))
		})},
		{Active, EventFreeze, Frozen, GuardPaired, func(r *rig) error {
			r.staged(1)
			r.ok(r.k[1].Unstage(r.term, "shop"))
			r.ok(r.k[0].Unpair(r.term, "shop", r.tell(0)))
			r.n++
			return r.freeze(0)
		}},
		{Active, EventFreeze, Frozen, GuardLeaseLength, freeze(func(_ *rig, _ *uint64, _ *Token, _ *string, _ *uint64, l *time.Duration) { *l = 0 })},

		{Frozen, EventFreeze, Frozen, "", again(func(*rig, *uint64, *Token, *string, *uint64) {})},
		{Frozen, EventFreeze, Frozen, GuardTerm, again(func(_ *rig, term *uint64, _ *Token, _ *string, _ *uint64) { *term++ })},
		{Frozen, EventFreeze, Frozen, GuardMachine, again(func(_ *rig, _ *uint64, _ *Token, machine *string, _ *uint64) { *machine = "m1" })},
		{Frozen, EventFreeze, Frozen, GuardEpoch, again(func(_ *rig, _ *uint64, _ *Token, _ *string, epoch *uint64) { *epoch++ })},
		{Frozen, EventFreeze, Frozen, GuardToken, again(func(_ *rig, _ *uint64, token *Token, _ *string, _ *uint64) { token.N++ })},
		{Frozen, EventFreeze, Frozen, GuardLive, again(func(r *rig, _ *uint64, _ *Token, _ *string, _ *uint64) { r.stuck() })},
		{Frozen, EventFreeze, Frozen, GuardLease, again(func(r *rig, _ *uint64, _ *Token, _ *string, _ *uint64) { r.clock += lease })},

		{Frozen, EventClose, Frozen, "", closeDoors(none)},
		{Frozen, EventClose, Frozen, GuardToken, closeDoors(wrong)},
		{Frozen, EventClose, Frozen, GuardLive, closeDoors(stuck)},
		{Frozen, EventClose, Frozen, GuardLease, closeDoors(lapse)},
		{Frozen, EventRenew, Frozen, "", renew(0, func(r *rig, _ *Token) { r.clock += lease - 1 })},
		{Frozen, EventRenew, Frozen, GuardTerm, renew(1, none)},
		{Frozen, EventRenew, Frozen, GuardToken, renew(0, wrong)},
		{Frozen, EventRenew, Frozen, GuardLive, renew(0, stuck)},
		{Frozen, EventRenew, Frozen, GuardLease, renew(0, lapse)},

		{Frozen, EventThaw, Active, "", func(r *rig) error { r.frozen(1); return r.k[0].Thaw("shop", r.token(), "test") }},
		{Frozen, EventThaw, Active, GuardToken, func(r *rig) error { r.frozen(1); return r.k[0].Thaw("shop", Token{r.term, 99}, "test") }},
		{Active, EventThaw, Active, "", func(r *rig) error { r.staged(1); return r.k[0].Thaw("shop", Token{r.term, 99}, "test") }},

		{Frozen, EventCommit, Moved, "", commit(func(*rig, *uint64, *Token, *Receipt) {})},
		{Frozen, EventCommit, Moved, GuardTerm, commit(func(_ *rig, term *uint64, _ *Token, _ *Receipt) { *term++ })},
		{Frozen, EventCommit, Moved, GuardMigration, commit(func(r *rig, term *uint64, _ *Token, _ *Receipt) { r.otherMigration(); *term = r.term })},
		{Frozen, EventCommit, Moved, GuardToken, commit(func(_ *rig, _ *uint64, token *Token, _ *Receipt) { token.N++ })},
		{Frozen, EventCommit, Moved, GuardLive, commit(func(r *rig, _ *uint64, _ *Token, _ *Receipt) { r.stuck() })},
		{Frozen, EventCommit, Moved, GuardLease, commit(func(r *rig, _ *uint64, _ *Token, _ *Receipt) { r.clock += lease })},
		{Frozen, EventCommit, Moved, GuardDoors, commit(func(r *rig, _ *uint64, _ *Token, _ *Receipt) { r.k[0].accounts["shop"].closed = false })},
		{Frozen, EventCommit, Moved, GuardReceipt, commit(func(_ *rig, _ *uint64, _ *Token, rc *Receipt) { rc.Digest = "x" })},
		{Moved, EventCommit, Moved, "", func(r *rig) error {
			rc := r.prepared(1)
			first, err := r.k[0].Commit(r.term, "shop", r.token(), rc)
			r.ok(err)
			again, err := r.k[0].Commit(r.term+7, "shop", r.token(), Receipt{})
			if again != first || first.Epoch != 1 || first.Peer.Machine != "m1" || first.Peer.Credential != "" {
				r.t.Errorf("commit answered %+v, then %+v", first, again)
			}
			return err
		}},
		{Moved, EventCommit, Moved, GuardToken, func(r *rig) error {
			r.moved(1)
			_, err := r.k[0].Commit(r.term, "shop", Token{r.term, 99}, Receipt{})
			return err
		}},
	}
}

func receiverRows() []rowCase {
	prepare := func(change func(r *rig, term *uint64, token *Token, epoch *uint64)) func(*rig) error {
		return func(r *rig) error {
			r.frozen(1)
			r.ok(r.k[1].PrepareBegin(r.term, "shop", r.token(), 0))
			term, token, epoch := r.term, r.token(), uint64(0)
			change(r, &term, &token, &epoch)
			_, err := r.k[1].Prepare(term, "shop", token, epoch, "digest")
			return err
		}
	}
	stream := func(before func(*rig), plus uint64) func(*rig) error {
		return func(r *rig) error {
			r.staged(1)
			before(r)
			_, err := r.k[1].Stream(r.term+plus, "shop")
			return err
		}
	}
	begin := func(r *rig) { r.n++; r.ok(r.k[1].PrepareBegin(r.term, "shop", r.token(), 0)) }
	// On server 0, known since the beginning, an account that does not exist.
	onto := func(term uint64, p Peer) func(*rig) error {
		return func(r *rig) error {
			p := p
			if p.Machine == "" {
				p.Machine = r.peer(1).Machine
			}
			if p.Credential == "same" {
				p = r.peer(1)
			}
			return r.k[0].StageNew(r.term+term, "shop", 0, p)
		}
	}
	rows := []rowCase{
		{Unmanaged, EventStage, Staged, "", onto(0, Peer{Credential: "same"})},
		{Unmanaged, EventStage, Staged, GuardTerm, onto(1, Peer{Credential: "same"})},
		{Unmanaged, EventStage, Staged, GuardUnsealed, func(r *rig) error { r.sealFlag(0); return onto(0, Peer{Credential: "same"})(r) }},
		{Unmanaged, EventStage, Staged, GuardAbsent, func(r *rig) error { return r.stage(0, r.term, 0) }},
		{Unmanaged, EventStage, Staged, GuardPeer, onto(0, Peer{})},
		{Unmanaged, EventStage, Staged, GuardFits, onto(0, big())},
	}
	for _, from := range []State{Unknown, Staged, Moved} {
		set := map[State]func(*rig) int{
			Unknown: func(*rig) int { return 1 },
			Staged:  func(r *rig) int { r.staged(1); return 1 },
			Moved:   func(r *rig) int { r.confirmed(1); return 0 },
		}[from]
		rows = append(rows,
			rowCase{from, EventStage, Staged, "", func(r *rig) error { x := set(r); return r.stage(x, r.term, r.rec(1-x).Epoch) }},
			rowCase{from, EventStage, Staged, GuardTerm, func(r *rig) error { x := set(r); return r.stage(x, r.term+1, r.rec(1-x).Epoch) }},
			rowCase{from, EventStage, Staged, GuardUnsealed, func(r *rig) error {
				x := set(r)
				r.sealFlag(x)
				return r.stage(x, r.term, r.rec(1-x).Epoch)
			}},
			rowCase{from, EventStage, Staged, GuardPeer, func(r *rig) error {
				x := set(r)
				return r.k[x].Stage(r.term, "shop", r.rec(1-x).Epoch, Peer{Machine: r.peer(1 - x).Machine})
			}},
			rowCase{from, EventStage, Staged, GuardFits, func(r *rig) error {
				x := set(r)
				p := big()
				p.Machine = r.peer(1 - x).Machine
				return r.k[x].Stage(r.term, "shop", r.rec(1-x).Epoch, p)
			}},
		)
		if from == Unknown {
			continue
		}
		rows = append(rows,
			rowCase{from, EventStage, Staged, GuardMigration, func(r *rig) error { x := set(r); r.otherMigration(); return r.stage(x, r.term, 1) }},
			rowCase{from, EventStage, Staged, GuardSamePeer, func(r *rig) error {
				return r.k[set(r)].Stage(r.term, "shop", 1, Peer{Machine: "m7", Credential: "c"})
			}},
			rowCase{from, EventStage, Staged, GuardMonotonic, func(r *rig) error {
				x := set(r)
				if from == Staged {
					r.ok(r.stage(x, r.term, 5))
				}
				return r.stage(x, r.term, 0)
			}},
			rowCase{from, EventStage, Staged, GuardIdle, func(r *rig) error {
				x := set(r)
				r.k[x].accounts["shop"].preparing = Token{1, 1}
				return r.stage(x, r.term, r.rec(1-x).Epoch)
			}},
		)
	}
	return append(rows,
		rowCase{Moved, EventStage, Staged, GuardConfirmed, func(r *rig) error { r.active(1); return r.stage(0, r.term, 1) }},

		rowCase{Staged, EventUnstage, Unknown, "", func(r *rig) error { r.staged(1); return r.k[1].Unstage(r.term, "shop") }},
		rowCase{Staged, EventUnstage, Unknown, GuardTerm, func(r *rig) error { r.staged(1); return r.k[1].Unstage(r.term+1, "shop") }},
		rowCase{Staged, EventUnstage, Unknown, GuardMigration, func(r *rig) error { r.staged(1); r.otherMigration(); return r.k[1].Unstage(r.term, "shop") }},
		rowCase{Staged, EventUnstage, Unknown, GuardIdle, func(r *rig) error { r.staged(1); begin(r); return r.k[1].Unstage(r.term, "shop") }},
		rowCase{Staged, EventUnstage, Moved, "", func(r *rig) error { r.confirmed(1); r.staged(0); return r.k[0].Unstage(r.term, "shop") }},
		rowCase{Staged, EventUnstage, Moved, GuardTerm, func(r *rig) error { r.confirmed(1); r.staged(0); return r.k[0].Unstage(r.term+1, "shop") }},
		rowCase{Staged, EventUnstage, Moved, GuardMigration, func(r *rig) error {
			r.confirmed(1)
			r.staged(0)
			r.otherMigration()
			return r.k[0].Unstage(r.term, "shop")
		}},
		rowCase{Staged, EventUnstage, Moved, GuardIdle, func(r *rig) error {
			r.confirmed(1)
			r.staged(0)
			_, err := r.k[0].Stream(r.term, "shop")
			r.ok(err)
			return r.k[0].Unstage(r.term, "shop")
		}},

		rowCase{Staged, EventStream, Staged, "", stream(func(*rig) {}, 0)},
		rowCase{Staged, EventStream, Staged, GuardTerm, stream(func(*rig) {}, 1)},
		rowCase{Staged, EventStream, Staged, GuardMigration, stream(func(r *rig) { r.otherMigration() }, 0)},
		rowCase{Staged, EventStream, Staged, GuardUnsealed, stream(func(r *rig) { r.sealFlag(1) }, 0)},
		rowCase{Staged, EventStream, Staged, GuardOpen, stream(begin, 0)},

		rowCase{Staged, EventPrepare, Prepared, "", prepare(func(*rig, *uint64, *Token, *uint64) {})},
		rowCase{Staged, EventPrepare, Prepared, GuardTerm, prepare(func(r *rig, _ *uint64, _ *Token, _ *uint64) { r.claim("another run") })},
		rowCase{Staged, EventPrepare, Prepared, GuardTokenTerm, prepare(func(_ *rig, _ *uint64, token *Token, _ *uint64) { token.Term-- })},
		rowCase{Staged, EventPrepare, Prepared, GuardMigration, prepare(func(r *rig, term *uint64, token *Token, _ *uint64) {
			r.otherMigration()
			*term, token.Term = r.term, r.term
		})},
		rowCase{Staged, EventPrepare, Prepared, GuardUnsealed, prepare(func(r *rig, _ *uint64, _ *Token, _ *uint64) { r.sealFlag(1) })},
		rowCase{Staged, EventPrepare, Prepared, GuardEpoch, prepare(func(_ *rig, _ *uint64, _ *Token, epoch *uint64) { *epoch++ })},
		rowCase{Staged, EventPrepare, Prepared, GuardUnvoided, func(r *rig) error {
			r.prepared(1)
			r.ok(r.k[0].Thaw("shop", r.token(), "test"))
			_, err := r.k[1].Learn("shop", r.poll(1))
			r.ok(err)
			_, err = r.k[1].Prepare(r.term, "shop", r.token(), 0, "digest")
			return err
		}},
		rowCase{Staged, EventPrepare, Prepared, GuardBegun, prepare(func(r *rig, _ *uint64, token *Token, _ *uint64) { r.k[1].PrepareCancel("shop", *token) })},
		rowCase{Staged, EventPrepare, Prepared, GuardDrained, func(r *rig) error {
			r.frozen(1)
			s, err := r.k[1].Stream(r.term, "shop")
			r.ok(err)
			r.ok(s.Check())
			r.ok(r.k[1].PrepareBegin(r.term, "shop", r.token(), 0))
			select {
			case <-s.Done():
			default:
				r.t.Error("the stream was not told to end")
			}
			if !errors.Is(s.Check(), ErrCancelled) {
				r.t.Error("the stream may go on writing")
			}
			_, err = r.k[1].Prepare(r.term, "shop", r.token(), 0, "digest")
			s.Close()
			s.Close()
			_, again := r.k[1].Prepare(r.term, "shop", r.token(), 0, "digest")
			r.ok(again)
			return err
		}},
		rowCase{Prepared, EventPrepare, Prepared, "", func(r *rig) error {
			rc := r.prepared(1)
			r.ok(r.k[1].PrepareBegin(r.term, "shop", r.token(), 0))
			again, err := r.k[1].Prepare(r.term, "shop", r.token(), 0, "digest")
			if fmt.Sprint(again) != fmt.Sprint(rc) {
				r.t.Errorf("receipts differ: %v and %v", rc, again)
			}
			return err
		}},
		rowCase{Prepared, EventPrepare, Prepared, GuardToken, func(r *rig) error {
			r.prepared(1)
			_, err := r.k[1].Prepare(r.term, "shop", Token{r.term, 99}, 0, "digest")
			return err
		}},
		rowCase{Prepared, EventPrepare, Prepared, GuardEpoch, func(r *rig) error {
			r.prepared(1)
			_, err := r.k[1].Prepare(r.term, "shop", r.token(), 1, "digest")
			return err
		}},
		rowCase{Prepared, EventPrepare, Prepared, GuardDigest, func(r *rig) error {
			r.prepared(1)
			_, err := r.k[1].Prepare(r.term, "shop", r.token(), 0, "other")
			return err
		}},
	)
}

func questionRows() []rowCase {
	var rows []rowCase
	for _, kind := range []struct {
		event Event
		to    State
		set   func(*rig)
	}{
		{EventActivate, Active, func(r *rig) { r.moved(1) }},
		{EventVoid, Staged, func(r *rig) { r.prepared(1); r.ok(r.k[0].Thaw("shop", r.token(), "test")) }},
	} {
		learn := func(change func(r *rig, a *Answer)) func(*rig) error {
			return func(r *rig) error {
				kind.set(r)
				a := r.poll(1)
				change(r, &a)
				_, err := r.k[1].Learn("shop", a)
				return err
			}
		}
		rows = append(rows,
			rowCase{Prepared, kind.event, kind.to, "", learn(func(*rig, *Answer) {})},
			rowCase{Prepared, kind.event, kind.to, GuardAuthentic, learn(func(_ *rig, a *Answer) { a.MAC[0] ^= 1 })},
			rowCase{Prepared, kind.event, kind.to, GuardFresh, learn(func(r *rig, _ *Answer) { r.poll(1) })},
			rowCase{Prepared, kind.event, kind.to, GuardToken, learn(func(_ *rig, a *Answer) { *a = forge(*a, func(a *Answer) { a.Question.N++ }) })},
			rowCase{Prepared, kind.event, kind.to, GuardSuccessor, learn(func(_ *rig, a *Answer) { *a = forge(*a, func(a *Answer) { a.Epoch += 2 }) })},
		)
		if kind.event == EventActivate {
			rows = append(rows, rowCase{Prepared, kind.event, kind.to, GuardUnsealed, learn(func(r *rig, _ *Answer) { r.sealFlag(1) })})
		}
	}
	for _, from := range []State{Moved, Staged} {
		set := map[State]func(*rig) int{
			Moved:  func(r *rig) int { r.active(1); return 0 },
			Staged: func(r *rig) int { r.staged(1); return 1 },
		}[from]
		confirm := func(change func(r *rig, x int, a *Answer)) func(*rig) error {
			return func(r *rig) error {
				x := set(r)
				a := r.tell(x)
				change(r, x, &a)
				return r.k[x].Confirm("shop", a)
			}
		}
		rows = append(rows,
			rowCase{from, EventConfirm, from, "", confirm(func(*rig, int, *Answer) {})},
			rowCase{from, EventConfirm, from, GuardAuthentic, confirm(func(_ *rig, _ int, a *Answer) { a.Epoch += 9 })},
			rowCase{from, EventConfirm, from, GuardFresh, confirm(func(r *rig, x int, _ *Answer) { r.tell(x) })},
			rowCase{from, EventConfirm, from, GuardSeenOwner, confirm(func(_ *rig, _ int, a *Answer) { *a = forge(*a, func(a *Answer) { a.State = Staged }) })},
		)
	}
	old := func(r *rig) { // server 0 comes back with a disk from before the move
		r.staged(1)
		d := r.disk[0].clone()
		r.confirmed(1)
		r.restored(0, d)
	}
	fenced := func(r *rig) {
		old(r)
		if a, err := r.k[0].AnswerPeer("shop", r.tell(0)); err != nil || a.Kind != Fenced {
			r.t.Fatalf("answer: %+v, %v", a, err)
		}
		r.claim("operator")
	}
	yielded := func(r *rig) { // server 1 owned it twice, and comes back with a disk from the first time
		r.confirmed(1)
		d := r.disk[1].clone()
		r.confirmed(0)
		r.confirmed(1)
		r.restored(1, d)
		if a, err := r.k[1].AnswerPeer("shop", r.tell(1)); err != nil || a.Kind != Fenced {
			r.t.Fatalf("answer: %+v, %v", a, err)
		}
		r.claim("operator")
	}
	lostActivation := func(r *rig) { // server 1 comes back with a disk from before its activation
		r.prepared(1)
		d := r.disk[1].clone()
		_, err := r.k[0].Commit(r.term, "shop", r.token(), r.k[1].receipt(r.k[1].accounts["shop"].rec))
		r.ok(err)
		_, err = r.k[1].Learn("shop", r.poll(1))
		r.ok(err)
		r.ok(r.k[0].Confirm("shop", r.tell(0)))
		r.restored(1, d)
		r.claim("operator")
		if st, err := r.k[1].Learn("shop", r.poll(1)); st != Prepared || RefusedBy(err) != GuardState {
			r.t.Fatalf("an old record was activated: %s, %v", st, err)
		}
	}
	verify := func(set func(*rig), change func(r *rig, a *Answer)) func(*rig) error {
		return func(r *rig) error {
			set(r)
			a := r.tell(0)
			change(r, &a)
			_, err := r.k[0].AnswerPeer("shop", a)
			return err
		}
	}
	rebooted := func(r *rig) { r.staged(1); r.reboot(0) }
	none := func(*rig, *Answer) {}
	bad := func(_ *rig, a *Answer) { a.MAC[0] ^= 1 }
	stale := func(r *rig, _ *Answer) { r.tell(0) }
	surrender := func(term uint64, set func(*rig), change func(*rig, *Answer)) func(*rig) error {
		return func(r *rig) error {
			set(r)
			a := r.tell(0)
			change(r, &a)
			return r.k[0].Surrender(r.term+term, "shop", a)
		}
	}
	accept := func(set func(*rig), term uint64, change func(*rig, *Answer)) func(*rig) error {
		return func(r *rig) error {
			set(r)
			a := r.tell(1)
			change(r, &a)
			return r.k[1].Accept(r.term+term, "shop", a)
		}
	}
	stale1 := func(r *rig, _ *Answer) { r.tell(1) }
	rows = append(rows,
		rowCase{Active, EventVerify, Active, "", verify(rebooted, none)},
		rowCase{Active, EventVerify, Active, GuardAuthentic, verify(rebooted, bad)},
		rowCase{Active, EventVerify, Active, GuardFresh, verify(rebooted, stale)},
		rowCase{Active, EventFence, Active, "", verify(old, none)},
		rowCase{Active, EventFence, Active, GuardAuthentic, verify(old, bad)},
		rowCase{Active, EventFence, Active, GuardFresh, verify(old, stale)},
		rowCase{Active, EventSurrender, Moved, "", surrender(0, fenced, none)},
		rowCase{Active, EventSurrender, Moved, GuardTerm, surrender(1, fenced, none)},
		rowCase{Active, EventSurrender, Moved, GuardMigration, surrender(0, func(r *rig) { fenced(r); r.otherMigration() }, none)},
		rowCase{Active, EventSurrender, Moved, GuardAuthentic, surrender(0, fenced, bad)},
		rowCase{Active, EventSurrender, Moved, GuardFresh, surrender(0, fenced, stale)},
		rowCase{Active, EventSurrender, Moved, GuardFenced, surrender(0, func(r *rig) { old(r); r.claim("operator") }, none)},
	)
	for from, set := range map[State]func(*rig){Active: yielded, Prepared: lostActivation} {
		rows = append(rows,
			rowCase{from, EventAccept, Active, "", accept(set, 0, none)},
			rowCase{from, EventAccept, Active, GuardTerm, accept(set, 1, none)},
			rowCase{from, EventAccept, Active, GuardMigration, accept(func(r *rig) { set(r); r.otherMigration() }, 0, none)},
			rowCase{from, EventAccept, Active, GuardAuthentic, accept(set, 0, bad)},
			rowCase{from, EventAccept, Active, GuardFresh, accept(set, 0, stale1)},
			rowCase{from, EventAccept, Active, GuardYielded, accept(set, 0, func(_ *rig, a *Answer) { *a = forge(*a, func(a *Answer) { a.State = Active }) })},
			rowCase{from, EventAccept, Active, GuardUnsealed, accept(func(r *rig) { set(r); r.sealFlag(1) }, 0, none)},
		)
	}
	return append(rows, rowCase{Active, EventAccept, Active, GuardFenced, accept(func(r *rig) { r.confirmed(1) }, 0, none)})
}

func lostRows() []rowCase {
	var rows []rowCase
	sets := map[State]func(*rig) int{
		Prepared: func(r *rig) int { r.prepared(1); return 1 },
		Moved:    func(r *rig) int { r.moved(1); return 0 },
		Active:   func(r *rig) int { r.staged(1); r.reboot(0); return 0 },
		Frozen:   func(r *rig) int { r.frozen(1); return 0 },
	}
	for from, set := range sets {
		declare := func(term uint64, machine string, before func(r *rig, x int)) func(*rig) error {
			return func(r *rig) error {
				x := set(r)
				before(r, x)
				if machine == "" {
					machine = r.peer(1 - x).Machine
				}
				return r.k[x].DeclareLost(r.term+term, "shop", machine)
			}
		}
		none := func(*rig, int) {}
		rows = append(rows,
			rowCase{from, EventDeclareLost, Active, "", declare(0, "", none)},
			rowCase{from, EventDeclareLost, Active, GuardTerm, declare(1, "", none)},
			rowCase{from, EventDeclareLost, Active, GuardMigration, declare(0, "", func(r *rig, _ int) { r.otherMigration() })},
			rowCase{from, EventDeclareLost, Active, GuardLostPeer, declare(0, "m9", none)},
		)
		if from == Prepared || from == Moved {
			rows = append(rows, rowCase{from, EventDeclareLost, Active, GuardUnsealed, declare(0, "", func(r *rig, x int) { r.sealFlag(x) })})
		}
	}
	ask := func(lost func(*rig) int, term uint64, p Peer) func(*rig) error {
		return func(r *rig) error {
			x := lost(r)
			if p.Credential == "" && p.Machine == "" {
				p = r.peer(1 - x)
			}
			_, err := r.k[x].AskRebuild(r.term+term, "shop", p)
			return err
		}
	}
	lost0 := func(r *rig) int { r.staged(1); r.lose(0); return 0 }
	lost1 := func(r *rig) int { r.staged(1); r.lose(1); return 1 }
	rebuild := func(lost func(*rig) int, change func(r *rig, x int, a *Answer)) func(*rig) error {
		return func(r *rig) error {
			x := lost(r)
			a := r.assist(x)
			change(r, x, &a)
			return r.k[x].Rebuild("shop", a)
		}
	}
	none := func(*rig, int, *Answer) {}
	bad := func(_ *rig, _ int, a *Answer) { a.MAC[0] ^= 1 }
	stale := func(r *rig, x int, _ *Answer) { r.assist(x) }
	assist := func(from State, change func(r *rig, q *Question)) func(*rig) error {
		return func(r *rig) error {
			x := 0 // who lost its record
			if from == Frozen {
				x = 1
				r.frozen(1)
			} else {
				r.prepared(1)
			}
			r.lose(x)
			q, err := r.k[x].AskRebuild(r.term, "shop", r.peer(1-x))
			r.ok(err)
			change(r, &q)
			_, err = r.k[1-x].Assist(q)
			return err
		}
	}
	for from, set := range map[State]func(*rig) int{
		Active:   func(r *rig) int { r.staged(1); return 0 },
		Frozen:   func(r *rig) int { r.frozen(1); return 0 },
		Staged:   func(r *rig) int { r.staged(1); return 1 },
		Prepared: func(r *rig) int { r.prepared(1); return 1 },
		Moved:    func(r *rig) int { r.moved(1); return 0 },
	} {
		again := func(term uint64, before func(*rig), change func(p *Peer)) func(*rig) error {
			return func(r *rig) error {
				x := set(r)
				p := r.peer(1 - x)
				p.Credential = "another"
				change(&p)
				before(r)
				return r.k[x].Reintroduce(r.term+term, "shop", p)
			}
		}
		as := func(*Peer) {}
		is := func(*rig) {}
		rows = append(rows,
			rowCase{from, EventReintroduce, from, "", again(0, is, as)},
			rowCase{from, EventReintroduce, from, GuardTerm, again(1, is, as)},
			rowCase{from, EventReintroduce, from, GuardMigration, again(0, func(r *rig) { r.otherMigration() }, as)},
			rowCase{from, EventReintroduce, from, GuardLostPeer, again(0, is, func(p *Peer) { p.Machine = "m9" })},
			rowCase{from, EventReintroduce, from, GuardPeer, again(0, is, func(p *Peer) { p.Credential = "" })},
			rowCase{from, EventReintroduce, from, GuardFits, again(0, is, func(p *Peer) { p.Front = big().Front })},
		)
	}
	older := func(r *rig, q *Question) { q.Token = Token{r.term - 1, 5}; q.MAC = q.sum("credential") }
	return append(rows,
		rowCase{Moved, EventDeclareLost, Active, GuardUnconfirmed, func(r *rig) error {
			r.confirmed(1)
			return r.k[0].DeclareLost(r.term, "shop", "m1")
		}},
		rowCase{Active, EventDeclareLost, Active, GuardUnfenced, func(r *rig) error {
			r.staged(1)
			d := r.disk[0].clone()
			r.confirmed(1)
			r.restored(0, d)
			_, err := r.k[0].AnswerPeer("shop", r.tell(0))
			r.ok(err)
			r.claim("operator")
			return r.k[0].DeclareLost(r.term, "shop", "m1")
		}},
		rowCase{Unreadable, EventAskRebuild, Unreadable, "", ask(lost0, 0, Peer{})},
		rowCase{Unreadable, EventAskRebuild, Unreadable, GuardTerm, ask(lost0, 1, Peer{})},
		rowCase{Unreadable, EventAskRebuild, Unreadable, GuardPeer, ask(lost0, 0, Peer{Machine: "m0", Credential: "c"})},
		rowCase{Unreadable, EventAskRebuild, Unreadable, GuardFits, ask(lost0, 0, big())},
		rowCase{Unreadable, EventRebuild, Active, "", rebuild(lost0, none)},
		rowCase{Unreadable, EventRebuild, Active, GuardAuthentic, rebuild(lost0, bad)},
		rowCase{Unreadable, EventRebuild, Active, GuardFresh, rebuild(lost0, stale)},
		rowCase{Unreadable, EventRebuild, Active, GuardUnsealed, rebuild(lost0, func(r *rig, x int, _ *Answer) { r.sealFlag(x) })},
		rowCase{Unreadable, EventRebuild, Staged, "", rebuild(lost1, none)},
		rowCase{Unreadable, EventRebuild, Staged, GuardAuthentic, rebuild(lost1, bad)},
		rowCase{Unreadable, EventRebuild, Staged, GuardFresh, rebuild(lost1, stale)},
		rowCase{Frozen, EventAssist, Active, "", assist(Frozen, func(*rig, *Question) {})},
		rowCase{Frozen, EventAssist, Active, GuardCovered, assist(Frozen, older)},
		rowCase{Prepared, EventAssist, Staged, "", assist(Prepared, func(*rig, *Question) {})},
		rowCase{Prepared, EventAssist, Staged, GuardCovered, assist(Prepared, older)},
	)
}

func stubRows() []rowCase {
	stub := func(x int, term uint64, p Peer, before func(*rig)) func(*rig) error {
		return func(r *rig) error {
			before(r)
			return r.k[x].Stub(r.term+term, "shop", 3, Token{}, p)
		}
	}
	none := func(*rig) {}
	owner := Peer{Machine: "m0", Credential: "c"}
	return []rowCase{
		{Unknown, EventStub, Moved, "", stub(1, 0, owner, none)},
		{Unknown, EventStub, Moved, GuardTerm, stub(1, 1, owner, none)},
		{Unknown, EventStub, Moved, GuardUnsealed, stub(1, 0, owner, func(r *rig) { r.sealFlag(1) })},
		{Unknown, EventStub, Moved, GuardReinstalled, stub(0, 0, big(), func(r *rig) {
			// A copy that was given up, on a server that had accounts before.
			r.disk[0] = newSimDisk()
			r.start(0)
			r.claim("run")
			h := r.k[0].holding("shop")
			r.ok(r.k[0].put(h, Record{Account: "shop", State: Unknown, Migration: "spring"}))
		})},
		{Unknown, EventStub, Moved, GuardPeer, stub(1, 0, Peer{}, none)},
		{Unknown, EventStub, Moved, GuardFits, stub(1, 0, Peer{Machine: "m0", Credential: strings.Repeat("c", SlotSize)}, none)},
	}
}

// inModel returns the model's line for a row, or why the model has none.
func inModel(row Transition) (line, why string) {
	key := fmt.Sprintf("%s %s %s", row.From, row.Event, row.To)
	switch key {
	case "active unpair active", "staged confirm staged", "frozen close frozen", "frozen renew frozen", "staged stream staged",
		"active verify active", "active fence active", "unreadable ask-rebuild unreadable",
		"active reintroduce active", "frozen reintroduce frozen", "staged reintroduce staged",
		"prepared reintroduce prepared", "moved reintroduce moved":
		return "", "changes no state"
	case "frozen freeze frozen", "moved commit moved", "prepared prepare prepared", "retired retire retired":
		return "", "replays an answer"
	case "active thaw active":
		return "", "voids a token that never came; changes no state"
	case "staged unstage moved":
		return "", "as staged unstage unmanaged, but remembers the owner that was seen"
	case "active surrender moved", "active accept active", "prepared accept active":
		return "", "an operator's choice after a snapshot came back"
	case "frozen assist active":
		return "", "is frozen thaw active"
	case "prepared assist staged":
		return "", "is prepared void staged"
	}
	name := func(s State) string {
		if s == Unknown || s == Unreadable {
			return "unmanaged"
		}
		return s.String()
	}
	event := string(row.Event)
	switch {
	case row.Event == EventStage && row.From == Moved:
		event = "restage"
	case row.Event == EventDeclareLost && row.From == Prepared:
		event = "declare_lost_origin"
	case row.Event == EventDeclareLost:
		event = "declare_lost_receiver"
	}
	return name(row.From) + " " + event + " " + name(row.To), ""
}

// TestTransitionsMatchTheModel compares the table with what the Promela model
// says it contains.
func TestTransitionsMatchTheModel(t *testing.T) {
	f, err := os.Open("model/transitions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	model := map[string]bool{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.Count(line, " ") != 2 {
			t.Fatalf("model/transitions.txt: %q is not FROM EVENT TO", line)
		}
		model[line] = false
	}
	if len(model) == 0 {
		t.Fatal("model/transitions.txt is empty")
	}
	for _, row := range Transitions() {
		line, why := inModel(row)
		if why != "" {
			continue
		}
		if _, ok := model[line]; !ok {
			t.Errorf("%s %s %s: the model has no %q", row.From, row.Event, row.To, line)
		}
		model[line] = true
	}
	for line, used := range model {
		if !used {
			t.Errorf("the model has %q and the table does not", line)
		}
	}
}

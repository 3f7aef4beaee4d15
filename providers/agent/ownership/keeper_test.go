package ownership

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTokensAreOrdered(t *testing.T) {
	order := []Token{{}, {0, 1}, {1, 0}, {1, 1}, {1, math.MaxUint64}, {2, 0}, lastOf(2), {3, 1}}
	for i, a := range order {
		for j, b := range order {
			if got, want := a.Compare(b), min(1, max(-1, i-j)); got != want {
				t.Errorf("%s compared to %s: %d, want %d", a, b, got, want)
			}
		}
	}
	if s := (Token{3, 9}).String(); s != "3.9" {
		t.Error(s)
	}
}

func TestNames(t *testing.T) {
	want := "unmanaged active frozen staged prepared moved retired unknown unreadable"
	var got []string
	for _, s := range States() {
		got = append(got, s.String())
	}
	if strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
}

// TestStart goes through the table "On start of an agent" of PROTOCOL.md.
func TestStart(t *testing.T) {
	tests := []struct {
		name   string
		set    func(r *rig) int
		reboot bool
		kind   ActionKind
		serves bool
	}{
		{"never paired", func(r *rig) int { return 0 }, true, Serve, true},
		{"frozen, same boot", func(r *rig) int { r.frozen(1); return 0 }, false, Thawed, true},
		{"frozen, new boot", func(r *rig) int { r.frozen(1); return 0 }, true, AskPeer, false},
		{"active, same boot", func(r *rig) int { r.staged(1); return 0 }, false, Serve, true},
		{"active, new boot, paired", func(r *rig) int { r.staged(1); return 0 }, true, AskPeer, false},
		{"active, new boot, not paired any more", func(r *rig) int {
			r.confirmed(1)
			r.ok(r.k[1].Unpair(r.term, "shop", r.tell(1)))
			return 1
		}, true, Serve, true},
		{"active, new boot, peer sealed and taken over", func(r *rig) int {
			r.confirmed(1)
			r.sealed(0)
			r.ok(r.k[1].Inherit(r.term, "m0", map[string]uint64{"shop": 1}))
			return 1
		}, true, Serve, true},
		{"prepared", func(r *rig) int { r.prepared(1); return 1 }, true, PollOrigin, false},
		{"moved", func(r *rig) int { r.moved(1); return 0 }, true, RedirectPoke, false},
		{"moved and confirmed", func(r *rig) int { r.confirmed(1); return 0 }, true, Redirect, false},
		{"staged", func(r *rig) int { r.staged(1); return 1 }, true, StayClosed, false},
		{"retired", func(r *rig) int { r.ok(r.k[0].Retire(r.term, "shop", 0)); return 0 }, true, StayClosed, false},
		{"lost", func(r *rig) int { r.staged(1); r.lose(0); return 0 }, false, Unread, false},
		{"lost and asked", func(r *rig) int { r.staged(1); r.lose(0); r.assist(0); return 0 }, true, Unread, false},
		{"frozen and the disk fails", func(r *rig) int { r.frozen(1); r.stuck(); return 0 }, false, Thawed, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			x := tt.set(r)
			if tt.reboot {
				r.reboot(x)
			} else {
				r.start(x)
			}
			acts := r.k[x].StartActions()
			if tt.name == "never paired" {
				if len(acts) != 0 || !r.k[x].Serves("shop") {
					t.Errorf("got %+v, serves %v", acts, r.k[x].Serves("shop"))
				}
				return
			}
			if len(acts) != 1 || acts[0].Kind != tt.kind || acts[0].Account != "shop" {
				t.Fatalf("got %+v, want %s", acts, tt.kind)
			}
			if got := r.k[x].Serves("shop"); got != tt.serves {
				t.Errorf("serves: %v", got)
			}
			if next := r.k[x].Next("shop"); next != acts[0] {
				t.Errorf("next: %+v", next)
			}
		})
	}
}

// TestPendingOutlivesTheAgent: an agent started again in the same boot, before
// the peer has answered, still has to ask.
func TestPendingOutlivesTheAgent(t *testing.T) {
	r := newRig(t)
	r.staged(1)
	r.reboot(0)
	r.start(0)
	if a := r.k[0].Next("shop"); a.Kind != AskPeer {
		t.Fatalf("got %s", a.Kind)
	}
	a, err := r.k[0].AnswerPeer("shop", r.tell(0))
	if err != nil || a.Kind != Serve {
		t.Fatalf("got %+v, %v", a, err)
	}
	r.start(0)
	if a := r.k[0].Next("shop"); a.Kind != Serve {
		t.Errorf("after the answer: %s", a.Kind)
	}
}

// TestPeerAnswers is the rule of F11 for each thing a peer can say to an owner
// at epoch 4.
func TestPeerAnswers(t *testing.T) {
	for _, tt := range []struct {
		state State
		epoch uint64
		newer bool
	}{
		{Active, 3, false}, {Active, 4, true}, {Active, 5, true},
		{Frozen, 3, false}, {Frozen, 4, true},
		{Moved, 4, false}, {Moved, 5, true},
		{Staged, 4, false}, {Staged, 5, true},
		{Prepared, 5, false}, {Prepared, 6, true},
		{Retired, 4, true}, {Unknown, 0, false},
	} {
		if got := newer(Record{State: Active, Epoch: 4}, Answer{State: tt.state, Epoch: tt.epoch}); got != tt.newer {
			t.Errorf("%s at %d: newer %v", tt.state, tt.epoch, got)
		}
	}
}

func TestPoll(t *testing.T) {
	tests := []struct {
		name string
		set  func(r *rig)
		want Kind
	}{
		{"frozen with it", func(r *rig) { r.prepared(1) }, FrozenAnswer},
		{"moved by it", func(r *rig) { r.moved(1) }, MovedAnswer},
		{"thawed", func(r *rig) { r.prepared(1); r.ok(r.k[0].Thaw("shop", r.token(), "test")) }, VoidAnswer},
		{"started again", func(r *rig) { r.prepared(1); r.start(0) }, VoidAnswer},
		{"never frozen", func(r *rig) { r.staged(1); r.n++; r.prepare(1) }, VoidAnswer},
		{"frozen with another", func(r *rig) { r.staged(1); r.n++; r.prepare(1); r.n++; r.ok(r.freeze(0)) }, OtherAnswer},
		{"retired", func(r *rig) { r.staged(1); r.n++; r.prepare(1); r.ok(r.k[0].Retire(r.term, "shop", 0)) }, OtherAnswer},
		{"moved and the peer was active already", func(r *rig) {
			r.prepared(1)
			d := r.disk[1].clone()
			_, err := r.k[0].Commit(r.term, "shop", r.token(), r.k[1].receipt(r.k[1].accounts["shop"].rec))
			r.ok(err)
			_, err = r.k[1].Learn("shop", r.poll(1))
			r.ok(err)
			r.ok(r.k[0].Confirm("shop", r.tell(0)))
			r.restored(1, d)
		}, OtherAnswer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			tt.set(r)
			a := r.poll(1)
			if a.Kind != tt.want {
				t.Fatalf("got %s, want %s", a.Kind, tt.want)
			}
			before := r.rec(1)
			st, err := r.k[1].Learn("shop", a)
			switch tt.want {
			case MovedAnswer:
				if st != Active || err != nil || !r.k[1].Serves("shop") {
					t.Errorf("got %s, %v", st, err)
				}
			case VoidAnswer:
				if st != Staged || err != nil || r.rec(1).Epoch != before.Epoch-1 || r.rec(1).Void != before.Token {
					t.Errorf("got %s, %v, %+v", st, err, r.rec(1))
				}
				// What was told is durable: the freeze comes too late.
				r.reboot(0)
				if got := r.rec(0).Void; got.Compare(before.Token) < 0 {
					t.Errorf("the mark is %s after a power loss", got)
				}
			default:
				if st != Prepared || r.rec(1).State != Prepared || (err == nil) != (tt.want == FrozenAnswer) {
					t.Errorf("got %s, %v", st, err)
				}
				if tt.want == OtherAnswer && r.k[1].Status("shop").Note == "" {
					t.Error("there is no note for people")
				}
			}
		})
	}
}

func TestQuestionsAreChecked(t *testing.T) {
	r := newRig(t)
	r.prepared(1)
	q, err := r.k[1].Ask("shop")
	r.ok(err)
	for name, change := range map[string]func(q *Question){
		"token": func(q *Question) { q.Token.N++ }, "machine": func(q *Question) { q.Machine = "m5" }, "to": func(q *Question) { q.To = "m5" },
		"nonce": func(q *Question) { q.Nonce += "x" }, "rebuild": func(q *Question) { q.Rebuild = true }, "account": func(q *Question) { q.Account = "blog" },
	} {
		bad := q
		change(&bad)
		for _, how := range []func(*Keeper, Question) (Answer, error){(*Keeper).Poll, (*Keeper).Tell, (*Keeper).Assist} {
			if _, err := how(r.k[0], bad); RefusedBy(err) != GuardAuthentic {
				t.Errorf("a question with a changed %s: %v", name, err)
			}
		}
	}
	if _, err := r.k[0].Assist(q); err == nil || r.rec(0).State != Frozen {
		t.Errorf("assisted a peer that has its record: %v", err)
	}
	if _, err := r.k[0].Ask("blog"); RefusedBy(err) != GuardPaired {
		t.Errorf("asked about an account without a peer: %v", err)
	}
}

func TestDoorThatOpensVoidsTheToken(t *testing.T) {
	r := newRig(t)
	rc := r.prepared(1)
	r.ok(r.k[0].DoorOpened("shop"))
	if _, err := r.k[0].Commit(r.term, "shop", r.token(), rc); err == nil {
		t.Error("committed after a door had opened")
	}
	if rec := r.rec(0); rec.State != Active || rec.Void != r.token() {
		t.Errorf("got %+v", rec)
	}
	r.ok(r.k[0].DoorOpened("shop"))
	if err := r.k[1].DoorOpened("shop"); RefusedBy(err) != GuardState {
		t.Errorf("a door of a prepared copy: %v", err)
	}
}

// TestDoorThatOpensOnAFailingDisk: even if the mark cannot be written, nothing
// is committed and the door stays shut.
func TestDoorThatOpensOnAFailingDisk(t *testing.T) {
	r := newRig(t)
	rc := r.prepared(1)
	r.disk[0].writes, r.disk[0].at, r.disk[0].fault = 0, 0, errBefore
	if err := r.k[0].DoorOpened("shop"); !errors.Is(err, errDisk) {
		t.Fatalf("got %v", err)
	}
	r.disk[0].fault = noFault
	if _, err := r.k[0].Commit(r.term, "shop", r.token(), rc); err == nil {
		t.Error("committed after a door had opened")
	}
	if l := r.k[0].Lapsed(); len(l) != 1 || l[0] != (Lapse{"shop", r.token()}) {
		t.Errorf("lapsed: %+v", l)
	}
}

func TestLease(t *testing.T) {
	r := newRig(t)
	r.frozen(1)
	r.clock += lease - 1
	if l := r.k[0].Lapsed(); len(l) != 0 {
		t.Errorf("lapsed early: %+v", l)
	}
	if left := r.k[0].Status("shop").Remaining; left != 1 {
		t.Errorf("remaining %s", left)
	}
	r.ok(r.freeze(0)) // a repeated freeze prolongs nothing
	r.clock++
	if l := r.k[0].Lapsed(); len(l) != 1 {
		t.Errorf("not lapsed: %+v", l)
	}
	if err := r.k[0].Renew(r.term, "shop", r.token()); RefusedBy(err) != GuardLease {
		t.Errorf("renewed a lapsed lease: %v", err)
	}
	r.ok(r.k[0].Thaw("shop", r.token(), "lease lapsed"))
	r.ok(r.k[0].Thaw("shop", r.token(), "again"))
	if st := r.k[0].Status("shop"); !st.Serves || st.Note != "again" || st.Remaining != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestThawRefuses(t *testing.T) {
	r := newRig(t)
	r.staged(1)
	if err := r.k[0].Thaw("shop", Token{r.term + 1, 1}, ""); RefusedBy(err) != GuardToken {
		t.Errorf("voided a token of a run that was never here: %v", err)
	}
	r = newRig(t)
	r.moved(1)
	if err := r.k[0].Thaw("shop", r.token(), ""); RefusedBy(err) != GuardState {
		t.Errorf("thawed after the commit: %v", err)
	}
	if err := r.k[1].Thaw("shop", r.token(), ""); RefusedBy(err) != GuardState {
		t.Errorf("thawed a prepared copy: %v", err)
	}
}

func TestClaims(t *testing.T) {
	r := newRig(t)
	k := r.k[0]
	first, err := k.BeginClaim("spring", "run", 0)
	if err != nil || !first.Repeated || first.Term != r.term {
		t.Fatalf("repeated: %+v, %v", first, err)
	}
	raised, err := k.BeginClaim("spring", "run", 9)
	if err != nil || raised.Term != 9 {
		t.Fatalf("raised: %+v, %v", raised, err)
	}
	second, err := k.BeginClaim("spring", "run 2", 0)
	if err != nil || second.Repeated || second.Term != 10 {
		t.Fatalf("second: %+v, %v", second, err)
	}
	if err := k.CheckTerm(9); RefusedBy(err) != GuardTerm {
		t.Errorf("the old term still counts: %v", err)
	}
	if err := k.FinishClaim(9); RefusedBy(err) != GuardTerm {
		t.Errorf("the old claim was finished: %v", err)
	}
	if _, err := k.BeginClaim("spring", "run", 0); RefusedBy(err) != GuardTerm {
		t.Errorf("a lost nonce claimed again: %v", err)
	}
	for i, bad := range [][3]string{{"", "n"}, {"m", ""}, {strings.Repeat("m", 300), "n"}, {"autumn", "run 2"}} {
		if _, err := k.BeginClaim(bad[0], bad[1], 0); err == nil {
			t.Errorf("case %d was claimed", i)
		}
	}
	if _, err := k.BeginClaim("spring", "n", math.MaxUint64); err == nil {
		t.Error("used all terms up")
	}
	for i := range 3 * maxPast {
		if _, err := k.BeginClaim("spring", fmt.Sprint("many", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	if s, ok := k.Server(); !ok || len(s.Past) != maxPast {
		t.Errorf("%d past nonces", len(s.Past))
	}
	r.start(0)
	if err := r.k[0].CheckTerm(10 + 3*maxPast); err != nil {
		t.Errorf("the term did not survive a start: %v", err)
	}
}

// TestClaimDrains: a higher claim cancels streams and prepares of the older
// one, and is finished only when they have ended.
func TestClaimDrains(t *testing.T) {
	r := newRig(t)
	r.staged(1)
	s, err := r.k[1].Stream(r.term, "shop")
	r.ok(err)
	c, err := r.k[1].BeginClaim("spring", "run 2", 0)
	if err != nil || c.Draining != 1 {
		t.Fatalf("got %+v, %v", c, err)
	}
	<-s.Done()
	if err := s.Check(); !errors.Is(err, ErrCancelled) {
		t.Errorf("the stream goes on: %v", err)
	}
	if err := r.k[1].FinishClaim(c.Term); !errors.Is(err, ErrDraining) {
		t.Errorf("finished: %v", err)
	}
	if again, err := r.k[1].BeginClaim("spring", "run 2", 0); err != nil || again.Draining != 1 || again.Term != c.Term {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := r.k[1].Claim("spring", "run 2", 0); !errors.Is(err, ErrDraining) {
		t.Errorf("claimed: %v", err)
	}
	s.Close()
	r.ok(r.k[1].FinishClaim(c.Term))

	r = newRig(t)
	r.frozen(1)
	r.ok(r.k[1].PrepareBegin(r.term, "shop", r.token(), 0))
	if err := r.k[1].PrepareBegin(r.term, "shop", Token{r.term, 99}, 0); RefusedBy(err) != GuardOpen {
		t.Errorf("two prepares: %v", err)
	}
	r.claim("run 2")
	if p := r.k[1].Status("shop").Preparing; !p.IsZero() {
		t.Errorf("the prepare %s goes on", p)
	}
}

func TestSeal(t *testing.T) {
	seal := func(r *rig, x int, epoch uint64, present ...string) (uint64, error) {
		return r.k[x].Seal(r.term, fmt.Sprintf("m%d", x), map[string]uint64{"shop": epoch}, present)
	}
	for name, tt := range map[string]struct {
		set   func(r *rig)
		guard Guard
	}{
		"unmanaged":       {func(r *rig) {}, GuardMember},
		"active":          {func(r *rig) { r.staged(1) }, GuardEmpty},
		"frozen":          {func(r *rig) { r.frozen(1) }, GuardEmpty},
		"not confirmed":   {func(r *rig) { r.active(1) }, GuardEmpty},
		"wrong epoch":     {func(r *rig) { r.confirmed(1); r.confirmed(0); r.confirmed(1) }, GuardEpoch},
		"unreadable":      {func(r *rig) { r.confirmed(1); r.lose(0) }, GuardEmpty},
		"prepared":        {func(r *rig) { r.confirmed(1); r.prepared(0) }, GuardEmpty},
		"prepare started": {func(r *rig) { r.confirmed(1); r.frozen(0); r.ok(r.k[0].PrepareBegin(r.term, "shop", r.token(), 1)) }, GuardIdle},
		"moved":           {func(r *rig) { r.confirmed(1) }, ""},
		"staged":          {func(r *rig) { r.confirmed(1); r.staged(0) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			tt.set(r)
			if _, err := seal(r, 0, 1, "shop"); RefusedBy(err) != tt.guard {
				t.Errorf("got %v, want %q", err, tt.guard)
			}
		})
	}
	r := newRig(t)
	r.confirmed(1)
	if _, err := seal(r, 0, 1, "shop", "blog"); RefusedBy(err) != GuardMember {
		t.Errorf("an account that was never managed: %v", err)
	}
	if _, err := r.k[0].Seal(r.term, "m0", nil, nil); RefusedBy(err) != GuardEpoch {
		t.Errorf("an account that was not named: %v", err)
	}
	if _, err := r.k[0].Seal(r.term, "m1", nil, nil); RefusedBy(err) != GuardMachine {
		t.Errorf("another machine: %v", err)
	}
	if _, err := r.k[0].Seal(r.term+1, "m0", nil, nil); RefusedBy(err) != GuardTerm {
		t.Errorf("another term: %v", err)
	}
	n, err := seal(r, 0, 1, "shop")
	r.ok(err)
	if again, err := seal(r, 0, 1, "shop"); err != nil || again != n {
		t.Errorf("again: %d, %v", again, err)
	}
	if _, err := seal(r, 0, 2, "shop"); RefusedBy(err) != GuardUnsealed {
		t.Errorf("sealed twice: %v", err)
	}
	r.ok(r.k[0].CheckOrder(n, "m0"))
	r.start(0)
	r.ok(r.k[0].CheckOrder(n, "m0"))
	if err := r.k[0].CheckOrder(n, "m1"); RefusedBy(err) != GuardMachine {
		t.Errorf("an order for another machine: %v", err)
	}
	if err := r.k[0].CheckOrder(n+1, "m0"); RefusedBy(err) != GuardNumber {
		t.Errorf("an order with another number: %v", err)
	}
	if err := r.stage(0, r.term, 1); RefusedBy(err) != GuardUnsealed {
		t.Errorf("staged on a sealed server: %v", err)
	}
	if err := r.k[0].Unseal(r.term, n+1); RefusedBy(err) != GuardNumber {
		t.Errorf("unsealed another number: %v", err)
	}
	r.ok(r.k[0].Unseal(r.term, n))
	r.ok(r.k[0].Unseal(r.term, n))
	if err := r.k[0].CheckOrder(n, "m0"); RefusedBy(err) != GuardNumber {
		t.Errorf("an order with the seal lifted: %v", err)
	}
	if next, err := seal(r, 0, 1, "shop"); err != nil || next != n+1 {
		t.Errorf("the next seal: %d, %v", next, err)
	}
}

// TestReinstalled goes from the seal to the way home.
func TestReinstalled(t *testing.T) {
	r := newRig(t)
	r.confirmed(1)
	r.sealed(0)
	if err := r.k[1].Inherit(r.term, "m0", map[string]uint64{"shop": 2}); RefusedBy(err) != GuardEpoch {
		t.Errorf("inherited a later epoch: %v", err)
	}
	if err := r.k[0].Inherit(r.term, "m1", map[string]uint64{"shop": 1}); RefusedBy(err) != GuardState {
		t.Errorf("inherited what it does not own: %v", err)
	}
	r.ok(r.k[1].Inherit(r.term, "m0", map[string]uint64{"shop": 1}))
	if err := r.k[1].Pair(r.term, "shop", 1, r.peer(0)); RefusedBy(err) != GuardPeer {
		t.Errorf("paired with a machine about to be wiped: %v", err)
	}
	r.disk[0] = newSimDisk()
	k, err := Open(r.disk[0], Options{Machine: "m0 new", Boot: "b", Instance: "i", Now: func() time.Duration { return 0 }})
	r.ok(err)
	if k.Serves("shop") || k.Status("shop").Record.State != Unknown {
		t.Errorf("a reinstalled server knows %+v", k.Status("shop"))
	}
	_, err = k.Claim("spring", "run", r.term)
	r.ok(err)
	if err := k.Pair(r.term, "shop", 0, r.peer(1)); RefusedBy(err) != GuardState {
		t.Errorf("an unknown account was paired as an owner: %v", err)
	}
	r.ok(k.Stub(r.term, "shop", 1, Token{}, r.peer(1)))
	r.ok(k.Stub(r.term, "shop", 1, Token{}, r.peer(1)))
	if a := k.Next("shop"); a.Kind != Redirect {
		t.Errorf("got %s", a.Kind)
	}
	r.ok(k.Stage(r.term, "shop", 1, r.peer(1)))
	home := Peer{Machine: "m0 new", Credential: "credential"}
	r.ok(r.k[1].Pair(r.term, "shop", 1, home))
	r.ok(r.k[1].Disinherit(r.term, "m0"))
	r.ok(r.k[1].Disinherit(r.term, "m0"))
}

func TestDeclareLost(t *testing.T) {
	r := newRig(t)
	r.moved(1)
	r.ok(r.k[0].DeclareLost(r.term, "shop", "m1"))
	r.ok(r.k[0].DeclareLost(r.term, "shop", "m1"))
	if rec := r.rec(0); rec.State != Active || rec.Epoch != 2 || !r.k[0].Serves("shop") {
		t.Errorf("got %+v", rec)
	}
	if err := r.k[0].Pair(r.term, "shop", 2, r.peer(1)); RefusedBy(err) != GuardPeer {
		t.Errorf("paired with a lost machine: %v", err)
	}
	q, err := r.k[1].Ask("shop")
	r.ok(err)
	if _, err := r.k[0].Poll(q); RefusedBy(err) != GuardAuthentic {
		t.Errorf("answered a lost machine: %v", err)
	}
	r.reboot(0)
	if !r.k[0].Serves("shop") {
		t.Error("after a reboot it asks the lost machine")
	}
	r = newRig(t)
	r.moved(1)
	r.ok(r.k[1].DeclareLost(r.term, "shop", "m0"))
	if rec := r.rec(1); rec.State != Active || rec.Epoch != 1 || !r.k[1].Serves("shop") {
		t.Errorf("got %+v", rec)
	}
}

// TestRebuild is F12: what a lost record becomes, by what the peer says.
func TestRebuild(t *testing.T) {
	tests := []struct {
		name string
		set  func(r *rig) int // who lost its record
		want State
		peer State
	}{
		{"owner, copy staged", func(r *rig) int { r.staged(1); return 0 }, Active, Staged},
		{"owner, copy given up", func(r *rig) int { r.staged(1); r.ok(r.k[1].Unstage(r.term, "shop")); return 0 }, Active, Unknown},
		{"frozen owner, copy prepared", func(r *rig) int { r.prepared(1); return 0 }, Active, Staged},
		{"moved, copy prepared", func(r *rig) int { r.moved(1); return 0 }, Active, Staged},
		{"moved, receiver active", func(r *rig) int { r.active(1); return 0 }, Staged, Active},
		{"staged, owner active", func(r *rig) int { r.staged(1); return 1 }, Staged, Active},
		{"prepared, owner frozen", func(r *rig) int { r.prepared(1); return 1 }, Staged, Active},
		{"prepared, owner moved", func(r *rig) int { r.moved(1); return 1 }, Active, Moved},
		{"active, owner moved and confirmed", func(r *rig) int { r.confirmed(1); return 1 }, Active, Moved},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			x := tt.set(r)
			token := r.token()
			epoch := max(r.rec(0).Epoch, r.rec(1).Epoch)
			r.lose(x)
			if st := r.k[x].Status("shop"); st.Serves || st.Record.State != Unreadable || st.Note == "" {
				t.Fatalf("a lost record: %+v", st)
			}
			if err := r.k[x].Stage(r.term, "shop", 0, r.peer(1-x)); RefusedBy(err) != GuardReadable {
				t.Errorf("staged over a lost record: %v", err)
			}
			r.ok(r.k[x].Rebuild("shop", r.assist(x)))
			if r.rec(x).State != tt.want || r.rec(1-x).State != tt.peer {
				t.Fatalf("got %s and %s", r.rec(x).State, r.rec(1-x).State)
			}
			if r.rec(x).Void.Compare(token) < 0 || r.rec(x).Epoch > epoch {
				t.Errorf("got %+v", r.rec(x))
			}
			if r.k[x].Serves("shop") == r.k[1-x].Serves("shop") {
				t.Error("not exactly one serves")
			}
		})
	}
}

// TestRebuildIsOneWay: a slot that could not be read for a while does not come
// back once the peer was asked.
func TestRebuildIsOneWay(t *testing.T) {
	r := newRig(t)
	r.moved(1)
	good := r.disk[0].clone()
	r.lose(0)
	_, err := r.k[0].AskRebuild(r.term, "shop", r.peer(1))
	r.ok(err)
	b := r.disk[0].blobs[accountBlob("shop")]
	b.slot[1] = good.blobs[accountBlob("shop")].slot[1]
	r.disk[0].blobs[accountBlob("shop")] = b
	r.start(0)
	if st := r.rec(0).State; st != Unreadable {
		t.Errorf("the old record came back: %s", st)
	}
}

// TestRebuildRefuses: no rebuilding from a peer that does not know itself.
func TestRebuildRefuses(t *testing.T) {
	r := newRig(t)
	r.staged(1)
	r.lose(1)
	q, err := r.k[1].AskRebuild(r.term, "shop", r.peer(0))
	r.ok(err)
	r.reboot(0)
	if _, err := r.k[0].Assist(q); RefusedBy(err) != GuardSettled {
		t.Errorf("an owner that waits for its peer assisted: %v", err)
	}
	r = newRig(t)
	r.staged(1)
	r.lose(0)
	a := r.assist(0)
	for _, st := range []State{Prepared, Frozen, Retired, Unreadable, Unmanaged} {
		if err := r.k[0].Rebuild("shop", forge(a, func(a *Answer) { a.State = st })); err == nil {
			t.Errorf("rebuilt from a peer that is %s", st)
		}
	}
	if err := r.k[0].Rebuild("shop", forge(a, func(a *Answer) { a.Kind = MovedAnswer })); RefusedBy(err) != GuardFresh {
		t.Errorf("rebuilt from an answer to a poll: %v", err)
	}
}

// TestOneDamagedSlot: at rest both slots hold the newest record.
func TestOneDamagedSlot(t *testing.T) {
	for slot := range 2 {
		r := newRig(t)
		r.moved(1)
		for _, name := range []string{accountBlob("shop"), serverBlob} {
			b := r.disk[0].blobs[name]
			b.slot[slot] = simSlot{[]byte("bad"), []byte("bad")}
			r.disk[0].blobs[name] = b
		}
		r.start(0)
		if st := r.rec(0); st.State != Moved || st.Epoch != 1 {
			t.Errorf("slot %d damaged: %+v", slot, st)
		}
		r.ok(r.k[0].CheckTerm(r.term))
	}
}

// TestUnsynced: what a killed agent wrote and did not sync is synced by its
// successor before it is told to anybody.
func TestUnsynced(t *testing.T) {
	r := newRig(t)
	rc := r.prepared(1)
	d := r.disk[0]
	d.writes, d.at, d.fault = 0, 0, killUnsynced
	if died(func() { _, _ = r.k[0].Commit(r.term, "shop", r.token(), rc) }) == nil {
		t.Fatal("the agent lived")
	}
	d.fault = noFault
	r.start(0)
	if a := r.poll(1); a.Kind != MovedAnswer {
		t.Fatalf("got %s", a.Kind)
	}
	r.reboot(0)
	if st := r.rec(0).State; st != Moved {
		t.Errorf("a power loss took the commit back: %s", st)
	}
}

func TestServerRecordLost(t *testing.T) {
	r := newRig(t)
	r.confirmed(1)
	n := r.sealed(0)
	r.disk[0].damage(serverBlob)
	r.start(0)
	k := r.k[0]
	if _, ok := k.Server(); ok {
		t.Fatal("it is readable")
	}
	if _, err := k.BeginClaim("spring", "x", 0); RefusedBy(err) != GuardServer {
		t.Errorf("claimed: %v", err)
	}
	if err := k.CheckOrder(n, "m0"); RefusedBy(err) != GuardServer {
		t.Errorf("ordered: %v", err)
	}
	if k.Serves("blog") || k.Next("shop").Kind != Redirect {
		t.Error("its accounts changed")
	}
	r.ok(k.RebuildServer(true, r.term, n))
	if err := k.CheckOrder(n, "m0"); RefusedBy(err) != GuardNumber {
		t.Errorf("an order for the lost seal: %v", err)
	}
	if err := k.RebuildServer(true, 0, 0); RefusedBy(err) != GuardServer {
		t.Errorf("rebuilt twice: %v", err)
	}
	r.claim("operator")
	if m := r.sealed(0); m != n+1 {
		t.Errorf("the next seal is %d", m)
	}
}

// TestCredentialStaysInside: what others are shown has no secret in it.
func TestCredentialStaysInside(t *testing.T) {
	r := newRig(t)
	r.moved(1)
	r.start(0)
	if s := fmt.Sprintf("%+v %+v %+v", r.k[0].Status("shop"), r.k[0].StartActions(), r.k[0].Next("shop")); strings.Contains(s, "credential") {
		t.Errorf("it shows in %s", s)
	}
}

func TestOpenRefuses(t *testing.T) {
	r := newRig(t)
	now := func() time.Duration { return 0 }
	if _, err := Open(r.disk[0], Options{Machine: "m9", Boot: "b", Instance: "i", Now: now}); !errors.Is(err, ErrOtherMachine) {
		t.Errorf("opened on another machine: %v", err)
	}
	for _, o := range []Options{
		{Boot: "b", Instance: "i", Now: now}, {Machine: "m0", Instance: "i", Now: now}, {Machine: "m0", Boot: "b", Now: now},
		{Machine: "m0", Boot: "b", Instance: "i"}, {Machine: "m0", Boot: strings.Repeat("b", 300), Instance: "i", Now: now},
	} {
		if _, err := Open(newSimDisk(), o); err == nil {
			t.Errorf("opened with %+v", o)
		}
	}
}

// TestRecordAlwaysFits: what guardFits lets in can be frozen, fenced and thawed.
func TestRecordAlwaysFits(t *testing.T) {
	for n := SlotSize; ; n-- {
		r := newRig(t)
		p := r.peer(1)
		p.Front = strings.Repeat("f", n)
		err := r.pair(r.term, 0, p)
		if RefusedBy(err) == GuardFits {
			continue
		}
		r.ok(err)
		if n < SlotSize/2 {
			t.Errorf("only %d bytes fit", n)
		}
		rec := r.k[0].accounts["shop"].rec
		rec.Epoch, rec.Token, rec.Void = math.MaxUint64, lastOf(math.MaxUint64), lastOf(math.MaxUint64)
		rec.Boot, rec.Instance, rec.Digest = strings.Repeat("b", maxName), strings.Repeat("i", maxName), strings.Repeat("d", maxName)
		rec.Lease, rec.Blocker, rec.Confirmed = MaxLease, strings.Repeat("x", maxReason), true
		r.ok(r.k[0].put(r.k[0].accounts["shop"], rec))
		return
	}
}

func TestMark(t *testing.T) {
	r := newRig(t)
	if err := r.k[0].Mark(r.term, "shop", "x"); RefusedBy(err) != GuardState {
		t.Errorf("marked an account without a record: %v", err)
	}
	r.staged(1)
	r.ok(r.k[1].Mark(r.term, "shop", "dir a", "unit b"))
	r.ok(r.k[1].Mark(r.term, "shop", "unit b", "c"))
	r.start(1)
	if got := fmt.Sprint(r.rec(1).Ours); got != "[dir a unit b c]" {
		t.Errorf("got %s", got)
	}
	if err := r.k[1].Mark(r.term, "shop", strings.Repeat("x", SlotSize)); RefusedBy(err) != GuardFits {
		t.Errorf("marked too much: %v", err)
	}
	if err := r.k[1].Mark(r.term+1, "shop", "x"); RefusedBy(err) != GuardTerm {
		t.Errorf("marked with another term: %v", err)
	}
}

// TestDocumentation: the package comment names every state, event and guard.
func TestDocumentation(t *testing.T) {
	b, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for _, row := range Transitions() {
		line := fmt.Sprintf("%-11s %-13s %s", row.From, row.Event, row.To)
		if !strings.Contains(doc, line) {
			t.Errorf("doc.go does not have the row\n//\t%s", line)
		}
	}
	for g := range guards {
		if !strings.Contains(doc, string(g)) {
			t.Errorf("doc.go does not name the guard %s", g)
		}
	}
}

// TestConcurrency lets many goroutines speak to one keeper at once; the race
// detector and the end state judge.
func TestConcurrency(t *testing.T) {
	r := newRig(t)
	r.staged(1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range uint64(50) {
				token := Token{r.term, n*8 + uint64(i) + 1}
				if r.k[0].Freeze(r.term, "shop", token, "m0", 0, lease) == nil {
					_ = r.k[0].DoorsClosed("shop", token)
				}
				if s, err := r.k[1].Stream(r.term, "shop"); err == nil {
					_ = s.Check()
					s.Close()
				}
				r.k[0].Serves("shop")
				r.k[0].Status("shop")
				r.k[0].Lapsed()
				_ = r.k[0].Thaw("shop", token, "test")
			}
		})
	}
	wg.Wait()
	if st := r.k[0].Status("shop"); st.Record.State != Active || st.Record.Void.IsZero() || !st.Serves {
		t.Errorf("got %+v", st)
	}
	if n := r.k[1].Status("shop").Streams; n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

// TestStartOnAFailingDisk: a disk that takes no writes does not keep accounts
// closed that were open, and nothing is told that might be taken back.
func TestStartOnAFailingDisk(t *testing.T) {
	r := newRig(t)
	r.moved(1)
	good := r.disk[0]
	k, err := Open(readOnly{good}, Options{Machine: "m0", Boot: "b0", Instance: "x", Now: func() time.Duration { return 0 }})
	r.ok(err)
	if !k.Serves("blog") || k.Next("shop").Kind != RedirectPoke {
		t.Errorf("got %+v", k.Status("shop"))
	}
	q, err := r.k[1].Ask("shop")
	r.ok(err)
	if _, err := k.Poll(q); !errors.Is(err, errDisk) {
		t.Errorf("told what may not be on the disk: %v", err)
	}
	if _, err := k.Commit(r.term, "shop", r.token(), Receipt{}); !errors.Is(err, errDisk) {
		t.Errorf("replayed what may not be on the disk: %v", err)
	}
	if _, err := k.BeginClaim("spring", "run", 0); !errors.Is(err, errDisk) {
		t.Errorf("claimed: %v", err)
	}
}

// readOnly is a disk that fails all writes.
type readOnly struct{ *simDisk }

func (readOnly) Write(string, int, []byte) error    { return errDisk }
func (readOnly) Allocate(string, int, []byte) error { return errDisk }

// TestRenewedPairing: a run that dies after it gave one side a new credential
// leaves two servers that still understand each other.
func TestRenewedPairing(t *testing.T) {
	renewed := func(r *rig, x int, credential string) Peer {
		p := r.peer(x)
		p.Credential = credential
		return p
	}
	for name, renew := range map[string]func(r *rig, n int){
		"at the receiver": func(r *rig, n int) {
			r.ok(r.k[1].Stage(r.term, "shop", 0, renewed(r, 0, fmt.Sprint("new", n))))
		},
		"at the owner": func(r *rig, n int) { r.ok(r.k[0].Pair(r.term, "shop", 0, renewed(r, 1, fmt.Sprint("new", n)))) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.staged(1)
			for n := range maxFormer {
				renew(r, n)
				renew(r, n)
			}
			r.reboot(0)
			if a, err := r.k[0].AnswerPeer("shop", r.tell(0)); err != nil || a.Kind != Serve {
				t.Errorf("got %+v, %v", a, err)
			}
			r.ok(r.k[1].Confirm("shop", r.tell(1)))
			r.n++
			r.ok(r.freeze(0))
			r.ok(r.k[0].Thaw("shop", r.token(), "test"))
			r.n++
			r.ok(r.freeze(0))
			r.ok(r.k[0].DoorsClosed("shop", r.token()))
			rc := r.prepare(1)
			_, err := r.k[0].Commit(r.term, "shop", r.token(), rc)
			if name == "at the owner" {
				r.ok(err) // the receiver signs with what the owner had before
			}
			want := map[bool]State{true: Staged, false: Active}[err != nil]
			if err != nil {
				r.ok(r.k[0].Thaw("shop", r.token(), "no common credential for a receipt"))
			}
			if st, err := r.k[1].Learn("shop", r.poll(1)); err != nil || st != want {
				t.Errorf("got %s, %v", st, err)
			}
		})
	}
	r := Record{Peer: Peer{Machine: "a", Credential: "1"}}
	for i := range 3 * maxFormer {
		r = r.meet(Peer{Machine: "a", Credential: fmt.Sprint(i)})
	}
	if len(r.Former) != maxFormer || r.Former[0] != fmt.Sprint(3*maxFormer-2) {
		t.Errorf("former: %v", r.Former)
	}
	if r = r.meet(Peer{Machine: "b", Credential: "x"}); r.Former != nil {
		t.Errorf("another machine, former: %v", r.Former)
	}
}

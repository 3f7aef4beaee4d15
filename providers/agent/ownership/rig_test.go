package ownership

import (
	"fmt"
	"testing"
	"time"
)

// rig is two servers with their keepers, and the account shop on the first.
type rig struct {
	t     *testing.T
	clock time.Duration
	disk  [2]*simDisk
	k     [2]*Keeper
	boot  [2]int
	inst  int
	nonce int
	term  uint64
	n     uint64
	seen  func(State, Event, State, Guard)
}

const lease = 30 * time.Second

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	for x := range r.disk {
		r.disk[x] = newSimDisk()
		r.start(x)
	}
	r.claim("run")
	return r
}

func (r *rig) start(x int) {
	r.t.Helper()
	r.inst++
	k, err := open(r.disk[x], Options{
		Machine: fmt.Sprintf("m%d", x), Boot: fmt.Sprintf("b%d", r.boot[x]), Instance: fmt.Sprintf("i%d", r.inst), Known: x == 0,
		Now:   func() time.Duration { return r.clock },
		Nonce: func() string { r.nonce++; return fmt.Sprintf("n%d", r.nonce) },
	}, mutant{seen: r.seen})
	if err != nil {
		r.t.Fatal(err)
	}
	r.k[x] = k
}

// reboot loses what was not synced and starts the agent on a new boot.
func (r *rig) reboot(x int) {
	r.t.Helper()
	r.disk[x].powerLoss()
	r.boot[x]++
	r.start(x)
}

// lose makes the account's record unreadable.
func (r *rig) lose(x int) {
	r.t.Helper()
	r.disk[x].damage(accountBlob("shop"))
	r.start(x)
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) claim(nonce string) {
	r.t.Helper()
	for r.k[0].CheckTerm(r.term) != nil || r.k[1].CheckTerm(r.term) != nil || r.k[0].server.Nonce != nonce {
		for x := range r.k {
			term, err := r.k[x].Claim("spring", nonce, r.term)
			r.ok(err)
			r.term = term
		}
	}
}

func (r *rig) peer(x int) Peer {
	return Peer{Machine: fmt.Sprintf("m%d", x), Agent: "agent", Front: "front", Credential: "credential"}
}

func (r *rig) token() Token { return Token{r.term, r.n} }

func (r *rig) rec(x int) Record { return r.k[x].Status("shop").Record }

// staged makes x a copy of the owner on the other server.
func (r *rig) staged(x int) {
	r.t.Helper()
	e := r.rec(1 - x).Epoch
	r.ok(r.k[x].Stage(r.term, "shop", e, r.peer(1-x)))
	r.ok(r.k[1-x].Pair(r.term, "shop", e, r.peer(x)))
}

// frozen freezes the owner for a copy on x.
func (r *rig) frozen(x int) {
	r.t.Helper()
	r.staged(x)
	r.n++
	r.ok(r.freeze(1 - x))
}

func (r *rig) freeze(x int) error {
	return r.k[x].Freeze(r.term, "shop", r.token(), fmt.Sprintf("m%d", x), r.rec(x).Epoch, lease)
}

// prepared brings a copy on x to where the owner may commit.
func (r *rig) prepared(x int) Receipt {
	r.t.Helper()
	r.frozen(x)
	r.ok(r.k[1-x].DoorsClosed("shop", r.token()))
	return r.prepare(x)
}

func (r *rig) prepare(x int) Receipt {
	r.t.Helper()
	e := r.rec(1 - x).Epoch
	r.ok(r.k[x].PrepareBegin(r.term, "shop", r.token(), e))
	rc, err := r.k[x].Prepare(r.term, "shop", r.token(), e, "digest")
	r.ok(err)
	return rc
}

// moved commits to x.
func (r *rig) moved(x int) {
	r.t.Helper()
	rc := r.prepared(x)
	_, err := r.k[1-x].Commit(r.term, "shop", r.token(), rc)
	r.ok(err)
}

// active brings the move to x to its end, but for the confirmation.
func (r *rig) active(x int) {
	r.t.Helper()
	r.moved(x)
	if st, err := r.k[x].Learn("shop", r.poll(x)); err != nil || st != Active {
		r.t.Fatalf("learn: %s, %v", st, err)
	}
}

func (r *rig) confirmed(x int) {
	r.t.Helper()
	r.active(x)
	r.ok(r.k[1-x].Confirm("shop", r.tell(1-x)))
}

// poll lets x ask the other server about its token.
func (r *rig) poll(x int) Answer { return r.ask(x, (*Keeper).Poll) }

// tell lets x ask the other server what its record says.
func (r *rig) tell(x int) Answer { return r.ask(x, (*Keeper).Tell) }

func (r *rig) ask(x int, how func(*Keeper, Question) (Answer, error)) Answer {
	r.t.Helper()
	q, err := r.k[x].Ask("shop")
	r.ok(err)
	a, err := how(r.k[1-x], q)
	r.ok(err)
	return a
}

// assist lets x, whose record is lost, ask the other server for its rebuilding.
func (r *rig) assist(x int) Answer {
	r.t.Helper()
	q, err := r.k[x].AskRebuild(r.term, "shop", r.peer(1-x))
	r.ok(err)
	a, err := r.k[1-x].Assist(q)
	r.ok(err)
	return a
}

// forge signs an answer again after changing it: for what only a peer with an
// old or damaged record would say.
func forge(a Answer, change func(*Answer)) Answer {
	change(&a)
	a.MAC = a.sum("credential")
	return a
}

// restored puts back a disk that was copied earlier.
func (r *rig) restored(x int, d *simDisk) {
	r.t.Helper()
	r.disk[x] = d.clone()
	r.reboot(x)
}

func (r *rig) sealed(x int) uint64 {
	r.t.Helper()
	n, err := r.k[x].Seal(r.term, fmt.Sprintf("m%d", x), map[string]uint64{"shop": r.rec(x).Epoch}, []string{"shop"})
	r.ok(err)
	return n
}

// sealFlag seals a server whatever lives there, to see who looks at the seal.
func (r *rig) sealFlag(x int) {
	s := r.k[x].server.Clone()
	s.Seal = &Seal{Number: 99, Term: r.term}
	r.ok(r.k[x].putServer(s))
}

package ownership

import (
	"fmt"
	"strings"
	"time"
)

// goal is what a run of the tool wants to reach, one after the other.
type goal int

const (
	moveThere   goal = iota // move the account from server 0 to server 1
	moveBack                // and back: rollback or relocation
	wipe                    // seal server 0, reinstall it, write the stub
	sealUnseal              // seal server 0 and think better of it
	abortFrozen             // claim, and thaw whatever is frozen
	rebuildLost             // rebuild an unreadable record
	declareLost             // the other server is dead
)

// The steps of runs. Each is one order to one server, or one look.
type step int

const (
	claimA step = iota
	claimB
	pair
	stage
	freeze
	waitClosed
	read
	checked
	landed
	begin
	prepare
	commit
	settle
	thaw
	survey
	seal
	inherit
	reinstall
	claimNew
	stub
	unseal
	thawAny
	reintroduce
	askRebuild
	assist
	rebuilt
	declare
	ended
)

var stepNames = [...]string{
	"claimA", "claimB", "pair", "stage", "freeze", "waitClosed", "read", "checked", "landed", "begin", "prepare", "commit",
	"settle", "thaw", "survey", "seal", "inherit", "reinstall", "claimNew", "stub", "unseal", "thawAny", "reintroduce", "askRebuild", "assist", "rebuilt", "declare", "ended",
}

// run is one invocation of the tool. Not being scheduled is its pause.
type run struct {
	id       int
	goal     int // index into the scenario's goals
	at       step
	term     uint64
	n        uint64
	epoch    uint64
	machine  string
	from, to int
	buf      uint8
	stream   uint64
	tries    int
	receipt  *Receipt
	number   uint64
	question *Question
}

func (r *run) key(b []byte) []byte {
	b = append(b, byte(r.goal), byte(r.at), byte(r.term), byte(r.n), byte(r.epoch), r.buf, byte(r.stream), byte(r.tries), byte(r.number))
	b = append(b, bits(r.receipt != nil, r.question != nil, false, false))
	return append(b, r.machine...)
}

func (r *run) token() Token { return Token{Term: r.term, N: r.n} }

func (r *run) nonce() string { return fmt.Sprintf("r%d", r.id) }

// credential is a new one for each attempt.
func (r *run) credential() string { return fmt.Sprintf("c%d.%d.%d", r.id, r.goal, r.tries) }

// order is a request that was delivered and may be delivered again.
type order struct {
	name    string
	srv     int
	do      func(k *Keeper) error // nil: the order to reinstall
	number  uint64
	machine string
}

// begins sets a run up for its next goal.
func (w *world) begins(r *run) {
	goals := w.sc.runs[r.id]
	if r.goal >= len(goals) {
		r.at = ended
		return
	}
	first := r.term == 0
	r.from, r.to, r.tries = 0, 1, w.sc.tries
	switch goals[r.goal] {
	case moveThere:
		r.at = stage
	case moveBack:
		r.at, r.from, r.to = stage, 1, 0
	case wipe, sealUnseal:
		r.at = survey
	case abortFrozen:
		r.at = thawAny
	case rebuildLost:
		r.at = reintroduce
	case declareLost:
		r.at = declare
	}
	if first {
		r.at = claimA
	}
}

// next is where a run goes once it has its claims.
func (w *world) next(r *run) {
	if r.term == 0 {
		r.at = ended
		return
	}
	w.begins(r)
}

// finish goes on to the next goal.
func (w *world) finish(r *run) {
	r.goal++
	w.begins(r)
}

// target is the server that a run's next step speaks to, or -1.
func (w *world) target(r *run) int {
	switch r.at {
	case claimA, survey, seal, reinstall, claimNew, stub, unseal:
		return 0
	case claimB, inherit:
		return 1
	case pair, rebuilt, freeze, waitClosed, commit, thaw:
		return r.from
	case stage, read, checked, landed, begin, prepare:
		return r.to
	case assist:
		return r.to
	}
	for x := range w.srv {
		s := &w.srv[x]
		if r.at == reintroduce && s.k != nil && w.srv[1-x].k != nil && w.srv[1-x].rec().State == Unreadable ||
			r.at == askRebuild && s.k != nil && s.rec().State == Unreadable ||
			r.at == declare && s.k != nil && w.srv[1-x].dead ||
			r.at == thawAny && s.k != nil && s.rec().State == Frozen {
			return x
		}
	}
	return -1
}

// order sends one request: the keeper does it, and it may come again later.
func (w *world) order(r *run, x int, name string, do func(k *Keeper) error) error {
	if w.b.dups > 0 {
		w.remember(order{name: fmt.Sprintf("%d%s%s-%d", x, name, r.token(), r.epoch), srv: x, do: do})
	}
	return do(w.srv[x].k)
}

func (w *world) remember(o order) {
	if !strings.Contains(o.name, w.sc.again) {
		return
	}
	for _, old := range w.orders {
		if old.name == o.name {
			return
		}
	}
	w.orders = append(w.orders, o)
}

// refused reports a refusal and ends the run if its claim was taken over.
func (r *run) refused(err error) bool {
	if RefusedBy(err) == GuardTerm {
		r.at = ended
	}
	return err != nil
}

func (w *world) claims(r *run, x int, then step) {
	atLeast := r.term
	c, err := w.srv[x].k.BeginClaim("m", r.nonce(), atLeast)
	if r.refused(err) {
		return
	}
	if w.srv[x].k.FinishClaim(c.Term) != nil {
		return
	}
	agree := c.Term == r.term
	r.term = c.Term
	switch {
	case x == 1 && !agree:
		r.at = claimA
	case x == 1:
		w.next(r)
	default:
		r.at = then
	}
}

// steps is what each step does; the table is built once per scenario so that
// steps may refer to each other.
func steps() map[step]func(*world, *run) {
	return map[step]func(*world, *run){
		claimA: func(w *world, r *run) { w.claims(r, 0, claimB) },
		claimB: func(w *world, r *run) { w.claims(r, 1, ended) },
		pair:   stepPair, stage: stepStage, freeze: stepFreeze, waitClosed: stepWait,
		read: stepRead, checked: stepChecked, landed: stepLanded, begin: stepBegin, prepare: stepPrepare,
		commit: stepCommit, settle: stepSettle, thaw: stepThaw,
		survey: stepSurvey, seal: stepSeal, inherit: stepInherit, reinstall: stepReinstall,
		claimNew: func(w *world, r *run) { w.claims(r, 0, stub) },
		stub:     stepStub, unseal: stepUnseal, thawAny: stepThawAny,
		reintroduce: stepReintroduce,
		askRebuild:  stepAskRebuild, assist: stepAssist, rebuilt: stepRebuilt, declare: stepDeclare,
	}
}

// stepStage comes before stepPair: an owner that is paired may have to ask its
// peer after a reboot, and only a peer with a record can answer.
func stepStage(w *world, r *run) {
	s, term := &w.srv[r.from], r.term
	r.epoch, r.machine = s.effective().Epoch, s.id()
	epoch, peer := r.epoch, s.peer()
	peer.Credential = r.credential()
	err := w.order(r, r.to, "stage", func(k *Keeper) error { return k.Stage(term, acct, epoch, peer) })
	if !r.refused(err) {
		r.at = pair
	}
}

func stepPair(w *world, r *run) {
	term, epoch, peer := r.term, r.epoch, w.srv[r.to].peer()
	peer.Credential = r.credential()
	err := w.order(r, r.from, "pair", func(k *Keeper) error { return k.Pair(term, acct, epoch, peer) })
	switch {
	case !r.refused(err):
		r.n++
		r.at = freeze
	case r.at != ended:
		r.at = stage
	}
}

func stepFreeze(w *world, r *run) {
	term, token, machine, epoch := r.term, r.token(), r.machine, r.epoch
	err := w.order(r, r.from, "freeze", func(k *Keeper) error {
		return k.Freeze(term, acct, token, machine, epoch, 30*time.Second)
	})
	r.at = waitClosed
	if err != nil {
		r.at = thaw
	}
}

func stepWait(w *world, r *run) {
	h := w.srv[r.from].k.holding(acct)
	switch {
	case h.rec.State != Frozen || h.rec.Token != r.token():
		r.at = thaw
	case h.closed || w.sc.mutant.lacks(GuardDoors):
		r.at = read
	}
}

func stepRead(w *world, r *run) {
	id, err := w.srv[r.to].k.openStream(r.term, acct, nil)
	if err != nil {
		r.at = thaw
		return
	}
	r.buf, r.stream, r.at = w.srv[r.from].data, id, checked
}

func stepChecked(w *world, r *run) {
	k := w.srv[r.to].k
	if r.stream == 0 || k.checkStream(r.stream) != nil {
		k.closeStream(r.stream)
		r.stream, r.at = 0, thaw
		return
	}
	r.at = landed
}

// stepLanded: between the check and the last byte on disk, anything may happen.
func stepLanded(w *world, r *run) {
	if r.stream == 0 {
		r.at = thaw
		return
	}
	w.srv[r.to].data = r.buf
	w.srv[r.to].k.closeStream(r.stream)
	r.stream, r.at = 0, begin
}

func stepBegin(w *world, r *run) {
	term, token, epoch := r.term, r.token(), r.epoch
	err := w.order(r, r.to, "begin", func(k *Keeper) error { return k.PrepareBegin(term, acct, token, epoch) })
	r.at = prepare
	if err != nil {
		r.at = thaw
	}
}

// stepPrepare compares and prepares; the comparison reads both sides.
func stepPrepare(w *world, r *run) {
	if w.srv[r.to].data != w.srv[r.from].data {
		r.at = thaw
		return
	}
	term, token, epoch, digest := r.term, r.token(), r.epoch, fmt.Sprint(w.srv[r.to].data)
	var rc Receipt
	err := w.order(r, r.to, "prepare", func(k *Keeper) (err error) {
		c, err := k.Prepare(term, acct, token, epoch, digest)
		rc = c
		return err
	})
	r.at = thaw
	if err == nil {
		got := rc // a late second delivery must not change it
		r.receipt, r.at = &got, commit
	}
}

func stepCommit(w *world, r *run) {
	term, token, receipt := r.term, r.token(), *r.receipt
	err := w.order(r, r.from, "commit", func(k *Keeper) error {
		_, err := k.Commit(term, acct, token, receipt)
		return err
	})
	r.at = settle
	if err != nil {
		r.at = thaw
	}
}

// stepSettle waits until the move is complete on both sides.
func stepSettle(w *world, r *run) {
	f, t := w.srv[r.from].effective(), w.srv[r.to].effective()
	if f.State == Moved && f.Confirmed && t.State == Active {
		w.finish(r)
	}
}

func stepThaw(w *world, r *run) {
	token := r.token()
	if k := w.srv[r.to].k; k != nil {
		k.PrepareCancel(acct, token)
	}
	err := w.order(r, r.from, "thaw", func(k *Keeper) error { return k.Thaw(acct, token, "given up") })
	rec := w.srv[r.from].rec()
	switch {
	case rec.State == Moved && rec.Token == token:
		r.at = settle
	case err != nil && RefusedBy(err) == "":
		// Not written: try again.
	case r.tries > 0:
		r.tries--
		r.at = stage
	default:
		r.at = ended
	}
}

func stepSurvey(w *world, r *run) {
	r.epoch, r.machine, r.at = w.srv[0].rec().Epoch, w.srv[0].id(), seal
}

func stepSeal(w *world, r *run) {
	term, machine, epochs := r.term, r.machine, map[string]uint64{acct: r.epoch}
	var number uint64
	err := w.order(r, 0, "seal", func(k *Keeper) (err error) {
		number, err = k.Seal(term, machine, epochs, []string{acct})
		return err
	})
	switch {
	case r.refused(err):
		if r.at != ended {
			r.at = survey
		}
	case w.sc.runs[r.id][r.goal] == sealUnseal:
		r.number, r.at = number, unseal
	default:
		r.number, r.at = number, inherit
	}
}

func stepInherit(w *world, r *run) {
	err := w.srv[1].k.Inherit(r.term, r.machine, map[string]uint64{acct: r.epoch})
	if !r.refused(err) || r.at != ended {
		r.at = reinstall
	}
}

// stepReinstall carries the order out: the system is new, and nothing of the
// old one is left.
func stepReinstall(w *world, r *run) {
	number, machine := r.number, r.machine
	r.at = claimNew
	if w.b.dups > 0 {
		w.remember(order{name: fmt.Sprintf("wipe%d%s", number, machine), srv: 0, number: number, machine: machine})
	}
	w.reinstall(number, machine)
}

func (w *world) reinstall(number uint64, machine string) {
	s := &w.srv[0]
	if s.k.CheckOrder(number, machine) != nil {
		return
	}
	rec, other := s.effective(), w.srv[1].effective()
	if rec.State.Owner() || rec.State == Prepared || s.open {
		w.broken = "a server was wiped that is " + rec.State.String()
	}
	if !other.State.Owner() || w.acked&^w.srv[1].data != 0 {
		w.broken = "a server was wiped and the other is " + other.State.String()
	}
	*s = server{disk: newSimDisk(), boot: s.boot + 1, inst: s.inst, machine: s.machine + 1}
	w.wiped = true
}

func stepStub(w *world, r *run) {
	term, peer := r.term, w.srv[1].peer()
	epoch := w.srv[1].effective().Epoch
	err := w.order(r, 0, "stub", func(k *Keeper) error { return k.Stub(term, acct, epoch, Token{}, peer) })
	if !r.refused(err) {
		w.finish(r)
	}
}

func stepUnseal(w *world, r *run) {
	term, number := r.term, r.number
	err := w.order(r, 0, "unseal", func(k *Keeper) error { return k.Unseal(term, number) })
	if !r.refused(err) {
		w.finish(r)
	}
}

func stepThawAny(w *world, r *run) {
	for x := range w.srv {
		if k := w.srv[x].k; k != nil {
			if rec := w.srv[x].rec(); rec.State == Frozen {
				if k.Thaw(acct, rec.Token, "another run") != nil {
					return
				}
			}
		}
	}
	w.finish(r)
}

func stepReintroduce(w *world, r *run) {
	x := w.target(r)
	term, peer := r.term, w.srv[1-x].peer()
	peer.Credential = r.credential()
	err := w.order(r, x, "reintroduce", func(k *Keeper) error { return k.Reintroduce(term, acct, peer) })
	if !r.refused(err) {
		r.at = askRebuild
	}
}

func stepAskRebuild(w *world, r *run) {
	for x := range w.srv {
		s := &w.srv[x]
		if s.k == nil || s.rec().State != Unreadable {
			continue
		}
		term, peer := r.term, w.srv[1-x].peer()
		peer.Credential = r.credential()
		q, err := s.k.AskRebuild(term, acct, peer)
		if r.refused(err) {
			return
		}
		r.question, r.from, r.to, r.at = &q, x, 1-x, assist
		return
	}
}

func stepAssist(w *world, r *run) {
	if w.srv[r.from].k != nil && w.srv[r.from].rec().State != Unreadable {
		r.at = rebuilt
		return
	}
	q, to := *r.question, r.from
	var a Answer
	err := w.order(r, r.to, "assist", func(k *Keeper) (err error) {
		if rec := k.holding(acct).rec; w.sc.twist == "assist voids nothing" && rec.State == Prepared {
			rec.State, rec.Epoch = Staged, rec.Epoch-1
			a = k.answer(q, ToldAnswer, rec)
			return nil
		}
		a, err = k.Assist(q)
		return err
	})
	r.at = rebuilt
	if err == nil {
		w.mail = append(w.mail, message{to: to, answer: a})
	}
}

// stepRebuilt waits for the answer to do its work, and asks again if it was lost.
func stepRebuilt(w *world, r *run) {
	switch s := &w.srv[r.from]; {
	case s.rec().State != Unreadable:
		w.finish(r)
		if r.at != ended { // all tokens of this claim are void now
			r.term++
			r.at = claimA
		}
	case !w.freshMail(r.from):
		r.at = askRebuild
	}
}

func stepDeclare(w *world, r *run) {
	for x := range w.srv {
		if !w.srv[x].dead || w.srv[1-x].k == nil {
			continue
		}
		confirmed := w.srv[1-x].rec().Confirmed
		err := w.srv[1-x].k.DeclareLost(r.term, acct, w.srv[x].id())
		if !r.refused(err) {
			if !confirmed {
				// What only the dead server acknowledged is lost with it: the
				// operator said so.
				w.acked &= w.srv[1-x].data
			}
			w.finish(r)
		}
		return
	}
}

// died reports whether an operation ended in a simulated crash.
func died(f func()) (c *crashed) {
	defer func() {
		if v := recover(); v != nil {
			err, ok := v.(crashed)
			if !ok {
				panic(v)
			}
			c = &err
		}
	}()
	f()
	return nil
}

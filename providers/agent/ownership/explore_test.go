package ownership

import (
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// scenario is a family of worlds to explore.
type scenario struct {
	name   string
	runs   [][]goal
	tries  int // cutovers that a run begins again after it gave one up
	writes int // that clients may make; each is one bit
	b      budget
	again  string // in the names of the orders that may come again; empty: all
	mutant mutant
	want   []string // things that must be reached, or the model is too strict
	ops    int      // orders of a chaotic tool
	moved  bool     // the chaos begins after a move, and not before
	only   string   // of them: first three letters and server, or all
	script []string // the orders of the chaotic tool, in this order
	twist  string   // how a mutant agent or tool misbehaves
}

// edge is one thing that can happen.
type edge struct {
	label string
	w     *world
}

func (sc *scenario) start() *world {
	w := &world{sc: sc, b: sc.b}
	w.srv[0] = server{disk: newSimDisk(), machine: 0, known: true, open: true}
	w.srv[1] = server{disk: newSimDisk(), machine: 100}
	for i := range sc.runs {
		w.runs = append(w.runs, run{id: i})
		w.begins(&w.runs[i])
	}
	for x := range w.srv {
		w.start(x)
	}
	if len(sc.script) > 0 {
		w.sc.ops = len(sc.script)
	}
	if sc.ops > 0 {
		w.chaos = &chaos{ops: sc.ops}
		if err := w.ordered(); err != nil {
			w.broken = err.Error()
		}
	}
	return w
}

// explorer collects the successors of one world.
type explorer struct {
	w     *world
	edges []edge
	steps map[step]func(*world, *run)

	before []byte // the world's key, once it was needed
}

// do adds the world after an operation of server x, and those in which it is
// disturbed at one of its disk writes. The label is made only if it is needed.
func (e *explorer) do(label string, x int, op func(w *world)) {
	n := e.one(label, x, 0, noFault, op)
	b := e.w.b
	for at := range n {
		for f := killBefore; f < faults; f++ {
			switch {
			case f == killBefore && (at == 0 || b.kills == 0),
				f == killUnsynced && b.kills == 0,
				f == tornPower && b.powers == 0,
				f >= errBefore && b.errs == 0:
				continue
			}
			e.one(label, x, at, f, op)
		}
	}
}

func (e *explorer) one(label string, x, at int, f fault, op func(w *world)) (writes int) {
	w := e.w.clone()
	d := w.srv[x].disk
	d.writes, d.at, d.fault = 0, at, f
	c := died(func() { op(w) })
	writes = d.writes
	d.writes, d.at, d.fault = 0, 0, noFault
	switch f {
	case killBefore, killUnsynced:
		w.b.kills--
	case tornPower:
		w.b.powers--
	case errBefore, errAfter:
		w.b.errs--
	}
	if f != noFault {
		label += fmt.Sprintf(" [%s write %d]", f, at)
	}
	if c != nil {
		w.crash(x, c.power)
	}
	e.edges = append(e.edges, edge{label: label, w: w})
	return writes
}

// successors returns all worlds that one event leads to.
func (w *world) successors(steps map[step]func(*world, *run)) []edge {
	e := &explorer{w: w, steps: steps}
	for i := range w.runs {
		e.run(i)
	}
	for x := range w.srv {
		e.agent(x)
		e.misfortune(x)
		e.forgeries(x)
	}
	for i := range w.mail {
		e.deliver(i)
	}
	if w.b.dups > 0 {
		for _, o := range w.orders {
			e.again(o)
		}
	}
	e.disorder()
	e.clients()
	return e.edges
}

func (e *explorer) run(i int) {
	r := &e.w.runs[i]
	if r.at == ended {
		return
	}
	label := "run " + strconv.Itoa(i) + " " + stepNames[r.at]
	if r.at == settle {
		e.do(label, 0, func(w *world) { stepSettle(w, &w.runs[i]) })
		return
	}
	x := e.w.target(r)
	if x >= 0 && e.w.srv[x].dead && (r.at == claimA || r.at == claimB) {
		// Nobody can claim a dead server: only the other one counts.
		e.do(label+" skipped", 1-x, func(w *world) {
			if r := &w.runs[i]; r.at == claimA {
				r.at = claimB
			} else {
				w.next(r)
			}
		})
		return
	}
	if x < 0 || e.w.srv[x].k == nil {
		if r.at == thawAny && x < 0 {
			e.do(label, 0, func(w *world) { w.finish(&w.runs[i]) })
		}
		return
	}
	f := e.steps[r.at]
	e.do(label, x, func(w *world) { f(w, &w.runs[i]) })
	if e.w.b.drops > 0 {
		e.one(label+" (reply lost)", x, 0, noFault, func(w *world) {
			before := w.runs[i]
			f(w, &w.runs[i])
			after := w.runs[i].stream
			w.runs[i] = before
			w.b.drops--
			if after != before.stream && after != 0 { // nobody will use the stream
				w.srv[x].k.closeStream(after)
			}
		})
	}
}

// agent adds what the agent of server x does by itself.
func (e *explorer) agent(x int) {
	s := &e.w.srv[x]
	tag := " " + strconv.Itoa(x)
	if s.dead {
		return
	}
	if s.k == nil {
		e.do("start"+tag, x, func(w *world) { w.start(x) })
		return
	}
	h := s.k.holding(acct)
	if h.rec.State == Frozen && !h.closed {
		e.do("close doors"+tag, x, func(w *world) {
			w.srv[x].open = false
			_ = w.srv[x].k.DoorsClosed(acct, w.srv[x].rec().Token)
		})
	}
	if s.k.serves(h.rec) && !s.open {
		e.do("open doors"+tag, x, func(w *world) { w.srv[x].open = true })
	}
	if h.rec.State == Frozen && e.w.b.lapses > 0 && h.deadline > 0 {
		e.do("lease lapses"+tag, x, func(w *world) {
			w.b.lapses--
			w.srv[x].k.holding(acct).deadline = 0
		})
	}
	if h.rec.State == Frozen && h.deadline == 0 {
		e.do("thaw lapsed"+tag, x, func(w *world) {
			for _, l := range w.srv[x].k.Lapsed() {
				_ = w.srv[x].k.Thaw(l.Account, l.Token, "lease lapsed")
			}
		})
	}
	if h.rec.State == Frozen && h.closed && e.w.b.slips > 0 {
		e.do("door slips"+tag, x, func(w *world) {
			w.b.slips--
			if w.srv[x].k.DoorOpened(acct) == nil {
				w.srv[x].open = true
			}
		})
	}
	for id, st := range s.k.streams {
		if st.cancelled && !e.w.streamUsed(x, id) {
			e.do("drain"+tag, x, func(w *world) { w.srv[x].k.closeStream(id) })
		}
	}
	e.question(x)
}

func (w *world) streamUsed(x int, id uint64) bool {
	for i := range w.runs {
		if r := &w.runs[i]; r.to == x && r.stream == id {
			return true
		}
	}
	if w.chaos == nil {
		return false
	}
	return slices.ContainsFunc(w.chaos.streams[x], func(t transfer) bool { return t.id == id })
}

// question lets the agent of server x ask its peer what its record makes it
// ask. An answer that changes nothing is not sent at all.
func (e *explorer) question(x int) {
	y := 1 - x
	s, o := &e.w.srv[x], &e.w.srv[y]
	if o.k == nil || o.dead || e.w.freshMail(x) || len(e.w.mail) > 2 {
		return
	}
	tag := " " + strconv.Itoa(x)
	h := s.k.holding(acct)
	switch {
	case h.rec.State == Prepared:
		e.do("poll by"+tag, y, func(w *world) { w.asks(x, (*Keeper).Poll) })
	case h.rec.State == Moved && !h.rec.Confirmed && o.rec().State.Owner():
		e.do("confirm by"+tag, y, func(w *world) { w.asks(x, (*Keeper).Tell) })
	case s.k.pending(h.rec) && h.rec.Blocker == "":
		e.do("ask by"+tag, y, func(w *world) { w.asks(x, (*Keeper).Tell) })
	}
}

func (w *world) asks(x int, how func(*Keeper, Question) (Answer, error)) {
	q, err := w.srv[x].k.Ask(acct)
	if err != nil {
		return
	}
	a, err := how(w.srv[1-x].k, q)
	if w.sc.twist == "anything but moved is void" && err == nil && w.srv[x].rec().State == Prepared && a.Kind != MovedAnswer {
		rec := w.srv[x].rec()
		rec.State, rec.Epoch, rec.Void = Staged, rec.Epoch-1, rec.Token
		_ = w.srv[x].k.put(w.srv[x].k.holding(acct), rec)
		return
	}
	if err == nil && a.Kind != FrozenAnswer && a.Kind != OtherAnswer {
		w.mail = append(w.mail, message{to: x, answer: a})
	}
}

func (w *world) freshMail(x int) bool {
	q := w.srv[x].k.holding(acct).question
	for _, m := range w.mail {
		if m.to == x && m.answer.Nonce == q {
			return true
		}
	}
	return false
}

// deliver adds the delivery of an answer: once, or kept to come again, or lost.
func (e *explorer) deliver(i int) {
	m := e.w.mail[i]
	if e.w.b.drops > 0 {
		e.one("answer lost", m.to, 0, noFault, func(w *world) {
			w.b.drops--
			w.mail = append(w.mail[:i:i], w.mail[i+1:]...)
		})
	}
	if e.w.srv[m.to].k == nil {
		return
	}
	label := fmt.Sprintf("answer %s %s to %d", m.answer.Kind, m.answer.State, m.to)
	e.do(label, m.to, func(w *world) {
		w.mail = append(w.mail[:i:i], w.mail[i+1:]...)
		w.learn(m)
	})
	if e.w.b.dups > 0 {
		e.one(label+" (and again)", m.to, 0, noFault, func(w *world) { w.b.dups--; w.learn(m) })
	}
}

func (w *world) learn(m message) {
	k := w.srv[m.to].k
	rec := w.srv[m.to].rec()
	switch {
	case rec.State == Unreadable:
		_ = k.Rebuild(acct, m.answer)
	case m.answer.Kind != ToldAnswer:
		st, err := k.Learn(acct, m.answer)
		w.voids = w.voids || err == nil && st == Staged
	case rec.State == Moved || rec.State == Staged:
		_ = k.Confirm(acct, m.answer)
	default:
		_, _ = k.AnswerPeer(acct, m.answer)
	}
}

// forgeries adds answers that the peer never gave: what a tool that believes
// to know, or somebody in between, would say.
func (e *explorer) forgeries(x int) {
	s := &e.w.srv[x]
	if e.w.b.forged == 0 || s.k == nil || s.rec().State != Prepared {
		return
	}
	for _, kind := range []Kind{MovedAnswer, VoidAnswer} {
		e.do("forged "+kind.String()+" to "+strconv.Itoa(x), x, func(w *world) {
			w.b.forged--
			k, rec := w.srv[x].k, w.srv[x].rec()
			q, _ := k.Ask(acct)
			a := Answer{Kind: kind, Account: acct, Machine: q.To, To: q.Machine, Nonce: q.Nonce, Question: q.Token, State: Moved, Epoch: rec.Epoch, Token: q.Token}
			if kind == VoidAnswer {
				a.State, a.Epoch = Active, rec.Epoch-1
			}
			a.MAC = a.sum("not the credential")
			_, _ = k.Learn(acct, a)
		})
	}
}

// again adds a late second delivery of an order.
func (e *explorer) again(o order) {
	if e.w.srv[o.srv].k == nil {
		return
	}
	e.do("again "+o.name, o.srv, func(w *world) {
		w.b.dups--
		if o.do == nil {
			w.reinstall(o.number, o.machine)
			return
		}
		_ = o.do(w.srv[o.srv].k)
	})
}

// misfortune adds what befalls server x.
func (e *explorer) misfortune(x int) {
	w, s := e.w, &e.w.srv[x]
	tag := " " + strconv.Itoa(x)
	if w.b.kills > 0 && s.k != nil {
		e.one("kill"+tag, x, 0, noFault, func(w *world) { w.b.kills--; w.crash(x, false) })
	}
	if w.b.powers > 0 && !s.dead {
		e.one("power loss"+tag, x, 0, noFault, func(w *world) { w.b.powers--; w.crash(x, true) })
	}
	if w.b.snaps > 0 && w.snap == nil && s.effective().Paired { // one from before cannot know that it is old
		e.one("snapshot"+tag, x, 0, noFault, func(w *world) {
			w.b.snaps--
			w.snap = &snapshot{srv: x, disk: w.srv[x].disk.clone(), data: w.srv[x].data}
			w.snap.disk.powerLoss()
		})
	}
	if w.snap != nil && w.snap.srv == x && !w.b.restored {
		e.one("restore"+tag, x, 0, noFault, func(w *world) {
			w.crash(x, true)
			w.srv[x].disk, w.srv[x].data = w.snap.disk.clone(), w.snap.data
			w.b.restored = true
		})
	}
	if _, ok := s.disk.blobs[accountBlob(acct)]; ok && w.b.damages > 0 {
		e.one("damage"+tag, x, 0, noFault, func(w *world) {
			w.b.damages--
			w.crash(x, true)
			w.srv[x].disk.damage(accountBlob(acct))
		})
	}
	if s.dead && !w.b.backFromAsh {
		e.one("comes back"+tag, x, 0, noFault, func(w *world) {
			w.srv[x].dead = false
			w.b.backFromAsh = true
		})
	}
	if w.b.dies > 0 {
		e.one("dies"+tag, x, 0, noFault, func(w *world) {
			w.b.dies--
			w.crash(x, true)
			w.srv[x].dead = true
		})
	}
}

// clients adds the writes that clients make where a door is open.
func (e *explorer) clients() {
	for i := range e.w.sc.writes {
		bit := uint8(1) << i
		if e.w.written&bit != 0 {
			continue
		}
		for x := range e.w.srv {
			if e.w.srv[x].open && !e.w.srv[x].dead {
				e.one("write "+strconv.Itoa(i)+" on "+strconv.Itoa(x), x, 0, noFault, func(w *world) {
					w.srv[x].data |= bit
					w.acked |= bit
					w.written |= bit
				})
			}
		}
		break // one after the other
	}
}

// recovers stops faults and tools and lets the agents alone do their work. It
// returns why nobody serves in the end, or "".
func (w *world) recovers() string {
	w = w.clone()
	w.b = budget{restored: w.b.restored, backFromAsh: w.b.backFromAsh}
	w.runs = nil
	for range 20 {
		before := maphash.Bytes(seed, w.key(nil))
		for x := range w.srv {
			w.tend(x)
		}
		if why := w.check(); why != "" {
			return why
		}
		if maphash.Bytes(seed, w.key(nil)) == before {
			for x := range w.srv {
				if w.srv[x].open {
					return ""
				}
			}
			return fmt.Sprintf("in the end nobody serves: %s and %s", w.srv[0].effective().State, w.srv[1].effective().State)
		}
	}
	return "it never comes to rest"
}

// tend does all that the agent of server x would do within a lease.
func (w *world) tend(x int) {
	s := &w.srv[x]
	if s.dead {
		return
	}
	if s.k == nil {
		w.start(x)
	}
	h := s.k.holding(acct)
	if h.rec.State == Frozen {
		_ = s.k.Thaw(acct, h.rec.Token, "lease lapsed")
	}
	for len(w.mail) > 0 {
		m := w.mail[0]
		w.mail = w.mail[1:]
		if w.srv[m.to].k != nil {
			w.learn(m)
		}
	}
	if o := &w.srv[1-x]; o.k != nil && !o.dead {
		rec := s.rec()
		switch {
		case rec.State == Prepared:
			w.asks(x, (*Keeper).Poll)
		case rec.State == Moved && !rec.Confirmed, s.k.pending(rec) && rec.Blocker == "":
			w.asks(x, (*Keeper).Tell)
		}
		for _, m := range w.mail {
			w.learn(m)
		}
		w.mail = nil
	}
	if s.k.serves(s.rec()) {
		s.open = true
	}
}

var seed = maphash.MakeSeed()

// outcome is what an exploration found.
type outcome struct {
	states, edges, depth int
	complete             bool
	broken               string
	trace                []string
	reached              map[string]bool
}

type node struct {
	parent int32
	label  string
}

// explore visits worlds breadth first, each once.
func explore(sc *scenario, maxDepth, maxStates int) outcome {
	start, table := sc.start(), steps()
	out := outcome{reached: map[string]bool{}}
	seen := map[uint64]struct{}{}
	nodes := []node{{parent: -1, label: "start"}}
	type item struct {
		w  *world
		at int32
	}
	level := []item{{start, 0}}
	var buf []byte
	fail := func(why string, at int32) outcome {
		out.broken = why
		for ; at >= 0; at = nodes[at].parent {
			out.trace = append([]string{nodes[at].label}, out.trace...)
		}
		return out
	}
	for len(level) > 0 {
		if out.depth == maxDepth {
			return out
		}
		out.depth++
		var following []item
		for i := range level {
			it := level[i]
			level[i].w = nil
			for _, ed := range it.w.successors(table) {
				out.edges++
				buf = ed.w.key(buf[:0])
				h := maphash.Bytes(seed, buf)
				if _, ok := seen[h]; ok {
					continue
				}
				seen[h] = struct{}{}
				out.states++
				nodes = append(nodes, node{parent: it.at, label: ed.label})
				at := int32(len(nodes) - 1)
				if why := ed.w.check(); why != "" {
					return fail(why, at)
				}
				ed.w.reach(out.reached)
				if h%uint64(livenessSample) == 0 && sc.alive(ed.w) {
					if why := ed.w.recovers(); why != "" {
						return fail("recovery: "+why, at)
					}
				}
				if out.states >= maxStates {
					return out
				}
				following = append(following, item{ed.w, at})
			}
		}
		level = following
	}
	out.complete = true
	return out
}

const livenessSample = 4

// alive reports whether somebody must serve in the end: not when a server is
// dead, an old disk came back or a record is lost, before a person decides.
func (sc *scenario) alive(w *world) bool {
	if w.b.restored || w.b.backFromAsh || w.srv[0].dead || w.srv[1].dead {
		return false
	}
	return w.srv[0].effective().State != Unreadable && w.srv[1].effective().State != Unreadable
}

// reach notes what this world shows to be possible.
func (w *world) reach(m map[string]bool) {
	a, b := w.srv[0].effective(), w.srv[1].effective()
	m[a.State.String()+" "+b.State.String()] = true
	if w.voids && (a.State == Prepared || b.State == Prepared) {
		m["prepared again after a void"] = true
	}
	if w.wiped && a.State == Active {
		m["home again after a wipe"] = true
	}
	for _, r := range []Record{a, b} {
		if r.State == Active && r.Epoch > 0 {
			m[fmt.Sprintf("active at epoch %d", r.Epoch)] = true
		}
		if r.Blocker != "" {
			m["fenced"] = true
		}
	}
	done := true
	for i := range w.runs {
		done = done && w.runs[i].at == ended
		if w.runs[i].at == ended && w.runs[i].goal == len(w.sc.runs[i]) {
			m["run "+strconv.Itoa(i)+" reached its goals"] = true
		}
	}
	if done {
		m["all runs ended"] = true
	}
}

// limits returns how far to explore, and whether more was asked for than what
// every run of the tests does.
func limits(t testing.TB) (depth, states int, deep bool) {
	number := func(name string, def int) int {
		v := os.Getenv(name)
		if v == "" {
			return def
		}
		n, err := strconv.Atoi(v)
		if err != nil || n <= 0 {
			t.Fatalf("%s=%q is not a positive number", name, v)
		}
		return n
	}
	states = number("STOPOVER_EXPLORE_STATES", 60_000)
	return number("STOPOVER_EXPLORE_DEPTH", 1000), states, states > 60_000
}

// TestExplore visits every world that each scenario leads to. With
// STOPOVER_EXPLORE_STATES above 60000 (worlds for each scenario) the scenarios
// have more faults; STOPOVER_EXPLORE_DEPTH bounds the number of steps.
func TestExplore(t *testing.T) {
	depth, states, deep := limits(t)
	if raced && !deep {
		states = 2_000
	}
	var total atomic.Int64
	begin := time.Now()
	t.Cleanup(func() { t.Logf("%d states in %s", total.Load(), time.Since(begin).Round(time.Millisecond)) })
	for _, sc := range scenarios() {
		if deep {
			sc = sc.deepen()
		}
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			out := explore(&sc, depth, states)
			total.Add(int64(out.states))
			t.Logf("%d states, %d steps, depth %d, complete %v, %s", out.states, out.edges, out.depth, out.complete, time.Since(begin).Round(time.Millisecond))
			if out.broken != "" {
				t.Fatalf("%s\n  %s", out.broken, strings.Join(out.trace, "\n  "))
			}
			for _, want := range sc.want {
				if out.complete && !out.reached[want] {
					t.Errorf("never reached: %s", want)
				}
			}
			if !out.complete && !deep && !raced && depth >= 1000 {
				t.Error("not complete: the scenario has become too big for every run of the tests")
			}
		})
	}
}

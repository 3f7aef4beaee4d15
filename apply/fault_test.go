package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// memory is a store that is kept between runs and can be made to fail.
type memory struct {
	mu     sync.Mutex
	events []state.Event
	hook   func(when string) error
}

func (m *memory) Load(context.Context) (*state.Log, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &state.Log{Lineage: "memory", Serial: uint64(len(m.events)), Events: slices.Clone(m.events)}, nil
}

func (m *memory) Append(_ context.Context, events ...state.Event) error {
	m.mu.Lock()
	hook := m.hook
	m.mu.Unlock()
	if hook != nil {
		if err := hook("before"); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.events = append(m.events, events...)
	m.mu.Unlock()
	if hook != nil {
		return hook("after")
	}
	return nil
}

func (m *memory) Flush(context.Context) error { return nil }
func (m *memory) Close() error                { return nil }
func (m *memory) Lock(context.Context, state.Holder) (state.Lock, error) {
	return nil, errors.ErrUnsupported
}

// writes are the calls that change a server. Renewals are left out: how many
// there are depends on the time.
func writes(call string) bool {
	switch call {
	case "Survey", "Identity", "Status", "Facts", "Renew", "Origin", "CloseOrigin", "Compare":
		return false
	}
	return true
}

// faults counts the places where something can go wrong in a journey, and does
// something at one of them.
type faults struct {
	mu    sync.Mutex
	at    int // 0: only count
	count int
	where string
	dead  bool
	act   func() error // what the place returns; nil: it goes on
	stay  bool         // the error stays for the rest of the run: the tool is dead
}

func (f *faults) point(where string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return errDead
	}
	f.count++
	if f.count != f.at {
		return nil
	}
	f.where = where
	f.dead = f.stay
	return f.act()
}

// errDead is what calls of a tool that is dead return. It counts as a refusal,
// so that nothing is tried again.
var errDead = fmt.Errorf("the tool is dead: %w", providers.ErrRefused)

// memoryTrip is a trip whose store is in memory.
func memoryTrip(t *testing.T, accounts ...string) (*trip, *memory) {
	j := newTrip(t, accounts...)
	m := &memory{}
	j.memory = m
	return j, m
}

// install puts the faults between a run and everything else.
func (f *faults) install(j *trip, m *memory) {
	j.w.setHook(func(when, server, call, account string) error {
		if !writes(call) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.dead {
				return errDead
			}
			return nil
		}
		return f.point(when + " " + call + " on " + server + " " + account)
	})
	m.mu.Lock()
	m.hook = func(when string) error { return f.point(when + " a journal write") }
	m.mu.Unlock()
}

func remove(j *trip, m *memory) {
	j.w.setHook(nil)
	m.mu.Lock()
	m.hook = nil
	m.mu.Unlock()
}

// places counts the places of an undisturbed journey.
func places(t *testing.T) int {
	t.Helper()
	j, m := memoryTrip(t, "shop")
	f := &faults{}
	f.install(j, m)
	j.home()
	if f.count < 100 {
		t.Fatalf("only %d places where something can go wrong: the count is wrong", f.count)
	}
	return f.count
}

// every runs a journey with a fault at each place. Short tests take every 7th.
func every(t *testing.T, test func(t *testing.T, at int)) {
	n := places(t)
	step := 1
	if testing.Short() {
		step = 7
	}
	t.Logf("%d places", n)
	for at := 1; at <= n; at += step {
		test(t, at)
		if t.Failed() {
			t.Fatalf("at place %d of %d", at, n)
		}
	}
}

// disturbed runs until home; the faults hit one of the runs on the way.
func disturbed(j *trip, m *memory, f *faults, check func(Result, error)) {
	j.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if f.stay {
		act := f.act
		f.act = func() error { cancel(); return act() }
	}
	for range 12 {
		f.install(j, m)
		hit := f.where
		res, err := j.once(ctx)
		remove(j, m)
		if f.where != hit {
			check(res, err)
			j.clean()
			f.dead = false
			break
		}
		var waiting *WaitingError
		if err != nil && !errors.As(err, &waiting) {
			j.t.Fatalf("before the fault: %v", err)
		}
		j.accept()
	}
	j.home()
	if j.t.Failed() {
		j.t.Logf("fault: %s", f.where)
	}
}

// The tool dies at every journal write and on both sides of every write to a
// server. Running it again brings everything home.
func TestDieEverywhere(t *testing.T) {
	every(t, func(t *testing.T, at int) {
		j, m := memoryTrip(t, "shop")
		f := &faults{at: at, stay: true, act: func() error { return errDead }}
		disturbed(j, m, f, func(_ Result, err error) {
			// Only the last line of a journal may be missing.
			if err == nil && !strings.Contains(f.where, "journal") {
				t.Errorf("a dead tool says that all is done")
			}
		})
	})
}

// A call fails for good, before it did anything or after: the run says so, and
// the next one goes on.
func TestFailEverywhere(t *testing.T) {
	broken := errors.New("broken pipe")
	every(t, func(t *testing.T, at int) {
		j, m := memoryTrip(t, "shop")
		f := &faults{at: at, act: func() error { return broken }}
		disturbed(j, m, f, func(_ Result, err error) {
			// What is asked for again: answers that got lost after a commit, and
			// a server that is coming up. The end of a run may be missing in the journal.
			again := slices.ContainsFunc([]string{"Commit", "Activate", "Thaw", "Claim", "AddFacts", "journal"}, func(s string) bool {
				return strings.Contains(f.where, s)
			})
			if code := ExitCode(err); code != ExitError && !again {
				t.Errorf("exit code %d: %v", code, err)
			}
		})
	})
}

// A temporary error does no harm at all, wherever it comes.
func TestTemporaryEverywhere(t *testing.T) {
	every(t, func(t *testing.T, at int) {
		j, m := memoryTrip(t, "shop")
		f := &faults{at: at, act: func() error { return fmt.Errorf("later: %w", providers.ErrTemporary) }}
		disturbed(j, m, f, func(_ Result, err error) {
			code := ExitCode(err)
			if code != ExitDone && code != ExitWaiting && !strings.Contains(f.where, "journal") {
				t.Errorf("exit code %d: %v", code, err)
			}
		})
	})
}

// Another run claims the servers, at every place: this one stops and names it.
func TestSupersededEverywhere(t *testing.T) {
	every(t, func(t *testing.T, at int) {
		j, m := memoryTrip(t, "shop")
		n := 0
		f := &faults{at: at, act: func() error {
			j.w.mu.Lock()
			defer j.w.mu.Unlock()
			n = len(j.w.calls)
			for _, m := range []*machine{j.w.source, j.w.transit} {
				if m.nonce == "" {
					continue
				}
				for a := range m.records {
					m.thawLocked(a)
				}
				m.lost[m.nonce] = true
				m.nonce, m.holder, m.term = "bob's", "bob@server (2)", m.term+1
			}
			return nil
		}}
		disturbed(j, m, f, func(_ Result, err error) {
			var s *SupersededError
			termed := slices.ContainsFunc(j.w.calls[n:], func(c string) bool {
				call, _, _ := strings.Cut(c, " ")
				return writes(call) && !slices.Contains([]string{"Claim", "Activate", "Thaw", "Confirm", "AddFacts", "Provision"}, call)
			})
			switch {
			case j.w.source.holder != "bob@server (2)" && j.w.transit.holder != "bob@server (2)": // nobody had claimed yet, or since
			case errors.As(err, &s):
				if ExitCode(err) != ExitLocked || s.Holder != "bob@server (2)" {
					t.Errorf("%v, exit code %d", err, ExitCode(err))
				}
			case termed:
				t.Errorf("nobody was told: %v", err)
			}
		})
	})
}

// What is written to a server is announced in the journal before.
func TestWriteAhead(t *testing.T) {
	j, m := memoryTrip(t, "shop", "blog")
	j.w.setHook(func(when, server, call, account string) error {
		if when == "before" && writes(call) && call != "Claim" && call != "AddFacts" {
			log, _ := m.Load(context.Background())
			if len(log.Open()) == 0 {
				t.Errorf("%s on %s %s: nothing in the journal says that it was begun", call, server, account)
			}
		}
		return nil
	})
	j.home()
	log, _ := m.Load(context.Background())
	if open := log.Open(); len(open) > 0 {
		t.Errorf("never finished: %v", open)
	}
	timed := map[string]bool{}
	for _, x := range log.Past().Timings {
		timed[x.Op] = true
	}
	for _, op := range []plan.Op{plan.OpFreeze, plan.OpFinalSync, plan.OpSwitch, plan.OpWarm, plan.OpPrecopy, plan.OpReinstall} {
		if !timed[string(op)] {
			t.Errorf("no timing of %s", op)
		}
	}
}

// failing makes calls of one kind for one account fail.
func failing(call, account string, err error) func(string, string, string, string) error {
	return func(when, _, c, a string) error {
		if when == "before" && c == call && a == account {
			return err
		}
		return nil
	}
}

func state1(res Result, account string) AccountResult {
	for _, a := range res.Accounts {
		if a.Account == account {
			return a
		}
	}
	return AccountResult{}
}

func TestFailureIsolation(t *testing.T) {
	j, _ := memoryTrip(t, "blog", "shop", "wiki")
	j.config.Migration.Accounts = []schema.Account{{Name: "wiki", After: []string{"blog"}}}
	j.w.setHook(failing("Pull/bulk/mail", "blog", errors.New("disk on fire")))
	res, err := j.once(context.Background())
	for err == nil || ExitCode(err) == ExitWaiting {
		j.accept()
		res, err = j.once(context.Background())
	}
	var failed *FailedError
	if !errors.As(err, &failed) || ExitCode(err) != ExitError || !strings.Contains(err.Error(), "disk on fire") {
		t.Fatalf("%v", err)
	}
	if a := state1(res, "blog"); a.State != AccountFailed || a.Undone {
		t.Errorf("blog: %+v", a)
	}
	if a := state1(res, "shop"); a.State == AccountFailed || a.State == AccountSkipped || j.w.transit.rec("shop").state != schema.StateActive {
		t.Errorf("shop: %+v, %s on transit", a, j.w.transit.rec("shop").state)
	}
	if a := state1(res, "wiki"); a.State != AccountSkipped || !strings.Contains(a.Why, "blog") || j.w.transit.rec("wiki").state == schema.StateActive {
		t.Errorf("wiki waits for blog: %+v", a)
	}
	named := false
	for _, e := range j.events {
		named = named || e.What == Skipped && e.Account == "blog" && strings.Contains(e.Text, "install.precopy[blog/mail]@0")
	}
	if !named {
		t.Error("no event names what blog's later steps were skipped for")
	}
	if j.w.source.seal != nil {
		t.Error("sealed past a barrier")
	}
	j.w.setHook(nil)
	j.home()
}

func TestRetriesOnlyTemporary(t *testing.T) {
	for _, c := range []struct {
		err   error
		calls int
	}{{errors.New("no space left"), 1}, {fmt.Errorf("busy: %w", providers.ErrTemporary), 4}, {fmt.Errorf("no: %w", providers.ErrRefused), 1}} {
		j, _ := memoryTrip(t, "shop")
		n := 0
		hook := failing("Stage", "shop", c.err)
		j.w.setHook(func(when, s, call, a string) error {
			err := hook(when, s, call, a)
			if err != nil {
				n++
			}
			return err
		})
		if _, err := j.once(context.Background()); ExitCode(err) != ExitError || !errors.Is(err, c.err) {
			t.Errorf("%v: %v", c.err, err)
		}
		if n != c.calls {
			t.Errorf("%v: %d calls, want %d", c.err, n, c.calls)
		}
	}
}

// upTo approves and runs until a call of that kind is about to come.
func (j *trip) upTo(call string, act func()) (Result, error) {
	j.t.Helper()
	var once sync.Once
	hit := false
	j.w.setHook(func(when, _, c, a string) error {
		if when == "before" && c == call {
			once.Do(func() { hit = true; act() })
		}
		return nil
	})
	defer j.w.setHook(nil)
	for range 6 {
		res, err := j.once(context.Background())
		if hit {
			return res, err
		}
		j.accept()
	}
	j.t.Fatalf("%s never came", call)
	return Result{}, nil
}

func TestLostAnswersOfCommit(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		j, _ := memoryTrip(t, "shop")
		j.w.setHook(lose("Commit", when, 3))
		res, err := j.once(context.Background())
		if ExitCode(err) != ExitWaiting || j.w.transit.rec("shop").state != schema.StateActive {
			t.Errorf("answers lost %s: %v, %s", when, err, j.w.transit.rec("shop").state)
		}
		if a := state1(res, "shop"); len(a.Cutovers) != 1 || a.Undone {
			t.Errorf("answers lost %s: %+v", when, a)
		}
		j.w.setHook(nil)
		j.home()
	}
}

// lose makes the first n calls of a kind fail without saying why.
func lose(call, when string, n int) func(string, string, string, string) error {
	var mu sync.Mutex
	return func(w, _, c, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if w == when && c == call && n > 0 {
			n--
			return fmt.Errorf("connection reset: %w", providers.ErrUnreachable)
		}
		return nil
	}
}

// The origin commits and is never heard of again in this run: nothing is undone
// and nothing is called lost.
func TestCommitNeverAnswered(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	j.settings.Patience = 100 * time.Millisecond
	silent := false
	j.w.setHook(func(when, server, call, _ string) error {
		if call == "Commit" && when == "after" {
			silent = true
		}
		if silent && server == "client" {
			return fmt.Errorf("no route: %w", providers.ErrUnreachable)
		}
		return nil
	})
	res, err := j.once(context.Background())
	var pending *PendingError
	if !errors.As(err, &pending) || ExitCode(err) != ExitError || !strings.Contains(err.Error(), "run apply again") {
		t.Fatalf("%v", err)
	}
	if a := state1(res, "shop"); a.State != AccountPending || a.Undone {
		t.Errorf("%+v", a)
	}
	for _, c := range j.w.calls {
		if strings.HasPrefix(c, "Thaw") {
			t.Error("thawed while the commit was not answered")
		}
	}
	if s := j.w.transit.rec("shop").state; s != schema.StatePrepared {
		t.Errorf("the prepared copy is %s", s)
	}
	log, _ := m.Load(context.Background())
	if !slices.ContainsFunc(log.Events, func(e state.Event) bool { return e.What == state.Unanswered }) {
		t.Error("the journal does not say that the switch is pending")
	}
	j.w.setHook(nil)
	p, _ := j.compute(m)
	if p.Steps[0].Op != plan.OpSwitch || p.Steps[0].Method != plan.MethodFinish {
		t.Errorf("next is %s", p.Steps[0].ID)
	}
	j.home()
}

// The receiver needs time to hear from the origin; a refused commit is undone.
func TestActivationLateAndCommitRefused(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	j.w.transit.lateWord = 3
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting || j.w.transit.rec("shop").state != schema.StateActive {
		t.Errorf("%v, %s", err, j.w.transit.rec("shop").state)
	}
	j.home()

	j, _ = memoryTrip(t, "shop")
	res, err := j.upTo("Commit", func() { j.w.source.lapse("shop") })
	if a := state1(res, "shop"); ExitCode(err) != ExitError || a.State != AccountFailed || !a.Undone || j.w.source.rec("shop").state != schema.StateActive {
		t.Errorf("%v %+v", err, a)
	}
	j.home()
}

func TestCompareRepairsOnce(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	j.w.transit.different = 1
	j.home()
	if !slices.ContainsFunc(j.events, func(e Event) bool { return e.What == Measured && e.Text == PartRepair }) {
		t.Error("no repair was measured")
	}

	j, _ = memoryTrip(t, "shop")
	j.w.transit.different = 2
	res, err := j.once(context.Background())
	var different *DifferentError
	if !errors.As(err, &different) || !slices.Equal(different.Differences, []string{"files home/x"}) {
		t.Errorf("%v", err)
	}
	if a := state1(res, "shop"); !a.Undone || j.w.source.rec("shop").state != schema.StateActive {
		t.Errorf("%+v, %s", a, j.w.source.rec("shop").state)
	}
	j.home()
}

func TestNewDatabaseAfterTheFreeze(t *testing.T) {
	fresh := schema.Database{Engine: "sqlite", Name: "new", Mode: "wal"}
	j, _ := memoryTrip(t, "shop")
	_, err := j.upTo("Freeze", func() { j.w.source.databases["shop"] = append(j.w.source.databases["shop"], fresh) })
	if ExitCode(err) != ExitWaiting || !slices.Contains(j.w.transit.databases["shop"], fresh) {
		t.Errorf("%v; on transit %v", err, j.w.transit.databases["shop"])
	}
	j.home()

	j, _ = memoryTrip(t, "shop") // a plan that syncs no databases cannot move one
	j.w.source.databases["shop"] = nil
	res, err := j.upTo("Freeze", func() { j.w.source.databases["shop"] = []schema.Database{fresh} })
	if a := state1(res, "shop"); err == nil || !a.Undone || !strings.Contains(a.Why, "sqlite/new") {
		t.Errorf("%v %+v", err, a)
	}
	j.home()
}

func TestBudget(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	j.config.Migration.Patterns[0].DowntimeBudget = 30 * time.Millisecond
	j.w.setHook(func(when, _, call, _ string) error {
		if when == "before" && call == "Pull/final/files" {
			time.Sleep(60 * time.Millisecond)
		}
		return nil
	})
	res, err := j.once(context.Background())
	if a := state1(res, "shop"); !errors.Is(err, errOverBudget) || !a.Undone || j.w.source.rec("shop").state != schema.StateActive {
		t.Errorf("%v %+v", err, a)
	}
	j.w.setHook(nil)
	j.config.Migration.Patterns[0].DowntimeBudget = time.Minute
	j.home()
}

// The budget counts until the switch is asked for. From then on the account is
// brought to where it goes, however long that takes: going back would be a
// second owner.
func TestBudgetAfterTheSwitch(t *testing.T) {
	for _, call := range []string{"Commit", "Activate"} {
		j, _ := memoryTrip(t, "shop")
		j.config.Migration.Patterns[0].DowntimeBudget = 200 * time.Millisecond
		j.w.setHook(func(when, _, c, _ string) error {
			if when == "before" && c == call {
				time.Sleep(300 * time.Millisecond)
			}
			return nil
		})
		res, err := j.once(context.Background())
		a := state1(res, "shop")
		if ExitCode(err) != ExitWaiting || a.Undone || len(a.Cutovers) != 1 || a.Cutovers[0].Downtime < 300*time.Millisecond || j.w.transit.rec("shop").state != schema.StateActive {
			t.Errorf("%s: %v %+v", call, err, a)
		}
		if !slices.ContainsFunc(j.events, func(e Event) bool {
			return e.What == Note && strings.Contains(e.Text, "longer than its budget of 200ms")
		}) {
			t.Errorf("%s: nobody was told", call)
		}
		if slices.ContainsFunc(j.w.calls, func(c string) bool { return strings.HasPrefix(c, "Thaw") }) {
			t.Errorf("%s: thawed", call)
		}
		j.w.setHook(nil)
		j.home()
	}
}

// A freeze that cannot be renewed is given up.
func TestLeaseLost(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	j.settings.Renew = 5 * time.Millisecond
	j.w.setHook(func(when, server, call, a string) error {
		if when == "before" && call == "Pull/final/files" {
			j.w.source.lapse("shop")
			time.Sleep(50 * time.Millisecond)
		}
		return nil
	})
	_, err := j.once(context.Background())
	if !errors.Is(err, errLeaseLost) && !errors.Is(err, providers.ErrRefused) || j.w.source.rec("shop").state != schema.StateActive {
		t.Errorf("%v", err)
	}
	j.w.setHook(nil)
	j.home()
}

// cutCalls are the calls of a cutover, in order.
func cutCalls() []string {
	return []string{"Freeze", "Pull/final/files", "Pull/final/mail", "Pull/final/databases", "Compare", "PrepareCopy", "Commit", "Activate"}
}

// Ctrl-C once, on both sides of every call of the cutover: it is undone or
// finished, and the account serves where it then is.
func TestGracefulInTheCut(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		for _, call := range cutCalls() {
			t.Run(when+" "+call, func(t *testing.T) {
				j, _ := memoryTrip(t, "shop", "zoo")
				ctx, cancel := context.WithCancel(context.Background())
				j.graceful = ctx
				hit := false
				late := call == "Commit" || call == "Activate"
				j.w.setLook(func(ctx context.Context, w, c string) {
					if w == when && c == call {
						hit = true
						cancel()
						if !late {
							<-ctx.Done() // it is noticed before the call ends
						}
					}
				})
				var res Result
				var err error
				for !hit {
					res, err = j.once(context.Background())
				}
				j.w.setLook(nil)
				if !errors.Is(err, ErrInterrupted) || ExitCode(err) != ExitInterrupted {
					t.Fatalf("%v", err)
				}
				finished := j.w.transit.rec("shop").state == schema.StateActive
				if finished != late {
					t.Errorf("finished: %v", finished)
				}
				if !finished && j.w.source.rec("shop").state != schema.StateActive {
					t.Errorf("undone, and the account is %s", j.w.source.rec("shop").state)
				}
				if a := state1(res, "shop"); a.State == AccountFailed {
					t.Errorf("%+v", a)
				}
				if s := j.w.source.rec("zoo").state; s == schema.StateFrozen || j.w.transit.rec("zoo").state == schema.StateActive {
					t.Errorf("the next account was begun: %s", s)
				}
				j.graceful = nil
				j.home()
			})
		}
	}
}

// Ctrl-C twice: everything stops now; before the commit the account is back at
// home, after it the next run finishes.
func TestHardStopInTheCut(t *testing.T) {
	for _, call := range cutCalls() {
		t.Run(call, func(t *testing.T) {
			j, _ := memoryTrip(t, "shop")
			ctx, cancel := context.WithCancel(context.Background())
			j.w.setHook(func(w, _, c, _ string) error {
				if w == "before" && c == call {
					cancel()
				}
				return nil
			})
			_, err := j.once(ctx)
			for err == nil || ExitCode(err) == ExitWaiting {
				_, err = j.once(ctx)
			}
			j.w.setHook(nil)
			if ExitCode(err) != ExitInterrupted {
				t.Fatalf("%v", err)
			}
			if s := j.w.source.rec("shop").state; call != "Commit" && call != "Activate" && s != schema.StateActive {
				t.Errorf("the account is %s", s)
			}
			j.home()
		})
	}
}

// Copies stop at once when the run is told to end.
func TestGracefulInACopy(t *testing.T) {
	j, _ := memoryTrip(t, "shop", "zoo")
	ctx, cancel := context.WithCancel(context.Background())
	j.graceful = ctx
	j.w.setLook(func(ctx context.Context, when, call string) {
		if when == "before" && call == "Pull/bulk/files" {
			cancel()
			<-ctx.Done()
		}
	})
	res, err := j.once(context.Background())
	if !errors.Is(err, ErrInterrupted) {
		t.Fatalf("%v", err)
	}
	if a := state1(res, "shop"); a.State != AccountStopped {
		t.Errorf("%+v", a)
	}
	if _, copied := j.w.transit.copied["shop"]["files"]; copied {
		t.Error("the copy went on")
	}
	j.w.setLook(nil)
	j.graceful = nil
	j.home()
}

// hung is a store that does not answer any more once it is asked to flush.
type hung struct {
	*memory
	flushing chan struct{}
	once     sync.Once
}

func (h *hung) Flush(ctx context.Context) error {
	h.once.Do(func() { close(h.flushing) })
	<-ctx.Done()
	return ctx.Err()
}

// Whoever is told to stop now does not wait for a store that hangs.
func TestStopNowWhileTheStoreHangs(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	h := &hung{memory: m, flushing: make(chan struct{})}
	p, inv := j.compute(m)
	r := j.runner(h, inv)
	r.Settings.Call = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-h.flushing
		cancel()
	}()
	if _, err := r.Run(ctx, p); !errors.Is(err, ErrInterrupted) {
		t.Errorf("%v", err)
	}
}

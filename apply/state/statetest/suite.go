// Package statetest is the suite that every state store passes.
package statetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Store is one place where state is kept, opened as often as a test wants, as
// separate processes would open it.
type Store struct {
	// Open returns a store on the same place each time. The lease of its lock
	// must be short: the suite waits it out.
	Open func() state.Store
	// Silence makes the lock's heartbeat of an opened store stop, as if its
	// process had been stopped. Nil: the suite leaves that test out.
	Silence func(state.Store)
	// Kill makes the process of an opened store that holds the lock dead, as far
	// as another process can tell. Nil: the suite leaves those tests out.
	Kill func(state.Store)
}

// Run runs the suite. New makes a fresh place.
func Run(t *testing.T, fresh func(t *testing.T) Store) {
	tests := []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"empty", empty},
		{"appends in order", order},
		{"folds to the past", past},
		{"remembers surveys", surveys},
		{"two at once", twoAtOnce},
		{"cancelled", cancelled},
		{"lock refuses a second", lockRefuses},
		{"lock is freed", lockFreed},
		{"lock that is silent is taken over", lockTakenOver},
		{"one of many gets a freed lock", lockOnce},
		{"append without the lock", appendWithoutLock},
		{"unlock what is not locked", unlockNothing},
		{"unlock refuses while the holder lives", unlockRefuses},
		{"unlock of a dead holder", unlockDead},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) { x.test(t, fresh(t)) })
	}
}

func open(t *testing.T, s Store) state.Store {
	t.Helper()
	o := s.Open()
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func load(t *testing.T, s state.Store) *state.Log {
	t.Helper()
	log, err := s.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func add(t *testing.T, s state.Store, events ...state.Event) {
	t.Helper()
	if err := s.Append(context.Background(), events...); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func at(n int) time.Time { return time.Date(2026, 3, 1, 12, 0, n, 0, time.UTC) }

func empty(t *testing.T, s Store) {
	o := open(t, s)
	log := load(t, o)
	if len(log.Events) != 0 || log.Serial != 0 || len(log.Notes) != 0 {
		t.Errorf("a fresh store holds %+v", log)
	}
	if p := log.Past(); len(p.Facts) != 0 || len(p.Timings) != 0 {
		t.Errorf("past of a fresh store: %+v", p)
	}
	if err := o.Append(context.Background()); err != nil {
		t.Errorf("append nothing: %v", err)
	}
}

func order(t *testing.T, s Store) {
	o := open(t, s)
	fact := &schema.Fact{ID: "a\nb \"c\"", Kind: schema.FactHandover, At: at(1), Value: json.RawMessage(`{"x":"<>&"}`)}
	want := []state.Event{
		{What: state.RunStarted, At: at(1), Run: "r1", Text: "ann"},
		{What: state.Started, At: at(2), Run: "r1", Step: "migrate.freeze[a%0A]@0", Op: plan.OpFreeze, Token: "3.1", Attempt: 1},
		{What: state.FactLearned, At: at(3), Run: "r1", Fact: fact},
		{What: state.Finished, At: at(4), Run: "r1", Step: "x", Timing: &plan.Timing{Op: "x", Duration: time.Second, Bytes: 5}},
	}
	add(t, o, want[0])
	add(t, o, want[1:3]...)
	add(t, o, want[3])
	first := load(t, o)
	again := load(t, open(t, s))
	for _, log := range []*state.Log{first, again} {
		if d := cmp.Diff(want, log.Events); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		if log.Serial != 4 || log.Lineage == "" || log.Lineage != first.Lineage {
			t.Errorf("serial %d, lineage %q", log.Serial, log.Lineage)
		}
	}
}

func past(t *testing.T, s Store) {
	o := open(t, s)
	add(t, o,
		state.Event{What: state.FactLearned, At: at(1), Fact: &schema.Fact{ID: "b", Kind: "k", At: at(5), Value: json.RawMessage(`2`)}},
		state.Event{What: state.Finished, At: at(1), Timing: &plan.Timing{Op: "freeze", Duration: 3}},
		state.Event{What: state.Measured, At: at(1), Timing: &plan.Timing{Op: "commit", Duration: 4}},
		state.Event{What: state.FactLearned, At: at(2), Fact: &schema.Fact{ID: "a", Kind: "k", At: at(5)}})
	add(t, open(t, s),
		state.Event{What: state.FactLearned, At: at(3), Fact: &schema.Fact{ID: "b", Kind: "k", At: at(4), Value: json.RawMessage(`1`)}},
		state.Event{What: state.FactLearned, At: at(3), Fact: &schema.Fact{ID: "a", Kind: "k", At: at(9), Revoked: true}})
	log := load(t, open(t, s))
	want := plan.Past{
		Facts: []schema.Fact{{ID: "a", Kind: "k", At: at(9), Revoked: true},
			{ID: "b", Kind: "k", At: at(4), Value: json.RawMessage(`1`)}},
		Timings: []plan.Timing{{Op: "freeze", Duration: 3}}, Lineage: log.Lineage, Serial: 6}
	if d := cmp.Diff(want, log.Past()); d != "" {
		t.Errorf("past (-want +got):\n%s", d)
	}
}

func surveys(t *testing.T, s Store) {
	o := open(t, s)
	const odd = "a\xff/*"
	escaped, err := schema.EscapeName(odd)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		m := plan.Measured{At: at(i), Accounts: map[string]plan.Size{"shop": {Bytes: int64(i), Databases: 1, Entries: 2}}}
		if i == 0 {
			m.Accounts[escaped] = plan.Size{Bytes: 7}
		}
		add(t, o, state.Event{What: state.Surveyed, At: at(i), Survey: &m})
	}
	got := load(t, open(t, s)).Past().Surveys
	want := []plan.Measured{{At: at(0), Accounts: map[string]plan.Size{odd: {Bytes: 7}}}}
	for i := 4; i < 12; i++ { // the newest eight of each account
		want = append(want, plan.Measured{At: at(i), Accounts: map[string]plan.Size{"shop": {Bytes: int64(i), Databases: 1, Entries: 2}}})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("surveys (-want +got):\n%s", d)
	}
}

func twoAtOnce(t *testing.T, s Store) {
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for w := range writers {
		o := open(t, s)
		wg.Go(func() {
			for i := range each {
				if err := o.Append(context.Background(), state.Event{What: state.Noted, At: at(i), Run: fmt.Sprint(w), Attempt: i + 1}); err != nil {
					t.Error(err)
				}
			}
			if err := o.Flush(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	log := load(t, open(t, s))
	if log.Serial != writers*each || len(log.Events) != writers*each || len(log.Notes) > 0 {
		t.Fatalf("%d events, serial %d, notes %q", len(log.Events), log.Serial, log.Notes)
	}
	last := map[string]int{}
	for _, e := range log.Events {
		if e.Attempt != last[e.Run]+1 {
			t.Fatalf("writer %s: event %d after %d", e.Run, e.Attempt, last[e.Run])
		}
		last[e.Run] = e.Attempt
	}
}

func cancelled(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o := open(t, s)
	add(t, o, state.Event{What: state.Noted, At: at(1)})
	if _, err := o.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("load after the end of its context: %v", err)
	}
	if err := o.Flush(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("flush after the end of its context: %v", err)
	}
	if log := load(t, o); len(log.Events) != 1 {
		t.Errorf("%d events", len(log.Events))
	}
}

func lock(t *testing.T, s state.Store, who string) state.Lock {
	t.Helper()
	l, err := s.Lock(context.Background(), state.Holder{Who: who, Started: at(1)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func refused(t *testing.T, s state.Store, holder string) {
	t.Helper()
	_, err := s.Lock(context.Background(), state.Holder{Who: "bob"})
	var locked *state.LockedError
	if !errors.As(err, &locked) || locked.Holder.Who != holder {
		t.Fatalf("second lock: %v, want a refusal that names %s", err, holder)
	}
}

func lockRefuses(t *testing.T, s Store) {
	first := lock(t, open(t, s), "ann")
	refused(t, open(t, s), "ann")
	refused(t, open(t, s), "ann")
	select {
	case <-first.Lost():
		t.Error("the lock was lost to somebody who was refused")
	default:
	}
}

func lockFreed(t *testing.T, s Store) {
	first := lock(t, open(t, s), "ann")
	for range 2 {
		if err := first.Release(); err != nil {
			t.Error(err)
		}
	}
	second := open(t, s)
	lock(t, second, "bob")
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	lock(t, open(t, s), "eve")
}

func lockTakenOver(t *testing.T, s Store) {
	if s.Silence == nil {
		t.Skip("this store cannot be made silent")
	}
	dead := open(t, s)
	old := lock(t, dead, "ann")
	s.Silence(dead)
	lock(t, open(t, s), "bob")
	refused(t, open(t, s), "bob")
	_ = old.Release() // comes too late: bob's must stand
	refused(t, open(t, s), "bob")
}

func lockOnce(t *testing.T, s Store) {
	if err := lock(t, open(t, s), "ann").Release(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	won := 0
	var wg sync.WaitGroup
	for range 6 {
		o := open(t, s)
		wg.Go(func() {
			_, err := o.Lock(context.Background(), state.Holder{Who: "one of many"})
			var locked *state.LockedError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !errors.As(err, &locked):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d hold the lock at once", won)
	}
}

func appendWithoutLock(t *testing.T, s Store) {
	lock(t, open(t, s), "ann")
	add(t, open(t, s), state.Event{What: state.FactLearned, At: at(1), Fact: &schema.Fact{ID: "approval", At: at(1)}})
	if log := load(t, open(t, s)); len(log.Past().Facts) != 1 {
		t.Error("an approval given while another run holds the lock is gone")
	}
}

func unlocker(t *testing.T, s state.Store) state.Unlocker {
	t.Helper()
	u, ok := s.(state.Unlocker)
	if !ok {
		t.Skip("this store cannot be unlocked")
	}
	return u
}

func unlockNothing(t *testing.T, s Store) {
	if _, err := unlocker(t, open(t, s)).Unlock(context.Background()); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("unlock of a store that nobody used: %v", err)
	}
	if err := lock(t, open(t, s), "ann").Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := unlocker(t, open(t, s)).Unlock(context.Background()); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("unlock of a lock that was released: %v", err)
	}
}

func unlockRefuses(t *testing.T, s Store) {
	held := lock(t, open(t, s), "ann")
	_, err := unlocker(t, open(t, s)).Unlock(context.Background())
	var locked *state.LockedError
	if !errors.As(err, &locked) || locked.Holder.Who != "ann" {
		t.Errorf("unlock while ann holds it: %v", err)
	}
	refused(t, open(t, s), "ann")
	select {
	case <-held.Lost():
		t.Error("the lock was lost to somebody who was refused")
	default:
	}
}

func unlockDead(t *testing.T, s Store) {
	if s.Kill == nil {
		t.Skip("this store cannot be made to look dead")
	}
	dead := open(t, s)
	u := unlocker(t, open(t, s))
	lock(t, dead, "ann")
	s.Kill(dead)
	was, err := u.Unlock(context.Background())
	if err != nil || was.Who != "ann" {
		t.Fatalf("unlock of ann's, who is dead: %v %v", was, err)
	}
	if _, err := u.Unlock(context.Background()); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("unlock again: %v", err)
	}
	lock(t, open(t, s), "bob")
	refused(t, open(t, s), "bob")
}

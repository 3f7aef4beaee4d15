package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

func claims(calls []string) []string {
	var list []string
	for _, c := range calls {
		if f := strings.Fields(c); f[0] == "Claim" {
			list = append(list, f[1])
		}
	}
	return list
}

// Servers are claimed in the order of their machine identities, and until both
// have given the same term.
func TestClaimsMeetAtOneTerm(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	j.w.transit.present = true
	j.w.source.id, j.w.transit.id = "m09", "m02"
	j.w.source.term = 41
	if _, err := j.runner(m, j.inventory()).Run(context.Background(), planOf(j)); err != nil {
		t.Fatal(err)
	}
	if c := claims(j.w.calls); len(c) < 4 || !slices.Equal(c[:2], []string{"transit", "client"}) {
		t.Errorf("claims: %v", c)
	}
	if s, tr := j.w.source.term, j.w.transit.term; s != tr || s <= 41 {
		t.Errorf("terms %d and %d", s, tr)
	}
}

// The id is random, kept by both servers and by the store, and found again when
// one of them is lost.
func TestMigrationID(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	first, err := j.once(context.Background())
	if ExitCode(err) != ExitWaiting || len(first.Migration) < 16 {
		t.Fatalf("%q %v", first.Migration, err)
	}
	m.events = nil // the store is lost
	second, err := j.once(context.Background())
	if ExitCode(err) != ExitWaiting || second.Migration != first.Migration {
		t.Errorf("%q, then %q: %v", first.Migration, second.Migration, err)
	}
	if len(m.events) == 0 || len((&state.Log{Events: m.events}).Past().Facts) < 5 {
		t.Error("the facts of the servers were not learned again")
	}
	j.home()

	other, _ := memoryTrip(t, "shop")
	again, err := other.once(context.Background())
	if ExitCode(err) != ExitWaiting || again.Migration == first.Migration {
		t.Errorf("two migrations have one id: %v", err)
	}
}

func TestAnotherMigration(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	j.config.Migration.Name = "autumn"
	_, err := j.runner(m, j.inventory()).Run(context.Background(), planOf(j))
	if ExitCode(err) != ExitRefused || !strings.Contains(err.Error(), "spring") {
		t.Errorf("another name on the same servers: %v", err)
	}
}

// Losing the store anywhere loses timings only.
func TestStoreLostEverywhere(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	for range 12 {
		_, err := j.once(context.Background())
		if err == nil {
			break
		}
		if ExitCode(err) != ExitWaiting {
			t.Fatal(err)
		}
		m.events = nil
		j.accept()
		m.events = nil
	}
	j.home()
}

// One server does not answer: only what needs it fails.
func TestServerUnreachable(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	inv := j.inventory()
	j.w.setHook(func(_, server, _, _ string) error {
		if server == "transit" {
			return fmt.Errorf("dial: %w", providers.ErrUnreachable)
		}
		return nil
	})
	_, err := j.runner(m, inv).Run(context.Background(), planOf(j,
		plan.Step{ID: "on.client", Op: plan.OpRemoveRuntime, Account: "a", Server: "client", Objects: []string{"php 5.6"}},
		plan.Step{ID: "on.transit", Op: plan.OpProbe, Account: "shop", Server: "transit"}))
	var failed *FailedError
	if !errors.As(err, &failed) || len(failed.Steps) != 1 || failed.Steps[0] != "on.transit" || !errors.Is(err, providers.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

// lostLock is a lock that somebody took over.
type lostLock struct{ lost chan struct{} }

func (l lostLock) Lost() <-chan struct{} { return l.lost }
func (l lostLock) Release() error        { return nil }

func TestLockLost(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	l := lostLock{make(chan struct{})}
	j.w.setHook(func(when, _, call, _ string) error {
		if when == "before" && call == "Stage" {
			close(l.lost)
		}
		return nil
	})
	p, inv := j.compute(m)
	r := j.runner(m, inv)
	r.Lock = l
	_, err := r.Run(context.Background(), p)
	if !errors.Is(err, state.ErrLockLost) || ExitCode(err) != ExitLocked {
		t.Errorf("%v", err)
	}
	j.w.setHook(nil)
	j.home()
}

func TestExitCodes(t *testing.T) {
	for want, errs := range map[int][]error{
		ExitDone:        {nil},
		ExitError:       {errors.New("x"), &FailedError{Err: &RefusedError{Reason: "x"}}, &PendingError{Account: "a", Err: errors.New("x")}, &FailedError{Err: &StepError{Err: &PendingError{Err: errors.New("x")}}}},
		ExitWaiting:     {&WaitingError{}, fmt.Errorf("apply: %w", &WaitingError{Gates: []plan.Gate{{ID: "g"}}})},
		ExitRefused:     {&RefusedError{Reason: "x"}},
		ExitLocked:      {&SupersededError{Err: errors.New("x")}, &state.LockedError{Holder: state.Holder{Who: "x"}}, state.ErrLockLost, fmt.Errorf("x: %w", providers.ErrSuperseded)},
		ExitInterrupted: {ErrInterrupted, fmt.Errorf("x: %w", context.Canceled)},
	} {
		for _, err := range errs {
			if got := ExitCode(err); got != want {
				t.Errorf("%T %v: exit code %d, want %d", err, err, got, want)
			}
		}
	}
	if s := (&SupersededError{Server: "client", Holder: "bob@x (1)"}).Error(); !strings.Contains(s, "bob@x (1)") || !strings.Contains(s, "client") {
		t.Error(s)
	}
	if s := (&DifferentError{Account: "a b", Differences: strings.Fields("1 2 3 4 5 6 7")}).Error(); !strings.Contains(s, `"a b"`) || !strings.Contains(s, "2 more") {
		t.Error(s)
	}
}

// An account as it was first seen is remembered once, on both sides, in messages
// that are not too large.
func TestFirstNames(t *testing.T) {
	j, m := memoryTrip(t)
	for i := range 1500 {
		j.w.add(fmt.Sprintf("a%04d", i))
	}
	most := 0
	p, inv := j.compute(m)
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, a := range inv.Servers["client"].Accounts {
		if i > 0 {
			a.ID, a.Created = "id-"+a.Name, at
		}
	}
	p.Steps, p.Gates = nil, nil
	j.w.source.added = func(n int) { most = max(most, n) }
	if _, err := j.runner(m, inv).Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range j.w.source.facts {
		if f.Kind == schema.FactNamed {
			n++
		}
	}
	if n != 1499 || most > factsAtOnce {
		t.Errorf("%d facts, at most %d at once", n, most)
	}
	var v schema.NamedFact
	f, ok := j.fact("named/a0007")
	if !ok || json.Unmarshal(f.Value, &v) != nil || v.ID != "id-a0007" || !v.Created.Equal(at) || f.Account != "a0007" || f.Server != "client" {
		t.Errorf("%v %s", ok, f.Value)
	}
	for _, a := range inv.Servers["client"].Accounts {
		a.ID = "another"
	}
	if _, err := j.runner(m, inv).Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if f, _ := j.fact("named/a0007"); !strings.Contains(string(f.Value), "id-a0007") {
		t.Errorf("what was first seen has changed: %s", f.Value)
	}
}

package apply

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// Every op has somebody who does it, and only gates have nobody.
func TestEveryOpHasAPerformer(t *testing.T) {
	for _, op := range plan.Ops() {
		p, ok := performerOf(op)
		switch {
		case !ok:
			t.Errorf("nobody does %s", op)
		case p.never != (op == plan.OpGate):
			t.Errorf("%s: never is %v", op, p.never)
		case !p.never && p.step == nil && p.part == nil:
			t.Errorf("%s has an empty performer", op)
		}
	}
	if _, ok := performerOf("no_such_op"); ok {
		t.Error("an op that does not exist has a performer")
	}
}

// planOf is a plan of steps for a world of one account.
func planOf(j *trip, steps ...plan.Step) *plan.Plan {
	return &plan.Plan{Version: 1, Migration: "spring", Config: j.config, Steps: steps, Digest: "d"}
}

func TestUnknownOpIsRefused(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	_, err := j.runner(m, j.inventory()).Run(context.Background(), planOf(j, plan.Step{ID: "x.teleport[shop]@0", Op: "teleport", Account: "shop"}))
	if ExitCode(err) != ExitError || !strings.Contains(err.Error(), "teleport") {
		t.Errorf("%v", err)
	}
}

// Gates and projected steps are never run, whatever stands before them.
func TestGatesAndProjectedAreNotRun(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	p := planOf(j,
		plan.Step{ID: "gate", Op: plan.OpGate, Account: "shop"},
		plan.Step{ID: "projected", Op: plan.OpFinish, Projected: true},
		plan.Step{ID: "behind", Op: plan.OpFinish, After: []plan.ID{"gate"}},
		plan.Step{ID: "behind.behind", Op: plan.OpFinish, After: []plan.ID{"behind"}})
	p.Gates = []plan.Gate{{ID: "gate", Who: "customer", What: "look", Open: true}, {ID: "closed", Closed: "approved by ann"}, {ID: "ahead"}}
	res, err := j.runner(m, j.inventory()).Run(context.Background(), p)
	var waiting *WaitingError
	if !errors.As(err, &waiting) || len(waiting.Gates) != 1 || waiting.Gates[0].ID != "gate" || ExitCode(err) != ExitWaiting {
		t.Errorf("%v", err)
	}
	if res.Done != 0 || res.Left != 4 || len(res.Gates) != 1 {
		t.Errorf("%+v", res)
	}
	if _, done := j.fact(schema.FactReleased); done {
		t.Error("a step behind a gate was run")
	}
	if Runnable(p) {
		t.Error("a plan of gates is runnable")
	}
}

// A blocker stops what it is about; the rest is done, and the end is a refusal.
func TestBlockedPlan(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	p := planOf(j, plan.Step{ID: "finish", Op: plan.OpFinish})
	p.Findings = []schema.Finding{{Code: "residue-unruled", Severity: schema.Blocker, Object: "/etc/x", Summary: "belongs to nobody", Remedy: "write a rule"}}
	res, err := j.runner(m, j.inventory()).Run(context.Background(), p)
	if ExitCode(err) != ExitRefused || !strings.Contains(err.Error(), "/etc/x") || !strings.Contains(err.Error(), "write a rule") || res.Done != 1 {
		t.Errorf("%v %+v", err, res)
	}
}

// The reinstallation is refused before anything else happens unless the server
// was named for it.
func TestReinstallNeedsItsConfirmation(t *testing.T) {
	for _, confirmed := range []string{"", "transit", "clien"} {
		j, m := memoryTrip(t, "shop")
		j.confirmed = confirmed
		_, err := j.runner(m, j.inventory()).Run(context.Background(), planOf(j, plan.Step{ID: "reinstall.reinstall[client]", Op: plan.OpReinstall, Server: "client"}))
		if ExitCode(err) != ExitRefused || !strings.Contains(err.Error(), "--confirm-reinstall client") {
			t.Errorf("confirmed %q: %v", confirmed, err)
		}
		if len(j.w.calls) > 0 {
			t.Errorf("confirmed %q: calls %v", confirmed, j.w.calls)
		}
	}
	j, _ := memoryTrip(t, "shop")
	j.confirmed = ""
	for range 4 {
		if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
			t.Fatal(err)
		}
		j.accept()
	}
	if j.w.source.seal != nil || j.w.source.id != "m01" {
		t.Error("sealed or wiped without its name")
	}
	j.confirmed = "client"
	j.home()
}

// Nothing begins once the journal cannot be written.
func TestJournalBroken(t *testing.T) {
	j, m := memoryTrip(t, "shop", "blog")
	full := errors.New("no space left on device")
	n := 0
	m.hook = func(when string) error {
		if n++; when == "before" && n > 20 {
			return full
		}
		return nil
	}
	_, err := j.once(context.Background())
	if !errors.Is(err, full) || ExitCode(err) != ExitError {
		t.Errorf("%v", err)
	}
	at := len(m.events)
	_, err = j.once(context.Background())
	if !errors.Is(err, full) || len(m.events) != at {
		t.Errorf("%v", err)
	}
	m.hook = nil
	j.home()
}

// Events come one at a time, also when accounts run beside each other, and no
// more of them than the process or the caller allows.
func TestParallelAndObserve(t *testing.T) {
	for _, want := range []int{1, 3} {
		j, _ := memoryTrip(t, "a", "b", "c", "d", "e")
		j.parallel = want
		var mu sync.Mutex
		busy, most := map[string]int{}, 0
		j.w.setHook(func(when, _, call, account string) error {
			if !strings.HasPrefix(call, "Pull/bulk") {
				return nil
			}
			mu.Lock()
			if when == "before" {
				busy[account]++
				most = max(most, len(busy))
				mu.Unlock()
				time.Sleep(20 * time.Millisecond)
				return nil
			}
			if busy[account]--; busy[account] == 0 {
				delete(busy, account)
			}
			mu.Unlock()
			return nil
		})
		inside, overlaps := atomic.Int32{}, 0
		j.watchEvents = func(Event) {
			if inside.Add(1) > 1 {
				overlaps++
			}
			time.Sleep(50 * time.Microsecond)
			inside.Add(-1)
		}
		if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
			t.Fatal(err)
		}
		if most > want || want > 1 && most < 2 {
			t.Errorf("%d accounts at once, %d allowed", most, want)
		}
		if overlaps > 0 {
			t.Errorf("%d events came while another one was being looked at", overlaps)
		}
	}
}

// Cutovers of different accounts do not mix.
func TestNothingComesBetween(t *testing.T) {
	j, _ := memoryTrip(t, "a", "b", "c")
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	in := ""
	for _, c := range j.w.calls {
		f := strings.Fields(c)
		account := f[len(f)-1]
		switch {
		case f[0] == "Freeze" && in != "":
			t.Fatalf("%s while %s is frozen", c, in)
		case f[0] == "Freeze":
			in = account
		case f[0] == "Activate":
			in = ""
		case in != "" && len(f) == 3 && account != in:
			t.Errorf("%s within the cutover of %s", c, in)
		}
	}
}

// Without an ability the step fails with the provider's reason.
func TestMissingAbility(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	r := j.runner(m, j.inventory())
	r.Servers = map[string]providers.Server{"client": lame{j.w.source}, "transit": j.w.transit}
	_, err := r.Run(context.Background(), planOf(j, plan.Step{ID: "x", Op: plan.OpArchive, Account: "shop", Server: "client"}))
	if err == nil || !strings.Contains(err.Error(), "no archive command") {
		t.Errorf("%v", err)
	}
}

type lame struct{ *machine }

func (l lame) Abilities() providers.Abilities {
	return providers.Abilities{Owner: l.machine, Copier: l.machine, Keeper: l.machine,
		Cannot: map[schema.Capability]string{schema.CanRetire: "no archive command is configured"}}
}

func TestCheckStale(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	saved, _ := j.compute(m)
	if err := Check(saved, saved); err != nil {
		t.Errorf("a plan is stale beside itself: %v", err)
	}
	j.w.source.databases["shop"] = append(j.w.source.databases["shop"], schema.Database{Engine: "sqlite", Name: "new", Mode: "wal"})
	fresh, _ := j.compute(m)
	err := Check(saved, fresh)
	if ExitCode(err) != ExitRefused || !strings.Contains(err.Error(), "new") {
		t.Errorf("a database more: %v", err)
	}
}

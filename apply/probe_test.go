package apply

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

func TestProbes(t *testing.T) {
	j := newTrip(t, "shop", "blog")
	j.config.Migration.Accounts = []schema.Account{{Name: "blog", Probes: []schema.Probe{{Name: "own", HTTP: "http://b/"}}}}
	inv := j.inventory()
	inv.Servers["client"].Account("shop").Domains[0].Name = "x y.example"
	if p := Probes(j.config, inv, "blog"); len(p) != 1 || p[0].Name != "own" {
		t.Errorf("%v", p)
	}
	if p := Probes(j.config, inv, "shop"); len(p) != 1 || p[0].Name != "home" || strings.Contains(p[0].HTTP, " ") {
		t.Errorf("%v", p)
	}
	if p := Probes(j.config, inv, "nobody"); len(p) != 0 {
		t.Errorf("%v", p)
	}
}

// A site that answers otherwise after the switch: what it answered is evidence.
func TestProbeDiffers(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	j.w.transit.status = 404
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	f, ok := j.fact(plan.ProbedID("shop", 1))
	if !ok || !strings.Contains(string(f.Value), `"ok":false`) || !strings.Contains(string(f.Value), "status 404 instead of 200") {
		t.Errorf("%s", f.Value)
	}
	if !slices.ContainsFunc(j.events, func(e Event) bool { return e.What == Note && strings.Contains(e.Text, "differs from its baseline") }) {
		t.Error("nobody was told")
	}
}

// A site that needs a moment after the switch is asked again.
func TestProbeSettles(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	j.settings.Settle = time.Minute
	j.w.transit.status = 503
	j.w.setHook(func(when, server, call, _ string) error {
		if when == "before" && server == "transit" && call == "CloseOrigin" || call == "Confirm" {
			time.AfterFunc(20*time.Millisecond, func() {
				j.w.mu.Lock()
				j.w.transit.status = 200
				j.w.mu.Unlock()
			})
		}
		return nil
	})
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	if f, ok := j.fact(plan.ProbedID("shop", 1)); !ok || !strings.Contains(string(f.Value), `"ok":true`) {
		t.Errorf("%s", f.Value)
	}
}

// What the probe itself demands must hold before anything moves.
func TestBaselineRefuses(t *testing.T) {
	for _, p := range []schema.Probe{{Name: "x", HTTP: "http://shop.example/", Status: 204}, {Name: "x", HTTP: "http://shop.example/", Contains: "Basket"}} {
		j, _ := memoryTrip(t, "shop")
		j.config.Migration.Accounts = []schema.Account{{Name: "shop", Probes: []schema.Probe{p}}}
		res, err := j.once(context.Background())
		if ExitCode(err) != ExitError || !strings.Contains(state1(res, "shop").Why, "before anything moves") {
			t.Errorf("%v", err)
		}
	}
}

// The watcher measures what a visitor sees: connections that are held count as
// time without an answer, not as failures.
func TestWatched(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	j.settings.Lease = 5 * time.Second
	j.w.setHook(func(when, _, call, _ string) error {
		if when == "before" && call == "Pull/final/files" {
			time.Sleep(150 * time.Millisecond)
		}
		return nil
	})
	res, err := j.once(context.Background())
	if ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	c := state1(res, "shop").Cutovers[0]
	if c.Downtime < 150*time.Millisecond || c.Outside < 150*time.Millisecond || c.Watched.Asked < 3 || c.Watched.Failed > 0 {
		t.Errorf("%+v", c)
	}
}

func TestWatchedWithoutDomain(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	p, inv := j.compute(m)
	inv.Servers["client"].Account("shop").Domains = nil
	res, err := j.runner(m, inv).Run(context.Background(), p)
	if ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	if c := state1(res, "shop").Cutovers[0]; c.Outside != 0 || !strings.Contains(c.Watched.Why, "no domain") {
		t.Errorf("%+v", c)
	}
}

// What was recorded and configured under an account's old name counts under its
// new one, unless the old name is somebody else's now.
func TestRenamed(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	j.config.Migration.Accounts = []schema.Account{{Name: "store", DowntimeBudget: time.Minute, Probes: []schema.Probe{{Name: "own", HTTP: "http://s/"}}}}
	j.config.Migration.Patterns = []schema.AccountsPattern{{Include: []string{"old-*"}, DowntimeBudget: time.Hour}}
	j.config.Migration.Moved = []schema.Moved{{From: "store", To: "kiosk"}, {From: "kiosk", To: "shop"}, {From: "shop", To: "store"}, {From: "old-blog", To: "blog"}}
	inv := j.inventory()
	if f := formerNames(j.config, inv, "shop"); !slices.Equal(f, []string{"kiosk", "store"}) {
		t.Errorf("%q", f)
	}
	if p := Probes(j.config, inv, "shop"); len(p) != 1 || p[0].Name != "own" {
		t.Errorf("%+v", p)
	}
	if a := settingsOf(j.config, "blog", formerNames(j.config, inv, "blog")...); a.DowntimeBudget != time.Hour || a.Name != "blog" {
		t.Errorf("%+v", a)
	}
	x := j.runner(m, inv).begin(context.Background(), planOf(j))
	defer x.observer.close()
	x.learn([]schema.Fact{x.fact(schema.FactBaseline, plan.BaselineID("store", "own"), schema.BaselineFact{Status: 204}),
		x.fact(schema.FactBaseline, plan.BaselineAgainID("store", "own", 2), schema.BaselineFact{Status: 205})})
	if b := x.baseline("shop", "own"); b == nil || b.Status != 205 {
		t.Errorf("%+v", b)
	}
	x.learn([]schema.Fact{x.fact(schema.FactBaseline, plan.BaselineID("shop", "own"), schema.BaselineFact{Status: 200})})
	if b := x.baseline("shop", "own"); b == nil || b.Status != 200 {
		t.Errorf("%+v", b)
	}
	j.w.add("kiosk")
	if f := formerNames(j.config, j.inventory(), "shop"); len(f) > 0 {
		t.Errorf("%q, though kiosk is there", f)
	}
}

package apply

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// asks sets the status that the sites on transit answer with.
func asks(j *trip, status int) {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	j.w.transit.status = status
}

// A site that differs after its move is mended, and probed again: the newest
// answers are what is accepted. After that probes are only shown.
func TestVerifyAgain(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	asks(j, 404)
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	evidence := func() string {
		p, _ := j.compute(m)
		return p.Gate("verify.accept[shop]").Evidence
	}
	before := evidence()
	asks(j, 200)
	j.goal.Verify = []string{"sh*"}
	res, err := j.once(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if a := state1(res, "shop"); len(a.Probes) != 1 || !a.Probes[0].OK || a.Probes[0].Answer.Status != 200 {
		t.Errorf("%+v", a)
	}
	if !slices.ContainsFunc(j.events, func(e Event) bool {
		return e.What == Finished && e.Op == plan.OpProbe && len(e.Probes) == 1 && e.Probes[0].OK
	}) {
		t.Error("no event has what the probes answered")
	}
	j.goal.Verify = nil
	if f, ok := j.fact(plan.ProbedAgainID("shop", 1, 2)); !ok {
		t.Errorf("%+v", f)
	}
	if evidence() == before {
		t.Error("the evidence is still that of the broken site")
	}
	j.accept()
	j.goal.Verify = []string{"shop"}
	asks(j, 500)
	j.settings.Settle = 1
	n := len(m.events)
	if res, err := j.once(context.Background()); err != nil || state1(res, "shop").Probes[0].OK {
		t.Errorf("%v %+v", err, res)
	}
	for _, e := range m.events[n:] {
		if e.Fact != nil {
			t.Errorf("a look at an accepted account was written down: %s", e.Fact.ID)
		}
	}
	asks(j, 200)
	j.goal.Verify = nil
	j.home()
}

// An intended change: the new baseline holds, and the acceptance from before it
// does not.
func TestVerifyBaseline(t *testing.T) {
	j, m, _ := verified(t, "shop")
	j.accept()
	p, _ := j.compute(m)
	if g := p.Gate("verify.accept[shop]"); g.Closed == "" {
		t.Fatal("not accepted")
	}
	asks(j, 201)
	for n := 2; n < 4; n++ {
		j.goal = plan.Goal{Verify: []string{"*"}, Baseline: true}
		if res, err := j.once(context.Background()); err != nil || !state1(res, "shop").Probes[0].OK {
			t.Fatalf("%v %+v", err, res)
		}
		var b schema.BaselineFact
		if f, ok := j.fact(plan.BaselineAgainID("shop", "home", n)); !ok || json.Unmarshal(f.Value, &b) != nil || b.Status != 201 {
			t.Errorf("%d: %v %s", n, ok, f.Value)
		}
		j.goal = plan.Goal{}
		p, _ = j.compute(m)
		if g := p.Gate("verify.accept[shop]"); g.Closed != "" || g.Evidence == "" {
			t.Errorf("%d: %+v", n, g)
		}
		j.accept()
	}
	j.w.mu.Lock()
	j.w.source.status = 201
	j.w.mu.Unlock()
	j.home()
}

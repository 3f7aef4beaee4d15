package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// trialOf is a world with a third server, on which databases are tried.
func trialOf(t *testing.T) (*trip, *memory, *machine, func() (Result, error)) {
	j, m := memoryTrip(t, "shop", "blog")
	on := j.w.machine("lab")
	on.present, on.known, on.id = true, true, "m00" // claimed before the others
	j.config.Servers = append(j.config.Servers, schema.Server{Name: "lab", Provider: "memory"})
	j.config.Migration.Trial = "lab"
	run := func() (Result, error) {
		var steps []plan.Step
		for _, a := range []string{"blog", "shop"} {
			steps = append(steps, plan.Step{ID: plan.ID("prepare.try_databases[" + a + "]@0"), Op: plan.OpTrial, Account: a, Phase: "prepare",
				Part: plan.PartDatabases, Server: "lab", From: "client", To: "lab"})
		}
		inv := j.inventory()
		inv.Servers["lab"] = on.found()
		r := j.runner(m, inv)
		r.Servers["lab"] = on
		return r.Run(context.Background(), planOf(j, steps...))
	}
	return j, m, on, run
}

// A database that would not arrive is remembered, and fails its step: what comes
// after it must not run. Each try is remembered.
func TestTrial(t *testing.T) {
	j, m, on, run := trialOf(t)
	on.tried = []schema.TriedDatabase{{Name: "shop", Engine: "sqlite", Bytes: 4096, Objects: 3, Rows: 7, Errors: []string{"line 4: no such collation"}},
		{Name: "log", Engine: "sqlite", Bytes: 100, Warnings: []string{"slow"}}}
	if _, err := run(); ExitCode(err) != ExitError || !strings.Contains(err.Error(), "sqlite database shop of shop would not arrive on server lab: line 4: no such collation") {
		t.Fatal(err)
	}
	f, ok := j.fact("trial/shop/lab/1")
	var v schema.TrialFact
	if !ok || json.Unmarshal(f.Value, &v) != nil || v.Server != "lab" || v.Version != "3" || len(v.Databases) != 2 || v.Databases[0].Rows != 7 || v.Took <= 0 || f.Account != "shop" || f.Kind != schema.FactTrial {
		t.Errorf("%v %s", ok, f.Value)
	}
	said := func(text string) bool {
		return slices.ContainsFunc(j.events, func(e Event) bool { return e.What == Note && e.Account == "shop" && strings.Contains(e.Text, text) })
	}
	on.tried = on.tried[1:]
	if _, err := run(); err != nil {
		t.Fatal(err)
	}
	if _, ok := j.fact("trial/shop/lab/2"); !ok {
		t.Error("the second try has no fact")
	}
	if !said("with warnings: slow") {
		t.Error("nobody was told")
	}
	log, _ := m.Load(context.Background())
	if i := slices.IndexFunc(log.Past().Timings, func(x plan.Timing) bool { return x.Op == string(plan.OpTrial) }); i < 0 || log.Past().Timings[i].Bytes != 100 {
		t.Errorf("%+v", log.Past().Timings)
	}
	if on.term != j.w.source.term {
		t.Errorf("terms %d and %d", on.term, j.w.source.term)
	}
}

// A trial that cannot be done fails its account, not the other one; a trial
// server that is another migration's fails the trials, not the run.
func TestTrialFails(t *testing.T) {
	j, _, on, run := trialOf(t)
	j.w.setHook(failing("Try", "blog", errors.New("disk full")))
	res, err := run()
	if ExitCode(err) != ExitError || state1(res, "blog").State != AccountFailed || state1(res, "shop").State != AccountDone {
		t.Errorf("%v %+v", err, res.Accounts)
	}
	j.w.setHook(func(when, server, call, _ string) error {
		if server == on.name && call == "Claim" {
			return fmt.Errorf("claimed by somebody else: %w", providers.ErrRefused)
		}
		return nil
	})
	res, err = run()
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Reason != "" && state1(res, "shop").State != AccountFailed || ExitCode(err) != ExitError {
		t.Errorf("%v %+v", err, res.Accounts)
	}
	if !j.w.source.known || j.w.source.term == 0 {
		t.Error("the others were not claimed")
	}
}

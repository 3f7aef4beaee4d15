package apply

import (
	"context"
	"encoding/json"
	"errors"
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

// trip is a world, its configuration and its store: what several runs share.
type trip struct {
	t           *testing.T
	w           *world
	config      *schema.Config
	dir         string
	memory      *memory // nil: a local store in dir
	confirmed   string
	goal        plan.Goal
	settings    Settings
	parallel    int
	graceful    context.Context
	watchEvents func(Event)
	clock       state.Clock
	amend       func(*plan.Plan) // changes a plan before it is run

	mu     sync.Mutex
	events []Event
}

func newTrip(t *testing.T, accounts ...string) *trip {
	w := newWorld(t, accounts...)
	process := schema.Process{Name: "round", Phases: []schema.ProcessPhase{
		{Name: "prepare", By: "customer"}, {Name: "request", By: "customer", RemovesRuntimes: true},
		{Name: "install", By: "support", Precopy: []string{"files", "mail"}}, {Name: "migrate", By: "customer"},
		{Name: "verify", By: "customer"}, {Name: "reinstall", By: "support", Precopy: []string{"files", "mail"}},
		{Name: "relocate", By: "support"}, {Name: "finish"}},
		Barriers: []schema.Barrier{{Before: "request", Needs: "prepared"}, {Before: "reinstall", Needs: "accepted_or_retired"}, {Before: "finish", Needs: "transit_empty"}},
		Rollback: schema.Rollback{Until: "reinstall"}}
	return &trip{t: t, w: w, dir: t.TempDir(), confirmed: "client",
		config: &schema.Config{
			Servers:   []schema.Server{{Name: "client", Provider: "memory"}, {Name: "transit", Provider: "memory"}},
			Processes: []schema.Process{process},
			Migration: schema.Migration{Name: "spring", Process: "round", Source: "client", Transit: "transit", SizeBand: 20,
				Patterns: []schema.AccountsPattern{{Include: []string{"*"}}}}},
		settings: Settings{Lease: 20 * time.Second, Renew: 20 * time.Millisecond, Call: 20 * time.Second, Retry: time.Millisecond, RetryMost: 4 * time.Millisecond,
			Tries: 4, Patience: 20 * time.Second, Settle: 50 * time.Millisecond, Watch: 2 * time.Millisecond, Wait: time.Second}}
}

func (j *trip) store() state.Store {
	if j.memory != nil {
		return j.memory
	}
	return state.OpenLocal(j.dir, state.Options{Lease: time.Second, Beat: 20 * time.Millisecond})
}

// inventory surveys without going through the faults.
func (j *trip) inventory() *schema.Inventory {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	return &schema.Inventory{Servers: map[string]*schema.FoundServer{"client": j.w.source.found(), "transit": j.w.transit.found()}}
}

func (j *trip) compute(s state.Store) (*plan.Plan, *schema.Inventory) {
	j.t.Helper()
	inv := j.inventory()
	log, err := s.Load(context.Background())
	if err != nil {
		j.t.Fatal(err)
	}
	past := log.Past()
	past.Facts = schema.UnionFacts(past.Facts, inv.Servers["client"].Facts, inv.Servers["transit"].Facts)
	p, err := plan.Compute(plan.Input{Config: j.config, Inventory: inv, Past: past, Goal: j.goal, Confirmed: j.confirmed, Now: time.Now()})
	if err != nil {
		j.t.Fatal(err)
	}
	if j.amend != nil {
		j.amend(p)
	}
	return p, inv
}

func (j *trip) servers() map[string]providers.Server {
	return map[string]providers.Server{"client": j.w.source, "transit": j.w.transit}
}

func (j *trip) runner(s state.Store, inv *schema.Inventory) *Runner {
	return &Runner{Dir: j.dir, Servers: j.servers(), State: s, Inventory: inv, Holder: "ann@laptop (1)", Confirmed: j.confirmed, Settings: j.settings,
		Parallel: j.parallel, Graceful: j.graceful, Clock: j.clock, Observe: func(e Event) {
			j.mu.Lock()
			j.events = append(j.events, e)
			j.mu.Unlock()
			if j.watchEvents != nil {
				j.watchEvents(e)
			}
		}}
}

// once plans and runs.
func (j *trip) once(ctx context.Context) (Result, error) {
	j.t.Helper()
	s := j.store()
	defer s.Close()
	p, inv := j.compute(s)
	return j.runner(s, inv).Run(ctx, p)
}

// accept approves what can be approved.
func (j *trip) accept() int {
	j.t.Helper()
	s := j.store()
	defer s.Close()
	p, _ := j.compute(s)
	a := &Approver{State: s, Servers: j.servers()}
	n := 0
	for _, g := range p.Gates {
		if g.Closed == "" && g.Open && g.Evidence != "" {
			if _, err := a.Approve(context.Background(), p, Approval{Gate: string(g.ID), By: "ann"}); err != nil {
				j.t.Fatal(err)
			}
			n++
		}
	}
	return n
}

// home runs until nothing is left, and approves between.
func (j *trip) home() {
	j.t.Helper()
	for range 12 {
		_, err := j.once(context.Background())
		var waiting *WaitingError
		switch {
		case err == nil:
			j.arrived()
			return
		case errors.As(err, &waiting):
			if j.accept() == 0 && !j.runnable() {
				j.t.Fatalf("waits for what nobody can approve: %v", err)
			}
		default:
			j.t.Fatalf("run: %v", err)
		}
	}
	j.t.Fatal("not home after 12 runs")
}

func (j *trip) runnable() bool {
	s := j.store()
	defer s.Close()
	p, _ := j.compute(s)
	return Runnable(p)
}

// arrived checks the end of a whole journey.
func (j *trip) arrived() {
	j.t.Helper()
	j.clean()
	s := j.store()
	defer s.Close()
	p, _ := j.compute(s)
	if len(p.Steps) > 0 {
		j.t.Errorf("steps are left: %v", p.Steps[0].ID)
	}
	for a, r := range j.w.source.records {
		if r.state != schema.StateActive || j.w.source.content[a]["files"] == 0 {
			j.t.Errorf("%s is %s(%d) at home with content %v", a, r.state, r.epoch, j.w.source.content[a])
		}
	}
	if len(j.w.transit.records) > 0 || len(j.w.transit.content) > 0 {
		j.t.Errorf("copies are left on transit: %v", j.w.transit.content)
	}
	if len(j.w.source.listening) == 0 || len(j.w.transit.listening) > 0 {
		j.t.Errorf("listening: client %v, transit %v", j.w.source.listening, j.w.transit.listening)
	}
}

// clean fails for every breach of a law that the world saw.
func (j *trip) clean() {
	j.t.Helper()
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	for _, s := range j.w.wrong {
		j.t.Errorf("law broken %s", s)
	}
}

func (j *trip) fact(id string) (schema.Fact, bool) {
	s := j.store()
	defer s.Close()
	log, err := s.Load(context.Background())
	if err != nil {
		j.t.Fatal(err)
	}
	for _, f := range log.Past().Facts {
		if f.ID == id {
			return f, true
		}
	}
	return schema.Fact{}, false
}

func TestJourney(t *testing.T) {
	j := newTrip(t, "shop", "blog", "old")
	j.w.writes = true
	j.config.Migration.Stays = []schema.Stay{{Account: "old", Action: "archive", Reason: "closed in March"}}
	j.w.source.residue = []schema.Residue{{Path: "/etc/cron.d/legacy"}}
	j.w.source.runtimes = []schema.Runtime{{Name: "php", Version: "5.6"}}
	j.config.Migration.Architecture = "new"
	j.config.Architectures = []schema.Architecture{{Name: "new", Runtimes: []schema.RuntimeOffer{{Name: "php", Versions: []string{"8.3"}}}}}
	j.config.Migration.Residue = []schema.ResidueRule{{Path: "/etc/cron.d/legacy", Action: "carry", Reason: "monitoring"}}
	j.home()
	if !slices.Contains(j.w.calls, "RemoveRuntime client ") {
		t.Error("no runtime was removed")
	}
	if len(j.w.source.residue) != 1 || j.w.source.residue[0].Kind != "carried" {
		t.Errorf("residue on the new machine: %v", j.w.source.residue)
	}
	var m schema.MigratedFact
	f, ok := j.fact(plan.MigratedID("shop", 1))
	if !ok || json.Unmarshal(f.Value, &m) != nil || m.Downtime <= 0 || m.Outside <= 0 || m.To != "transit" {
		t.Errorf("migrated fact: %v %s", ok, f.Value)
	}
	var re schema.ReinstallFact
	f, ok = j.fact(schema.FactReinstall)
	if !ok || json.Unmarshal(f.Value, &re) != nil || re.Old != "m01" || re.New == re.Old {
		t.Errorf("reinstall fact: %v %s", ok, f.Value)
	}
	f, ok = j.fact(plan.DisposedAccountID("old"))
	if !ok || !strings.Contains(string(f.Value), "sha256:archive") {
		t.Errorf("disposed fact: %v %s", ok, f.Value)
	}
	j.measuredParts()
}

// Out, back, out again, home: each crossing has its epoch and its fact.
func TestRollback(t *testing.T) {
	j, _ := memoryTrip(t, "shop", "blog")
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	j.goal.Rollback = []string{"shop"}
	res, err := j.once(context.Background())
	if err != nil && ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	if r := j.w.source.rec("shop"); r.state != schema.StateActive || r.epoch != 2 || j.w.transit.rec("blog").state != schema.StateActive {
		t.Errorf("shop is %s(%d) on the source; blog is %s on transit", r.state, r.epoch, j.w.transit.rec("blog").state)
	}
	if a := state1(res, "shop"); len(a.Cutovers) != 1 || a.Cutovers[0].To != "client" {
		t.Errorf("%+v", a)
	}
	if _, ok := j.fact(plan.RolledBackID("shop", 2)); !ok {
		t.Error("no fact of the rollback")
	}
	j.goal.Rollback = nil
	j.home()
	for _, epoch := range []uint64{1, 3, 4} {
		if _, ok := j.fact(plan.MigratedID("shop", epoch)); !ok {
			t.Errorf("no fact of the switch to epoch %d", epoch)
		}
	}
}

// measuredParts: every part of a cutover has a measured event.
func (j *trip) measuredParts() {
	var names []string
	for _, e := range j.events {
		if e.What == Measured && e.Account == "shop" && e.Phase == "migrate" {
			names = append(names, e.Text)
		}
	}
	for _, want := range []string{"freeze", "final_sync/files", "final_sync/mail", "final_sync/databases", "compare", "prepare_copy", "commit", "activate", "downtime", "outside"} {
		if !slices.Contains(names, want) {
			j.t.Errorf("%s was not measured: %s", want, strings.Join(names, " "))
		}
	}
}

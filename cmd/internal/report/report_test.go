package report

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

const nasty = "new\nline \x1b[31mred\xff"

func at(day, hour int) time.Time { return time.Date(2026, 12, day, hour, 0, 0, 0, time.UTC) }

func fact(t *testing.T, kind, id, account string, when time.Time, value any) schema.Fact {
	t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return schema.Fact{ID: id, Kind: kind, Account: account, By: "ann", At: when, Value: b}
}

func world(t *testing.T) Input {
	t.Helper()
	p := &plan.Plan{Migration: "spring", Config: &schema.Config{}, Phases: []plan.PhaseState{{Name: "migrate", State: plan.PhaseDone}, {Name: "relocate", State: plan.PhaseCurrent}}}
	m := &p.Config.Migration
	m.Process, m.Source, m.Transit = "self-managed", "client", "transit"
	m.Stays = []schema.Stay{{Account: "old", Action: "archive", Reason: "closed"}, {Account: "older", Action: "elsewhere"}}
	m.Residue = []schema.ResidueRule{{Path: "/etc/x", Action: "carry"}}
	m.Approvals = []schema.Approval{{Gate: "verify.accept[blog]", By: "eve", Evidence: "sha256:1"}}
	p.Accounts = []plan.AccountPlan{{Name: "shop", Where: "client", Stage: plan.StageHome, Bytes: 7}, {Name: nasty, Where: "transit", Stage: plan.StageAccepted}}
	p.Findings = []schema.Finding{{Code: "a", Severity: schema.Warning}, {Code: "b", Severity: schema.Blocker, Waived: &schema.Waived{By: "ann"}}}
	p.Dates.Findings = []schema.Finding{{Code: "c", Severity: schema.Info}}
	facts := []schema.Fact{
		fact(t, schema.FactMigrated, plan.MigratedID("shop", 2), "shop", at(9, 2), schema.MigratedFact{Epoch: 2, To: "client", Downtime: 3 * time.Second, Predicted: 2 * time.Second, Confidence: "measured"}),
		fact(t, schema.FactMigrated, plan.MigratedID("shop", 1), "shop", at(8, 2), schema.MigratedFact{Epoch: 1, To: "transit", Downtime: 5 * time.Second, Outside: 6 * time.Second}),
		fact(t, schema.FactMigrated, plan.MigratedID(nasty, 1), "mangled by JSON", at(8, 3), schema.MigratedFact{Epoch: 1, To: "transit"}),
		fact(t, schema.FactMigrated, plan.MigratedID("gone", 1), "gone", at(8, 1), schema.MigratedFact{Epoch: 1, To: "transit", Downtime: time.Second}),
		fact(t, schema.FactProbed, plan.ProbedID("shop", 1), "shop", at(8, 4), plan.ProbedFact{Epoch: 1, OK: false, Probes: probed(t, false)}),
		fact(t, schema.FactProbed, plan.ProbedID("shop", 2), "shop", at(9, 4), plan.ProbedFact{Epoch: 2, OK: true, Probes: probed(t, true)}),
		fact(t, schema.FactBaseline, plan.BaselineID("shop", "home"), "shop", at(1, 1), schema.BaselineFact{Probe: "home", Status: 200}),
		fact(t, schema.FactBaseline, plan.BaselineID("shop", "new"), "shop", at(1, 1), schema.BaselineFact{Probe: "new", Status: 200}),
		fact(t, schema.FactHandover, "handover", "", at(7, 1), schema.MachineFact{}),
		fact(t, schema.FactReinstall, "reinstall", "", at(8, 20), schema.ReinstallFact{}),
		fact(t, schema.FactDisposed, plan.DisposedAccountID("old"), "", at(8, 10), plan.DisposedFact{Action: "archive", Ref: "sha256:9"}),
		fact(t, schema.FactDisposed, plan.RetiredAccountID("old"), "", at(8, 11), plan.DisposedFact{Action: "retire"}),
		fact(t, schema.FactApproval, "approval/1", "shop", at(8, 6), schema.Approval{Gate: "verify.accept[shop]", By: "bob", Evidence: "sha256:2", When: at(8, 5)}),
	}
	taken := fact(t, schema.FactApproval, "approval/2", "shop", at(8, 9), schema.Approval{Gate: "verify.accept[shop]", By: "bob", When: at(8, 4)})
	taken.Revoked = true
	return Input{Plan: p, Past: plan.Past{Facts: append(facts, taken)}, Now: at(10, 0)}
}

func probed(t *testing.T, ok bool) json.RawMessage {
	t.Helper()
	b, err := json.Marshal([]apply.ProbeResult{{Probe: "home", OK: ok, Why: "status 500 instead of 200", Answer: apply.Answer{Status: 500}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuild(t *testing.T) {
	r := Build(world(t))
	var names []string
	for _, a := range r.Accounts {
		names = append(names, a.Name)
	}
	if !slices.Equal(names, []string{"gone", nasty, "shop"}) {
		t.Errorf("accounts %q", names)
	}
	shop := r.Accounts[2]
	if len(shop.Moves) != 2 || shop.Moves[0].To != "transit" || shop.Moves[0].Probed != "different" || shop.Moves[1].Probed != "as before" || shop.Moves[1].By != "ann" || shop.Moves[0].Outside != 6*time.Second {
		t.Errorf("moves of shop: %+v", shop.Moves)
	}
	if d := r.Downtime; d != (Downtime{Total: 9 * time.Second, Max: 5 * time.Second, Of: "shop", Moves: 4, Unknown: 1}) {
		t.Errorf("downtime %+v", d)
	}
	if r.Score == nil || r.Score.N != 1 || r.Score.Cutovers[0].Measured != 3*time.Second {
		t.Errorf("score %+v", r.Score)
	}
	var what []string
	for _, m := range r.Milestones {
		what = append(what, m.What)
	}
	if got := strings.Join(what, " "); got != "handover first_move last_move reinstalled first_return last_return" {
		t.Errorf("milestones %s", got)
	}
	if r.State != UnderWay || len(r.Findings) != 2 || len(r.Waived) != 1 || r.Servers[0].Accounts != 1 || r.Servers[0].Presence != schema.Absent {
		t.Errorf("state %s, findings %d, waived %d, servers %+v", r.State, len(r.Findings), len(r.Waived), r.Servers)
	}
}

func TestApprovals(t *testing.T) {
	list := Build(world(t)).Approvals
	if len(list) != 3 || !list[0].Config || !list[1].Revoked || list[2].By != "bob" || !list[2].At.Equal(at(8, 5)) {
		t.Errorf("%+v", list)
	}
}

func TestDispositions(t *testing.T) {
	list := Build(world(t)).Dispositions
	if len(list) != 3 || !list[0].At.Equal(at(8, 11)) || list[0].Ref != "sha256:9" || !list[1].At.IsZero() || list[2].Path != "/etc/x" || !list[2].At.IsZero() {
		t.Errorf("%+v", list)
	}
}

func TestPromised(t *testing.T) {
	in := world(t)
	in.Promised = &plan.Plan{Config: in.Plan.Config}
	in.Promised.Dates = plan.Dates{Computed: at(7, 0), Timetable: []plan.Appointment{
		{Phase: schema.PhaseMigrate, Account: "shop", Begins: at(8, 0), Ends: at(8, 1)},
		{Phase: schema.PhaseRelocate, Account: "shop", Begins: at(9, 3), Ends: at(9, 4)},
		{Phase: schema.PhaseRelocate, Account: nasty, Begins: at(9, 3), Ends: at(9, 4)},
		{Phase: schema.PhaseMigrate, Account: "shop", Relative: true},
	}}
	list := Build(in).Timetable
	if list[0].Late != 3600 || list[1].Late != -7200 || !list[2].Happened.IsZero() || list[3].Late != 0 || list[3].Happened.IsZero() {
		t.Errorf("%+v", list)
	}
	in.Promised.Dates.Computed = at(8, 12) // made after shop had moved
	if x := Build(in).Timetable[0]; !x.Happened.IsZero() {
		t.Errorf("a move before the plan counts: %+v", x)
	}
}

func TestStates(t *testing.T) {
	in := world(t)
	in.Past.Facts = nil
	in.Plan.Config.Migration.Approvals = nil
	in.Plan.Phases = []plan.PhaseState{{Name: "prepare", State: plan.PhaseCurrent}}
	if r := Build(in); r.State != NotBegun || r.Score != nil || len(r.Milestones) != 0 {
		t.Errorf("%s", r.State)
	}
	in.Plan.Phases = []plan.PhaseState{{Name: "prepare", State: plan.PhaseDone}}
	if r := Build(in); r.State != Finished {
		t.Errorf("%s", r.State)
	}
}

func TestProbes(t *testing.T) {
	in := world(t)
	list := Probes(in.Plan, in.Past.Facts)
	if len(list) != 2 || !list[0].OK || !list[0].At.Equal(at(9, 4)) || len(list[0].Probes) != 2 || !list[1].At.IsZero() {
		t.Fatalf("%+v", list)
	}
	if home, added := list[0].Probes[0], list[0].Probes[1]; home.Before == nil || home.Now.Status != 500 || added.Now != nil || added.Before == nil {
		t.Errorf("%+v", list[0].Probes)
	}
}

func TestLastRun(t *testing.T) {
	if LastRun(nil) != nil || LastRun(&state.Log{}) != nil {
		t.Error("a run where there is none")
	}
	event := func(what state.What, step plan.ID, hour int) state.Event {
		return state.Event{What: what, Step: step, At: at(1, hour), Run: "r", Err: "why"}
	}
	begun := event(state.RunStarted, "", 2)
	begun.Text = "ann@laptop (pid 4), plan sha256:00"
	moved := event(state.Finished, "migrate.switch[shop]@0", 4)
	moved.Op, moved.Timing = plan.OpSwitch, &plan.Timing{Account: "shop"}
	log := &state.Log{Events: []state.Event{event(state.RunStarted, "", 1), event(state.Failed, "old", 1), begun,
		event(state.Started, "a", 3), event(state.Finished, "a", 3), event(state.Started, "b", 3), event(state.Failed, "b", 3), moved, event(state.Started, "c", 5)}}
	r := LastRun(log)
	if r.Who != "ann@laptop (pid 4)" || r.Done != 2 || len(r.Failed) != 1 || r.Failed[0].Step != "b" || !slices.Equal(r.Moved, []string{"shop"}) || !slices.Equal(r.Open, []plan.ID{"c"}) {
		t.Errorf("%+v", r)
	}
	end := event(state.RunEnded, "", 6)
	end.Text = "done"
	log.Events = append(log.Events, end)
	if r := LastRun(log); r.How != "done" || r.Open != nil || !r.Ended.Equal(at(1, 6)) {
		t.Errorf("%+v", r)
	}
}

func TestSince(t *testing.T) {
	facts := world(t).Past.Facts
	if got := Since(facts, "shop"); !got.Equal(at(9, 4)) {
		t.Errorf("shop: %s", got)
	}
	if got := Since(facts, nasty); !got.Equal(at(8, 3)) {
		t.Errorf("hostile name: %s", got)
	}
	if got := Since(nil, ""); !got.IsZero() {
		t.Errorf("nothing: %s", got)
	}
}

package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// seed is a plan as Compute makes it, with n accounts.
func seed(n int) *plan.Plan {
	p := &plan.Plan{Migration: "spring", Config: &schema.Config{}}
	p.Config.Migration.Process, p.Config.Migration.Source, p.Config.Migration.Transit = "private-cloud-2025", "client", "transit"
	p.Phases = []plan.PhaseState{{Name: "prepare", State: plan.PhaseDone}, {Name: "request", State: plan.PhaseAbsent},
		{Name: "install", State: plan.PhaseDone}, {Name: "migrate", State: plan.PhaseCurrent, Left: 4 * n}, {Name: "verify", State: plan.PhaseAhead, Left: 2 * n},
		{Name: "reinstall", State: plan.PhaseAhead, Left: 4}, {Name: "relocate", State: plan.PhaseAhead}}
	for i := range n {
		name := fmt.Sprintf("cust-%04d", i)
		if i == 1 {
			name = nasty
		}
		esc, err := schema.EscapeName(name)
		if err != nil {
			panic(err)
		}
		add := func(phase string, op plan.Op, group string) *plan.Step {
			p.Steps = append(p.Steps, plan.Step{ID: plan.ID(fmt.Sprintf("%s.%s[%s]@0", phase, op, esc)), Phase: phase, Op: op, Account: name,
				Server: "transit", From: "client", To: "transit", Group: group, Actor: plan.ActorStopover})
			return &p.Steps[len(p.Steps)-1]
		}
		add("migrate", plan.OpWarm, "").Estimate.Duration = 90 * time.Second
		add("migrate", plan.OpFreeze, "migrate["+esc+"]@0")
		add("migrate", plan.OpSwitch, "migrate["+esc+"]@0").Estimate = plan.Estimate{Downtime: 4 * time.Second, Confidence: "measured"}
		add("migrate", plan.OpThaw, "migrate["+esc+"]@0").Undo = true
		gate := add("verify", plan.OpGate, "")
		gate.Actor, gate.Why = plan.ActorCustomer, "look at the account on transit, and approve it or roll it back"
		p.Gates = append(p.Gates, plan.Gate{ID: plan.ID("verify.accept[" + esc + "]"), Who: "customer", What: gate.Why, Open: true, Evidence: "sha256:" + strings.Repeat("4f", 32)})
		p.Findings = append(p.Findings, schema.Finding{Code: "sqlite-not-wal", Severity: schema.Warning, Account: name,
			Summary: "sqlite/guestbook has journal_mode delete: it is compared whole within the cut", Remedy: "Set journal_mode=WAL, if the application allows it."})
		p.Accounts = append(p.Accounts, plan.AccountPlan{Name: name, Where: "client", Stage: plan.StagePrepared})
	}
	for _, op := range []plan.Op{plan.OpResidue, plan.OpSeal, plan.OpReinstall, plan.OpReturnAddresses} {
		p.Steps = append(p.Steps, plan.Step{ID: plan.ID("reinstall." + op), Phase: "reinstall", Op: op, Server: "client", Projected: true,
			Method: "carry", Objects: []string{"/etc/cron.d/legacy job"}, Why: "the reason that " + nasty + " has"})
	}
	p.Findings = append(p.Findings, schema.Finding{Code: "residue", Severity: schema.Blocker, Server: "client", Object: "/x",
		Summary: nasty + " belongs to no account; the reinstallation would delete it", Remedy: "Write a residue block for it."})
	p.Altered = []plan.Altered{{Account: nasty, Object: "runtime php", From: "7.4", To: "8.1", Why: "the architecture does not offer 7.4"}}
	p.Downtime = plan.Downtime{Total: time.Duration(n) * 4 * time.Second, Max: 4 * time.Second, Of: nasty}
	return p
}

// dated adds to a plan what depends on the date, and what a user lets pass.
func dated(p *plan.Plan) *plan.Plan {
	p.Config.Migration.Timezone = "Europe/Paris"
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 12, day, hour-1, minute, 0, 0, time.UTC) }
	d := &p.Dates
	d.Computed, d.Ends, d.Handover, d.Promised = at(1, 9, 0), at(22, 16, 0), at(7, 0, 0), true
	i := 0
	for _, a := range p.Accounts {
		begins := at(8+i/200, 1, 0).Add(time.Duration(i%200) * time.Minute)
		d.Timetable = append(d.Timetable, plan.Appointment{Phase: "migrate", Account: a.Name, What: clean(a.Name) + " moves to transit", Begins: begins,
			Ends: begins.Add(time.Minute), Takes: time.Minute, Downtime: 4 * time.Second, Window: "night", Waited: "window night"})
		i++
	}
	d.Timetable = append(d.Timetable, plan.Appointment{Phase: "reinstall", Server: "client", What: "client is reinstalled", Begins: at(21, 9, 0), Ends: at(21, 14, 30),
		Takes: 330 * time.Minute, Window: "working", Waited: "working hours", Earliest: true})
	d.Earliest = true
	d.Deadlines = []plan.Deadline{
		{What: "finish_by", At: at(21, 0, 0), Ends: at(22, 16, 0), Slack: -40 * time.Hour, Missed: true, Why: "the window night opens on two days of the week only"},
		{What: "free_days", At: at(28, 0, 0), Ends: at(22, 16, 0), Slack: 128 * time.Hour}, {What: "forced_on", At: at(31, 0, 0), Why: "the hand-over is not known"}}
	d.Cost = &plan.Cost{Currency: "EUR", FreeDays: 14, FreeEnds: at(21, 0, 0), Used: 16, PerDay: 1254, Overrun: 2, Total: 2508}
	d.Findings = []schema.Finding{{Code: "deadline-missed", Severity: schema.Warning, Object: "finish_by", Summary: "the journey ends 2 days after the day in finish_by", Remedy: "Add a window, or choose a later day."}}
	p.Findings = append(p.Findings,
		schema.Finding{Code: "server-named", Severity: schema.Warning, Account: "cust-0000", Summary: "files of settings name the server", Remedy: "Write a name that moves along.",
			Evidence: []string{"home/www/config.php:12: 192.0.2.10", "home/www/" + nasty + ":3: client"}},
		schema.Finding{Code: "runtime-not-offered", Severity: schema.Blocker, Account: "cust-0000", Summary: "php 5.6 is not offered", Remedy: "Switch.",
			Waived: &schema.Waived{By: "ann", Reason: "moves to 8.1 on the evening before", Until: "2026-12-20"}})
	return p
}

// unhanded is a plan whose hand-over nobody knows.
func unhanded(p *plan.Plan) *plan.Plan {
	d := &p.Dates
	d.Computed, d.FromHand = time.Unix(1e9, 0), "+2 d"
	for i, a := range p.Accounts {
		d.Timetable = append(d.Timetable, plan.Appointment{Phase: "migrate", Account: a.Name, What: clean(a.Name) + " moves to transit", Relative: true,
			After: time.Duration(i) * 10 * time.Hour, Takes: time.Minute})
	}
	d.Cost = &plan.Cost{FreeDays: 14, Used: 9}
	return p
}

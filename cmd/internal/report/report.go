// Package report gathers what a journey was, from a fresh plan, from what is
// remembered, and from what the servers show. It reads nothing by itself and
// prints nothing: package view shows a Report as text, JSON, Markdown or HTML.
package report

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/stopover/stopover/cmd/internal/format"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// FormatVersion is the version of a report's JSON.
const FormatVersion = format.Version

// States of a journey.
const (
	NotBegun = "not begun"
	UnderWay = "under way"
	Finished = "finished"
)

// Report is a journey, finished or running.
type Report struct {
	FormatVersion string             `json:"format_version"`
	Migration     string             `json:"migration"`
	Process       string             `json:"process"`
	Source        string             `json:"source"`
	Transit       string             `json:"transit"`
	Timezone      string             `json:"timezone,omitempty"`
	State         string             `json:"state"` // not begun | under way | finished
	At            time.Time          `json:"at"`    // when it was looked at
	Phases        []plan.PhaseState  `json:"phases"`
	Servers       []Server           `json:"servers"`
	Milestones    []Milestone        `json:"milestones"` // by time
	Accounts      []Account          `json:"accounts"`   // by name
	Downtime      Downtime           `json:"downtime"`
	Score         *plan.Scored       `json:"score,omitempty"` // of predictions; nil: nothing was predicted and measured
	Altered       []plan.Altered     `json:"altered"`         // of what is still to move
	Findings      []schema.Finding   `json:"findings"`        // that are left
	Waived        []schema.Finding   `json:"waived"`
	Approvals     []Approval         `json:"approvals"` // by time
	Dispositions  []Disposition      `json:"dispositions"`
	Gates         []plan.Gate        `json:"gates"` // that are open
	Timetable     []Appointment      `json:"timetable"`
	Deadlines     []plan.Deadline    `json:"deadlines"`
	Cost          *plan.Cost         `json:"cost,omitempty"`
	Trials        []schema.TrialFact `json:"trials,omitempty"`
	Run           *Run               `json:"last_run,omitempty"`
	Config        *schema.Config     `json:"-"`
}

// Server is one of the two servers as it was found.
type Server struct {
	Name         string           `json:"name"`
	Role         string           `json:"role"` // source | transit
	Presence     string           `json:"presence"`
	Architecture string           `json:"architecture,omitempty"`
	Runtimes     []schema.Runtime `json:"runtimes,omitempty"`
	Machine      string           `json:"machine,omitempty"`
	Serves       []string         `json:"serves,omitempty"` // addresses that it answers on
	Accounts     int              `json:"accounts"`         // that are active there
}

// Milestone is something that happened once in the journey.
type Milestone struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // handover | first_move | last_move | reinstalled | first_return | last_return | released
	Server string    `json:"server,omitempty"`
	By     string    `json:"by,omitempty"`
}

// Account is what became of one account.
type Account struct {
	Name  string `json:"name"`
	Where string `json:"where"`
	Stage string `json:"stage"`
	Bytes int64  `json:"bytes"`
	Moves []Move `json:"moves"` // in their order
}

// Move is one switch of an account.
type Move struct {
	At         time.Time     `json:"at"`
	By         string        `json:"by,omitempty"`
	Epoch      uint64        `json:"epoch"`
	To         string        `json:"to"`
	Back       bool          `json:"rolled_back,omitempty"` // it was a rollback
	Downtime   time.Duration `json:"downtime"`              // measured, nanoseconds
	Outside    time.Duration `json:"outside,omitempty"`     // seen through the account's address
	Predicted  time.Duration `json:"predicted,omitempty"`
	Confidence string        `json:"confidence,omitempty"` // of the prediction
	Probed     string        `json:"probed,omitempty"`     // as before | different; empty: not probed
}

// Downtime sums up what was measured.
type Downtime struct {
	Total   time.Duration `json:"total"`
	Max     time.Duration `json:"max"`
	Of      string        `json:"of,omitempty"`
	Moves   int           `json:"moves"`
	Unknown int           `json:"unknown,omitempty"` // moves whose downtime was not measured: a run died within
}

// Approval is somebody's word about a gate.
type Approval struct {
	Gate     string    `json:"gate"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Evidence string    `json:"evidence"`
	Note     string    `json:"note,omitempty"`
	Revoked  bool      `json:"revoked,omitempty"`
	Config   bool      `json:"config,omitempty"` // given in the configuration
}

// Disposition is what became of something that did not move.
type Disposition struct {
	Account string    `json:"account,omitempty"`
	Path    string    `json:"path,omitempty"`
	Action  string    `json:"action"`
	Reason  string    `json:"reason,omitempty"`
	Ref     string    `json:"ref,omitempty"` // digest of an archive, or where a thing is kept
	At      time.Time `json:"at,omitzero"`   // zero: not carried out yet
}

// Appointment is a line of a timetable beside what happened.
type Appointment struct {
	plan.Appointment
	Happened time.Time `json:"happened,omitzero"` // zero: it is still to come
	Late     float64   `json:"late_s,omitempty"`  // seconds after its end; negative: before it
}

// Input is what a report is made of.
type Input struct {
	Plan      *plan.Plan        // a fresh one, of the whole journey
	Past      plan.Past         // facts and timings
	Inventory *schema.Inventory // what the servers show now
	Promised  *plan.Plan        // a saved plan whose timetable is compared with what happened; nil: none
	Run       *Run              // what the last run did; nil: not known
	Now       time.Time
}

// Build makes a report.
func Build(in Input) *Report {
	p := in.Plan
	m := p.Config.Migration
	r := &Report{
		FormatVersion: FormatVersion, Migration: p.Migration, Process: m.Process, Source: m.Source, Transit: m.Transit,
		Timezone: m.Timezone, At: in.Now, Phases: p.Phases, Altered: orEmpty(p.Altered), Gates: orEmpty(p.Waiting()),
		Deadlines: orEmpty(p.Dates.Deadlines), Cost: p.Dates.Cost, Run: in.Run, Config: p.Config,
	}
	for _, f := range slices.Concat(p.Findings, p.Dates.Findings) {
		if f.Waived != nil {
			r.Waived = append(r.Waived, f)
		} else {
			r.Findings = append(r.Findings, f)
		}
	}
	r.Findings, r.Waived = orEmpty(r.Findings), orEmpty(r.Waived)
	past := remember(in.Past.Facts)
	r.servers(p, in.Inventory)
	r.accounts(p, past)
	r.Approvals = approvals(p.Config, in.Past.Facts)
	r.Dispositions = dispositions(p.Config, past)
	r.Milestones = milestones(r, past)
	r.Trials = past.trials
	if s := plan.Score(in.Past); s.N > 0 {
		r.Score = &s
	}
	r.timetable(in)
	r.State = stateOf(p, r)
	return r
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func stateOf(p *plan.Plan, r *Report) string {
	begun := len(r.Milestones) > 0 || len(r.Approvals) > 0
	switch {
	case p.Current() == "" && len(p.Steps) == 0 && len(r.Gates) == 0:
		return Finished
	case begun || slices.ContainsFunc(p.Phases, func(s plan.PhaseState) bool { return s.State == plan.PhaseDone }):
		return UnderWay
	}
	return NotBegun
}

func (r *Report) servers(p *plan.Plan, inv *schema.Inventory) {
	m := p.Config.Migration
	for _, x := range []struct{ name, role string }{{m.Source, "source"}, {m.Transit, "transit"}} {
		s := Server{Name: x.name, Role: x.role, Presence: schema.Absent}
		if inv != nil && inv.Servers[x.name] != nil {
			f := inv.Servers[x.name]
			s.Presence, s.Architecture, s.Runtimes, s.Machine, s.Serves = f.Presence, f.Architecture, f.Runtimes, f.Machine, f.Listening
		}
		for i := range p.Accounts {
			if p.Accounts[i].Where == x.name {
				s.Accounts++
			}
		}
		r.Servers = append(r.Servers, s)
	}
}

func (r *Report) accounts(p *plan.Plan, past *memory) {
	r.Accounts = []Account{}
	listed := map[string]bool{}
	for i := range p.Accounts {
		a := &p.Accounts[i]
		listed[a.Name] = true
		r.Accounts = append(r.Accounts, Account{Name: a.Name, Where: a.Where, Stage: a.Stage, Bytes: a.Bytes, Moves: orEmpty(past.moves[a.Name])})
	}
	for name, moves := range past.moves {
		if !listed[name] { // the configuration does not name it any more
			r.Accounts = append(r.Accounts, Account{Name: name, Stage: plan.StageUnknown, Moves: moves})
		}
	}
	slices.SortFunc(r.Accounts, func(a, b Account) int { return cmp.Compare(a.Name, b.Name) })
	for i := range r.Accounts {
		for _, m := range r.Accounts[i].Moves {
			r.Downtime.Moves++
			if m.Downtime == 0 {
				r.Downtime.Unknown++
			}
			r.Downtime.Total += m.Downtime
			if m.Downtime > r.Downtime.Max {
				r.Downtime.Max, r.Downtime.Of = m.Downtime, r.Accounts[i].Name
			}
		}
	}
}

// timetable puts what happened beside what was promised: the promised plan's
// timetable where there is one, else what is still to come.
func (r *Report) timetable(in Input) {
	r.Timetable = []Appointment{}
	from := in.Plan
	if in.Promised != nil {
		from = in.Promised
	}
	moves := map[string][]Move{}
	for i := range r.Accounts {
		moves[r.Accounts[i].Name] = r.Accounts[i].Moves
	}
	for _, a := range from.Dates.Timetable {
		x := Appointment{Appointment: a}
		if in.Promised != nil {
			x.Happened = happened(a, moves[a.Account], from)
			if !x.Happened.IsZero() && !a.Ends.IsZero() {
				x.Late = x.Happened.Sub(a.Ends).Seconds()
			}
		}
		r.Timetable = append(r.Timetable, x)
	}
}

// happened finds the first move of an account, after the plan was made, that is
// in the direction of an appointment's phase.
func happened(a plan.Appointment, moves []Move, from *plan.Plan) time.Time {
	m := from.Config.Migration
	to := map[string]string{schema.PhaseMigrate: m.Transit, schema.PhaseRelocate: m.Source, schema.PhaseVerify: m.Source}[a.Phase]
	for _, x := range moves {
		if to != "" && x.To == to && !x.At.Before(from.Dates.Computed) {
			return x.At
		}
	}
	return time.Time{}
}

func milestones(r *Report, past *memory) []Milestone {
	out := slices.Clone(past.once)
	add := func(what string, at time.Time) {
		if !at.IsZero() {
			out = append(out, Milestone{At: at, What: what})
		}
	}
	var first, last, home, homeLast time.Time
	for _, a := range r.Accounts {
		for _, m := range a.Moves {
			switch {
			case m.Back:
			case m.To == r.Transit:
				first, last = earliest(first, m.At), latest(last, m.At)
			default:
				home, homeLast = earliest(home, m.At), latest(homeLast, m.At)
			}
		}
	}
	add("first_move", first)
	add("last_move", last)
	add("first_return", home)
	add("last_return", homeLast)
	slices.SortStableFunc(out, func(a, b Milestone) int { return a.At.Compare(b.At) })
	return orEmpty(out)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func decode(f *schema.Fact, v any) bool { return json.Unmarshal(f.Value, v) == nil }

package view

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Message is one line of the stream of JSON that a run prints. Its first four
// keys are those of hclog, which Terraform's stream has too; Type says which of
// the others are there. docs/events.md explains every type.
type Message struct {
	Level     string    `json:"@level"`   // info | warn | error
	Message   string    `json:"@message"` // for people
	Module    string    `json:"@module"`
	Timestamp time.Time `json:"@timestamp"`
	Type      string    `json:"type"`

	Stopover string `json:"stopover,omitempty"` // version: of the program
	UI       string `json:"ui,omitempty"`       // version: of the stream

	Step      string    `json:"step,omitempty"`
	Phase     string    `json:"phase,omitempty"`
	Op        string    `json:"op,omitempty"`
	Account   string    `json:"account,omitempty"`
	Part      string    `json:"part,omitempty"`
	Server    string    `json:"server,omitempty"`
	From      string    `json:"from,omitempty"`
	To        string    `json:"to,omitempty"`
	Bytes     int64     `json:"bytes,omitempty"`
	Total     int64     `json:"bytes_total,omitempty"`
	Items     int64     `json:"items,omitempty"`
	AllItems  int64     `json:"items_total,omitempty"`
	Rate      float64   `json:"rate,omitempty"`        // bytes per second
	ETA       int64     `json:"eta_ms,omitempty"`      // time left
	Duration  int64     `json:"duration_ms,omitempty"` // milliseconds
	Downtime  int64     `json:"downtime_ms,omitempty"`
	Outside   int64     `json:"outside_ms,omitempty"`
	Until     time.Time `json:"until,omitzero"` // waiting: when a window opens
	Text      string    `json:"text,omitempty"`
	Undone    bool      `json:"undone,omitempty"`
	Error     string    `json:"error,omitempty"`
	StepsLeft *int      `json:"steps_left,omitempty"`
	StepsDone int       `json:"steps_done,omitempty"` // of the run: done, failed or skipped
	AllSteps  int       `json:"steps_total,omitempty"`
	RunETA    int64     `json:"run_eta_ms,omitempty"`
	Blocked   *bool     `json:"blocked,omitempty"`

	Plan       *PlanSummary         `json:"plan,omitempty"`
	Changes    *Changes             `json:"changes,omitempty"`
	Change     *Change              `json:"change,omitempty"`
	Finding    *schema.Finding      `json:"finding,omitempty"`
	Gate       *plan.Gate           `json:"gate,omitempty"`
	Gates      []plan.Gate          `json:"gates,omitempty"`
	Windows    []apply.ClosedWindow `json:"windows,omitempty"`
	Diagnostic *schema.Diagnostic   `json:"diagnostic,omitempty"`
	Cutover    *apply.Cutover       `json:"cutover,omitempty"`
	Result     *apply.Result        `json:"result,omitempty"`
}

// PlanSummary is what a run begins with.
type PlanSummary struct {
	Migration string        `json:"migration"`
	Digest    string        `json:"digest,omitempty"`
	Steps     int           `json:"steps"`     // that can run now
	Projected int           `json:"projected"` // behind gates
	Accounts  int           `json:"accounts"`  // that move
	Downtime  plan.Downtime `json:"downtime"`  // nanoseconds
	Ends      time.Time     `json:"ends,omitzero"`
}

// Changes counts what a plan changes, under the names of Terraform's stream.
type Changes struct {
	Add       int    `json:"add"`    // accounts that come to a server
	Change    int    `json:"change"` // steps that can run now
	Import    int    `json:"import"`
	Remove    int    `json:"remove"` // accounts and things that are disposed of
	Operation string `json:"operation"`
}

// Change is one account that moves.
type Change struct {
	Account  string        `json:"account"`
	Route    []string      `json:"route"` // servers, the one where it is first
	Bytes    int64         `json:"bytes,omitempty"`
	Downtime time.Duration `json:"downtime,omitempty"` // nanoseconds, of all its cutovers
	Cutovers []Planned     `json:"cutovers"`
}

// Planned is one cutover of a plan.
type Planned struct {
	Group      string        `json:"group"`
	To         string        `json:"to"`
	Downtime   time.Duration `json:"downtime,omitempty"` // predicted, nanoseconds
	Confidence string        `json:"confidence,omitempty"`
	Projected  bool          `json:"projected,omitempty"` // behind a gate
}

// stream is the state of the lines that a run prints.
type stream struct {
	begun   bool // the version was said
	running bool // a run has begun and not ended
}

func level(severity string) string {
	switch severity {
	case "error", schema.Blocker:
		return "error"
	case schema.Warning:
		return "warn"
	}
	return "info"
}

// newMessage is a message of this moment.
func (v *View) newMessage(kind, text string) *Message {
	return &Message{Level: "info", Message: clean(text), Module: "stopover.ui", Timestamp: v.now().UTC(), Type: kind}
}

// send prints one JSON line wherever JSON goes. The first one of a stream says
// which version it is.
func (v *View) send(m *Message) {
	if len(v.sinks) == 0 {
		return
	}
	if !v.stream.begun {
		v.stream.begun = true
		if v.version != "" {
			first := v.newMessage("version", "Stopover "+v.version)
			first.Stopover, first.UI = v.version, FormatVersion
			v.send(first)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		fmt.Fprintln(v.err, err)
		return
	}
	for _, w := range v.sinks {
		fmt.Fprintf(w, "%s\n", b)
	}
}

// planMessages are what a run begins with.
func (v *View) planMessages(p *plan.Plan, notes []string) {
	if len(v.sinks) == 0 {
		return
	}
	for _, n := range notes {
		m := v.newMessage("log", n)
		m.Level = "warn"
		v.send(m)
	}
	all := allFindings(p)
	for i := range all {
		m := v.newMessage("finding", about(all[i].Account)+all[i].Summary)
		m.Finding, m.Account, m.Level = &all[i], all[i].Account, level(all[i].Severity)
		if all[i].Waived != nil {
			m.Level = "info"
		}
		v.send(m)
	}
	moves := movesOf(p)
	for _, x := range moves {
		m := v.newMessage("planned_change", sentenceOf(x))
		m.Account, m.Change = x.account, &Change{Account: x.account, Route: x.route, Bytes: x.bytes, Downtime: x.downtime, Cutovers: x.cutovers}
		v.send(m)
	}
	open := p.Waiting()
	for i := range open {
		v.send(v.gateMessage(&open[i]))
	}
	s := summary(p, len(moves))
	m := v.newMessage("change_summary", fmt.Sprintf("Plan: %s now, %s behind gates.", plural(s.Steps, "step"), number(int64(s.Projected))))
	m.Changes = &Changes{Add: len(moves), Change: s.Steps, Remove: removals(p), Operation: "plan"}
	m.Plan = s
	v.send(m)
}

func (v *View) gateMessage(g *plan.Gate) *Message {
	m := v.newMessage("gate", g.Who+": "+g.What)
	m.Gate, m.Account, m.Phase, m.Step = g, g.Account, g.Phase, string(g.ID)
	return m
}

func summary(p *plan.Plan, moves int) *PlanSummary {
	s := &PlanSummary{Migration: p.Migration, Digest: p.Digest, Accounts: moves, Downtime: p.Downtime, Ends: p.Dates.Ends}
	for i := range p.Steps {
		switch x := &p.Steps[i]; {
		case x.Projected:
			s.Projected++
		case !x.Undo && x.Op != plan.OpGate:
			s.Steps++
		}
	}
	return s
}

func removals(p *plan.Plan) int {
	n := 0
	for i := range p.Steps {
		switch p.Steps[i].Op {
		case plan.OpArchive, plan.OpRetire, plan.OpResidue:
			n++
		}
	}
	return n
}

// eventType is the type of an event's message. An event that is not here becomes
// "step_" and its name.
func eventType(w apply.What) string {
	switch w {
	case apply.Started:
		return "step_start"
	case apply.Progress:
		return "step_progress"
	case apply.Finished:
		return "step_complete"
	case apply.Failed:
		return "step_errored"
	case apply.Skipped:
		return "step_skipped"
	case apply.Waiting:
		return "gate"
	case apply.Measured:
		return "step_measured"
	case apply.Note:
		return "log"
	}
	return "step_" + string(w)
}

// eventMessage is an event for programs.
func (v *View) eventMessage(e *apply.Event) *Message {
	m := v.newMessage(eventType(e.What), about(e.Account)+doing(e.Op, e.Part, e.From, e.To, e.Server))
	if !e.At.IsZero() {
		m.Timestamp = e.At.UTC()
	}
	m.Step, m.Phase, m.Op, m.Account, m.Part, m.Server, m.From, m.To = string(e.Step), e.Phase, string(e.Op), e.Account, e.Part, e.Server, e.From, e.To
	m.Bytes, m.Total, m.Items, m.AllItems, m.Rate = e.Bytes, e.Total, e.Items, e.ItemsTotal, e.Rate
	m.ETA, m.Duration, m.Downtime = left(e).Milliseconds(), e.Duration.Milliseconds(), e.Downtime.Milliseconds()
	m.Text, m.Undone = e.Text, e.Undone
	m.StepsDone, m.AllSteps, m.RunETA = e.Overall.Done, e.Overall.Steps, e.Overall.Left.Milliseconds()
	switch e.What {
	case apply.Failed:
		m.Level, m.Error = "error", errText(e)
		m.Message += ": " + errText(e)
	case apply.Skipped:
		m.Level = "warn"
		m.Message += ": not tried, " + clean(e.Text)
	case apply.Waiting:
		m.Message = clean(e.Text)
		if !e.Until.IsZero() { // a window, no gate
			m.Type, m.Until = "waiting", e.Until.UTC()
		}
	case apply.Note:
		m.Message = clean(e.Text)
	case apply.Measured:
		if e.Text == apply.PartDowntime || e.Text == apply.PartOutside {
			m.Type, m.Part = "downtime", e.Text
			m.Message = about(e.Account) + "down for " + took(e.Duration)
		}
	}
	return m
}

package schema

import "time"

// Phase names, in the order of the journey.
const (
	PhasePrepare   = "prepare"
	PhaseRequest   = "request"
	PhaseInstall   = "install"
	PhaseMigrate   = "migrate"
	PhaseVerify    = "verify"
	PhaseReinstall = "reinstall"
	PhaseRelocate  = "relocate"
	PhaseFinish    = "finish"
)

// Phases is the journey in order.
func Phases() []string {
	return []string{PhasePrepare, PhaseRequest, PhaseInstall, PhaseMigrate,
		PhaseVerify, PhaseReinstall, PhaseRelocate, PhaseFinish}
}

// Process is the versioned rules of the journey: who acts, what is free, until
// when one can go back. It is data, not code; built-in ones are embedded HCL.
type Process struct {
	Name       string         `json:"name"`
	Title      string         `json:"title"`
	Source     string         `json:"source"`    // where the rules come from
	Certainty  string         `json:"certainty"` // documented | inferred | own
	Phases     []ProcessPhase `json:"phases"`
	Barriers   []Barrier      `json:"barriers,omitempty"`
	Rollback   Rollback       `json:"rollback"`
	Free       Free           `json:"free"`
	Relocation Relocation     `json:"relocation"`
	Downtime   DowntimeRule   `json:"downtime"`
	DNS        []DNSRule      `json:"dns,omitempty"`
	Working    *Window        `json:"working,omitempty"` // working hours, for phases with hours = "working"; nil: Monday to Friday, 9 to 18, UTC
	Pos        Pos            `json:"-"`
}

// Phase returns the rules of a phase, or nil where the process does not have it.
func (p *Process) Phase(name string) *ProcessPhase {
	for i := range p.Phases {
		if p.Phases[i].Name == name {
			return &p.Phases[i]
		}
	}
	return nil
}

// OneWay says that accounts end on the destination and never come back.
func (p *Process) OneWay() bool { return p.Phase(PhaseRelocate) == nil }

// ProcessPhase is one phase of a process.
type ProcessPhase struct {
	Name            string          `json:"name"`
	By              string          `json:"by"`             // customer | support | operator
	Gate            string          `json:"gate,omitempty"` // "always": a gate even where the provider could act
	Lasts           []time.Duration `json:"lasts,omitempty"`
	Parallel        int             `json:"parallel,omitempty"` // accounts at once; default 1
	Hours           string          `json:"hours,omitempty"`    // "any" or "working"
	RemovesRuntimes bool            `json:"removes_runtimes,omitempty"`
	Precopy         []string        `json:"precopy,omitempty"` // files, mail, databases
	Doc             string          `json:"doc,omitempty"`
}

// Barrier says what must hold of all accounts before a phase may begin.
type Barrier struct {
	Before string `json:"before"` // phase
	Needs  string `json:"needs"`  // prepared | accepted_or_retired | transit_empty
}

// Rollback says until when an account may go back to the source.
type Rollback struct {
	Until string `json:"until,omitempty"` // phase whose begin ends it; empty: never promised
	Days  int    `json:"days,omitempty"`  // from the account's migration; 0: no limit in days
}

// Free is the provider's free period of the transit server.
type Free struct {
	Days    int    `json:"days,omitempty"` // 0: no clock
	Starts  string `json:"starts,omitempty"`
	Stops   string `json:"stops,omitempty"` // migrated | home
	Divisor string `json:"divisor,omitempty"`
}

// Relocation says who moves accounts back.
type Relocation struct {
	By       string `json:"by,omitempty"` // support | customer | operator
	FreeDays int    `json:"free_days,omitempty"`
}

// DowntimeRule is the process's rule of thumb, used until something was measured.
type DowntimeRule struct {
	PerGB   time.Duration `json:"per_gb,omitempty"`  // of databases
	Base    time.Duration `json:"base,omitempty"`    // per account
	Reroute time.Duration `json:"reroute,omitempty"` // of names on external DNS
}

// DNSRule is a rule about DNS records, bound to the process version.
type DNSRule struct {
	Name   string `json:"name"`
	Action string `json:"action"`
	Record string `json:"record,omitempty"`
	Doc    string `json:"doc,omitempty"`
}

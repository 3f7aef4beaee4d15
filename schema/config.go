package schema

import (
	"encoding/json"
	"slices"
	"time"
)

// Pos is where something was written, for messages only. It is never part of
// what is compared or digested.
type Pos struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// Config is what a user wants: one directory of *.stopover.hcl files, resolved
// (functions, variables and globs done), secrets as references.
type Config struct {
	RequiredVersion string            `json:"required_version,omitempty"`
	State           StateStore        `json:"state"`
	Providers       []ProviderDefault `json:"providers,omitempty"`
	Servers         []Server          `json:"servers"`
	Architectures   []Architecture    `json:"architectures,omitempty"`
	Processes       []Process         `json:"processes,omitempty"` // own and used built-in ones, by name
	Windows         []Window          `json:"windows,omitempty"`
	Layouts         []Layout          `json:"layouts,omitempty"` // own and used built-in ones, by name
	DNS             Resolver          `json:"dns,omitzero"`
	Checks          []Condition       `json:"checks,omitempty"`   // over what a survey found
	Policies        []Condition       `json:"policies,omitempty"` // over a plan
	Migration       Migration         `json:"migration"`
}

// Window returns the window of that name, or nil.
func (c *Config) Window(name string) *Window {
	for i := range c.Windows {
		if c.Windows[i].Name == name {
			return &c.Windows[i]
		}
	}
	return nil
}

// Server returns the server of that name, or nil.
func (c *Config) Server(name string) *Server {
	for i := range c.Servers {
		if c.Servers[i].Name == name {
			return &c.Servers[i]
		}
	}
	return nil
}

// Process returns the process that the migration names, or nil.
func (c *Config) Process() *Process {
	for i := range c.Processes {
		if c.Processes[i].Name == c.Migration.Process {
			return &c.Processes[i]
		}
	}
	return nil
}

// Architecture returns the architecture that the migration names, or nil.
func (c *Config) Architecture() *Architecture {
	for i := range c.Architectures {
		if c.Architectures[i].Name == c.Migration.Architecture {
			return &c.Architectures[i]
		}
	}
	return nil
}

// Binds says whether cutovers of a phase have to keep to the window.
func (w *Window) Binds(phase string) bool {
	return len(w.Phases) == 0 || slices.Contains(w.Phases, phase)
}

// StateStore says where the journal and the facts are kept.
type StateStore struct {
	Kind    string            `json:"kind"` // "local" (default, in .stopover/)
	Options map[string]string `json:"options,omitempty"`
}

// ProviderDefault holds option defaults for all servers of one kind.
type ProviderDefault struct {
	Kind    string            `json:"kind"`
	Options map[string]string `json:"options,omitempty"`
	Pos     Pos               `json:"-"`
}

// Server is one machine. Address is how Stopover reaches it at all times;
// Serves is what users reach and what moves when a server is rerouted.
type Server struct {
	Name     string   `json:"name"`
	Provider string   `json:"provider"`
	Address  string   `json:"address,omitempty"` // local: the pocket server's directory
	Serves   []string `json:"serves,omitempty"`
	Price    string   `json:"price,omitempty"`
	// Options are checked against the provider's option table, those of its
	// provider block merged in, and written in one way: sizes in bytes,
	// durations as time.Duration prints them, a secret as its reference
	// (env:NAME), never as its value. Defaults are the provider's to fill in.
	Options map[string]string `json:"options,omitempty"`
	Pos     Pos               `json:"-"`
}

// Architecture is what a server offers: runtimes, engines, rules.
type Architecture struct {
	Name     string         `json:"name"`
	OS       string         `json:"os,omitempty"`
	Runtimes []RuntimeOffer `json:"runtimes,omitempty"`
	Engines  []EngineOffer  `json:"engines,omitempty"`
	Removed  []string       `json:"removed,omitempty"` // engines that no longer exist; their databases cannot arrive
	Pos      Pos            `json:"-"`
}

// RuntimeOffer is a language runtime and the versions offered of it.
type RuntimeOffer struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions"`
}

// EngineOffer is a database engine and the version offered.
type EngineOffer struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Migration is one journey of accounts from Source over Transit back to Source.
type Migration struct {
	Name         string            `json:"name"`
	Process      string            `json:"process"`
	Architecture string            `json:"architecture,omitempty"`
	Source       string            `json:"source"`                // name of a server
	Transit      string            `json:"transit"`               // name of a server; the destination when the process is one-way
	Trial        string            `json:"trial,omitempty"`       // name of a server on which databases are tried; empty: none
	Timezone     string            `json:"timezone,omitempty"`    // IANA name, of the dates below; empty: UTC
	FinishBy     string            `json:"finish_by,omitempty"`   // day, 2006-01-02, inclusive
	ForcedOn     string            `json:"forced_on,omitempty"`   // day on which the hosting company acts by itself
	HandoverOn   string            `json:"handover_on,omitempty"` // day for which the transit server was promised
	Windows      []string          `json:"windows,omitempty"`     // names, for cutovers of accounts that name none
	SizeBand     int               `json:"size_band"`             // percent by which sizes may differ from a saved plan; default 20
	Accounts     []Account         `json:"accounts,omitempty"`
	Patterns     []AccountsPattern `json:"patterns,omitempty"`
	Stays        []Stay            `json:"stays,omitempty"`
	Residue      []ResidueRule     `json:"residue,omitempty"`
	Approvals    []Approval        `json:"approvals,omitempty"`
	Moved        []Moved           `json:"moved,omitempty"`
	Removed      []Removed         `json:"removed,omitempty"`
	Waivers      []Waiver          `json:"waivers,omitempty"`
	Pos          Pos               `json:"-"`
}

// Account is an account named by the user. Accounts that only a pattern
// matches get a zero Account with their name.
type Account struct {
	Name           string        `json:"name"`
	After          []string      `json:"after,omitempty"`           // names; some may be picked by a pattern only, or not exist
	DowntimeBudget time.Duration `json:"downtime_budget,omitempty"` // 0: none
	OnExceed       string        `json:"on_exceed,omitempty"`       // what a prediction above the budget does: refuse (default) | postpone
	Windows        []string      `json:"windows,omitempty"`         // names; its cutovers begin only while one of them is open
	Contact        string        `json:"contact,omitempty"`         // of its owner, for notices
	Language       string        `json:"language,omitempty"`        // of notices: en | fr
	Probes         []Probe       `json:"probes,omitempty"`
	Pos            Pos           `json:"-"`
}

// AccountsPattern picks accounts found on the servers by glob; see ParseGlob,
// which accepts each of them.
type AccountsPattern struct {
	Include        []string      `json:"include"`
	Exclude        []string      `json:"exclude,omitempty"`
	DowntimeBudget time.Duration `json:"downtime_budget,omitempty"`
	OnExceed       string        `json:"on_exceed,omitempty"`
	Windows        []string      `json:"windows,omitempty"`
	Language       string        `json:"language,omitempty"`
	Probes         []Probe       `json:"probes,omitempty"`
	Pos            Pos           `json:"-"`
}

// Stay is the disposition of an account that does not move.
type Stay struct {
	Account string `json:"account"`
	Action  string `json:"action"` // archive | retire | elsewhere
	Reason  string `json:"reason"`
	Pos     Pos    `json:"-"`
}

// ResidueRule is the disposition of something on the source that no account owns.
type ResidueRule struct {
	Path   string `json:"path"`
	Action string `json:"action"` // carry | archive | discard
	Reason string `json:"reason"`
	Pos    Pos    `json:"-"`
}

// Approval closes a gate. Evidence is the digest of the gate's evidence that
// was looked at, so that an old approval cannot accept a newer copy.
type Approval struct {
	Gate     string    `json:"gate"`
	By       string    `json:"by"`
	Evidence string    `json:"evidence"`
	When     time.Time `json:"when,omitzero"`
	Note     string    `json:"note,omitempty"`
	Pos      Pos       `json:"-"`
}

// Window is when something disruptive may begin. From and To are local times of
// day, "15:04"; a window whose To is not after its From ends on the next day.
type Window struct {
	Name     string   `json:"name"`
	Days     []string `json:"days,omitempty"`   // mon … sun, the day on which it begins; empty: every day
	Dates    []string `json:"dates,omitempty"`  // days, 2006-01-02, on which it begins besides Days; with Dates and no Days only on these
	Except   []string `json:"except,omitempty"` // days on which it does not begin
	From     string   `json:"from"`
	To       string   `json:"to"`
	Timezone string   `json:"timezone"`         // IANA name
	Phases   []string `json:"phases,omitempty"` // whose cutovers it binds, migrate or relocate; empty: those of every phase
	Pos      Pos      `json:"-"`
}

// Resolver says where DNS is asked. Everything empty: DNS is not looked at.
type Resolver struct {
	Servers  []string      `json:"servers,omitempty"`   // host or host:port
	ZoneFile string        `json:"zone_file,omitempty"` // answers come from this file instead (RFC 1035)
	Provider []string      `json:"provider,omitempty"`  // name servers of the hosting company: domains on these are its own to change
	Timeout  time.Duration `json:"timeout,omitempty"`   // per question; 0: 5 s
	Pos      Pos           `json:"-"`
}

// Condition is a rule of the user's own. Condition and Message are HCL
// expressions, kept as they were written; they are evaluated again whenever a
// plan is computed, from a saved plan too. A check may have a Command instead.
type Condition struct {
	Name      string   `json:"name"`
	Severity  string   `json:"severity"`           // of the finding when Condition is false
	Accounts  []string `json:"accounts,omitempty"` // checks only: globs; one evaluation for each account that matches. Empty: one in all
	Condition string   `json:"condition"`
	Message   string   `json:"message"`
	Remedy    string   `json:"remedy,omitempty"`
	// Command is a program and its arguments, which decides instead of Condition;
	// checks only. It runs where Stopover runs, when servers have been surveyed,
	// and for at most Timeout; 0: 30 s.
	Command []string      `json:"command,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
	// Values holds the variables and local values that the expressions refer to.
	Values json.RawMessage `json:"values,omitempty"`
	Pos    Pos             `json:"-"`
}

// Moved says that an account has another name now.
type Moved struct {
	From string `json:"from"`
	To   string `json:"to"`
	Pos  Pos    `json:"-"`
}

// Removed says that an account was closed on purpose: that it is gone is no
// finding.
type Removed struct {
	Account string `json:"account"`
	Reason  string `json:"reason,omitempty"`
	Pos     Pos    `json:"-"`
}

// Waiver lets a finding pass that would stop a plan or worry a reader. Findings
// whose kind says that they cannot be waived are not touched by it.
type Waiver struct {
	Code     string   `json:"code"`               // of the finding
	Accounts []string `json:"accounts,omitempty"` // globs; empty: findings of no account as well as of any
	Object   string   `json:"object,omitempty"`   // glob; empty: any
	Reason   string   `json:"reason"`
	By       string   `json:"by"`
	Expires  string   `json:"expires"` // day, 2006-01-02, inclusive
	Pos      Pos      `json:"-"`
}

package plan

import (
	"slices"
	"time"

	"github.com/stopover/stopover/schema"
)

// Input is all that Compute knows.
type Input struct {
	Config    *schema.Config
	Inventory *schema.Inventory
	Past      Past
	Goal      Goal
	Checked   []schema.Finding // of the configuration's own checks, evaluated over Inventory
	Confirmed string           // name of the server whose reinstallation was confirmed by typing it
	Now       time.Time        // for dates, for the days in which an account may go back, and for waivers that expire
}

// Past is what is remembered: facts (union of the store's and the servers')
// and what was measured before.
type Past struct {
	Facts   []schema.Fact `json:"facts,omitempty"`
	Timings []Timing      `json:"timings,omitempty"`
	Surveys []Measured    `json:"surveys,omitempty"` // sizes of accounts at earlier times, oldest first
	Lineage string        `json:"lineage,omitempty"` // of the state store
	Serial  uint64        `json:"serial,omitempty"`
}

// Timing is one step's measured duration, used to calibrate estimates.
type Timing struct {
	Op       string        `json:"op"`
	Account  string        `json:"account,omitempty"`
	Part     string        `json:"part,omitempty"`    // of a copy: files | mail | databases
	Bytes    int64         `json:"bytes,omitempty"`   // size of what it is about
	Sent     int64         `json:"sent,omitempty"`    // bytes that travelled for it
	Entries  int64         `json:"entries,omitempty"` // files and messages; of a switch, those of the whole account
	Duration time.Duration `json:"duration"`
	Downtime time.Duration `json:"downtime,omitempty"`
}

// Measured is how large accounts were at one time.
type Measured struct {
	At       time.Time       `json:"at"`
	Accounts map[string]Size `json:"accounts"`
}

// Size is one account's, in bytes and in entries of files and mail.
type Size struct {
	Bytes     int64 `json:"bytes"`
	Databases int64 `json:"databases,omitempty"` // of Bytes
	Entries   int64 `json:"entries"`
}

// Goal says which part of the journey is wanted now.
type Goal struct {
	Until    string   `json:"until,omitempty"`    // phase, inclusive; empty: all
	Accounts []string `json:"accounts,omitempty"` // globs over escaped names; empty: all
	Rollback []string `json:"rollback,omitempty"` // accounts that go back to the source
	Verify   []string `json:"verify,omitempty"`   // globs: only probe these accounts where they are now
	Baseline bool     `json:"baseline,omitempty"` // with Verify: what the probes answer is the new baseline, an intended change
}

// Plan is the ordered steps that are left, sealed before anyone sees it.
type Plan struct {
	Version   int              `json:"version"` // format version
	Migration string           `json:"migration"`
	Config    *schema.Config   `json:"config"`
	Goal      Goal             `json:"goal"`
	Material  []Material       `json:"material"` // facts a saved plan rests on
	Findings  []schema.Finding `json:"findings"`
	Phases    []PhaseState     `json:"phases"`
	Steps     []Step           `json:"steps"`
	Gates     []Gate           `json:"gates"`
	Altered   []Altered        `json:"altered,omitempty"`
	Accounts  []AccountPlan    `json:"accounts"`
	Downtime  Downtime         `json:"downtime"`
	Dates     Dates            `json:"dates"` // outside the compared and digested part
	Digest    string           `json:"digest"`
}

// Blocked says whether something in the plan is stopped, by a finding that no
// waiver lets pass.
func (p *Plan) Blocked() bool {
	blocks := func(f schema.Finding) bool { return f.Blocks() }
	return slices.ContainsFunc(p.Findings, blocks) || slices.ContainsFunc(p.Dates.Findings, blocks)
}

// Step is one unit of a plan: one op on one part of one account, or on a
// server; safe to repeat.
type Step struct {
	ID         ID       `json:"id"` // phase.op[account/part], with the epoch where a second journey is new work
	Phase      string   `json:"phase"`
	Op         Op       `json:"op"`
	Account    string   `json:"account,omitempty"`
	Part       string   `json:"part,omitempty"`   // files | mail | databases
	Server     string   `json:"server,omitempty"` // the server that is acted on
	From       string   `json:"from,omitempty"`   // origin of a copy or switch: server name
	To         string   `json:"to,omitempty"`     // receiver
	Epoch      uint64   `json:"epoch"`            // the owner's epoch that this step starts from
	After      []ID     `json:"after,omitempty"`
	Group      string   `json:"group,omitempty"` // cutover group: atomic, nothing comes between
	Undo       bool     `json:"undo,omitempty"`  // done only when its group is given up before the switch
	Actor      string   `json:"actor"`           // stopover | customer | support | operator
	Projected  bool     `json:"projected,omitempty"`
	Reversible bool     `json:"reversible"`
	Source     bool     `json:"touches_source,omitempty"` // writes to what users see of an account on the source
	Method     string   `json:"method,omitempty"`
	OnNew      string   `json:"on_new,omitempty"`  // what to do with an object that is new after the freeze
	Objects    []string `json:"objects,omitempty"` // databases, mailboxes, runtimes, paths
	Windows    []string `json:"windows,omitempty"` // the step, and with it its group, begins only while one of them is open
	Why        string   `json:"why"`
	Estimate   Estimate `json:"estimate"`
}

// ID names a step; the same for the same work in every plan.
type ID string

// Op is what a step does.
type Op string

// Ops, by phase. Package apply has one performer for each; a test there ranges
// over Ops.
const (
	OpTrial           Op = "try_databases"    // prepare: databases are imported on the trial server, looked at, and dropped
	OpBaseline        Op = "record_baseline"  // prepare: probes of an account are recorded
	OpRemoveRuntime   Op = "remove_runtime"   // request: from the source; reversible
	OpProbeReady      Op = "probe_ready"      // request: probes again, now that runtimes are gone
	OpRestoreRuntime  Op = "restore_runtime"  // request undo
	OpProvision       Op = "provision"        // install: the transit server comes up
	OpHandover        Op = "record_handover"  // install: the date the transit server was handed over
	OpPair            Op = "pair"             // both servers know each other for an account; receiver staged
	OpPrecopy         Op = "precopy"          // install, reinstall: bulk copy of one part
	OpWarm            Op = "warm"             // just before a cutover: last copy and full compare while in use
	OpFreeze          Op = "freeze"           // cutover
	OpFinalSync       Op = "final_sync"       // cutover: one part
	OpCompare         Op = "compare"          // cutover
	OpPrepareCopy     Op = "prepare_copy"     // cutover
	OpSwitch          Op = "switch"           // cutover: commit on the origin, activate on the receiver
	OpThaw            Op = "thaw"             // cutover undo
	OpConfirm         Op = "confirm"          // the origin learns that the receiver is active
	OpProbe           Op = "probe"            // verify, relocate: probes compared with the baseline
	OpArchive         Op = "archive_account"  // reinstall: disposition of an account that stays
	OpRetire          Op = "retire_account"   // reinstall: disposition
	OpResidue         Op = "dispose_residue"  // reinstall: one unowned thing
	OpSeal            Op = "seal"             // reinstall
	OpReroute         Op = "reroute"          // reinstall: transit takes over the service addresses
	OpReinstall       Op = "reinstall"        // reinstall: point of no return
	OpStub            Op = "stub"             // reinstall: moved(transit) stubs on the new machine
	OpReturnAddresses Op = "return_addresses" // reinstall: addresses come back, stubs redirect
	OpCarryBack       Op = "carry_residue"    // reinstall: carried residue is put on the new machine
	OpRelease         Op = "release"          // finish: transit copies go, the transit server is released
	OpFinish          Op = "finish"           // finish: the journey is closed
	OpGate            Op = "gate"             // somebody outside the tool completes it
)

// Estimate is what a step will take.
type Estimate struct {
	Duration   time.Duration `json:"duration,omitempty"`
	Downtime   time.Duration `json:"downtime,omitempty"`
	Confidence string        `json:"confidence"` // measured | rule | range | unknown (nothing known: both are 0)
}

// Gate is a step that somebody outside the tool completes.
type Gate struct {
	ID       ID     `json:"id"` // e.g. verify.accept[shop]
	Phase    string `json:"phase"`
	Account  string `json:"account,omitempty"`
	Who      string `json:"who"`
	What     string `json:"what"`             // what to do, for people
	Closes   string `json:"closes"`           // how completion is noticed: approval or an observation
	Evidence string `json:"evidence"`         // digest to approve; empty: no evidence yet, approving is refused
	Open     bool   `json:"open"`             // waiting now (what comes before it is done)
	Closed   string `json:"closed,omitempty"` // how it was closed, for people; empty: not yet
}

// PhaseState is one phase as the plan sees it.
type PhaseState struct {
	Name  string `json:"name"`
	State string `json:"state"` // done | current | ahead | absent (process has none)
	Left  int    `json:"left"`  // steps left
}

// AccountPlan is one account as the plan sees it.
type AccountPlan struct {
	Name       string        `json:"name"`
	Where      string        `json:"where"` // server that is its owner now
	Stage      string        `json:"stage"` // at_source | prepared | on_transit | accepted | home | stays | blocked | in_cutover | unknown
	Epoch      uint64        `json:"epoch"`
	Bytes      int64         `json:"bytes"`
	Downtime   time.Duration `json:"downtime"`             // predicted, of all its remaining cutovers
	RollbackOK bool          `json:"rollback_ok"`          // process and records allow it; RollbackBy is not considered
	RollbackBy time.Time     `json:"rollback_by,omitzero"` // until when it may go back; zero: no limit in days
	Blocked    string        `json:"blocked,omitempty"`    // code of the finding that stops it
}

// Altered is something that cannot arrive as it was.
type Altered struct {
	Account string `json:"account"`
	Object  string `json:"object"`
	From    string `json:"from"`
	To      string `json:"to"`
	Why     string `json:"why"`
}

// Downtime sums up the predicted outage.
type Downtime struct {
	Total time.Duration `json:"total"`
	Max   time.Duration `json:"max"`
	Of    string        `json:"of,omitempty"` // account with the longest
}

// Dates are predictions of when, and what depends on them. They are not part of
// the digest, and nothing in them makes a saved plan stale.
type Dates struct {
	Computed  time.Time        `json:"computed"`
	Ends      time.Time        `json:"ends,omitzero"`
	Earliest  bool             `json:"earliest,omitempty"`      // not before Ends: people have to act meanwhile, or a step has no estimate
	FromHand  string           `json:"from_handover,omitempty"` // e.g. "+2 d" while the hand-over is unknown
	Handover  time.Time        `json:"handover,omitzero"`       // known or promised
	Promised  bool             `json:"promised,omitempty"`      // Handover is a promise
	Timetable []Appointment    `json:"timetable,omitempty"`     // in the order of their begin
	Deadlines []Deadline       `json:"deadlines,omitempty"`
	Cost      *Cost            `json:"cost,omitempty"`     // nil: the process has no clock
	Findings  []schema.Finding `json:"findings,omitempty"` // that depend on the date, e.g. a deadline that will be missed
}

// Appointment is one line of the timetable: a cutover, or what happens to a
// server. While the hand-over is unknown, what comes after it has no Begins,
// only a time from the hand-over.
type Appointment struct {
	Phase    string        `json:"phase"`
	Account  string        `json:"account,omitempty"`
	Server   string        `json:"server,omitempty"`
	What     string        `json:"what"` // for people: "shop moves to transit"
	Begins   time.Time     `json:"begins,omitzero"`
	Ends     time.Time     `json:"ends,omitzero"`
	After    time.Duration `json:"after,omitempty"` // begins so long after the hand-over
	Relative bool          `json:"relative,omitempty"`
	Earliest bool          `json:"earliest,omitempty"` // not before Begins: something comes before it of which nobody knows how long it takes
	Takes    time.Duration `json:"takes"`              // of a cutover without the warm pass, which is over when it begins
	Downtime time.Duration `json:"downtime,omitempty"`
	Window   string        `json:"window,omitempty"` // it begins in this one; "working" for working hours
	Waited   string        `json:"waited,omitempty"` // what it waited for longest, for people
}

// Deadline is one date that was asked for, and how it looks.
type Deadline struct {
	What   string        `json:"what"`            // finish_by | forced_on | free_days | rollback
	At     time.Time     `json:"at"`              // the end of the day; of forced_on its begin
	Ends   time.Time     `json:"ends,omitzero"`   // when what it is about is predicted to be done
	Slack  time.Duration `json:"slack,omitempty"` // negative: it will be missed by so much
	Missed bool          `json:"missed,omitempty"`
	Why    string        `json:"why,omitempty"` // what takes the time, for people
}

// Cost is what the transit server costs beyond the free days. Amounts are in
// hundredths of the currency.
type Cost struct {
	Currency string    `json:"currency,omitempty"`
	FreeDays int       `json:"free_days"`
	FreeEnds time.Time `json:"free_ends,omitzero"` // zero while the hand-over is unknown
	Used     int       `json:"days_used"`          // predicted, started days
	PerDay   int64     `json:"per_day,omitempty"`
	Overrun  int       `json:"days_over,omitempty"`
	Total    int64     `json:"total,omitempty"`
	Why      string    `json:"why,omitempty"` // why an amount cannot be said, for people
}

// Material is one fact a saved plan rests on. Names, versions and locations
// must match exactly, sizes within the band.
type Material struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
	Size  int64  `json:"size,omitempty"`
}

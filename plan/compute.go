package plan

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/stopover/stopover/schema"
)

// formatVersion is that of plans as they are saved.
const formatVersion = 1

// builder is one computation: what is known, and the plan as it grows.
type builder struct {
	in   Input
	mig  *schema.Migration
	proc *schema.Process
	arch *schema.Architecture // nil: not declared
	past memory
	id   string // of the migration; empty before its first claim
	s, t *place

	machine0    string // the source's first identity; empty: not known
	reinstalled bool
	sealed      bool
	underway    bool // something of this migration is on transit, or was handed over: barriers before that have been passed
	asked       bool // the transit server was asked for
	confirmed   bool // the reinstallation was confirmed by typing
	back        bool // this is a rollback plan

	accounts        []*account // in the order of their moves
	byName          map[string]*account
	patternConf     []schema.Account
	stay            map[string]*schema.Stay
	renamed         renames
	torn            []string // renamed while a server holds a record of the old name
	waivers         waivers
	trial           *place                       // where databases are tried; nil: nowhere, or not now
	tries           *place                       // whose tries count, even while it does not answer; nil: nobody's
	rhythms         map[string]*rhythm           // of schedules
	configApprovals map[string][]schema.Approval // by gate
	unnamed         []string                     // on the source, named by nothing
	dropped         []string                     // moved to transit by this migration, named by nothing any more
	returned        bool                         // the service addresses are home, or will be
	cycle           []*account
	until           int // index of the last phase that is wanted
	stop            int // index of the first phase that nothing may enter

	openings map[string]time.Duration // the longest, by the names of windows
	est      estimator
	gates    []Gate
	findings []schema.Finding
	altered  []Altered
	steps    []Step
	arena    []ID
	barrier  node   // what every account's next step comes after
	joined   []node // what a barrier comes after
}

// rules lay out the journey, one phase after the other. Each looks at where
// the rules before it have brought an account, and moves it on.
var rules = []func(*builder){
	(*builder).leftovers,
	(*builder).rollback,
	(*builder).prepare,
	(*builder).request,
	(*builder).install,
	(*builder).migrate,
	(*builder).verify,
	(*builder).reinstall,
	(*builder).relocate,
	(*builder).finish,
}

// Compute decides what remains to be done. It is pure: the same input gives
// the same plan, dates apart. Everything that is wrong with the world or the
// wishes is a finding of the plan; the error is for input that no caller may
// build: no configuration, no inventory, a migration whose process or servers
// the configuration does not hold.
func Compute(in Input) (*Plan, error) {
	b, err := newBuilder(in)
	if err != nil {
		return nil, err
	}
	b.survey()
	b.collect()
	for _, a := range b.accounts {
		b.read(a)
	}
	b.model()
	b.check()
	b.reserve()
	for _, rule := range b.layout() {
		rule(b)
	}
	return b.finished(), nil
}

func newBuilder(in Input) (*builder, error) {
	if in.Config == nil || in.Inventory == nil {
		return nil, errors.New("compute: no configuration or no inventory")
	}
	b := &builder{in: in, mig: &in.Config.Migration, proc: in.Config.Process(), arch: in.Config.Architecture(), stop: iNever}
	if b.proc == nil {
		return nil, fmt.Errorf("compute: no process %q in the configuration", b.mig.Process)
	}
	for _, name := range []string{b.mig.Source, b.mig.Transit} {
		if in.Config.Server(name) == nil {
			return nil, fmt.Errorf("compute: no server %q in the configuration", name)
		}
	}
	b.until = iFinish
	if in.Goal.Until != "" {
		if b.until = phaseIndex(in.Goal.Until); b.until == iNever {
			return nil, fmt.Errorf("compute: no phase %q", in.Goal.Until)
		}
	}
	b.back = len(in.Goal.Rollback) > 0
	b.openings = map[string]time.Duration{}
	b.past = remember(in.Past.Facts)
	b.waivers = newWaivers(b.mig, in.Now)
	b.configApprovals = map[string][]schema.Approval{}
	for _, a := range b.mig.Approvals {
		b.configApprovals[a.Gate] = append(b.configApprovals[a.Gate], a)
	}
	b.est = newEstimator(in.Past, b.proc)
	b.patternConf = make([]schema.Account, len(b.mig.Patterns))
	for i, p := range b.mig.Patterns {
		b.patternConf[i] = schema.Account{DowntimeBudget: p.DowntimeBudget, OnExceed: p.OnExceed, Windows: p.Windows,
			Language: p.Language, Probes: p.Probes}
	}
	return b, nil
}

// goes says whether a phase is part of this plan: wanted, and one of the
// process's.
func (b *builder) goes(phase int) bool {
	return phase <= b.until && phase < b.stop && !b.back && b.proc.Phase(schema.Phases()[phase]) != nil
}

// takes says whether an account takes part in a phase of this plan.
func (b *builder) takes(a *account, phase int) bool {
	return a.picked && phase < a.stop
}

// stepID is phase.op[object]@epoch; part may be empty.
func stepID(phase string, op Op, esc, part string, epoch uint64) ID {
	at := "]@0"
	if epoch > 0 {
		at = "]@" + strconv.FormatUint(epoch, 10)
	}
	if part == "" {
		return ID(phase + "." + string(op) + "[" + esc + at)
	}
	return ID(phase + "." + string(op) + "[" + esc + "/" + part + at)
}

// serverID is phase.op[object] of what is no account: it has no epoch.
func serverID(phase string, op Op, object string) ID {
	return ID(phase + "." + string(op) + "[" + object + "]")
}

// add appends a step that comes after others; the returned node is what comes
// after it. A step is projected when one of those before it is held.
func (b *builder) add(s *Step, after ...node) node {
	held := false
	n := 0
	for _, x := range after {
		if x.id != "" {
			n++
			held = held || x.held
		}
	}
	if n > 0 {
		s.After = b.ids(n, after)
	}
	s.Projected = held
	s.Actor = ActorStopover
	b.steps = append(b.steps, *s)
	return node{s.ID, held}
}

// ids copies the ids of nodes to one place: millions of small slices would be
// slow to make and to collect.
func (b *builder) ids(n int, nodes []node) []ID {
	if len(b.arena)+n > cap(b.arena) {
		b.arena = make([]ID, 0, max(4096, n))
	}
	from := len(b.arena)
	for _, x := range nodes {
		if x.id != "" {
			b.arena = append(b.arena, x.id)
		}
	}
	return b.arena[from:len(b.arena):len(b.arena)]
}

// reserve makes room for the steps that the accounts may need, so that a plan
// of millions of them is not copied as it grows.
func (b *builder) reserve() {
	steps, gates := 32, 8
	for _, a := range b.accounts {
		switch a.found {
		case sideSource:
			steps += 23 + 4*len(a.parts) // baseline, probes; twice: pair, copies, warm, cutover, confirm, probe, gate
			gates += 2
		case sideTransit, sideToTransit:
			steps += 15 + 2*len(a.parts)
			gates += 2
		default:
			steps += 4
			gates++
		}
	}
	b.steps, b.gates = make([]Step, 0, steps), make([]Gate, 0, gates)
}

// finished closes the plan: order of lists, sums, phases, digest.
func (b *builder) finished() *Plan {
	b.lateApprovals()
	accounts, downtime := b.outcome()
	dates := b.dates()
	dates.Findings = append(dates.Findings, b.datedFindings(&dates)...)
	sortFindings(dates.Findings)
	sortFindings(b.findings)
	p := &Plan{
		Version: formatVersion, Migration: b.mig.Name, Config: b.in.Config, Goal: b.in.Goal,
		Material: b.material(), Findings: b.findings, Steps: b.steps, Gates: b.gates, Altered: b.altered,
		Accounts: accounts, Downtime: downtime, Dates: dates,
	}
	p.Phases = b.phases()
	return p
}

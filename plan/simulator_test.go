package plan

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// world is a small pure simulator of two servers: it does to an inventory and
// to facts what the agents and the runner would do for each step. It knows
// nothing of how plans are made.
type world struct {
	cfg       *schema.Config
	s, t      *schema.FoundServer
	x         *schema.FoundServer // trial server; nil: none
	dns       *schema.FoundDNS
	checked   []schema.Finding
	facts     []schema.Fact
	timings   []Timing
	confirmed string
	goal      Goal
	now       time.Time
	reborn    int // reinstallations so far
}

var simStart = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

func (w *world) input() Input {
	in := Input{Config: w.cfg, Inventory: &schema.Inventory{Servers: map[string]*schema.FoundServer{w.s.Name: w.s, w.t.Name: w.t}, DNS: w.dns},
		Checked: w.checked, Past: Past{Facts: w.facts, Timings: w.timings}, Goal: w.goal, Confirmed: w.confirmed, Now: w.now}
	if w.x != nil {
		in.Inventory.Servers[w.x.Name] = w.x
	}
	var raw bytes.Buffer // what was planned must not see what is simulated later
	if err := gob.NewEncoder(&raw).Encode(in); err != nil {
		panic(err)
	}
	var out Input
	if err := gob.NewDecoder(&raw).Decode(&out); err != nil {
		panic(err)
	}
	return out
}

func (w *world) remember(id, kind, account string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	w.now = w.now.Add(time.Minute)
	w.facts = schema.UnionFacts(w.facts, []schema.Fact{{ID: id, Kind: kind, Account: account, Value: raw, At: w.now}})
}

// claim is what every run does first.
func (w *world) claim() {
	w.remember(schema.FactMigration, schema.FactMigration, "", schema.MigrationFact{ID: "id-1", Name: w.cfg.Migration.Name})
	if w.s.Known {
		w.remember(MachineID(w.s.Name), schema.FactMachine, "", schema.MachineFact{Machine: w.s.Machine})
	}
	if w.s.Known {
		for _, a := range w.s.Accounts {
			w.remember(NamedID(a.Name), schema.FactNamed, a.Name, schema.NamedFact{ID: a.ID, Created: a.Created})
		}
	}
	for _, p := range []*schema.FoundServer{w.s, w.t} {
		if p.Presence == schema.Present {
			p.Claim = schema.Claim{Term: p.Claim.Term + 1, Migration: "id-1", Name: w.cfg.Migration.Name}
			for _, a := range p.Accounts { // a newer term thaws
				if a.Owner.State == schema.StateFrozen {
					a.Owner.State, a.Owner.Serves = schema.StateActive, true
				}
			}
		}
	}
}

func (w *world) server(name string) *schema.FoundServer {
	if name == w.s.Name {
		return w.s
	}
	return w.t
}

// copyOf is the account as a receiver holds it; made when it is not there.
func copyOf(p *schema.FoundServer, from *schema.FoundAccount) *schema.FoundAccount {
	if a := p.Account(from.Name); a != nil {
		return a
	}
	a := &schema.FoundAccount{Name: from.Name, Domains: from.Domains}
	p.Accounts = append(p.Accounts, a)
	slices.SortFunc(p.Accounts, func(x, y *schema.FoundAccount) int { return strings.Compare(x.Name, y.Name) })
	return a
}

// do has the effect of one step. half stops a switch between commit and
// activation, and a pairing between the two servers. It returns what the world
// would refuse.
func (w *world) do(s *Step, half bool) error {
	w.now = w.now.Add(time.Second)
	switch s.Op {
	case OpBaseline:
		for _, p := range s.Objects {
			w.remember(BaselineID(s.Account, p), schema.FactBaseline, s.Account, schema.BaselineFact{Probe: p, Status: 200})
		}
	case OpTrial:
		return w.try(s)
	case OpProbeReady:
		w.remember(PreparedID(s.Account), schema.FactPrepared, s.Account, true)
	case OpRemoveRuntime, OpRestoreRuntime:
		return w.runtime(s)
	case OpProvision:
		w.handOver()
	case OpHandover:
		w.remember(schema.FactHandover, schema.FactHandover, "", w.t.Name)
	case OpProbe:
		w.remember(ProbedID(s.Account, s.Epoch), schema.FactProbed, s.Account, ProbedFact{Epoch: s.Epoch, OK: true})
	case OpArchive:
		if o := w.s.Account(s.Account).Owner; o.State != schema.StateRetired {
			return fmt.Errorf("archived in %s: it could still be written to", o.State)
		}
		w.remember(DisposedAccountID(s.Account), schema.FactDisposed, s.Account, DisposedFact{Action: s.Method})
	case OpRetire:
		w.s.Account(s.Account).Owner.State = schema.StateRetired
	case OpPair, OpPrecopy, OpWarm, OpFreeze, OpFinalSync, OpCompare, OpPrepareCopy, OpSwitch, OpConfirm, OpStub:
		return w.cross(s, half)
	default:
		return w.doServer(s)
	}
	return nil
}

// try remembers what a trial server would say of the databases that a step names.
func (w *world) try(s *Step) error {
	f := schema.TrialFact{Server: w.x.Name, Engine: "sqlite", Version: w.x.Engines[0].Version}
	for _, o := range s.Objects {
		engine, name, _ := strings.Cut(o, "/")
		if !slices.ContainsFunc(w.s.Account(s.Account).Databases, func(d schema.Database) bool { return d.Engine == engine && d.Name == name }) {
			return fmt.Errorf("no database %s", o)
		}
		f.Databases = append(f.Databases, schema.TriedDatabase{Name: name, Engine: engine, Warnings: []string{"said something"}})
	}
	w.remember(TrialID(s.Account, w.x.Name, Tries(w.facts, s.Account, w.x.Name)+1), schema.FactTrial, s.Account, f)
	return nil
}

func (w *world) runtime(s *Step) error {
	name, version, _ := strings.Cut(s.Objects[0], " ")
	r := schema.Runtime{Name: name, Version: version}
	from, to := &w.s.Runtimes, &w.s.Removed
	if s.Op == OpRestoreRuntime {
		from, to = to, from
	}
	i := slices.Index(*from, r)
	if i < 0 {
		return fmt.Errorf("no %s", s.Objects[0])
	}
	*from = slices.Delete(slices.Clone(*from), i, i+1)
	*to = append(*to, r)
	return nil
}

// handOver makes the transit server be there.
func (w *world) handOver() {
	w.t.Presence, w.t.Machine, w.t.Listening = schema.Present, "machine-t", w.t.Addresses
	for _, r := range w.cfg.Architecture().Runtimes {
		for _, v := range r.Versions {
			w.t.Runtimes = append(w.t.Runtimes, schema.Runtime{Name: r.Name, Version: v})
		}
	}
}

// cross has the effects of the steps between two servers, with the guards of
// the ownership protocol that planning must respect.
func (w *world) cross(s *Step, half bool) error {
	from, to := w.server(s.From), w.server(s.To)
	if from.Presence != schema.Present || to.Presence != schema.Present {
		return fmt.Errorf("a server is not there")
	}
	if s.Op == OpStub { // From is the source, which needs the stub
		a := copyOf(w.s, w.t.Account(s.Account))
		if names := domainsOf(w.t.Account(s.Account)); !slices.Equal(names, s.Objects) {
			return fmt.Errorf("a stub for %q, its domains are %q", s.Objects, names)
		}
		a.Owner = schema.Ownership{State: schema.StateMoved, Migration: "id-1", Epoch: s.Epoch, Confirmed: true, Peer: w.t.Machine}
		return nil
	}
	o, r := from.Account(s.Account), to.Account(s.Account)
	if o == nil {
		return fmt.Errorf("no origin")
	}
	if s.Op == OpConfirm {
		if o.Owner.State != schema.StateMoved || r == nil || !owns(r.Owner) || r.Owner.Epoch < o.Owner.Epoch {
			return fmt.Errorf("nothing to confirm: %+v", o.Owner)
		}
		o.Owner.Confirmed = true
		return nil
	}
	if s.Op == OpPair {
		return w.pair(s, half, from, to, o)
	}
	if r == nil {
		return fmt.Errorf("no copy")
	}
	if s.Op == OpSwitch {
		return w.switchOver(s, half, o, r)
	}
	if !owns(o.Owner) || o.Owner.Epoch != s.Epoch {
		return fmt.Errorf("origin is %+v, want owner at %d", o.Owner, s.Epoch)
	}
	if s.Op == OpFreeze && (o.Owner.Peer != to.Machine || r.Owner.Peer != from.Machine) {
		return fmt.Errorf("freeze of what is not paired: %+v, %+v", o.Owner, r.Owner)
	}
	return w.copyStep(s, o, r)
}

func domainsOf(a *schema.FoundAccount) []string {
	var names []string
	for _, d := range a.Domains {
		names = append(names, d.Name)
	}
	return names
}

// pair stages the receiver, and then tells the owner; half stops between.
func (w *world) pair(s *Step, half bool, from, to *schema.FoundServer, o *schema.FoundAccount) error {
	if !owns(o.Owner) && o.Owner.State != schema.StateUnmanaged || o.Owner.Epoch != s.Epoch {
		return fmt.Errorf("pair with %+v at %d", o.Owner, s.Epoch)
	}
	c := copyOf(to, o)
	switch st := c.Owner.State; {
	case st == "", st == schema.StateUnknown, st == schema.StateStaged:
	case st == schema.StateMoved && c.Owner.Confirmed:
	default:
		return fmt.Errorf("stage from %+v", c.Owner)
	}
	c.Owner = schema.Ownership{State: schema.StateStaged, Migration: "id-1", Epoch: s.Epoch, Peer: from.Machine, Confirmed: c.Owner.Confirmed}
	if half {
		return nil
	}
	if o.Owner.State == schema.StateUnmanaged {
		o.Owner = schema.Ownership{State: schema.StateActive, Migration: "id-1", Serves: true}
	}
	o.Owner.Peer = to.Machine
	return nil
}

func (w *world) copyStep(s *Step, o, r *schema.FoundAccount) error {
	if r.Owner.State == schema.StatePrepared { // polls the origin, which has voided its token
		r.Owner = schema.Ownership{State: schema.StateStaged, Migration: "id-1", Epoch: s.Epoch, Peer: r.Owner.Peer}
	}
	if r.Owner.State != schema.StateStaged || r.Owner.Epoch != s.Epoch {
		return fmt.Errorf("receiver is %+v", r.Owner)
	}
	if slices.Contains([]Op{OpFinalSync, OpCompare, OpPrepareCopy}, s.Op) && o.Owner.State != schema.StateFrozen {
		return fmt.Errorf("origin is not frozen")
	}
	switch s.Op {
	case OpFreeze:
		o.Owner.State, o.Owner.Serves = schema.StateFrozen, false
	case OpPrecopy:
		r.Copied = append(r.Copied, schema.CopiedPart{Part: s.Part, Epoch: s.Epoch})
	case OpPrepareCopy:
		r.Files, r.Mail, r.Databases, r.Runtimes, r.Programs, r.Tasks = o.Files, o.Mail, o.Databases, o.Runtimes, o.Programs, o.Tasks
		r.User, r.Timers, r.Lines, r.Environments, r.DatabaseUsers, r.Other = o.User, o.Timers, o.Lines, o.Environments, o.DatabaseUsers, o.Other
		r.UID, r.ID, r.Quota, r.Sites, r.Links, r.Mentions, r.Certificates, r.Domains = o.UID, o.ID, o.Quota, o.Sites, o.Links, o.Mentions, o.Certificates, o.Domains
		r.Owner.State, r.Owner.Epoch = schema.StatePrepared, s.Epoch+1
	}
	return nil
}

func (w *world) switchOver(s *Step, half bool, o, r *schema.FoundAccount) error {
	if r.Owner.State != schema.StatePrepared || r.Owner.Epoch != s.Epoch+1 {
		return fmt.Errorf("switch to %+v", r.Owner)
	}
	if o.Owner.State != schema.StateMoved {
		if o.Owner.State != schema.StateFrozen || o.Owner.Epoch != s.Epoch {
			return fmt.Errorf("switch from %+v", o.Owner)
		}
		o.Owner = schema.Ownership{State: schema.StateMoved, Migration: "id-1", Epoch: s.Epoch + 1, Peer: o.Owner.Peer}
		if half {
			return nil
		}
	}
	r.Owner = schema.Ownership{State: schema.StateActive, Migration: "id-1", Epoch: s.Epoch + 1, Serves: true, Peer: r.Owner.Peer}
	r.Copied = nil
	w.remember(MigratedID(s.Account, s.Epoch+1), schema.FactMigrated, s.Account, schema.MigratedFact{Epoch: s.Epoch + 1, To: s.To})
	return nil
}

func (w *world) doServer(s *Step) error {
	serves := w.cfg.Server(w.s.Name).Serves
	switch s.Op {
	case OpResidue:
		w.s.Residue = slices.DeleteFunc(w.s.Residue, func(r schema.Residue) bool { return r.Path == s.Objects[0] })
		w.remember(DisposedResidueID(s.Objects[0]), schema.FactDisposed, "", DisposedFact{Action: s.Method})
	case OpCarryBack:
		w.remember(PlacedResidueID(s.Objects[0]), schema.FactDisposed, "", DisposedFact{Action: s.Method})
	case OpSeal:
		return w.seal(s)
	case OpReroute:
		if w.s.Seal == nil {
			return fmt.Errorf("rerouted without a seal")
		}
		w.s.Listening = nil
		w.t.Listening = append(slices.Clone(w.t.Listening), serves...)
	case OpReinstall:
		return w.wipe()
	case OpReturnAddresses:
		for _, a := range w.t.Accounts {
			if owns(a.Owner) && w.s.Account(a.Name) == nil {
				return fmt.Errorf("addresses come home before %s has a stub", a.Name)
			}
		}
		w.t.Listening, w.s.Listening = w.t.Addresses, serves
	case OpRelease:
		for _, a := range w.t.Accounts {
			if owns(a.Owner) {
				return fmt.Errorf("released while %s is active", a.Name)
			}
		}
		w.t.Accounts = nil
	case OpFinish:
		w.remember(schema.FactReleased, schema.FactReleased, "", true)
	default:
		return fmt.Errorf("no effect of %s", s.Op)
	}
	return nil
}

func (w *world) seal(s *Step) error {
	for _, a := range w.s.Accounts {
		o := a.Owner
		if !(o.State == schema.StateMoved && o.Confirmed || o.State == schema.StateStaged || o.State == schema.StateRetired) {
			return fmt.Errorf("sealed with %s %s", a.Name, o.State)
		}
		for i := range w.cfg.Migration.Stays {
			st := &w.cfg.Migration.Stays[i]
			if st.Account == a.Name && st.Action == "archive" && w.s.Can[schema.CanRetire] && !slices.ContainsFunc(w.facts, func(f schema.Fact) bool { return f.ID == DisposedAccountID(a.Name) }) {
				return fmt.Errorf("sealed without an archive of %s", a.Name)
			}
		}
		if !slices.Contains(s.Objects, fmt.Sprintf("%s@%d", escape(a.Name), o.Epoch)) {
			return fmt.Errorf("seal names %v, %s is at %d", s.Objects, a.Name, o.Epoch)
		}
	}
	if len(w.s.Residue) > 0 {
		return fmt.Errorf("sealed with residue")
	}
	w.s.Seal = &schema.Seal{Number: 1}
	w.t.Lineage = []string{w.s.Machine}
	return nil
}

func (w *world) wipe() error {
	if w.s.Seal == nil {
		return fmt.Errorf("wiped without a seal")
	}
	w.reborn++
	old := w.s
	w.s = &schema.FoundServer{Name: old.Name, Presence: schema.Present, Machine: fmt.Sprintf("machine-s%d", w.reborn), Addresses: old.Addresses,
		Can: old.Can, Cannot: old.Cannot, FreeBytes: old.FreeBytes, FreeInodes: old.FreeInodes}
	return nil
}

// run does the steps of a plan that may run, in order, until stop says so. It
// returns an error when a step comes before one that it comes after.
func (w *world) run(p *Plan, stop func(*Step) (before, half bool)) error {
	w.claim()
	here := map[ID]bool{}
	for i := range p.Steps {
		here[p.Steps[i].ID] = true
	}
	done := map[ID]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Projected || s.Undo || s.Op == OpGate {
			continue
		}
		for _, id := range s.After {
			if here[id] && !done[id] {
				return fmt.Errorf("%s runs before %s", s.ID, id)
			}
		}
		before, half := stop(s)
		if before {
			return nil
		}
		if err := w.do(s, half); err != nil {
			return fmt.Errorf("%s: %w", s.ID, err)
		}
		if half {
			return nil
		}
		done[s.ID] = true
	}
	return nil
}

// close completes an open gate, as the people that it names would.
func (w *world) close(g Gate) error {
	what, _, _ := strings.Cut(string(g.ID), "[")
	switch what {
	case "install.handover":
		w.handOver()
	case "reinstall.confirm":
		w.confirmed = w.s.Name
	case "reinstall.done":
		return w.wipe()
	case "reinstall.reroute":
		w.s.Listening = nil
		w.t.Listening = append(slices.Clone(w.t.Listening), w.cfg.Server(w.s.Name).Serves...)
	case "reinstall.return":
		w.t.Listening, w.s.Listening = w.t.Addresses, w.cfg.Server(w.s.Name).Serves
	case "finish.release":
		w.t.Accounts = nil
	case "request.remove_runtimes":
		b := &builder{arch: w.cfg.Architecture()}
		w.s.Runtimes = slices.DeleteFunc(w.s.Runtimes, func(r schema.Runtime) bool {
			_, ok := (&builder{arch: b.arch, t: &place{found: w.t}}).offer(r.Name, r.Version)
			if !ok {
				w.s.Removed = append(w.s.Removed, r)
			}
			return !ok
		})
	default:
		if g.Evidence == "" {
			return fmt.Errorf("gate %s is open and has no evidence", g.ID)
		}
		w.remember(ApprovalID(g.ID, g.Evidence), schema.FactApproval, g.Account, schema.Approval{Gate: string(g.ID), By: "ann", Evidence: g.Evidence})
	}
	return nil
}

func never(*Step) (bool, bool) { return false, false }

// allCan are the capabilities of a server that can do everything.
func allCan() map[schema.Capability]bool {
	m := map[schema.Capability]bool{}
	for _, c := range []schema.Capability{schema.CanOwn, schema.CanCopy, schema.CanProvision, schema.CanReinstall, schema.CanReroute,
		schema.CanRemoveRuntimes, schema.CanListResidue, schema.CanRetire, schema.CanRelease, schema.CanKeepFacts,
		schema.CanTry, schema.CanReplaceRuntimes, schema.CanMapUsers} {
		m[c] = true
	}
	return m
}

package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// collectFacts reads what the store and the servers remember, and learns from
// it which migration this is. Reading needs no claim.
func (x *run) collectFacts(ctx context.Context) error {
	log, err := x.State.Load(ctx)
	if err != nil {
		return err
	}
	stored := log.Past().Facts
	all := [][]schema.Fact{stored}
	for _, s := range x.inOrder() {
		if s.can.Keeper == nil || s.identity.Machine == "" && s.can.Owner != nil {
			continue
		}
		facts, err := x.factsOf(ctx, s)
		if err != nil {
			return err
		}
		all = append(all, facts)
	}
	name := x.plan.Config.Migration.Name
	if open, _ := schema.OtherMigrations(name, schema.UnionFacts(all...)); len(open) > 0 {
		return &RefusedError{Reason: fmt.Sprintf("the servers or the state store belong to migration %s, which is not finished, and this one is %s: finish that one first, or use other servers and another store",
			schema.QuoteName(open[0].Name), schema.QuoteName(name))}
	}
	known := schema.FactsOf(name, all...)
	x.learn(known)
	if err := x.store(missing(known, schema.FactsOf(name, stored))); err != nil {
		return err
	}
	var m schema.MigrationFact
	switch {
	case !x.read(schema.FactMigration, &m):
	case m.Name != name:
		return &RefusedError{Reason: fmt.Sprintf("the servers and the state store belong to migration %s, this one is %s: use its name, or other servers and another store",
			schema.QuoteName(m.Name), schema.QuoteName(name))}
	default:
		x.migration = m.ID
	}
	return nil
}

// factsOf reads what a server remembers, of all migrations.
func (x *run) factsOf(ctx context.Context, s *server) (facts []schema.Fact, err error) {
	err = x.retry(ctx, nil, func(ctx context.Context) error {
		call, cancel := x.short(ctx)
		defer cancel()
		var err error
		facts, err = s.can.Keeper.Facts(call)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the facts on server %s: %w", schema.QuoteName(s.name), err)
	}
	return facts, nil
}

// missing are the facts that have does not hold, or not as all says.
func missing(all, have []schema.Fact) []schema.Fact {
	known := map[string]bool{} // id → revoked
	for _, f := range have {
		known[f.ID] = f.Revoked || known[f.ID]
	}
	return slices.DeleteFunc(slices.Clone(all), func(f schema.Fact) bool {
		revoked, ok := known[f.ID]
		return ok && (revoked || !f.Revoked)
	})
}

// learn takes facts into what the run knows and returns them as it knows them:
// a fact that was known already stays as it was.
func (x *run) learn(facts []schema.Fact) []schema.Fact {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]schema.Fact, 0, len(facts))
	for _, f := range facts {
		if have, ok := x.facts[f.ID]; ok {
			f = schema.UnionFacts([]schema.Fact{have}, []schema.Fact{f})[0]
		}
		x.facts[f.ID] = f
		out = append(out, f)
	}
	return out
}

// known is everything that the run knows, sorted.
func (x *run) known() []schema.Fact {
	x.mu.Lock()
	defer x.mu.Unlock()
	return schema.UnionFacts(slices.Collect(maps.Values(x.facts)))
}

func (x *run) store(facts []schema.Fact) error {
	events := make([]state.Event, len(facts))
	for i := range facts {
		events[i] = state.Event{What: state.FactLearned, Fact: &facts[i]}
	}
	if len(events) == 0 {
		return nil
	}
	return x.journal(events...)
}

// spreadFacts brings every server that is present up to all facts.
func (x *run) spreadFacts(ctx context.Context) error {
	for _, s := range x.inOrder() {
		if s.can.Keeper == nil || s.err != nil || s.can.Owner != nil && !s.claimed {
			continue
		}
		have, err := x.factsOf(ctx, s)
		if err != nil {
			return err
		}
		if err := x.addFacts(ctx, s, missing(x.known(), schema.FactsOf(x.plan.Config.Migration.Name, have))); err != nil {
			return err
		}
	}
	return nil
}

// factsAtOnce bounds one message to a server: ten thousand accounts have more
// facts than one can hold.
const factsAtOnce = 1000

func (x *run) addFacts(ctx context.Context, s *server, facts []schema.Fact) error {
	for some := range slices.Chunk(facts, factsAtOnce) {
		err := x.retry(ctx, nil, func(ctx context.Context) error {
			call, cancel := x.short(ctx)
			defer cancel()
			return s.can.Keeper.AddFacts(call, some)
		})
		if err != nil {
			return fmt.Errorf("keep facts on server %s: %w", schema.QuoteName(s.name), err)
		}
	}
	return nil
}

// remember writes facts to the store and then to every server that is present.
// A fact whose id is known already stays as it is, everywhere.
func (x *run) remember(facts ...schema.Fact) error {
	for i := range facts {
		if facts[i].Migration == "" {
			facts[i].Migration = x.migration
		}
	}
	var fresh []schema.Fact
	for _, f := range facts {
		if _, ok := x.find(f.ID); !ok {
			fresh = append(fresh, f)
		}
	}
	facts = x.learn(facts)
	if err := x.store(fresh); err != nil {
		return err
	}
	for _, s := range x.inOrder() {
		if s.can.Keeper == nil || !s.claimed && s.can.Owner != nil {
			continue
		}
		// Known ones too: an earlier try may have reached the store only.
		if err := x.addFacts(x.hard, s, facts); err != nil {
			return err
		}
	}
	return nil
}

// fact makes one. Values are structs of this program, which always encode.
func (x *run) fact(kind, id string, value any) schema.Fact {
	raw, err := json.Marshal(value)
	if err != nil {
		raw = nil
	}
	return schema.Fact{ID: id, Kind: kind, Value: raw, By: x.Holder, At: x.clock.Now().UTC()}
}

// read decodes the value of a fact; false if there is none.
func (x *run) read(id string, v any) bool {
	f, ok := x.find(id)
	return ok && (v == nil || json.Unmarshal(f.Value, v) == nil)
}

func (x *run) find(id string) (schema.Fact, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f, ok := x.facts[id]
	return f, ok && !f.Revoked
}

// firstFacts are those that only the first run can know: which migration this
// is, which machines the servers were, and on which addresses they answered.
func (x *run) firstFacts(ctx context.Context) error {
	facts := []schema.Fact{x.migrationFact()}
	for _, s := range x.inOrder() {
		facts = append(facts, x.originals(s)...)
	}
	facts = append(facts, x.firstNames()...)
	fresh := facts[:0]
	for _, f := range facts {
		if !x.read(f.ID, nil) {
			fresh = append(fresh, f)
		}
	}
	if x.migration == "" { // no server here keeps records; the store is all there is
		if err := x.nameMigration(); err != nil {
			return err
		}
		fresh = slices.DeleteFunc(fresh, func(f schema.Fact) bool { return f.Kind == schema.FactMigration })
	}
	if err := x.remember(fresh...); err != nil {
		return err
	}
	return x.spreadFacts(ctx)
}

// firstNames are the accounts as they are when the migration first sees them, so
// that one that is renamed or created on the way is noticed. Where a provider
// says neither an id nor a date there is nothing to remember.
func (x *run) firstNames() []schema.Fact {
	if x.Inventory == nil {
		return nil
	}
	found := accountsOf(x.Inventory)
	var facts []schema.Fact
	for i := range x.plan.Accounts {
		p := &x.plan.Accounts[i]
		a := found[p.Where][p.Name]
		if a == nil || a.ID == "" && a.Created.IsZero() {
			continue
		}
		id := schema.FactNamed + "/" + escape(p.Name)
		if x.had(id) {
			continue
		}
		f := x.fact(schema.FactNamed, id, schema.NamedFact{ID: a.ID, Created: a.Created})
		f.Account, f.Server = p.Name, p.Where
		facts = append(facts, f)
	}
	return facts
}

// originals are a server's identity and addresses as they were before anything
// was done. A source that is not known since the beginning was reinstalled: its
// first identity must come from a fact, never from what it is now. A migration
// that was finished and left this machine behind is such a fact.
func (x *run) originals(s *server) []schema.Fact {
	source := s.name == x.plan.Config.Migration.Source
	var first schema.MachineFact
	switch {
	case s.can.Owner == nil:
		return x.seen(s)
	case !s.claimed:
		return nil
	case source && s.found != nil && !s.found.Known && x.read(plan.MachineID(s.name), &first) && first.Machine != s.identity.Machine:
		// Reinstalled by somebody else, or by a run that died before it wrote so.
		return []schema.Fact{x.reinstallFact(s, first.Machine)}
	case source && (s.found == nil || !s.found.Known && !schema.LeftBy(x.plan.Config.Migration.Name, s.identity.Machine, s.found.Facts)):
		return nil
	}
	return x.first(s, s.identity.Machine)
}

// seen are the originals of a server that keeps no records, as its survey tells
// them. Whatever became of such a server since, it is not this program's doing.
func (x *run) seen(s *server) []schema.Fact {
	if s.found == nil || s.found.Presence != schema.Present || s.found.Machine == "" || !s.found.Known {
		return nil
	}
	return x.first(s, s.found.Machine)
}

// first are the facts of a machine and of its addresses.
func (x *run) first(s *server, id string) []schema.Fact {
	machine := x.fact(schema.FactMachine, plan.MachineID(s.name), schema.MachineFact{Machine: id})
	machine.Server = s.name
	facts := []schema.Fact{machine}
	if addresses := x.addressesOf(s); len(addresses) > 0 {
		f := x.fact(schema.FactAddresses, plan.AddressesID(s.name), addresses)
		f.Server = s.name
		facts = append(facts, f)
	}
	return facts
}

// addressesOf are a server's own service addresses: those that were remembered,
// else those in its configuration, else those that were found.
func (x *run) addressesOf(s *server) []string {
	var addresses []string
	if x.read(plan.AddressesID(s.name), &addresses) && len(addresses) > 0 {
		return addresses
	}
	if c := x.plan.Config.Server(s.name); c != nil && len(c.Serves) > 0 {
		return c.Serves
	}
	if s.found != nil {
		return s.found.Addresses
	}
	return nil
}

// escape is schema.EscapeName for ids that are no file names: a name that is too
// long for one stays as it is.
func escape(name string) string {
	if e, err := schema.EscapeName(name); err == nil {
		return e
	}
	return name
}

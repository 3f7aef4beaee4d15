package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// provision brings the transit server up, and claims it.
func (x *run) provision(ctx context.Context, s *plan.Step) (done, error) {
	x.mu.Lock()
	to := x.servers[s.Server]
	source := x.servers[x.plan.Config.Migration.Source]
	x.mu.Unlock()
	if to == nil {
		return done{}, fmt.Errorf("server %s: %w", schema.QuoteName(s.Server), providers.ErrAbsent)
	}
	if to.can.Machine == nil {
		return done{}, to.cannot(schema.CanProvision)
	}
	var like *schema.FoundServer
	if source != nil {
		like = source.found
	}
	if err := to.can.Machine.Provision(ctx, like, x.architecture()); err != nil {
		return done{}, fmt.Errorf("provision server %s: %w", schema.QuoteName(s.Server), err)
	}
	return done{}, x.await(ctx, s.Server)
}

// architecture is what the accounts are to arrive on. Where the configuration
// names none it is what they have now: that of the source, or of transit, which
// was made like it, while the source cannot say.
func (x *run) architecture() schema.Architecture {
	m := &x.plan.Config.Migration
	if a := x.plan.Config.Architecture(); a != nil {
		return *a
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, name := range []string{m.Source, m.Transit} {
		if s := x.servers[name]; s != nil && s.found != nil && s.found.Architecture != "" {
			return offered(s.found)
		}
	}
	return schema.Architecture{}
}

// offered is what a server offers, as an architecture.
func offered(f *schema.FoundServer) schema.Architecture {
	a := schema.Architecture{Name: f.Architecture, Engines: slices.Clone(f.Engines)}
	for _, r := range f.Runtimes {
		i := slices.IndexFunc(a.Runtimes, func(o schema.RuntimeOffer) bool { return o.Name == r.Name })
		if i < 0 {
			a.Runtimes = append(a.Runtimes, schema.RuntimeOffer{Name: r.Name})
			i = len(a.Runtimes) - 1
		}
		a.Runtimes[i].Versions = append(a.Runtimes[i].Versions, r.Version)
	}
	return a
}

// recordHandover writes down when the transit server was handed over: from then
// on the process's clock runs.
func (x *run) recordHandover(_ context.Context, s *plan.Step) (done, error) {
	on, err := x.server(s.Server)
	if err != nil {
		return done{}, err
	}
	f := x.fact(schema.FactHandover, schema.FactHandover, schema.MachineFact{Machine: on.identity.Machine})
	f.Server = on.name
	return done{}, x.remember(append(x.originals(on), f)...)
}

// seal closes the source before it may be wiped. What is remembered is on the
// transit server first, and the transit server knows whose accounts it holds.
func (x *run) seal(ctx context.Context, s *plan.Step) (done, error) {
	source, _, err := x.ends()
	if err != nil {
		return done{}, err
	}
	if s.Server != source.name {
		return done{}, fmt.Errorf("only the source is sealed, not server %s", schema.QuoteName(s.Server))
	}
	epochs, err := epochsOf(s)
	if err != nil {
		return done{}, err
	}
	if err := x.spreadFacts(ctx); err != nil {
		return done{}, err
	}
	number, err := source.can.Owner.Seal(ctx, source.term, source.identity.Machine, epochs)
	if err != nil {
		return done{}, fmt.Errorf("seal server %s: %w", schema.QuoteName(source.name), err)
	}
	made := schema.Seal{Number: number, Epochs: epochs}
	if err := x.inherit(ctx, source, made); err != nil {
		return done{}, err
	}
	x.mu.Lock()
	x.seals[source.name] = made
	x.mu.Unlock()
	return done{notes: []string{fmt.Sprintf("seal %d", number)}}, nil
}

// inherit writes on the transit server whose accounts it took over: without
// that it would neither take the addresses nor believe in the wipe. What stays
// on the source is in the seal as well, and none of its business.
func (x *run) inherit(ctx context.Context, source *server, seal schema.Seal) error {
	_, transit, err := x.ends()
	if err != nil {
		return err
	}
	if transit.can.Machine == nil {
		return nil
	}
	moved, err := x.movedTo(ctx, transit, seal.Epochs)
	if err != nil {
		return err
	}
	if err := transit.can.Machine.Inherit(ctx, transit.term, source.identity.Machine, moved); err != nil {
		return fmt.Errorf("record on server %s that server %s is sealed: %w", schema.QuoteName(transit.name), schema.QuoteName(source.name), err)
	}
	return nil
}

// movedTo are those of the accounts that a server owns now as this migration's.
// Whether it took them over from the sealed machine it knows itself, and refuses
// otherwise.
func (x *run) movedTo(ctx context.Context, on *server, epochs map[string]uint64) (map[string]uint64, error) {
	found, err := on.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for what server %s took over: %w", schema.QuoteName(on.name), err)
	}
	moved := map[string]uint64{}
	for _, a := range found.Accounts {
		epoch, sealed := epochs[a.Name]
		switch {
		case !sealed || a.Owner.Migration != x.migration:
		case a.Owner.State == schema.StateActive || a.Owner.State == schema.StateFrozen:
			moved[a.Name] = epoch
		default:
			return nil, fmt.Errorf("%s is %s on server %s, which should own it: plan again", schema.QuoteName(a.Name), a.Owner.State, schema.QuoteName(on.name))
		}
	}
	return moved, nil
}

// look surveys a server that has to be there: one that does not answer is in an
// inventory with its error, and must not be taken for an empty one.
func (s *server) look(ctx context.Context) (*schema.FoundServer, error) {
	found, err := s.opened.Survey(ctx, providers.SurveyOptions{Refresh: true})
	if err != nil {
		return nil, err
	}
	if found.Presence != schema.Present {
		return nil, fmt.Errorf("server %s is %s %s: %w", schema.QuoteName(s.name), found.Presence, found.Error, providers.ErrUnreachable)
	}
	return found, nil
}

// epochsOf reads the accounts that a seal is about: name@epoch, names escaped.
func epochsOf(s *plan.Step) (map[string]uint64, error) {
	epochs := map[string]uint64{}
	for _, o := range s.Objects {
		i := strings.LastIndexByte(o, '@')
		if i < 0 {
			return nil, fmt.Errorf("the step names no epoch: %q", o)
		}
		name, err := schema.UnescapeName(o[:i])
		if err != nil {
			return nil, err
		}
		if epochs[name], err = strconv.ParseUint(o[i+1:], 10, 64); err != nil {
			return nil, fmt.Errorf("the step names no epoch: %q", o)
		}
	}
	return epochs, nil
}

// sealed returns the number of the seal of a server and the machine that was
// sealed: of this run, or as the server says. A run that died just after the
// seal left it to us to tell the transit server.
func (x *run) sealed(ctx context.Context, s *server) (number uint64, machine string, err error) {
	x.mu.Lock()
	seal := x.seals[s.name]
	x.mu.Unlock()
	if seal.Number > 0 {
		return seal.Number, s.identity.Machine, nil
	}
	found, err := s.look(ctx)
	if err != nil {
		return 0, "", fmt.Errorf("look for the seal of server %s: %w", schema.QuoteName(s.name), err)
	}
	if found.Seal == nil || found.Machine != s.identity.Machine {
		return 0, "", fmt.Errorf("server %s is not sealed: plan again", schema.QuoteName(s.name))
	}
	if err := x.inherit(ctx, s, *found.Seal); err != nil {
		return 0, "", err
	}
	x.mu.Lock()
	x.seals[s.name] = *found.Seal
	x.mu.Unlock()
	return found.Seal.Number, found.Machine, nil
}

// reinstall is the point of no return. The order names the seal and the machine
// that it was confirmed for; the server does nothing otherwise.
func (x *run) reinstall(ctx context.Context, s *plan.Step) (done, error) {
	source, err := x.server(s.Server)
	if err != nil {
		return done{}, err
	}
	if source.can.Machine == nil {
		return done{}, source.cannot(schema.CanReinstall)
	}
	seal, machine, err := x.sealed(ctx, source)
	if err != nil {
		return done{}, err
	}
	var first schema.MachineFact
	if x.read(plan.MachineID(source.name), &first) && first.Machine != machine {
		return done{}, fmt.Errorf("server %s is machine %s, but the migration began on %s: it is not wiped twice; plan again",
			schema.QuoteName(source.name), machine, first.Machine)
	}
	if err := x.spreadFacts(ctx); err != nil {
		return done{}, err
	}
	if !x.isOther(ctx, source, machine) {
		if err := source.can.Machine.Reinstall(ctx, source.term, seal, machine, x.architecture()); err != nil && !errors.Is(err, providers.ErrUnreachable) {
			return done{}, fmt.Errorf("reinstall server %s: %w", schema.QuoteName(source.name), err)
		}
	}
	if err := x.awaitOther(ctx, source, machine); err != nil {
		return done{}, fmt.Errorf("after the reinstallation: %w", err)
	}
	return x.reinstalled(s, machine)
}

// awaitOther claims the machine that comes out of a reinstallation. The old one
// may answer for a moment longer: it has the order and is about to end.
func (x *run) awaitOther(ctx context.Context, s *server, old string) error {
	began := x.clock.Now()
	pauses := x.settings.pauses()
	for {
		err := x.await(ctx, s.name)
		now, e := x.server(s.name)
		if e != nil || err != nil || now.identity.Machine != old || x.since(began) > x.settings.Patience {
			return errors.Join(err, e)
		}
		if err := x.sleep(x.soft, pauses.NextBackOff()); err != nil {
			return err
		}
	}
}

// isOther says whether a server is another machine already: the answer to an
// earlier order got lost, and the new machine would not know this run.
func (x *run) isOther(ctx context.Context, s *server, machine string) bool {
	if s.can.Owner == nil {
		return false
	}
	call, cancel := x.short(ctx)
	defer cancel()
	id, err := s.can.Owner.Identity(call)
	return err == nil && id.Machine != "" && id.Machine != machine
}

// await claims a server that is coming up, as soon as it answers.
func (x *run) await(ctx context.Context, name string) error {
	began := x.clock.Now()
	pauses := x.settings.pauses()
	for {
		err := x.arrive(ctx, name)
		if err == nil || errors.Is(err, providers.ErrSuperseded) || x.since(began) > x.settings.Patience || x.sleep(x.soft, pauses.NextBackOff()) != nil {
			return err
		}
	}
}

func (x *run) reinstalled(s *plan.Step, old string) (done, error) {
	source, err := x.server(s.Server)
	if err != nil {
		return done{}, err
	}
	if source.identity.Machine == old {
		return done{}, fmt.Errorf("server %s is still machine %s after its reinstallation", schema.QuoteName(source.name), old)
	}
	x.mu.Lock()
	delete(x.seals, source.name)
	x.mu.Unlock()
	return done{}, x.remember(x.reinstallFact(source, old))
}

func (x *run) reinstallFact(source *server, old string) schema.Fact {
	f := x.fact(schema.FactReinstall, schema.FactReinstall, schema.ReinstallFact{Old: old, New: source.identity.Machine})
	f.Server = source.name
	return f
}

// release drops the inactive copies of this migration from the transit server.
func (x *run) release(ctx context.Context, s *plan.Step) (done, error) {
	on, err := x.server(s.Server)
	if err != nil {
		return done{}, err
	}
	if on.can.Machine == nil {
		return done{}, on.cannot(schema.CanRelease)
	}
	accounts, err := x.copiesOn(ctx, on)
	if err != nil {
		return done{}, err
	}
	if err := on.can.Machine.Release(ctx, on.term, accounts); err != nil {
		return done{}, fmt.Errorf("release server %s: %w", schema.QuoteName(on.name), err)
	}
	if err := x.unpair(ctx); err != nil {
		return done{}, err
	}
	return done{items: int64(len(accounts))}, nil
}

// copiesOn are the accounts of which a server holds an inactive copy of this
// migration. The server itself has the last word on each.
func (x *run) copiesOn(ctx context.Context, on *server) ([]string, error) {
	found, err := on.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for copies on server %s: %w", schema.QuoteName(on.name), err)
	}
	var names []string
	for _, a := range found.Accounts {
		if o := a.Owner; o.Migration == x.migration && (o.State == schema.StateMoved || o.State == schema.StateStaged || o.State == schema.StateUnknown) {
			names = append(names, a.Name)
		}
	}
	return names, nil
}

// finish closes the journey. Where nothing was released, or by hand, the
// accounts have not forgotten the other server yet.
func (x *run) finish(ctx context.Context, _ *plan.Step) (done, error) {
	if err := x.unpair(ctx); err != nil {
		return done{}, err
	}
	return done{}, x.remember(x.fact(schema.FactReleased, schema.FactReleased, schema.MigrationFact{ID: x.migration, Name: x.plan.Config.Migration.Name}))
}

// checkConfirmation refuses a plan that would wipe a server that was not named
// for it. A plan without the confirmation has the steps projected; this holds
// against one that was made otherwise.
func (x *run) checkConfirmation() error {
	source := x.plan.Config.Migration.Source
	for i := range x.plan.Steps {
		s := &x.plan.Steps[i]
		if s.Op != plan.OpReinstall || s.Projected {
			continue
		}
		if s.Server != source || x.Confirmed != source {
			return &RefusedError{Reason: fmt.Sprintf("the plan reinstalls server %s, and that was not confirmed: confirm it by its name, --confirm-reinstall %s",
				schema.QuoteName(s.Server), schema.QuoteName(s.Server))}
		}
	}
	return nil
}

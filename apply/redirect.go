package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// reroute makes the transit server answer on the source's service addresses.
func (x *run) reroute(ctx context.Context, s *plan.Step) (done, error) {
	source, transit, err := x.ends()
	if err != nil {
		return done{}, err
	}
	if source.can.Machine == nil || transit.can.Machine == nil {
		return done{}, errors.Join(source.cannot(schema.CanReroute), transit.cannot(schema.CanReroute))
	}
	seal, machine, err := x.sealed(ctx, source)
	if err != nil {
		return done{}, err
	}
	addresses := x.addressesOf(source)
	began := x.clock.Now()
	if err := source.can.Machine.Silence(ctx, source.term, seal, addresses); err != nil {
		return done{}, fmt.Errorf("silence server %s: %w", schema.QuoteName(source.name), err)
	}
	if err := transit.can.Machine.TakeOver(ctx, transit.term, seal, machine, addresses); err != nil {
		// Somebody must listen: the source does again, and redirects as before.
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.settings.Call)
		defer cancel()
		err = errors.Join(err, source.can.Machine.Serve(back, source.term, addresses))
		return done{}, fmt.Errorf("take over the addresses of server %s on server %s: %w", schema.QuoteName(source.name), schema.QuoteName(transit.name), err)
	}
	return done{notes: []string{"nobody answered on the addresses for " + spaced(x.since(began))}}, nil
}

// returnAddresses brings the service addresses back to the source, which
// redirects what is still on transit.
func (x *run) returnAddresses(ctx context.Context, s *plan.Step) (done, error) {
	source, transit, err := x.ends()
	if err != nil {
		return done{}, err
	}
	if source.can.Machine == nil || transit.can.Machine == nil {
		return done{}, errors.Join(source.cannot(schema.CanReroute), transit.cannot(schema.CanReroute))
	}
	addresses := x.addressesOf(source)
	began := x.clock.Now()
	if err := transit.can.Machine.GiveBack(ctx, transit.term, addresses); err != nil {
		return done{}, fmt.Errorf("give the addresses of server %s back on server %s: %w", schema.QuoteName(source.name), schema.QuoteName(transit.name), err)
	}
	if err := source.can.Machine.Serve(ctx, source.term, addresses); err != nil {
		return done{}, fmt.Errorf("serve the addresses of server %s: %w", schema.QuoteName(source.name), err)
	}
	return done{notes: []string{"nobody answered on the addresses for " + spaced(x.since(began))}}, nil
}

// stub writes on the new machine where an account is, so that it redirects
// before its addresses come home.
func (x *run) stub(ctx context.Context, s *plan.Step) (done, error) {
	source, transit, err := x.ends()
	if err != nil {
		return done{}, err
	}
	p, err := x.peer(ctx, transit, random(32))
	if err != nil {
		return done{}, err
	}
	if err := source.can.Owner.Stub(ctx, source.term, s.Account, s.Epoch, p, s.Objects); err != nil {
		return done{}, fmt.Errorf("point %s on server %s to server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(source.name), schema.QuoteName(transit.name), err)
	}
	return done{}, nil
}

// ends are the source and the transit server of the migration.
func (x *run) ends() (source, transit *server, err error) {
	m := x.plan.Config.Migration
	source, e1 := x.server(m.Source)
	transit, e2 := x.server(m.Transit)
	return source, transit, errors.Join(e1, e2)
}

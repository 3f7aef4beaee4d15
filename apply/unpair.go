package apply

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// unpairAtOnce is how many accounts forget their peer at the same time: each
// waits for one answer of the other server.
const unpairAtOnce = 16

// unpair lets the accounts that have arrived forget the server they came from.
// As long as they know it they ask it after every reboot before they open, and
// it is about to go for good. Only the other server's own word, asked now, lets
// them: whatever it still holds cannot be activated any more.
func (x *run) unpair(ctx context.Context) error {
	source, transit, err := x.ends()
	if err != nil {
		return x.unpairAlone(ctx, err)
	}
	for _, pair := range [][2]*server{{source, transit}, {transit, source}} {
		if err := x.unpairOn(ctx, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// unpairAlone is unpair where one of the two servers is not there: then nobody
// on the other may still know it. A planner that saw so made no step of it.
func (x *run) unpairAlone(ctx context.Context, missing error) error {
	for _, name := range []string{x.plan.Config.Migration.Source, x.plan.Config.Migration.Transit} {
		s, err := x.server(name)
		if err != nil || s.can.Operator == nil {
			continue
		}
		names, err := x.pairedOn(ctx, s, "")
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return fmt.Errorf("%s on server %s would not open after a reboot without the other server's word: %w",
				count(len(names), "account"), schema.QuoteName(name), missing)
		}
	}
	return nil
}

// unpairOn unpairs the accounts of one server. What does not take part in the
// plan, such as an account that went back and was taken out of the migration,
// may have a copy on the other server; it keeps its peer, and people hear of it.
func (x *run) unpairOn(ctx context.Context, on, from *server) error {
	if on.can.Operator == nil {
		return nil
	}
	names, err := x.pairedOn(ctx, on, from.identity.Machine)
	if err != nil {
		return err
	}
	planned := map[string]bool{}
	for i := range x.plan.Accounts {
		planned[x.plan.Accounts[i].Name] = true
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(unpairAtOnce)
	for _, account := range names {
		g.Go(func() error {
			err := x.retry(gctx, nil, func(ctx context.Context) error { return on.can.Operator.Unpair(ctx, on.term, account) })
			switch {
			case err == nil:
				return nil
			case !planned[account] && errors.Is(err, providers.ErrRefused) && !errors.Is(err, providers.ErrSuperseded):
				x.note(nil, fmt.Sprintf("%s on server %s still asks server %s after a reboot: %v",
					schema.QuoteName(account), schema.QuoteName(on.name), schema.QuoteName(from.name), err))
				return nil
			}
			return fmt.Errorf("let %s on server %s forget server %s: %w", schema.QuoteName(account), schema.QuoteName(on.name), schema.QuoteName(from.name), err)
		})
	}
	return g.Wait()
}

// pairedOn are this migration's accounts that a server owns and that know a
// machine; with none named, any.
func (x *run) pairedOn(ctx context.Context, on *server, machine string) ([]string, error) {
	found, err := on.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for paired accounts: %w", err)
	}
	var names []string
	for _, a := range found.Accounts {
		o := a.Owner
		if o.State == schema.StateActive && o.Migration == x.migration && o.Peer != "" && (machine == "" || o.Peer == machine) {
			names = append(names, a.Name)
		}
	}
	return names, nil
}

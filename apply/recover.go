package apply

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// Recovery is one order of a person for an account that its agent keeps closed.
type Recovery struct {
	Account string
	Order   string // OrderRebuild | OrderSurrender | OrderAccept
	Server  string // whose record is to change
}

// Recover claims both servers, as any run does, and gives the order. The agent
// takes the other server's word at that moment and refuses what it does not
// cover. Who ordered what is in the journal before it is done, and a fact after.
func (r *Runner) Recover(ctx context.Context, c *schema.Config, order Recovery) error {
	x := r.begin(ctx, &plan.Plan{Config: c})
	defer x.observer.close()
	defer x.kill(nil)
	stop := x.watchEnds()
	err := x.recover(order)
	stop()
	x.end(err)
	return err
}

func (x *run) recover(order Recovery) error {
	what := fmt.Sprintf("recover %s: %s on server %s, ordered by %s", schema.QuoteName(order.Account), order.Order, schema.QuoteName(order.Server), x.Holder)
	if err := x.journal(state.Event{What: state.RunStarted, Text: x.Holder + ", " + what}); err != nil {
		return err
	}
	if err := x.claimAll(x.hard); err != nil {
		return err
	}
	on, other, err := x.recovering(order.Server)
	if err != nil {
		return err
	}
	if err := x.journal(state.Event{What: state.Noted, Server: on.name, Term: on.term, Text: what}); err != nil {
		return err
	}
	if err := x.order(x.hard, order, on, other); err != nil {
		if errors.Is(err, providers.ErrSuperseded) {
			return x.superseded(err)
		}
		err = fmt.Errorf("%s %s on server %s: %w", order.Order, schema.QuoteName(order.Account), schema.QuoteName(on.name), err)
		if refused(err) {
			return &RefusedError{Reason: err.Error()}
		}
		return err
	}
	f := x.fact(schema.FactRecovered, schema.FactRecovered+"/"+escape(order.Account)+"/"+strconv.FormatUint(on.term, 10),
		schema.RecoveredFact{Order: order.Order, Server: on.name, Term: on.term})
	f.Account, f.Server = order.Account, on.name
	return x.remember(f)
}

// recovering returns the server whose record is to change, and the other one,
// whose word it takes. Both have to be there.
func (x *run) recovering(name string) (on, other *server, err error) {
	source, transit, err := x.ends()
	if err != nil {
		return nil, nil, err
	}
	if on, other = source, transit; name == transit.name {
		on, other = transit, source
	}
	if on.name != name {
		return nil, nil, &RefusedError{Reason: fmt.Sprintf("the migration has no server %s", schema.QuoteName(name))}
	}
	for _, s := range []*server{on, other} {
		if s.can.Operator == nil {
			return nil, nil, s.cannot(schema.CanOwn)
		}
	}
	return on, other, nil
}

func (x *run) order(ctx context.Context, o Recovery, on, other *server) error {
	switch o.Order {
	case OrderSurrender:
		return on.can.Operator.Surrender(ctx, on.term, o.Account)
	case OrderAccept:
		return on.can.Operator.Accept(ctx, on.term, o.Account)
	case OrderRebuild:
		return x.rebuild(ctx, o.Account, on, other)
	}
	return fmt.Errorf("there is no order %q", o.Order)
}

// rebuild gives both servers a new credential for the account: the old one was
// lost with the record. A run that dies between the two is repeated with another.
func (x *run) rebuild(ctx context.Context, account string, on, other *server) error {
	credential := random(32)
	toOn, err := x.peer(ctx, on, credential)
	if err != nil {
		return err
	}
	toOther, err := x.peer(ctx, other, credential)
	if err != nil {
		return err
	}
	if err := other.can.Operator.Reintroduce(ctx, other.term, account, toOn); err != nil {
		return fmt.Errorf("introduce it to server %s anew: %w", schema.QuoteName(other.name), err)
	}
	return on.can.Operator.Rebuild(ctx, on.term, account, toOther)
}

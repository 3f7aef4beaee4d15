package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/schema"
)

// recoverFlags are the orders; at most one may be given.
type recoverFlags struct {
	typed  string
	orders map[string]*string // order → server
}

func (p *program) recover() *cobra.Command {
	flags := recoverFlags{orders: map[string]*string{}}
	c := &cobra.Command{
		Use: "recover ACCOUNT", Short: "Say why an account is kept closed, and decide how it goes on", Args: exactly("ACCOUNT"),
		Long: `Say why an account is kept closed, and decide how it goes on. A server keeps an
account closed when its record of it is an old one (an old copy of its disk was
put back) or is unreadable: nobody may guess then who owns the account.

Without a flag nothing is changed: it looks at both servers, says what is wrong,
which of the orders below are possible, and what each one means. Exit status 3
says that somebody has to decide, or to bring a server back.

Each order names the server whose record changes, and takes the word of the
other one, which is asked at that moment and has to answer.`,
		Example: "  stopover recover shop\n  stopover recover shop --rebuild client --confirm shop",
		RunE: func(c *cobra.Command, args []string) error {
			order, err := flags.order(args[0])
			if err != nil {
				return err
			}
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			if order != nil {
				return p.ordered(c.Context(), project, *order)
			}
			d, _, err := diagnose(c.Context(), project, args[0])
			if err != nil {
				return err
			}
			p.view().Diagnosed(d)
			if len(d.Wrong) > 0 {
				p.exit = apply.ExitWaiting
			}
			return nil
		},
	}
	c.ValidArgsFunction = p.completeAccounts
	for order, doc := range map[string]string{
		apply.OrderRebuild:   "make the lost record on this server anew from the other server's word",
		apply.OrderSurrender: "this server has an old record: let it pass visitors on to the other one, the owner",
		apply.OrderAccept:    "open the account on this server from an old copy; what was written since is lost",
	} {
		flags.orders[order] = c.Flags().String(order, "", doc)
		p.completeFlag(c, order, func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return p.completeServers(c, nil, word)
		})
	}
	c.Flags().StringVar(&flags.typed, "confirm", "", "the account's name, typed again")
	return c
}

// order is what was asked for; nil: only to look.
func (f *recoverFlags) order(account string) (*apply.Recovery, error) {
	var out *apply.Recovery
	for _, order := range []string{apply.OrderRebuild, apply.OrderSurrender, apply.OrderAccept} {
		switch server := *f.orders[order]; {
		case server == "":
		case out != nil:
			return nil, fmt.Errorf("--%s and --%s: one order at a time", out.Order, order)
		default:
			out = &apply.Recovery{Account: account, Order: order, Server: server}
		}
	}
	if out != nil && f.typed != account {
		return nil, &apply.RefusedError{Reason: "type the account's name again: --confirm " + schema.QuoteName(account)}
	}
	return out, nil
}

// ordered gives an order. The lock keeps runs out that would work on what the
// order changes; the agents decide.
func (p *program) ordered(ctx context.Context, project *setup.Project, order apply.Recovery) error {
	lock, err := project.Store.Lock(ctx, state.Holder{Who: setup.Holder(), Doing: "recover", Started: time.Now().UTC()})
	if err != nil {
		return err
	}
	defer lock.Release()
	before, inv, err := diagnose(ctx, project, order.Account)
	if err != nil {
		return err
	}
	if !before.Allows(order.Order, order.Server) {
		return &apply.RefusedError{Reason: fmt.Sprintf("--%s %s is not possible as things are", order.Order, schema.QuoteName(order.Server)), Details: whyNot(before)}
	}
	r := &apply.Runner{Servers: project.Servers, State: project.Store, Lock: lock, Inventory: inv, Graceful: p.graceful, Holder: setup.Holder()}
	if err := r.Recover(ctx, project.Config, order); err != nil {
		return err
	}
	after, _, err := diagnose(ctx, project, order.Account)
	if err != nil {
		return err
	}
	p.view().Recovered(order, after)
	return nil
}

func whyNot(d apply.Diagnosis) []string {
	if len(d.Wrong) == 0 {
		return []string{"nothing is wrong with the records of " + schema.QuoteName(d.Account)}
	}
	return d.Wrong
}

// A server that was just started, perhaps by looking at it, asks the other one
// before it opens an account: that takes a moment.
const (
	settleTries = 20
	settlePause = 250 * time.Millisecond
)

// diagnose surveys the servers, again while one of them is about to hear from
// the other. An account that no server knows is a mistake in the name.
func diagnose(ctx context.Context, project *setup.Project, account string) (d apply.Diagnosis, inv *schema.Inventory, err error) {
	for range settleTries {
		if inv, err = project.Survey(ctx, true); err != nil {
			return d, nil, err
		}
		if d = apply.Diagnose(project.Config, inv, account); !d.Settling() {
			break
		}
		select {
		case <-ctx.Done():
			return d, nil, ctx.Err()
		case <-time.After(settlePause):
		}
	}
	known := false
	for _, s := range d.Sides {
		known = known || s.Owner.State != "" || s.Presence != schema.Present
	}
	if !known {
		return d, inv, &apply.RefusedError{Reason: fmt.Sprintf("no server has an account %s", schema.QuoteName(account))}
	}
	return d, inv, nil
}

package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// settingsOf is what the configuration says of an account: its own block, or
// the first pattern that matches it, under its name or one that it had before.
func settingsOf(c *schema.Config, name string, former ...string) schema.Account {
	names := append([]string{name}, former...)
	for _, a := range c.Migration.Accounts {
		if slices.Contains(names, a.Name) {
			a.Name = name
			return a
		}
	}
	match := func(globs []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return schema.MatchAny(globs, n) })
	}
	for _, p := range c.Migration.Patterns {
		if match(p.Include) && !match(p.Exclude) {
			return schema.Account{Name: name, DowntimeBudget: p.DowntimeBudget, Probes: p.Probes}
		}
	}
	return schema.Account{Name: name}
}

// formerNames are the names that an account had before it was renamed, as the
// configuration says and the planner follows it: a name that is still on a
// server is another account's.
func formerNames(c *schema.Config, inv *schema.Inventory, name string) []string {
	seen := map[string]bool{name: true}
	var former []string
	for todo := []string{name}; len(todo) > 0; todo = todo[1:] {
		for _, m := range c.Migration.Moved {
			if m.To != todo[0] || seen[m.From] || found(inv, m.From) {
				continue
			}
			seen[m.From] = true
			former, todo = append(former, m.From), append(todo, m.From)
		}
	}
	return former
}

func found(inv *schema.Inventory, account string) bool {
	if inv == nil {
		return false
	}
	for _, s := range inv.Servers {
		if s.Account(account) != nil {
			return true
		}
	}
	return false
}

// peer is how the agent of one server finds another one. Its identity is asked
// for anew: after a restart an agent may be elsewhere.
func (x *run) peer(ctx context.Context, s *server, credential string) (providers.Peer, error) {
	call, cancel := x.short(ctx)
	defer cancel()
	id, err := s.can.Owner.Identity(call)
	if err != nil {
		return providers.Peer{}, fmt.Errorf("ask server %s who it is: %w", schema.QuoteName(s.name), err)
	}
	if s.identity.Machine != "" && id.Machine != s.identity.Machine {
		return providers.Peer{}, fmt.Errorf("server %s is another machine now (%s, it was %s when this run claimed it): plan again",
			schema.QuoteName(s.name), id.Machine, s.identity.Machine)
	}
	return providers.Peer{Machine: id.Machine, Agent: id.Agent, Front: id.Front, Credential: credential}, nil
}

// pair makes both servers know each other for one account; the receiver is
// staged. The receiver comes first: an owner that is paired asks its peer after
// a reboot before it opens the account, and only a peer that has a record can
// answer. A run that dies between the two leaves an owner that asks nobody, and
// the planner pairs again.
func (x *run) pair(ctx context.Context, s *plan.Step) (done, error) {
	from, to, err := x.two(s)
	if err != nil {
		return done{}, err
	}
	credential := random(32)
	toPeer, err := x.peer(ctx, to, credential)
	if err != nil {
		return done{}, err
	}
	fromPeer, err := x.peer(ctx, from, credential)
	if err != nil {
		return done{}, err
	}
	if err := to.can.Owner.Stage(ctx, to.term, s.Account, s.Epoch, fromPeer); err != nil {
		return done{}, fmt.Errorf("stage %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(to.name), err)
	}
	if err := from.can.Owner.Pair(ctx, from.term, s.Account, s.Epoch, toPeer); err != nil {
		return done{}, fmt.Errorf("pair %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(from.name), err)
	}
	return done{}, nil
}

// confirm lets the origin of a switch learn, from the receiver itself, that the
// account is active there. Only then may its own copy become one again.
func (x *run) confirm(ctx context.Context, s *plan.Step) (done, error) {
	from, err := x.server(s.From)
	if err != nil {
		return done{}, err
	}
	// A run that died between the switch and its fact left that to us.
	if err := x.rememberSwitch(s, s.Epoch, schema.MigratedFact{Epoch: s.Epoch, To: s.To}); err != nil {
		return done{}, err
	}
	if err := from.can.Owner.Confirm(ctx, s.Account, s.Epoch); err != nil {
		return done{}, fmt.Errorf("confirm the switch of %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(from.name), err)
	}
	return done{}, nil
}

// rememberSwitch writes down that an account was switched to an epoch.
func (x *run) rememberSwitch(s *plan.Step, epoch uint64, m schema.MigratedFact) error {
	kind, id := schema.FactMigrated, plan.MigratedID(s.Account, epoch)
	if s.Phase == schema.PhaseVerify {
		kind, id = schema.FactRolledBack, plan.RolledBackID(s.Account, epoch)
	}
	f := x.fact(kind, id, m)
	f.Account, f.Server = s.Account, s.To
	return x.remember(f)
}

// unprepare brings a receiver that a dead run left prepared back to staged: it
// polls its origin, which has voided that token. One that turns out to be the
// owner is left alone, and the plan is of no use.
func (x *run) unprepare(ctx context.Context, s *plan.Step, to *server) error {
	status, err := to.can.Owner.Status(ctx, s.Account)
	if err != nil {
		return fmt.Errorf("status of %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(to.name), err)
	}
	if status.State != schema.StatePrepared {
		return nil
	}
	token, err := providers.ParseToken(status.Token)
	if err != nil {
		return fmt.Errorf("status of %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(to.name), err)
	}
	a, err := to.can.Owner.Activate(ctx, s.Account, token)
	switch {
	case err != nil:
		return fmt.Errorf("ask about the prepared copy of %s: %w", schema.QuoteName(s.Account), err)
	case a.State == schema.StatePrepared:
		return fmt.Errorf("the prepared copy of %s waits for its origin: %s: %w", schema.QuoteName(s.Account), a.Why, providers.ErrTemporary)
	case a.State == schema.StateActive:
		return fmt.Errorf("%s has been switched to server %s meanwhile: plan again", schema.QuoteName(s.Account), schema.QuoteName(to.name))
	}
	return nil
}

// archiveAccount writes a verified archive of an account that does not move. It
// is retired by then: nobody writes to it any more.
func (x *run) archiveAccount(ctx context.Context, s *plan.Step) (done, error) {
	on, err := x.server(s.Server)
	if err != nil {
		return done{}, err
	}
	if on.can.Disposer == nil {
		return done{}, on.cannot(schema.CanRetire)
	}
	digest, err := on.can.Disposer.ArchiveAccount(ctx, on.term, s.Account)
	if err != nil {
		return done{}, fmt.Errorf("archive %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(on.name), err)
	}
	f := x.fact(schema.FactDisposed, plan.DisposedAccountID(s.Account), plan.DisposedFact{Action: "archive", Ref: digest})
	f.Account, f.Server = s.Account, on.name
	return done{notes: []string{"archive " + digest}}, x.remember(f)
}

// retireAccount stops an account that does not move. Its data stays until the
// server is wiped. Where an archive has to follow, only that says that the
// disposition was carried out.
func (x *run) retireAccount(ctx context.Context, s *plan.Step) (done, error) {
	on, err := x.server(s.Server)
	if err != nil {
		return done{}, err
	}
	if on.can.Disposer == nil {
		return done{}, on.cannot(schema.CanRetire)
	}
	if err := on.can.Disposer.RetireAccount(ctx, on.term, s.Account, s.Epoch); err != nil {
		return done{}, fmt.Errorf("retire %s on server %s: %w", schema.QuoteName(s.Account), schema.QuoteName(on.name), err)
	}
	if s.Method == "archive" {
		return done{}, nil
	}
	f := x.fact(schema.FactDisposed, plan.RetiredAccountID(s.Account), plan.DisposedFact{Action: s.Method})
	f.Account, f.Server = s.Account, on.name
	return done{}, x.remember(f)
}

// refused: the ownership protocol said no, and saying it again would not help.
func refused(err error) bool { return errors.Is(err, providers.ErrRefused) }

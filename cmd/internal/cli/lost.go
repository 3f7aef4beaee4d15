package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

func (p *program) declareLost() *cobra.Command {
	var typed string
	c := &cobra.Command{
		Use: "declare-lost SERVER", Short: "Say that a server is gone for good, so that its accounts may open elsewhere", Args: exactly("SERVER"),
		Long: `Say that a server is gone for good. After a commit with one of the two servers
gone, nobody may guess who owns the account: only you can say that the other one
will never come back. It is refused while the server answers.

The lost server must be fenced off for ever: if it came back it would not know
that its accounts live elsewhere.`,
		RunE: func(c *cobra.Command, args []string) error {
			if typed != args[0] {
				return &apply.RefusedError{Reason: fmt.Sprintf("type the server's name again: --confirm %s", args[0])}
			}
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			inv, err := project.Survey(c.Context(), true)
			if err != nil {
				return err
			}
			opened, forgot, err := lost(c.Context(), project, inv, args[0])
			if err == nil || len(opened)+len(forgot) > 0 { // what was done before it failed is said too
				p.view().Lost(args[0], opened, forgot)
			}
			return err
		},
	}
	c.ValidArgsFunction = p.completeServers
	c.Flags().StringVar(&typed, "confirm", "", "the server's name, typed again")
	return c
}

// lost opens, on the server that is left, every account whose peer is the lost
// one. Those that are in use forget it: they would wait for its word after the
// next reboot.
func lost(ctx context.Context, project *setup.Project, inv *schema.Inventory, name string) (opened, forgot []string, err error) {
	m := project.Config.Migration
	other := m.Source
	if name == m.Source {
		other = m.Transit
	}
	gone, left := inv.Servers[name], inv.Servers[other]
	switch {
	case gone == nil:
		return nil, nil, &apply.RefusedError{Reason: fmt.Sprintf("the migration has no server %q", name)}
	case gone.Presence == schema.Present:
		return nil, nil, &apply.RefusedError{Reason: fmt.Sprintf("server %s answers: it is not lost", name)}
	case answers(ctx, project, name):
		return nil, nil, &apply.RefusedError{Reason: fmt.Sprintf("server %s answers, although its survey did not succeed (%s): it is not lost", name, gone.Error)}
	case left == nil || left.Presence != schema.Present:
		return nil, nil, &apply.RefusedError{Reason: fmt.Sprintf("server %s does not answer either", other)}
	}
	owner := project.Servers[other].Abilities().Owner
	if owner == nil {
		return nil, nil, errors.New("the server that is left keeps no records")
	}
	claimed, err := owner.Claim(ctx, providers.ClaimRequest{Name: m.Name, Migration: left.Claim.Migration,
		Nonce: fmt.Sprintf("lost-%d", time.Now().UnixNano()), Holder: setup.Holder()})
	if err != nil {
		return nil, nil, err
	}
	machines := machinesOf(schema.FactsOf(m.Name, left.Facts), name)
	for _, a := range left.Accounts {
		if !machines[a.Owner.Peer] {
			continue
		}
		if err := owner.DeclareLost(ctx, claimed.Term, a.Name, a.Owner.Peer); err != nil {
			if errors.Is(err, providers.ErrRefused) {
				continue // it is not this account that waits for the lost server
			}
			return opened, forgot, err
		}
		if a.Owner.Serves {
			forgot = append(forgot, a.Name)
		} else {
			opened = append(opened, a.Name)
		}
	}
	return opened, forgot, nil
}

// answers asks the server itself, whatever else went wrong with it.
func answers(ctx context.Context, project *setup.Project, name string) bool {
	owner := project.Servers[name].Abilities().Owner
	if owner == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := owner.Identity(ctx)
	return err == nil
}

// machinesOf are the machine identities that the migration knows under a
// server's name: only accounts whose peer is one of them wait for that server.
func machinesOf(facts []schema.Fact, name string) map[string]bool {
	out := map[string]bool{}
	for _, f := range facts {
		if f.Revoked || f.Server != name && f.Kind != schema.FactReinstall {
			continue
		}
		var m schema.MachineFact
		var r schema.ReinstallFact
		switch {
		case f.Kind == schema.FactMachine && json.Unmarshal(f.Value, &m) == nil:
			out[m.Machine] = true
		case f.Kind == schema.FactReinstall && f.Server == name && json.Unmarshal(f.Value, &r) == nil:
			out[r.Old], out[r.New] = true, true
		}
	}
	delete(out, "")
	return out
}

package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/schema"
)

func (p *program) inventory() *cobra.Command {
	var accounts []string
	var refresh bool
	c := &cobra.Command{
		Use: "inventory [ACCOUNT...]", Short: "Show what is on the servers now",
		Long: `Show what is on the servers now: accounts with their sizes, who owns them, runtimes,
things that no account owns. It changes nothing.

With ACCOUNT, which may be a glob, show all there is to say of these accounts:
mailboxes, databases, sites, services, keys. With --verbose, of all accounts, and
all that is known of the servers.

What was seen of a server lately may be shown again, with the time of that; with
--refresh every server is looked at now.`,
		Example: "  stopover inventory\n  stopover inventory 'shop-*'\n  stopover inventory --refresh --json",
		RunE: func(c *cobra.Command, args []string) error {
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			inv, err := project.Survey(c.Context(), refresh)
			if err != nil {
				return err
			}
			wanted := append(args, accounts...)
			if err := someFound(wanted, inv); err != nil {
				return err
			}
			p.view().Inventory(project.Config, ofAccounts(inv, wanted), len(wanted) > 0)
			return nil
		},
	}
	c.ValidArgsFunction = p.completeAccounts
	accountFlag(c, &accounts)
	refreshFlag(c, &refresh)
	return c
}

// someFound refuses a pattern that names no account on any server, if all of
// them could be asked.
func someFound(patterns []string, inv *schema.Inventory) error {
	for _, g := range patterns {
		found := false
		for _, s := range inv.Servers {
			found = found || s.Presence == schema.Unreachable || slices.ContainsFunc(s.Accounts, func(a *schema.FoundAccount) bool { return picked([]string{g}, a.Name) })
		}
		if !found {
			return fmt.Errorf("no account on the servers matches %q; stopover inventory lists them", g)
		}
	}
	return nil
}

// ofAccounts is an inventory without the other accounts. What is known of the
// servers stays.
func ofAccounts(inv *schema.Inventory, patterns []string) *schema.Inventory {
	if len(patterns) == 0 {
		return inv
	}
	out := *inv
	out.Servers = map[string]*schema.FoundServer{}
	for name, s := range inv.Servers {
		narrow := *s
		narrow.Accounts = slices.DeleteFunc(slices.Clone(s.Accounts), func(a *schema.FoundAccount) bool { return !picked(patterns, a.Name) })
		if narrow.Accounts == nil {
			narrow.Accounts = []*schema.FoundAccount{}
		}
		out.Servers[name] = &narrow
	}
	return &out
}

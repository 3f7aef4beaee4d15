package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

func (p *program) check() *cobra.Command {
	var accounts []string
	var refresh bool
	c := &cobra.Command{
		Use: "check", Short: "Look for what stands in the way, without planning anything", Args: atMost(),
		Long: `Look at the servers, at the DNS if the configuration says where to ask, and at
the configuration's own checks and policies, and show what was found. It changes
nothing.

It exits with 4 when a blocker was found, with 0 otherwise: warnings are worth
reading, but stop nothing. What a waiver lets pass is no blocker.`,
		Example: "  stopover check\n  stopover check --account 'shop-*' --json",
		RunE: func(c *cobra.Command, _ []string) error {
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			computed, err := project.Compute(c.Context(), setup.Request{Now: time.Now(), Refresh: refresh})
			if err != nil {
				return err
			}
			if err := someMatch(accounts, computed); err != nil {
				return err
			}
			findings := append(slices.Clone(computed.Plan.Findings), computed.Plan.Dates.Findings...)
			if len(accounts) > 0 {
				findings = slices.DeleteFunc(findings, func(f schema.Finding) bool { return f.Account == "" || !picked(accounts, f.Account) })
			}
			v := p.view()
			for _, n := range computed.Notes {
				v.Note(n)
			}
			if computed.Inventory.DNS == nil {
				v.Note("DNS was not looked at: the configuration has no dns block.")
			}
			v.Findings(findings)
			if slices.ContainsFunc(findings, func(f schema.Finding) bool { return f.Blocks() }) {
				p.exit = apply.ExitRefused
			}
			return nil
		},
	}
	accountFlag(c, &accounts)
	refreshFlag(c, &refresh)
	return c
}

// refreshFlag adds --refresh, as all commands have it that look at servers and
// act on none.
func refreshFlag(c *cobra.Command, refresh *bool) {
	c.Flags().BoolVar(refresh, "refresh", false, "look at the servers now; without it, what was seen of one lately may be used again")
}

// accountFlag adds --account, as all commands have it.
func accountFlag(c *cobra.Command, accounts *[]string) {
	c.Flags().StringArrayVar(accounts, "account", nil, "only these accounts; a glob as in 'shop-*' (repeatable)")
}

// picked says whether one of the patterns names the account: as it is, or as a
// glob over its escaped name, where * and ? cannot stand in a name.
func picked(patterns []string, name string) bool {
	escaped, err := schema.EscapeName(name)
	return slices.ContainsFunc(patterns, func(g string) bool { return g == name || err == nil && plan.Glob(g, escaped) })
}

// someMatch refuses a pattern that names no account at all: a spelling mistake
// must not look like an account without findings.
func someMatch(patterns []string, computed *setup.Computed) error {
	names := accountNames(computed)
	for _, g := range patterns {
		if !slices.ContainsFunc(names, func(n string) bool { return picked([]string{g}, n) }) {
			return fmt.Errorf("--account: no account matches %q; stopover status lists them", g)
		}
	}
	return nil
}

// accountNames are the accounts of the plan and of the servers, those that do
// not move included.
func accountNames(computed *setup.Computed) []string {
	var names []string
	for i := range computed.Plan.Accounts {
		names = append(names, computed.Plan.Accounts[i].Name)
	}
	for _, s := range computed.Inventory.Servers {
		for _, a := range s.Accounts {
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

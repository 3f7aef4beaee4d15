package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// completionPatience bounds how long a shell waits for servers while somebody
// presses the tab key.
const completionPatience = 5 * time.Second

type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completing offers what a plan computed now holds, and was not said yet.
// Without a plan it offers nothing, and no file names either.
func (p *program) completing(pick func(*plan.Plan) []string) completer {
	return func(_ *cobra.Command, said []string, _ string) ([]string, cobra.ShellCompDirective) {
		computed := p.computeForCompletion()
		if computed == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		left := slices.DeleteFunc(pick(computed.Plan), func(s string) bool { return slices.Contains(said, s) })
		return left, cobra.ShellCompDirectiveNoFileComp
	}
}

func (p *program) computeForCompletion() *setup.Computed {
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	project, _, err := setup.Open(ctx, p.dir, p.vars...)
	if err != nil {
		return nil
	}
	defer project.Close()
	computed, err := project.Compute(ctx, setup.Request{Now: time.Now()})
	if err != nil {
		return nil
	}
	return computed
}

// completeAccounts offers accounts: those of the plan if the servers answer in
// time, those that the configuration names otherwise.
func (p *program) completeAccounts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	if computed := p.computeForCompletion(); computed != nil {
		return typeable(accountNames(computed)), cobra.ShellCompDirectiveNoFileComp
	}
	cfg, _ := setup.Parse(p.dir, p.vars...)
	if cfg == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, a := range cfg.Migration.Accounts {
		names = append(names, a.Name)
	}
	return typeable(names), cobra.ShellCompDirectiveNoFileComp
}

// completeServers offers the servers of the migration.
func (p *program) completeServers(_ *cobra.Command, said []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, _ := setup.Parse(p.dir, p.vars...)
	if cfg == nil || len(said) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{cfg.Migration.Source, cfg.Migration.Transit}, cobra.ShellCompDirectiveNoFileComp
}

// completeSource offers the name that confirms the reinstallation.
func (p *program) completeSource(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, _ := setup.Parse(p.dir, p.vars...)
	if cfg == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{cfg.Migration.Source}, cobra.ShellCompDirectiveNoFileComp
}

// typeable leaves out names that a shell could not take back as one word.
func typeable(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return schema.QuoteName(n) != n })
}

// completeFlags completes the flags that several commands have.
func (p *program) completeFlags(root *cobra.Command) {
	known := map[string]completer{"account": p.completeAccounts, "until": words(schema.Phases()...), "confirm-reinstall": p.completeSource}
	for _, c := range root.Commands() {
		for name, f := range known {
			if c.Flags().Lookup(name) != nil {
				p.completeFlag(c, name, f)
			}
		}
	}
}

// completeFlag says what completes a flag's value. It can fail only for a flag
// that does not exist.
func (p *program) completeFlag(c *cobra.Command, name string, f completer) {
	if err := c.RegisterFlagCompletionFunc(name, f); err != nil {
		panic(err)
	}
}

// words completes with a fixed list.
func words(list ...string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// firstArgument completes the first argument with a list, and no other.
func firstArgument(list func() []string) completer {
	return func(_ *cobra.Command, said []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(said) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return list(), cobra.ShellCompDirectiveNoFileComp
	}
}

// openGates are the ids of the gates that can be approved.
func openGates(p *plan.Plan) []string {
	var out []string
	for _, g := range p.Waiting() {
		if g.Evidence != "" {
			out = append(out, string(g.ID))
		}
	}
	return out
}

// movable are the accounts that a rollback may name. A name that a shell could
// not take back as one word is left out.
func movable(p *plan.Plan) []string {
	var out []string
	for i := range p.Accounts {
		if a := &p.Accounts[i]; a.RollbackOK {
			out = append(out, a.Name)
		}
	}
	return typeable(out)
}

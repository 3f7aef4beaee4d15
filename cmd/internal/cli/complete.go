package cli

import (
	"context"
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

// completing offers what a plan computed now holds. Without one it offers
// nothing, and no file names either.
func (p *program) completing(pick func(*plan.Plan) []string) completer {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
		defer cancel()
		project, _, err := setup.Open(ctx, p.dir, p.vars...)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer project.Close()
		computed, err := project.Compute(ctx, setup.Request{Now: time.Now()})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return pick(computed.Plan), cobra.ShellCompDirectiveNoFileComp
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
		if a := &p.Accounts[i]; a.RollbackOK && schema.QuoteName(a.Name) == a.Name {
			out = append(out, a.Name)
		}
	}
	return out
}

package cli

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/cmd/internal/view"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

func (p *program) statusCommand() *cobra.Command {
	var accounts []string
	var refresh bool
	c := &cobra.Command{
		Use: "status", Short: "Show where every account is and what is waited for", Args: atMost(),
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
			log, err := project.Store.Load(c.Context())
			if err != nil {
				return err
			}
			if err := someMatch(accounts, computed); err != nil {
				return err
			}
			if len(accounts) > 0 {
				computed.Plan = narrowed(computed.Plan, accounts)
			}
			p.view().Status(view.Situation{Plan: computed.Plan, Inventory: computed.Inventory, Past: computed.Past, Last: report.LastRun(log)})
			return nil
		},
	}
	accountFlag(c, &accounts)
	refreshFlag(c, &refresh)
	return c
}

// narrowed is a plan as somebody sees it who asks about some accounts only: of
// what is about accounts, theirs; of what is about servers, all.
func narrowed(p *plan.Plan, accounts []string) *plan.Plan {
	out := *p
	other := func(account string) bool { return account != "" && !picked(accounts, account) }
	out.Accounts = slices.DeleteFunc(slices.Clone(p.Accounts), func(a plan.AccountPlan) bool { return other(a.Name) })
	out.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s plan.Step) bool { return other(s.Account) })
	out.Gates = slices.DeleteFunc(slices.Clone(p.Gates), func(g plan.Gate) bool { return other(g.Account) })
	out.Findings = slices.DeleteFunc(slices.Clone(p.Findings), func(f schema.Finding) bool { return other(f.Account) })
	out.Altered = slices.DeleteFunc(slices.Clone(p.Altered), func(a plan.Altered) bool { return other(a.Account) })
	out.Dates.Timetable = slices.DeleteFunc(slices.Clone(p.Dates.Timetable), func(a plan.Appointment) bool { return other(a.Account) })
	return &out
}

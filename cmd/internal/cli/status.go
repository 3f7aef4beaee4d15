package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/cmd/internal/view"
)

func (p *program) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show where every account is and what is waited for", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			computed, err := project.Compute(c.Context(), setup.Request{Now: time.Now()})
			if err != nil {
				return err
			}
			log, err := project.Store.Load(c.Context())
			if err != nil {
				return err
			}
			p.view().Status(view.Situation{Plan: computed.Plan, Inventory: computed.Inventory, Past: computed.Past, Last: report.LastRun(log)})
			return nil
		},
	}
}

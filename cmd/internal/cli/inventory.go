package cli

import "github.com/spf13/cobra"

func (p *program) inventory() *cobra.Command {
	return &cobra.Command{
		Use: "inventory", Short: "Show what is on the servers now", Args: atMost(),
		Long: "Show what is on the servers now: accounts with their sizes, who owns them, runtimes, things that no account owns. It changes nothing.",
		RunE: func(c *cobra.Command, _ []string) error {
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			inv, err := project.Survey(c.Context())
			if err != nil {
				return err
			}
			p.view().Inventory(project.Config, inv)
			return nil
		},
	}
}

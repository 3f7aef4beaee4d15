package cli

import (
	"github.com/spf13/cobra"

	"github.com/stopover/stopover/cmd/internal/setup"
)

func (p *program) validate() *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "Check the configuration without asking any server", Args: atMost(),
		RunE: func(*cobra.Command, []string) error {
			_, diags := setup.Parse(p.dir, p.vars...)
			p.view().Validated(diags)
			if diags.HasErrors() {
				return &setup.ConfigError{Diagnostics: diags}
			}
			return nil
		},
	}
}

func (p *program) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: atMost(),
		RunE: func(*cobra.Command, []string) error {
			p.view().Version(setup.Version)
			return nil
		},
	}
}

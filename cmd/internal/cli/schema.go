package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/cmd/internal/format"
)

func (p *program) schema() *cobra.Command {
	return &cobra.Command{
		Use: "schema NAME", Short: "Print the JSON Schema of a format", Args: exactly("NAME"),
		Long: `Print the JSON Schema (draft 2020-12) of what the program reads or writes as JSON:

  language   configurations as *.stopover.hcl.json, for editors and generators
  plan       plan --json, show --json
  inventory  inventory --json
  report     report --json
  events     each line of apply --json
  status     status --json
  check      check --json
  validate   validate --json

The formats have the version ` + format.Version + `: the second number grows when something is added,
the first one when something changes.`,
		Example:           "  stopover schema language > stopover.schema.json",
		ValidArgsFunction: firstArgument(format.Names),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := format.Schema(args[0])
			if err != nil {
				return err
			}
			p.view().Text([]byte(strings.TrimRight(string(b), "\n") + "\n"))
			return nil
		},
	}
}

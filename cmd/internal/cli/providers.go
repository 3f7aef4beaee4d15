package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/all"
)

func (p *program) providers() *cobra.Command {
	return &cobra.Command{
		Use: "providers [NAME]", Short: "List the kinds of servers and their options", Args: atMost("NAME"),
		Long: `List the kinds of servers that this program can speak to, with the options that
a server of the kind may have in the configuration.`,
		ValidArgsFunction: firstArgument(providerNames),
		RunE: func(_ *cobra.Command, args []string) error {
			kinds := all.Kinds()
			if len(args) == 1 {
				kinds = slices.DeleteFunc(kinds, func(k providers.Kind) bool { return k.Name != args[0] })
				if len(kinds) == 0 {
					return noProvider(args[0])
				}
			}
			p.view().Providers(kinds)
			return nil
		},
	}
}

func providerNames() []string {
	var out []string
	for _, k := range all.Kinds() {
		out = append(out, k.Name)
	}
	return out
}

func noProvider(name string) error {
	return fmt.Errorf("there is no provider %q; this version has %s", name, strings.Join(providerNames(), ", "))
}

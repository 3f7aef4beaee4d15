package cli

import (
	"github.com/spf13/cobra"

	"github.com/stopover/stopover/providers/local"
)

// pocketServer is the process of a pocket server; the tool starts it on demand.
func (p *program) pocketServer() *cobra.Command {
	var dir string
	var stop bool
	c := &cobra.Command{
		Use: "pocket-server", Short: "Run, or stop, the process of a pocket server", Args: atMost(), Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if stop {
				return local.Stop(c.Context(), dir)
			}
			p.exit = local.Process{Log: p.err}.Main(dir)
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the pocket server")
	c.Flags().BoolVar(&stop, "stop", false, "end the server's process and its accounts' programs")
	return c
}

package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/cmd/internal/dnssheet"
	"github.com/stopover/stopover/cmd/internal/setup"
)

func (p *program) dns() *cobra.Command {
	var accounts []string
	var table string
	var refresh bool
	c := &cobra.Command{
		Use: "dns", Short: "Say what has to be done with DNS records, by whom and until when", Args: atMost(),
		Long: `Show, for every name that the accounts have, what has to be done with its DNS
records: by whom, before or after which phase, and until when, with the time that
resolvers keep the old answer taken off. The rules are those of the process.
Stopover itself changes no record.

Which records there are is looked up if the configuration has a dns block.
Without one the sheet says what to look for.`,
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
			sheet := dnssheet.Make(computed.Plan, computed.Inventory)
			if len(accounts) > 0 {
				sheet = sheet.Only(func(account string) bool { return picked(accounts, account) })
			}
			if table != "" {
				b, err := sheet.Table()
				if err == nil {
					err = store(table, b)
				}
				if err != nil {
					return err
				}
			}
			p.view().DNS(sheet, project.Config, table)
			return nil
		},
	}
	accountFlag(c, &accounts)
	refreshFlag(c, &refresh)
	c.Flags().StringVar(&table, "csv", "", "write the sheet as a table into this file")
	return c
}

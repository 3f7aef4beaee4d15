package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

func (p *program) approve() *cobra.Command {
	var by, note, at, evidence string
	var revoke, refresh bool
	c := &cobra.Command{
		Use: "approve GATE", Short: "Close a gate, or take an approval away", Args: exactly("GATE"),
		Long: `Close a gate that waits for somebody's word, such as 'verify.accept[shop]'.
GATE may be a glob: 'verify.accept[*]' accepts every account that can be accepted
and that answers as before. One that answers differently has to be named.

An approval names the evidence that was looked at ("stopover status" prints it),
so it never holds for a newer copy. Before there is evidence it is refused.`,
		Example: "  stopover approve 'verify.accept[shop]'\n  stopover approve 'verify.accept[*]' --note 'looked at all sites'",
		RunE: func(c *cobra.Command, args []string) error {
			when := time.Time{}
			if at != "" {
				var err error
				if when, err = time.Parse(time.RFC3339, at); err != nil {
					return fmt.Errorf("--at: %q is not a time like 2026-11-23T22:00:00Z", at)
				}
			}
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			computed, err := project.Compute(c.Context(), setup.Request{Now: time.Now(), Refresh: refresh})
			if err != nil {
				return err
			}
			a := &apply.Approver{State: project.Store, Servers: present(project, computed.Inventory)}
			if revoke {
				taken, err := a.Revoke(c.Context(), computed.Plan, args[0], by)
				if err == nil {
					p.view().Revoked(taken)
				}
				return err
			}
			out, err := a.ApproveAll(c.Context(), computed.Plan, apply.Approval{Gate: args[0], By: by, Evidence: evidence, At: when, Note: note})
			if err == nil {
				p.view().Approved(out)
			}
			return err
		},
	}
	c.ValidArgsFunction = p.completing(openGates)
	c.Flags().StringVar(&by, "by", setup.By(), "who approves; you, on this machine, by default")
	c.Flags().Lookup("by").DefValue = "" // help is the same everywhere
	c.Flags().StringVar(&note, "note", "", "why, for the record")
	c.Flags().StringVar(&at, "at", "", "when it was approved, as 2026-11-23T22:00:00Z; default now")
	c.Flags().StringVar(&evidence, "evidence", "", "digest that was looked at; refused when the gate shows another one")
	c.Flags().BoolVar(&revoke, "revoke", false, "take approvals away that were not used yet")
	refreshFlag(c, &refresh)
	return c
}

// present are the servers that answer.
func present(project *setup.Project, inv *schema.Inventory) map[string]providers.Server {
	out := map[string]providers.Server{}
	for name, s := range project.Servers {
		if f := inv.Servers[name]; f != nil && f.Presence == schema.Present {
			out[name] = s
		}
	}
	return out
}

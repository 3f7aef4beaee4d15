package cli

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/plan"
)

func (p *program) rollback() *cobra.Command {
	var flags applyFlags
	var dry bool
	c := &cobra.Command{
		Use: "rollback ACCOUNT...", Short: "Move accounts back to the source server", Args: some("ACCOUNT"),
		Long: `Move accounts that are on the transit server back to the source, with
everything that was written since. The process says until when that is possible.
A later apply moves them again.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			request := setup.Request{Goal: plan.Goal{Rollback: args}, Now: time.Now(), Refresh: true}
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			lock, err := project.Store.Lock(c.Context(), state.Holder{Who: setup.Holder(), Doing: "rollback", Started: time.Now().UTC()})
			if err != nil {
				return err
			}
			defer lock.Release()
			computed, err := project.Compute(c.Context(), request)
			if err != nil {
				return err
			}
			v := p.view()
			if dry {
				v.Plan(computed.Plan, computed.Notes, "")
				return nil
			}
			v.Planned(computed.Plan, computed.Notes)
			if len(computed.Plan.Runnable()) == 0 {
				if computed.Plan.Blocked() {
					return &apply.RefusedError{Reason: "the rollback is refused; the findings above say why"}
				}
				return nil
			}
			if err := p.ask(flags, computed.Plan); err != nil {
				return err
			}
			err = p.run(c.Context(), project, lock, v, flags, request, computed, nil)
			var waiting *apply.WaitingError
			if errors.As(err, &waiting) {
				return nil
			}
			return err
		},
	}
	flags.add(c)
	c.ValidArgsFunction = p.completing(movable)
	c.Flags().BoolVar(&dry, "plan", false, "only show the steps")
	return c
}

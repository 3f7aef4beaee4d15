package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/apply/state"
)

func (p *program) unlock() *cobra.Command {
	return &cobra.Command{
		Use: "unlock", Short: "Remove the lock of a run that died", Args: atMost(),
		Long: `Remove the lock that a run left behind on the state when it died. It says whose it
was. While its holder lives it is refused, and there is no way to force it: stop
that run, or wait for it. Whether a holder on another machine lives can take a
while to find out.

apply and rollback need no unlock: they wait out a lock whose holder is dead.`,
		RunE: func(c *cobra.Command, _ []string) error {
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			u, ok := project.Store.(state.Unlocker)
			if !ok {
				return &apply.RefusedError{Reason: "this state store frees its lock itself: there is nothing to unlock"}
			}
			was, err := u.Unlock(c.Context())
			if errors.Is(err, state.ErrNotLocked) { // what was asked for holds
				p.view().Unlocked(nil)
				return nil
			}
			if err != nil {
				return err
			}
			p.view().Unlocked(&was)
			return nil
		},
	}
}

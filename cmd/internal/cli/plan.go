package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/view"
	"github.com/stopover/stopover/plan"
)

// maxPlan bounds a plan file that is read, in bytes.
const maxPlan = 1 << 30

func (p *program) plan() *cobra.Command {
	var goal goalFlags
	var out string
	var detailed, refresh bool
	c := &cobra.Command{
		Use: "plan", Short: "Show the steps that are left", Args: atMost(),
		Long: "Read what is on the servers now and show the steps that are left, with the downtime they will cost and who must do what. It changes nothing.",
		RunE: func(c *cobra.Command, _ []string) error {
			request, err := goal.request()
			if err != nil {
				return err
			}
			request.Refresh = refresh
			project, err := p.open(c.Context())
			if err != nil {
				return err
			}
			defer project.Close()
			if err := confirmedSource(goal.confirmed, project.Config.Migration); err != nil {
				return err
			}
			computed, err := project.Compute(c.Context(), request)
			if err != nil {
				return err
			}
			if err := goal.chosen(computed); err != nil {
				return err
			}
			if out != "" {
				if err := savePlan(out, computed.Plan); err != nil {
					return err
				}
			}
			p.view().Plan(computed.Plan, computed.Notes, out)
			if detailed {
				p.exit = detailedExit(computed.Plan)
			}
			return nil
		},
	}
	goal.add(c.Flags())
	refreshFlag(c, &refresh)
	c.Flags().StringVarP(&out, "out", "o", "", "save the plan in this file, for review and for apply")
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 when there are steps to do, with 4 when blockers leave none that could be done or a policy forbids them")
	return c
}

// detailedExit tells a script whether there is anything to do.
func detailedExit(p *plan.Plan) int {
	switch {
	case p.Blocked() && len(p.Runnable()) == 0, len(p.Refusals()) > 0:
		return apply.ExitRefused
	case len(p.Steps) > 0:
		return exitChanges
	}
	return apply.ExitDone
}

func savePlan(path string, p *plan.Plan) error {
	b, err := plan.Encode(p)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(path, b, 0o600, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("save the plan in %s: %w", path, because(err))
	}
	return nil
}

// because is why a file could not be opened, without the name of the file again
// or that of a temporary one.
func because(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func loadPlan(path string) (*plan.Plan, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read plan %s: %w", path, because(err))
	}
	if info.Size() > maxPlan || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read plan %s: it is not a plan file", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read plan %s: %w", path, because(err))
	}
	saved, err := plan.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("read plan %s: %w", path, err)
	}
	return saved, nil
}

func (p *program) show() *cobra.Command {
	var f formatFlags
	c := &cobra.Command{
		Use: "show PLAN", Short: "Show a saved plan without asking any server", Args: exactly("PLAN"),
		Example: "  stopover show plan.json\n  stopover show plan.json --format markdown --out review.md",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.check(p.json); err != nil {
				return err
			}
			saved, err := loadPlan(args[0])
			if err != nil {
				return err
			}
			return p.shown(&f, func(v *view.View, format string) error { return v.PlanAs(saved, nil, "", format) })
		},
	}
	p.formatFlags(c, &f)
	return c
}

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/cmd/internal/view"
	"github.com/stopover/stopover/plan"
)

// applyFlags are the flags of apply and rollback.
type applyFlags struct {
	goal     goalFlags
	yes      bool
	parallel int
	lease    time.Duration
}

// minLease keeps the lease above what a busy machine needs to answer.
const minLease = time.Second

func (f *applyFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.yes, "auto-approve", false, "do not ask before beginning")
	c.Flags().IntVar(&f.parallel, "parallel", 0, "accounts moved at once; 0 as the process says")
	c.Flags().DurationVar(&f.lease, "lease", 30*time.Second, "how long a frozen account waits for a word of this run before it opens again by itself")
}

func (f *applyFlags) check() error {
	if f.lease < minLease || f.lease > 5*time.Minute {
		return fmt.Errorf("--lease: %v is not between %v and 5m", f.lease, minLease)
	}
	if f.parallel < 0 {
		return fmt.Errorf("--parallel: %d is negative", f.parallel)
	}
	return nil
}

func (p *program) apply() *cobra.Command {
	var flags applyFlags
	c := &cobra.Command{
		Use: "apply [PLAN]", Short: "Do the steps that are left, or those of a saved plan", Args: cobra.MaximumNArgs(1),
		Long: `Do the steps that are left, until everything is done or only gates are left.

With a saved PLAN, only its steps are done, and only if what is on the servers
still fits: otherwise it exits with 4 and names the difference.

Ctrl-C once finishes or undoes the running cutover and stops; twice stops now.
Running apply again always goes on from where things are.`,
		RunE: func(c *cobra.Command, args []string) error {
			request, err := flags.goal.request()
			if err == nil {
				err = flags.check()
			}
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return p.applySaved(c.Context(), args[0], flags, request)
			}
			return p.applyFresh(c.Context(), flags, request)
		},
	}
	flags.goal.add(c.Flags())
	flags.add(c)
	return c
}

// applyFresh plans and applies until nothing more can be done: what a step
// makes known (a server that was provisioned, a probe that passed) may open
// more steps.
func (p *program) applyFresh(ctx context.Context, flags applyFlags, request setup.Request) error {
	project, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer project.Close()
	lock, err := project.Store.Lock(ctx, state.Holder{Who: setup.Holder(), Doing: "apply", Started: time.Now().UTC()})
	if err != nil {
		return err
	}
	defer lock.Release()
	v := p.view()
	var last string
	for round := 0; ; round++ {
		request.Now = time.Now()
		computed, err := project.Compute(ctx, request)
		if err != nil {
			return err
		}
		if round == 0 {
			v.Planned(computed.Plan, computed.Notes)
			if err := p.ask(flags, computed.Plan); err != nil {
				return err
			}
		}
		runnable := computed.Plan.Runnable()
		if len(runnable) == 0 || fingerprint(runnable) == last {
			return conclusion(v, computed.Plan)
		}
		last = fingerprint(runnable)
		if err := p.run(ctx, project, lock, v, flags, request, computed); err != nil {
			var waiting *apply.WaitingError
			if errors.As(err, &waiting) {
				continue // a fresh plan says what is left, and whether it is only gates
			}
			return err
		}
	}
}

// fingerprint names a set of steps, to see that a round has changed nothing.
func fingerprint(steps []plan.Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(string(s.ID))
		b.WriteByte('\n')
	}
	return b.String()
}

// conclusion is the last word of an apply that could do everything it may.
func conclusion(v *view.View, p *plan.Plan) error {
	v.Concluded(p)
	if p.Blocked() {
		return &apply.RefusedError{Reason: "the plan has blockers; what they do not stop is done"}
	}
	var open []plan.Gate
	for _, g := range p.Gates {
		if g.Open {
			open = append(open, g)
		}
	}
	if len(open) > 0 {
		return &apply.WaitingError{Gates: open}
	}
	return nil
}

func (p *program) run(ctx context.Context, project *setup.Project, lock state.Lock, v *view.View, flags applyFlags, request setup.Request, computed *setup.Computed) error {
	r := &apply.Runner{
		Servers: project.Servers, State: project.Store, Lock: lock, Inventory: computed.Inventory,
		Observe: v.Event, Graceful: p.graceful, Holder: setup.Holder(), Confirmed: request.Confirmed, Parallel: flags.parallel,
		Settings: apply.Settings{Lease: flags.lease},
	}
	result, err := r.Run(ctx, computed.Plan)
	v.Result(result, err)
	return err
}

func (p *program) applySaved(ctx context.Context, path string, flags applyFlags, request setup.Request) error {
	saved, err := loadPlan(path)
	if err != nil {
		return err
	}
	project, err := setup.OpenConfig(ctx, p.dir, saved.Config)
	if err != nil {
		return err
	}
	defer project.Close()
	lock, err := project.Store.Lock(ctx, state.Holder{Who: setup.Holder(), Doing: "apply " + path, Started: time.Now().UTC()})
	if err != nil {
		return err
	}
	defer lock.Release()
	if saved.Blocked() {
		p.view().Planned(saved, nil)
		return &apply.RefusedError{Reason: "the saved plan has blockers"}
	}
	request.Goal = saved.Goal
	fresh, err := project.Compute(ctx, request)
	if err != nil {
		return err
	}
	if err := apply.Check(saved, fresh.Plan); err != nil {
		return err
	}
	// What the saved plan only projected does not run from its file.
	fresh.Plan = plan.Within(saved, fresh.Plan)
	v := p.view()
	v.Planned(fresh.Plan, fresh.Notes)
	if err := p.run(ctx, project, lock, v, flags, request, fresh); err != nil {
		return err
	}
	after, err := project.Compute(ctx, request)
	if err != nil {
		return err
	}
	return conclusion(v, after.Plan)
}

// ask lets a person at a terminal say yes. Programs say --auto-approve.
func (p *program) ask(flags applyFlags, plan *plan.Plan) error {
	if flags.yes || len(plan.Runnable()) == 0 {
		return nil
	}
	f, ok := p.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &apply.RefusedError{Reason: "nobody can be asked here: review the plan and say --auto-approve, or save it with plan --out and apply that file"}
	}
	fmt.Fprint(p.err, "\nDo these steps? Only \"yes\" goes on: ")
	line, err := bufio.NewReader(p.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return &apply.RefusedError{Reason: "nothing was done"}
	}
	return nil
}

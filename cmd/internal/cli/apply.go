package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
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
	wait     bool
	timeout  time.Duration
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
	if f.timeout < 0 {
		return fmt.Errorf("--wait-timeout: %v is negative", f.timeout)
	}
	if f.timeout > 0 && !f.wait {
		return errors.New("--wait-timeout: it says how long --wait may take; without --wait nothing waits")
	}
	return nil
}

func (p *program) apply() *cobra.Command {
	var flags applyFlags
	c := &cobra.Command{
		Use: "apply [PLAN]", Short: "Do the steps that are left, or those of a saved plan", Args: atMost("PLAN"),
		Long: `Do the steps that are left, until everything is done or only gates and closed
windows are left. Then it exits with 3 and says who must do what, and when which
window opens; with --wait it stays, looks again every few minutes at most, and goes
on by itself. While it sleeps it holds no lock.

With a saved PLAN, only its steps are done, and only if what is on the servers
still fits: otherwise it exits with 4 and names the difference. With --wait it
waits for their windows, but not for gates: what is behind those is another plan.

When a policy of severity "blocker" fails, the whole plan is refused: nothing is
done, and it exits with 4.

An account that failed is not tried again by the same --wait.

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
	c.Flags().BoolVar(&flags.wait, "wait", false, "wait for windows to open, for gates to be closed and for servers to come up, and go on; Ctrl-C stops at once")
	c.Flags().DurationVar(&flags.timeout, "wait-timeout", 0, "give up after waiting so long in all, as in 12h; 0 waits for ever")
	return c
}

// applyFresh plans and applies, and with --wait goes on whenever more can be
// done.
func (p *program) applyFresh(ctx context.Context, flags applyFlags, request setup.Request) error {
	project, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer project.Close()
	if err := confirmedSource(flags.goal.confirmed, project.Config.Migration); err != nil {
		return err
	}
	v := p.view()
	asked := false
	return p.waiting(ctx, flags, v, project, request, nil, func(ctx context.Context, failed map[string]bool) ([]plan.ID, error) {
		return p.applyRounds(ctx, project, v, flags, request, failed, &asked)
	})
}

// waiting runs once, or with --wait again and again. While it sleeps it holds no
// lock: approvals, a rollback and other runs are not kept out for days.
func (p *program) waiting(ctx context.Context, flags applyFlags, v *view.View, project *setup.Project, request setup.Request, saved *plan.Plan, once func(context.Context, map[string]bool) ([]plan.ID, error)) error {
	if !flags.wait {
		_, err := once(ctx, nil)
		return err
	}
	w := &waiter{clock: state.System{}, graceful: p.graceful, timeout: flags.timeout, gates: saved == nil, tell: v.Event, once: once,
		look: func(ctx context.Context, failed map[string]bool) (*plan.Plan, error) {
			// Waiting must not weigh on a server: what is remembered does until
			// there is something to run, which then looks anew.
			request.Now = time.Now()
			computed, err := project.Compute(ctx, request)
			if err != nil {
				return nil, err
			}
			if saved != nil {
				computed.Plan = plan.Within(saved, computed.Plan)
			}
			return apply.LeaveOut(computed.Plan, failed), nil
		}}
	return w.run(ctx)
}

// applyRounds plans and applies until nothing more can be done: what a step
// makes known (a server that was provisioned, a probe that passed) may open
// more steps. It returns the steps that could be done once more and would only
// show the same again, such as the trial of a database that failed it.
func (p *program) applyRounds(ctx context.Context, project *setup.Project, v *view.View, flags applyFlags, request setup.Request, failed map[string]bool, asked *bool) ([]plan.ID, error) {
	lock, err := project.Store.Lock(ctx, state.Holder{Who: setup.Holder(), Doing: "apply", Started: time.Now().UTC()})
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	did := map[plan.ID]bool{}
	var last string
	for {
		request.Now, request.Refresh = time.Now(), true
		computed, err := project.Compute(ctx, request)
		if err != nil {
			return nil, err
		}
		computed.Plan = apply.LeaveOut(computed.Plan, failed)
		ready := apply.Ready(computed.Plan, request.Now)
		if !*asked {
			if err := flags.goal.chosen(computed); err != nil {
				return nil, err
			}
			v.Planned(computed.Plan, computed.Notes)
		}
		if err := apply.Permit(computed.Plan); err != nil {
			return nil, err
		}
		if !*asked {
			if flags.wait || len(ready) > 0 {
				if err := p.ask(flags, computed.Plan); err != nil {
					return nil, err
				}
			}
			*asked = true
		}
		now := fingerprint(computed.Plan.Runnable())
		if now == last || !slices.ContainsFunc(ready, func(id plan.ID) bool { return !did[id] }) {
			return ready, conclusion(v, computed.Plan, flags.wait)
		}
		last = now
		if err := p.run(ctx, project, lock, v, flags, request, computed, did); err != nil {
			var waiting *apply.WaitingError
			var refused *apply.RefusedError
			if errors.As(err, &waiting) || errors.As(err, &refused) && refused.Blocked {
				continue // a fresh plan says what is left, and whether it is only gates and windows
			}
			return nil, err
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

// conclusion is the last word of an apply that could do everything it may. One
// that waits goes on with what blockers do not stop.
func conclusion(v *view.View, p *plan.Plan, wait bool) error {
	v.Concluded(p)
	waits := apply.Waits(p, time.Now())
	if p.Blocked() && !(wait && waits != nil && len(waits.Windows) > 0) {
		return &apply.RefusedError{Reason: "the plan has blockers; what they do not stop is done"}
	}
	if waits != nil {
		return waits
	}
	return nil
}

// run runs a plan. The steps that it did are added to did, if that is not nil.
func (p *program) run(ctx context.Context, project *setup.Project, lock state.Lock, v *view.View, flags applyFlags, request setup.Request, computed *setup.Computed, did map[plan.ID]bool) error {
	r := &apply.Runner{
		Dir: project.Dir, Servers: project.Servers, State: project.Store, Lock: lock, Inventory: computed.Inventory,
		Observe: func(e apply.Event) {
			if e.What == apply.Finished && did != nil {
				did[e.Step] = true
			}
			v.Event(e)
		},
		Graceful: p.graceful, Holder: setup.Holder(), Confirmed: request.Confirmed, Parallel: flags.parallel,
		Settings: apply.Settings{Lease: flags.lease},
	}
	result, err := r.Run(ctx, computed.Plan)
	v.Result(result, err)
	return err
}

func (p *program) applySaved(ctx context.Context, path string, flags applyFlags, request setup.Request) error {
	if err := flags.goal.refuseWithSaved(); err != nil {
		return err
	}
	saved, err := loadPlan(path)
	if err != nil {
		return err
	}
	project, err := setup.OpenConfig(ctx, p.dir, saved.Config)
	if err != nil {
		return err
	}
	defer project.Close()
	if err := confirmedSource(flags.goal.confirmed, project.Config.Migration); err != nil {
		return err
	}
	v := p.view()
	if saved.Blocked() {
		v.Planned(saved, nil)
		return &apply.RefusedError{Reason: "the saved plan has blockers; stopover apply without a file does what they do not stop"}
	}
	request.Goal = saved.Goal
	shown := false
	return p.waiting(ctx, flags, v, project, request, saved, func(ctx context.Context, failed map[string]bool) ([]plan.ID, error) {
		return p.applySavedOnce(ctx, project, v, path, saved, flags, request, failed, &shown)
	})
}

// applySavedOnce does what of a saved plan is left and can be done now.
func (p *program) applySavedOnce(ctx context.Context, project *setup.Project, v *view.View, path string, saved *plan.Plan, flags applyFlags, request setup.Request, failed map[string]bool, shown *bool) ([]plan.ID, error) {
	lock, err := project.Store.Lock(ctx, state.Holder{Who: setup.Holder(), Doing: "apply " + path, Started: time.Now().UTC()})
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	request.Now, request.Refresh = time.Now(), true
	fresh, err := project.Compute(ctx, request)
	if err != nil {
		return nil, err
	}
	if err := apply.Check(saved, fresh.Plan); err != nil {
		if name := view.ConfirmedWipe(saved); name != "" && flags.goal.confirmed == "" {
			return nil, &apply.RefusedError{Reason: "the saved plan was made with --confirm-reinstall " + name + ", and a file confirms nothing: say it again, with apply"}
		}
		return nil, err
	}
	if err := apply.Permit(fresh.Plan); err != nil { // of its dates: those of the day on which it is applied count
		return nil, err
	}
	// What the saved plan only projected does not run from its file.
	fresh.Plan = apply.LeaveOut(plan.Within(saved, fresh.Plan), failed)
	if !*shown {
		v.Planned(fresh.Plan, fresh.Notes)
		*shown = true
	}
	if err := p.run(ctx, project, lock, v, flags, request, fresh, nil); err != nil {
		return nil, err
	}
	request.Now = time.Now() // and still with a fresh look
	after, err := project.Compute(ctx, request)
	if err != nil {
		return nil, err
	}
	return nil, conclusion(v, after.Plan, false)
}

// ask lets a person at a terminal say yes. Programs say --auto-approve.
func (p *program) ask(flags applyFlags, plan *plan.Plan) error {
	if len(plan.Runnable()) == 0 {
		return nil
	}
	return p.confirm(flags, "Do these steps?")
}

// confirm lets a person at a terminal say yes to a question.
func (p *program) confirm(flags applyFlags, question string) error {
	if flags.yes {
		return nil
	}
	f, ok := p.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &apply.RefusedError{Reason: "nobody can be asked here: review the plan and say --auto-approve, or save it with plan --out and apply that file"}
	}
	fmt.Fprintf(p.err, "\n%s Only \"yes\" goes on: ", question)
	line, err := bufio.NewReader(p.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return &apply.RefusedError{Reason: "nothing was done"}
	}
	return nil
}

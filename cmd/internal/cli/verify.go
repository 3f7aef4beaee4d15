package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

func (p *program) verify() *cobra.Command {
	var flags applyFlags
	var accounts []string
	var baseline, refresh bool
	c := &cobra.Command{
		Use: "verify [ACCOUNT...]", Short: "Ask accounts whether they answer as before",
		Long: `Run the probes of accounts where they are now, and compare with what they answered
before anything moved. ACCOUNT may be a glob; without one it is all accounts. It
exits with 1 when one answers differently or cannot be asked.

With --baseline, what the accounts that differ answer now becomes what is right: a
change that was meant, such as a new version of the application. Whoever had
accepted such an account has to accept it again.

It takes the lock, as apply does.`,
		Example: "  stopover verify\n  stopover verify 'shop-*'\n  stopover verify shop --baseline",
		RunE: func(c *cobra.Command, args []string) error {
			v := &verification{program: p, flags: flags, accounts: append(args, accounts...), refresh: refresh}
			return v.run(c.Context(), baseline)
		},
	}
	c.ValidArgsFunction = p.completeAccounts
	accountFlag(c, &accounts)
	refreshFlag(c, &refresh)
	c.Flags().BoolVar(&baseline, "baseline", false, "record what differs as the new baseline")
	c.Flags().BoolVar(&flags.yes, "auto-approve", false, "with --baseline: do not ask before recording")
	return c
}

// verification is one run of verify.
type verification struct {
	*program
	flags    applyFlags
	accounts []string // globs; empty: all
	refresh  bool
	project  *setup.Project
	lock     state.Lock
}

func (v *verification) run(ctx context.Context, baseline bool) error {
	project, err := v.open(ctx)
	if err != nil {
		return err
	}
	defer project.Close()
	v.project = project
	if v.lock, err = project.Store.Lock(ctx, state.Holder{Who: setup.Holder(), Doing: "verify", Started: time.Now().UTC()}); err != nil {
		return err
	}
	defer v.lock.Release()
	goal := plan.Goal{Verify: v.accounts}
	if len(v.accounts) == 0 {
		goal.Verify = []string{"*"}
	}
	asked, err := v.probe(ctx, goal)
	if err != nil {
		return err
	}
	differ := slices.DeleteFunc(slices.Clone(asked), func(x report.Probed) bool { return x.At.IsZero() || x.OK || x.Err != "" })
	if baseline && len(differ) > 0 {
		return v.record(ctx, asked, differ)
	}
	v.end(asked)
	return nil
}

// end shows what was answered.
func (v *verification) end(asked []report.Probed) {
	v.view().Verified(asked)
	if slices.ContainsFunc(asked, func(x report.Probed) bool { return x.Err != "" || !x.At.IsZero() && !x.OK }) {
		v.exit = apply.ExitError
	}
}

// record makes what accounts answer now their baseline. Only those that differ
// are touched: it would take the acceptance of the others away for nothing.
func (v *verification) record(ctx context.Context, asked, differ []report.Probed) error {
	if !v.json {
		v.view().Verified(differ)
	}
	if err := v.confirm(v.flags, "Record these answers as the new baseline?"); err != nil {
		return err
	}
	goal := plan.Goal{Baseline: true}
	for _, x := range differ {
		goal.Verify = append(goal.Verify, exactGlob(x.Account))
	}
	recorded, err := v.probe(ctx, goal)
	if err != nil {
		return err
	}
	for _, x := range recorded {
		i := slices.IndexFunc(asked, func(y report.Probed) bool { return y.Account == x.Account })
		if i < 0 || x.At.IsZero() && x.Err == "" {
			continue
		}
		for j := range x.Probes {
			x.Probes[j].Recorded = x.OK && slices.ContainsFunc(asked[i].Probes, func(o report.ProbedOnce) bool { return o.Probe == x.Probes[j].Probe && !o.OK })
		}
		asked[i] = x
	}
	v.end(asked)
	return nil
}

// exactGlob names an account and no other one: no escaped name holds a * or a ?.
func exactGlob(account string) string {
	escaped, err := schema.EscapeName(account)
	if err != nil {
		return account
	}
	return escaped
}

// probe runs the probes that a goal asks for and returns, for every account that
// was picked, what it answered beside its baseline.
func (v *verification) probe(ctx context.Context, goal plan.Goal) ([]report.Probed, error) {
	computed, err := v.project.Compute(ctx, setup.Request{Goal: goal, Now: time.Now(), Refresh: v.refresh})
	if err != nil {
		return nil, err
	}
	if err := someMatch(v.accounts, computed); err != nil {
		return nil, err
	}
	list := report.Probes(computed.Plan, computed.Past.Facts)
	list = slices.DeleteFunc(list, func(x report.Probed) bool { return !picked(goal.Verify, x.Account) })
	at := map[string]int{}
	for i := range list {
		list[i].At, list[i].OK = time.Time{}, false // not asked, until an answer comes
		list[i].Server = ""
		if a := computed.Plan.Account(list[i].Account); a != nil {
			list[i].Server = a.Where
		}
		at[list[i].Account] = i
	}
	if len(computed.Plan.Runnable()) == 0 {
		return list, nil
	}
	r := &apply.Runner{Dir: v.project.Dir, Servers: v.project.Servers, State: v.project.Store, Lock: v.lock, Inventory: computed.Inventory,
		Observe: func(apply.Event) {}, Graceful: v.graceful, Holder: setup.Holder()}
	result, err := r.Run(ctx, computed.Plan)
	var failed *apply.FailedError
	var waiting *apply.WaitingError
	var refused *apply.RefusedError
	// What blocks a move keeps nobody from asking whether the account answers.
	if err != nil && !errors.As(err, &failed) && !errors.As(err, &waiting) && !(errors.As(err, &refused) && refused.Blocked) {
		return nil, err
	}
	now := time.Now().UTC()
	for i := range result.Accounts {
		if j, ok := at[result.Accounts[i].Account]; ok {
			answered(&list[j], &result.Accounts[i], now)
		}
	}
	return list, nil
}

// answered puts what an account answered beside its baseline.
func answered(x *report.Probed, r *apply.AccountResult, now time.Time) {
	if r.Err != nil {
		x.Err = r.Err.Error()
		var step *apply.StepError
		if errors.As(r.Err, &step) && step.Err != nil {
			x.Err = step.Err.Error()
		}
		return
	}
	before := map[string]*schema.BaselineFact{}
	for _, o := range x.Probes {
		before[o.Probe] = o.Before
	}
	x.Probes, x.OK = []report.ProbedOnce{}, true
	for _, q := range r.Probes {
		x.At = now
		x.OK = x.OK && q.OK
		x.Probes = append(x.Probes, report.ProbedOnce{Probe: q.Probe, Before: before[q.Probe], Now: &q.Answer, OK: q.OK, Why: q.Why})
	}
}

package apply

import (
	"context"
	"errors"
	"slices"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// verdict says how the run ended as a whole.
func (x *run) verdict(list []*unit, err error) error {
	cause := err
	if x.hard.Err() != nil {
		cause = context.Cause(x.hard)
	}
	if cause != nil {
		return x.final(cause)
	}
	failed := &FailedError{}
	for _, u := range list {
		switch u.state {
		case unitFailed:
			failed.Steps = append(failed.Steps, u.first().ID)
			failed.Err = errors.Join(failed.Err, u.err)
		case unitSkipped:
			failed.Skipped += len(u.steps)
		}
	}
	if failed.Err != nil {
		return failed
	}
	return x.left(list)
}

// final makes an end from outside into its typed error.
func (x *run) final(cause error) error {
	switch {
	case ExitCode(cause) == ExitLocked:
		if errors.Is(cause, providers.ErrSuperseded) {
			return x.superseded(cause)
		}
		return cause
	case errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded) && x.hard.Err() != nil:
		return ErrInterrupted
	}
	return cause
}

// left: everything that could be done is done. What remains is refused, or
// waits, or nothing.
func (x *run) left(list []*unit) error {
	var details []string
	for _, f := range x.plan.Findings {
		if f.Blocks() {
			details = append(details, sentence(f))
		}
	}
	if len(details) > 0 {
		return &RefusedError{Reason: "the plan is blocked", Details: details, Blocked: true}
	}
	gates := x.gates(list)
	for _, g := range gates {
		x.tell(Event{What: Waiting, Step: g.ID, Phase: g.Phase, Account: g.Account, Text: g.Who + ": " + g.What})
	}
	windows := x.windows.closed(list)
	for _, c := range windows {
		e := Event{What: Waiting, Step: c.Steps[0], Text: c.Sentence(), Until: c.Opens}
		if len(c.Accounts) == 1 {
			e.Account = c.Accounts[0]
		}
		x.tell(e)
	}
	if len(gates)+len(windows) > 0 || slices.ContainsFunc(list, func(u *unit) bool { return u.state == unitHeld }) {
		return &WaitingError{Gates: gates, Windows: windows}
	}
	return nil
}

// Runnable says whether a plan has a step that can be done now, rather than
// only gates and what is behind them. Whoever applies more than one saved plan
// runs, and plans again, as long as it is: a gate that is closed by observation
// is only seen to be closed by planning again.
func Runnable(p *plan.Plan) bool {
	return slices.ContainsFunc(unitsOf(p), func(u *unit) bool { return u.state == unitWaiting })
}

// gates are those that wait for somebody now: everything before them is done,
// by this run or before it.
func (x *run) gates(list []*unit) []plan.Gate {
	reached := map[plan.ID]bool{}
	for _, u := range list {
		if u.first().Op == plan.OpGate && !slices.ContainsFunc(u.after, func(i int) bool { return list[i].state != unitDone }) {
			reached[u.first().ID] = true
		}
	}
	var gates []plan.Gate
	for _, g := range x.plan.Gates {
		if g.Closed == "" && (g.Open || reached[g.ID]) {
			g.Open = true
			gates = append(gates, g)
		}
	}
	return gates
}

// Permit refuses a plan that a policy of the configuration forbids: none of it
// is done, and one that what was done made fail stops the rest. Plans that only
// ask accounts whether they answer are no policy's business, and neither is the
// way back: it has to be open when something is wrong.
func Permit(p *plan.Plan) error {
	if len(p.Goal.Verify) > 0 || len(p.Goal.Rollback) > 0 {
		return nil
	}
	var details []string
	for _, f := range p.Refusals() {
		details = append(details, f.Code+": "+f.Summary)
	}
	if len(details) == 0 {
		return nil
	}
	return &RefusedError{Reason: "policies of the configuration forbid to apply this plan; nothing more is done", Details: details}
}

func sentence(f schema.Finding) string {
	s := f.Summary
	for _, part := range []string{f.Account, f.Server, f.Object} {
		if part != "" {
			s += " " + schema.QuoteName(part)
		}
	}
	if f.Remedy != "" {
		s += " (" + f.Remedy + ")"
	}
	return s + " [" + f.Code + "]"
}

package apply

import (
	"errors"
	"time"

	"github.com/stopover/stopover/plan"
)

// Account results.
const (
	AccountDone    = "done"    // all that the plan had for it
	AccountFailed  = "failed"  // a step failed; the account answers where Where says
	AccountPending = "pending" // its switch was asked for and is not answered yet
	AccountSkipped = "skipped" // something before its steps failed
	AccountWaiting = "waiting" // what is left is behind a gate
	AccountStopped = "stopped" // the run ended before it was its turn
)

// Part is one measured part of a cutover.
type Part struct {
	Name string        `json:"name"`
	Took time.Duration `json:"took"`
}

// AccountResult is what became of one account in a run.
type AccountResult struct {
	Account  string    `json:"account"`
	State    string    `json:"state"`
	Step     plan.ID   `json:"step,omitempty"` // that failed, or was not done
	Why      string    `json:"why,omitempty"`
	Undone   bool      `json:"undone,omitempty"` // a cutover was given up before its switch
	Cutovers []Cutover `json:"cutovers,omitempty"`
	// Probes are what the account's probes answered in this run, beside their
	// baselines; the last time, if they were asked more than once.
	Probes []ProbeResult `json:"probes,omitempty"`
	Err    error         `json:"-"`
}

// Cutover is one switch of an account that this run did, as measured.
type Cutover struct {
	Group    string        `json:"group"`
	To       string        `json:"to"`
	Downtime time.Duration `json:"downtime"`
	Outside  time.Duration `json:"outside,omitempty"`
	Watched  Watched       `json:"watched"`
	Parts    []Part        `json:"parts"`
}

// Result is what became of a run.
type Result struct {
	Migration string          `json:"migration"` // id
	Run       string          `json:"run"`
	Accounts  []AccountResult `json:"accounts"`
	Gates     []plan.Gate     `json:"gates,omitempty"` // that are open
	Windows   []ClosedWindow  `json:"windows,omitempty"`
	Done      int             `json:"done"` // steps
	Failed    int             `json:"failed"`
	Skipped   int             `json:"skipped"`
	Left      int             `json:"left"` // behind gates, or not begun
	Took      time.Duration   `json:"took"`
}

// result gathers what became of the units.
func (x *run) result(list []*unit, _ error) Result {
	r := Result{Migration: x.migration, Run: x.nonce}
	at := map[string]int{}
	for _, u := range list {
		r.count(u)
		name := u.account()
		if name == "" {
			continue
		}
		i, ok := at[name]
		if !ok {
			i = len(r.Accounts)
			at[name] = i
			r.Accounts = append(r.Accounts, AccountResult{Account: name, State: AccountDone})
		}
		r.Accounts[i].add(u)
	}
	r.Gates = x.gates(list)
	r.Windows = x.windows.closed(list)
	return r
}

func (r *Result) count(u *unit) {
	n := len(u.steps)
	switch u.state {
	case unitDone:
		r.Done += n
	case unitFailed:
		r.Failed += n
	case unitSkipped:
		r.Skipped += n
	default:
		r.Left += n
	}
}

// add takes one unit of an account into account: what went wrong first stays.
func (a *AccountResult) add(u *unit) {
	if u.first().Group != "" && u.state == unitDone {
		a.Cutovers = append(a.Cutovers, Cutover{Group: u.first().Group, To: u.first().To, Downtime: u.timing.downtime,
			Outside: u.timing.outside, Watched: u.timing.watched, Parts: u.timing.parts})
	}
	if len(u.asked) > 0 {
		a.Probes = u.asked
	}
	if a.State != AccountDone && a.State != AccountWaiting {
		return
	}
	var pending *PendingError
	switch u.state {
	case unitFailed:
		a.State, a.Step, a.Err = AccountFailed, u.first().ID, u.err
		a.Why, a.Undone = u.err.Error(), undone(u.err)
		if errors.As(u.err, &pending) {
			a.State = AccountPending
		}
	case unitSkipped:
		a.State, a.Step, a.Why = AccountSkipped, u.first().ID, u.why
	case unitWaiting, unitRunning:
		a.State, a.Step, a.Undone = AccountStopped, u.first().ID, undone(u.err)
	case unitHeld:
		if a.State == AccountDone {
			a.State, a.Step, a.Why = AccountWaiting, u.first().ID, u.why
		}
	}
}

package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
)

// done is what a performer says about a step that it did.
type done struct {
	bytes int64 // that it is about: what its duration is compared with
	sent  int64 // bytes that travelled for it
	items int64
	notes []string
	asked []ProbeResult // what probes answered
}

// performer does one op: a step of its own, a part of a cutover, or nobody's.
// Only a switch is both, since what is left of one is a step of its own.
type performer struct {
	// step does a step of its own. Its context ends when everything stops now,
	// and for a gentle one as soon as nothing new may begin: what it did up to
	// there is kept.
	step   func(*run, context.Context, *plan.Step) (done, error)
	gentle bool
	// part does a step of a cutover. The cutover's context ends when it has to
	// be given up.
	part func(*cutover, context.Context, *plan.Step) (done, error)
	// never: somebody outside of the tool does it.
	never bool
}

// performerOf is the table of contents of this package: every op, and what does
// it. A test ranges over plan.Ops, so that none is forgotten.
func performerOf(op plan.Op) (performer, bool) {
	p, ok := map[plan.Op]performer{
		plan.OpTrial:           {step: (*run).try, gentle: true},
		plan.OpBaseline:        {step: (*run).recordBaseline, gentle: true},
		plan.OpRemoveRuntime:   {step: (*run).removeRuntime},
		plan.OpProbeReady:      {step: (*run).probeReady, gentle: true},
		plan.OpRestoreRuntime:  {step: (*run).restoreRuntime},
		plan.OpProvision:       {step: (*run).provision},
		plan.OpHandover:        {step: (*run).recordHandover},
		plan.OpPair:            {step: (*run).pair},
		plan.OpPrecopy:         {step: (*run).precopy, gentle: true},
		plan.OpWarm:            {step: (*run).warm, gentle: true},
		plan.OpFreeze:          {part: (*cutover).freeze},
		plan.OpFinalSync:       {part: (*cutover).finalSync},
		plan.OpCompare:         {part: (*cutover).compare},
		plan.OpPrepareCopy:     {part: (*cutover).prepareCopy},
		plan.OpSwitch:          {part: (*cutover).switchOwner, step: (*run).finishSwitch},
		plan.OpThaw:            {part: (*cutover).thaw},
		plan.OpConfirm:         {step: (*run).confirm},
		plan.OpProbe:           {step: (*run).probe, gentle: true},
		plan.OpArchive:         {step: (*run).archiveAccount},
		plan.OpRetire:          {step: (*run).retireAccount},
		plan.OpResidue:         {step: (*run).disposeResidue},
		plan.OpSeal:            {step: (*run).seal},
		plan.OpReroute:         {step: (*run).reroute},
		plan.OpReinstall:       {step: (*run).reinstall},
		plan.OpStub:            {step: (*run).stub},
		plan.OpReturnAddresses: {step: (*run).returnAddresses},
		plan.OpCarryBack:       {step: (*run).placeResidue},
		plan.OpRelease:         {step: (*run).release},
		plan.OpFinish:          {step: (*run).finish},
		plan.OpGate:            {never: true},
	}[op]
	return p, ok
}

// perform does one unit: write-ahead, the deed, and what came of it.
func (x *run) perform(u *unit) error {
	if u.first().Group != "" {
		return x.cutover(u)
	}
	s := u.first()
	p, ok := performerOf(s.Op)
	switch {
	case !ok:
		return &StepError{Step: s.ID, Account: s.Account, Err: fmt.Errorf("this version has no way to do %q; use the one that made the plan", s.Op)}
	case p.step == nil:
		return &StepError{Step: s.ID, Account: s.Account, Err: fmt.Errorf("%q is not a step of its own", s.Op)}
	}
	ctx := x.hard
	if p.gentle {
		ctx = x.soft
	}
	if err := x.journal(state.Event{What: state.Started, Step: s.ID, Op: s.Op}); err != nil {
		return &StepError{Step: s.ID, Account: s.Account, Err: err}
	}
	began := x.clock.Now()
	x.tally.begin(s.ID, began)
	x.tell(about(Started, s))
	var d done
	err := x.retry(ctx, s, func(ctx context.Context) error {
		var err error
		d, err = p.step(x, ctx, s)
		return err
	})
	if err != nil {
		return x.failed(s, err)
	}
	u.asked = d.asked
	return x.succeeded(s, d, timingOf(s, d, x.since(began)))
}

func timingOf(s *plan.Step, d done, took time.Duration) plan.Timing {
	return plan.Timing{Op: string(s.Op), Account: s.Account, Part: s.Part, Bytes: d.bytes, Sent: d.sent, Entries: d.items, Duration: took}
}

func (x *run) failed(s *plan.Step, err error) error {
	_ = x.journal(state.Event{What: state.Failed, Step: s.ID, Op: s.Op, Err: err.Error()})
	return &StepError{Step: s.ID, Account: s.Account, Err: err}
}

func (x *run) succeeded(s *plan.Step, d done, t plan.Timing) error {
	err := x.journal(state.Event{What: state.Finished, Step: s.ID, Op: s.Op, Timing: &t})
	if err == nil && endsPhase(s.Op) {
		err = x.flush()
	}
	if err != nil {
		return &StepError{Step: s.ID, Account: s.Account, Err: err}
	}
	for _, n := range d.notes {
		x.note(s, n)
	}
	x.tally.over(*s)
	e := about(Finished, s)
	e.Bytes, e.Total, e.Items, e.Duration, e.Downtime = d.sent, d.bytes, d.items, t.Duration, t.Downtime
	e.Probes = d.asked
	x.tell(e)
	return nil
}

// endsPhase: steps after which a remote store must have everything.
func endsPhase(op plan.Op) bool {
	switch op {
	case plan.OpHandover, plan.OpConfirm, plan.OpProbe, plan.OpSeal, plan.OpReinstall, plan.OpReturnAddresses, plan.OpFinish:
		return true
	}
	return false
}

// flush outlives the end of the run by a moment: a store that hangs is not
// waited for by whoever was told to stop now. The facts are on the servers too.
func (x *run) flush() error {
	const moment = 2 * time.Second
	ctx, cancel := context.WithCancel(context.WithoutCancel(x.hard))
	defer cancel()
	defer context.AfterFunc(x.hard, func() {
		select {
		case <-ctx.Done():
		case <-time.After(moment):
			cancel()
		}
	})()
	return x.State.Flush(ctx)
}

// two returns the origin and the receiver of a step.
func (x *run) two(s *plan.Step) (from, to *server, err error) {
	from, e1 := x.server(s.From)
	to, e2 := x.server(s.To)
	return from, to, errors.Join(e1, e2)
}

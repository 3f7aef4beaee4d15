package apply

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// Runner runs plans.
type Runner struct {
	// Servers are the opened servers, by name; one that is absent until it is
	// provisioned too, if its provider can open it.
	Servers map[string]providers.Server
	// State keeps the journal. Its lock is the caller's business; Lock, if it
	// is set, stops the run when it is lost.
	State state.Store
	Lock  state.Lock
	// Inventory is what the plan was computed from: which servers are present,
	// and the domains and addresses that probes need.
	Inventory *schema.Inventory
	// Observe gets every event, one at a time. It may be nil.
	Observe func(Event)
	// Clock is for everything but the bounds of single calls; default: this machine's.
	Clock state.Clock
	// Graceful, when it ends, stops the run gently: a cutover is finished or
	// undone, copies stop, nothing new begins. The context of Run is the second
	// level: when it ends everything stops now. It may be nil.
	Graceful context.Context
	// Dir is the directory of the configuration, in which commands of probes run;
	// empty: where this program runs.
	Dir string
	// Holder says who this is, for other runs: user@host (pid).
	Holder string
	// Confirmed is the name of the server whose reinstallation was confirmed by
	// typing it: the same as plan.Input.Confirmed.
	Confirmed string
	// Parallel accounts at once; 0: what the process says.
	Parallel int
	Settings Settings
}

// run is one call of Run.
type run struct {
	*Runner
	plan     *plan.Plan
	nonce    string
	clock    state.Clock
	settings Settings
	observer *observer
	windows  *openings // of the goroutine that schedules
	tally    tally
	hard     context.Context         // ends when everything must stop now
	kill     context.CancelCauseFunc // ends hard
	soft     context.Context         // ends when nothing new may begin
	ease     context.CancelCauseFunc // ends soft

	mu        sync.Mutex
	migration string // id
	servers   map[string]*server
	facts     map[string]schema.Fact // by id: what the store and the servers know
	lastToken uint64
	seals     map[string]schema.Seal // by server, made in this run
	broken    error                  // the journal cannot be written: nothing more may begin
}

// server is a server as this run knows it.
type server struct {
	name     string
	opened   providers.Server
	can      providers.Abilities
	found    *schema.FoundServer // nil: not surveyed
	fresh    *schema.FoundServer // as it was found for probes, after it came up; nil: it was there before
	claimed  bool
	term     uint64
	identity providers.Identity
	err      error // why it cannot be used
}

// Run does the steps of a plan that can be done now. It returns when no step is
// running any more. The error says how the run ended and has an ExitCode; nil
// means that everything in the plan is done. The Result is valid in any case.
func (r *Runner) Run(ctx context.Context, p *plan.Plan) (Result, error) {
	x := r.begin(ctx, p)
	defer x.observer.close()
	defer x.kill(nil)
	began := x.clock.Now()
	list := unitsOf(p)
	stop := x.watchEnds()
	err := x.prepare()
	if err == nil {
		x.count(list)
		err = x.schedule(list)
	}
	stop()
	err = x.verdict(list, err)
	x.end(err)
	res := x.result(list, err)
	res.Took = x.clock.Now().Sub(began)
	return res, err
}

func (r *Runner) begin(ctx context.Context, p *plan.Plan) *run {
	x := &run{Runner: r, plan: p, nonce: random(16), clock: r.Clock, settings: r.Settings.withDefaults(),
		servers: map[string]*server{}, seals: map[string]schema.Seal{}, facts: map[string]schema.Fact{}}
	if x.clock == nil {
		x.clock = state.System{}
	}
	x.observer = watching(r.Observe, x.clock.Now)
	x.windows = openingsOf(p.Config)
	x.hard, x.kill = context.WithCancelCause(ctx)
	x.soft, x.ease = context.WithCancelCause(x.hard)
	return x
}

// prepare is what comes before the first step: the journal knows of the run,
// the servers are claimed, the facts are on both sides.
func (x *run) prepare() error {
	if x.Graceful != nil && x.Graceful.Err() != nil {
		return ErrInterrupted
	}
	if err := Permit(x.plan); err != nil {
		return err
	}
	if err := x.checkConfirmation(); err != nil {
		return err
	}
	if err := x.journal(state.Event{What: state.RunStarted, Text: x.Holder + ", plan " + x.plan.Digest}); err != nil {
		return err
	}
	if err := x.recordSizes(x.hard); err != nil {
		return err
	}
	if err := x.claimAll(x.hard); err != nil {
		return err
	}
	return x.firstFacts(x.hard)
}

// watchEnds turns the ends of Graceful and of the lock into those of the run.
func (x *run) watchEnds() (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var graceful, lost <-chan struct{}
		if x.Graceful != nil {
			graceful = x.Graceful.Done()
		}
		if x.Lock != nil {
			lost = x.Lock.Lost()
		}
		for {
			select {
			case <-done:
				return
			case <-graceful:
				x.ease(ErrInterrupted)
				graceful = nil
			case <-lost:
				x.kill(state.ErrLockLost)
				lost = nil
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// end writes how the run ended. A run that was superseded writes it too: its
// journal is its own.
func (x *run) end(err error) {
	text := "done"
	if err != nil {
		text = err.Error()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.hard), x.settings.Call)
	defer cancel()
	_ = x.State.Append(ctx, x.stamp(state.Event{What: state.RunEnded, Text: text}))
	_ = x.State.Flush(ctx)
}

// journal appends events. When that fails nothing more may begin, since
// nothing could be written before it.
func (x *run) journal(events ...state.Event) error {
	for i := range events {
		events[i] = x.stamp(events[i])
	}
	err := x.State.Append(context.WithoutCancel(x.hard), events...)
	if err != nil {
		x.mu.Lock()
		if x.broken == nil {
			x.broken = err
		}
		x.mu.Unlock()
		x.ease(err)
	}
	return err
}

func (x *run) stamp(e state.Event) state.Event {
	e.Run = x.nonce
	if e.At.IsZero() {
		e.At = x.clock.Now().UTC()
	}
	return e
}

func (x *run) note(s *plan.Step, text string) {
	e := Event{What: Note}
	if s != nil {
		e = about(Note, s)
	}
	e.Text = text
	x.tell(e)
}

// notice passes an error on. One that says that another run has taken over
// stops everything first.
func (x *run) notice(err error) error {
	var known *SupersededError
	if err != nil && errors.Is(err, providers.ErrSuperseded) && !errors.As(err, &known) {
		x.kill(err)
	}
	return err
}

// superseded makes the final word of a run that lost its claim, or did not get
// one: who has it now.
func (x *run) superseded(err error) error {
	var known *SupersededError
	if errors.As(err, &known) {
		return known
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.hard), x.settings.Call)
	defer cancel()
	lost := &SupersededError{Err: err}
	for _, s := range x.inOrder() {
		if s.identity.Machine == "" || s.err != nil {
			continue
		}
		if lost.Server == "" {
			lost.Server = s.name
		}
		found, e := s.opened.Survey(ctx, providers.SurveyOptions{Refresh: true})
		if e == nil && found.Claim.Term > s.term && found.Claim.Holder != "" && found.Claim.Holder != x.Holder {
			return &SupersededError{Server: s.name, Holder: found.Claim.Holder, Err: err}
		}
	}
	return lost
}

// server returns a claimed server, or why there is none.
func (x *run) server(name string) (*server, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.servers[name]
	switch {
	case s == nil:
		return nil, fmt.Errorf("server %s: %w", schema.QuoteName(name), providers.ErrAbsent)
	case s.err != nil:
		return nil, fmt.Errorf("server %s: %w", schema.QuoteName(name), s.err)
	case !s.claimed && s.can.Owner != nil:
		return nil, fmt.Errorf("server %s: %w", schema.QuoteName(name), providers.ErrAbsent)
	}
	c := *s
	return &c, nil
}

// cannot is the error of a step that needs what a server's provider cannot do.
// A planner that knew would have made a gate of the step.
func (s *server) cannot(c schema.Capability) error {
	why := s.can.Cannot[c]
	if why == "" {
		why = "its provider has no such ability"
	}
	return fmt.Errorf("server %s cannot %s: %s", schema.QuoteName(s.name), c, why)
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

// since is a duration on the run's clock.
func (x *run) since(t time.Time) time.Duration { return x.clock.Now().Sub(t) }

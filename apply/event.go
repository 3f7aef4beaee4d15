package apply

import (
	"sync"
	"time"

	"github.com/stopover/stopover/plan"
)

// What an event tells a view.
type What string

// Whats.
const (
	Started  What = "started"
	Progress What = "progress" // Bytes, Total, Items, ItemsTotal, Rate, Left
	Finished What = "finished" // Bytes, Total, Items, Duration, Downtime, Probes
	Failed   What = "failed"   // Err; Undone: the account is at home and answers
	Skipped  What = "skipped"  // Text says because of what
	Waiting  What = "waiting"  // an open gate: Text says who must do what; or a closed window: Text says for whom it opens, Until when
	Measured What = "measured" // a part of a cutover: Text names it, Duration
	Note     What = "note"     // Text
	// Countdown comes once a second while apply --wait sleeps. Text says for
	// what, Left how long until it looks again or, where Until is set, until a
	// window opens. A view that is no terminal leaves most of them out.
	Countdown What = "countdown"
)

// Parts of a cutover that are measured; copies are PartFinalSync + "/" + part.
const (
	PartFreeze    = "freeze"
	PartFinalSync = "final_sync"
	PartCompare   = "compare"
	PartRepair    = "repair"
	PartPrepare   = "prepare_copy"
	PartCommit    = "commit"
	PartActivate  = "activate"
	PartDowntime  = "downtime" // freeze asked to receiver active
	PartOutside   = "outside"  // longest time without an answer, seen through the account's address
)

// Event is something that happened in a run, for views.
type Event struct {
	What     What
	At       time.Time
	Step     plan.ID
	Phase    string
	Op       plan.Op
	Account  string
	Part     string
	Server   string
	From, To string

	Bytes, Total      int64 // that travelled so far; that the step is about
	Items, ItemsTotal int64
	Rate              float64 // bytes per second, smoothed over the last seconds
	Duration          time.Duration
	Downtime          time.Duration
	Text              string
	Err               error
	Undone            bool          // Failed: a cutover was given up before its switch
	Probes            []ProbeResult // Finished: of a step that asked probes

	Left  time.Duration // of this step, by its rate; 0: not known. Countdown: how long it will sleep
	Until time.Time     // Waiting, Countdown: when a window opens; zero: it is not a matter of time
	// Overall is how far the whole run is, with every Started, Progress, Finished,
	// Failed and Skipped event.
	Overall Overall
}

// Overall is how far a run is. Steps are those that the run may do: what is
// behind a gate or a closed window is not counted.
type Overall struct {
	Done  int           // steps that are over: done, failed or skipped
	Steps int           // in all; 0: the run has not begun with its steps yet
	Left  time.Duration // predicted: what the plan said of the steps that are left, and the pace of those that run
	// AtLeast: nobody knows how long some of the steps that are left will take,
	// so that Left is too little.
	AtLeast bool
}

// about fills in what an event is about.
func about(what What, s *plan.Step) Event {
	return Event{What: what, Step: s.ID, Phase: s.Phase, Op: s.Op, Account: s.Account,
		Part: s.Part, Server: s.Server, From: s.From, To: s.To}
}

// observer passes events on, one at a time and in their order. Whoever makes an
// event never waits for whoever looks at it: a terminal that is held must not
// hold an account in its cutover.
type observer struct {
	to   func(Event)
	time func() time.Time

	mu    sync.Mutex
	queue []Event
	more  chan struct{} // something is in the queue; never blocks
	last  chan struct{} // closed: nothing more comes
	ended chan struct{}
}

// mostQueued bounds what waits for a slow view: beyond it reports of progress
// are left out.
const mostQueued = 1000

func watching(to func(Event), now func() time.Time) *observer {
	o := &observer{to: to, time: now, more: make(chan struct{}, 1), last: make(chan struct{}), ended: make(chan struct{})}
	go o.deliver()
	return o
}

func (o *observer) tell(e Event) {
	if o.to == nil {
		return
	}
	e.At = o.time()
	o.mu.Lock()
	if e.What != Progress || len(o.queue) < mostQueued {
		o.queue = append(o.queue, e)
	}
	o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
}

func (o *observer) deliver() {
	defer close(o.ended)
	for {
		o.mu.Lock()
		batch := o.queue
		o.queue = nil
		o.mu.Unlock()
		for _, e := range batch {
			o.to(e)
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-o.more:
		case <-o.last:
			o.mu.Lock()
			empty := len(o.queue) == 0
			o.mu.Unlock()
			if empty {
				return
			}
		}
	}
}

// close returns when every event was looked at.
func (o *observer) close() {
	close(o.last)
	<-o.ended
}

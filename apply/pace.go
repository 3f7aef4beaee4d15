package apply

import (
	"math"
	"sync"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
)

// Progress is told at most so often for each copy.
const progressEvery = 100 * time.Millisecond

// smoothing is how far back a rate looks: shorter, and the time left jumps about
// with every small file; longer, and it notices too late that a disk got slow.
const smoothing = 5 * time.Second

// pace is the rate of one copy, smoothed.
type pace struct {
	bytes int64
	at    time.Time
	rate  float64 // bytes per second; 0: nothing was measured yet
}

// take adds a measurement. A copy that begins again from nothing, because its
// connection broke, begins a new rate.
func (p *pace) take(bytes int64, at time.Time) {
	d := at.Sub(p.at).Seconds()
	switch {
	case p.at.IsZero() || bytes < p.bytes:
		p.bytes, p.at, p.rate = bytes, at, 0
	case d <= 0:
	default:
		now := float64(bytes-p.bytes) / d
		if p.rate == 0 {
			p.rate = now
		} else {
			p.rate += (now - p.rate) * (1 - math.Exp(-d/smoothing.Seconds()))
		}
		p.bytes, p.at = bytes, at
	}
}

// left is how long the rest takes; 0: not known.
func (p *pace) left(total int64) time.Duration {
	if p.rate <= 0 || total <= p.bytes {
		return 0
	}
	s := float64(total-p.bytes) / p.rate
	if s > (1000 * 24 * time.Hour).Seconds() {
		return 0 // a rate like that says nothing
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

// progress turns a copy's reports into events, at most ten a second. The
// provider may call it from any goroutine, one call at a time.
func (x *run) progress(s *plan.Step, part string) func(providers.Progress) {
	p := &pace{}
	p.take(0, x.clock.Now())
	var told time.Time
	return func(r providers.Progress) {
		now := x.clock.Now()
		if !told.IsZero() && now.Sub(told) < progressEvery && r.Bytes < r.BytesTotal {
			return
		}
		told = now
		p.take(r.Bytes, now)
		e := about(Progress, s)
		e.Part, e.Text = part, r.Note
		e.Bytes, e.Total, e.Items, e.ItemsTotal = r.Bytes, r.BytesTotal, r.Items, r.ItemsTotal
		e.Rate, e.Left = p.rate, p.left(r.BytesTotal)
		x.tally.pace(s, e.Left, now)
		x.tell(e)
	}
}

// tell passes an event on, with how far the whole run is.
func (x *run) tell(e Event) {
	switch e.What {
	case Started, Progress, Finished, Failed, Skipped:
		e.Overall = x.tally.overall(x.clock.Now())
	}
	x.observer.tell(e)
}

// tally counts how far a run is, for events.
type tally struct {
	mu       sync.Mutex
	parallel int // accounts at once
	steps    int
	done     int
	known    map[plan.ID]time.Duration // predicted, of each counted step that is not over
	unknown  map[plan.ID]bool          // of these nobody knows how long they take
	running  map[plan.ID]time.Time     // since when what is known of it counts
	sum      time.Duration             // of known: a plan may have millions of steps, and events come often
}

// count takes the steps that a run may do now: what is behind a gate, or waits
// for a window, is not counted. If its window opens meanwhile it is added.
func (x *run) count(list []*unit) {
	t := &x.tally
	t.known, t.unknown, t.running = map[plan.ID]time.Duration{}, map[plan.ID]bool{}, map[plan.ID]time.Time{}
	o, now := openingsOf(x.plan.Config), x.clock.Now()
	out := make([]bool, len(list))
	for i, u := range list {
		out[i] = u.state == unitHeld || !o.open(list, u, now)
		for _, j := range u.after {
			out[i] = out[i] || out[j]
		}
		if !out[i] {
			t.parallel = max(t.parallel, x.limit(u.phase()))
			t.add(u)
		}
	}
}

// add counts the steps of a unit, if they were not counted yet.
func (t *tally) add(u *unit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range u.steps {
		s := &u.steps[i]
		if _, ok := t.known[s.ID]; ok || t.known == nil {
			continue
		}
		t.steps++
		t.known[s.ID] = s.Estimate.Duration
		t.sum += s.Estimate.Duration
		if s.Estimate.Duration == 0 && lasting(s.Op) {
			t.unknown[s.ID] = true
		}
	}
}

// lasting says whether it matters for the whole that nobody knows how long a
// step takes: most are over at once.
func lasting(op plan.Op) bool {
	switch op {
	case plan.OpTrial, plan.OpProvision, plan.OpPrecopy, plan.OpWarm, plan.OpFinalSync, plan.OpCompare, plan.OpArchive, plan.OpReinstall:
		return true
	}
	return false
}

func (t *tally) begin(id plan.ID, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.known[id]; ok {
		t.running[id] = now
	}
}

// pace replaces what was predicted for a step by what its rate says. A step that
// copies several parts knows only of the one that it is at.
func (t *tally) pace(s *plan.Step, left time.Duration, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if was, ok := t.known[s.ID]; ok && left > 0 && s.Op != plan.OpWarm {
		t.sum += left - was
		t.known[s.ID], t.running[s.ID] = left, now
		delete(t.unknown, s.ID)
	}
}

// over takes steps out, however they ended.
func (t *tally) over(steps ...plan.Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range steps {
		id := steps[i].ID
		d, ok := t.known[id]
		if !ok {
			continue
		}
		t.sum -= d
		t.done++
		delete(t.known, id)
		delete(t.unknown, id)
		delete(t.running, id)
	}
}

// overall is how far the run is. What accounts do beside each other is divided
// by how many there are at once, which is what a person would do.
func (t *tally) overall(now time.Time) Overall {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := Overall{Done: t.done, Steps: t.steps, AtLeast: len(t.unknown) > 0}
	sum := t.sum
	for id, began := range t.running {
		sum -= min(t.known[id], max(0, now.Sub(began)))
	}
	o.Left = (sum / time.Duration(max(1, t.parallel))).Round(time.Second)
	return o
}

package state

import (
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Log is a journal as it was read.
type Log struct {
	Lineage string   // of the store: two stores never share one; empty: nothing was ever written
	Serial  uint64   // number of events: grows with each
	Events  []Event  // by run, runs in the order in which they began
	Notes   []string // what was found and mended or left out, for people
}

// Past folds the journal to what planning needs: the facts, the timings of
// steps that finished, and which state of the store this was.
func (l *Log) Past() plan.Past {
	p := plan.Past{Lineage: l.Lineage, Serial: l.Serial}
	var facts []schema.Fact
	for _, e := range l.Events {
		switch {
		case e.What == FactLearned && e.Fact != nil:
			facts = append(facts, *e.Fact)
		case e.What == Finished && e.Timing != nil:
			p.Timings = append(p.Timings, *e.Timing)
		}
	}
	p.Facts = schema.UnionFacts(facts)
	return p
}

// Open returns the steps that were started and neither finished nor given up,
// by the run that ended last: what a crash interrupted.
func (l *Log) Open() []Event {
	var open []Event
	for _, e := range l.Events {
		switch e.What {
		case RunStarted:
			open = nil
		case Started:
			open = append(without(open, e), e)
		case Finished, Failed, Undone:
			open = without(open, e)
		}
	}
	return open
}

func without(events []Event, e Event) []Event {
	var out []Event
	for _, x := range events {
		if x.Run != e.Run || x.Step != e.Step {
			out = append(out, x)
		}
	}
	return out
}

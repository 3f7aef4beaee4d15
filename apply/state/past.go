package state

import (
	"slices"

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
	p.Surveys = l.surveys()
	return p
}

// mostSurveys is how many sizes of one account are remembered: enough for a
// rate of change, and for noticing that it is not the same every day.
const mostSurveys = 8

// surveys are the newest sizes of each account, oldest first. What of a survey
// is known better by later ones is left out.
func (l *Log) surveys() []plan.Measured {
	var all []plan.Measured
	for _, e := range l.Events {
		if e.What == Surveyed && e.Survey != nil {
			all = append(all, *e.Survey)
		}
	}
	slices.SortStableFunc(all, func(a, b plan.Measured) int { return a.At.Compare(b.At) })
	seen := map[string]int{}
	var out []plan.Measured
	for i := len(all) - 1; i >= 0; i-- {
		m := plan.Measured{At: all[i].At, Accounts: make(map[string]plan.Size, len(all[i].Accounts))}
		for escaped, size := range all[i].Accounts {
			name, err := schema.UnescapeName(escaped)
			if seen[escaped]++; err == nil && seen[escaped] <= mostSurveys {
				m.Accounts[name] = size
			}
		}
		if len(m.Accounts) > 0 {
			out = append(out, m)
		}
	}
	slices.Reverse(out)
	return out
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

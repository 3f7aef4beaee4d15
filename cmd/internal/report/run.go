package report

import (
	"strings"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
)

// Run is what the last run of apply did, as its journal says.
type Run struct {
	Who    string    `json:"who"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"` // zero: it goes on, or it died
	How    string    `json:"how,omitempty"`  // how it ended
	Done   int       `json:"done"`           // steps
	Failed []Failure `json:"failed,omitempty"`
	Moved  []string  `json:"moved,omitempty"` // accounts that were switched
	Open   []plan.ID `json:"open,omitempty"`  // steps that were begun and neither finished nor given up
}

// Failure is one step that did not succeed.
type Failure struct {
	Step plan.ID `json:"step"`
	Why  string  `json:"why"`
}

// LastRun reads the last run from a journal; nil: there was none.
func LastRun(log *state.Log) *Run {
	if log == nil {
		return nil
	}
	var r *Run
	for i := range log.Events {
		e := &log.Events[i]
		if e.What == state.RunStarted {
			who, _, _ := strings.Cut(e.Text, ", plan ") // the digest of its plan follows
			r = &Run{Who: who, Began: e.At}
		}
		if r != nil {
			r.add(e)
		}
	}
	if r == nil {
		return nil
	}
	if r.Ended.IsZero() {
		for _, e := range log.Open() {
			r.Open = append(r.Open, e.Step)
		}
	}
	return r
}

func (r *Run) add(e *state.Event) {
	switch e.What {
	case state.RunEnded:
		r.Ended, r.How = e.At, e.Text
	case state.Finished:
		r.Done++
		if e.Op == plan.OpSwitch && e.Timing != nil && e.Timing.Account != "" {
			r.Moved = append(r.Moved, e.Timing.Account)
		}
	case state.Failed, state.Undone:
		r.Failed = append(r.Failed, Failure{Step: e.Step, Why: e.Err})
	}
}

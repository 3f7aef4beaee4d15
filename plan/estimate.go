package plan

import (
	"time"

	"github.com/stopover/stopover/schema"
)

// Confidences of an estimate.
const (
	confidenceMeasured = "measured"
	confidenceRule     = "rule"
	confidenceRange    = "range"
	confidenceUnknown  = "unknown"
)

// estimator predicts durations: from measured steps of the same op where there
// are enough, else by the process's rule of thumb, else not at all.
type estimator struct {
	rule    schema.DowntimeRule
	byOp    map[Op][]Timing
	lines   map[opPart]*line // nil: not enough was measured
	cuts    cutModel
	changes map[string]rate // by account
}

// opPart is an op on a part; of other ops the part is empty.
type opPart struct {
	op   Op
	part string
}

func newEstimator(past Past, proc *schema.Process) estimator {
	e := estimator{rule: proc.Downtime, byOp: map[Op][]Timing{}, lines: map[opPart]*line{}, changes: changeRates(past.Surveys)}
	for _, t := range past.Timings {
		e.byOp[Op(t.Op)] = append(e.byOp[Op(t.Op)], t)
	}
	return e
}

// line is what was measured of an op, or nil. Files, mail and databases are
// copied at different speeds: where enough was measured of a part, it counts
// alone.
func (e *estimator) line(op Op, part string) *line {
	key := opPart{op, part}
	if l, ok := e.lines[key]; ok {
		return l
	}
	var list []sample
	for _, t := range e.byOp[op] {
		if part == "" || t.Part == part {
			list = append(list, t.sample())
		}
	}
	var l *line
	switch {
	case len(list) >= enoughTimings:
		x := fit(list)
		l = &x
	case part != "":
		l = e.line(op, "")
	}
	e.lines[key] = l
	return l
}

// sample is a timing as the estimator compares it. Only a bulk copy takes as
// long as it has entries; other passes look at them all and send few.
func (t *Timing) sample() sample {
	s := sample{x: [2]float64{float64(t.Bytes)}, y: float64(t.Duration)}
	if Op(t.Op) == OpPrecopy {
		s.x[1] = float64(t.Entries)
	}
	return s
}

// of is what a step outside of a cutover takes.
func (e *estimator) of(op Op, bytes int64) Estimate { return e.copying(op, "", bytes, 0) }

// copying is what a copy of one part takes.
func (e *estimator) copying(op Op, part string, bytes, entries int64) Estimate {
	if l := e.line(op, part); l != nil {
		return Estimate{Duration: rounded(l.at(float64(bytes), float64(entries))), Confidence: confidenceMeasured}
	}
	return Estimate{Confidence: confidenceUnknown}
}

// rounded is nanoseconds as a duration, in steps of a millisecond.
func rounded(ns float64) time.Duration {
	const longest = 1 << 62 // far more than a century; what is beyond it is a mistake in what was measured
	if !(ns < longest) {
		return longest
	}
	return time.Duration(ns).Round(time.Millisecond)
}

// server is what a step takes that the process knows a range for: its end.
func (e *estimator) server(op Op, rule *schema.ProcessPhase) Estimate {
	if l := e.line(op, ""); l != nil {
		return Estimate{Duration: rounded(l.at(0)), Confidence: confidenceMeasured}
	}
	if n := len(rule.Lasts); n > 0 {
		return Estimate{Duration: rule.Lasts[n-1], Confidence: confidenceRange}
	}
	return Estimate{Confidence: confidenceUnknown}
}

// perGB is the rule of thumb for databases, in steps of a millisecond.
func perGB(rule time.Duration, bytes int64) time.Duration {
	const gb = 1e9 // as docs/language.md says
	whole, rest := bytes/gb, bytes%gb
	d := time.Duration(whole)*rule + time.Duration(float64(rule)*float64(rest)/gb)
	return d.Round(time.Millisecond)
}

func bytesOfAll(a *account) int64 {
	if a.live == nil {
		return 0
	}
	return a.live.Bytes()
}

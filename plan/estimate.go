package plan

import (
	"slices"
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

// enoughTimings is how many measured steps of one op a prediction needs.
const enoughTimings = 3

// estimator predicts durations: from measured steps of the same op where there
// are enough, else by the process's rule of thumb, else not at all.
type estimator struct {
	rule  schema.DowntimeRule
	lines map[Op]line
}

// line is a duration as a function of bytes.
type line struct {
	base    float64 // nanoseconds
	perByte float64
}

func newEstimator(timings []Timing, proc *schema.Process) estimator {
	e := estimator{rule: proc.Downtime, lines: map[Op]line{}}
	byOp := map[Op][]Timing{}
	for _, t := range timings {
		byOp[Op(t.Op)] = append(byOp[Op(t.Op)], t)
	}
	for op, list := range byOp {
		if len(list) >= enoughTimings {
			e.lines[op] = fit(list)
		}
	}
	return e
}

// spread is how much larger the largest measured step has to be than the
// smallest before a slope between them means anything. Below that what differs
// is the noise of the machine, and a line through it runs away with the size.
const spread = 4

// fit is the line of least squares through what was measured, kept from going
// below zero at either end, or the median where all was of about one size. The explicit conversions forbid fused operations,
// so that each machine computes the same.
func fit(list []Timing) line {
	least, most := list[0].Bytes, list[0].Bytes
	for _, t := range list {
		least, most = min(least, t.Bytes), max(most, t.Bytes)
	}
	if most < spread*max(1, least) {
		return line{base: median(list)}
	}
	n := float64(len(list))
	var sx, sy float64
	for _, t := range list {
		sx += float64(t.Bytes)
		sy += float64(t.Duration)
	}
	mx, my := sx/n, sy/n
	var xy, xx float64
	for _, t := range list {
		dx, dy := float64(t.Bytes)-mx, float64(t.Duration)-my
		xy += float64(dx * dy)
		xx += float64(dx * dx)
	}
	if xx == 0 || xy <= 0 {
		return line{base: my}
	}
	k := xy / xx
	base := my - float64(k*mx)
	if base < 0 {
		return line{perByte: my / mx}
	}
	return line{base: base, perByte: k}
}

// median is the middle duration, the lower one of two.
func median(list []Timing) float64 {
	took := make([]time.Duration, len(list))
	for i, t := range list {
		took[i] = t.Duration
	}
	slices.Sort(took)
	return float64(took[(len(took)-1)/2])
}

func (l line) at(bytes int64) time.Duration {
	return time.Duration(l.base + float64(l.perByte*float64(bytes))).Round(time.Millisecond)
}

// of is what a step outside of a cutover takes.
func (e *estimator) of(op Op, bytes int64) Estimate {
	if l, ok := e.lines[op]; ok {
		return Estimate{Duration: l.at(bytes), Confidence: confidenceMeasured}
	}
	return Estimate{Confidence: confidenceUnknown}
}

// server is what a step takes that the process knows a range for: its end.
func (e *estimator) server(op Op, rule *schema.ProcessPhase) Estimate {
	if l, ok := e.lines[op]; ok {
		return Estimate{Duration: l.at(0), Confidence: confidenceMeasured}
	}
	if n := len(rule.Lasts); n > 0 {
		return Estimate{Duration: rule.Lasts[n-1], Confidence: confidenceRange}
	}
	return Estimate{Confidence: confidenceUnknown}
}

// cut is what a step within a cutover takes: all of it is downtime. The rule
// of thumb gives its base to the freeze, as that is what every cutover has.
func (e *estimator) cut(op Op, a *account) Estimate {
	if l, ok := e.lines[op]; ok {
		d := l.at(bytesOfAll(a))
		return Estimate{Duration: d, Downtime: d, Confidence: confidenceMeasured}
	}
	if op == OpFreeze {
		return Estimate{Duration: e.rule.Base, Downtime: e.rule.Base, Confidence: confidenceRule}
	}
	return Estimate{Confidence: confidenceRule}
}

// cutPart is what the final pass over one part takes.
func (e *estimator) cutPart(a *account, part string) Estimate {
	n := bytesOf(a.live, part)
	if l, ok := e.lines[OpFinalSync]; ok {
		d := l.at(n)
		return Estimate{Duration: d, Downtime: d, Confidence: confidenceMeasured}
	}
	if part != PartDatabases {
		return Estimate{Confidence: confidenceRule}
	}
	d := perGB(e.rule.PerGB, n)
	return Estimate{Duration: d, Downtime: d, Confidence: confidenceRule}
}

// perGB is the rule of thumb for databases, in steps of a millisecond.
func perGB(rule time.Duration, bytes int64) time.Duration {
	const gb = 1 << 30
	whole, rest := bytes/gb, bytes%gb
	d := time.Duration(whole)*rule + time.Duration(float64(rule)*float64(rest)/gb)
	return d.Round(time.Millisecond)
}

// outage is the downtime of one cutover of an account.
func (e *estimator) outage(a *account) time.Duration {
	var d time.Duration
	for _, op := range []Op{OpFreeze, OpCompare, OpPrepareCopy, OpSwitch} {
		d += e.cut(op, a).Downtime
	}
	for _, part := range a.parts {
		d += e.cutPart(a, part).Downtime
	}
	return d
}

func bytesOfAll(a *account) int64 {
	if a.live == nil {
		return 0
	}
	return a.live.Bytes()
}

// dates are predictions; nothing else depends on the clock.
func (b *builder) dates() Dates {
	d := Dates{Computed: b.in.Now}
	var left time.Duration
	for i := range b.steps {
		if !b.steps[i].Undo {
			left += b.steps[i].Estimate.Duration
		}
	}
	switch {
	case left == 0 || b.in.Now.IsZero():
	case b.past.has(schema.FactHandover) || b.t.present:
		d.Ends = b.in.Now.Add(left)
	default:
		d.FromHand = "+" + roughly(left)
	}
	return d
}

// roughly is a duration for people who plan days ahead.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day {
		return itoa(int64((d+day-1)/day)) + " d"
	}
	return itoa(int64((d+time.Hour-1)/time.Hour)) + " h"
}

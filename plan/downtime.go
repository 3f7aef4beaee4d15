package plan

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// cutModel predicts how long a cutover holds an account still: a base, so much
// for each entry that has to be looked at, so much for each byte of databases
// that have to be read whole, and the time that what changed since the warm pass
// takes to travel. It is made of whole outages that were measured: the parts of
// a cutover run beside each other, so that their sum would be too long.
type cutModel struct {
	known   bool
	line    line
	perByte float64 // nanoseconds for a byte that travels; 0: not known
	own     map[string][]time.Duration
}

// outage is one cutover that was measured.
type outage struct {
	account       string
	entries, sent int64
	took          time.Duration
}

// model makes the model of outages. Accounts are looked up in the inventory,
// because what was measured does not always say how large they were.
func (b *builder) model() {
	m := &b.est.cuts
	m.perByte = b.est.perByte()
	m.own = map[string][]time.Duration{}
	var list []sample
	for _, o := range b.outages() {
		m.own[o.account] = append(m.own[o.account], o.took)
		s := sample{y: max(0, float64(o.took)-float64(m.perByte*float64(o.sent)))}
		f := b.livingAccount(o.account)
		if o.entries == 0 && f == nil {
			continue // nothing is known of what was moved
		}
		s.x = weights(f)
		if o.entries > 0 {
			s.x[0] = float64(o.entries)
		}
		list = append(list, s)
	}
	if m.known = len(list) >= enoughTimings; m.known {
		m.line = fit(list)
	}
}

// outages are the cutovers that were measured, oldest first: as the facts have
// them, which outlive the state store, or as the journal has them, whichever
// knows more.
func (b *builder) outages() []outage {
	var timed []outage
	for _, t := range b.est.byOp[OpSwitch] {
		if t.Downtime > 0 {
			timed = append(timed, outage{t.Account, t.Entries, t.Sent, t.Downtime})
		}
	}
	facts := slices.DeleteFunc(switches(b.in.Past.Facts), func(s switched) bool { return s.value.Downtime <= 0 })
	if len(facts) <= len(timed) {
		return timed
	}
	out := make([]outage, len(facts))
	for i, s := range facts {
		out[i] = outage{account: s.account, took: s.value.Downtime}
	}
	return out
}

// livingAccount is an account as one of the servers has it, its owner first.
func (b *builder) livingAccount(name string) *schema.FoundAccount {
	if a := b.byName[name]; a != nil && a.live != nil {
		return a.live
	}
	if f := b.t.index[name]; f != nil {
		return f
	}
	return b.s.index[name]
}

// weights are what the length of a cutover depends on: entries, and bytes of
// databases of which nothing shows what changed, so that they are read whole.
func weights(f *schema.FoundAccount) [2]float64 {
	if f == nil {
		return [2]float64{}
	}
	var whole int64
	for _, d := range f.Databases {
		if d.Engine != "sqlite" || !strings.EqualFold(d.Mode, "wal") {
			whole += d.Bytes
		}
	}
	return [2]float64{float64(f.Files.Entries + f.Mail.Messages), float64(whole)}
}

// perByte is how long a byte travels between the servers, by the copies that
// were large enough to tell.
func (e *estimator) perByte() float64 {
	const enough = 1 << 20
	var list []weighted
	for _, op := range []Op{OpPrecopy, OpWarm} {
		for _, t := range e.byOp[op] {
			n := t.Sent
			if n == 0 && op == OpPrecopy {
				n = t.Bytes // a first copy sends all of it
			}
			if n >= enough && t.Duration > 0 {
				list = append(list, weighted{float64(t.Duration) / float64(n), float64(n)})
			}
		}
	}
	if len(list) < enoughTimings {
		return 0
	}
	return middle(list)
}

// predict is how long a cutover will hold an account still, by what was measured.
func (e *estimator) predict(a *account) time.Duration {
	x := weights(a.live)
	d := e.cuts.line.at(x[:]...) + float64(e.cuts.perByte*float64(e.left(a)))
	return rounded(e.cuts.tempered(a.name, d))
}

// tempered takes into account how long the account itself was down before: some
// have programs that are slow to stop. One measurement counts as much as what
// the others say, in the sense of the geometric mean; several count alone.
func (m *cutModel) tempered(name string, d float64) float64 {
	own := m.own[name]
	if len(own) == 0 {
		return d
	}
	own = slices.Clone(own)
	slices.Sort(own)
	mid := float64(own[(len(own)-1)/2])
	if len(own) > 1 {
		return mid
	}
	return math.Sqrt(float64(max(1, d) * mid))
}

// left is how many bytes will have changed between the warm pass and the freeze
// at the rate at which the account has changed before: as many as change while
// the warm pass itself runs.
func (e *estimator) left(a *account) int64 {
	r := e.changes[a.name]
	warm := e.of(OpWarm, bytesOfAll(a)).Duration
	return min(bytesOfAll(a), int64(float64(r.bytes*warm.Seconds())))
}

// share is the predicted outage of a cutover, given to its steps, so that their
// sum is the whole.
type share struct {
	steps [4]time.Duration // freeze, compare, prepare_copy, switch
	parts [3]time.Duration // files, mail, databases
	sure  string
}

// cutOps are the steps of a cutover beside its final passes; never written to.
var cutOps = []Op{OpFreeze, OpCompare, OpPrepareCopy, OpSwitch}

// shares divides an account's predicted outage among the steps of its cutover:
// by what such steps took where that was measured; by the rule of thumb, which
// is one of the databases, else.
func (e *estimator) shares(a *account) share {
	by := e.unmodelled(a)
	if !e.cuts.known {
		return by
	}
	s := share{sure: confidenceMeasured}
	whole := e.predict(a)
	sum, left := float64(by.sum()), whole
	for i := range by.steps {
		s.steps[i] = portion(whole, by.steps[i], sum)
		left -= s.steps[i]
	}
	for i := range by.parts {
		s.parts[i] = portion(whole, by.parts[i], sum)
		left -= s.parts[i]
	}
	s.steps[0] += left
	return s
}

func portion(whole, part time.Duration, sum float64) time.Duration {
	if sum <= 0 {
		return 0
	}
	return time.Duration(float64(float64(whole) * (float64(part) / sum))).Truncate(time.Millisecond)
}

// unmodelled is what the steps would take one after the other: measured by op,
// or by the rule. The rule of thumb gives its base to the freeze, as that is
// what every cutover has.
func (e *estimator) unmodelled(a *account) share {
	s := share{sure: confidenceMeasured}
	for i, op := range cutOps {
		l := e.line(op, "")
		switch {
		case l != nil:
			s.steps[i] = rounded(l.at(float64(bytesOfAll(a))))
		default:
			s.sure = confidenceRule
			if op == OpFreeze {
				s.steps[i] = e.rule.Base
			}
		}
	}
	for i, part := range partsAll {
		if !slices.Contains(a.parts, part) {
			continue
		}
		n := bytesOf(a.live, part)
		l := e.line(OpFinalSync, part)
		switch {
		case l != nil:
			s.parts[i] = rounded(l.at(float64(n)))
		default:
			s.sure = confidenceRule
			if part == PartDatabases {
				s.parts[i] = perGB(e.rule.PerGB, n)
			}
		}
	}
	return s
}

func (s *share) sum() time.Duration {
	var d time.Duration
	for _, x := range s.steps {
		d += x
	}
	for _, x := range s.parts {
		d += x
	}
	return d
}

// cutOf is what a step within a cutover takes: all of it is downtime.
func (a *account) cutOf(op Op) Estimate {
	return a.share.estimate(a.share.steps[slices.Index(cutOps, op)])
}

// cutPart is what the final pass over one part takes.
func (a *account) cutPart(part string) Estimate {
	return a.share.estimate(a.share.parts[slices.Index(partsAll, part)])
}

func (s *share) estimate(d time.Duration) Estimate {
	return Estimate{Duration: d, Downtime: d, Confidence: s.sure}
}

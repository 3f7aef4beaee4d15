package plan

import (
	"slices"

	"github.com/stopover/stopover/schema"
)

// defaultProbe is the name of the probe that an account with a domain has when
// it names none.
const defaultProbe = "home"

var defaultProbes = []string{defaultProbe}

// probes are the names of an account's probes.
func (a *account) probes() []string {
	if len(a.conf.Probes) > 0 {
		out := make([]string, len(a.conf.Probes))
		for i := range a.conf.Probes {
			out[i] = a.conf.Probes[i].Name
		}
		return out
	}
	if a.live != nil && len(a.live.Domains) > 0 {
		return defaultProbes
	}
	return nil
}

// recorded says whether each probe of the account has a baseline.
func (b *builder) recorded(a *account) bool {
	have := b.past.baseline[a.name]
	for _, p := range a.probes() {
		if !slices.Contains(have, p) {
			return false
		}
	}
	return b.anybody()
}

// anybody says whether there is anything to do at all.
func (b *builder) anybody() bool { return len(b.accounts) > 0 || len(b.stay) > 0 }

// prepare tries the databases and records the baselines of accounts that have
// not left yet. It only reads of them.
func (b *builder) prepare() {
	for _, a := range b.accounts {
		if a.side != sideSource {
			a.ready = true
			continue
		}
		recorded, tried := b.recorded(a), b.tried(a)
		a.ready = recorded && tried
		if a.ready || !b.goes(iPrepare) || !b.takes(a, iPrepare) || !b.s.ready {
			continue
		}
		if !tried {
			b.try(a)
		}
		if recorded {
			a.ready = true
			b.joined = append(b.joined, a.last)
			continue
		}
		n := b.add(&Step{
			ID: stepID(schema.PhasePrepare, OpBaseline, a.esc, "", a.epoch), Phase: schema.PhasePrepare, Op: OpBaseline,
			Account: a.name, Server: b.s.name, Epoch: a.epoch, Reversible: true, Objects: a.probes(),
			Why: "what later probes are compared with", Estimate: b.est.of(OpBaseline, 0),
		}, a.last)
		a.last, a.ready, a.joins = n, true, true
		b.joined = append(b.joined, n)
	}
}

// allReady says whether the barrier before the request holds, as far as this
// plan brings it: each account is prepared and none is stopped.
func (b *builder) allReady() bool {
	for _, a := range b.accounts {
		if a.side == sideSource && (!a.ready || a.stop <= iRequest) || a.side == sideUnknown || a.side == sideNowhere {
			return false
		}
	}
	return true
}

// needs says whether the process has a barrier of that kind before a phase.
func (b *builder) needs(phase, what string) bool {
	return slices.ContainsFunc(b.proc.Barriers, func(x schema.Barrier) bool {
		return x.Before == phase && x.Needs == what
	})
}

package report

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Probed is one account with what its probes answered last.
type Probed struct {
	Account string       `json:"account"`
	Server  string       `json:"server,omitempty"`
	At      time.Time    `json:"at,omitzero"` // zero: it was never probed
	OK      bool         `json:"ok"`
	Probes  []ProbedOnce `json:"probes"`
	Stage   string       `json:"stage,omitempty"`
	Err     string       `json:"error,omitempty"` // it could not be asked
}

// ProbedOnce is one probe: what it answered before anything moved, and now.
type ProbedOnce struct {
	Probe    string               `json:"probe"`
	Before   *schema.BaselineFact `json:"before,omitempty"` // nil: no baseline
	Now      *apply.Answer        `json:"now,omitempty"`    // nil: only the baseline is known
	OK       bool                 `json:"ok"`
	Why      string               `json:"why,omitempty"`      // what differs
	Recorded bool                 `json:"recorded,omitempty"` // what it answers now is the new baseline
}

// Probes are the accounts of a plan with what their probes answered last, as
// the facts remember it, in the plan's order.
func Probes(p *plan.Plan, facts []schema.Fact) []Probed {
	before := map[string]map[string]*schema.BaselineFact{}
	last := map[string]*schema.Fact{}
	for i := range facts {
		f := &facts[i]
		if f.Revoked {
			continue
		}
		name := accountOf(f)
		switch f.Kind {
		case schema.FactBaseline:
			var b schema.BaselineFact
			if decode(f, &b) {
				if before[name] == nil {
					before[name] = map[string]*schema.BaselineFact{}
				}
				before[name][b.Probe] = &b
			}
		case schema.FactProbed:
			if last[name] == nil || f.At.After(last[name].At) {
				last[name] = f
			}
		}
	}
	out := []Probed{}
	for i := range p.Accounts {
		a := &p.Accounts[i]
		out = append(out, probedOf(a, before[a.Name], last[a.Name]))
	}
	return out
}

func probedOf(a *plan.AccountPlan, before map[string]*schema.BaselineFact, f *schema.Fact) Probed {
	x := Probed{Account: a.Name, Server: a.Where, Stage: a.Stage, Probes: []ProbedOnce{}}
	seen := map[string]bool{}
	var v plan.ProbedFact
	var results []apply.ProbeResult
	if f != nil && decode(f, &v) && json.Unmarshal(v.Probes, &results) == nil {
		x.At, x.OK, x.Server = f.At, v.OK, f.Server
		for _, r := range results {
			seen[r.Probe] = true
			x.Probes = append(x.Probes, ProbedOnce{Probe: r.Probe, Before: before[r.Probe], Now: &r.Answer, OK: r.OK, Why: r.Why})
		}
	}
	for name, b := range before {
		if !seen[name] {
			x.Probes = append(x.Probes, ProbedOnce{Probe: name, Before: b})
		}
	}
	slices.SortFunc(x.Probes, func(a, b ProbedOnce) int { return strings.Compare(a.Probe, b.Probe) })
	return x
}

package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// Judge adds what the policies of the configuration say of the plan, lets
// waivers pass what they may, sorts the findings and seals the plan again. It
// may be called once for a plan. A policy that blocks stops no single step: it
// refuses the whole plan, which Refusals tells.
//
// Policies whose codes are in dated look at the plan's dates: what they say, and
// whether their waivers are used, changes with the clock, and is one of the
// dates instead, so that what is digested is the same on every day.
func (p *Plan) Judge(findings []schema.Finding, dated map[string]bool) {
	w := newWaivers(&p.Config.Migration, p.Dates.Computed)
	all, onDates := slices.Clone(p.Findings), slices.Clone(p.Dates.Findings)
	add := func(code string, f schema.Finding) {
		if dated[code] {
			onDates = append(onDates, f)
		} else {
			all = append(all, f)
		}
	}
	for _, f := range findings {
		w.waive(&f)
		add(f.Code, f)
	}
	for i := range w.list {
		c := w.list[i].conf
		if hasRule(p.Config.Policies, c.Code, PolicyPrefix) && !w.list[i].used && !w.list[i].expired {
			add(c.Code, ownFinding(codeWaiverUnused, c.Code, unusedWaiver(c)))
		}
	}
	sortFindings(onDates)
	p.Dates.Findings = onDates
	sortFindings(all)
	p.Findings = all
	if p.Digest == "" {
		return // not sealed yet: Encode does
	}
	digest, err := Digest(p)
	if err != nil {
		panic(err) // it was encoded before, from the same configuration and goal
	}
	p.Digest = digest
}

// ownFinding is a finding of a registered kind whose rule is Stopover's own,
// outside of Compute.
func ownFinding(code, object, summary string) schema.Finding {
	k := kindOf(code)
	return schema.Finding{Code: code, Severity: k.Severity, Object: object, Summary: summary, Remedy: k.Remedy,
		Source: sourceOwn, Certainty: k.Certainty}
}

// Refusals are the policies that forbid to apply any of the plan, those that look
// at its dates too. Other blockers stop their account, and the barriers behind
// it, and no more.
func (p *Plan) Refusals() []schema.Finding {
	var out []schema.Finding
	for _, f := range slices.Concat(p.Findings, p.Dates.Findings) {
		if strings.HasPrefix(f.Code, PolicyPrefix) && f.Blocks() {
			out = append(out, f)
		}
	}
	return out
}

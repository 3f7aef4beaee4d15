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
func (p *Plan) Judge(findings []schema.Finding) {
	w := newWaivers(&p.Config.Migration, p.Dates.Computed)
	all := slices.Clone(p.Findings)
	for _, f := range findings {
		w.waive(&f)
		all = append(all, f)
	}
	for i := range w.list {
		c := w.list[i].conf
		if hasRule(p.Config.Policies, c.Code, PolicyPrefix) && !w.list[i].used && !w.list[i].expired {
			all = append(all, ownFinding(codeWaiverUnused, c.Code, unusedWaiver(c)))
		}
	}
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

// Refusals are the policies that forbid to apply any of the plan. Other
// blockers stop their account, and the barriers behind it, and no more.
func (p *Plan) Refusals() []schema.Finding {
	var out []schema.Finding
	for _, f := range p.Findings {
		if strings.HasPrefix(f.Code, PolicyPrefix) && f.Blocks() {
			out = append(out, f)
		}
	}
	return out
}

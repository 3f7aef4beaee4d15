package view

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// allFindings are those of a plan and those that depend on the date.
func allFindings(p *plan.Plan) []schema.Finding {
	return slices.Concat(p.Findings, p.Dates.Findings)
}

// unfolded are the findings of a plan that its list of deadlines does not say
// already: it has the same day, by how much it is missed and why.
func unfolded(p *plan.Plan) []schema.Finding {
	out := slices.Clone(p.Findings)
	for i := range p.Dates.Findings {
		if f := &p.Dates.Findings[i]; !slices.ContainsFunc(p.Dates.Deadlines, func(d plan.Deadline) bool { return says(&d, f) }) {
			out = append(out, *f)
		}
	}
	return out
}

// says says whether the line of a deadline has all that a finding has. What was
// let pass, and by whom, it has not.
func says(d *plan.Deadline, f *schema.Finding) bool {
	return f.Object == d.What && f.Account == "" && f.Waived == nil && !f.Blocks() && (d.Missed || d.Ends.IsZero())
}

// mends is what to do about a deadline, of the finding that is folded into it,
// and its code, which waivers name.
func mends(p *plan.Plan, d *plan.Deadline) string {
	for i := range p.Dates.Findings {
		if f := &p.Dates.Findings[i]; says(d, f) {
			return strings.TrimSpace(clean(f.Remedy) + " [" + clean(f.Code) + "]")
		}
	}
	return ""
}

// blocking counts the findings that stop something.
func blocking(list []schema.Finding) int {
	n := 0
	for i := range list {
		if list[i].Blocks() {
			n++
		}
	}
	return n
}

// found is what is said at once: findings of one code that are mended in one
// way.
type found struct {
	severity, code, title, remedy string
	waived                        *schema.Waived
	list                          []*schema.Finding
}

// foundOf groups findings: what stops first, then warnings, then what only
// informs, then what a waiver lets pass. Within that the order stays.
func foundOf(list []schema.Finding) []*found {
	type key struct{ severity, code, remedy, by, reason, until string }
	at := map[key]*found{}
	var out []*found
	for i := range list {
		f := &list[i]
		k := key{severity: f.Severity, code: f.Code, remedy: f.Remedy}
		if w := f.Waived; w != nil {
			k = key{severity: "waived", code: f.Code, by: w.By, reason: w.Reason, until: w.Until}
		}
		g := at[k]
		if g == nil {
			g = &found{severity: k.severity, code: f.Code, remedy: f.Remedy, waived: f.Waived}
			at[k] = g
			out = append(out, g)
		}
		g.list = append(g.list, f)
	}
	slices.SortStableFunc(out, func(a, b *found) int { return weight(a.severity) - weight(b.severity) })
	titles := titles()
	for _, g := range out {
		g.title = titles[g.code]
	}
	return out
}

func weight(severity string) int {
	return slices.Index([]string{schema.Blocker, schema.Warning, schema.Info, "waived"}, severity)
}

// titles are the registry's, by code.
func titles() map[string]string {
	out := map[string]string{}
	for _, k := range plan.FindingKinds() {
		out[k.Code] = k.Title
	}
	return out
}

// same says whether all of a group say the same.
func (g *found) same() bool {
	return !slices.ContainsFunc(g.list, func(f *schema.Finding) bool { return f.Summary != g.list[0].Summary })
}

// accounts are those that a group is about, each once.
func (g *found) accounts() []string {
	var out []string
	seen := map[string]bool{}
	for _, f := range g.list {
		if f.Account != "" && !seen[f.Account] {
			seen[f.Account] = true
			out = append(out, f.Account)
		}
	}
	return out
}

// evidence is what was seen, each with its account where there are several.
func (g *found) evidence() []string {
	var out []string
	for _, f := range g.list {
		for _, e := range f.Evidence {
			if len(g.list) > 1 {
				e = about(f.Account) + clean(e)
			}
			out = append(out, clean(e))
		}
	}
	return out
}

// mostAlike is how many findings of one group are shown; the others are counted.
const mostAlike = 5

const mostSeen = 3

// Findings shows findings, grouped.
func (v *View) findings(list []schema.Finding) {
	groups := foundOf(list)
	for _, g := range groups {
		v.found(g)
	}
	if len(groups) > 0 {
		v.gap()
	}
}

const findingIndent = "         "

func (v *View) found(g *found) {
	paint := map[string]ink{schema.Blocker: v.style.red, schema.Warning: v.style.yellow}[g.severity]
	if paint == nil {
		paint = v.style.faint
	}
	mark := padded(clean(g.severity), 8)
	if g.waived != nil {
		v.item("", mark, paint, g.lead()+": "+g.pass(), nil)
		return
	}
	v.item("", mark, paint, g.lead(), nil)
	switch {
	case len(g.list) == 1:
	case g.same():
		if a := g.accounts(); len(a) > 0 {
			v.item(findingIndent, "", nil, plural(len(a), "account")+": "+names(a, v.most(8)), nil)
		}
	default:
		v.alike(g)
	}
	seen := g.evidence()
	for i, e := range seen {
		if i == mostSeen && !v.verbose && len(seen) > mostSeen+1 {
			v.item(findingIndent, "", nil, "… and "+number(int64(len(seen)-i))+" more places; --verbose shows all", v.style.faint)
			break
		}
		v.item(findingIndent, "seen:", v.style.faint, e, v.style.faint)
	}
	if g.remedy != "" {
		v.item(findingIndent, "→", v.style.blue, clean(g.remedy), nil)
	}
}

// lead is a group's first sentence.
func (g *found) lead() string {
	first := g.list[0]
	code := " [" + clean(g.code) + "]"
	switch {
	case len(g.list) == 1:
		return about(first.Account) + clean(first.Summary) + code
	case g.same():
		return clean(first.Summary) + code
	case g.title == "":
		return plural(len(g.list), "finding") + code
	}
	return clean(g.title) + ", " + plural(len(g.list), "time") + code
}

// pass says who lets a group pass.
func (g *found) pass() string {
	s := "waived by " + clean(g.waived.By)
	if g.waived.Until != "" {
		s += " until " + clean(g.waived.Until)
	}
	return s + ": " + clean(g.waived.Reason)
}

// alike lists the first of a group whose sentences differ.
func (v *View) alike(g *found) {
	for i, f := range g.list {
		if i == mostAlike && !v.verbose && len(g.list) > mostAlike+1 {
			v.item(findingIndent, "", nil, "… and "+number(int64(len(g.list)-i))+" more; --verbose shows all", v.style.faint)
			return
		}
		v.item(findingIndent, "-", nil, about(f.Account)+clean(f.Summary), nil)
	}
}

// CheckDocument is what check gives to programs.
type CheckDocument struct {
	FormatVersion string           `json:"format_version"`
	Blockers      int              `json:"blocker_count"`
	Warnings      int              `json:"warning_count"`
	Waived        int              `json:"waived_count"`
	Findings      []schema.Finding `json:"findings"`
}

// Findings shows findings alone, grouped, and sums them up.
func (v *View) Findings(list []schema.Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	doc := CheckDocument{FormatVersion: FormatVersion, Findings: list, Blockers: blocking(list)}
	if list == nil {
		doc.Findings = []schema.Finding{}
	}
	for i := range list {
		switch {
		case list[i].Waived != nil:
			doc.Waived++
		case list[i].Severity == schema.Warning:
			doc.Warnings++
		}
	}
	if v.give(doc) {
		return
	}
	v.findings(list)
	text := "Nothing stops the accounts."
	paint := v.style.green
	if doc.Blockers > 0 {
		text, paint = plural(doc.Blockers, "blocker")+": what is stopped does not move until that is mended.", v.style.red
	}
	var more []string
	if doc.Warnings > 0 {
		more = append(more, plural(doc.Warnings, "warning"))
	}
	if doc.Waived > 0 {
		more = append(more, number(int64(doc.Waived))+" waived")
	}
	if len(more) > 0 {
		text += " " + strings.ToUpper(strings.Join(more, ", ")[:1]) + strings.Join(more, ", ")[1:] + "."
	}
	v.item("", "", nil, text, paint)
}

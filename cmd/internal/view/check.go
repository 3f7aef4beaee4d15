package view

import (
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Checked is what the checks found.
type Checked struct {
	Migration string
	Accounts  []string // globs that were asked for; empty: all
	Findings  []schema.Finding
	DNS       bool // DNS was asked
	Notes     []string
}

// Checked shows what the checks found.
func (v *View) Checked(c Checked) {
	count := map[string]int{}
	waived := 0
	for i := range c.Findings {
		if c.Findings[i].Waived != nil {
			waived++
			continue
		}
		count[c.Findings[i].Severity]++
	}
	if v.json {
		findings := c.Findings
		if findings == nil {
			findings = []schema.Finding{}
		}
		v.document(map[string]any{"format_version": "1.0", "migration": c.Migration, "dns_asked": c.DNS, "findings": findings, "notes": c.Notes,
			"count": map[string]int{"blocker": count[schema.Blocker], "warning": count[schema.Warning], "info": count[schema.Info], "waived": waived}})
		return
	}
	for _, n := range c.Notes {
		v.line("%s %s", v.style.yellow("Note:"), wrap(clean(n), 79, "      "))
	}
	v.findings(&plan.Plan{Findings: c.Findings})
	if !c.DNS {
		v.line("%s\n", wrap("DNS was not looked at: the configuration has no dns block.", 80, ""))
	}
	var parts []string
	for _, s := range []string{schema.Blocker, schema.Warning} {
		if n := count[s]; n > 0 {
			parts = append(parts, plural(n, s))
		}
	}
	if n := count[schema.Info]; n > 0 {
		parts = append(parts, plural(n, "remark"))
	}
	if waived > 0 {
		parts = append(parts, plural(waived, "waived finding"))
	}
	verdict := v.style.green("Nothing stands in the way.")
	if count[schema.Blocker] > 0 {
		verdict = v.style.red("Something stands in the way:")
	}
	if len(parts) == 0 {
		v.line("%s", verdict)
		return
	}
	list := strings.Join(parts, ", ")
	if count[schema.Blocker] == 0 {
		list = "Found " + list
	}
	v.line("%s %s.", verdict, list)
}

package view

import (
	"strings"
	"time"

	"github.com/stopover/stopover/cmd/internal/dnssheet"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// DNS shows the action sheet; table is the file that it was written to as well.
func (v *View) DNS(s *dnssheet.Sheet, table string) {
	if v.json {
		out := map[string]any{"format_version": "1.0", "sheet": s}
		if table != "" {
			out["file"] = table
		}
		v.document(out)
		return
	}
	if s.Asked {
		v.line("%s", wrap("Looked up with "+clean(s.Resolver)+".", 80, ""))
	} else {
		v.line("%s", wrap("DNS was not looked up: the configuration has no dns block. This is what to look for.", 80, ""))
	}
	v.gap()
	v.findings(&plan.Plan{Findings: s.Findings})
	if len(s.Actions) == 0 {
		v.line("%s", wrap("The accounts have no names, or the process has no rule about them: nothing to do.", 80, ""))
	}
	v.dnsActions(s)
	if s.Reroute > 0 {
		v.line("%s", wrap("While the source is reinstalled, names that the provider's DNS does not keep may not answer for about "+took(s.Reroute)+".", 80, ""))
	}
	if table != "" {
		v.line("Wrote %s.", clean(table))
	}
}

// dnsActions shows first what somebody has to do, each name with its lines,
// then what stays.
func (v *View) dnsActions(s *dnssheet.Sheet) {
	if s.Needed() == 0 && len(s.Actions) > 0 {
		v.line("%s Nobody has to change a record.\n", v.style.green("Nothing to do."))
	}
	last, shown, kept := "", 0, map[string][]string{}
	var order []string
	for i := range s.Actions {
		a := &s.Actions[i]
		if !a.Needed {
			if kept[a.Rule] == nil {
				order = append(order, a.Rule)
			}
			kept[a.Rule] = append(kept[a.Rule], a.Domain)
			continue
		}
		if shown++; shown > mostGates && !v.verbose {
			continue
		}
		if a.Domain != last {
			v.line("%s  %s", v.style.bold(schema.QuoteName(a.Domain)), v.style.faint("account "+schema.QuoteName(a.Account)+managed(a.Managed)))
			last = a.Domain
		}
		v.dnsAction(a)
	}
	if n := shown - mostGates; n > 0 && !v.verbose {
		v.line("… and %s more; --verbose or --csv shows all", number(int64(n)))
	}
	if shown > 0 {
		v.line("")
	}
	for _, rule := range order {
		v.line("%s %s", v.style.faint("Stays as it is"), wrap("("+v.ruleRecord(s, rule)+"): "+names(kept[rule], v.most(5)), 80, "  "))
	}
	if len(order) > 0 {
		v.line("")
	}
}

func (v *View) ruleRecord(s *dnssheet.Sheet, rule string) string {
	for i := range s.Actions {
		if s.Actions[i].Rule == rule {
			return clean(s.Actions[i].Record)
		}
	}
	return clean(rule)
}

func managed(by string) string {
	switch by {
	case dnssheet.ByProvider:
		return ", on the provider's DNS"
	case dnssheet.ByOwner:
		return ", on DNS elsewhere"
	}
	return ""
}

// dnsAction is one thing to do: what, who and until when, and why.
func (v *View) dnsAction(a *dnssheet.Action) {
	what := clean(strings.Join(dnssheet.Texts(a.Records), ", "))
	if what == "" {
		what = clean(a.Record) + " that name the source server, if there are any"
	}
	switch a.Do {
	case dnssheet.Remove:
		what = "delete " + what
	case dnssheet.AddFirst:
		what = "add other MX records first, then delete " + what + ", which is the only one"
	case dnssheet.Change:
		what = "change " + what
		if len(a.To) > 0 {
			what += " to " + clean(strings.Join(a.To, ", "))
		}
	default:
		what = "look at " + what
	}
	v.line("  %s %s", v.style.yellow("→"), wrap(what, 80, "    "))
	when := a.When + " " + a.Phase
	if a.When == "now" {
		when = "now: the account has moved already"
	}
	if !a.By.IsZero() {
		when += ", at the latest " + a.By.UTC().Format("2006-01-02 15:04 UTC")
	}
	if a.TTL > 0 {
		when += " (resolvers keep the old answer for " + took(a.TTL.Round(time.Second)) + ")"
	}
	v.line("    %s", wrap(clean(a.Who)+"; "+when, 80, "    "))
	if a.Error != "" {
		v.line("    %s", v.style.yellow(wrap("not answered: "+clean(a.Error), 80, "    ")))
	}
	if a.Why != "" {
		v.line("    %s", v.style.faint(wrap(clean(a.Why), 80, "    ")))
	}
}

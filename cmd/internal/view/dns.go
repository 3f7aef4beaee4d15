package view

import (
	"strings"
	"time"

	"github.com/stopover/stopover/cmd/internal/dnssheet"
	"github.com/stopover/stopover/schema"
)

// DNSDocument is what dns gives to programs.
type DNSDocument struct {
	FormatVersion string `json:"format_version"`
	*dnssheet.Sheet
	File string `json:"file,omitempty"` // that it was written to as well
}

// DNS shows the action sheet; table is the file that it was written to as well.
func (v *View) DNS(s *dnssheet.Sheet, cfg *schema.Config, table string) {
	if v.give(DNSDocument{FormatVersion, s, table}) {
		return
	}
	if s.Asked {
		v.item("", "", nil, "Looked up with "+clean(s.Resolver)+".", nil)
	} else {
		v.item("", "", nil, "DNS was not looked up: the configuration has no dns block. This is what to look for.", nil)
	}
	v.gap()
	v.findings(s.Findings)
	if len(s.Actions) == 0 {
		v.item("", "", nil, "The accounts have no names, or the process has no rule about them: nothing to do.", nil)
	}
	v.dnsActions(s, clockOf(cfg))
	if s.Reroute > 0 {
		v.item("", "", nil, "While the source is reinstalled, names that the provider's DNS does not keep may not answer for about "+took(s.Reroute)+".", nil)
	}
	if table != "" {
		v.item("", "", nil, "Wrote "+clean(table)+".", nil)
	}
}

// mostDomains is how many names with something to do are shown without --verbose.
const mostDomains = 20

// dnsActions shows first what somebody has to do, each name with its lines,
// then what stays.
func (v *View) dnsActions(s *dnssheet.Sheet, at clock) {
	if s.Needed() == 0 && len(s.Actions) > 0 {
		v.item("", "Nothing to do.", v.style.green, "Nobody has to change a record.", nil)
		v.line("")
	}
	last, shown := "", 0
	kept := map[string][]string{}
	var rules []*dnssheet.Action
	for i := range s.Actions {
		a := &s.Actions[i]
		if !a.Needed {
			if kept[a.Rule] == nil {
				rules = append(rules, a)
			}
			kept[a.Rule] = append(kept[a.Rule], a.Domain)
			continue
		}
		if shown++; shown > mostDomains && !v.verbose {
			continue
		}
		if a.Domain != last {
			v.item("", named(a.Domain), v.style.bold, "account "+named(a.Account)+managed(a.Managed), v.style.faint)
			last = a.Domain
		}
		v.dnsAction(a, at)
	}
	if n := shown - mostDomains; n > 0 && !v.verbose {
		v.line("… and %s more; --verbose or --csv shows all", number(int64(n)))
	}
	if shown > 0 {
		v.gap()
	}
	for _, a := range rules {
		v.item("", "Stays as it is:", v.style.faint, clean(a.Record)+" of "+names(kept[a.Rule], v.most(5)), nil)
	}
	v.gap()
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
func (v *View) dnsAction(a *dnssheet.Action, at clock) {
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
	v.item("  ", "→", v.style.yellow, what, nil)
	when := a.When + " " + a.Phase
	if a.When == "now" {
		when = "now: the account has moved already"
	}
	if !a.By.IsZero() {
		when += ", at the latest " + at.moment(a.By) + " " + at.name
	}
	if a.TTL > 0 {
		when += " (resolvers keep the old answer for " + took(a.TTL.Round(time.Second)) + ")"
	}
	v.item("    ", "", nil, clean(a.Who)+"; "+when, nil)
	if a.Error != "" {
		v.item("    ", "", nil, "not answered: "+clean(a.Error), v.style.yellow)
	}
	if a.Why != "" {
		v.item("    ", "", nil, clean(a.Why), v.style.faint)
	}
}

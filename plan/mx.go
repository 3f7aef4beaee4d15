package plan

import (
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// mxRule is the rule of the process that is about an MX record; nil: none is.
func (b *builder) mxRule(x *schema.DNSRecord) *schema.DNSRule {
	for i := range b.proc.DNS {
		r := &b.proc.DNS[i]
		pref, ok := strings.CutPrefix(r.Record, "MX ")
		if n, err := strconv.ParseUint(pref, 10, 16); ok && err == nil && uint16(n) == x.Pref {
			return r
		}
	}
	return nil
}

// checkMX applies the process's rule on mail records to the domains on external
// DNS. Nothing is ever deleted by Stopover.
func (b *builder) checkMX(a *account) {
	for _, d := range a.live.Domains {
		n := b.in.Inventory.DNS.Name(hostName(d.Name))
		if n == nil || n.Error != "" || managed(n, d.DNS) != dnsExternal {
			continue
		}
		others := 0
		var rule *schema.DNSRule
		var mx schema.DNSRecord
		for _, x := range n.Records {
			if x.Type != "MX" {
				continue
			}
			if r := b.mxRule(&x); r != nil && (len(b.s.found.Names) == 0 || b.isServer(x.Value)) {
				rule, mx = r, x
			} else {
				others++
			}
		}
		if rule != nil {
			b.reportMX(a, n.Name, rule, &mx, others)
		}
	}
}

func (b *builder) reportMX(a *account, domain string, rule *schema.DNSRule, mx *schema.DNSRecord, others int) {
	what := "MX " + strconv.Itoa(int(mx.Pref)) + " " + mx.Value + " of " + domain
	seen := []string{domain + " MX " + strconv.Itoa(int(mx.Pref)) + " " + mx.Value}
	switch {
	case rule.Action == "keep":
		b.reportSeen(codeMXKept, a.name, "", domain, what+" stays", seen)
	case rule.Action != "remove_before_migrate":
	case others == 0:
		b.reportSeen(codeMXRemove, a.name, "", domain, what+" is to be deleted before the account moves, and is the only one: add the others first, or mail stops", seen)
	default:
		b.reportSeen(codeMXRemove, a.name, "", domain, what+" is to be deleted before the account moves; "+count(others, "other")+" "+staysStay(others), seen)
	}
}

func staysStay(n int) string {
	if n == 1 {
		return "stays"
	}
	return "stay"
}

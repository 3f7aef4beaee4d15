package dns

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/stopover/stopover/schema"
)

// recordsOf keeps what is looked at of an answer: the records of the kind that
// was asked for, and the CNAMEs that lead to them.
func recordsOf(list []dns.RR, kind uint16) []schema.DNSRecord {
	var out []schema.DNSRecord
	for _, rr := range list {
		h := rr.Header()
		if h.Class != dns.ClassINET || (h.Rrtype != kind && h.Rrtype != dns.TypeCNAME) {
			continue
		}
		r := schema.DNSRecord{Type: dns.TypeToString[h.Rrtype], TTL: time.Duration(h.Ttl) * time.Second}
		switch rr := rr.(type) {
		case *dns.A:
			r.Value = rr.A.String()
		case *dns.AAAA:
			r.Value = rr.AAAA.String()
		case *dns.CNAME:
			r.Value = Fold(rr.Target)
		case *dns.MX:
			r.Value, r.Pref = Fold(rr.Mx), rr.Preference
		case *dns.TXT:
			r.Value = strings.Join(rr.Txt, "")
			if !strings.HasPrefix(strings.ToLower(r.Value), "v=spf1") {
				continue // other TXT records are nobody's business here
			}
		case *dns.CAA:
			r.Value = fmt.Sprintf("%d %s %q", rr.Flag, rr.Tag, rr.Value)
		default:
			continue
		}
		if len(r.Value) > maxValue {
			r.Value = r.Value[:maxValue]
		}
		out = append(out, r)
	}
	return out
}

// tidy sorts records and drops what several questions brought twice.
func tidy(list []schema.DNSRecord) []schema.DNSRecord {
	slices.SortFunc(list, func(a, b schema.DNSRecord) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Pref, b.Pref), cmp.Compare(a.Value, b.Value), cmp.Compare(a.TTL, b.TTL))
	})
	list = slices.CompactFunc(list, func(a, b schema.DNSRecord) bool {
		return a.Type == b.Type && a.Pref == b.Pref && a.Value == b.Value // a cache counts its TTLs down
	})
	if len(list) > maxRecords {
		list = list[:maxRecords]
	}
	return list
}

// apexOf is the zone that an answer without records came from: the owner of
// the SOA beside it (RFC 2308).
func apexOf(authority []dns.RR) string {
	for _, rr := range authority {
		if rr.Header().Rrtype == dns.TypeSOA {
			return Fold(rr.Header().Name)
		}
	}
	return ""
}

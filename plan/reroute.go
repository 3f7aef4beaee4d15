package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// checkReroute tells for each domain whether it is out of reach while the
// service addresses go to transit and come home.
func (b *builder) checkReroute(a *account) {
	lasts := b.proc.Downtime.Reroute
	if lasts == 0 || b.proc.Phase(schema.PhaseReinstall) == nil || b.reinstalled || len(b.serves()) == 0 {
		return
	}
	var seen []string
	external, away := 0, ": about "+brief(lasts)+" each way"
	for _, d := range a.live.Domains {
		n := b.in.Inventory.DNS.Name(hostName(d.Name))
		switch managed(n, d.DNS) {
		case dnsExternal:
			if n != nil && n.Error == "" && !b.pointsHere(n) {
				continue
			}
			external++
			seen = append(seen, d.Name+away)
		case dnsProvider:
			seen = append(seen, d.Name+": none")
		}
	}
	if external == 0 {
		return
	}
	slices.Sort(seen)
	text := count(external, "name") + " on external DNS " + isAre(external) + " out of reach for about " + brief(lasts) + " each way"
	if rest := len(seen) - external; rest > 0 {
		text += "; " + itoa(int64(rest)) + " on the provider's DNS " + isAre(rest) + " not"
	}
	b.reportSeen(codeReroute, a.name, "", "", text, seen)
}

// pointsHere says whether a name has an address of the source.
func (b *builder) pointsHere(n *schema.FoundName) bool {
	return slices.ContainsFunc(n.Records, func(x schema.DNSRecord) bool {
		return (x.Type == "A" || x.Type == "AAAA") && slices.Contains(b.sourceAddresses(), address(x.Value))
	})
}

// brief is a duration without the units that are nothing: 1m, not 1m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

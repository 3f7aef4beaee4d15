package plan

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// Where the zone of a name is kept.
const (
	dnsProvider = "provider"
	dnsExternal = "external"
)

// checkDNS looks at what the names of an account point to, and says which of
// them are out of reach while addresses are rerouted.
func (b *builder) checkDNS(a *account) {
	if !b.leaves(a) && !(a.live != nil && (a.found == sideTransit || a.found == sideToTransit)) {
		return
	}
	b.checkReroute(a)
	if b.in.Inventory.DNS == nil {
		return
	}
	r := b.resolved(a)
	say := func(code string, list []string, one, more string) {
		if len(list) == 0 {
			return
		}
		slices.Sort(list)
		first, _, _ := strings.Cut(list[0], " ")
		text := first + " " + one
		if len(list) > 1 {
			text = count(len(list), "name") + " " + more + ", first " + first
		}
		b.reportSeen(code, a.name, "", "", text, list)
	}
	say(codeDNSLookup, r.failed, "could not be looked up", "could not be looked up")
	say(codeDNSMissing, r.missing, "has no address in DNS", "have no address in DNS")
	if len(b.sourceAddresses()) > 0 {
		say(codeDNSOther, r.elsewhere, "points to neither server", "point to neither server")
	}
	if b.dnsAction("external-address") == "change_before_finish" {
		say(codeDNSChange, r.external, "points to "+b.s.name+", and has to be changed before that is switched off", "point to "+b.s.name+", and have to be changed before that is switched off")
	} else if b.dnsAction("external-address") == "keep" {
		say(codeDNSKept, r.external, "is on external DNS and keeps its records", "are on external DNS and keep their records")
	}
	if b.dnsAction("own-address") == "report" && b.goesOut(a) {
		say(codeDNSOwn, r.own, "on the provider's DNS has addresses of "+b.s.name, "on the provider's DNS have addresses of "+b.s.name)
	}
	say(codeDNSServer, r.named, "has a record that names the server itself", "have records that name the server itself")
	say(codeDNSCAA, r.caa, "restricts who may issue its certificates", "restrict who may issue their certificates")
	say(codeMXMissing, r.noMX, "has mailboxes here and no MX record", "have mailboxes here and no MX record")
	if b.goesOut(a) {
		say(codeSPF, r.spf, "has an SPF record with an address of "+b.s.name, "have SPF records with an address of "+b.s.name)
		b.checkMX(a)
	}
}

// dnsAction is what the process says of a DNS rule; empty: nothing.
func (b *builder) dnsAction(rule string) string {
	for i := range b.proc.DNS {
		if b.proc.DNS[i].Name == rule {
			return b.proc.DNS[i].Action
		}
	}
	return ""
}

// resolution is what DNS says of an account, as lines for people.
type resolution struct {
	failed, missing, elsewhere, external, own, named, caa, noMX, spf []string
}

func (b *builder) resolved(a *account) resolution {
	var r resolution
	dns := b.in.Inventory.DNS
	for _, d := range a.live.Domains {
		n := dns.Name(hostName(d.Name))
		if n == nil {
			continue
		}
		if n.Error != "" {
			r.failed = append(r.failed, n.Name+" "+n.Error)
			continue
		}
		b.resolveAddresses(&r, n, managed(n, d.DNS))
		b.resolveRecords(&r, n)
	}
	for _, domain := range mailDomains(a.live) {
		if n := dns.Name(domain); n != nil && n.Error == "" && !slices.ContainsFunc(n.Records, func(x schema.DNSRecord) bool { return x.Type == "MX" }) {
			r.noMX = append(r.noMX, n.Name)
		}
	}
	return r
}

// resolveAddresses tells where a name points to. An alias whose addresses are
// not known points to nowhere that could be judged.
func (b *builder) resolveAddresses(r *resolution, n *schema.FoundName, managed string) {
	var list []string
	alias, source, transit := false, false, false
	for _, x := range n.Records {
		switch x.Type {
		case "A", "AAAA":
			list = append(list, x.Value)
			source = source || slices.Contains(b.sourceAddresses(), address(x.Value))
			transit = transit || slices.Contains(b.transitAddresses(), address(x.Value))
		case "CNAME":
			alias = true
		}
	}
	slices.Sort(list)
	line := n.Name + " " + strings.Join(evidenceOf(list), ", ")
	switch {
	case len(list) == 0 && !alias:
		r.missing = append(r.missing, n.Name)
	case len(list) == 0:
	case source && managed == dnsExternal:
		r.external = append(r.external, line)
	case source && managed == dnsProvider:
		r.own = append(r.own, line)
	case !source && !transit:
		r.elsewhere = append(r.elsewhere, line)
	}
}

// resolveRecords looks at what else a name's records say of the server.
func (b *builder) resolveRecords(r *resolution, n *schema.FoundName) {
	for _, x := range n.Records {
		line := n.Name + " " + x.Type + " " + x.Value
		switch x.Type {
		case "CNAME":
			if b.isServer(x.Value) {
				r.named = append(r.named, line)
			}
		case "MX":
			if b.isServer(x.Value) && b.mxRule(&x) == nil {
				r.named = append(r.named, line)
			}
		case "CAA":
			r.caa = append(r.caa, line)
		case "TXT":
			if b.spfOfSource(x.Value) {
				r.spf = append(r.spf, line)
			}
		}
	}
	r.caa = slices.Compact(r.caa)
}

// managed says who keeps a name's zone: DNS knows it better than the account.
func managed(n *schema.FoundName, said string) string {
	if n != nil && (n.Managed == dnsProvider || n.Managed == dnsExternal) {
		return n.Managed
	}
	return said
}

// mailDomains are the domains of an account's mailboxes, sorted.
func mailDomains(f *schema.FoundAccount) []string {
	var out []string
	for _, box := range f.Mail.Mailboxes {
		if i := strings.LastIndexByte(box, '@'); i >= 0 {
			out = append(out, hostName(box[i+1:]))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hostName is a name as DNS findings have it: lower case, without the last dot.
func hostName(s string) string { return strings.TrimSuffix(strings.ToLower(s), ".") }

// address is an address in one spelling; what is none stays as it is.
func address(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String()
	}
	return s
}

// sourceAddresses are the addresses that users reach the source by.
func (b *builder) sourceAddresses() []string {
	if b.s.addresses == nil {
		b.s.addresses = addresses(b.serves(), b.s.found.Addresses)
	}
	return b.s.addresses
}

// transitAddresses are the transit server's own.
func (b *builder) transitAddresses() []string {
	if b.t.addresses == nil {
		b.t.addresses = addresses(b.t.conf.Serves, b.t.found.Addresses)
	}
	return b.t.addresses
}

func addresses(lists ...[]string) []string {
	out := []string{}
	for _, list := range lists {
		for _, s := range list {
			out = append(out, address(s))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// isServer says whether a host name is the source's own.
func (b *builder) isServer(host string) bool {
	return slices.ContainsFunc(b.s.found.Names, func(n string) bool { return hostName(n) == hostName(host) })
}

// spfOfSource says whether an SPF record allows an address from which the source
// sends, and none from which transit does.
func (b *builder) spfOfSource(txt string) bool {
	words := strings.Fields(txt)
	if len(words) == 0 || !strings.EqualFold(words[0], "v=spf1") {
		return false
	}
	from, to := b.s.found.Outgoing, b.t.found.Outgoing
	if len(from) == 0 {
		from = b.sourceAddresses()
	}
	if len(to) == 0 {
		to = b.transitAddresses()
	}
	source, transit := false, false
	for _, w := range words[1:] {
		kind, value, _ := strings.Cut(strings.TrimLeft(w, "+"), ":")
		if kind != "ip4" && kind != "ip6" {
			continue
		}
		source = source || slices.ContainsFunc(from, func(s string) bool { return inNetwork(value, s) })
		transit = transit || slices.ContainsFunc(to, func(s string) bool { return inNetwork(value, s) })
	}
	return source && !transit
}

// inNetwork says whether an address is in a network, or is the address itself.
func inNetwork(network, s string) bool {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return false
	}
	a = a.Unmap()
	if p, err := netip.ParsePrefix(network); err == nil {
		return p.Contains(a)
	}
	n, err := netip.ParseAddr(network)
	return err == nil && n.Unmap() == a
}

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

// checkReroute tells for each domain whether it is out of reach while the
// service addresses go to transit and come home.
func (b *builder) checkReroute(a *account) {
	lasts := b.proc.Downtime.Reroute
	if lasts == 0 || b.proc.Phase(schema.PhaseReinstall) == nil || b.reinstalled || len(b.serves()) == 0 {
		return
	}
	var seen []string
	external := 0
	for _, d := range a.live.Domains {
		n := b.in.Inventory.DNS.Name(hostName(d.Name))
		switch managed(n, d.DNS) {
		case dnsExternal:
			if n != nil && n.Error == "" && !b.pointsHere(n) {
				continue
			}
			external++
			seen = append(seen, d.Name+": about "+lasts.String()+" each way")
		case dnsProvider:
			seen = append(seen, d.Name+": none")
		}
	}
	if external == 0 {
		return
	}
	slices.Sort(seen)
	text := count(external, "name") + " on external DNS " + isAre(external) + " out of reach for about " + lasts.String() + " each way"
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

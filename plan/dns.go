package plan

import (
	"net/netip"
	"slices"
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
	b.sayNames(a, codeDNSLookup, r.failed, "could not be looked up", "could not be looked up")
	b.sayNames(a, codeDNSMissing, r.missing, "has no address in DNS", "have no address in DNS")
	if len(b.sourceAddresses()) > 0 {
		b.sayNames(a, codeDNSOther, r.elsewhere, "points to neither server", "point to neither server")
	}
	switch b.dnsAction("external-address") {
	case "change_before_finish":
		until := " to " + b.s.name + ", and ha%s to be changed before that is switched off"
		b.sayNames(a, codeDNSChange, r.external, "points"+strings.Replace(until, "%s", "s", 1), "point"+strings.Replace(until, "%s", "ve", 1))
	case "keep":
		b.sayNames(a, codeDNSKept, r.external, "is on external DNS and keeps its records", "are on external DNS and keep their records")
	}
	b.sayNames(a, codeDNSServer, r.named, "has a record that names the server itself", "have records that name the server itself")
	b.sayNames(a, codeDNSCAA, r.caa, "restricts who may issue its certificates", "restrict who may issue their certificates")
	b.sayNames(a, codeMXMissing, r.noMX, "has mailboxes here and no MX record", "have mailboxes here and no MX record")
	if !b.goesOut(a) {
		return
	}
	if b.dnsAction("own-address") == "report" {
		b.sayNames(a, codeDNSOwn, r.own, "on the provider's DNS has addresses of "+b.s.name, "on the provider's DNS have addresses of "+b.s.name)
	}
	b.sayNames(a, codeSPF, r.spf, "has an SPF record with an address of "+b.s.name, "have SPF records with an address of "+b.s.name)
	b.checkMX(a)
}

// sayNames reports what is to be said of some names of an account: each line
// begins with the name.
func (b *builder) sayNames(a *account, code string, lines []string, one, more string) {
	if len(lines) == 0 {
		return
	}
	slices.Sort(lines)
	first, _, _ := strings.Cut(lines[0], " ")
	names, last := 0, ""
	for i, line := range lines {
		if name, _, _ := strings.Cut(line, " "); i == 0 || name != last { // a name may have several records
			names, last = names+1, name
		}
	}
	text := first + " " + one
	if names > 1 {
		text = count(names, "name") + " " + more + ", first " + first
	}
	b.reportSeen(code, a.name, "", "", text, lines)
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

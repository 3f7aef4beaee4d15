//go:build linux

package look

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// interfaces lists the machine's own addresses as the running kernel has them.
func interfaces() ([]schema.Address, error) {
	ifs, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []schema.Address
	for _, i := range ifs {
		addrs, err := i.Addrs()
		if err != nil {
			return list, err
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			ip := p.Addr().Unmap().WithZone("")
			list = append(list, schema.Address{Address: ip.String(), Interface: i.Name, Scope: scopeOf(ip)})
		}
	}
	slices.SortFunc(list, func(x, y schema.Address) int {
		return cmp.Or(cmp.Compare(x.Address, y.Address), cmp.Compare(x.Interface, y.Interface))
	})
	return list, nil
}

// scopeOf says from where an address can be reached.
func scopeOf(ip netip.Addr) string {
	shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	switch {
	case ip.IsLoopback():
		return "host"
	case ip.IsLinkLocalUnicast():
		return "link"
	case ip.IsPrivate() || ip.Is4() && shared.Contains(ip):
		return "private"
	default:
		return "global"
	}
}

// outgoing finds the addresses that the kernel would send from: a socket is
// connected to an address that is nobody's (RFC 5737, RFC 3849), and nothing is
// sent. What routers on the way make of the address cannot be seen here.
func (w *world) outgoing(ctx context.Context) (list []schema.PTR) {
	for _, to := range []string{"198.51.100.1:9", "[2001:db8::1]:9"} {
		var d net.Dialer
		c, err := d.DialContext(ctx, "udp", to)
		if err != nil {
			continue // no route
		}
		if a, ok := c.LocalAddr().(*net.UDPAddr); ok {
			list = append(list, schema.PTR{Address: a.AddrPort().Addr().Unmap().WithZone("").String()})
		}
		c.Close()
	}
	for i := range list {
		list[i].Names, list[i].Error = w.reverse(ctx, list[i].Address)
	}
	return list
}

// reverse asks for the names of an address, for a moment.
func (w *world) reverse(ctx context.Context, address string) (names []string, why string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	names, err := w.m.Reverse(ctx, address)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil, "there is no name for this address"
	case err != nil && ctx.Err() != nil:
		return nil, "the resolver did not answer in time"
	case err != nil:
		return nil, err.Error()
	}
	for i, n := range names {
		names[i] = strings.TrimSuffix(strings.ToLower(n), ".")
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), 100)], ""
}

// ownNames are the host names that are the machine's own: its own, those that
// its hosts file gives to its addresses, and those of the reverse lookup.
func (r root) ownNames(s *schema.System) []string {
	names := []string{s.Hostname, r.word("/etc/mailname")}
	own := map[string]bool{"127.0.1.1": true}
	for _, a := range s.Addresses {
		if a.Scope != "host" && a.Scope != "link" {
			own[a.Address] = true
		}
	}
	b, _ := r.read("/etc/hosts", bigFile)
	lines(b, func(_ int, line string) bool {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 1 && own[f[0]] {
			names = append(names, f[1:]...)
		}
		return len(names) < 1000
	})
	for _, o := range s.Outgoing {
		names = append(names, o.Names...)
	}
	for i, n := range names {
		names[i] = strings.TrimSuffix(strings.ToLower(n), ".")
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool {
		return n == "" || n == "localhost" || strings.HasPrefix(n, "localhost.") || strings.HasPrefix(n, "ip6-") || len(n) > 253
	})
	return names
}

// firewall returns the rules as their program prints them. Of several programs
// the one that has rules counts; counters are left out, as they change.
func (r root) firewall(ctx context.Context) (rules []string, err error) {
	var errs []error
	for _, p := range [][]string{
		{"/usr/sbin/nft", "--stateless", "list", "ruleset"},
		{"/usr/sbin/iptables-save"}, {"/usr/sbin/ip6tables-save"},
		{"/usr/sbin/iptables-legacy-save"}, {"/usr/sbin/ip6tables-legacy-save"},
	} {
		if !r.exists(p[0]) || len(rules) > 0 && p[0] != "/usr/sbin/ip6tables-save" && !strings.Contains(p[0], "legacy") {
			continue // iptables of today prints what nft printed already
		}
		out, err := r.run(ctx, p[0], p[1:]...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if list := ruleLines(out); hasRules(list) {
			rules = append(rules, list...)
		}
	}
	if len(rules) > 0 {
		return rules[:min(len(rules), 20_000)], nil
	}
	return nil, errors.Join(errs...)
}

// ruleLines takes comments and counters out of a listing.
func ruleLines(out []byte) (list []string) {
	lines(bytes.TrimSpace(out), func(_ int, line string) bool {
		if line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, withoutCounters(line))
		}
		return true
	})
	return list
}

// withoutCounters removes [12:3456] of iptables and "counter packets 1 bytes 2"
// of nft.
func withoutCounters(line string) string {
	if strings.HasPrefix(line, ":") || strings.HasPrefix(line, "[") {
		i, j := strings.LastIndexByte(line, '['), strings.LastIndexByte(line, ']')
		if i >= 0 && j > i {
			line = strings.TrimSpace(line[:i] + line[j+1:])
		}
	}
	f := strings.Split(line, " ")
	for i := 0; i+4 < len(f); i++ {
		if f[i] == "counter" && f[i+1] == "packets" && f[i+3] == "bytes" {
			f = slices.Delete(f, i+1, i+5)
		}
	}
	return strings.Join(f, " ")
}

// hasRules says whether a listing of iptables is more than its empty chains.
func hasRules(list []string) bool {
	return slices.ContainsFunc(list, func(l string) bool {
		empty := strings.HasPrefix(l, "*") || l == "COMMIT" || strings.HasPrefix(l, ":") && strings.Contains(l, " ACCEPT")
		return !empty
	})
}

package hclfile

import (
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/stopover/stopover/schema"
)

// defaultKind is the provider of servers that name none.
const defaultKind = "local"

func (d *decoder) provider(n *node) schema.ProviderDefault {
	out := schema.ProviderDefault{Kind: n.label, Pos: pos(n.defRange)}
	kind, ok := d.kind(n.label)
	if !ok {
		d.unknownKind(n, n.labelRange, n.label)
		return out
	}
	out.Options = d.options(n, kind)
	return out
}

func (d *decoder) serverBlock(n *node, defaults []schema.ProviderDefault) schema.Server {
	d.referable(n)
	out := schema.Server{Name: n.label, Provider: defaultKind, Pos: pos(n.defRange)}
	kind, known := d.providerOf(n, &out)
	if known {
		out.Options = d.options(n, kind)
	} else {
		d.plainAttrs(n)
	}
	out.Address = d.words(n, "address")
	out.Serves = d.serves(n)
	out.Price = d.price(n)
	if !known {
		return out
	}
	for _, p := range defaults {
		if p.Kind == out.Provider {
			out.Options = merged(p.Options, out.Options)
		}
	}
	for _, o := range kind.Options {
		_, given := out.Options[o.Name]
		absent := n.attrs[o.Name] == nil && !n.meant[o.Name] || n.attrs[o.Name] != nil && d.isNull(n, o.Name)
		if o.Required && !given && absent {
			d.missing(n, o.attr())
		}
	}
	return out
}

// merged puts a server's options over its provider's.
func merged(under, over map[string]string) map[string]string {
	if len(under) == 0 {
		return over
	}
	out := map[string]string{}
	for k, v := range under {
		out[k] = v
	}
	for k, v := range over {
		out[k] = v
	}
	return out
}

// price is checked for its form only; plans count with it.
func (d *decoder) price(n *node) string {
	s := d.text(n, "price")
	form := regexp.MustCompile(`^[0-9]+(\.[0-9]+)? [A-Z]{3}/(day|month|year)$`)
	if s != "" && !form.MatchString(s) {
		d.wrong(n.at("price"), n, "Not a price", "%q is not a price. Write an amount, a currency of three letters, and day, month or year: %s", s, n.spec.Attr("price").Example)
	}
	return s
}

// serves reads service addresses and writes them in one way, so that two ways
// to write an address are seen to be the same.
func (d *decoder) serves(n *node) []string {
	var out []string
	for _, s := range d.texts(n, "serves") {
		plain, ok := serviceAddress(s)
		if !ok {
			d.wrong(n.at("serves"), n, "Not an address", "%q is not an IP address, with or without a port. Write what users' names resolve to: %s", s, n.spec.Attr("serves").Example)
			continue
		}
		if slices.Contains(out, plain) {
			d.wrong(n.at("serves"), n, "Named twice", "\"serves\" holds %q twice. Take one out.", plain)
			continue
		}
		out = append(out, plain)
	}
	return out
}

func serviceAddress(s string) (string, bool) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.Unmap().String(), ip.Zone() == ""
	}
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Port() != 0 {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String(), ap.Addr().Zone() == ""
	}
	return "", false
}

// sharedAddresses reports addresses that two servers have: one could not be
// rerouted without the other, and the same machine is not two servers.
func (d *decoder) sharedAddresses(root *node, servers []schema.Server) {
	type user struct {
		node *node
		name string
	}
	serves, reached := map[string]user{}, map[string]user{}
	i := 0
	for n := range root.each("server") {
		s := servers[i]
		i++
		for _, a := range s.Serves {
			if u, ok := serves[a]; ok {
				d.wrong(n.at("serves"), n, "Address of two servers",
					"Users reach server %q at %s already, see %s. An address belongs to one server; it moves to transit by itself while the source is reinstalled.", u.name, a, place(u.node.at("serves")))
				continue
			}
			serves[a] = user{n, s.Name}
		}
		if s.Address == "" {
			continue
		}
		key := s.Provider + " " + s.Address
		if s.Provider == defaultKind {
			key = s.Provider + " " + filepath.Clean(s.Address)
		}
		if u, ok := reached[key]; ok {
			d.wrong(n.at("address"), n, "Two servers at one address",
				"Server %q is reached at %s already, see %s. Give each server its own.", u.name, s.Address, place(u.node.at("address")))
			continue
		}
		reached[key] = user{n, s.Name}
	}
}

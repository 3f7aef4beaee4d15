package hclfile

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// state decodes where the journal is kept. Options are written in one way, as
// those of servers.
func (d *decoder) state(n *node) schema.StateStore {
	out := schema.StateStore{Kind: n.label}
	for _, a := range n.spec.Attrs {
		s := d.stateOption(n, a)
		if s == "" {
			continue
		}
		if out.Options == nil {
			out.Options = map[string]string{}
		}
		out.Options[a.Name] = s
	}
	if n.label == "http" && n.attrs["address"] == nil && !n.meant["address"] {
		d.missing(n, *n.spec.Attr("address"))
	}
	d.lockAddresses(n, out.Options)
	return out
}

// lockAddresses accepts the addresses of locks that everybody pastes, and no
// others: the store makes them itself.
func (d *decoder) lockAddresses(n *node, options map[string]string) {
	for _, name := range []string{"lock_address", "unlock_address"} {
		given, address := options[name], options["address"]
		delete(options, name)
		if given == "" || address == "" || given == strings.TrimSuffix(address, "/")+"/lock" {
			continue
		}
		d.wrong(n.at(name), n, "Lock in another place", "The lock of a state is at its address with /lock behind it: %s. Write that, or take %q out.", strings.TrimSuffix(address, "/")+"/lock", name)
	}
}

func (d *decoder) stateOption(n *node, a Attr) string {
	attr := n.attrs[a.Name]
	if attr == nil {
		return ""
	}
	if !slices.Contains(a.Labels, n.label) {
		d.wrong(attr.NameRange, n, "Argument of another state", "%q means nothing to state %q. It belongs in state %q.", a.Name, n.label, a.Labels[0])
		return ""
	}
	switch {
	case a.Name == "password":
		v, ok := d.expression(n, attr)
		if !ok {
			return ""
		}
		if plain, _ := v.Unmark(); plain.IsNull() {
			return ""
		}
		s, _ := d.secret(n, attr, v)
		return s
	case a.Type == TypeBool:
		if d.flag(n, a.Name) {
			return "true"
		}
		return ""
	case a.Type == TypeNumber:
		i, ok := d.number(n, a.Name, 0, 100)
		if !ok {
			return ""
		}
		return fmt.Sprint(i)
	case a.Type == TypeDuration:
		if v := d.duration(n, a.Name); v != 0 {
			return v.String()
		}
		return ""
	}
	s := d.words(n, a.Name)
	if s != "" && slices.Contains([]string{"address", "run_address", "lock_address", "unlock_address"}, a.Name) {
		if !d.stateURL(n, a.Name, s) {
			return ""
		}
	}
	return s
}

func (d *decoder) stateURL(n *node, name, s string) bool {
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, strings.Contains(s, "@") && (err != nil || u.Hostname() == ""):
		d.hidden(n.at(name), n, "Password in a URL", "%q holds a user's name or password, which messages would show. Write username and password as arguments of their own.", name)
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "":
		d.wrong(n.at(name), n, "Not a URL", "%q is not the URL of a state. It begins with https:// or http:// and holds no \"#\". For example: %s", s, n.spec.Attr(name).Example)
	default:
		return true
	}
	return false
}

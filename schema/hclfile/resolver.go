package hclfile

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

func (d *decoder) resolver(n *node) schema.Resolver {
	out := schema.Resolver{ZoneFile: d.words(n, "zone_file"), Timeout: d.duration(n, "timeout"), Pos: pos(n.defRange)}
	for _, s := range d.texts(n, "servers") {
		if !resolverAddress(s) {
			d.wrong(n.at("servers"), n, "Not an address", "%q is not a name or an IP address, with or without a port: %s", s, n.spec.Attr("servers").Example)
			continue
		}
		out.Servers = append(out.Servers, s)
	}
	for _, s := range d.texts(n, "provider_nameservers") {
		name := strings.ToLower(strings.TrimSuffix(s, "."))
		if !hostName(name) {
			d.wrong(n.at("provider_nameservers"), n, "Not a name", "%q is not the name of a server: %s", s, n.spec.Attr("provider_nameservers").Example)
			continue
		}
		out.Provider = append(out.Provider, name)
	}
	if n.attrs["servers"] != nil && n.attrs["zone_file"] != nil {
		d.wrong(n.attrs["zone_file"].NameRange, n, "Two places to ask", "\"zone_file\" answers instead of \"servers\". Write one of them.")
	}
	if n.attrs["servers"] == nil && n.attrs["zone_file"] == nil && !n.meant["servers"] && !n.meant["zone_file"] {
		d.wrong(n.defRange, n, "Nowhere to ask", "The \"dns\" block says nowhere to ask. Write servers = [\"192.0.2.53\"], or take the block out: then DNS is not looked at.")
	}
	return out
}

// resolverAddress tells whether questions can be sent there.
func resolverAddress(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return hostName(s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return false
	}
	_, err = netip.ParseAddr(host)
	return err == nil || hostName(host)
}

// hostName tells whether a name has the form that servers have: labels of
// letters, digits and dashes.
func hostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

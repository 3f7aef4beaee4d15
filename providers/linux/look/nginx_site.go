//go:build linux

package look

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// vhost is one server block or virtual host: a site, and what tells whose it is.
type vhost struct {
	schema.Site
	roots  []string // all directories that it serves from
	passes []string // all that it passes requests on to
	to     string   // where it redirects to
	runAs  string   // user of its programs, where the web server is told
	owner  *account
	php    string // line that runs it
}

// nginxSites reads the server blocks of the main file and of those that the
// layout names.
func (r root) nginxSites(layout []string) ([]*vhost, *conf) {
	c := r.nginxConf()
	var list []*vhost
	upstreams := map[string][]string{}
	var top []directive
	if r.isFile("/etc/nginx/nginx.conf") {
		top = c.read("/etc/nginx/nginx.conf")
	}
	inherited := &vhost{}
	c.walk(top, func(d *directive) bool { return c.level(d, inherited, upstreams, &list) })
	for _, g := range layout {
		for _, file := range r.glob(g) {
			if _, seen := c.files[file]; !seen && r.isFile(file) {
				c.walk(c.read(file), func(d *directive) bool { return c.level(d, inherited, upstreams, &list) })
			}
		}
	}
	for _, v := range list {
		v.resolve(upstreams)
	}
	return list, c
}

// level takes a directive above server blocks.
func (c *conf) level(d *directive, inherited *vhost, upstreams map[string][]string, list *[]*vhost) bool {
	switch d.name {
	case "http":
		return true
	case "stream", "mail": // forwards, which settings show
		return false
	case "upstream":
		c.walk(d.block, func(u *directive) bool {
			if u.name == "server" && len(upstreams) < maxConfFiles && len(upstreams[d.arg(0)]) < 100 {
				upstreams[d.arg(0)] = append(upstreams[d.arg(0)], u.arg(0))
			}
			return false
		})
	case "root":
		inherited.Root = d.arg(0)
	case "ssl_certificate":
		inherited.Cert = c.path(d.arg(0))
	case "server":
		if d.open && len(*list) < maxSites {
			*list = append(*list, c.serverBlock(d, inherited))
		}
	}
	return false
}

// maxSites is as many sites as a server is believed to have.
const maxSites = 50_000

func (c *conf) path(p string) string {
	if p == "" || filepath.IsAbs(p) || strings.HasPrefix(p, "$") || strings.HasPrefix(p, "data:") {
		return p
	}
	return filepath.Join(c.base, p)
}

// serverBlock reads one server block of nginx.
func (c *conf) serverBlock(d *directive, inherited *vhost) *vhost {
	v := &vhost{Site: schema.Site{Server: "nginx", File: d.file, Line: d.line}}
	c.walk(d.block, func(x *directive) bool {
		switch x.name {
		case "listen":
			v.Listen = append(v.Listen, x.text())
		case "server_name":
			v.Names = append(v.Names, x.args...)
		case "root":
			v.Root = x.arg(0)
		case "ssl_certificate":
			if v.Cert == "" {
				v.Cert = c.path(x.arg(0))
			}
		case "return", "rewrite":
			v.redirect(x)
		case "location":
			c.location(v, x, 0)
		case "if":
			return true
		}
		return false
	})
	v.finish(inherited, c)
	return v
}

// location reads what a location serves from or passes on to.
func (c *conf) location(v *vhost, d *directive, depth int) {
	all := d.arg(0) == "/" || len(d.args) > 1 && (d.arg(1) == "/" || strings.HasPrefix(d.arg(1), `\.php`) || strings.Contains(d.arg(1), `\.php`))
	c.walk(d.block, func(x *directive) bool {
		switch x.name {
		case "root", "alias":
			if p := x.arg(0); len(v.roots) < 100 && !v.acme(d) {
				v.roots = append(v.roots, p)
			}
			if x.name == "root" && d.arg(0) == "/" && v.Root == "" {
				v.Root = x.arg(0)
			}
		case "proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass":
			if all || v.Pass == "" {
				v.Pass = x.arg(0)
			}
			if len(v.passes) < 100 {
				v.passes = append(v.passes, x.arg(0))
			}
		case "return", "rewrite":
			if d.arg(0) == "/" {
				v.redirect(x)
			}
		case "location":
			if depth < 4 {
				c.location(v, x, depth+1)
			}
		case "if", "limit_except":
			return true
		}
		return false
	})
}

// acme says whether a location is only for the proofs of certificates, which
// often lie in one place for all.
func (*vhost) acme(d *directive) bool { return strings.Contains(d.text(), ".well-known") }

// redirect notes where a site sends its visitors.
func (v *vhost) redirect(d *directive) {
	for _, a := range d.args {
		if host, ok := hostOfURL(a); ok {
			v.to = host
		}
	}
}

// hostOfURL is the host of an absolute URL.
func hostOfURL(s string) (string, bool) {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(s, "http://"); !ok {
			return "", false
		}
	}
	if i := strings.IndexAny(rest, "/$?#:"); i >= 0 {
		rest = rest[:i]
	}
	return strings.ToLower(rest), rest != ""
}

// finish puts the parts of a server block in order.
func (v *vhost) finish(inherited *vhost, c *conf) {
	v.Names = siteNames(v.Names)
	if len(v.Names) > 0 {
		v.Domain = v.Names[0]
	}
	if v.Root == "" && v.Pass == "" && v.to == "" && len(v.roots) == 0 {
		v.Root = inherited.Root
	}
	v.Root = c.path(v.Root)
	if v.Root != "" {
		v.roots = append([]string{v.Root}, v.roots...)
	}
	if v.Cert == "" {
		v.Cert = inherited.Cert
	}
}

// siteNames are the names of a site in lower case, each once, as configured
// first: the one without wildcards leads. Names that stand for no name are left
// out.
func siteNames(list []string) []string {
	var names, wild []string
	add := func(to *[]string, n string) {
		if len(names)+len(wild) < 10_000 && !slices.Contains(*to, n) {
			*to = append(*to, n)
		}
	}
	for _, n := range list {
		n = strings.TrimSuffix(strings.ToLower(n), ".")
		switch {
		case n == "" || n == "_" || n == "localhost" || n == "default" || n[0] == '~' || strings.ContainsAny(n, "$\x00"):
		case n[0] == '.':
			add(&names, n[1:])
			add(&wild, "*"+n)
		case strings.Contains(n, "*"):
			add(&wild, n)
		default:
			add(&names, n)
		}
	}
	return append(names, wild...)
}

// resolve puts the members of an upstream where its name stands, and says what
// kind of site it is.
func (v *vhost) resolve(upstreams map[string][]string) {
	replace := func(p string) []string {
		scheme, rest, ok := strings.Cut(p, "://")
		if !ok {
			scheme, rest = "", p
		} else {
			scheme += "://"
		}
		host, path, _ := strings.Cut(rest, "/")
		tail := ""
		if path != "" {
			tail = "/" + path
		}
		if servers := upstreams[host]; len(servers) > 0 && !strings.HasPrefix(p, "unix:") {
			var list []string
			for _, s := range servers {
				list = append(list, scheme+s+tail)
			}
			return list
		}
		return []string{p}
	}
	if v.Pass != "" {
		v.Pass = replace(v.Pass)[0]
	}
	var passes []string
	for _, p := range v.passes {
		passes = append(passes, replace(p)...)
	}
	v.passes = passes[:min(len(passes), 200)]
	v.kind()
}

// kind says what a site does, as far as its configuration tells.
func (v *vhost) kind() {
	switch {
	case v.Pass == "" && v.to != "" && v.Root == "":
		v.Kind = "redirect"
	case v.Pass != "":
		v.Kind = "proxy"
	case v.Root != "":
		v.Kind = "static"
	}
}

// endpoint is what a pass leads to: a socket's path, or an address with its
// port on this machine; local is false where it leads to another machine.
func endpoint(pass string) (socket string, port int, local bool) {
	if i := strings.Index(pass, "unix:"); i >= 0 {
		p := strings.TrimPrefix(pass[i+len("unix:"):], "//")
		if end := strings.IndexAny(p, ":|"); end >= 0 {
			p = p[:end]
		}
		return p, 0, true
	}
	if strings.HasPrefix(pass, "/") {
		return pass, 0, true
	}
	_, rest, ok := strings.Cut(pass, "://")
	if !ok {
		rest = pass
	}
	rest, _, _ = strings.Cut(rest, "/")
	if a, err := netip.ParseAddrPort(rest); err == nil {
		return "", int(a.Port()), a.Addr().IsLoopback() || a.Addr().IsUnspecified()
	}
	host, p, _ := strings.Cut(rest, ":")
	for _, c := range p {
		if c < '0' || c > '9' || port > 65535 {
			return "", 0, false
		}
		port = port*10 + int(c-'0')
	}
	return "", port, strings.EqualFold(host, "localhost") || host == "*" || host == "" && port > 0
}

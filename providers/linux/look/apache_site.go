//go:build linux

package look

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// virtualHost reads one virtual host.
func (a *apache) virtualHost(d *directive) *vhost {
	v := &vhost{Site: schema.Site{Server: "apache", File: d.file, Line: d.line, Listen: slices.Clone(d.args)}}
	var names []string
	var inside func(list []directive)
	inside = func(list []directive) {
		a.walk(list, func(x *directive) bool {
			arg := a.expand(x.arg(0))
			switch strings.ToLower(x.name) {
			case "servername":
				names = append([]string{withoutPort(arg)}, names...)
			case "serveralias":
				for _, n := range x.args {
					names = append(names, withoutPort(a.expand(n)))
				}
			case "documentroot", "virtualdocumentroot":
				v.Root = a.path(arg)
			case "sslcertificatefile":
				v.Cert = a.path(arg)
			case "directory", "files", "filesmatch", "location", "locationmatch", "directorymatch":
				a.handlers(v, x.block)
				return false
			case "virtualhost": // none is within another
				return false
			default:
				a.passing(v, x)
			}
			return a.counts(x, inside)
		})
	}
	inside(d.block)
	v.Names = siteNames(names)
	if len(v.Names) > 0 {
		v.Domain = v.Names[0]
	}
	if v.Root != "" {
		v.roots = append([]string{v.Root}, v.roots...)
	}
	return v
}

func withoutPort(n string) string {
	if host, ok := hostOfURL(n); ok {
		return host
	}
	host, _, _ := strings.Cut(n, ":")
	return host
}

// handlers looks for what requests are passed on to within a section.
func (a *apache) handlers(v *vhost, list []directive) {
	a.walk(list, func(x *directive) bool {
		a.passing(v, x)
		return a.counts(x, func([]directive) {}) && !x.is("Limit")
	})
}

// passing takes directives that serve from another place or pass on.
func (a *apache) passing(v *vhost, x *directive) {
	arg := func(i int) string { return a.expand(x.arg(i)) }
	pass := func(p string) {
		if p == "" || p == "!" || len(v.passes) > 100 {
			return
		}
		v.passes = append(v.passes, p)
		if v.Pass == "" || x.is("ProxyPass") && arg(0) == "/" {
			v.Pass = p
		}
	}
	switch strings.ToLower(x.name) {
	case "proxypass", "proxypassmatch":
		if len(x.args) == 1 || strings.Contains(arg(0), "://") { // within <Location>
			pass(arg(0))
		} else {
			pass(arg(1))
		}
	case "sethandler", "addhandler":
		if p, ok := strings.CutPrefix(arg(0), "proxy:"); ok {
			pass(p)
		}
	case "rewriterule":
		if flags := strings.ToUpper(arg(2)); strings.Contains(flags, "P]") || strings.Contains(flags, "P,") {
			pass(arg(1))
		} else {
			v.redirect(&directive{args: []string{arg(1)}})
		}
	case "redirect", "redirectpermanent", "redirectmatch":
		v.redirect(x)
	case "alias", "scriptalias", "wsgiscriptalias":
		if len(v.roots) < 100 && !strings.Contains(x.text(), ".well-known") && len(x.args) > 1 {
			v.roots = append(v.roots, arg(1))
		}
	case "suexecusergroup", "assignuserid":
		v.runAs = arg(0)
	case "wsgidaemonprocess":
		for _, o := range x.args {
			if u, ok := strings.CutPrefix(o, "user="); ok {
				v.runAs = u
			}
		}
	}
}

func (a *apache) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(a.base, p)
}

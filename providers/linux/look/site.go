//go:build linux

package look

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// Codes of what is found of sites and what runs for them.
const (
	foundConfiguration = "server-configuration" // a file of a daemon that is wrong, or could not be read
	foundSiteNobody    = "server-site-unowned"  // a site that belongs to no account
)

// running is what the parts of sites share.
type running struct {
	w     *world
	r     root
	homes map[string]*account
	users map[string]int // uid by name
	pools []schema.Pool
	hosts []*vhost
	procs []process
	cron  []cronLine
}

// sites finds what accounts serve and run: sites, pools, certificates, services,
// timers, ports, clients.
func (w *world) sites(ctx context.Context) error {
	s := &running{w: w, r: w.files(), homes: map[string]*account{}, users: map[string]int{}}
	for _, a := range w.accounts {
		if a.home != "" && a.home != "/" {
			s.homes[filepath.Clean(a.home)] = a
		}
	}
	for _, u := range w.server.System.Users {
		if _, ok := s.users[u.Name]; !ok {
			s.users[u.Name] = u.UID
		}
	}
	s.procs = s.r.processes()
	s.ports()
	s.pools = s.r.pools(w.layout.Pools, w.server.System.PHP)
	nginx, nc := s.r.nginxSites(w.layout.Nginx)
	apache, ac := s.r.apacheSites(w.layout.Apache)
	s.hosts = append(nginx, apache...)
	s.wrong(append(nc.errs, ac.errs...))
	s.attribute()
	s.place()
	s.placePools()
	s.crontabs()
	s.services()
	s.certificates()
	s.clients(ctx)
	for _, a := range w.accounts {
		sortAccount(a)
	}
	sortSettings(w.server.System.Settings)
	return ctx.Err()
}

// wrong makes findings of files of web servers that are not right.
func (s *running) wrong(errs []error) {
	for _, err := range errs {
		s.w.finding(schema.Finding{
			Code: foundConfiguration, Severity: schema.Warning, Object: "web server",
			Summary:   fmt.Sprintf("a file of the web server could not be read to its end: %v", err),
			Remedy:    "mend the file (nginx -t, apachectl configtest): sites behind that place were not seen",
			Certainty: "observed",
		})
	}
}

// place hands the sites to their accounts. What is configured in several blocks
// is one site.
func (s *running) place() {
	for _, v := range s.hosts {
		if v.owner == nil {
			s.nobody(v)
			continue
		}
		a := v.owner
		if v.Domain == "" {
			v.Domain = "_" // whatever no other site is called
		}
		if v.php != "" {
			v.Runtime = "php " + v.php
			a.use(schema.RuntimeUse{Name: "php", Version: v.php, By: "site " + v.Domain})
		}
		if s.byPath(v.File) != a {
			a.other(v.File)
		}
		i := slices.IndexFunc(a.Sites, func(x schema.Site) bool { return x.Domain == v.Domain && x.Server == v.Server })
		if i >= 0 {
			joinSites(&a.Sites[i], &v.Site)
			continue
		}
		if len(a.Sites) >= 5000 {
			a.truncated("sites")
			continue
		}
		a.Sites = append(a.Sites, v.Site)
	}
	for _, a := range s.w.accounts {
		a.Domains = domainsOf(a.Domains, a.Sites)
	}
}

// joinSites puts what a second block says of the same site into the first. The
// one that serves something says where it is configured.
func joinSites(to, from *schema.Site) {
	if rank(from.Kind) > rank(to.Kind) {
		to.Kind, to.File, to.Line = from.Kind, from.File, from.Line
	}
	for _, n := range from.Names {
		if !slices.Contains(to.Names, n) {
			to.Names = append(to.Names, n)
		}
	}
	for _, l := range from.Listen {
		if !slices.Contains(to.Listen, l) {
			to.Listen = append(to.Listen, l)
		}
	}
	to.Root, to.Pass = cmpOr(to.Root, from.Root), cmpOr(to.Pass, from.Pass)
	to.Cert, to.Runtime = cmpOr(to.Cert, from.Cert), cmpOr(to.Runtime, from.Runtime)
}

func rank(kind string) int {
	return slices.Index([]string{"", "redirect", "static", "proxy", "php"}, kind)
}

// domainsOf adds the names of sites to domains: those that a name server could
// know.
func domainsOf(have []schema.Domain, sites []schema.Site) []schema.Domain {
	known := map[string]bool{}
	for _, d := range have {
		known[d.Name] = true
	}
	for _, x := range sites {
		for _, n := range x.Names {
			if _, err := netip.ParseAddr(n); err == nil || known[n] || !strings.Contains(n, ".") || strings.Contains(n, "*") {
				continue
			}
			known[n] = true
			have = append(have, schema.Domain{Name: n})
		}
	}
	slices.SortFunc(have, func(x, y schema.Domain) int { return cmp.Compare(x.Name, y.Name) })
	return have
}

// nobody makes a finding of a site that serves something and is no account's.
func (s *running) nobody(v *vhost) {
	if v.Domain == "" || v.Kind == "redirect" {
		return // the default page of the package
	}
	s.w.finding(schema.Finding{
		Code: foundSiteNobody, Severity: schema.Warning, Object: v.Domain,
		Summary:   fmt.Sprintf("the site %s belongs to no account: its files in %s, and what it passes requests to (%s), are no account's", v.Domain, cmpOr(v.Root, "no directory"), cmpOr(v.Pass, "nothing")),
		Remedy:    "give its files to an account, name where accounts live in a layout, or have it carried over as residue",
		Certainty: "observed",
		Evidence:  []string{fmt.Sprintf("%s:%d", v.File, v.Line)},
	})
}

// placePools hands pools to the accounts that they run as, or in whose homes
// they work.
func (s *running) placePools() {
	for _, p := range s.pools {
		a := s.byUser(p.User)
		if a == nil {
			a = s.byPath(cmpOr(p.Settings["chdir"], p.Settings["chroot"]))
		}
		if a == nil || len(a.Pools) > 1000 {
			continue
		}
		a.Pools = append(a.Pools, p)
		if s.byPath(p.File) != a {
			a.other(p.File)
		}
	}
}

// ports tells accounts what their processes listen on.
func (s *running) ports() {
	for _, p := range s.w.server.System.Ports {
		if a := s.w.byUID[p.UID]; a != nil && len(a.Ports) < 1000 {
			a.Ports = append(a.Ports, p)
		}
	}
}

// sortAccount puts the lists that were filled here in order.
func sortAccount(a *account) {
	slices.SortFunc(a.Sites, func(x, y schema.Site) int {
		return cmp.Or(cmp.Compare(x.Domain, y.Domain), cmp.Compare(x.Server, y.Server))
	})
	slices.SortFunc(a.Services, func(x, y schema.Service) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.File, y.File)) })
	slices.SortFunc(a.Timers, func(x, y schema.Timer) int {
		return cmp.Or(compareNatural(x.Name, y.Name), cmp.Compare(x.Schedule, y.Schedule))
	})
	slices.SortFunc(a.Certificates, func(x, y schema.Certificate) int { return cmp.Compare(x.Path, y.Path) })
	slices.SortFunc(a.Programs, func(x, y schema.Program) int { return cmp.Compare(x.Name, y.Name) })
	slices.SortFunc(a.Tasks, func(x, y schema.Task) int {
		return cmp.Or(compareNatural(x.Name, y.Name), cmp.Compare(x.Schedule, y.Schedule))
	})
	slices.SortFunc(a.Ports, comparePort)
}

// compareNatural puts /etc/cron.d/shop:3 before /etc/cron.d/shop:10.
func compareNatural(x, y string) int {
	a, n, ok := cutNumber(x)
	b, m, ok2 := cutNumber(y)
	if ok && ok2 && a == b {
		return cmp.Compare(n, m)
	}
	return cmp.Compare(x, y)
}

func cutNumber(s string) (string, int, bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || len(s)-i > 9 {
		return s, 0, false
	}
	n := 0
	for _, c := range s[i+1:] {
		if c < '0' || c > '9' {
			return s, 0, false
		}
		n = n*10 + int(c-'0')
	}
	return s[:i], n, true
}

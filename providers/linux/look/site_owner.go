//go:build linux

package look

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// byPath is the account in whose home a path lies, be it by links on the way.
func (s *running) byPath(path string) *account {
	if path == "" || !filepath.IsAbs(path) {
		return nil
	}
	if a := s.inHome(filepath.Clean(path)); a != nil {
		return a
	}
	return s.inHome(s.r.real(path))
}

func (s *running) inHome(path string) *account {
	for ; path != "/" && path != "."; path = filepath.Dir(path) {
		if a := s.homes[path]; a != nil {
			return a
		}
	}
	return nil
}

// byUser is the account that a name of a user belongs to; a number will do.
func (s *running) byUser(name string) *account {
	if name == "" {
		return nil
	}
	if uid, ok := s.users[name]; ok {
		return s.w.byUID[uid]
	}
	var uid int
	if n, err := fmt.Sscanf(name, "%d", &uid); n == 1 && err == nil && fmt.Sprint(uid) == name {
		return s.w.byUID[uid]
	}
	return nil
}

// byOwner is the account whose files are at a path outside of homes.
func (s *running) byOwner(path string) *account {
	if path == "" || !filepath.IsAbs(path) {
		return nil
	}
	st, err := s.r.stat(path)
	if err != nil {
		return nil
	}
	return s.w.byUID[int(st.Uid)]
}

// real follows all links of a path, as far as it exists.
func (r root) real(path string) string {
	done, links := "/", 0
	rest := strings.Split(strings.Trim(filepath.Clean("/"+path), "/"), "/")
	for len(rest) > 0 {
		p := filepath.Join(done, rest[0])
		to := r.link(p)
		rest = rest[1:]
		switch {
		case to == "" || links >= 40:
			done = p
		default:
			links++
			if filepath.IsAbs(to) {
				done = "/"
			}
			rest = append(strings.Split(strings.Trim(filepath.Clean(to), "/"), "/"), rest...)
		}
		if len(rest) > 1000 {
			return p
		}
	}
	return done
}

// attribute finds the account of each site: by where its files are, who runs its
// programs, who listens where it passes requests to; then by names that another
// site of an account has, by where it redirects to, by its certificate.
func (s *running) attribute() {
	names := map[string]*account{}
	for _, v := range s.hosts {
		if p := s.poolOf(v); p != nil {
			v.php = p.PHP
			v.Kind = "php"
		}
		if v.owner = s.owner(v); v.owner != nil {
			for _, n := range v.Names {
				if names[n] == nil {
					names[n] = v.owner
				}
			}
		}
	}
	for _, v := range s.hosts {
		if v.owner == nil {
			v.owner = s.related(v, names)
		}
	}
}

func (s *running) poolOf(v *vhost) *schema.Pool {
	for _, pass := range append([]string{v.Pass}, v.passes...) {
		if p := poolOf(s.pools, pass); p != nil {
			return p
		}
	}
	return nil
}

// owner is the account that a site belongs to by what it serves.
func (s *running) owner(v *vhost) *account {
	for _, d := range v.roots {
		if a := s.byPath(d); a != nil {
			return a
		}
	}
	if a := s.byUser(v.runAs); a != nil {
		return a
	}
	for _, pass := range append([]string{v.Pass}, v.passes...) {
		if p := poolOf(s.pools, pass); p != nil {
			if a := s.byUser(p.User); a != nil {
				return a
			}
		}
		if a := s.byEndpoint(pass); a != nil {
			return a
		}
	}
	for _, d := range v.roots { // a directory of the account outside of its home
		if a := s.byOwner(d); a != nil {
			a.other(filepath.Clean(d))
			return a
		}
	}
	return s.byPath(v.Cert)
}

// byEndpoint is the account that listens where requests are passed to.
func (s *running) byEndpoint(pass string) *account {
	socket, port, local := endpoint(pass)
	if !local {
		return nil
	}
	if socket != "" {
		if a := s.byPath(socket); a != nil {
			return a
		}
		return s.byOwner(socket)
	}
	for _, p := range s.w.server.System.Ports {
		if a := s.w.byUID[p.UID]; p.Protocol == "tcp" && p.Port == port && a != nil && here(p.Address) {
			return a
		}
	}
	return nil
}

// here says whether what listens on an address answers on this machine's own.
func here(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && (a.IsLoopback() || a.IsUnspecified())
}

// related is the account of a site that serves nothing of its own.
func (s *running) related(v *vhost, names map[string]*account) *account {
	for _, n := range append(slices.Clone(v.Names), v.to) {
		if a := names[n]; a != nil {
			return a
		}
	}
	for _, n := range v.Names { // *.shop.example, www.shop.example
		if _, above, ok := strings.Cut(n, "."); ok && names[above] != nil {
			return names[above]
		}
	}
	var one *account
	for _, o := range s.hosts {
		if o.owner == nil || o.File != v.File && (v.Cert == "" || o.Cert != v.Cert) {
			continue
		}
		if one != nil && one != o.owner {
			return nil
		}
		one = o.owner
	}
	return one
}

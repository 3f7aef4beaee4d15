//go:build linux

package look

import (
	"path/filepath"
	"strconv"
	"strings"
)

// mailOwner says whose a mailbox is: the layout may say so by the path; what lies
// in a home is moved with it; else it is the account that its files belong to,
// and else the one that serves its domain.
func (w *world) mailOwner(p place, uid int, users map[string]mailUser, domains map[string]*account) *account {
	if p.account != nil {
		return p.account
	}
	if a := w.accountAt(p.path()); a != nil {
		return a
	}
	if a := w.byUID[uid]; a != nil {
		return a
	}
	if u, ok := users[p.user+"@"+p.domain]; ok {
		if a := w.byUID[u.uid]; a != nil {
			return a
		}
	}
	for d := strings.ToLower(p.domain); d != ""; _, d, _ = strings.Cut(d, ".") {
		if a := domains[d]; a != nil {
			return a
		}
	}
	return nil
}

// domainOwners says which account serves a domain: the first by name, where
// several do.
func (w *world) domainOwners() map[string]*account {
	out := map[string]*account{}
	own := func(name string, a *account) {
		if name = strings.ToLower(name); out[name] == nil {
			out[name] = a
		}
	}
	for _, a := range w.accounts {
		for _, d := range a.Domains {
			own(d.Name, a)
		}
		for _, s := range a.Sites {
			for _, n := range append([]string{s.Domain}, s.Names...) {
				own(n, a)
				own(strings.TrimPrefix(n, "www."), a)
			}
		}
	}
	return out
}

// mailUser is a line of a passwd-file of Dovecot.
type mailUser struct {
	user, domain, home string
	uid                int
}

// mailUsers reads them. Passwords are not looked at.
func (w *world) mailUsers() map[string]mailUser {
	out := map[string]mailUser{}
	for _, p := range w.places(w.layout.MailUsers) {
		text, err := w.readPlace(p, bigFile)
		if err != nil {
			w.m.Log.Warn("no mail users", "file", p.path(), "error", err)
			continue
		}
		lines(text, func(_ int, line string) bool {
			f := strings.SplitN(line, ":", 8) // user:password:uid:gid:gecos:home:shell:extra
			if f[0] == "" || f[0][0] == '#' {
				return true
			}
			u := mailUser{uid: -1}
			u.user, u.domain, _ = strings.Cut(f[0], "@")
			if len(f) > 2 {
				if n, err := strconv.Atoi(f[2]); err == nil {
					u.uid = n
				}
			}
			if len(f) > 5 && strings.HasPrefix(f[5], "/") {
				u.home = filepath.Clean(f[5])
			}
			out[f[0]] = u
			return true
		})
	}
	return out
}

//go:build linux

package look

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// mailOwners are the accounts of virtual mail users, by address: of files of
// users by their uid or home.
func (s *running) mailOwners() map[string]*account {
	who := map[string]*account{}
	for _, g := range s.w.layout.MailUsers {
		for _, p := range s.w.places([]string{g}) {
			text, _ := s.w.readPlace(p, bigFile)
			lines(text, func(_ int, line string) bool {
				f := strings.Split(line, ":")
				if len(f) < 4 || f[0] == "" || f[0][0] == '#' {
					return true
				}
				a := s.byUser(f[2])
				if a == nil && len(f) > 5 {
					a = s.byPath(f[5])
				}
				if a == nil && len(f) > 5 {
					a = s.byOwner(f[5])
				}
				if a != nil {
					who[strings.ToLower(f[0])] = a
				}
				return len(who) < 200_000
			})
		}
	}
	for _, a := range s.w.accounts {
		for _, d := range a.Domains {
			if _, ok := who["@"+d.Name]; !ok {
				who["@"+d.Name] = a
			}
		}
	}
	return who
}

// loginOwner is the account that somebody logged in to.
func (s *running) loginOwner(x seen, who map[string]*account) *account {
	user := strings.ToLower(x.user)
	if a := who[user]; a != nil {
		return a
	}
	if a := s.byUser(x.user); a != nil {
		return a
	}
	name, domain, ok := strings.Cut(user, "@")
	if !ok {
		for _, a := range s.w.accounts { // further users of FTP
			if a.User != nil && slices.ContainsFunc(a.User.Logins, func(l schema.Login) bool { return l.Name == x.user }) {
				return a
			}
		}
		return nil
	}
	if a := who["@"+domain]; a != nil {
		return a
	}
	for _, g := range s.w.layout.Mail { // whose files the mailbox has
		if strings.Contains(g, "{domain}") && !strings.ContainsAny(name+domain, "/\x00") && name != ".." {
			p := strings.NewReplacer("{domain}", domain, "{user}", name).Replace(g)
			if !strings.Contains(p, "{") {
				if a := s.byOwner(filepath.Clean(p)); a != nil {
					return a
				}
			}
		}
	}
	return nil
}

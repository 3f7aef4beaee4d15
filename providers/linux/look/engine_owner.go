//go:build linux

package look

import (
	"path"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// foundDatabase is a database with the users that have rights on it by
// themselves: administrators of everything are not among them.
type foundDatabase struct {
	found schema.Database
	users []string
}

// belongings say which account databases and users belong to; what is not in
// them is the server's own.
type belongings struct{ databases, users map[string]string }

// belong decides which account databases and users belong to. What fits one of
// the globs belongs to the account with the longest name that fits. Else a user
// belongs to the account whose databases alone it has rights on, and a database
// to the account whose users alone have rights on it.
func belong(databases, databaseUsers, accounts []string, dbs []foundDatabase, users []string) belongings {
	known := make(map[string]bool, len(accounts))
	for _, a := range accounts {
		known[a] = true
	}
	b := belongings{map[string]string{}, map[string]string{}}
	for _, d := range dbs {
		if a := longest(databases, known, d.found.Name); a != "" {
			b.databases[d.found.Name] = a
		}
	}
	for _, u := range users {
		if a := longest(databaseUsers, known, u); a != "" {
			b.users[u] = a
		}
	}
	claims := map[string][]string{} // accounts of the databases that a user has rights on; "" for the server's own
	for _, d := range dbs {
		for _, u := range d.users {
			claims[u] = append(claims[u], b.databases[d.found.Name])
		}
	}
	derived := map[string]string{}
	for _, u := range users {
		if a := only(claims[u]); b.users[u] == "" && a != "" {
			derived[u] = a
		}
	}
	for u, a := range derived {
		b.users[u] = a
	}
	for _, d := range dbs {
		if b.databases[d.found.Name] != "" {
			continue
		}
		owners := make([]string, len(d.users))
		for i, u := range d.users {
			owners[i] = b.users[u]
		}
		if a := only(owners); a != "" {
			b.databases[d.found.Name] = a
		}
	}
	return b
}

// only is the one that all are, or nothing.
func only(of []string) string {
	if len(of) == 0 || slices.ContainsFunc(of, func(s string) bool { return s != of[0] }) {
		return ""
	}
	return of[0]
}

const accountWord = "{account}"

// longest is the account with the longest name with which one of the globs fits
// a name, or nothing.
func longest(globs []string, accounts map[string]bool, name string) string {
	best := ""
	for _, g := range globs {
		before, after, ok := strings.Cut(g, accountWord)
		if !ok {
			continue
		}
		// Every place where the account's name may stand is tried, rather than every
		// account: there may be ten thousand.
		for from := range len(name) + 1 {
			if ok, err := path.Match(before, name[:from]); err != nil || !ok {
				continue
			}
			for to := len(name); to-from > len(best); to-- {
				a := name[from:to]
				if !accounts[a] {
					continue
				}
				if ok, err := path.Match(strings.ReplaceAll(after, accountWord, escapeGlob(a)), name[to:]); err == nil && ok {
					best = a
					break
				}
			}
		}
	}
	return best
}

// escapeGlob makes a name stand for itself in a glob.
func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

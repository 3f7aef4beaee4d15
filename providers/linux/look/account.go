//go:build linux

package look

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stopover/stopover/schema"
)

// users finds the accounts: users of the machine that the layout describes. A
// user whose home is another account's, or lies in it, is a further login of
// that account.
func (w *world) users(ctx context.Context) error {
	text, err := w.dir().read("/etc/passwd", bigFile)
	if err != nil {
		return err
	}
	all := parsePasswd(text)
	groups, err := w.groups()
	if err != nil {
		w.incomplete("groups", err)
	}
	w.chooseAccounts(all)
	w.describeUsers(ctx, all, groups)
	return nil
}

// passwdEntry is one line of passwd.
type passwdEntry struct {
	name        string
	uid, gid    int
	home, shell string
}

func parsePasswd(text []byte) (out []passwdEntry) {
	lines(text, func(_ int, line string) bool {
		f := strings.Split(line, ":")
		if len(f) < 7 || f[0] == "" || f[0][0] == '#' { // NIS's + and - have no number
			return true
		}
		uid, errU := strconv.Atoi(f[2])
		gid, errG := strconv.Atoi(f[3])
		if errU != nil || errG != nil {
			return true
		}
		home := f[5]
		if strings.HasPrefix(home, "/") {
			home = filepath.Clean(home)
		}
		out = append(out, passwdEntry{f[0], uid, gid, home, f[6]})
		return true
	})
	return out
}

// isAccount says whether the layout takes a user for an account.
func isAccount(l *schema.Layout, p *passwdEntry) bool {
	if p.uid < l.MinUID || l.MaxUID > 0 && p.uid > l.MaxUID || schema.MatchAny(l.Exclude, p.name) {
		return false
	}
	return slices.ContainsFunc(l.Homes, func(glob string) bool {
		glob = strings.ReplaceAll(glob, "{account}", quotePattern(p.name))
		ok, err := filepath.Match(filepath.Clean(glob), p.home)
		return err == nil && ok
	})
}

// chooseAccounts decides which users are accounts, in an order that does not
// depend on that of the file: of several with one home the one that it is named
// after, then the one with the lowest user id.
func (w *world) chooseAccounts(all []passwdEntry) {
	var list []*passwdEntry
	for i := range all {
		if isAccount(&w.layout, &all[i]) {
			list = append(list, &all[i])
		}
	}
	first := func(p *passwdEntry) int { // whom the home is named after
		if filepath.Base(p.home) == p.name {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(x, y *passwdEntry) int {
		return cmp.Or(strings.Compare(x.home, y.home), first(x)-first(y), x.uid-y.uid, strings.Compare(x.name, y.name))
	})
	homes := map[string]bool{}
	for _, p := range list {
		if within(p.home, homes) != "" || w.byName[p.name] != nil {
			continue
		}
		homes[p.home] = true
		a := &account{home: p.home, FoundAccount: schema.FoundAccount{
			Name: p.name, UID: p.uid, Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true},
			User: &schema.User{GID: p.gid, Home: p.home, Shell: p.shell},
		}}
		w.accounts = append(w.accounts, a)
		w.byName[p.name], w.byHome[p.home] = a, a
	}
	slices.SortFunc(w.accounts, func(x, y *account) int { return strings.Compare(x.Name, y.Name) })
	for _, a := range w.accounts {
		if w.byUID[a.UID] == nil {
			w.byUID[a.UID] = a
		}
	}
}

// within returns the directory of the set that path is or lies in, or nothing.
func within(path string, dirs map[string]bool) string {
	for p := path; ; p = filepath.Dir(p) {
		if dirs[p] {
			return p
		}
		if len(p) <= 1 {
			return ""
		}
	}
}

// accountAt returns the account in whose home a path lies, or nil.
func (w *world) accountAt(path string) *account {
	for p := filepath.Clean(path); len(p) > 1; p = filepath.Dir(p) {
		if a := w.byHome[p]; a != nil {
			return a
		}
	}
	return nil
}

// each does something for every account, several at a time: most of the time is
// spent waiting for directories.
func (w *world) each(ctx context.Context, do func(*account)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range walkers() {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(w.accounts) {
					return
				}
				w.guard(w.accounts[i], do)
			}
		})
	}
	all.Wait()
}

// guard does something for an account. A fault of our own costs that account
// alone.
func (w *world) guard(a *account, do func(*account)) {
	defer func() {
		if r := recover(); r != nil {
			w.m.Log.Error("panic", "account", a.Name, "value", fmt.Sprint(r), "stack", string(debug.Stack()))
			a.finding(schema.Finding{Code: foundUnreadable, Severity: schema.Blocker,
				Summary: fmt.Sprintf("%s could not be looked at: the agent met a fault of its own: %v", schema.QuoteName(a.Name), r),
				Remedy:  "report it; nothing of the account is moved before"})
		}
	}()
	do(a)
}

// walkers is how many directories are read at the same time.
func walkers() int { return min(8, 2*runtime.GOMAXPROCS(0)) }

// groups reads the groups of the machine.
func (w *world) groups() (*groupList, error) {
	g := &groupList{names: map[int]string{}, of: map[string][]string{}}
	text, err := w.dir().read("/etc/group", bigFile)
	if err != nil {
		return g, fmt.Errorf("read the groups: %w", err)
	}
	lines(text, func(_ int, line string) bool {
		f := strings.Split(line, ":")
		if len(f) < 4 || f[0] == "" {
			return true
		}
		gid, err := strconv.Atoi(f[2])
		if err != nil {
			return true
		}
		if g.names[gid] == "" {
			g.names[gid] = f[0]
		}
		for m := range strings.SplitSeq(f[3], ",") {
			if m = strings.TrimSpace(m); m != "" {
				g.of[m] = append(g.of[m], f[0])
			}
		}
		return true
	})
	return g, nil
}

// groupList is what /etc/group says.
type groupList struct {
	names map[int]string      // by id
	of    map[string][]string // groups by the names of their members
}

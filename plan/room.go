package plan

import (
	"fmt"
	"strings"

	"github.com/stopover/stopover/schema"
)

// checkQueue says how much mail waits on the servers.
func (b *builder) checkQueue() {
	for _, p := range []*place{b.s, b.t} {
		if p.present && p.found.System != nil && p.found.System.Queue > 0 && !b.past.has(schema.FactReleased) {
			b.report(codeQueue, "", p.name, "", count(int(p.found.System.Queue), "message")+" "+plural(int(p.found.System.Queue), "waits", "wait")+" in the mail queue of "+p.name)
		}
	}
}

// mountOf is the file system that a path lies on; nil: not told.
func mountOf(s *schema.System, path string) *schema.Mount {
	var best *schema.Mount
	for i := range s.Mounts {
		m := &s.Mounts[i]
		if under := strings.TrimRight(m.Path, "/"); path == m.Path || strings.HasPrefix(path, under+"/") {
			if best == nil || len(m.Path) > len(best.Path) {
				best = m
			}
		}
	}
	return best
}

// checkQuotaThere says that quotas which hold here would not hold there.
func (b *builder) checkQuotaThere(from, to *place) {
	n := 0
	var at *schema.Mount
	for _, a := range b.accounts {
		if a.live == nil || a.live.User == nil || a.live.User.Quota == nil || a.live.User.Quota.Hard == 0 && a.live.User.Quota.Soft == 0 || from.index[a.name] != a.live {
			continue
		}
		if m := mountOf(to.found.System, a.live.User.Home); m != nil && !m.Quota {
			n, at = n+1, m
		}
	}
	if n > 0 {
		b.report(codeQuotaOff, "", to.name, at.Path, fmt.Sprintf("%s on %s %s quotas, and %s on %s has none switched on", count(n, "account"), from.name, plural(n, "has", "have"), at.Path, to.name))
	}
}

// load is what of an account comes to which file system of the target.
type load struct {
	mount *schema.Mount
	bytes int64
}

// loads are what of an account still comes to the file systems of the target:
// the home to its own path, mailboxes to theirs, databases to the directory of
// their engine.
func loads(a *account, to *place) []load {
	var out []load
	add := func(path string, n int64) {
		m := mountOf(to.found.System, path)
		if m == nil || n <= 0 {
			return
		}
		for i := range out {
			if out[i].mount == m {
				out[i].bytes += n
				return
			}
		}
		out = append(out, load{m, n})
	}
	have := to.index[a.name]
	if have == nil || have == a.live {
		have = &schema.FoundAccount{}
	}
	home := "/home/" + a.name
	if a.live.User != nil && a.live.User.Home != "" {
		home = a.live.User.Home
	}
	add(home, a.live.Files.Bytes-have.Files.Bytes)
	mail := home
	if len(a.live.Mail.Boxes) > 0 && a.live.Mail.Boxes[0].Path != "" {
		mail = a.live.Mail.Boxes[0].Path
	}
	if !strings.HasPrefix(mail, "/") {
		mail = home
	}
	add(mail, a.live.Mail.Bytes-have.Mail.Bytes)
	for _, d := range a.live.Databases {
		if e := to.found.System.Engine(d.Engine); e != nil && e.Data != "" {
			add(e.Data, d.Bytes-databaseBytes(have, &d))
		}
	}
	return out
}

// databaseBytes is the size of the same database in another copy of an account.
func databaseBytes(f *schema.FoundAccount, d *schema.Database) int64 {
	for _, x := range f.Databases {
		if x.Engine == d.Engine && x.Name == d.Name {
			return x.Bytes
		}
	}
	return 0
}

// checkMounts stops the accounts that do not fit on the file systems that they
// come to, where the target has more than one.
func (b *builder) checkMounts(from, to *place, phase int) {
	if len(to.found.System.Mounts) < 2 {
		return // capacity says it
	}
	free := map[*schema.Mount]int64{}
	for i := range to.found.System.Mounts {
		free[&to.found.System.Mounts[i]] = to.found.System.Mounts[i].Free
	}
	out := map[*schema.Mount][]string{}
	for _, a := range b.accounts {
		if a.live == nil || from.index[a.name] != a.live || a.found != sideSource && a.found != sideTransit || a.stop <= phase {
			continue
		}
		list := loads(a, to)
		fits := true
		for _, l := range list {
			if l.bytes > free[l.mount] {
				out[l.mount] = append(out[l.mount], a.name+": "+size(l.bytes))
				fits = false
			}
		}
		if !fits {
			a.halt(codeMount, phase)
			continue
		}
		for _, l := range list {
			free[l.mount] -= l.bytes
		}
	}
	for i := range to.found.System.Mounts {
		m := &to.found.System.Mounts[i]
		if names := out[m]; len(names) > 0 {
			b.reportSeen(codeMount, "", to.name, m.Path, fmt.Sprintf("%s on %s has %s free: %s not fit, first %s", m.Path, to.name, size(m.Free), doDoes(len(names)), names[0]), names)
		}
	}
}

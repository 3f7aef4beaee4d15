//go:build linux

package look

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// Codes of residue.
const foundResidueCut = "residue-incomplete" // there is more than was listed or counted

// Bounds of residue: a list that nobody can read is cut, and said to be.
const (
	maxResidue = 5000
	maxCounted = 20_000_000 // entries below what belongs to nobody
)

// whose says what is known of the paths below the places where residue lies.
type whose struct {
	r       root
	places  []string
	owned   map[string]bool // by a package
	claimed map[string]bool // by an account, with all that is below
	above   map[string]bool // something that is owned, claimed or ignored lies below
	ignore  []string
	counted int
	cut     bool
	list    []schema.Residue
	inodes  counts // hard links count once
}

// residue lists what belongs to no account and to no package, in the places
// where such things lie: what a reinstallation would destroy and nothing carries.
// Homes are not entered.
func (w *world) residue(ctx context.Context) error {
	o := &whose{r: w.files(), owned: map[string]bool{}, claimed: map[string]bool{}, above: map[string]bool{}, ignore: w.layout.Ignore}
	for _, g := range w.layout.Residue {
		for _, p := range o.r.glob(g) {
			o.places = append(o.places, filepath.Clean(p))
		}
	}
	w.claims(o)
	if err := o.packages(ctx); err != nil {
		w.note("files of packages", err)
	}
	for _, g := range o.ignore {
		o.noteAbove(fixedPart(g))
		o.noteAbove(filepath.Clean("/" + g))
	}
	for _, p := range o.places {
		if o.nested(p) {
			continue // part of another place
		}
		if o.r.isDir(p) {
			o.inside(ctx, p, 0)
		} else {
			o.visit(ctx, p, 0)
		}
	}
	o.databases(w.server.System)
	slices.SortFunc(o.list, func(x, y schema.Residue) int { return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Kind, y.Kind)) })
	w.server.Residue = slices.Compact(o.list)
	if o.cut {
		w.finding(schema.Finding{Code: foundResidueCut, Severity: schema.Warning, Object: "residue",
			Summary:   fmt.Sprintf("more than %d things on the server belong to no account: not all of them were listed or counted", maxResidue),
			Remedy:    "name in the layout what is no residue (ignore), or see whether accounts were found at all",
			Certainty: "observed"})
	}
	return ctx.Err()
}

// nested says whether a place lies in another one.
func (o *whose) nested(p string) bool {
	return slices.ContainsFunc(o.places, func(q string) bool { return q != p && under(p, q) })
}

// claims notes what accounts have: homes, mailboxes, crontabs, and what the
// survey found to be theirs.
func (w *world) claims(o *whose) {
	claim := func(p string) {
		if p == "" || !filepath.IsAbs(p) || filepath.Clean(p) == "/" {
			return
		}
		for _, q := range []string{filepath.Clean(p), o.r.real(p)} {
			o.claimed[q] = true
			o.noteAbove(q)
		}
	}
	for _, a := range w.accounts {
		claim(a.home)
		for _, p := range a.Other {
			claim(p)
			if strings.HasPrefix(p, "/etc/systemd/") {
				claim(p + ".d")
			}
		}
		for _, b := range a.Mail.Boxes {
			claim(b.Path)
		}
		for _, g := range w.layout.Crontabs {
			if strings.Contains(g, "{account}") {
				claim(strings.ReplaceAll(g, "{account}", a.Name))
			}
		}
	}
}

// noteAbove notes the directories above a path.
func (o *whose) noteAbove(p string) {
	for d := filepath.Dir(p); d != "/" && d != "." && !o.above[d]; d = filepath.Dir(d) {
		o.above[d] = true
	}
}

func (o *whose) inPlaces(p string) bool {
	return slices.ContainsFunc(o.places, func(q string) bool { return under(p, q) })
}

// inside looks at everything in a directory that is not residue as a whole.
func (o *whose) inside(ctx context.Context, dir string, depth int) {
	list, err := o.r.list(dir)
	if err != nil || depth > 200 {
		return
	}
	for _, e := range list {
		if ctx.Err() != nil {
			return
		}
		o.visit(ctx, filepath.Join(dir, e.Name()), depth)
	}
}

// visit says of one path whether it is residue.
func (o *whose) visit(ctx context.Context, p string, depth int) {
	if o.claimed[p] || o.ignored(p) {
		return
	}
	st, err := o.r.lstat(p)
	if err != nil {
		return
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if o.owned[p] || o.above[p] || ordinary(p) {
			o.inside(ctx, p, depth+1)
			return
		}
		switch m := o.measure(ctx, p, 0); {
		case m.files > 0:
			o.add(p, "directory", m.bytes)
		case m.links > 0: // each may lead to what somebody has
			o.inside(ctx, p, depth+1)
		}
	case unix.S_IFLNK:
		if !o.owned[p] && !o.harmlessLink(p) {
			o.add(p, "link", 0)
		}
	case unix.S_IFREG:
		if !o.owned[p] {
			o.add(p, fileKind(p, st.Mode), st.Size)
		}
	}
}

func (o *whose) ignored(p string) bool {
	return slices.ContainsFunc(o.ignore, func(g string) bool {
		ok, _ := filepath.Match(filepath.Clean("/"+g), p)
		return ok
	})
}

func (o *whose) add(path, kind string, bytes int64) {
	if len(o.list) >= maxResidue {
		o.cut = true
		return
	}
	o.list = append(o.list, schema.Residue{Path: path, Bytes: bytes, Kind: kind})
}

// ordinary are directories that every system has and no package lists: what is
// in them is looked at one by one.
func ordinary(p string) bool {
	rest, ok := strings.CutPrefix(p, "/usr/local/")
	if !ok {
		return false
	}
	f := strings.Split(rest, "/")
	switch f[0] {
	case "bin", "sbin", "etc", "games", "include", "libexec", "src":
		return len(f) == 1
	case "lib", "lib64":
		return len(f) == 1 || len(f) == 2 && strings.HasPrefix(f[1], "python") || len(f) == 3 && strings.HasSuffix(f[2], "-packages")
	case "share", "man":
		return len(f) == 1 || len(f) < 4 && f[1] == "man" || f[0] == "man"
	}
	return false
}

// harmlessLink says whether a link only switches on what a package or an account
// has, or leads nowhere.
func (o *whose) harmlessLink(p string) bool {
	to := o.r.real(p)
	if !o.r.exists(to) || o.owned[to] || o.claimed[to] || ordinary(to) {
		return true
	}
	for _, d := range []string{"/usr/lib", "/lib", "/usr/share", "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/etc/alternatives", "/dev"} {
		if under(to, d) {
			return true
		}
	}
	for d := to; d != "/"; d = filepath.Dir(d) {
		if o.claimed[d] {
			return true
		}
	}
	return false
}

func fileKind(p string, mode uint32) string {
	switch {
	case under(p, "/etc/cron.d") || under(p, "/var/spool/cron"):
		return "crontab"
	case under(p, "/etc/systemd"):
		return "unit"
	case under(p, "/var/mail") || under(p, "/var/spool/mail"):
		return "mailbox"
	case mode&0o111 != 0:
		return "program"
	}
	return "file"
}

// databases adds those of engines that are no account's, with their users.
func (o *whose) databases(s *schema.System) {
	for _, e := range s.Engines {
		for _, d := range e.Databases {
			o.add(e.Name+"/"+d.Name, "database", d.Bytes)
		}
		for _, u := range e.Users {
			if systemUser(e.Name, u.Name) {
				continue
			}
			name := u.Name
			if u.Host != "" {
				name += "@" + u.Host
			}
			o.add(e.Name+"/"+name, "database-user", 0)
		}
	}
}

// systemUser says whether a user of an engine comes with it.
func systemUser(engine, name string) bool {
	switch engine {
	case "postgresql":
		return name == "postgres" || strings.HasPrefix(name, "pg_")
	default:
		return name == "root" || name == "mysql" || name == "mariadb.sys" || name == "mysql.sys" || name == "mysql.session" || name == "mysql.infoschema" ||
			name == "debian-sys-maint" || name == "PUBLIC" || name == ""
	}
}

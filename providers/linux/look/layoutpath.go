//go:build linux

package look

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A path of a layout leads from what is the server's own to what others write.
// Up to the first name that is not spelled out links are followed: an
// administrator may have put /var/vmail elsewhere. From there on they are not.

// place is one thing that a path of the layout led to.
type place struct {
	base, rel    string   // below Root, and below base: no links are followed in rel
	account      *account // of {account} or {home}; nil without
	domain, user string   // of {domain} and {user}
}

// path is where the place is on the machine.
func (p place) path() string { return filepath.Join(p.base, p.rel) }

// dir is the directory that stands for "/".
func (w *world) dir() root { return root(w.m.Root) }

// places returns what the paths of a layout lead to, in their order, for all
// accounts.
func (w *world) places(templates []string) (out []place) {
	for _, t := range templates {
		switch {
		case !strings.Contains(t, "{"):
			for _, p := range w.dir().glob(t) {
				out = append(out, place{base: p})
			}
		case ofAccount(t):
			for _, a := range w.accounts {
				out = append(out, w.placesOf(a, []string{t})...)
			}
		default:
			out = append(out, w.expand(t, nil)...)
		}
	}
	return out
}

// placesOf returns what the paths that hold {account} or {home} lead to for one
// account.
func (w *world) placesOf(a *account, templates []string) (out []place) {
	for _, t := range templates {
		if ofAccount(t) {
			out = append(out, w.expand(t, a)...)
		}
	}
	return out
}

// ofAccount says that a path of a layout leads somewhere else for each account.
func ofAccount(t string) bool {
	return strings.Contains(t, "{account}") || strings.Contains(t, "{home}")
}

// expand finds what one path with names in braces leads to.
func (w *world) expand(template string, a *account) []place {
	base, parts := splitTemplate(template, a)
	t, err := w.dir().openTree(base)
	if err != nil {
		return nil // it is not there
	}
	defer t.close()
	found := []place{{base: base, account: a}}
	for _, part := range parts {
		m := newMatcher(part, a)
		var next []place
		for _, p := range found {
			next = append(next, m.step(t, p)...)
			if len(next) > maxGlobbed {
				next = next[:maxGlobbed]
				break
			}
		}
		found = next
	}
	return found
}

// splitTemplate cuts a path before the first name that is not spelled out.
func splitTemplate(template string, a *account) (base string, parts []string) {
	if rest, ok := strings.CutPrefix(template, "{home}"); ok && a != nil {
		base, template = a.home, rest
	} else {
		base = "/"
		for {
			part, rest, more := strings.Cut(strings.TrimLeft(template, "/"), "/")
			if !more || strings.ContainsAny(part, `{*?[\`) {
				break
			}
			base, template = filepath.Join(base, part), rest
		}
	}
	for part := range strings.SplitSeq(template, "/") {
		if part != "" && part != "." && part != ".." {
			parts = append(parts, part)
		}
	}
	return base, parts
}

// matcher is one name of a path: spelled out, or a pattern.
type matcher struct {
	literal string
	pattern *regexp.Regexp
	names   []string // what each group of the pattern is
}

// inPattern are the pieces of a name that are not spelled out.
var inPattern = regexp.MustCompile(`\{[a-z]*\}|\*|\?|\[[^\]]*\]|\\.`)

func newMatcher(part string, a *account) matcher {
	if a != nil {
		part = strings.ReplaceAll(part, "{account}", quotePattern(a.Name))
	}
	var m matcher
	var b, plain strings.Builder
	wild := false
	at := 0
	for _, x := range inPattern.FindAllStringIndex(part, -1) {
		b.WriteString(regexp.QuoteMeta(part[at:x[0]]))
		plain.WriteString(part[at:x[0]])
		piece := part[x[0]:x[1]]
		at = x[1]
		switch {
		case piece[0] == '\\':
			b.WriteString(regexp.QuoteMeta(piece[1:]))
			plain.WriteString(piece[1:])
			continue
		case piece[0] == '{':
			m.names = append(m.names, piece)
			b.WriteString("(.+)")
		case piece == "*":
			b.WriteString(".*")
		case piece == "?":
			b.WriteString(".")
		default:
			inside := strings.ReplaceAll(strings.ReplaceAll(piece[1:len(piece)-1], `\`, `\\`), `[`, `\[`)
			b.WriteString("[" + inside + "]")
		}
		wild = true
	}
	b.WriteString(regexp.QuoteMeta(part[at:]))
	plain.WriteString(part[at:])
	if wild {
		if re, err := regexp.Compile(`(?s)\A` + b.String() + `\z`); err == nil {
			m.pattern = re
			return m
		}
	}
	m.literal = plain.String()
	return m
}

// step goes from a place to what the name leads to below it, in the order of
// names. As in a shell a pattern does not match a dot at the beginning.
func (m matcher) step(t *tree, p place) (out []place) {
	if m.pattern == nil {
		if _, err := t.stat(joinPath(p.rel, m.literal)); err == nil {
			p.rel = joinPath(p.rel, m.literal)
			out = append(out, p)
		}
		return out
	}
	list, _, _ := t.list(p.rel, maxListed) // what cannot be listed matches nothing
	slices.SortFunc(list, func(x, y dirent) int { return strings.Compare(x.name, y.name) })
	for _, e := range list {
		found := m.pattern.FindStringSubmatch(e.name)
		if found == nil || e.name[0] == '.' && !strings.HasPrefix(m.pattern.String(), `(?s)\A\.`) {
			continue
		}
		n := p
		n.rel = joinPath(p.rel, e.name)
		for i, name := range m.names {
			switch name {
			case "{domain}":
				n.domain = found[i+1]
			case "{user}":
				n.user = found[i+1]
			}
		}
		out = append(out, n)
	}
	return out
}

// quotePattern makes a name stand for itself in a pattern of path/filepath.
func quotePattern(name string) string {
	if !strings.ContainsAny(name, `\*?[`) {
		return name
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// readPlace reads the beginning of the file at a place. A link in a home may
// lead to another file of the same home, as programs that read it would follow
// it; none leads out.
func (w *world) readPlace(p place, limit int64) ([]byte, error) {
	if p.rel == "" {
		return w.dir().read(p.base, limit)
	}
	t, err := w.dir().openTree(p.base)
	if err != nil {
		return nil, err
	}
	defer t.close()
	f, err := t.inside(p.rel)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p.path(), Err: err}
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// openPlace opens the directory at a place.
func (w *world) openPlace(p place) (*tree, error) {
	t, err := w.dir().openTree(p.base)
	if err != nil || p.rel == "" {
		return t, err
	}
	defer t.close()
	s, err := t.sub(p.rel)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p.path(), Err: err}
	}
	return s, nil
}

// inside opens the regular file that path leads to, following links that stay
// within the tree.
func (t *tree) inside(path string) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV}
	at, err := again(func() (int, error) { return unix.Openat2(t.fd, path, &how) })
	if err == unix.ENOSYS || err == unix.EPERM {
		at, err = t.byElement(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errNoFile
	}
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	fd, err := unix.Open(procPath(at), flags|unix.O_NOATIME, 0)
	if err == unix.EPERM {
		fd, err = unix.Open(procPath(at), flags, 0)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

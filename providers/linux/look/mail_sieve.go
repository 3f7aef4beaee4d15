//go:build linux

package look

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// sieveOf reads the filters of a mailbox. Those of an account's own user lie in
// its home, those of a virtual one in its own directory. t is the mailbox.
func (w *world) sieveOf(p place, t *tree) []schema.Sieve {
	if p.account != nil && p.user == "" && p.domain == "" {
		home, err := w.dir().openTree(p.account.home)
		if err != nil {
			return nil
		}
		defer home.close()
		return sieveIn(home)
	}
	return sieveIn(t)
}

// sieveIn reads the filters in a directory: .dovecot.sieve, which is a file or a
// link to the active one, and those in sieve.
func sieveIn(t *tree) (out []schema.Sieve) {
	const active, dir = ".dovecot.sieve", "sieve"
	chosen := ""
	if st, err := t.stat(active); err == nil {
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			out = append(out, readSieve(t, active, true))
		case unix.S_IFLNK:
			chosen = t.link(active)
		}
	}
	list, _, _ := t.list(dir, maxScripts) // where there is none there is none
	slices.SortFunc(list, func(x, y dirent) int { return strings.Compare(x.name, y.name) })
	found := false
	for _, e := range list {
		if !strings.HasSuffix(e.name, ".sieve") || e.kind == unix.DT_DIR {
			continue
		}
		// The link is relative, or absolute with the home as it was when it was made.
		is := chosen != "" && (path.Clean(chosen) == dir+"/"+e.name || strings.HasSuffix(chosen, "/"+dir+"/"+e.name))
		found = found || is
		out = append(out, readSieve(t, dir+"/"+e.name, is))
	}
	if chosen != "" && !found { // it leads elsewhere, or nowhere
		out = append(out, schema.Sieve{Path: clip(chosen, 4096), Active: true})
	}
	slices.SortFunc(out, func(x, y schema.Sieve) int { return strings.Compare(x.Path, y.Path) })
	return out
}

func readSieve(t *tree, path string, active bool) schema.Sieve {
	text, _ := t.read(path, maxScript) // one that cannot be read is told all the same
	return schema.Sieve{Path: path, Active: active, Requires: requires(string(text))}
}

// requires are the extensions that a script names, by RFC 5228: require "x"; or
// require ["x", "y"]; at its beginning, with comments between.
func requires(script string) (out []string) {
	rest := script
	for {
		rest = skipSieve(rest)
		if len(rest) < 7 || !strings.EqualFold(rest[:7], "require") {
			return sortedSet(out)
		}
		end := 7
		for quoted := false; end < len(rest) && (quoted || rest[end] != ';'); end++ {
			switch {
			case quoted && rest[end] == '\\':
				end++
			case rest[end] == '"':
				quoted = !quoted
			}
		}
		end = min(end, len(rest))
		words := strings.Split(rest[7:end], `"`)
		for i, word := range words {
			if i%2 == 1 && i < len(words)-1 && len(word) <= 100 && len(out) < 100 {
				out = append(out, strings.Clone(word))
			}
		}
		if end == len(rest) {
			return sortedSet(out)
		}
		rest = rest[end+1:]
	}
}

// skipSieve skips blanks and comments.
func skipSieve(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\r\n\uFEFF")
		switch {
		case strings.HasPrefix(s, "#"):
			_, s, _ = strings.Cut(s, "\n")
		case strings.HasPrefix(s, "/*"):
			_, s, _ = strings.Cut(s, "*/")
		default:
			return s
		}
	}
}

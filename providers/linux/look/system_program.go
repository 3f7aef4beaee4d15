//go:build linux

package look

import (
	"bytes"
	"cmp"
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/stopover/stopover/schema"
)

// tool is a program whose version accounts may lean on.
type tool struct {
	name *regexp.Regexp
	args []string // that make it say its version and do nothing else
	// read finds the version without running it.
	read func(r root, path string) string
}

func tools() []tool {
	v := []string{"--version"}
	name := func(s string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + s + `)$`) }
	return []tool{
		{name: name(`python[23]?(\.\d+)?|pypy3?`), args: v},
		{name: name(`php(\d\.\d)?`), args: []string{"-n", "-v"}}, // without its settings, which load extensions
		{name: name(`ruby(\d\.\d)?`), args: []string{"--disable=gems", "--version"}},
		{name: name(`perl`), args: []string{"-e", "print $^V"}},
		{name: name(`node|nodejs`), args: v},
		{name: name(`deno|bun`), args: v},
		{name: name(`java`), args: []string{"-version"}},
		{name: name(`dotnet`), args: []string{"--list-runtimes"}},
		{name: name(`erl`), read: erlang},
		{name: name(`elixir`), read: elixir},
		{name: name(`go`), read: golang},
		{name: name(`composer|composer1|composer2`), read: composer},
		{name: name(`git|gdalinfo|gs|ffmpeg|wkhtmltopdf|convert|magick|mapserv|gcc|lua5\.\d|R|qgis_process|pandoc|ghc|rustc|cargo|make|svn|hg|rsync|psql|mysql|mariadb|redis-server|memcached|uwsgi|gunicorn`), args: v},
	}
}

// programDirs are where the programs of the system lie, in the order of PATH.
func programDirs() []string { return []string{"/usr/local/bin", "/usr/bin", "/bin"} }

// programs finds interpreters and tools and asks for their versions. Where the
// same name is in several directories the first one is meant, as by a shell.
func (r root) programs(ctx context.Context) []schema.Software {
	var list []schema.Software
	paths := map[string]string{}
	kinds := map[string]tool{}
	for _, d := range programDirs() {
		entries, _ := r.list(d)
		for _, e := range entries {
			if i := slices.IndexFunc(tools(), func(t tool) bool { return t.name.MatchString(e.Name()) }); i >= 0 && paths[e.Name()] == "" {
				if p := filepath.Join(d, e.Name()); r.isFile(p) {
					paths[e.Name()], kinds[e.Name()] = p, tools()[i]
				}
			}
		}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, 2)
	for name, path := range paths {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			v := r.versionOf(ctx, path, kinds[name])
			mu.Lock()
			defer mu.Unlock()
			list = append(list, schema.Software{Name: name, Version: v})
		})
	}
	all.Wait()
	sortSoftware(list)
	return list
}

func (r root) versionOf(ctx context.Context, path string, t tool) string {
	if t.read != nil {
		return t.read(r, r.resolve(path))
	}
	out, said, err := r.runBoth(ctx, path, t.args...)
	if err != nil {
		return ""
	}
	if _, rest, ok := bytes.Cut(out, []byte("Distrib ")); ok { // clients of MariaDB say their own number first
		out = append([]byte(" "), rest...)
	}
	return firstVersion(append(append(out, '\n'), said...))
}

var versionWord = regexp.MustCompile(`(?:^|[^\d.\w])[vV]?(\d+(?:\.\d+){1,3}(?:[a-z]\d*|p\d+)?)`)

// firstVersion finds the first thing that looks like a version.
func firstVersion(out []byte) string {
	if m := versionWord.FindSubmatch(out[:min(len(out), 4096)]); m != nil {
		return string(m[1])
	}
	return ""
}

// besides looks for a file near a program and reads a version from it.
func (r root) besides(dir string, f func(text []byte) string, names ...string) string {
	for _, n := range names {
		for _, p := range r.glob(filepath.Join(dir, n)) {
			if b, err := r.read(p, smallFile); err == nil {
				if v := f(b); v != "" {
					return v
				}
			}
		}
	}
	return ""
}

func firstWord(b []byte) string {
	if f := bytes.Fields(b); len(f) > 0 && len(f[0]) < 40 {
		return string(f[0])
	}
	return ""
}

func erlang(r root, path string) string {
	return cmpOr(r.besides(filepath.Dir(path), firstWord, "../releases/*/OTP_VERSION"),
		r.besides("/usr/lib/erlang", firstWord, "releases/*/OTP_VERSION"))
}

func elixir(r root, path string) string {
	return cmpOr(r.besides(filepath.Dir(path), firstWord, "../VERSION"), r.besides("/usr/lib/elixir", firstWord, "VERSION"))
}

func golang(r root, path string) string {
	return strings.TrimPrefix(r.besides(filepath.Dir(path), firstWord, "../VERSION"), "go")
}

var composerVersion = regexp.MustCompile(`const VERSION = '(\d+(?:\.\d+)+[^']{0,20})'`)

// composer is an archive of PHP, which says its version in its text.
func composer(r root, path string) string {
	b, _ := r.read(path, 16<<20)
	if m := composerVersion.FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return r.besides("/usr/share/php/Composer", func(b []byte) string {
		if m := composerVersion.FindSubmatch(b); m != nil {
			return string(m[1])
		}
		return ""
	}, "Composer.php", "src/Composer/Composer.php")
}

var pythonName = regexp.MustCompile(`^python[23]\.\d+$`)

// runtimeOf is the runtime of an architecture that a program is, with the line
// that its version is part of; no version: it is none, or does not say.
func runtimeOf(p schema.Software) (name, version string) {
	first := func(n int) string { return versionLine(p.Version, n) }
	switch {
	case pythonName.MatchString(p.Name) || p.Name == "python3" || p.Name == "python2" || p.Name == "python":
		return "python", first(2)
	case p.Name == "ruby" || strings.HasPrefix(p.Name, "ruby"):
		return "ruby", first(2)
	case p.Name == "node" || p.Name == "nodejs":
		return "nodejs", first(1)
	case p.Name == "java":
		if rest, ok := strings.CutPrefix(p.Version, "1."); ok { // 1.8.0 is Java 8
			return "java", versionLine(rest, 1)
		}
		return "java", first(1)
	case p.Name == "perl":
		return "perl", first(2)
	case p.Name == "go":
		return "go", first(2)
	case p.Name == "dotnet":
		return "dotnet", first(2)
	case p.Name == "erl":
		return "erlang", first(1)
	case p.Name == "elixir":
		return "elixir", first(2)
	case p.Name == "deno":
		return "deno", first(1)
	}
	return "", ""
}

// versionLine is the first n numbers of a version.
func versionLine(v string, n int) string {
	f := strings.Split(v, ".")
	return strings.Join(f[:min(n, len(f))], ".")
}

// compareVersions puts 8.2 before 8.10.
func compareVersions(x, y string) int {
	a, b := strings.Split(x, "."), strings.Split(y, ".")
	for i := range min(len(a), len(b)) {
		n, err := strconv.Atoi(a[i])
		m, err2 := strconv.Atoi(b[i])
		if err != nil || err2 != nil {
			if c := strings.Compare(a[i], b[i]); c != 0 {
				return c
			}
			continue
		}
		if c := cmp.Compare(n, m); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

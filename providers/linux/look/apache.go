//go:build linux

package look

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// parseApache reads Apache's notation: a directive on a line, sections in angle
// brackets, lines continued by a backslash. What was read before a mistake is
// returned with it.
func parseApache(file string, text []byte) ([]directive, error) {
	left := maxDirectives
	stack := []*directive{{}}
	var err error
	for n, line := range continued(text) {
		top := stack[len(stack)-1]
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "</"):
			name := strings.TrimSpace(strings.TrimSuffix(line[2:], ">"))
			if len(stack) == 1 || !top.is(name) {
				return stack[0].block, fmt.Errorf("%s:%d: </%s> closes nothing", file, n, name)
			}
			stack = stack[:len(stack)-1]
			below := stack[len(stack)-1]
			below.block = append(below.block, *top)
		case left <= 0 || len(stack) > maxDepth:
			err = fmt.Errorf("%s:%d: too many directives, or nested too deep", file, n)
		case line[0] == '<':
			words := apacheWords(strings.TrimSuffix(strings.TrimSpace(line[1:]), ">"))
			left--
			if len(words) > 0 {
				stack = append(stack, &directive{name: words[0], args: words[1:], file: file, line: n, open: true})
			}
		default:
			left--
			if words := apacheWords(line); len(words) > 0 {
				top.block = append(top.block, directive{name: words[0], args: words[1:], file: file, line: n})
			}
		}
		if err != nil {
			break
		}
	}
	if err == nil && len(stack) > 1 {
		open := stack[len(stack)-1]
		err = fmt.Errorf("%s:%d: <%s> is not closed", file, open.line, open.name)
	}
	for len(stack) > 1 { // what was begun counts
		top, below := stack[len(stack)-1], stack[len(stack)-2]
		below.block = append(below.block, *top)
		stack = stack[:len(stack)-1]
	}
	return stack[0].block, err
}

// continued yields the lines of a text with the number of the first of those
// that a backslash joins, without blanks around them.
func continued(text []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		first, whole := 0, ""
		stopped := false
		lines(text, func(n int, line string) bool {
			if first == 0 {
				first = n
			}
			part, more := strings.CutSuffix(line, `\`)
			if whole += part; more && len(whole) < maxLineSize {
				return true
			}
			stopped = !yield(first, strings.TrimSpace(whole))
			first, whole = 0, ""
			return !stopped
		})
		if first != 0 && !stopped {
			yield(first, strings.TrimSpace(whole))
		}
	}
}

// apacheWords splits a line; quotes keep blanks together.
func apacheWords(line string) (words []string) {
	for line = strings.TrimLeft(line, " \t"); line != ""; line = strings.TrimLeft(line, " \t") {
		if q := line[0]; q == '"' || q == '\'' {
			var b strings.Builder
			i := 1
			for ; i < len(line) && line[i] != q; i++ {
				if line[i] == '\\' && i+1 < len(line) && (line[i+1] == q || line[i+1] == '\\') {
					i++
				}
				b.WriteByte(line[i])
			}
			words = append(words, b.String())
			line = line[min(i+1, len(line)):]
			continue
		}
		i := strings.IndexAny(line, " \t")
		if i < 0 {
			i = len(line)
		}
		words = append(words, line[:i])
		line = line[i:]
	}
	return words
}

// apache is the configuration of Apache with what decides which parts of it
// count.
type apache struct {
	*conf
	modules map[string]bool
	macros  map[string]*directive
	using   int // macros within each other
	list    []*vhost
}

// maxMacros is how deep macros use each other; people stop at two.
const maxMacros = 5

// builtIn are modules that are part of the program on most systems.
func builtIn() []string {
	return []string{"core", "so", "http", "log_config", "logio", "version", "unixd", "watchdog", "mpm_event", "mpm_prefork", "mpm_worker"}
}

// apacheMain is Apache's main file, by distribution.
func (r root) apacheMain() string {
	return firstThere(r, "/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/etc/apache2/httpd.conf", "/usr/local/apache2/conf/httpd.conf")
}

// apacheSites reads the virtual hosts of the main file and of those that the
// layout names.
func (r root) apacheSites(layout []string) ([]*vhost, *apache) {
	main := r.apacheMain()
	a := &apache{modules: map[string]bool{}, macros: map[string]*directive{}}
	a.conf = &conf{root: r, parse: parseApache, base: filepath.Dir(main), files: map[string][]directive{}, vars: map[string]string{}}
	if filepath.Base(a.base) == "conf" { // /etc/httpd/conf
		a.base = filepath.Dir(a.base)
	}
	for _, m := range builtIn() {
		a.modules[m] = true
	}
	if b, err := r.read("/etc/apache2/envvars", smallFile); err == nil {
		for k, v := range assignments(b) {
			a.vars[k] = strings.ReplaceAll(v, "$SUFFIX", "")
		}
	}
	if main != "" {
		a.server(a.read(main))
	}
	for _, g := range layout {
		for _, file := range r.glob(g) {
			if _, seen := a.files[file]; !seen && r.isFile(file) {
				a.server(a.read(file))
			}
		}
	}
	for _, v := range a.list {
		v.kind()
	}
	return a.list, a
}

// server walks what stands outside of virtual hosts.
func (a *apache) server(list []directive) {
	a.walk(list, func(d *directive) bool {
		switch strings.ToLower(d.name) {
		case "serverroot":
			if p := a.expand(d.arg(0)); filepath.IsAbs(p) {
				a.base = filepath.Clean(p)
			}
		case "virtualhost":
			if len(a.list) < maxSites {
				a.list = append(a.list, a.virtualHost(d))
			}
			return false
		}
		return a.counts(d, func(x []directive) { a.server(x) })
	})
}

// counts says whether the block of a directive counts, and takes directives that
// decide about others. Macros are walked by again.
func (a *apache) counts(d *directive, again func([]directive)) bool {
	switch strings.ToLower(d.name) {
	case "define":
		if len(a.vars) < 10_000 {
			a.vars[d.arg(0)] = a.expand(d.arg(1))
		}
	case "undefine":
		delete(a.vars, d.arg(0))
	case "loadmodule":
		a.modules[strings.TrimSuffix(d.arg(0), "_module")] = true
	case "ifmodule":
		name, not := strings.CutPrefix(d.arg(0), "!")
		name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "mod_"), ".c"), "_module")
		return a.modules[name] != not
	case "ifdefine":
		name, not := strings.CutPrefix(d.arg(0), "!")
		_, ok := a.vars[name]
		return ok != not
	case "iffile":
		name, not := strings.CutPrefix(a.expand(d.arg(0)), "!")
		return a.root.exists(name) != not
	case "macro":
		a.macros[strings.ToLower(d.arg(0))] = d
		return false
	case "use":
		if m := a.macros[strings.ToLower(d.arg(0))]; m != nil && a.using < maxMacros && a.walked < maxWalked {
			a.using++ // a macro may use itself
			again(a.filled(m, d.args[1:]))
			a.using--
		}
	case "directory", "location", "files", "filesmatch", "directorymatch", "locationmatch", "proxy", "proxymatch", "limit", "limitexcept":
		return false // what is inside is about requests
	}
	return true
}

// filled is the block of a macro with its parameters put in.
func (a *apache) filled(m *directive, values []string) []directive {
	put := func(s string) string {
		for i, name := range m.args[min(1, len(m.args)):] {
			if i < len(values) && name != "" && len(s)+strings.Count(s, name)*len(values[i]) < maxLineSize {
				s = strings.ReplaceAll(s, name, values[i])
			}
		}
		return s
	}
	var deep func(list []directive, depth int) []directive
	deep = func(list []directive, depth int) []directive {
		if depth > maxDepth {
			return nil
		}
		out := slices.Clone(list)
		for i := range out {
			if a.walked++; a.walked > maxWalked {
				return nil
			}
			out[i].args = slices.Clone(out[i].args)
			for k := range out[i].args {
				out[i].args[k] = put(out[i].args[k])
			}
			out[i].block = deep(out[i].block, depth+1)
		}
		return out
	}
	return deep(m.block, 0)
}

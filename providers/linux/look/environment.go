//go:build linux

package look

import (
	"bytes"
	"encoding/json"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// surrounding is what files of one directory say together.
type surrounding struct {
	venv     *schema.Environment
	composer *schema.Environment
	node     *schema.Environment
	ruby     *schema.Environment
	lock     string // generation of Composer
}

func (r *reader) note() *surrounding {
	if r.notes == nil {
		r.notes = &surrounding{}
	}
	return r.notes
}

func (r *reader) environment(at **schema.Environment, kind, runtime string) *schema.Environment {
	if *at == nil {
		*at = &schema.Environment{Kind: kind, Path: r.j.in.name(r.j.path), Runtime: runtime}
		if (*at).Path == "" {
			(*at).Path = "."
		}
	}
	return *at
}

// meta reads the files that tools keep beside a program.
func (r *reader) meta(fd int, name string, info fileInfo, text []byte) {
	switch strings.ToLower(name) {
	case "pyvenv.cfg":
		r.venv(text)
	case "composer.json":
		r.composer(text)
	case "composer.lock":
		r.composerLock(fd, info)
	case "composer.phar":
		r.composerProgram(name, text)
	case "package.json":
		r.packageJSON(text)
	case ".node-version", ".nvmrc":
		r.environment(&r.note().node, "node", "nodejs").Version = clip(wordOf(text), 50)
	case "package-lock.json":
		r.environment(&r.note().node, "node", "nodejs").Tool = "npm"
	case "yarn.lock":
		r.environment(&r.note().node, "node", "nodejs").Tool = "yarn"
	case "pnpm-lock.yaml":
		r.environment(&r.note().node, "node", "nodejs").Tool = "pnpm"
	case "gemfile.lock":
		r.gemfileLock(text)
	case ".ruby-version":
		e := r.environment(&r.note().ruby, "bundler", "ruby")
		if e.Version == "" {
			e.Version = clip(strings.TrimPrefix(wordOf(text), "ruby-"), 50)
		}
	}
}

func wordOf(text []byte) string {
	f := bytes.Fields(text[:min(len(text), maxHead)])
	if len(f) == 0 {
		return ""
	}
	return string(f[0])
}

// venv reads pyvenv.cfg (PEP 405). What lies below was written by tools.
func (r *reader) venv(text []byte) {
	e := r.environment(&r.note().venv, "venv", "python")
	e.Tool = "venv"
	lines(text[:min(len(text), maxHead)], func(_ int, line string) bool {
		key, value, _ := strings.Cut(line, "=")
		value = clip(strings.TrimSpace(value), 500)
		switch strings.TrimSpace(key) {
		case "home":
			e.Home = value
		case "version":
			e.Version = value
		case "version_info": // of virtualenv: "3.8.10.final.0"
			if e.Version == "" {
				e.Version = number(value)
			}
		case "virtualenv":
			e.Tool = "virtualenv"
		case "uv":
			e.Tool = "uv"
		}
		return true
	})
}

// composer reads what a PHP program requires.
func (r *reader) composer(text []byte) {
	var file struct {
		Require map[string]json.RawMessage `json:"require"`
	}
	if json.Unmarshal(text, &file) != nil {
		return
	}
	e := r.environment(&r.note().composer, "composer", "php")
	for name, raw := range file.Require {
		name = strings.ToLower(name)
		if name == "php" || name == "php-64bit" && e.Version == "" {
			var v string
			if json.Unmarshal(raw, &v) == nil {
				e.Version = clip(v, 100)
			}
		}
		if x, ok := strings.CutPrefix(name, "ext-"); ok && len(x) <= 100 && len(e.Needs) < 200 {
			e.Needs = append(e.Needs, x)
		}
	}
	e.Needs = sortedSet(e.Needs)
}

// composerLock reads the end of a lock file, where newer generations say which
// they are: 1.10 writes "1.1.0", older ones nothing.
func (r *reader) composerLock(fd int, info fileInfo) {
	const tail = 4 << 10
	end := make([]byte, tail)
	n, err := unix.Pread(fd, end, max(0, info.size-tail))
	if err != nil {
		return
	}
	r.j.in.h.read.bytes.Add(int64(n))
	const key = `"plugin-api-version":`
	version := ""
	if i := bytes.LastIndex(end[:n], []byte(key)); i >= 0 {
		version = number(strings.Trim(strings.TrimSpace(string(end[i+len(key):n])), `"`))
	}
	r.note().lock = "composer 2"
	if version == "" || strings.HasPrefix(version, "1.") {
		r.note().lock = "composer 1"
	}
	if r.note().lock == "composer 1" {
		what := "composer.lock"
		if version != "" {
			what += " " + version
		}
		r.j.in.h.lines.add(schema.Line{Kind: "composer", Path: r.j.in.name(joinPath(r.j.path, "composer.lock")), What: what, Note: "composer 1"})
	}
}

// composerProgram looks whether a Composer that an account has of its own is of
// the first generation.
func (r *reader) composerProgram(name string, text []byte) {
	version := ""
	for _, mark := range []string{"const VERSION = '", "public const VERSION = '"} {
		for rest := text; version == ""; {
			_, after, ok := bytes.Cut(rest, []byte(mark))
			if !ok {
				break
			}
			if v := number(string(after[:min(len(after), 20)])); strings.Count(v, ".") == 2 {
				version = v
			}
			rest = after
		}
	}
	if strings.HasPrefix(version, "1.") {
		r.j.in.h.lines.add(schema.Line{Kind: "composer", Path: r.j.in.name(joinPath(r.j.path, name)), What: name + " " + version, Note: "composer 1"})
	}
}

func (r *reader) packageJSON(text []byte) {
	var file struct {
		Engines json.RawMessage `json:"engines"`
	}
	if json.Unmarshal(text, &file) != nil {
		return
	}
	e := r.environment(&r.note().node, "node", "nodejs")
	var engines map[string]string
	if json.Unmarshal(file.Engines, &engines) == nil && e.Version == "" {
		e.Version = clip(engines["node"], 100)
	}
}

// gemfileLock reads the section that names the version of Ruby.
func (r *reader) gemfileLock(text []byte) {
	e := r.environment(&r.note().ruby, "bundler", "ruby")
	section := ""
	lines(text, func(_ int, line string) bool {
		if line != "" && line[0] != ' ' {
			section = line
			return true
		}
		word := strings.TrimSpace(line)
		switch section {
		case "RUBY VERSION":
			if v, ok := strings.CutPrefix(word, "ruby "); ok {
				e.Version = clip(v, 50)
			}
		case "BUNDLED WITH":
			if v := number(word); v != "" {
				e.Tool = "bundler " + v
			}
		}
		return true
	})
}

// directory notes directories whose names say what is in them.
func (r *reader) directory(name string) {
	in := r.j.path
	user := func(runtime, version string) {
		r.j.in.h.environments.add(schema.Environment{Kind: "user-packages", Path: joinPath(in, name), Runtime: runtime, Version: version})
	}
	switch {
	case name == "node_modules" && !r.j.foreign:
		r.environment(&r.note().node, "node", "nodejs")
	case in == ".local/lib" && strings.HasPrefix(name, "python"):
		if v := number(name[len("python"):]); v != "" {
			user("python", v)
		}
	case in == ".gem/ruby" || in == ".local/share/gem/ruby":
		if v := number(name); v != "" {
			user("ruby", v)
		}
	case in == "" && (name == ".npm-packages" || name == ".npm-global"):
		user("nodejs", "")
	}
}

// environments hands over what the files of a directory said together.
func (r *reader) environments() {
	n := r.notes
	if n.composer != nil {
		n.composer.Tool = n.lock
	}
	if n.venv != nil {
		for i := range r.more {
			r.more[i].foreign = true
		}
		if v := minor(n.venv.Version); v != "" {
			r.j.in.h.runtimes.add(schema.RuntimeUse{Name: "python", Version: v, By: "venv " + n.venv.Path})
		}
	}
	for _, e := range []*schema.Environment{n.venv, n.composer, n.node, n.ruby} {
		if e != nil {
			r.j.in.h.environments.add(*e)
		}
	}
}

// minor is a version's line: 3.11.2 is of 3.11.
func minor(version string) string {
	f := strings.SplitN(version, ".", 3)
	if len(f) < 2 {
		return version
	}
	return f[0] + "." + f[1]
}

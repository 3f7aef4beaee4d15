package plan

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// exact is a version that was made or chosen, no range of them.
var exact = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*(\.[xX*])?(p[0-9]+)?$`)

// checkEnvironments looks for what was built for a version of a runtime that the
// next machine does not have. What this one lacks too is broken already.
func (b *builder) checkEnvironments(p *passage) {
	var rebuild, odd, packages []string
	for i := range p.live.Environments {
		e := &p.live.Environments[i]
		said := e.Path + ": " + canonical(e.Runtime) + " " + e.Version
		switch {
		case e.Kind == "composer" || !exact.MatchString(strings.TrimPrefix(e.Version, "v")): // what a project asks for may be met by many versions
		case e.Kind != "venv":
			if b.loses(p, canonical(e.Runtime), e.Version) {
				packages = append(packages, said)
			}
		case e.Home != "" && p.home() != "" && p.isHome(e.Home): // it brings its own interpreter
		case e.Home != "" && !isSystem(e.Home):
			odd = append(odd, said+" in "+e.Home)
		case b.loses(p, "python", e.Version):
			rebuild = append(rebuild, said)
		}
	}
	to := b.nextName(p)
	if rebuild = unique(rebuild); len(rebuild) > 0 {
		b.stopSeen(p, codeVirtualenv, "", count(len(rebuild), "virtualenv")+" "+plural(len(rebuild), "was", "were")+" made with a Python that "+to+" does not have, first "+rebuild[0], rebuild)
	}
	if odd = unique(odd); len(odd) > 0 {
		b.reportSeen(codeVirtualenvHome, p.name, "", "", count(len(odd), "virtualenv")+" "+plural(len(odd), "has its", "have their")+" interpreter in an unusual place, first "+odd[0], odd)
	}
	if packages = unique(packages); len(packages) > 0 {
		b.reportSeen(codeUserPackages, p.name, "", "", plural(len(packages), "1 directory of packages was", itoa(int64(len(packages)))+" directories of packages were")+
			" installed for a version that "+to+" does not have, first "+packages[0], packages)
	}
}

// isSystem says whether a directory is where every system keeps its programs.
func isSystem(dir string) bool {
	return slices.Contains([]string{"/usr/bin", "/bin", "/usr/local/bin"}, path.Clean(dir))
}

// loses says whether this server has a line of a runtime and the next one has
// not: the machine, or, while that is not there, the architecture that the
// configuration declares for it.
func (b *builder) loses(p *passage, runtime, version string) bool {
	version = strings.TrimPrefix(version, "v")
	if has, known := p.from.offers(runtime, version); known && !has {
		return false
	}
	if p.there != nil {
		has, known := p.to.offers(runtime, version)
		return known && !has
	}
	if p.to != nil || !b.goesOut(p.account) || b.arch == nil {
		return false
	}
	for _, r := range b.arch.Runtimes {
		if canonical(r.Name) == runtime {
			return !slices.ContainsFunc(r.Versions, func(v string) bool { return sameLine(runtime, v, version) })
		}
	}
	return false
}

// nextName is what that is called in a sentence.
func (b *builder) nextName(p *passage) string {
	if p.there == nil && b.arch != nil {
		return "architecture " + b.arch.Name
	}
	return p.to.nameOr("the next server")
}

// nameOr is a server's name, or other words where it is not known.
func (p *place) nameOr(words string) string {
	if p == nil {
		return words
	}
	return p.name
}

// checkVersionsWritten looks for versions, programs and paths in files that are
// here and not on the next machine. What is missing here too is broken already,
// or is not in use.
func (b *builder) checkVersionsWritten(p *passage) {
	var written, paths []string
	for _, l := range p.lines("shebang", "version-variable", "versioned-binary", "runtime-path") {
		if !b.losesWritten(p, &l) {
			continue
		}
		if l.Kind == "runtime-path" {
			paths = append(paths, lineText(&l))
		} else {
			written = append(written, lineText(&l))
		}
	}
	to := b.nextName(p)
	if written = unique(written); len(written) > 0 {
		b.reportSeen(codeVersionWritten, p.name, "", "", count(len(written), "place")+" in its files "+plural(len(written), "asks", "ask")+" for what "+to+" does not have, first "+written[0], written)
	}
	if paths = unique(paths); len(paths) > 0 {
		b.reportSeen(codeRuntimePath, p.name, "", "", count(len(paths), "place")+" in its files "+plural(len(paths), "names", "name")+" a version's path that "+to+" does not have, first "+paths[0], paths)
	}
}

// losesWritten says whether a line asks for something that this server has and
// the next one has not.
func (b *builder) losesWritten(p *passage, l *schema.Line) bool {
	program := programOf(l.What)
	if l.Kind != "version-variable" && strings.HasPrefix(program, "/") && p.home() != "" && p.isHome(program) {
		return false // it moves along
	}
	if runtime, version := runtimeOf(l); version != "" {
		return b.loses(p, runtime, version)
	}
	if p.there == nil || l.Kind == "runtime-path" || l.Kind == "version-variable" {
		return false
	}
	name := path.Base(program)
	return software(p.here.Programs, name) != nil && len(p.there.Programs) > 0 && software(p.there.Programs, name) == nil
}

// programOf is the program that a shebang or a command names: what env is asked
// for, if env is called.
func programOf(what string) string {
	words := strings.Fields(strings.TrimPrefix(what, "#!"))
	for i, w := range words {
		switch {
		case i == 0 && path.Base(w) != "env":
			return w
		case i == 0, strings.HasPrefix(w, "-"), strings.Contains(w, "="):
		default:
			return w
		}
	}
	return what
}

// versioned finds a runtime and a version in a word: python3.11, PHP_VERSION=8.1,
// /opt/node-v18/bin. Never written to.
var versioned = regexp.MustCompile(`(?i)(python|php|ruby|node(?:js)?|java|perl)[-_/]?(?:version)?[-_/= "']*v?([0-9]+(?:\.[0-9]+)*)`)

// runtimeOf is the runtime and version that a line names; its note says so in
// two words, else the word itself is looked at.
func runtimeOf(l *schema.Line) (name, version string) {
	if f := strings.Fields(l.Note); len(f) == 2 && f[1][0] >= '0' && f[1][0] <= '9' {
		return canonical(f[0]), f[1]
	}
	m := versioned.FindStringSubmatch(l.What)
	if m == nil {
		return "", ""
	}
	return canonical(m[1]), m[2]
}

// canonical is one name for what goes by several.
func canonical(runtime string) string {
	switch r := strings.ToLower(runtime); r {
	case "python3", "cpython":
		return "python"
	case "nodejs", "node.js":
		return "node"
	default:
		return r
	}
}

// offers says whether a server has a line of a runtime; known is false where it
// tells nothing of that runtime at all and of no programs either.
func (p *place) offers(runtime, version string) (has, known bool) {
	c, key := p.catalogued(), [2]string{runtime, version}
	said, ok := c.runtimes[key]
	if !ok {
		said[0], said[1] = p.findRuntime(runtime, version)
		c.runtimes[key] = said
	}
	return said[0], said[1]
}

// findRuntime looks for what offers says.
func (p *place) findRuntime(runtime, version string) (has, known bool) {
	for _, r := range p.found.Runtimes {
		if canonical(r.Name) == runtime {
			known = true
			has = has || sameLine(runtime, r.Version, version)
		}
	}
	sys := p.found.System
	if sys == nil {
		return has, known
	}
	for _, s := range sys.Programs {
		known = true
		if m := versioned.FindStringSubmatch(s.Name); m != nil && m[0] == s.Name && canonical(m[1]) == runtime && strings.Contains(m[2], ".") {
			has = has || sameLine(runtime, m[2], version)
		} else if n := strings.TrimRight(s.Name, "0123456789"); canonical(n) == runtime && s.Version != "" {
			has = has || sameLine(runtime, strings.TrimPrefix(s.Version, "v"), version)
		}
	}
	return has, known
}

// sameLine says whether two versions are of one line of a runtime: programs and
// packages of 3.11.2 work with 3.11.9. A version with fewer numbers stands for
// all that begin with it.
func sameLine(runtime, have, want string) bool {
	n := 2
	if runtime == "node" || runtime == "java" {
		n = 1
	}
	a, b := strings.Split(have, "."), strings.Split(want, ".")
	for i := 0; i < n && i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// checkOldApplications names applications that are known to break.
func (b *builder) checkOldApplications(p *passage) {
	var seen []string
	for _, l := range p.lines("composer") {
		if l.Note == "composer 1" {
			seen = append(seen, lineText(&l))
		}
	}
	if len(seen) == 0 { // the same, told by directory
		for _, e := range p.live.Environments {
			if e.Tool == "composer 1" {
				seen = append(seen, e.Path+": Composer 1")
			}
		}
	}
	for _, l := range p.lines("drupal") {
		if compareVersions(l.What, "8.9") < 0 {
			seen = append(seen, lineText(&l))
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeApplicationOld, p.name, "", "", count(len(seen), "application")+" "+isAre(len(seen))+" known to break on newer systems, first "+seen[0], seen)
	}
}

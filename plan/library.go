package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// checkBinaries looks at the programs and libraries that an account has of its
// own, against what the target's dynamic linker finds.
func (b *builder) checkBinaries(p *passage) {
	if p.there == nil {
		return
	}
	stale := b.rebuilt(p)
	libraries := p.to.catalogued().libraries
	var missing, symbols, arch []string
	for i := range p.live.Binaries {
		x := &p.live.Binaries[i]
		switch {
		case slices.ContainsFunc(stale, func(dir string) bool { return strings.HasPrefix(x.Path, dir) }):
		case x.Arch != "" && p.here.Arch != "" && x.Arch != p.here.Arch: // not for this machine either
		case x.Arch != "" && p.there.Arch != "" && x.Arch != p.there.Arch:
			arch = append(arch, x.Path+": "+x.Arch)
		default:
			if lacks := p.lacks(x, libraries); len(lacks) > 0 {
				missing = append(missing, x.Path+": "+strings.Join(evidenceOf(lacks), ", "))
			}
			if v := newerSymbol(x.Versions, p.there.Libc); v != "" {
				symbols = append(symbols, x.Path+": "+v)
			}
		}
	}
	if missing = unique(missing); len(missing) > 0 {
		b.stopSeen(p, codeLibrary, "", plural(len(missing), "1 program or module needs", itoa(int64(len(missing)))+" programs or modules need")+
			" libraries that "+p.to.name+" does not have, first "+missing[0], missing)
	}
	if symbols = unique(symbols); len(symbols) > 0 {
		b.stopSeen(p, codeSymbols, "", plural(len(symbols), "1 program or module needs", itoa(int64(len(symbols)))+" programs or modules need")+
			" a newer C library than "+p.there.Libc+" of "+p.to.name+", first "+symbols[0], symbols)
	}
	if arch = unique(arch); len(arch) > 0 {
		b.stopSeen(p, codeBinaryArch, "", plural(len(arch), "1 program or module is", itoa(int64(len(arch)))+" programs or modules are")+
			" not for "+p.there.Arch+", which "+p.to.name+" is, first "+arch[0], arch)
	}
}

// lacks are the libraries that a program needs and the target does not have.
func (p *passage) lacks(x *schema.Binary, libraries map[string]bool) []string {
	if len(libraries) == 0 {
		return nil // the target did not tell
	}
	var out []string
	for _, so := range x.Needs {
		if !libraries[so] && !slices.Contains(x.Own, so) && !slices.Contains(x.Missing, so) {
			out = append(out, so)
		}
	}
	// The interpreter is a library too; one that this server does not have is of
	// another system, such as a container's.
	if so := path.Base(x.Interpreter); x.Interpreter != "" && !libraries[so] && p.from.catalogued().libraries[so] {
		out = append(out, so)
	}
	return unique(out)
}

// newerSymbol is the version of the C library that a program needs, if that is
// newer than what the target has. Other libraries have versions of their own,
// which nothing tells.
func newerSymbol(versions []string, libc string) string {
	have, ok := strings.CutPrefix(libc, "glibc ")
	if !ok {
		return ""
	}
	newest := ""
	for _, v := range versions {
		if n, ok := strings.CutPrefix(v, "GLIBC_"); ok && n != "PRIVATE" && compareVersions(n, have) > 0 && (newest == "" || compareVersions(n, newest) > 0) {
			newest = n
		}
	}
	if newest == "" {
		return ""
	}
	return "GLIBC_" + newest
}

// rebuilt are the directories of the virtualenvs that have to be built again:
// what is in them is a finding of its own.
func (b *builder) rebuilt(p *passage) []string {
	var out []string
	for _, e := range p.live.Environments {
		if e.Kind == "venv" && e.Version != "" && b.loses(p, "python", e.Version) {
			out = append(out, strings.TrimRight(e.Path, "/")+"/")
		}
	}
	return out
}

// checkExtensions looks at PHP extensions: those that an account has built, and
// those that its projects ask for.
func (b *builder) checkExtensions(p *passage) {
	if p.there == nil || len(p.there.PHP) == 0 {
		return // a target without PHP is a matter of runtimes
	}
	var old, needs []string
	for _, x := range p.live.Binaries {
		if x.Module == "php" && x.API != "" && !slices.ContainsFunc(p.there.PHP, func(l schema.PHP) bool { return l.API == "" || l.API == x.API }) {
			old = append(old, x.Path+": built for API "+x.API)
		}
	}
	for _, e := range p.live.Environments {
		for _, ext := range e.Needs {
			if (e.Runtime == "" || canonical(e.Runtime) == "php") && hasExtension(p.here.PHP, ext) && !hasExtension(p.there.PHP, ext) {
				needs = append(needs, e.Path+": "+ext)
			}
		}
	}
	if old = unique(old); len(old) > 0 {
		b.stopSeen(p, codePHPExtension, "", count(len(old), "PHP extension")+" of its own "+plural(len(old), "was", "were")+" built for a PHP that "+p.to.name+" does not have, first "+old[0], old)
	}
	if needs = unique(needs); len(needs) > 0 {
		b.stopSeen(p, codePHPNeeds, "", "projects require "+count(len(needs), "PHP extension")+" that "+p.to.name+" does not have, first "+needs[0], needs)
	}
}

// hasExtension says whether a line of PHP has an extension, whose name counts in
// any case of letters: "Zend OPcache" is opcache.
func hasExtension(lines []schema.PHP, name string) bool {
	return slices.ContainsFunc(lines, func(l schema.PHP) bool {
		return slices.ContainsFunc(l.Extensions, func(e string) bool {
			return strings.EqualFold(e, name) || strings.EqualFold(e, "zend "+name) || strings.EqualFold("zend "+e, name)
		})
	})
}

// checkPHPSettings names the PHP settings of an account that tie it to where it is.
func (b *builder) checkPHPSettings(p *passage) {
	var seen []string
	for _, l := range p.lines("php-ini", "auto-prepend") {
		seen = append(seen, lineText(&l))
	}
	for _, pool := range p.live.Pools {
		for k, v := range pool.Settings {
			if strings.Contains(k, "extension") || strings.Contains(k, "auto_prepend_file") || strings.Contains(k, "auto_append_file") {
				seen = append(seen, pool.File+": "+k+" = "+v)
			}
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codePHPSettings, p.name, "", "", count(len(seen), "PHP setting")+" of its own "+plural(len(seen), "ties", "tie")+" it to this server, first "+seen[0], seen)
	}
}

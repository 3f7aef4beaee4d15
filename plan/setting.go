package plan

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// reload is how a service reads its settings again, for people. Never written to.
var reload = map[string]string{
	"nginx": "nginx -t && systemctl reload nginx", "apache": "apachectl configtest && systemctl reload apache2", "sshd": "sshd -t && systemctl reload ssh",
	"dovecot": "doveconf -n >/dev/null && systemctl reload dovecot", "exim": "update-exim4.conf && systemctl reload exim4", "postfix": "postfix check && systemctl reload postfix",
	"sysctl": "sysctl --system", "mariadb": "systemctl restart mariadb", "postgresql": "systemctl restart postgresql", "cron": "systemctl restart cron",
	"firewall": "nft -c -f /etc/nftables.conf && systemctl reload nftables",
}

// difference is one setting that differs.
type difference struct {
	text    string
	written bool // by somebody, on one of the servers
}

// checkSettings compares what is set on the two servers, service by service.
func (b *builder) checkSettings(from, to *place) {
	byService := map[string][]difference{}
	here, there := keyed(from.found.System.Settings), keyed(to.found.System.Settings)
	for k, x := range here {
		if y, ok := there[k]; !ok || x.Value != y.Value {
			byService[x.Service] = append(byService[x.Service], differs(x, y))
		}
	}
	for k, y := range there {
		if here[k] == nil {
			byService[y.Service] = append(byService[y.Service], differs(nil, y))
		}
	}
	if rules := firewall(from, to); len(rules) > 0 {
		byService["firewall"] = append(byService["firewall"], rules...)
	}
	known := map[string]bool{} // services of which the target tells anything
	for i := range to.found.System.Settings {
		known[to.found.System.Settings[i].Service] = true
	}
	for _, service := range sortedKeys(byService) {
		b.saySettings(from, to, service, byService[service], known[service] || service == "firewall")
	}
}

// keyed are settings by service and key. A key that is set more than once (a
// listen directive) counts with all of its values.
func keyed(list []schema.Setting) map[[2]string]*schema.Setting {
	out := make(map[[2]string]*schema.Setting, len(list))
	for i := range list {
		s := &list[i]
		k := [2]string{s.Service, s.Key}
		if old := out[k]; old != nil {
			all := *old
			all.Value += ", " + s.Value
			s = &all
		}
		out[k] = s
	}
	return out
}

// differs says in one line what is set here and there, and where.
func differs(x, y *schema.Setting) difference {
	one := func(s *schema.Setting) string {
		if s == nil {
			return "not set"
		}
		return short(s.Value)
	}
	var key string
	var at []string
	written := false
	for _, s := range []*schema.Setting{x, y} {
		if s == nil {
			continue
		}
		key = s.Key
		if s.File != "" {
			written = true
			where := s.File
			if s.Line > 0 {
				where += ":" + strconv.Itoa(s.Line)
			}
			at = append(at, where)
		}
	}
	line := key + ": " + one(x) + " → " + one(y)
	if at = unique(at); len(at) > 0 {
		line += ", " + strings.Join(at, ", ")
	} else {
		line += ", defaults"
	}
	return difference{line, written}
}

// short is a value that keeps to its line.
func short(s string) string {
	const most = 120
	if s == "" {
		return `""`
	}
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// firewall are the rules that only one of the two has.
func firewall(from, to *place) []difference {
	if len(from.found.System.Firewall) == 0 && len(to.found.System.Firewall) == 0 {
		return nil
	}
	var out []difference
	for _, side := range [][2]*place{{from, to}, {to, from}} {
		other := map[string]bool{}
		for _, r := range side[1].found.System.Firewall {
			other[strings.TrimSpace(r)] = true
		}
		for _, r := range side[0].found.System.Firewall {
			if r = strings.TrimSpace(r); r != "" && r != "}" && !other[r] {
				out = append(out, difference{"only on " + side[0].name + ": " + short(r), true})
			}
		}
	}
	return out
}

// saySettings reports what differs of one service, what somebody has written
// before what are defaults.
func (b *builder) saySettings(from, to *place, service string, list []difference, known bool) {
	written := 0
	slices.SortFunc(list, func(x, y difference) int {
		if x.written != y.written {
			return map[bool]int{true: -1, false: 1}[x.written]
		}
		return strings.Compare(x.text, y.text)
	})
	var seen []string
	for _, d := range list {
		if d.written {
			written++
		}
		seen = append(seen, d.text)
	}
	seen = slices.Compact(seen)
	summary := count(len(seen), "setting") + " of " + service + " " + plural(len(seen), "differs", "differ") + " between " + from.name + " and " + to.name + ", first " + seen[0]
	if !known {
		summary = "nothing of " + service + " is configured on " + to.name + "; on " + from.name + " there " + plural(len(seen), "is 1 setting", "are "+itoa(int64(len(seen)))+" settings") + ", first " + seen[0]
	}
	f := b.finding(codeSettings, "", to.name, service, summary)
	if written == 0 {
		f.Severity = schema.Info
	}
	if cmd := reload[service]; cmd != "" {
		f.Remedy = "Set on " + to.name + " what accounts rely on, as the evidence says, then: " + cmd
	}
	f.Evidence = evidenceOf(seen)
	b.put(f)
}

// checkPHPLines compares each line of PHP with the same one on the target, or
// with the newest that it has.
func (b *builder) checkPHPLines(from, to *place) {
	there := to.found.System.PHP
	if len(there) == 0 {
		return // a target without PHP is a matter of runtimes
	}
	for i := range from.found.System.PHP {
		x := &from.found.System.PHP[i]
		y := &there[0]
		for k := range there {
			if there[k].Version == x.Version {
				y = &there[k]
				break
			}
			if compareVersions(there[k].Version, y.Version) > 0 {
				y = &there[k]
			}
		}
		b.comparePHP(from, to, x, y)
	}
}

func (b *builder) comparePHP(from, to *place, x, y *schema.PHP) {
	var seen, packages []string
	for _, e := range x.Extensions {
		if !hasExtension([]schema.PHP{*y}, e) {
			seen = append(seen, "extension "+e+": in "+x.Version+" → not in "+y.Version)
			packages = append(packages, "php"+y.Version+"-"+strings.ToLower(strings.ReplaceAll(e, " ", "-")))
		}
	}
	for _, k := range sortedKeys(x.Settings) {
		if v, ok := y.Settings[k]; !ok {
			seen = append(seen, k+": "+short(x.Settings[k])+" → not set")
		} else if v != x.Settings[k] {
			seen = append(seen, k+": "+short(x.Settings[k])+" → "+short(v))
		}
	}
	if seen = unique(seen); len(seen) == 0 {
		return
	}
	f := b.finding(codePHPLines, "", to.name, "php "+x.Version, "PHP "+y.Version+" on "+to.name+" differs from PHP "+x.Version+" on "+from.name+" in "+plural(len(seen), "1 thing", itoa(int64(len(seen)))+" things")+", first "+seen[0])
	if cmd := install(to.found.System, packages); cmd != "" {
		f.Remedy = "Set what differs in php.ini of " + to.name + "; for extensions, as far as packages have these names: " + cmd
	}
	f.Evidence = evidenceOf(seen)
	b.put(f)
}

// packageName is what a package may be called; other names are put into no
// command. Never written to.
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]{1,99}$`)

// mostPackages is how many packages a command holds.
const mostPackages = 40

// install is the command that installs packages, of names that need no quoting;
// empty: there are none, or the system has another package manager.
func install(s *schema.System, names []string) string {
	var out []string
	for _, n := range unique(slices.Clone(names)) {
		if packageName.MatchString(n) && len(out) < mostPackages {
			out = append(out, n)
		}
	}
	if len(out) == 0 || !strings.HasPrefix(s.OS, "debian") && !strings.HasPrefix(s.OS, "ubuntu") {
		return ""
	}
	return "apt-get install " + strings.Join(out, " ")
}

// numbers are left out where names of packages and units are compared.
var numbers = regexp.MustCompile(`[0-9]+(\.[0-9]+)*`)

// kind is a name without the numbers in it.
func kind(name string) string { return numbers.ReplaceAllString(name, "#") }

// checkPackages names packages that only the source has.
func (b *builder) checkPackages(from, to *place) {
	there := to.found.System.Packages
	if len(there) == 0 {
		return // it did not tell
	}
	has := make(map[string]bool, len(there))
	for _, s := range there {
		has[kind(s.Name)] = true
	}
	var seen []string
	for _, s := range from.found.System.Packages {
		if !has[kind(s.Name)] && !isPart(s.Name) {
			seen = append(seen, s.Name)
		}
	}
	if seen = unique(seen); len(seen) == 0 {
		return
	}
	f := b.finding(codePackages, "", to.name, "", count(len(seen), "package")+" of "+from.name+" "+isAre(len(seen))+" not installed on "+to.name+", first "+seen[0])
	if cmd := install(to.found.System, seen); cmd != "" {
		f.Remedy = "Install what accounts use: " + cmd
	}
	f.Evidence = evidenceOf(seen)
	b.put(f)
}

// isPart says whether a package is only there because of others: libraries,
// kernels, their headers and documentation.
func isPart(name string) bool {
	for _, p := range []string{"lib", "linux-", "gcc-", "cpp-", "python3-", "fonts-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	for _, s := range []string{"-dev", "-doc", "-common", "-data", "-l10n", "-locales", "-dbg", "-dbgsym", "-keyring"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// checkDaemons names services that run here and not on the target.
func (b *builder) checkDaemons(from, to *place) {
	there := to.found.System.Daemons
	if len(there) == 0 {
		return
	}
	runs := map[string]bool{}
	for _, d := range there {
		runs[kind(base(d.Name))] = runs[kind(base(d.Name))] || d.Running
	}
	var seen []string
	for _, d := range from.found.System.Daemons {
		on, known := runs[kind(base(d.Name))]
		switch {
		case !d.Running || on:
		case known:
			seen = append(seen, d.Name+": does not run on "+to.name)
		default:
			seen = append(seen, d.Name+": not on "+to.name)
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeDaemons, "", to.name, "", count(len(seen), "service")+" of "+from.name+" "+plural(len(seen), "does", "do")+" not run on "+to.name+", first "+seen[0], seen)
	}
}

// zoneName is what a time zone may be called. Never written to.
var zoneName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9/_+-]{0,63}$`)

// alike are names of one time zone.
func alike(x, y string) bool {
	utc := []string{"UTC", "Etc/UTC", "Etc/UCT", "Universal", "Zulu", "Etc/GMT", "GMT"}
	return x == y || slices.Contains(utc, x) && slices.Contains(utc, y)
}

// checkZone compares the machines' time zones.
func (b *builder) checkZone(from, to *place) {
	x, y := from.found.System.Timezone, to.found.System.Timezone
	if x == "" || y == "" || alike(x, y) {
		return
	}
	f := b.finding(codeTimezone, "", to.name, "", from.name+" is in "+x+", "+to.name+" in "+y)
	if zoneName.MatchString(x) {
		f.Remedy = "On " + to.name + ": timedatectl set-timezone " + x + " && systemctl restart cron"
	}
	b.put(f)
}

// localeName is what a locale may be called. Never written to.
var localeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.@-]{1,63}$`)

// locale is the name of a locale in one spelling: fr_FR.UTF-8 is fr_FR.utf8.
func locale(s string) string {
	lang, set, ok := strings.Cut(s, ".")
	if !ok {
		return s
	}
	return lang + "." + strings.ToLower(strings.ReplaceAll(set, "-", ""))
}

// checkLocales compares the machines' locales.
func (b *builder) checkLocales(from, to *place) {
	x, y := from.found.System, to.found.System
	if len(y.Locales) == 0 {
		return
	}
	has := map[string]bool{"C": true, "POSIX": true, "C.utf8": true}
	for _, l := range y.Locales {
		has[locale(l)] = true
	}
	var seen, names []string
	for _, l := range x.Locales {
		if !has[locale(l)] {
			seen = append(seen, l)
			if n := strings.Replace(locale(l), ".utf8", ".UTF-8", 1); localeName.MatchString(n) && len(names) < mostPackages {
				names = append(names, n)
			}
		}
	}
	if seen = unique(seen); len(seen) == 0 {
		return
	}
	f := b.finding(codeLocales, "", to.name, "", count(len(seen), "locale")+" of "+from.name+" "+isAre(len(seen))+" missing on "+to.name+", first "+seen[0])
	if len(names) > 0 {
		f.Remedy = "On " + to.name + " take these into /etc/locale.gen, then run locale-gen: " + strings.Join(unique(names), ", ")
	}
	f.Evidence = evidenceOf(seen)
	b.put(f)
}

// tools are what programs of accounts call by name, as packages and as programs.
// Never written to.
var tools = []string{"git", "imagemagick", "convert", "graphicsmagick", "gdal-bin", "mapserver-bin", "qgis-server", "erlang-base", "ghostscript", "ffmpeg", "pandoc", "wkhtmltopdf",
	"libreoffice-core", "poppler-utils", "perl", "java", "composer", "openssl", "curl", "wget", "rsync", "subversion", "mercurial", "texlive-base", "optipng", "pngquant", "tesseract-ocr"}

// checkTools names tools that make a major step.
func (b *builder) checkTools(from, to *place) {
	var seen []string
	for _, name := range tools {
		for _, lists := range [][2][]schema.Software{{from.found.System.Programs, to.found.System.Programs}, {from.found.System.Packages, to.found.System.Packages}} {
			x, y := software(lists[0], name), software(lists[1], name)
			if x != nil && y != nil && major(x.Version) != "" && major(y.Version) != "" && major(x.Version) != major(y.Version) {
				seen = append(seen, name+": "+x.Version+" → "+y.Version)
				break
			}
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeTools, "", to.name, "", count(len(seen), "tool")+" "+plural(len(seen), "makes", "make")+" a major step from "+from.name+" to "+to.name+", first "+seen[0], seen)
	}
}

// major is the first number of a version as packages have it: 1:2.39.5-0 is 2.
// Of Perl, whose first number never changes, it is the first two.
func major(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	v := numbers.FindString(version)
	if strings.HasPrefix(v, "5.") {
		return strings.Join(strings.SplitN(v, ".", 3)[:2], ".")
	}
	first, _, _ := strings.Cut(v, ".")
	return first
}

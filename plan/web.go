package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// checkApache names what is written for Apache, or for a version of it.
func (b *builder) checkApache(p *passage) {
	var seen, modules []string
	for _, l := range p.lines("htaccess", "apache-directive") {
		seen = append(seen, lineText(&l))
	}
	for _, l := range p.lines("apache-module") {
		modules = append(modules, lineText(&l))
	}
	for _, x := range p.live.Binaries {
		if x.Module == "apache" {
			modules = append(modules, x.Path)
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		summary := count(len(seen), "Apache directive") + " may mean something else on a newer version, first " + seen[0]
		if p.there != nil && !hasApache(p.there) && hasApache(p.here) {
			summary = p.to.name + " has no Apache: " + count(len(seen), "directive") + " would be passed over, first " + seen[0]
		}
		b.reportSeen(codeApache, p.name, "", "", summary, seen)
	}
	if modules = unique(modules); len(modules) > 0 {
		b.reportSeen(codeApacheModule, p.name, "", "", count(len(modules), "Apache module")+" of its own, first "+modules[0], modules)
	}
}

// hasApache says whether a machine tells of an Apache.
func hasApache(s *schema.System) bool {
	named := func(x schema.Software) bool { return x.Name == "apache2" || x.Name == "httpd" }
	return slices.ContainsFunc(s.Packages, named) || slices.ContainsFunc(s.Programs, named) ||
		slices.ContainsFunc(s.Daemons, func(d schema.Service) bool { return base(d.Name) == "apache2" || base(d.Name) == "httpd" })
}

// base is a unit's name without its kind.
func base(unit string) string { return strings.TrimSuffix(unit, ".service") }

// checkLogReaders names what reads logs of the web server.
func (b *builder) checkLogReaders(p *passage) {
	b.sayLines(p, codeLogReader, "reads", "read", "the web server's logs", "log-reader")
}

// checkTemporary names what is kept in /tmp.
func (b *builder) checkTemporary(p *passage) {
	b.sayLines(p, codeTemporary, "names", "name", "/tmp", "tmp")
}

// sayLines reports all lines of a kind.
func (b *builder) sayLines(p *passage, code, one, many, what, kind string) {
	var seen []string
	for _, l := range p.lines(kind) {
		seen = append(seen, lineText(&l))
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(code, p.name, "", "", count(len(seen), "place")+" in its files "+plural(len(seen), one, many)+" "+what+", first "+seen[0], seen)
	}
}

// checkCertificates names certificates that do not lie in the account's home.
func (b *builder) checkCertificates(p *passage) {
	if p.home() == "" {
		return
	}
	var seen []string
	for _, c := range p.live.Certificates {
		if c.Path == "" || p.isHome(c.Path) {
			continue
		}
		line := strings.Join(evidenceOf(sorted(c.Names)), ", ") + ": " + c.Path
		if c.How != "" {
			line += ", renewed by " + c.How
		}
		seen = append(seen, line)
	}
	if seen = unique(seen); len(seen) > 0 {
		b.reportSeen(codeCertOutside, p.name, "", "", count(len(seen), "certificate")+" "+plural(len(seen), "lies", "lie")+" outside of the account, first "+seen[0], seen)
	}
}

// usualSieve are the extensions that Dovecot's Sieve has without being asked.
// Never written to.
var usualSieve = []string{"body", "comparator-i;ascii-casemap", "comparator-i;ascii-numeric", "comparator-i;octet", "copy", "date", "duplicate", "encoded-character", "enotify",
	"envelope", "environment", "extracttext", "fcc", "fileinto", "foreverypart", "ihave", "imap4flags", "include", "index", "mailbox", "mboxmetadata", "mime",
	"regex", "reject", "ereject", "relational", "servermetadata", "special-use", "subaddress", "vacation", "variables"}

// checkSieve holds what filters require against what the target's mail server does.
func (b *builder) checkSieve(p *passage) {
	if p.there == nil || len(p.there.Packages) == 0 {
		return
	}
	none := !slices.ContainsFunc(p.there.Packages, func(s schema.Software) bool { return strings.Contains(s.Name, "sieve") })
	var seen []string
	for _, box := range p.live.Mail.Boxes {
		for _, s := range box.Sieve {
			lacks := s.Requires
			if !none {
				lacks = slices.DeleteFunc(slices.Clone(s.Requires), func(ext string) bool {
					return slices.Contains(usualSieve, ext) || switchedOn(p.there, ext)
				})
			}
			switch {
			case len(lacks) > 0:
				seen = append(seen, box.Address+": "+s.Path+" requires "+strings.Join(evidenceOf(sorted(lacks)), ", "))
			case none && s.Active:
				seen = append(seen, box.Address+": "+s.Path)
			}
		}
	}
	if seen = unique(seen); len(seen) > 0 {
		what := " needs what Sieve on " + p.to.name + " does not do"
		if none {
			what = " needs Sieve, which " + p.to.name + " does not have"
		}
		b.reportSeen(codeSieve, p.name, "", "", count(len(seen), "mail filter")+plural(len(seen), what, strings.Replace(what, " needs", " need", 1))+", first "+seen[0], seen)
	}
}

// switchedOn says whether the mail server's settings name an extension of Sieve.
func switchedOn(s *schema.System, ext string) bool {
	return slices.ContainsFunc(s.Settings, func(x schema.Setting) bool {
		return x.Service == "dovecot" && strings.Contains(x.Key, "sieve") && slices.ContainsFunc(strings.Fields(x.Value), func(w string) bool { return strings.TrimPrefix(w, "+") == ext })
	})
}

//go:build linux

package look

import (
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// renewal is the settings of who renews certificates.
type renewal struct {
	name  string // of the certificate: the directory below live
	paths []string
	by    string // provider | account
	how   string
}

// certificates finds those that sites use and those that the layout names, says
// what is in them and who renews them, and hands them to the accounts whose
// sites use them or whose names they have.
func (s *running) certificates() {
	renewals := s.renewals()
	users := map[string][]*account{} // by path
	var paths []string
	add := func(p string, a *account) {
		if p == "" || !filepath.IsAbs(p) || len(paths) > maxSites {
			return
		}
		p = filepath.Clean(p)
		if !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
		if a != nil && !slices.Contains(users[p], a) {
			users[p] = append(users[p], a)
		}
	}
	for _, v := range s.hosts {
		add(v.Cert, v.owner)
	}
	for _, g := range s.w.layout.Certificates {
		for _, p := range s.w.places([]string{g}) {
			add(p.path(), nil)
		}
	}
	domains := map[string][]*account{}
	for _, a := range s.w.accounts {
		for _, d := range a.Domains {
			domains[d.Name] = append(domains[d.Name], a)
		}
	}
	seen := map[string]bool{} // the same file by another name
	for _, p := range paths {
		c, ok := s.certificate(p, renewals)
		if !ok || seen[s.r.real(p)] {
			continue
		}
		seen[s.r.real(p)] = true
		for _, a := range s.holdersOf(p, &c, users[p], domains) {
			if len(a.Certificates) < 1000 {
				a.Certificates = append(a.Certificates, c)
			}
		}
	}
}

// holdersOf are the accounts that a certificate is for.
func (s *running) holdersOf(path string, c *schema.Certificate, by []*account, domains map[string][]*account) []*account {
	if len(by) > 0 {
		return by
	}
	for _, n := range c.Names {
		by = append(by, domains[n]...)
		if above, ok := strings.CutPrefix(n, "*."); ok {
			by = append(by, domains[above]...)
		}
	}
	if a := s.byPath(path); a != nil {
		by = append(by, a)
	}
	var once []*account
	for _, a := range by {
		if !slices.Contains(once, a) && len(once) < 1000 {
			once = append(once, a)
		}
	}
	return once
}

// certificate reads the first certificate of a file.
func (s *running) certificate(path string, renewals []renewal) (c schema.Certificate, ok bool) {
	text, err := s.r.read(path, smallFile)
	if err != nil {
		return c, false
	}
	x := firstCertificate(text)
	if x == nil {
		return c, false
	}
	c = schema.Certificate{Names: certificateNames(x), Expires: x.NotAfter.UTC(), Path: path, Issuer: issuerOf(x), Renewed: "nobody"}
	real := s.r.real(path)
	for _, r := range renewals {
		if slices.Contains(r.paths, path) || slices.Contains(r.paths, real) || r.name != "" && r.name == filepath.Base(filepath.Dir(path)) && strings.Contains(path, "/live/") {
			c.Renewed, c.How = r.by, r.how
			break
		}
	}
	return c, true
}

// firstCertificate is the one for the server; those behind it are of who signed.
func firstCertificate(text []byte) *x509.Certificate {
	for range 16 {
		b, rest := pem.Decode(text)
		if b == nil {
			return nil
		}
		text = rest
		if b.Type == "CERTIFICATE" || b.Type == "TRUSTED CERTIFICATE" {
			if x, err := x509.ParseCertificate(b.Bytes); err == nil {
				return x
			}
			return nil
		}
	}
	return nil
}

func certificateNames(x *x509.Certificate) (names []string) {
	for _, n := range x.DNSNames {
		names = append(names, strings.ToLower(n))
	}
	for _, ip := range x.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && x.Subject.CommonName != "" {
		names = []string{strings.ToLower(x.Subject.CommonName)}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), 1000)]
}

func issuerOf(x *x509.Certificate) string {
	i := x.Issuer
	if string(x.RawIssuer) == string(x.RawSubject) {
		return "itself"
	}
	name := i.CommonName
	if len(i.Organization) > 0 && !strings.Contains(name, i.Organization[0]) {
		name = strings.TrimSpace(i.Organization[0] + " " + name)
	}
	return name[:min(len(name), 200)]
}

// renewals reads the settings of certbot, acme.sh and dehydrated.
func (s *running) renewals() (list []renewal) {
	for _, g := range s.w.layout.Renewals {
		for _, p := range s.w.places([]string{g}) {
			file := p.path()
			text, err := s.w.readPlace(p, smallFile)
			if err != nil || len(list) > maxSites {
				continue
			}
			by := "provider"
			if s.byPath(file) != nil {
				by = "account"
			}
			switch {
			case strings.Contains(file, "/.acme.sh/"):
				list = append(list, s.acmeSh(text, file, by))
			case strings.Contains(file, "dehydrated"):
				list = append(list, s.dehydrated(text))
			default:
				list = append(list, s.certbot(text, file, by))
			}
		}
	}
	return list
}

// certbot reads one of its renewal files. It renews nothing by itself: a timer
// or a crontab has to run it.
func (s *running) certbot(text []byte, file, by string) renewal {
	r := renewal{name: strings.TrimSuffix(filepath.Base(file), ".conf"), by: by}
	how, root := "", ""
	for _, e := range parseIni(text) {
		switch {
		case e.section == "" && (e.key == "fullchain" || e.key == "cert"):
			r.paths = append(r.paths, filepath.Clean(e.value))
		case e.key == "authenticator":
			how = e.value
		case e.key == "webroot_path" && root == "":
			root = strings.Trim(strings.TrimSpace(e.value), ",")
		case e.section == "[webroot_map" && root == "":
			root = e.value
		}
	}
	r.how = "certbot, " + cmpOr(how, "manual")
	if how == "webroot" && root != "" {
		r.how += " " + root
	}
	if how == "manual" {
		r.how, r.by = "certbot, by hand", "nobody"
	}
	if !s.scheduled("certbot") {
		r.how, r.by = r.how+", and nothing runs it", "nobody"
	}
	return r
}

func (s *running) acmeSh(text []byte, file, by string) renewal {
	v := assignments(text)
	r := renewal{by: by, how: "acme.sh, " + cmpOr(v["Le_Webroot"], "by hand")}
	dir := filepath.Dir(file)
	for _, p := range []string{v["Le_RealFullChainPath"], v["Le_RealCertPath"], dir + "/fullchain.cer", dir + "/" + v["Le_Domain"] + ".cer"} {
		if p != "" {
			r.paths = append(r.paths, filepath.Clean(p))
		}
	}
	if strings.HasPrefix(v["Le_Webroot"], "dns_") {
		r.how = "acme.sh, DNS " + v["Le_Webroot"]
	}
	if !s.scheduled("acme.sh") {
		r.how, r.by = r.how+", and nothing runs it", "nobody"
	}
	return r
}

func (s *running) dehydrated(text []byte) renewal {
	v := assignments(text)
	base := cmpOr(v["BASEDIR"], "/var/lib/dehydrated")
	dir := strings.NewReplacer("${BASEDIR}", base, "$BASEDIR", base).Replace(cmpOr(v["CERTDIR"], base+"/certs"))
	r := renewal{by: "provider", how: "dehydrated, " + cmpOr(v["CHALLENGETYPE"], "http-01")}
	r.paths = append(r.paths, s.r.glob(quotePattern(dir)+"/*/*.pem")...)
	if !s.scheduled("dehydrated") {
		r.how, r.by = r.how+", and nothing runs it", "nobody"
	}
	return r
}

// scheduled says whether a crontab or a timer runs a program.
func (s *running) scheduled(program string) bool {
	if slices.ContainsFunc(s.cron, func(c cronLine) bool { return c.name == "" && strings.Contains(c.command, program) }) {
		return true
	}
	for _, t := range s.r.glob("/etc/systemd/system/timers.target.wants/*.timer") {
		if strings.Contains(filepath.Base(t), program) {
			return true
		}
	}
	return len(s.r.glob("/etc/cron.daily/*"+program+"*")) > 0
}

package local

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/schema"
)

// What a survey reads of an account's certificates.
const (
	maxCertificates     = 100
	maxCertificateBytes = 256 << 10
)

// certificates reads the account's certificates; what is wrong with one is a
// finding, for a site that loses it is not reachable.
func (h *Host) certificates(home, account string, d *description.Account, out *schema.FoundAccount) error {
	root, err := os.OpenRoot(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	s := &small{root: root}
	defer s.leave()
	dir := path.Base(description.CertificatesDir)
	if err := s.enter(dir); err != nil {
		return nil // no such directory, or something else has its name
	}
	names, err := certificateFiles(s.dir)
	if err != nil {
		return err
	}
	if len(names) > maxCertificates {
		names = names[:maxCertificates]
		out.Truncated = append(out.Truncated, "certificates")
	}
	for _, name := range names {
		text, _, err := s.read(name, maxCertificateBytes)
		var c *schema.Certificate
		if err == nil {
			c, err = parseCertificates(text)
		}
		if err != nil {
			out.Findings = append(out.Findings, schema.Finding{
				Code: foundCertificate, Severity: schema.Warning, Account: account, Object: path.Join(dir, name), Server: h.description().Name,
				Summary:   fmt.Sprintf("the certificate %s cannot be read: %s", printable(name), printable(err.Error())),
				Remedy:    "look whether it is still used; a site whose certificate is not known may stop answering over HTTPS without a warning",
				Certainty: "observed",
			})
			continue
		}
		if c != nil {
			c.Renewed = renewedBy(d, name)
			out.Certificates = append(out.Certificates, *c)
		}
	}
	return nil
}

func certificateFiles(dir *os.File) ([]string, error) {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		switch strings.ToLower(path.Ext(e.Name())) {
		case ".pem", ".crt", ".cer":
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func renewedBy(d *description.Account, file string) string {
	if d == nil {
		return ""
	}
	for _, c := range d.Certificates {
		if c.File == file {
			return c.Renewed
		}
	}
	return ""
}

// parseCertificates reads a chain: the names are those of the first certificate,
// and it is good until the first of them all expires. A file without a
// certificate, such as a key, is none.
func parseCertificates(text []byte) (*schema.Certificate, error) {
	var out *schema.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return out, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = &schema.Certificate{Names: certificateNames(c), Expires: c.NotAfter.UTC()}
		} else if c.NotAfter.Before(out.Expires) {
			out.Expires = c.NotAfter.UTC()
		}
	}
}

func certificateNames(c *x509.Certificate) []string {
	names := []string{}
	for _, n := range c.DNSNames {
		names = append(names, strings.ToLower(n))
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && c.Subject.CommonName != "" {
		names = append(names, strings.ToLower(c.Subject.CommonName))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

const (
	// soon is how many days ahead of its end a certificate is worth a word,
	// however short the journey is.
	soon = 14 * 24 * time.Hour
	// fresh is how old a backup may be.
	fresh = 24 * time.Hour
)

// datedFindings are those that depend on the clock: a saved plan is not stale
// because time has passed.
func (b *builder) datedFindings(d *Dates) []schema.Finding {
	var out []schema.Finding
	for _, a := range b.accounts {
		if !b.leaves(a) || b.in.Now.IsZero() {
			continue
		}
		for i := range a.live.Certificates {
			if f, ok := b.certificate(a, &a.live.Certificates[i], d); ok {
				out = append(out, f)
			}
		}
		if f, ok := b.backup(a); ok {
			out = append(out, f)
		}
	}
	for i := range out {
		b.waivers.waive(&out[i])
	}
	return append(out, b.sayWaivers()...)
}

// certificate says whether one ends on the way, or soon.
func (b *builder) certificate(a *account, c *schema.Certificate, d *Dates) (schema.Finding, bool) {
	now := b.in.Now
	if c.Expires.IsZero() || c.Expires.After(now.Add(soon)) && (d.Ends.IsZero() || c.Expires.After(d.Ends)) {
		return schema.Finding{}, false
	}
	names := slices.Clone(c.Names)
	slices.Sort(names)
	object := strings.Join(evidenceOf(names), ", ")
	day := c.Expires.In(zoneOf(b.mig)).Format(time.DateOnly)
	f := b.finding(codeCertificate, a.name, "", object, "")
	switch {
	case !c.Expires.After(now):
		f.Summary = "the certificate of " + object + " has expired on " + day
	case c.Expires.After(d.Ends):
		f.Summary = "the certificate of " + object + " expires on " + day
	default:
		f.Summary = "the certificate of " + object + " expires on " + day + ", before the journey is predicted to end"
	}
	switch c.Renewed {
	case "provider":
		f.Severity = schema.Info
		f.Summary += "; the provider renews it"
	case "account":
		f.Summary += "; the account renews it by itself"
	case "nobody":
		f.Summary += "; nothing renews it"
	}
	f.Evidence = evidenceOf(names)
	return f, true
}

// backup says whether there is none that is fresh, where the provider can tell.
func (b *builder) backup(a *account) (schema.Finding, bool) {
	at := a.live.Backup
	switch {
	case !a.live.Backups || !at.IsZero() && b.in.Now.Sub(at) <= fresh:
		return schema.Finding{}, false
	case at.IsZero():
		return b.finding(codeBackup, a.name, "", "", "no backup of it was found"), true
	}
	return b.finding(codeBackup, a.name, "", "", "its newest backup is of "+at.In(zoneOf(b.mig)).Format("2006-01-02 15:04")), true
}

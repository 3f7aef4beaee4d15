package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// The part of the small language that is about what checks look at.

func renderFinding(out *strings.Builder, kind string, f *schema.Finding) {
	who := strings.TrimSpace(f.Account + " " + f.Server)
	fmt.Fprintf(out, "%s%s %s %s: %s", kind, f.Severity, f.Code, plain(who), plain(f.Summary))
	if w := f.Waived; w != nil {
		fmt.Fprintf(out, " (waived by %s until %s: %s)", w.By, w.Until, w.Reason)
	}
	out.WriteByte('\n')
	for _, e := range f.Evidence {
		fmt.Fprintf(out, "  seen %s\n", plain(e))
	}
}

func parseServerMore(t *testing.T, s *schema.FoundServer, key, value string) {
	t.Helper()
	list := strings.Split(value, ",")
	switch key {
	case "total":
		b, i, _ := strings.Cut(value, "/")
		s.TotalBytes, s.TotalInodes = parseSize(t, b), parseSize(t, i)
	case "names":
		s.Names = list
	case "outgoing":
		s.Outgoing = list
	case "keys":
		s.HostKeys = list
	case "engines":
		for _, r := range runtimes(value) {
			s.Engines = append(s.Engines, schema.EngineOffer(r))
		}
	default:
		t.Fatalf("server: %s=%s", key, value)
	}
}

// parseContent reads what is inside of an account; false for any other word.
func parseContent(t *testing.T, a *schema.FoundAccount, key, value string) bool {
	t.Helper()
	switch key {
	case "uid":
		a.UID = int(number64(t, value))
	case "id":
		a.ID = value
	case "created":
		a.Created = parseTime(t, value)
	case "quota":
		a.Quota = parseSize(t, value)
	case "site":
		domain, owner, _ := strings.Cut(value, ":")
		a.Sites = append(a.Sites, schema.Site{Domain: domain, Owner: owner})
	case "link":
		path, target, _ := strings.Cut(value, ">")
		a.Links = append(a.Links, schema.Link{Path: path, Target: target})
	case "mention":
		parts := strings.SplitN(value, ":", 3)
		a.Mentions = append(a.Mentions, schema.Mention{Path: parts[0], Line: int(number64(t, parts[1])), What: parts[2]})
	case "certificate":
		parts := strings.SplitN(value, ":", 3)
		a.Certificates = append(a.Certificates, schema.Certificate{Names: strings.Split(parts[0], ","), Expires: parseTime(t, parts[1]), Renewed: parts[2]})
	case "backup":
		a.Backups = true
		if value != "none" {
			a.Backup = parseTime(t, value)
		}
	case "task":
		name, schedule, _ := strings.Cut(value, ":")
		a.Tasks = append(a.Tasks, schema.Task{Name: name, Schedule: schedule})
	case "truncated":
		a.Truncated = strings.Split(value, ",")
	default:
		return false
	}
	return true
}

// parseTime reads 2026-11-02 or 2026-11-02T15h, in UTC.
func parseTime(t *testing.T, s string) time.Time {
	t.Helper()
	layout := time.DateOnly
	if strings.Contains(s, "T") {
		layout = "2006-01-02T15h"
	}
	at, err := time.Parse(layout, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// parseTrial reads ENGINE/VERSION and databases: NAME, NAME!ERROR, NAME?WARNING.
func parseTrial(server, engine string, databases []string) schema.TrialFact {
	f := schema.TrialFact{Server: server}
	f.Engine, f.Version, _ = strings.Cut(engine, "/")
	for _, w := range databases {
		d := schema.TriedDatabase{Engine: f.Engine}
		if name, text, ok := strings.Cut(w, "!"); ok {
			d.Name, d.Errors = name, []string{text}
		} else if name, text, ok := strings.Cut(w, "?"); ok {
			d.Name, d.Warnings = name, []string{text}
		} else {
			d.Name = w
		}
		f.Databases = append(f.Databases, d)
	}
	return f
}

// parseMore adds to the configuration.
func parseMore(t *testing.T, text string, cfg *schema.Config) {
	t.Helper()
	m := &cfg.Migration
	for _, line := range strings.Split(text, "\n") {
		w := fields(t, line)
		if len(w) == 0 {
			continue
		}
		switch w[0] {
		case "trial":
			m.Trial = w[1]
		case "timezone":
			m.Timezone = w[1]
		case "moved":
			m.Moved = append(m.Moved, schema.Moved{From: w[1], To: w[2]})
		case "removed":
			m.Removed = append(m.Removed, schema.Removed{Account: w[1]})
		case "check":
			cfg.Checks = append(cfg.Checks, schema.Condition{Name: w[1]})
		case "policy":
			cfg.Policies = append(cfg.Policies, schema.Condition{Name: w[1]})
		case "waiver":
			m.Waivers = append(m.Waivers, parseWaiver(t, w))
		default:
			t.Fatalf("more: %s", line)
		}
	}
}

func parseWaiver(t *testing.T, words []string) schema.Waiver {
	t.Helper()
	out := schema.Waiver{Code: words[1], By: "ann", Reason: "agreed", Expires: "2026-12-31"}
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "accounts":
			out.Accounts = strings.Split(value, ",")
		case "object":
			out.Object = value
		case "by":
			out.By = value
		case "expires":
			out.Expires = value
		case "reason":
			out.Reason = value
		default:
			t.Fatalf("waiver: %s", w)
		}
	}
	return out
}

// parseFindings reads CODE SEVERITY ACCOUNT|- SUMMARY.
func parseFindings(t *testing.T, text string) []schema.Finding {
	t.Helper()
	var out []schema.Finding
	for _, line := range strings.Split(text, "\n") {
		w := fields(t, line)
		if len(w) == 0 {
			continue
		}
		f := schema.Finding{Code: w[0], Severity: w[1], Account: w[2], Summary: w[3], Source: "configuration", Certainty: "own"}
		if f.Account == "-" {
			f.Account = ""
		}
		out = append(out, f)
	}
	return out
}

// parseDNS reads names: NAME provider|external|unknown, then records.
func parseDNS(t *testing.T, text string) *schema.FoundDNS {
	t.Helper()
	if text == "" {
		return nil
	}
	dns := &schema.FoundDNS{Resolver: "test"}
	for _, line := range strings.Split(text, "\n") {
		w := fields(t, line)
		if len(w) == 0 {
			continue
		}
		n := schema.FoundName{Name: w[0], Managed: w[1]}
		for _, r := range w[2:] {
			kind, value, _ := strings.Cut(r, "=")
			switch kind {
			case "missing":
				n.Missing = true
			case "error":
				n.Error = value
			case "MX":
				pref, host, _ := strings.Cut(value, ":")
				n.Records = append(n.Records, schema.DNSRecord{Type: "MX", Pref: uint16(number64(t, pref)), Value: host})
			default:
				n.Records = append(n.Records, schema.DNSRecord{Type: kind, Value: value})
			}
		}
		dns.Names = append(dns.Names, n)
	}
	slices.SortFunc(dns.Names, func(x, y schema.FoundName) int { return strings.Compare(x.Name, y.Name) })
	return dns
}

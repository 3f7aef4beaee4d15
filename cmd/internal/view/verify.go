package view

import (
	"fmt"
	"slices"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/schema"
)

// VerifyDocument is what verify gives to programs.
type VerifyDocument struct {
	FormatVersion string          `json:"format_version"`
	AsBefore      int             `json:"as_before_count"` // accounts
	Different     int             `json:"different_count"`
	NotProbed     int             `json:"not_probed_count"`
	NotCompared   int             `json:"not_compared_count"` // answered, and nothing was recorded to compare with
	Accounts      []report.Probed `json:"accounts"`
}

// Verified shows what the probes of accounts answered, beside what they answered
// before anything moved: differences first, what is as before in one line.
func (v *View) Verified(list []report.Probed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	doc := VerifyDocument{FormatVersion: FormatVersion, Accounts: list}
	if list == nil {
		doc.Accounts = []report.Probed{}
	}
	var same, silent, fresh []string
	for i := range list {
		switch x := &list[i]; {
		case x.Err != "", !x.At.IsZero() && !x.OK:
			doc.Different++
		case x.At.IsZero():
			doc.NotProbed++
			silent = append(silent, x.Account)
		case unrecorded(x):
			doc.NotCompared++
			fresh = append(fresh, x.Account)
		default:
			doc.AsBefore++
			same = append(same, x.Account)
		}
	}
	if v.give(doc) {
		return
	}
	for i := range list {
		if x := &list[i]; x.Err != "" || !x.At.IsZero() && (!x.OK || v.verbose || recorded(x) || unrecorded(x)) {
			v.probed(x)
		}
	}
	if len(same) > 0 {
		v.item("", "✓", v.style.green, "as before: "+plural(len(same), "account")+": "+names(same, v.most(8)), nil)
	}
	if len(fresh) > 0 {
		v.item("", "?", v.style.yellow, "not compared, as nothing is recorded for a probe: "+plural(len(fresh), "account")+": "+names(fresh, v.most(8))+"; stopover verify --baseline records what they answer", nil)
	}
	if len(silent) > 0 {
		v.item("", "?", v.style.yellow, "not probed: "+plural(len(silent), "account")+": "+names(silent, v.most(8)), nil)
	}
	switch {
	case len(list) == 0:
		v.item("", "", nil, "There is no account to ask.", nil)
	case doc.Different > 0:
		v.gap()
		v.item("", "", nil, "If a difference is intended, record it as the new baseline: stopover verify --baseline, with --account for the accounts.", nil)
	}
}

// unrecorded says whether an account has a probe with nothing to compare it with.
func unrecorded(x *report.Probed) bool {
	return slices.ContainsFunc(x.Probes, func(p report.ProbedOnce) bool { return p.Now != nil && p.Before == nil && !p.Recorded })
}

func recorded(x *report.Probed) bool {
	for i := range x.Probes {
		if x.Probes[i].Recorded {
			return true
		}
	}
	return false
}

// probed is one account with its probes.
func (v *View) probed(x *report.Probed) {
	mark, paint := "✓", v.style.green
	if !x.OK {
		mark, paint = "✗", v.style.red
	}
	text := named(x.Account)
	if x.Server != "" {
		text += " on " + named(x.Server)
	}
	v.item("", mark, paint, text, v.style.bold)
	if x.Err != "" {
		v.item("    ", "", nil, "could not be asked: "+clean(x.Err), nil)
	}
	for i := range x.Probes {
		v.probe(&x.Probes[i])
	}
}

func (v *View) probe(p *report.ProbedOnce) {
	name := named(p.Probe)
	switch {
	case p.Now == nil:
		return // only its baseline is known
	case p.Recorded:
		v.item("    ", "✓", v.style.green, name+": "+answer(p.Now)+", recorded as the new baseline", nil)
	case p.OK && p.Before == nil:
		v.item("    ", "?", v.style.yellow, name+": "+answer(p.Now)+"; nothing was recorded to compare it with", nil)
	case p.OK:
		v.item("    ", "✓", v.style.green, name+": "+answer(p.Now), nil)
	default:
		v.item("    ", "✗", v.style.red, name+": "+clean(p.Why), nil)
		v.item("        ", "before:", v.style.faint, baseline(p.Before), nil)
		v.item("        ", "now:   ", v.style.faint, answer(p.Now), nil)
	}
}

func baseline(b *schema.BaselineFact) string {
	if b == nil {
		return "nothing was recorded"
	}
	return told(b.Status, b.Title, &b.Seen)
}

func answer(a *apply.Answer) string { return told(a.Status, a.Title, &a.Seen) }

// told is what a probe got, in a few words.
func told(status int, title string, seen *schema.Seen) string {
	s := ""
	switch {
	case seen.Refused != "":
		s = "refused: " + clean(seen.Refused)
	case seen.Kind == schema.ProbeIMAP:
		s = tallied(seen)
	case seen.Kind == schema.ProbeSQL:
		s = values(seen)
	case seen.Kind == schema.ProbeTCP:
		s = said("connects", seen.Line)
	case seen.Kind == schema.ProbeCommand:
		s = said(fmt.Sprintf("ended with status %d", status), seen.Line)
	case status == 0:
		return "no answer"
	default:
		s = fmt.Sprintf("status %d", status)
		if title != "" {
			s += ", title " + quotedText(title)
		}
		if n := len(seen.Redirects); n > 0 {
			s += ", redirected to " + clean(seen.Redirects[n-1])
		}
	}
	return s + certified(seen.Certificate)
}

func said(what, line string) string {
	if line == "" {
		return what
	}
	return what + ", " + quotedText(line)
}

func tallied(seen *schema.Seen) string {
	var messages int64
	for _, m := range seen.Mailboxes {
		messages += m.Messages
	}
	s := plural(int(messages), "message") + " in " + number(int64(len(seen.Mailboxes))) + " mailboxes"
	if len(seen.Mailboxes) == 1 {
		s = plural(int(messages), "message") + " in " + clean(seen.Mailboxes[0].Name)
	}
	if seen.Cut {
		s += ", and more that are not compared"
	}
	return s
}

func values(seen *schema.Seen) string {
	s := plural(len(seen.Rows), "row")
	if len(seen.Rows) == 1 && len(seen.Rows[0]) == 1 {
		s = "value " + quotedText(seen.Rows[0][0])
	}
	if seen.Cut {
		s += ", and more that is not compared"
	}
	return s
}

// certified tells whose certificate was shown and until when it counts.
func certified(c *schema.SeenCertificate) string {
	if c == nil {
		return ""
	}
	s := "; certificate of " + clean(c.Issuer) + " until " + c.Expires.UTC().Format("2006-01-02")
	if c.Wrong != "" {
		s += ", not valid: " + clean(c.Wrong)
	}
	return s
}

func quotedText(s string) string { return `"` + clean(s) + `"` }

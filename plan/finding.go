package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// report adds a finding, and says whether it stops what it is about. summary
// may be empty: then the registry's title says enough.
func (b *builder) report(code, account, server, object, summary string) bool {
	return b.reportAs(kindOf(code).Severity, code, account, server, object, summary)
}

func (b *builder) reportAs(severity, code, account, server, object, summary string) bool {
	f := b.finding(code, account, server, object, summary)
	f.Severity = severity
	return b.put(f)
}

// reportSeen adds a finding with what was seen.
func (b *builder) reportSeen(code, account, server, object, summary string, seen []string) bool {
	f := b.finding(code, account, server, object, summary)
	f.Evidence = evidenceOf(seen)
	return b.put(f)
}

// finding is one of a registered kind.
func (b *builder) finding(code, account, server, object, summary string) schema.Finding {
	k := kindOf(code)
	if summary == "" {
		summary = k.Title
	}
	f := schema.Finding{Code: code, Severity: k.Severity, Account: account, Server: server, Object: object,
		Summary: summary, Remedy: k.Remedy, Source: k.Source, Certainty: k.Certainty}
	switch k.Source {
	case "":
		f.Source = sourceOwn
	case sourceProcess:
		f.Source, f.Certainty = b.proc.Source, b.proc.Certainty
	}
	return f
}

// put adds a finding as it is, after the waivers have looked at it.
func (b *builder) put(f schema.Finding) bool {
	b.waivers.waive(&f)
	b.findings = append(b.findings, f)
	return f.Blocks()
}

// maxEvidence is how many lines of what was seen a finding holds.
const maxEvidence = 20

// evidenceOf keeps the beginning of a long list, and says how long it was.
func evidenceOf(list []string) []string {
	if len(list) <= maxEvidence {
		return list
	}
	return append(list[:maxEvidence-1:maxEvidence-1], "and "+itoa(int64(len(list)-maxEvidence+1))+" more")
}

// block reports what stops an account, from a phase on.
func (b *builder) block(a *account, code string, from int, object, summary string) {
	if b.report(code, a.name, "", object, summary) {
		a.halt(code, from)
	}
}

// halt stops an account without a finding of its own.
func (a *account) halt(code string, from int) {
	if from < a.stop {
		a.stop, a.code = from, code
	}
}

// haltAll stops every account: a server lacks what all of them need.
func (b *builder) haltAll(code string, from int) {
	for _, a := range b.accounts {
		a.halt(code, from)
	}
	b.stop = min(b.stop, from)
}

// sortFindings puts what stops first, then servers, then accounts by name.
func sortFindings(list []schema.Finding) {
	slices.SortStableFunc(list, func(a, b schema.Finding) int {
		if c := weight(&b) - weight(&a); c != 0 {
			return c
		}
		if c := strings.Compare(a.Account, b.Account); c != 0 {
			return c
		}
		if c := strings.Compare(a.Code, b.Code); c != 0 {
			return c
		}
		if c := strings.Compare(a.Server, b.Server); c != 0 {
			return c
		}
		return strings.Compare(a.Object, b.Object)
	})
}

// weight is how much a finding counts: one that is waived only informs.
func weight(f *schema.Finding) int {
	if f.Waived != nil {
		return rank(schema.Info)
	}
	return rank(f.Severity)
}

// rank orders severities.
func rank(severity string) int {
	switch severity {
	case schema.Blocker:
		return 3
	case schema.Warning:
		return 2
	case schema.Info:
		return 1
	}
	return 0
}

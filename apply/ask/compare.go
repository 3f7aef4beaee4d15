package ask

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/stopover/stopover/schema"
)

// ProbeResult is one probe beside its baseline.
type ProbeResult struct {
	Probe  string `json:"probe"`
	Answer Answer `json:"answer"`
	OK     bool   `json:"ok"`
	Why    string `json:"why,omitempty"` // what differs
}

// Compare puts an answer beside its baseline. Without a baseline only what the
// probe itself demands counts. What changes by itself is not compared: dates,
// certificates, greetings, what stands in queries of redirects.
func Compare(p schema.Probe, base *schema.BaselineFact, a Answer) ProbeResult {
	why := demands(p, base, a)
	switch {
	case a.Refused != "" || base == nil:
	case base.Kind != "" && base.Kind != a.Kind:
		why = append(why, fmt.Sprintf("its baseline is of another kind of probe, %s, and says nothing of %s", base.Kind, a.Kind))
	default:
		why = append(why, differences(p, base, a)...)
	}
	return ProbeResult{Probe: p.Name, Answer: a, OK: len(why) == 0, Why: strings.Join(why, ", ")}
}

// demands says what an answer lacks of what the probe wants of every answer.
func demands(p schema.Probe, base *schema.BaselineFact, a Answer) []string {
	if a.Refused != "" {
		return []string{a.Refused}
	}
	switch p.Kind() {
	case schema.ProbeSMTP:
		return refusedMail(p, a)
	case schema.ProbeHTTP:
		return append(status(p, base, a), texts(p, base, a, "the page")...)
	case schema.ProbeCommand:
		var why []string
		if base == nil && a.Status != 0 {
			why = append(why, fmt.Sprintf("it ended with status %d", a.Status))
		}
		return append(why, texts(p, base, a, "the output")...)
	case schema.ProbeTCP:
		return texts(p, nil, a, "what the server says first")
	case schema.ProbeIMAP:
		return missing(p.Mailboxes, a.Mailboxes)
	}
	return nil
}

func status(p schema.Probe, base *schema.BaselineFact, a Answer) []string {
	want := p.Status
	if want == 0 && base != nil {
		want = base.Status
	}
	switch {
	case want != 0 && a.Status != want:
		return []string{fmt.Sprintf("status %d instead of %d", a.Status, want)}
	case want == 0 && a.Status >= 500:
		return []string{fmt.Sprintf("status %d", a.Status)}
	}
	return nil
}

// texts looks for what must and must not be there. A text that was not there
// before is not missed: a baseline that was recorded is what is right.
func texts(p schema.Probe, base *schema.BaselineFact, a Answer, where string) []string {
	var why []string
	if p.Contains != "" && !a.Contains && (base == nil || base.Contains) {
		why = append(why, fmt.Sprintf("%q is not in %s", p.Contains, where))
	}
	if p.Absent != "" && a.Found {
		why = append(why, fmt.Sprintf("%q is in %s", p.Absent, where))
	}
	return why
}

// refusedMail judges the answer to a probe for mail. It was accepted before
// anything moved, or there would be no baseline: so nothing else is right.
func refusedMail(p schema.Probe, a Answer) []string {
	switch {
	case a.Contains && a.Status >= 200 && a.Status < 300:
		return nil
	case a.Status >= 400 && a.Status < 500:
		return []string{fmt.Sprintf("mail for %s is put off with %d", schema.QuoteName(p.SMTP), a.Status)}
	}
	return []string{fmt.Sprintf("mail for %s is refused with %d", schema.QuoteName(p.SMTP), a.Status)}
}

func missing(wanted []string, have []schema.SeenMailbox) []string {
	var why []string
	for _, w := range wanted {
		if mailbox(have, kept(w)) == nil {
			why = append(why, fmt.Sprintf("there is no mailbox %s", schema.QuoteName(w)))
		}
	}
	return why
}

func mailbox(list []schema.SeenMailbox, name string) *schema.SeenMailbox {
	i := slices.IndexFunc(list, func(m schema.SeenMailbox) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// differences says what an answer has otherwise than its baseline.
func differences(p schema.Probe, base *schema.BaselineFact, a Answer) []string {
	switch p.Kind() {
	case schema.ProbeHTTP:
		return page(base, a)
	case schema.ProbeSMTP:
		if base.Kind != "" && slices.Contains(base.Offers, "STARTTLS") && !slices.Contains(a.Offers, "STARTTLS") {
			return []string{"STARTTLS was offered and is not"}
		}
	case schema.ProbeIMAP:
		return mailboxes(base, a)
	case schema.ProbeSQL:
		return rows(p, base, a)
	case schema.ProbeCommand:
		return output(base, a)
	}
	return nil
}

func page(base *schema.BaselineFact, a Answer) []string {
	var why []string
	if base.Kind != "" && !slices.Equal(base.Redirects, a.Redirects) {
		why = append(why, fmt.Sprintf("redirects were %s and are %s", chain(base.Redirects), chain(a.Redirects)))
	}
	if a.Title != base.Title {
		why = append(why, fmt.Sprintf("title was %q and is %q", base.Title, a.Title))
	}
	return why
}

func chain(redirects []string) string {
	if len(redirects) == 0 {
		return "none"
	}
	return strconv.Quote(strings.Join(redirects, ", then "))
}

// mostTold is how many differences of one kind are told.
const mostTold = 5

// mailboxes: mail may have arrived since, but none may have gone. A mailbox with
// another UIDVALIDITY is fetched anew by every client.
func mailboxes(base *schema.BaselineFact, a Answer) []string {
	var why []string
	for _, was := range base.Mailboxes {
		is := mailbox(a.Mailboxes, was.Name)
		name := schema.QuoteName(was.Name)
		switch {
		case is == nil && a.Cut:
			// Whether it is among those that were not kept nobody knows.
		case is == nil:
			why = append(why, fmt.Sprintf("%s had %s and is gone", name, messages(was.Messages)))
		case is.Messages < was.Messages:
			why = append(why, fmt.Sprintf("%s had %s and has %s", name, messages(was.Messages), humanize.Comma(is.Messages)))
		}
		if is != nil && is.UIDValidity != was.UIDValidity {
			why = append(why, fmt.Sprintf("UIDVALIDITY of %s was %d and is %d: clients fetch all its mail again", name, was.UIDValidity, is.UIDValidity))
		}
	}
	return few(why)
}

func messages(n int64) string {
	if n == 1 {
		return "1 message"
	}
	return humanize.Comma(n) + " messages"
}

func few(why []string) []string {
	if len(why) <= mostTold {
		return why
	}
	return append(slices.Clone(why[:mostTold]), fmt.Sprintf("and %d more", len(why)-mostTold))
}

// rows compares values in the order in which they came.
func rows(p schema.Probe, base *schema.BaselineFact, a Answer) []string {
	var why []string
	if len(base.Rows) != len(a.Rows) && !(p.Grows && len(a.Rows) > len(base.Rows)) {
		why = append(why, fmt.Sprintf("the query had %s and has %s", count(len(base.Rows), base.Cut), count(len(a.Rows), a.Cut)))
	}
	for i := range min(len(base.Rows), len(a.Rows)) {
		was, is := base.Rows[i], a.Rows[i]
		if len(was) != len(is) {
			why = append(why, fmt.Sprintf("row %d had %d columns and has %d", i+1, len(was), len(is)))
			continue
		}
		for j := range was {
			if was[j] != is[j] && !(p.Grows && grew(was[j], is[j])) {
				why = append(why, fmt.Sprintf("%s was %q and is %q", place(base.Rows, i, j), was[j], is[j]))
			}
		}
	}
	return few(why)
}

func count(n int, cut bool) string {
	s := strconv.Itoa(n) + " rows"
	if n == 1 {
		s = "1 row"
	}
	if cut {
		return s + " or more"
	}
	return s
}

func place(rows [][]string, i, j int) string {
	if len(rows) == 1 && len(rows[0]) == 1 {
		return "the value"
	}
	return fmt.Sprintf("row %d, column %d", i+1, j+1)
}

func grew(was, is string) bool {
	a, err := strconv.ParseInt(was, 10, 64)
	b, errB := strconv.ParseInt(is, 10, 64)
	return err == nil && errB == nil && b >= a
}

func output(base *schema.BaselineFact, a Answer) []string {
	var why []string
	if a.Status != base.Status {
		why = append(why, fmt.Sprintf("it ended with status %d and ends with %d", base.Status, a.Status))
	}
	if a.Line != base.Line {
		why = append(why, fmt.Sprintf("its first line was %q and is %q", base.Line, a.Line))
	}
	return why
}

// Fit says why an answer cannot be a baseline: what was never right cannot be
// compared with. It is empty for one that can.
func Fit(p schema.Probe, a Answer) string {
	if r := Compare(p, nil, a); !r.OK && (a.Refused != "" || p.Kind() != schema.ProbeHTTP && p.Kind() != schema.ProbeCommand) {
		return r.Why
	}
	if p.Status != 0 && a.Status != p.Status {
		return fmt.Sprintf("status %d, and the configuration says %d", a.Status, p.Status)
	}
	return strings.Join(texts(p, nil, a, map[string]string{schema.ProbeHTTP: "the page", schema.ProbeCommand: "the output"}[p.Kind()]), ", ")
}

// Baseline is an answer as it is remembered.
func Baseline(probe string, a Answer) schema.BaselineFact {
	return schema.BaselineFact{Probe: probe, Status: a.Status, Title: a.Title, Contains: a.Contains, Seen: a.Seen}
}

// Remedy is what to mend where a probe fails before anything moves.
func Remedy(p schema.Probe) string {
	what := map[string]string{schema.ProbeHTTP: "the site", schema.ProbeSMTP: "the mailbox", schema.ProbeIMAP: "the mailbox",
		schema.ProbeSQL: "the database", schema.ProbeTCP: "the service", schema.ProbeCommand: "what the command looks at"}[p.Kind()]
	return "mend " + what + " or the probe before anything moves"
}

package dnssheet

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// Only is the sheet of some accounts.
func (s *Sheet) Only(pick func(account string) bool) *Sheet {
	out := *s
	out.Actions, out.Findings = []Action{}, nil
	for _, a := range s.Actions {
		if pick(a.Account) {
			out.Actions = append(out.Actions, a)
		}
	}
	for _, f := range s.Findings {
		if pick(f.Account) {
			out.Findings = append(out.Findings, f)
		}
	}
	return &out
}

// Columns of the table.
func Columns() []string {
	return []string{"domain", "account", "managed", "do", "needed", "record", "found", "to", "who", "when", "phase", "by", "ttl_seconds", "state", "rule", "why"}
}

// Table writes the sheet as CSV (RFC 4180). A cell that a spreadsheet would take
// for a formula gets an apostrophe in front.
func (s *Sheet) Table() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	rows := [][]string{Columns()}
	for i := range s.Actions {
		a := &s.Actions[i]
		by := ""
		if !a.By.IsZero() {
			by = a.By.UTC().Format(time.RFC3339)
		}
		rows = append(rows, []string{a.Domain, a.Account, a.Managed, a.Do, strconv.FormatBool(a.Needed), a.Record, strings.Join(Texts(a.Records), "; "),
			strings.Join(a.To, " "), a.Who, a.When, a.Phase, by, strconv.FormatInt(int64(a.TTL/time.Second), 10), a.State, a.Rule, a.Why})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = cell(row[i])
		}
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("write table: %w", err)
	}
	return b.Bytes(), nil
}

// Texts are records as people write them: "MX 5 mail.example.org".
func Texts(list []schema.DNSRecord) []string {
	var out []string
	for _, r := range list {
		s := r.Type + " " + r.Value
		if r.Type == "MX" {
			s = fmt.Sprintf("MX %d %s", r.Pref, r.Value)
		}
		out = append(out, s)
	}
	return out
}

// cell is a text that a spreadsheet takes for a text, in one line.
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

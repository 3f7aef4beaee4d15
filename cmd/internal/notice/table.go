package notice

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Columns of the table of all moves.
func Columns() []string {
	return []string{"account", "contact", "language", "phase", "date_known", "begins", "ends", "after_handover_days", "outage_seconds", "window",
		"host_keys", "outgoing", "dns", "altered"}
}

// Table writes all moves as CSV (RFC 4180), one row for each, times in the
// migration's time zone. A cell that a spreadsheet would take for a formula gets
// an apostrophe in front.
func Table(list []Notice) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	rows := [][]string{Columns()}
	for i := range list {
		for _, m := range list[i].Moves {
			rows = append(rows, list[i].row(m))
		}
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

func (n *Notice) row(m Move) []string {
	begins, ends, after, outage := "", "", "", ""
	if m.Known {
		begins, ends = n.At(m.Begin).Format(time.RFC3339), n.At(m.End).Format(time.RFC3339)
	}
	if m.Relative {
		after = strconv.FormatFloat(m.After.Hours()/24, 'f', 1, 64)
	}
	if m.Outage > 0 {
		outage = strconv.FormatInt(int64((m.Outage+time.Second-1)/time.Second), 10)
	}
	var dns, altered []string
	for _, a := range n.DNS {
		dns = append(dns, a.Domain+": "+a.Do+" "+a.Record)
	}
	for _, a := range n.Altered {
		altered = append(altered, a.Object+": "+a.From+" > "+a.To)
	}
	return []string{n.Account, n.Contact, n.Language, m.Phase, strconv.FormatBool(m.Known), begins, ends, after, outage, m.Window,
		changes(n.SSH, n.HostKeys), changes(n.Calls, n.Outgoing), strings.Join(dns, "; "), strings.Join(altered, "; ")}
}

// changes says what something becomes: "?" where it changes to what nobody
// knows yet.
func changes(yes bool, to []string) string {
	switch {
	case !yes:
		return ""
	case len(to) == 0:
		return "?"
	}
	return strings.Join(to, " ")
}

// cell is a text that a spreadsheet takes for a text.
func cell(s string) string {
	s = line(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

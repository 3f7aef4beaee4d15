package hclfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/stopover/stopover/schema"
)

// wrong reports a mistake at a place, in a block (nil: outside of any).
func (d *decoder) wrong(at hcl.Range, in *node, summary, detail string, args ...any) {
	d.failed = true
	d.say("error", at, in, summary, fmt.Sprintf(detail, args...))
}

// odd reports what is probably a mistake.
func (d *decoder) odd(at hcl.Range, in *node, summary, detail string, args ...any) {
	d.say("warning", at, in, summary, fmt.Sprintf(detail, args...))
}

func (d *decoder) say(severity string, at hcl.Range, in *node, summary, detail string) {
	if list, row := in.listed(); row != 0 {
		if d.tooMany(list, row) {
			return
		}
		detail = fmt.Sprintf("In row %d of the list: %s", row, detail)
	}
	out := schema.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Address: in.address(), Pos: pos(at)}
	if !d.values[at.Filename] {
		out.Snippet = snippet(d.files[at.Filename], at.Start.Byte)
	}
	d.diags = append(d.diags, out)
}

// listed is the accounts block and the row of its list that made a block, or one
// around it; 0 if none did.
func (n *node) listed() (*node, int) {
	for ; n != nil; n = n.parent {
		if n.row != 0 {
			return n.parent, n.row
		}
	}
	return nil, 0
}

// hidden is wrong for lines that messages must not repeat.
func (d *decoder) hidden(at hcl.Range, in *node, summary, detail string, args ...any) {
	before := len(d.diags)
	d.wrong(at, in, summary, detail, args...)
	if len(d.diags) > before { // not of a row too many
		d.diags[before].Snippet = ""
	}
}

// report takes over what hcl found.
func (d *decoder) report(diags hcl.Diagnostics, in *node) {
	for _, x := range diags {
		out := schema.Diagnostic{Severity: "error", Summary: x.Summary, Detail: x.Detail, Address: in.address()}
		if x.Severity == hcl.DiagWarning {
			out.Severity = "warning"
		} else {
			d.failed = true
		}
		if x.Subject != nil {
			out.Pos = pos(*x.Subject)
			if !d.values[x.Subject.Filename] {
				out.Snippet = snippet(d.files[x.Subject.Filename], x.Subject.Start.Byte)
			}
		}
		d.diags = append(d.diags, out)
	}
}

// diagnostics are sorted by place; one place has one complaint of a kind.
func (d *decoder) diagnostics() schema.Diagnostics {
	out := slices.Clone(d.diags)
	d.redact(out)
	slices.SortStableFunc(out, func(a, b schema.Diagnostic) int {
		if c := strings.Compare(a.Pos.File, b.Pos.File); c != 0 {
			return c
		}
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Column - b.Pos.Column
	})
	return slices.CompactFunc(out, func(a, b schema.Diagnostic) bool {
		return a.Pos == b.Pos && a.Summary == b.Summary && a.Detail == b.Detail
	})
}

func pos(r hcl.Range) schema.Pos {
	return schema.Pos{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column}
}

// place is a position in a sentence.
func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", path(r.Filename), r.Start.Line) }

// path writes the name of a file so that it cannot be taken for more of the
// sentence than it is.
func path(name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return fmt.Sprintf("%q", name)
		}
	}
	return name
}

// maxSnippet is the longest snippet in bytes. Some configurations are written
// by programs and have very long lines.
const maxSnippet = 240

// snippet returns the line that a byte of the source is in, without its end and
// without characters that would steer a terminal.
func snippet(src []byte, at int) string {
	if at < 0 || at > len(src) {
		return ""
	}
	start := bytes.LastIndexByte(src[:at], '\n') + 1
	line := src[start:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) <= maxSnippet {
		return printable(line)
	}
	from := min(max(0, at-start-maxSnippet/2), len(line)-maxSnippet)
	for from > 0 && !utf8.RuneStart(line[from]) {
		from--
	}
	to := from + maxSnippet
	for to < len(line) && !utf8.RuneStart(line[to]) {
		to++
	}
	out := printable(line[from:to])
	if from > 0 {
		out = "…" + out
	}
	if to < len(line) {
		out += "…"
	}
	return out
}

func printable(line []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsGraphic(r) {
			return r
		}
		return utf8.RuneError
	}, string(line))
}

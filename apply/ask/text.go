package ask

import (
	"strings"

	"github.com/stopover/stopover/schema"
)

// Bounds of what is kept of an answer: facts are copied to every server.
const (
	mostLine      = 200 // characters of a title, a greeting, a line, a name
	mostLink      = 500 // characters of the target of a redirect
	mostMailboxes = 500
	mostRows      = 100
	mostColumns   = 20
	mostCells     = 16 << 10 // bytes of all rows together
)

// short makes text of whatever was sent: valid, on one line and not long.
func short(s string, most int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) > 16*most { // of which nothing behind this could be kept
		s = strings.ToValidUTF8(s[:16*most], "")
	}
	r := []rune(strings.Join(strings.Fields(s), " "))
	return string(r[:min(len(r), most)])
}

// tidy bounds and masks all that the server sent.
func (q *asking) tidy() {
	a := &q.answer
	a.Title, a.Line, a.Refused = q.line(a.Title), q.line(a.Line), q.line(a.Refused)
	for i, s := range a.Redirects {
		a.Redirects[i] = short(q.mask(s), mostLink)
	}
	for i := range a.Mailboxes {
		a.Mailboxes[i].Name = kept(q.mask(a.Mailboxes[i].Name))
	}
	for _, row := range a.Rows {
		for i := range row {
			row[i] = q.line(row[i])
		}
	}
	if c := a.Certificate; c != nil {
		tidied := schema.SeenCertificate{Issuer: q.line(c.Issuer), Expires: c.Expires, Wrong: q.line(c.Wrong)}
		for _, n := range c.Names {
			tidied.Names = append(tidied.Names, q.line(n))
		}
		a.Certificate = &tidied
	}
}

func (q *asking) line(s string) string { return short(q.mask(s), mostLine) }

// firstLine is the first line of a text that is not empty.
func firstLine(s string) string {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}

// kept is the name of a mailbox as it is remembered: two that differ in spaces
// are two.
func kept(name string) string {
	r := []rune(strings.ToValidUTF8(name, "�"))
	return string(r[:min(len(r), mostLine)])
}

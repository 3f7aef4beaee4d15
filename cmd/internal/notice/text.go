package notice

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/mitchellh/go-wordwrap"

	"github.com/stopover/stopover/cmd/internal/dnssheet"
	"github.com/stopover/stopover/schema"
)

//go:embed templates/*.txt
var builtin embed.FS

// maxTemplate bounds a template of the user's own, in bytes.
const maxTemplate = 1 << 20

// width of the texts, as mail is usually written.
const width = 72

// Writer makes texts out of notices.
type Writer struct {
	dir       string // of templates of the user's own; empty: none
	templates map[string]*template.Template
}

// NewWriter makes a writer. Templates are called LANGUAGE.txt; those in dir,
// which may be empty, go before the built-in ones.
func NewWriter(dir string) (*Writer, error) {
	if dir != "" {
		info, err := os.Stat(dir)
		if err != nil {
			return nil, fmt.Errorf("read templates: %w", err)
		}
		if !info.IsDir() {
			return nil, fmt.Errorf("read templates: %s is not a directory", dir)
		}
	}
	return &Writer{dir: dir, templates: map[string]*template.Template{}}, nil
}

// Text is one notice as its owner reads it.
type Text struct {
	Subject string `json:"subject"`
	Body    string `json:"body"`

	whole string // the body before its lines were broken
}

// Text writes a notice. A template defines "subject" and "body", which are given
// the Notice, and may define "event", which is given an Event.
func (w *Writer) Text(n *Notice) (Text, error) {
	t, err := w.template(n.Language)
	if err != nil {
		return Text{}, err
	}
	safe := n.plain()
	var subject, body bytes.Buffer
	for name, b := range map[string]*bytes.Buffer{"subject": &subject, "body": &body} {
		if err := t.ExecuteTemplate(b, name, safe); err != nil {
			return Text{}, fmt.Errorf("notice for %s: %w", schema.QuoteName(n.Account), err)
		}
	}
	return Text{Subject: strings.Join(strings.Fields(subject.String()), " "), Body: tidy(body.String(), width), whole: tidy(body.String(), 1<<30)}, nil
}

// Event is one move of an account, as the template "event" is given it.
type Event struct {
	*Notice
	Move Move
}

// title is what a move is called in a calendar: the template "event", or the
// subject of the notice where a template of the user's own has none.
func (w *Writer) title(n *Notice, m Move, text Text) (string, error) {
	t, err := w.template(n.Language)
	if err != nil {
		return "", err
	}
	if t.Lookup("event") == nil {
		return text.Subject, nil
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "event", Event{n.plain(), m}); err != nil {
		return "", fmt.Errorf("notice for %s: %w", schema.QuoteName(n.Account), err)
	}
	return strings.Join(strings.Fields(b.String()), " "), nil
}

// template returns that of a language.
func (w *Writer) template(language string) (*template.Template, error) {
	if t := w.templates[language]; t != nil {
		return t, nil
	}
	name := language + ".txt"
	if language == "" || !fs.ValidPath(name) || strings.ContainsAny(name, `/\`) {
		return nil, fmt.Errorf("%q is not a language such as en or fr", language)
	}
	src, from, err := w.source(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no text for the language %q: write %s in a directory and name it with --templates; built-in are %s", language, name, strings.Join(Languages(), ", "))
	}
	if err != nil {
		return nil, err
	}
	t, err := template.New(from).Option("missingkey=error").Funcs(words(language)).Parse(string(src))
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	for _, part := range []string{"subject", "body"} {
		if t.Lookup(part) == nil {
			return nil, fmt.Errorf("template %s does not define %q", from, part)
		}
	}
	w.templates[language] = t
	return t, nil
}

func (w *Writer) source(name string) (src []byte, from string, err error) {
	if w.dir != "" {
		from = filepath.Join(w.dir, name)
		info, err := os.Stat(from)
		switch {
		case err == nil && (!info.Mode().IsRegular() || info.Size() > maxTemplate):
			return nil, "", fmt.Errorf("read template %s: it is not a file of at most %d MiB", from, maxTemplate>>20)
		case err == nil:
			src, err = os.ReadFile(from)
			if err != nil {
				return nil, "", fmt.Errorf("read template: %w", err)
			}
			return src, from, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, "", fmt.Errorf("read template: %w", err)
		}
	}
	src, err = builtin.ReadFile("templates/" + name)
	return src, name, err
}

// Builtin returns the source of a built-in template, to start one's own from.
func Builtin(language string) ([]byte, error) {
	return builtin.ReadFile("templates/" + language + ".txt")
}

// Languages are those that have a built-in text.
func Languages() []string { return []string{"en", "fr"} }

// plain is the notice with every text that came from a server or a file fit for
// one line: a name must not add a line to a message.
func (n *Notice) plain() *Notice {
	out := *n
	out.Account, out.Contact, out.Migration = line(n.Account), line(n.Contact), line(n.Migration)
	out.Domains, out.HostKeys, out.OldKeys, out.Outgoing = lines(n.Domains), lines(n.HostKeys), lines(n.OldKeys), lines(n.Outgoing)
	out.DNS = append([]dnssheet.Action(nil), n.DNS...)
	for i := range out.DNS {
		a := &out.DNS[i]
		a.Domain, a.To = line(a.Domain), lines(a.To)
		a.Records = append([]schema.DNSRecord(nil), a.Records...)
		for j := range a.Records {
			a.Records[j].Value = line(a.Records[j].Value)
		}
	}
	out.Altered = append(out.Altered[:0:0], n.Altered...)
	for i := range out.Altered {
		a := &out.Altered[i]
		a.Object, a.From, a.To, a.Why = line(a.Object), line(a.From), line(a.To), line(a.Why)
	}
	return &out
}

func lines(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = line(s)
	}
	return out
}

// line takes out what would end a line or steer a reader's screen.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\ufeff':
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// tidy breaks long lines at words, the rest of a list's item below its text,
// and leaves at most one empty line between paragraphs.
func tidy(s string, width int) string {
	var b strings.Builder
	empty := true
	for l := range strings.Lines(s) {
		l = strings.TrimRight(l, " \n")
		if l == "" {
			if !empty {
				b.WriteByte('\n')
			}
			empty = true
			continue
		}
		empty = false
		indent := strings.Repeat(" ", len(l)-len(strings.TrimLeft(l, " ")))
		if strings.HasPrefix(l[len(indent):], "- ") {
			indent += "  "
		}
		b.WriteString(strings.ReplaceAll(wordwrap.WrapString(l, uint(width-len(indent))), "\n", "\n"+indent))
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// At is a time in the time zone of the notice.
func (n *Notice) At(t time.Time) time.Time {
	if n.location == nil {
		return t.UTC()
	}
	return t.In(n.location)
}

// First is the first move that has a date, or nil.
func (n *Notice) First() *Move {
	for i := range n.Moves {
		if n.Moves[i].Known {
			return &n.Moves[i]
		}
	}
	return nil
}

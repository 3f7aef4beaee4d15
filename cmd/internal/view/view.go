// Package view holds all that people and programs read. It is the only place
// that prints: text for people, one JSON document or JSON lines for programs,
// Markdown and HTML for reviews and reports.
//
// Whatever came from a server, a file or a name is cleaned before a person
// reads it, and no line for people is wider than the terminal, or 80 columns.
package view

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/fatih/color"
	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"github.com/stopover/stopover/cmd/internal/format"
	"github.com/stopover/stopover/schema"
)

// Options of a view.
type Options struct {
	JSON     bool      // JSON on the output instead of text
	JSONInto io.Writer // JSON goes here as well, whatever is on the output; nil: nowhere
	NoColor  bool
	Verbose  bool             // nothing is summed up
	Version  string           // of the program, for streams
	Width    int              // columns; 0: the terminal's, or 80
	Now      func() time.Time // nil: time.Now
}

// View prints. Its methods may be called from several goroutines.
type View struct {
	mu       sync.Mutex
	out, err io.Writer
	json     bool        // programs read the output: no text
	sinks    []io.Writer // of JSON
	terminal bool        // its lines may move
	verbose  bool
	width    int
	version  string
	now      func() time.Time
	style    style
	stream   stream
	progress progress
	gapped   bool             // the last line is empty
	told     bool             // the plan that the run began with was shown
	planned  []schema.Finding // with these
	acted    bool             // something was done since
}

// Columns of text: 80 unless a terminal is narrower; a wider one gets at most
// what an eye can follow.
const (
	columns      = 80
	leastColumns = 40
	mostColumns  = 100
)

// New makes a view. Colours and moving lines are for terminals only.
func New(out, errOut io.Writer, o Options) *View {
	v := &View{out: out, err: errOut, json: o.JSON, verbose: o.Verbose, version: o.Version, now: o.Now,
		terminal: isTerminal(out) && !o.JSON && holdsBars(out), width: o.Width}
	if v.now == nil {
		v.now = time.Now
	}
	if v.width == 0 {
		v.width = widthOf(out)
	}
	v.width = min(max(v.width, leastColumns), mostColumns)
	if o.JSON {
		v.sinks = append(v.sinks, out)
	}
	if o.JSONInto != nil {
		v.sinks = append(v.sinks, o.JSONInto)
	}
	v.style = newStyle(isTerminal(out) && !o.JSON && !o.NoColor)
	return v
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

func widthOf(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return columns
}

// holdsBars says whether a terminal is large enough for lines that move. Some
// that belong to no person say that they have no size at all.
func holdsBars(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	wide, high, err := term.GetSize(int(f.Fd()))
	return err == nil && wide >= columns && high >= mostBars+4
}

// ink paints a text, or leaves it as it is where there are no colours.
type ink func(a ...any) string

// style are the colours of one view.
type style struct {
	bold, faint, red, yellow, green, blue ink
}

func newStyle(on bool) style {
	paint := func(attrs ...color.Attribute) ink {
		c := color.New(attrs...)
		if on {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c.SprintFunc()
	}
	return style{bold: paint(color.Bold), faint: paint(color.Faint), red: paint(color.FgRed, color.Bold),
		yellow: paint(color.FgYellow), green: paint(color.FgGreen), blue: paint(color.FgCyan)}
}

// plainInk paints nothing.
func plainInk(a ...any) string { return fmt.Sprint(a...) }

// line prints one line of text, above the bars if there are any.
func (v *View) line(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	v.gapped = s == "" || strings.HasSuffix(s, "\n")
	fmt.Fprintln(v.progress.above(v.out), s)
}

// gap prints an empty line, unless there is one already.
func (v *View) gap() {
	if !v.gapped {
		v.line("")
	}
}

// heading begins a part of a text.
func (v *View) heading(text string) {
	v.gap()
	v.item("", "", nil, text, v.style.bold)
}

// item prints a text that hangs below its first line, behind a mark: "  ✓ text".
// The text is clean; ink may be nil.
func (v *View) item(left, mark string, markInk ink, text string, textInk ink) {
	v.itemTo(nil, left, mark, markInk, text, textInk)
}

func (v *View) itemTo(w io.Writer, left, mark string, markInk ink, text string, textInk ink) {
	if markInk == nil {
		markInk = plainInk
	}
	if textInk == nil {
		textInk = plainInk
	}
	hang, first := cells(left), left
	if mark != "" {
		hang += cells(mark) + 1
		first = left + markInk(mark) + " "
	}
	for i, l := range fold(text, v.width-hang) {
		if i > 0 {
			first = strings.Repeat(" ", hang)
		}
		if w != nil {
			fmt.Fprintln(w, first+textInk(l))
			continue
		}
		v.line("%s", first+textInk(l))
	}
}

// give hands a document to the programs that want one, and says whether that
// is all: nobody reads text.
func (v *View) give(x any) bool {
	if len(v.sinks) > 0 {
		v.document(x)
	}
	return v.json
}

// document prints one JSON document wherever JSON goes.
func (v *View) document(x any) {
	for _, w := range v.sinks {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(x); err != nil {
			fmt.Fprintln(v.err, err)
		}
	}
}

// FormatVersion is the version of every JSON document and of the stream. Its
// second number grows when something is added: readers leave out what they do
// not know. Its first one grows when something changes.
const FormatVersion = format.Version

// most is how many names are listed in one row.
func (v *View) most(n int) int {
	if v.verbose {
		return 1 << 30
	}
	return n
}

// Version prints the program's version.
func (v *View) Version(version string) {
	if v.give(struct {
		FormatVersion string `json:"format_version"`
		Version       string `json:"version"`
	}{FormatVersion, version}) {
		return
	}
	v.line("stopover %s", version)
}

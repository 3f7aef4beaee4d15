// Package view holds all that people and programs read. It is the only place
// that prints: text for people, one JSON document or JSON lines for programs.
package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/fatih/color"
	"github.com/mattn/go-isatty"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/schema"
)

// Options of a view.
type Options struct {
	JSON    bool
	NoColor bool
	Verbose bool // nothing is summed up
}

// View prints. Its methods may be called from several goroutines.
type View struct {
	mu       sync.Mutex
	out, err io.Writer
	json     bool
	terminal bool
	verbose  bool
	style    style
	progress progress
	gapped   bool // the last line is empty
}

// New makes a view. Colours and moving lines are for terminals only.
func New(out, errOut io.Writer, o Options) *View {
	v := &View{out: out, err: errOut, json: o.JSON, verbose: o.Verbose, terminal: isTerminal(out) && !o.JSON}
	v.style = newStyle(v.terminal && !o.NoColor)
	return v
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

// style are the colours of one view.
type style struct {
	bold, faint, red, yellow, green, blue func(a ...any) string
}

func newStyle(on bool) style {
	paint := func(attrs ...color.Attribute) func(a ...any) string {
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

func (v *View) line(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	v.gapped = s == "" || strings.HasSuffix(s, "\n")
	fmt.Fprintln(v.out, s)
}

// gap prints an empty line, unless there is one already.
func (v *View) gap() {
	if !v.gapped {
		v.line("")
	}
}

// document prints one JSON document.
func (v *View) document(x any) {
	e := json.NewEncoder(v.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(x); err != nil {
		fmt.Fprintln(v.err, err)
	}
}

// message prints one JSON line of a stream.
func (v *View) message(x any) {
	b, err := json.Marshal(x)
	if err != nil {
		fmt.Fprintln(v.err, err)
		return
	}
	fmt.Fprintf(v.out, "%s\n", b)
}

// Error says why the program ends.
func (v *View) Error(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.end(v)
	if v.json {
		v.message(map[string]any{"type": "error", "message": err.Error()})
		return
	}
	var waiting *apply.WaitingError
	if errors.As(err, &waiting) { // what it waits for was shown
		switch {
		case len(waiting.Windows) == 0:
			fmt.Fprintf(v.err, "%s\n", wrap("Waiting for "+plural(len(waiting.Gates), "gate")+". Once somebody has acted, run apply again: it goes on.", 80, ""))
		case len(waiting.Gates) == 0:
			fmt.Fprintf(v.err, "Waiting. Run apply again then, or let it wait with --wait:%s\n", windows(waiting))
		default:
			fmt.Fprintf(v.err, "Waiting for %s, and for windows. Run apply again then, or let it wait\nwith --wait:%s\n", plural(len(waiting.Gates), "gate"), windows(waiting))
		}
		return
	}
	fmt.Fprintf(v.err, "%s\n", v.sentence(err))
}

// sentence is an error with what belongs to it below it.
func (v *View) sentence(err error) string {
	var refused *apply.RefusedError
	text, details := err.Error(), []string(nil)
	if errors.As(err, &refused) && text == refused.Error() {
		text, details = refused.Reason, refused.Details
	}
	lines := strings.Split(text, "\n") // errors that were joined
	out := v.style.red("Error:") + wrap(" "+clean(lines[0]), 73, "  ")
	for _, d := range append(lines[1:], details...) {
		out += "\n  - " + wrap(clean(d), 80, "    ")
	}
	return out
}

// most is how many names are listed in one row.
func (v *View) most(n int) int {
	if v.verbose {
		return 1 << 30
	}
	return n
}

// Version prints the program's version.
func (v *View) Version(version string) {
	if v.json {
		v.document(map[string]string{"version": version})
		return
	}
	v.line("stopover %s", version)
}

// Validated says what the configuration's reader found.
func (v *View) Validated(diags schema.Diagnostics) {
	if v.json {
		n := 0
		for _, d := range diags {
			if d.Severity == "error" {
				n++
			}
		}
		if diags == nil {
			diags = schema.Diagnostics{}
		}
		v.document(map[string]any{"format_version": "1.0", "valid": n == 0, "error_count": n,
			"warning_count": len(diags) - n, "diagnostics": diags})
		return
	}
	v.Diagnostics(diags)
	if !diags.HasErrors() {
		v.line("%s The configuration is valid.", v.style.green("Success!"))
	}
}

// Diagnostics shows what is wrong with a configuration, each with its line.
func (v *View) Diagnostics(diags schema.Diagnostics) {
	for _, d := range diags {
		if v.json {
			v.message(map[string]any{"type": "diagnostic", "diagnostic": d})
			continue
		}
		head := v.style.yellow("Warning:")
		if d.Severity == "error" {
			head = v.style.red("Error:")
		}
		fmt.Fprintf(v.err, "%s %s\n", head, v.style.bold(clean(d.Summary)))
		if d.Pos.File != "" {
			fmt.Fprintf(v.err, "\n  on %s line %d:\n", clean(d.Pos.File), d.Pos.Line)
		}
		if d.Snippet != "" {
			fmt.Fprintf(v.err, "  %4d: %s\n", d.Pos.Line, clean(d.Snippet))
		}
		if d.Detail != "" {
			fmt.Fprintf(v.err, "\n%s\n", wrap(cleanLines(d.Detail), 80, ""))
		}
		fmt.Fprintln(v.err)
	}
}

// cleanLines is clean for a text of several lines that the tool itself broke.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

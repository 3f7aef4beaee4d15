package view

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/schema"
)

// ValidationDocument is what validate gives to programs.
type ValidationDocument struct {
	FormatVersion string             `json:"format_version"`
	Valid         bool               `json:"valid"`
	Errors        int                `json:"error_count"`
	Warnings      int                `json:"warning_count"`
	Diagnostics   schema.Diagnostics `json:"diagnostics"`
}

// Validated says what the configuration's reader found.
func (v *View) Validated(diags schema.Diagnostics) {
	doc := ValidationDocument{FormatVersion: FormatVersion, Diagnostics: diags}
	for _, d := range diags {
		if d.Severity == "error" {
			doc.Errors++
		}
	}
	if diags == nil {
		doc.Diagnostics = schema.Diagnostics{}
	}
	doc.Valid, doc.Warnings = doc.Errors == 0, len(diags)-doc.Errors
	if v.give(doc) {
		return
	}
	for i := range diags {
		v.diagnostic(&diags[i])
	}
	if doc.Valid {
		v.line("%s The configuration is valid.", v.style.green("Success!"))
	}
}

// Diagnostics shows what is wrong with a configuration, each with its line. For
// programs each is a message of its own.
func (v *View) Diagnostics(diags schema.Diagnostics) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range diags {
		d := &diags[i]
		m := v.newMessage("diagnostic", heading(d.Severity)+" "+d.Summary)
		m.Level, m.Diagnostic = level(d.Severity), d
		v.send(m)
		if !v.json {
			v.diagnostic(d)
		}
	}
}

func heading(severity string) string {
	if severity == "error" {
		return "Error:"
	}
	return "Warning:"
}

func (v *View) diagnostic(d *schema.Diagnostic) {
	paint := v.style.yellow
	if d.Severity == "error" {
		paint = v.style.red
	}
	v.itemTo(v.err, "", heading(d.Severity), paint, clean(d.Summary), v.style.bold)
	if d.Pos.File != "" {
		fmt.Fprintln(v.err)
		v.itemTo(v.err, "  ", "on", nil, fmt.Sprintf("%s line %d:", clean(d.Pos.File), d.Pos.Line), nil)
	}
	if d.Snippet != "" {
		v.snippet(d)
	}
	if d.Detail != "" {
		fmt.Fprintln(v.err)
		for _, l := range strings.Split(d.Detail, "\n") {
			v.itemTo(v.err, "", "", nil, clean(l), nil)
		}
	}
	fmt.Fprintln(v.err)
}

// mostSnippet is how many lines a long line of a configuration may take.
const mostSnippet = 3

// snippet shows a line of the configuration as it was written; a long one goes
// on below.
func (v *View) snippet(d *schema.Diagnostic) {
	at := fmt.Sprintf("  %4d: ", d.Pos.Line)
	text := clean(strings.ReplaceAll(d.Snippet, "\t", "  "))
	for n := 1; ; n++ {
		part := head(text, v.width-cells(at))
		if text = text[len(part):]; text != "" && n == mostSnippet {
			part, text = head(part, cells(part)-1)+"…", ""
		}
		fmt.Fprintln(v.err, at+part)
		if text == "" {
			return
		}
		at = strings.Repeat(" ", cells(at))
	}
}

// Error says why the program ends.
func (v *View) Error(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.end()
	m := v.newMessage("diagnostic", "Error: "+err.Error())
	m.Level, m.Error = "error", err.Error()
	m.Diagnostic = &schema.Diagnostic{Severity: "error", Summary: err.Error()}
	var refused *apply.RefusedError
	if errors.As(err, &refused) {
		m.Diagnostic.Summary, m.Diagnostic.Detail = refused.Reason, strings.Join(refused.Details, "\n")
	}
	var waiting *apply.WaitingError
	if errors.As(err, &waiting) { // that is no mistake: what it waits for was shown
		m.Level, m.Type, m.Error, m.Diagnostic = "info", "waiting", "", nil
		m.Message, m.Gates, m.Windows = "Waiting for "+plural(len(waiting.Gates), "gate"), waiting.Gates, waiting.Windows
		if n := len(waiting.Windows); n > 0 {
			m.Message += " and " + plural(n, "window")
		}
	}
	v.send(m)
	if v.json {
		return
	}
	if waiting != nil {
		v.waits(waiting)
		return
	}
	v.sentence(err)
}

// sentence is an error with what belongs to it below it.
func (v *View) sentence(err error) {
	var refused *apply.RefusedError
	text, details := err.Error(), []string(nil)
	if errors.As(err, &refused) && text == refused.Error() {
		text, details = refused.Reason, refused.Details
	}
	lines := strings.Split(text, "\n") // errors that were joined
	for i, l := range fold("Error: "+clean(lines[0]), v.width) {
		if i == 0 {
			l = v.style.red("Error:") + strings.TrimPrefix(l, "Error:")
		}
		fmt.Fprintln(v.err, l)
	}
	for _, d := range append(lines[1:], details...) {
		v.itemTo(v.err, "  ", "-", nil, clean(d), nil)
	}
}

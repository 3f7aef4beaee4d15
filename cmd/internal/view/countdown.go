package view

import (
	"fmt"
	"time"

	"github.com/stopover/stopover/apply"
)

// countdownEvery is how often a log, or a program, hears that apply --wait still
// sleeps. A terminal has a line that moves.
const countdownEvery = 5 * time.Minute

// countdown shows that a run sleeps, for what, and how long.
func (v *View) countdown(e apply.Event) {
	due := e.At.Sub(v.progress.last) >= countdownEvery || e.Text != v.progress.waits
	if v.terminal {
		text := "looks again in " + took(e.Left)
		if !e.Until.IsZero() {
			text = took(e.Left.Round(time.Second)) + " left"
		}
		if due {
			v.progress.end(v)
			v.line("    %s", wrap(clean(e.Text), 80, "    "))
		}
		fmt.Fprintf(v.out, "\r\x1b[K    %s", v.style.faint(text+" (Ctrl-C stops)"))
		v.progress.shown = true
	}
	if !due {
		return
	}
	v.progress.last, v.progress.waits = e.At, e.Text
	switch {
	case v.json:
		m := eventMessage(e)
		m["left_ms"] = e.Left.Milliseconds()
		if !e.Until.IsZero() {
			m["until"] = e.Until.UTC().Format(time.RFC3339)
		}
		v.message(m)
	case !v.terminal:
		v.line("    %s", wrap("waiting: "+clean(e.Text), 80, "    "))
	}
}

// windows says which windows a run waits for.
func windows(w *apply.WaitingError) string {
	out := ""
	for _, c := range w.Windows {
		out += "\n  - " + wrap(clean(c.Sentence()), 80, "    ")
	}
	return out
}

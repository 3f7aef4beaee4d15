package view

import (
	"time"

	"github.com/stopover/stopover/apply"
)

// countdownEvery is how often a log, or a program, hears that apply --wait still
// sleeps. A terminal has a line that moves.
const countdownEvery = 5 * time.Minute

// countdown shows that a run sleeps, for what, and how long.
func (v *View) countdown(e *apply.Event) {
	p := &v.progress
	due := p.slept.IsZero() || e.At.Sub(p.slept) >= countdownEvery || e.Text != p.waits
	if v.terminal {
		if e.Text != p.waits || p.sleep == nil {
			p.wake()
			v.item("    ", "", nil, clean(e.Text), nil)
		}
		p.countdown(v, e)
	}
	p.waits = e.Text
	if !due {
		return
	}
	p.slept = e.At
	m := v.newMessage("waiting", e.Text)
	m.Timestamp, m.Text, m.ETA, m.Until = e.At.UTC(), e.Text, e.Left.Milliseconds(), e.Until.UTC()
	if e.Until.IsZero() {
		m.Until = time.Time{}
	}
	v.send(m)
	if !v.terminal && !v.json {
		v.item("    ", "waiting:", nil, clean(e.Text), nil)
	}
}

// waits says what a run waits for when it ends.
func (v *View) waits(w *apply.WaitingError) {
	text := "Waiting. Run apply again then, or let it wait with --wait:"
	switch {
	case len(w.Windows) == 0:
		text = "Waiting for " + plural(len(w.Gates), "gate") + ". Once somebody has acted, run apply again: it goes on."
	case len(w.Gates) > 0:
		text = "Waiting for " + plural(len(w.Gates), "gate") + ", and for windows. Run apply again then, or let it wait with --wait:"
	}
	v.itemTo(v.err, "", "", nil, text, nil)
	for i, c := range w.Windows {
		if i == mostRows && !v.verbose && len(w.Windows) > mostRows+1 {
			v.itemTo(v.err, "  ", "", nil, "… and "+number(int64(len(w.Windows)-i))+" more; --verbose shows all", nil)
			return
		}
		v.itemTo(v.err, "  ", "-", nil, clean(c.Sentence()), nil)
	}
}

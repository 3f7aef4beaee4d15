package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/schema"
)

// progress is the one moving line of a terminal.
type progress struct {
	shown bool
	last  time.Time
	waits string // what the last countdown was for
}

func (p *progress) end(v *View) {
	if p.shown {
		fmt.Fprint(v.out, "\r\x1b[K")
		p.shown = false
	}
}

// Event shows one event of a run as it happens.
func (v *View) Event(e apply.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.What == apply.Countdown {
		v.countdown(e)
		return
	}
	if v.json {
		v.message(eventMessage(e))
		return
	}
	if e.What == apply.Progress {
		v.showProgress(e)
		return
	}
	v.progress.end(v)
	name := about(e.Account) + doing(e.Op, e.Part, e.From, e.To, e.Server)
	switch e.What {
	case apply.Finished:
		v.finished(e, name)
	case apply.Failed:
		v.line("  %s %s", v.style.red("✗"), wrap(name+": "+errText(e), 80, "    "))
		if e.Undone {
			v.line("    %s", v.style.faint("undone: the account is where it was, and answers"))
		}
	case apply.Skipped:
		v.line("  %s %s", v.style.yellow("–"), wrap(name+": not tried, "+clean(e.Text), 80, "    "))
	case apply.Note:
		v.line("    %s", v.style.faint(wrap(clean(e.Text), 80, "    ")))
	}
}

func errText(e apply.Event) string {
	if e.Err != nil {
		return clean(e.Err.Error())
	}
	return clean(e.Text)
}

func (v *View) finished(e apply.Event, name string) {
	var facts []string
	if e.Bytes > 0 {
		facts = append(facts, size(e.Bytes))
	}
	if e.Downtime > 0 {
		facts = append(facts, "down "+took(e.Downtime))
	} else if e.Duration >= time.Millisecond {
		facts = append(facts, took(e.Duration))
	}
	cost := strings.Join(facts, ", ")
	if n := len([]rune(name)); n > 58 && n+len(cost) > 75 {
		v.line("  %s %s", v.style.green("✓"), wrap(name, 80, "    "))
		v.line("    %s %s", padded("", 58), v.style.faint(cost))
		return
	}
	v.line("  %s %s %s", v.style.green("✓"), padded(name, 58), v.style.faint(cost))
}

// showProgress: a terminal has one line that moves, a log gets a line every
// five seconds.
func (v *View) showProgress(e apply.Event) {
	now := e.At
	every := 5 * time.Second
	if v.terminal {
		every = 200 * time.Millisecond
	}
	if now.Sub(v.progress.last) < every {
		return
	}
	v.progress.last = now
	text := about(e.Account) + doing(e.Op, e.Part, e.From, e.To, e.Server) + ": " + size(e.Bytes)
	if e.Total > 0 {
		text += " of " + size(e.Total)
	}
	if e.Rate > 0 {
		text += ", " + size(int64(e.Rate)) + "/s"
		if e.Total > e.Bytes {
			text += ", " + took(time.Duration(float64(e.Total-e.Bytes)/e.Rate*float64(time.Second))) + " left"
		}
	}
	if v.terminal {
		if r := []rune(text); len(r) > 74 { // a line that wraps would not move
			text = "…" + string(r[len(r)-73:])
		}
		fmt.Fprintf(v.out, "\r\x1b[K    %s", text)
		v.progress.shown = true
		return
	}
	v.line("    %s", wrap(text, 80, "    "))
}

// eventMessage is an event for programs, in the manner of Terraform's stream.
func eventMessage(e apply.Event) map[string]any {
	m := map[string]any{"type": "step_" + string(e.What), "@timestamp": e.At.UTC().Format(time.RFC3339Nano), "@level": "info", "@module": "stopover.ui"}
	if e.What == apply.Failed {
		m["@level"] = "error"
	}
	set := func(k string, v any, zero bool) {
		if !zero {
			m[k] = v
		}
	}
	set("step", e.Step, e.Step == "")
	set("phase", e.Phase, e.Phase == "")
	set("op", e.Op, e.Op == "")
	set("account", e.Account, e.Account == "")
	set("part", e.Part, e.Part == "")
	set("server", e.Server, e.Server == "")
	set("from", e.From, e.From == "")
	set("to", e.To, e.To == "")
	set("bytes", e.Bytes, e.Bytes == 0)
	set("bytes_total", e.Total, e.Total == 0)
	set("rate", e.Rate, e.Rate == 0)
	set("duration_ms", e.Duration.Milliseconds(), e.Duration == 0)
	set("downtime_ms", e.Downtime.Milliseconds(), e.Downtime == 0)
	set("text", e.Text, e.Text == "")
	set("undone", e.Undone, !e.Undone)
	if e.Err != nil {
		m["error"] = e.Err.Error()
	}
	return m
}

// Result sums a run up: the cutovers with what they cost, and what went wrong.
func (v *View) Result(r apply.Result, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.end(v)
	if v.json {
		m := map[string]any{"type": "run_result", "result": r}
		if err != nil {
			m["error"] = err.Error()
		}
		v.message(m)
		return
	}
	v.cutovers(r)
	for _, a := range r.Accounts {
		switch a.State {
		case apply.AccountFailed, apply.AccountPending, apply.AccountSkipped:
			v.line("  %s %s %s: %s", v.style.red("✗"), schema.QuoteName(a.Account), a.State, wrap(clean(a.Why), 70, "      "))
		}
	}
}

func (v *View) cutovers(r apply.Result) {
	head := false
	for _, a := range r.Accounts {
		for _, c := range a.Cutovers {
			if !head {
				v.line("\n  %s", v.style.bold(fmt.Sprintf("%-28s %-10s %10s %14s", "moved", "to", "down", "seen outside")))
				head = true
			}
			outside := "not measured"
			if c.Outside > 0 {
				outside = took(c.Outside)
			}
			v.line("  %-28s %-10s %10s %14s", schema.QuoteName(a.Account), clean(c.To), took(c.Downtime), outside)
		}
	}
	if head {
		v.line("")
	}
}

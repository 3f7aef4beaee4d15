package view

import (
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/apply"
)

// Event shows one event of a run as it happens.
func (v *View) Event(e apply.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.What == apply.Countdown {
		v.countdown(&e)
		return
	}
	v.runStart()
	v.send(v.eventMessage(&e))
	if v.json {
		return
	}
	v.acted = true
	v.progress.count(&e)
	if v.terminal {
		v.progress.draw(v, &e)
	}
	v.eventText(&e)
}

func (v *View) eventText(e *apply.Event) {
	name := about(e.Account) + doing(e.Op, e.Part, e.From, e.To, e.Server)
	switch e.What {
	case apply.Progress:
		v.progressLine(e, name)
	case apply.Finished:
		v.finished(e, name)
	case apply.Failed:
		v.item("  ", "✗", v.style.red, name+": "+errText(e), nil)
		if e.Undone {
			v.item("    ", "", nil, "undone: the account is where it was, and answers", v.style.faint)
		}
	case apply.Skipped:
		v.item("  ", "–", v.style.yellow, name+": not tried, "+clean(e.Text), nil)
	case apply.Note:
		v.item("    ", "", nil, clean(e.Text), v.style.faint)
	case apply.Started, apply.Waiting, apply.Measured: // what comes of them is shown
	default: // of a newer apply
		if e.Text != "" {
			v.item("    ", "", nil, about(e.Account)+clean(e.Text), v.style.faint)
		}
	}
}

func errText(e *apply.Event) string {
	if e.Err != nil {
		return onceLine(e.Err.Error())
	}
	return onceLine(e.Text)
}

// onceLine is an error on one line: of errors that were joined each is said
// once, and what another one ends with is not said again.
func onceLine(text string) string {
	var out []string
	for _, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(l)
		if l == "" || slices.ContainsFunc(out, func(o string) bool { return strings.HasSuffix(o, l) }) {
			continue
		}
		out = append(out, l)
	}
	return clean(strings.Join(out, "; "))
}

// factColumns is the room at the right of what was done for what it cost.
const factColumns = 18

func (v *View) finished(e *apply.Event, name string) {
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
	room := v.width - 4 - max(factColumns, cells(cost)) - 1
	lines := fold(name, room)
	for i, l := range lines {
		mark := v.style.green("✓")
		if i > 0 {
			mark = " "
		}
		if i == len(lines)-1 {
			l = padded(l, v.width-4-factColumns-1)
			if cost != "" {
				l += " " + v.style.faint(cost)
			}
		}
		v.line("  %s %s", mark, strings.TrimRight(l, " "))
	}
}

// left is how much time a step still takes; 0: nobody knows.
func left(e *apply.Event) time.Duration {
	if e.Left > 0 {
		return e.Left
	}
	if e.Rate <= 0 || e.Total <= e.Bytes {
		return 0
	}
	return time.Duration(float64(e.Total-e.Bytes) / e.Rate * float64(time.Second))
}

// runStart says once that a run has begun.
func (v *View) runStart() {
	if v.stream.running {
		return
	}
	v.stream.running = true
	v.send(v.newMessage("run_start", "The run begins."))
}

// Result sums a run up: the cutovers with what they cost, and what went wrong.
func (v *View) Result(r apply.Result, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.end()
	v.resultMessages(r, err)
	if v.json {
		return
	}
	v.cutovers(r)
	for _, a := range r.Accounts {
		switch a.State {
		case apply.AccountFailed, apply.AccountPending, apply.AccountSkipped:
			v.item("  ", "✗", v.style.red, named(a.Account)+" "+a.State+": "+clean(a.Why), nil)
		}
	}
}

func (v *View) resultMessages(r apply.Result, err error) {
	v.runStart()
	v.stream.running = false
	for i := range r.Accounts {
		a := &r.Accounts[i]
		for j := range a.Cutovers {
			c := &a.Cutovers[j]
			m := v.newMessage("cutover", named(a.Account)+" moved to "+named(c.To)+", down "+took(c.Downtime))
			m.Account, m.To, m.Downtime, m.Outside, m.Cutover = a.Account, c.To, c.Downtime.Milliseconds(), c.Outside.Milliseconds(), c
			v.send(m)
		}
	}
	m := v.newMessage("run_end", plural(r.Done, "step")+" done, "+number(int64(r.Failed))+" failed, "+number(int64(r.Left))+" left.")
	m.Result = &r
	if err != nil {
		m.Error = err.Error()
	}
	v.send(m)
}

func (v *View) cutovers(r apply.Result) {
	rows := [][]string{{"moved", "to", "down", "seen outside"}}
	for _, a := range r.Accounts {
		for _, c := range a.Cutovers {
			outside := "not measured"
			if c.Outside > 0 {
				outside = took(c.Outside)
			}
			rows = append(rows, []string{named(a.Account), named(c.To), took(c.Downtime), outside})
		}
	}
	if len(rows) == 1 {
		return
	}
	v.gap()
	v.table("  ", rows, []column{loose, loose, numeric, numeric})
	v.line("")
}

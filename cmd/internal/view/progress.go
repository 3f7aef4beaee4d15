package view

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/stopover/stopover/apply"
)

// progress is what moves while a run goes on: on a terminal one bar for each
// copy and one for all steps, below the lines that stay. Whatever ends the
// program, the terminal is as usable as before: bars only ever write lines and
// go up over them.
type progress struct {
	bars  *mpb.Progress // nil: nothing moves
	all   *bar
	steps map[string]*bar
	lines map[string]time.Time // when a step's last line was printed, where there are no bars

	expected, done int   // steps of the run
	bytes          int64 // that finished steps copied
	begun          time.Time
}

// bar is one moving line. Its text is replaced by events and read by the
// goroutine that draws.
type bar struct {
	*mpb.Bar
	text atomic.Pointer[string]
}

const (
	refresh    = 200 * time.Millisecond
	everyLine  = 10 * time.Second // of one step, in a log
	mostBars   = 8                // more would fill a terminal
	barCells   = 14
	barName    = 26
	barNumbers = 38
	lastBar    = 1 << 30 // priority of the bar for all steps: below the others
)

// expect is told how many steps a run has.
func (p *progress) expect(steps int) { p.expected, p.done = steps, 0 }

// above is where a line that stays is written.
func (p *progress) above(w io.Writer) io.Writer {
	if p.bars != nil {
		return p.bars
	}
	return w
}

// end takes the bars away. What is printed after it stands where they were.
func (p *progress) end() {
	p.lines = nil
	if p.bars == nil {
		return
	}
	for _, b := range p.steps {
		b.Abort(true)
	}
	p.all.Abort(true)
	p.bars.Wait()
	p.bars, p.all, p.steps = nil, nil, nil
}

// count keeps the sums of a run.
func (p *progress) count(e *apply.Event) {
	if p.begun.IsZero() {
		p.begun = e.At
	}
	switch e.What {
	case apply.Finished:
		p.bytes += e.Bytes
		fallthrough
	case apply.Failed, apply.Skipped:
		delete(p.lines, string(e.Step))
		p.done++
		p.expected = max(p.expected, p.done)
	}
}

// draw brings the bars up to date with an event.
func (p *progress) draw(v *View, e *apply.Event) {
	if p.bars == nil {
		p.bars = mpb.New(mpb.WithOutput(v.out), mpb.WithWidth(barCells), mpb.WithRefreshRate(refresh), mpb.WithAutoRefresh())
		p.steps = map[string]*bar{}
		p.all = p.add("all steps", lastBar)
	}
	switch b := p.steps[string(e.Step)]; e.What {
	case apply.Progress:
		if b == nil && len(p.steps) < mostBars {
			b = p.add(barTitle(e), 0)
			p.steps[string(e.Step)] = b
		}
		if b != nil {
			b.show(e.Bytes, e.Total, numbers(e))
		}
	case apply.Finished, apply.Failed, apply.Skipped:
		if b != nil {
			b.Abort(true)
			delete(p.steps, string(e.Step))
		}
	}
	text := fmt.Sprintf("%s of %s steps", number(int64(p.done)), number(int64(p.expected)))
	if p.bytes > 0 {
		text += ", " + size(p.bytes)
	}
	if d := e.At.Sub(p.begun); d >= time.Second {
		text += ", " + took(d.Round(time.Second))
	}
	p.all.show(int64(p.done), int64(p.expected), text)
}

func (p *progress) add(title string, priority int) *bar {
	b := &bar{}
	name := padded(shorten(title, barName), barName) + " "
	b.Bar = p.bars.AddBar(0, mpb.BarPriority(priority), mpb.BarFillerTrim(),
		mpb.PrependDecorators(decor.Name(name)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			if s := b.text.Load(); s != nil {
				return " " + *s
			}
			return ""
		})))
	return b
}

// show moves a bar. Its end is never reached: only what finishes a step takes
// its bar away.
func (b *bar) show(now, all int64, text string) {
	text = shorten(text, barNumbers)
	b.text.Store(&text)
	b.SetTotal(max(all, now, 0)+1, false)
	b.SetCurrent(max(now, 0))
}

// barTitle is what is copied, in few words.
func barTitle(e *apply.Event) string {
	what := clean(e.Part)
	if what == "" {
		what = strings.ReplaceAll(clean(string(e.Op)), "_", " ")
	}
	if e.Account == "" {
		return what
	}
	return shorten(named(e.Account), barName-1-cells(what)) + " " + what
}

// numbers are a copy's bytes, rate and time left.
func numbers(e *apply.Event) string {
	text := size(e.Bytes)
	switch {
	case e.Total > 0:
		text += "/" + size(e.Total)
	case e.Bytes == 0 && e.ItemsTotal > 0:
		text = number(e.Items) + "/" + number(e.ItemsTotal)
	}
	if e.Rate > 0 {
		text += " " + size(int64(e.Rate)) + "/s"
	}
	if d := left(e); d > 0 {
		text += " " + took(d) + " left"
	}
	return text
}

// progressLine is a line of progress in a log: of one step at most one every
// ten seconds, and none of one that takes less.
func (v *View) progressLine(e *apply.Event, name string) {
	p := &v.progress
	if v.terminal || !p.due(e) {
		return
	}
	text := name + ": " + size(e.Bytes)
	if e.Total > 0 {
		text += " of " + size(e.Total)
	}
	if e.Rate > 0 {
		text += ", " + size(int64(e.Rate)) + "/s"
	}
	if d := left(e); d > 0 {
		text += ", " + took(d) + " left"
	}
	v.item("    ", "", nil, text, nil)
}

// due says whether a step may print a line of progress again.
func (p *progress) due(e *apply.Event) bool {
	if p.lines == nil {
		p.lines = map[string]time.Time{}
	}
	last, seen := p.lines[string(e.Step)]
	if !seen || e.At.Sub(last) >= everyLine {
		p.lines[string(e.Step)] = e.At
		return seen
	}
	return false
}

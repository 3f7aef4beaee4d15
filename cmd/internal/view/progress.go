package view

import (
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
	sleep *bar // the countdown of --wait
	steps map[string]*bar
	lines map[string]time.Time // when a step's last line was printed, where there are no bars
	bytes int64                // that finished steps copied
	begun time.Time
	waits string    // what the last countdown was for
	slept time.Time // when a log heard of it last
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
	if p.all != nil {
		p.all.Abort(true)
	}
	p.wake()
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
	case apply.Failed, apply.Skipped:
	default:
		return
	}
	delete(p.lines, string(e.Step))
}

// start makes room for bars.
func (p *progress) start(v *View) {
	if p.bars == nil {
		p.bars = mpb.New(mpb.WithOutput(v.out), mpb.WithWidth(barCells), mpb.WithRefreshRate(refresh), mpb.WithAutoRefresh())
		p.steps = map[string]*bar{}
	}
}

// wake takes the countdown away.
func (p *progress) wake() {
	if p.sleep != nil {
		p.sleep.Abort(true)
		p.sleep = nil
	}
}

// countdown moves the line of a run that sleeps.
func (p *progress) countdown(v *View, e *apply.Event) {
	p.start(v)
	for step, b := range p.steps {
		b.Abort(true)
		delete(p.steps, step)
	}
	if p.sleep == nil {
		p.sleep = p.add("", lastBar, mpb.NopStyle())
	}
	text := "looks again in " + took(e.Left)
	if !e.Until.IsZero() {
		text = took(e.Left.Round(time.Second)) + " left"
	}
	p.sleep.say(text + " (Ctrl-C stops)")
}

// draw brings the bars up to date with an event.
func (p *progress) draw(v *View, e *apply.Event) {
	p.start(v)
	p.wake()
	switch b := p.steps[string(e.Step)]; e.What {
	case apply.Progress:
		if b == nil && len(p.steps) < mostBars {
			b = p.add(barTitle(e), 0, styleOf(e))
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
	p.total(e)
}

// styleOf is a bar, or where nobody knows how much there is something that moves
// to and fro.
func styleOf(e *apply.Event) mpb.BarFillerBuilder {
	if e.Total > 0 {
		return mpb.BarStyle()
	}
	const room = barCells - 2
	var frames []string
	for i := range 2*room - 2 {
		at := min(i, 2*room-2-i)
		frames = append(frames, "["+strings.Repeat("-", at)+"="+strings.Repeat("-", room-1-at)+"]")
	}
	return mpb.SpinnerStyle(frames...).PositionLeft()
}

// total moves the bar of all steps.
func (p *progress) total(e *apply.Event) {
	o := &e.Overall
	if o.Steps == 0 {
		return
	}
	if p.all == nil {
		p.all = p.add("all steps", lastBar, mpb.BarStyle())
	}
	text := number(int64(o.Done)) + "/" + number(int64(o.Steps)) + " steps"
	if p.bytes > 0 {
		text += " " + size(p.bytes)
	}
	switch {
	case o.Left > 0 && o.AtLeast:
		text += " at least " + took(o.Left.Round(time.Second)) + " left"
	case o.Left > 0:
		text += " " + took(o.Left.Round(time.Second)) + " left"
	case e.At.Sub(p.begun) >= time.Second:
		text += " " + took(e.At.Sub(p.begun).Round(time.Second))
	}
	p.all.show(int64(o.Done), int64(o.Steps), text)
}

func (p *progress) add(title string, priority int, style mpb.BarFillerBuilder) *bar {
	b := &bar{}
	name := ""
	if title != "" {
		name = padded(shorten(title, barName), barName) + " "
	}
	b.Bar = p.bars.New(0, style, mpb.BarPriority(priority), mpb.BarFillerTrim(),
		mpb.PrependDecorators(decor.Name(name)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			if s := b.text.Load(); s != nil {
				return " " + *s
			}
			return ""
		})))
	return b
}

// say replaces the text of a bar.
func (b *bar) say(text string) {
	text = shorten(text, barNumbers)
	b.text.Store(&text)
}

// show moves a bar. Its end is never reached: only what finishes a step takes
// its bar away.
func (b *bar) show(now, all int64, text string) {
	b.say(text)
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

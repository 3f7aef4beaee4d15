package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// teller prints the story, 80 columns wide.
type teller struct {
	out     io.Writer
	color   bool
	chapter int
	blank   bool // the last line is empty
}

func newTeller(f *os.File) *teller {
	info, err := f.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &teller{out: f, color: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (t *teller) paint(code, s string) string {
	if !t.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *teller) bold(s string) string  { return t.paint("1", s) }
func (t *teller) faint(s string) string { return t.paint("2", s) }
func (t *teller) green(s string) string { return t.paint("1;32", s) }
func (t *teller) red(s string) string   { return t.paint("1;31", s) }

func (t *teller) line(format string, args ...any) {
	t.blank = false
	fmt.Fprintf(t.out, format+"\n", args...)
}

// quiet notes that the command before it says nothing.
func (t *teller) quiet() { t.blank = true }

// head begins a chapter.
func (t *teller) head(title string) {
	t.chapter++
	title = fmt.Sprintf("%d  %s", t.chapter, title)
	t.line("\n%s", t.bold(title+" "+strings.Repeat("─", max(0, 79-len([]rune(title))))))
}

// text prints a paragraph, whose lines are broken anew.
func (t *teller) text(format string, args ...any) {
	at := 0
	t.blank = false
	for _, word := range strings.Fields(fmt.Sprintf(format, args...)) {
		n := len([]rune(word))
		switch {
		case at == 0:
		case at+1+n > 78:
			fmt.Fprintln(t.out)
			at = 0
		default:
			fmt.Fprint(t.out, " ")
			at++
		}
		fmt.Fprint(t.out, strings.ReplaceAll(word, "\u00a0", " "))
		at += n
	}
	fmt.Fprintln(t.out)
}

// did prints one thing that is done, and what it took.
func (t *teller) did(what, cost string) {
	t.line("  %s %s %s", t.green("✓"), pad(what, 62), t.faint(lpad(cost, 12)))
}

func (t *teller) failure(err error) {
	t.line("\n%s %s", t.red("The demo failed:"), strings.TrimSpace(err.Error()))
}

// command shows what is run, for whoever wants to do it too.
func (t *teller) command(args ...string) {
	var b strings.Builder
	for _, a := range args {
		if a == "" || strings.ContainsAny(a, " &*[]'\"$") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		b.WriteString(" " + a)
	}
	if !t.blank {
		t.line("")
	}
	t.line("  %s\n", t.bold("$ stopover"+b.String()))
}

// pad makes s at least width columns wide.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-len([]rune(s))))
}

func lpad(s string, width int) string {
	return strings.Repeat(" ", max(0, width-len([]rune(s)))) + s
}

func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

func number(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.0f kB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

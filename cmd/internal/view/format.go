package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mitchellh/go-wordwrap"
)

// wrap breaks a text at words; every line after the first begins with indent.
func wrap(s string, width uint, indent string) string {
	return strings.ReplaceAll(wordwrap.WrapString(s, width-uint(len(indent))), "\n", "\n"+indent)
}

func size(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

func number(n int64) string { return humanize.Comma(n) }

// took shows a duration with as many digits as say something.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(int64(n)) + " " + what + "s"
}

// padded is s, at least width wide.
func padded(s string, width int) string {
	if n := len([]rune(s)); n < width {
		return s + strings.Repeat(" ", width-n)
	}
	return s
}

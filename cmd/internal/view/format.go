package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

func size(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

func number(n int64) string { return humanize.Comma(n) }

// took shows a duration with as many digits as say something.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 59500*time.Millisecond:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return two(d, time.Minute, "min", time.Second, "s")
	case d < 48*time.Hour:
		return two(d, time.Hour, "h", time.Minute, "min")
	}
	return two(d, 24*time.Hour, "d", time.Hour, "h")
}

// two shows a duration in a unit and the next smaller one.
func two(d, big time.Duration, bigs string, small time.Duration, smalls string) string {
	d = d.Round(small)
	n := d / big
	if rest := (d % big) / small; rest > 0 {
		return fmt.Sprintf("%d %s %d %s", n, bigs, rest, smalls)
	}
	return fmt.Sprintf("%d %s", n, bigs)
}

// days shows how early or late something is, in days where it is days.
func days(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	if d < 24*time.Hour {
		return took(d)
	}
	return plural(int(d.Round(24*time.Hour)/(24*time.Hour)), "day")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if last := what[len(what)-1]; last == 'y' && !strings.ContainsRune("aeiou", rune(what[len(what)-2])) {
		return number(int64(n)) + " " + what[:len(what)-1] + "ies"
	}
	return number(int64(n)) + " " + what + "s"
}

// clock shows moments in the migration's time zone.
type clock struct {
	*time.Location
	name string
	year int // that need not be said; 0: every date says its year
}

// clockOf is the clock of a migration. A zone that this machine does not know
// becomes UTC, and says so.
func clockOf(cfg *schema.Config) clock {
	if cfg != nil && cfg.Migration.Timezone != "" {
		if l, err := time.LoadLocation(cfg.Migration.Timezone); err == nil {
			return clock{l, clean(cfg.Migration.Timezone), 0}
		}
	}
	return clock{time.UTC, "UTC", 0}
}

func (c clock) day(t time.Time) string {
	if t = t.In(c.Location); t.Year() == c.year {
		return t.Format("Mon 2 Jan")
	}
	return t.Format("Mon 2 Jan 2006")
}

func (c clock) moment(t time.Time) string { return c.day(t) + " " + c.hour(t) }
func (c clock) hour(t time.Time) string   { return t.In(c.Location).Format("15:04") }

// until shows when something ends that began: the hour, and the day if that is
// another one.
func (c clock) until(begins, ends time.Time) string {
	if c.day(begins) == c.day(ends) {
		return c.hour(ends)
	}
	return c.moment(ends)
}

// when says when an appointment begins: a date, or a time from the hand-over.
func (c clock) when(a *plan.Appointment) string {
	switch {
	case a.Relative && a.After <= 0:
		return "from hand-over"
	case a.Relative:
		return "from hand-over: +" + took(a.After.Round(time.Minute))
	case a.Begins.IsZero():
		return "not known yet"
	case a.Ends.IsZero() || !a.Ends.After(a.Begins):
		return c.moment(a.Begins)
	}
	return c.moment(a.Begins) + "–" + c.until(a.Begins, a.Ends)
}

// money shows an amount in hundredths of a currency.
func money(amount int64, currency string) string {
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}
	s := fmt.Sprintf("%s%s.%02d", sign, number(amount/100), amount%100)
	if currency != "" {
		s += " " + clean(currency)
	}
	return s
}

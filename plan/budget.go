package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// onExceedPostpone is what an account says that waits instead of being refused.
const onExceedPostpone = "postpone"

// hoursWorking is what a phase says that takes place in working hours only.
const hoursWorking = "working"

// crossing is the phase of an account's next cutover; iNever when none is left
// that budgets and windows are for.
func (b *builder) crossing(a *account) int {
	switch {
	case a.found == sideHome, a.found == sideToSource, b.back && a.found == sideTransit:
		return iNever
	case a.found == sideTransit:
		return iRelocate
	}
	return iMigrate
}

// checkBudget stops an account before a cutover that would take too long, or
// lets it wait until a prediction fits: each plan looks again.
func (b *builder) checkBudget(a *account) {
	from := b.crossing(a)
	if a.budget() == 0 || a.cut <= a.budget() || a.stop <= iMigrate || from == iNever {
		return
	}
	summary := fmt.Sprintf("the cutover is predicted to take %s, the budget is %s", a.cut, a.budget())
	if a.conf.OnExceed != onExceedPostpone {
		b.block(a, codeBudget, from, "", summary)
		return
	}
	b.report(codePostponed, a.name, "", "", summary+": it waits, and is planned again as soon as the prediction fits")
	a.halt(codePostponed, from)
}

// windowsOf are the names of the windows in which an account's cutovers of a
// phase begin: its own, its pattern's, or the migration's, as far as they bind
// that phase. Where none does, it begins at any time.
func (b *builder) windowsOf(a *account, phase string) []string {
	names := b.mig.Windows
	if len(a.conf.Windows) > 0 {
		names = a.conf.Windows
	}
	binds := func(name string) bool {
		w := b.in.Config.Window(name)
		return w == nil || w.Binds(phase) // one that nobody knows opens never
	}
	if !slices.ContainsFunc(names, func(name string) bool { return !binds(name) }) {
		return names
	}
	var out []string
	for _, name := range names {
		if binds(name) {
			out = append(out, name)
		}
	}
	return out
}

// checkWindows stops an account whose cutover is longer than anything that its
// windows, or the working hours of its phase, ever leave open. What that is
// does not depend on today.
func (b *builder) checkWindows(a *account) {
	from := b.crossing(a)
	if from == iNever || a.stop <= iMigrate {
		return
	}
	names := b.windowsOf(a, schema.Phases()[from])
	need := WindowNeed(0, a.cut)
	if len(names) > 0 {
		if long := b.longest(names); need > long {
			b.block(a, codeWindowTooShort, from, "", fmt.Sprintf("the cutover needs a window that stays open for %s, and %s %s open for %s at most",
				need, strings.Join(names, " or "), plural(len(names), "is", "are"), long))
			return
		}
	}
	if b.phaseRule(schema.Phases()[from]).Hours == hoursWorking {
		if long := b.longest(nil); need > long {
			b.block(a, codeWindowTooShort, from, "", fmt.Sprintf("the cutover needs %s within working hours, which are %s at most", need, long))
		}
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// longest is the longest time for which windows are ever open without a break;
// without names, working hours.
func (b *builder) longest(names []string) time.Duration {
	key := strings.Join(names, "\x00")
	d, ok := b.openings[key]
	if !ok {
		windows := []schema.Window{WorkingHours(b.proc)}
		if len(names) > 0 {
			windows = WindowsOf(b.in.Config, names)
		}
		d = longestOpening(windows)
		b.openings[key] = d
	}
	return d
}

// longestOpening is the longest time for which at least one of some windows is
// open, in a month without changes of clocks and around the days that windows
// name. What is left out by `except` is taken as open: on most days it is.
// Windows of one time zone are looked at as if it had no changes of clocks at
// all, so that what is found is the same whatever a machine's zone files say.
func longestOpening(windows []schema.Window) time.Duration {
	if len(windows) == 0 {
		return 0
	}
	usual := make([]schema.Window, 0, len(windows))
	var days []time.Time
	same := 0
	for _, w := range windows {
		for _, d := range w.Dates {
			if day, err := time.Parse(time.DateOnly, d); err == nil {
				days = append(days, day)
			}
		}
		w.Except = nil
		if w.Timezone == windows[0].Timezone {
			same++
		}
		usual = append(usual, w)
	}
	if _, err := loadZone(windows[0].Timezone); err == nil && same == len(windows) {
		for i := range usual {
			usual[i].Timezone = "UTC"
		}
	}
	quiet := time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)
	longest := longestIn(usual, quiet, quiet.AddDate(0, 0, 28))
	for _, day := range days {
		longest = max(longest, longestIn(usual, day.AddDate(0, 0, -8), day.AddDate(0, 0, 8)))
	}
	return longest
}

func longestIn(windows []schema.Window, from, to time.Time) time.Duration {
	c := newCalendar(windows)
	var longest time.Duration
	for at := from; at.Before(to); {
		o, ok := c.next(at, 0)
		if !ok || !o.Begins.Before(to) {
			break
		}
		longest = max(longest, o.Closes.Sub(o.Begins))
		at = o.Closes
	}
	return longest
}

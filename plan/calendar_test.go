package plan

import "testing"

func TestCronOf(t *testing.T) {
	for calendar, want := range map[string]string{
		"hourly": "0 * * * *", "minutely": "* * * * *", "OnCalendar=daily": "0 0 * * *",
		"*:0/5": "0/5 * * * *", "*-*-* 03:05:00": "5 3 * * *", "Mon..Fri *-*-* 08,12:00": "0 8,12 * * mon-fri", "Sat 00:00": "0 0 * * sat",
		"*-*-01 04:00": "", "*:*:*": "", "2026-11-01 04:00:00": "", "": "", "5min": "", "Mon": "", "12:00 UTC": "", "a:b": "", "\x1b[31m": "",
	} {
		if got := cronOf(calendar); got != want {
			t.Errorf("cronOf(%q) = %q, want %q", calendar, got, want)
		} else if want != "" && newRhythm(got).schedule == nil {
			t.Errorf("%q is no schedule of cron", got)
		}
	}
}

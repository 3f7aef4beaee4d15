package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stopover/stopover/schema"
)

func window(from, to, zone string, days ...string) schema.Window {
	return schema.Window{Name: "w", From: from, To: to, Timezone: zone, Days: days}
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	out, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// In Europe/Paris the clock jumps from 02:00 to 03:00 on 2026-03-29, at 01:00
// UTC, and goes back from 03:00 to 02:00 on 2026-10-25, at 01:00 UTC.
func TestNextOpen(t *testing.T) {
	night := window("01:00", "05:00", "Europe/Paris")
	late := schema.Window{Name: "late", From: "22:00", To: "02:00", Timezone: "Europe/Paris", Days: []string{"fri"}}
	tests := []struct {
		what    string
		windows []schema.Window
		from    string
		need    time.Duration
		want    string // begins, closes, window; empty: never
	}{
		{"none: everything is open", nil, "2026-05-04 10:00", time.Hour, "2026-05-04 10:00 - "},
		{"before it opens, in summer", []schema.Window{night}, "2026-07-01 10:00", time.Hour, "2026-07-01 23:00 2026-07-02 03:00 w"},
		{"before it opens, in winter", []schema.Window{night}, "2026-12-01 10:00", time.Hour, "2026-12-02 00:00 2026-12-02 04:00 w"},
		{"it is open", []schema.Window{night}, "2026-12-02 02:30", time.Hour, "2026-12-02 02:30 2026-12-02 04:00 w"},
		{"it is open, not for long enough", []schema.Window{night}, "2026-12-02 03:01", time.Hour, "2026-12-03 00:00 2026-12-03 04:00 w"},
		{"just long enough", []schema.Window{night}, "2026-12-02 00:00", 4 * time.Hour, "2026-12-02 00:00 2026-12-02 04:00 w"},
		{"only the night with an hour more is long enough", []schema.Window{night}, "2026-12-02 00:00", 4*time.Hour + 1, "2027-10-30 23:00 2027-10-31 04:00 w"},
		{"longer than any opening", []schema.Window{night}, "2026-12-02 00:00", 5*time.Hour + 1, ""},
		{"the clock jumps: shorter", []schema.Window{night}, "2026-03-28 12:00", 0, "2026-03-29 00:00 2026-03-29 03:00 w"},
		{"the clock jumps: too short for four hours", []schema.Window{night}, "2026-03-28 12:00", 4 * time.Hour, "2026-03-29 23:00 2026-03-30 03:00 w"},
		{"the clock goes back: longer", []schema.Window{night}, "2026-10-24 12:00", 5 * time.Hour, "2026-10-24 23:00 2026-10-25 04:00 w"},
		{"begins in the gap", []schema.Window{window("02:00", "04:00", "Europe/Paris")}, "2026-03-28 12:00", 0, "2026-03-29 01:00 2026-03-29 02:00 w"},
		{"begins within the gap", []schema.Window{window("02:30", "04:00", "Europe/Paris")}, "2026-03-28 12:00", 0, "2026-03-29 01:00 2026-03-29 02:00 w"},
		{"lies in the gap", []schema.Window{window("02:00", "03:00", "Europe/Paris")}, "2026-03-28 12:00", 0, "2026-03-30 00:00 2026-03-30 01:00 w"},
		{"the hour that comes twice", []schema.Window{window("02:00", "03:00", "Europe/Paris")}, "2026-10-24 12:00", 2 * time.Hour, "2026-10-25 00:00 2026-10-25 02:00 w"},
		{"half of the hour that comes twice, first", []schema.Window{window("02:00", "02:30", "Europe/Paris")}, "2026-10-24 12:00", 0, "2026-10-25 00:00 2026-10-25 00:30 w"},
		{"half of the hour that comes twice, second", []schema.Window{window("02:00", "02:30", "Europe/Paris")}, "2026-10-25 00:30", 0, "2026-10-25 01:00 2026-10-25 01:30 w"},
		{"over midnight: Friday", []schema.Window{late}, "2026-12-02 10:00", 0, "2026-12-04 21:00 2026-12-05 01:00 late"},
		{"over midnight: the Saturday part of Friday", []schema.Window{late}, "2026-12-05 00:30", 0, "2026-12-05 00:30 2026-12-05 01:00 late"},
		{"over midnight: Friday's first hours are Thursday's", []schema.Window{late}, "2026-12-04 00:00", 0, "2026-12-04 21:00 2026-12-05 01:00 late"},
		{"the earlier of two", []schema.Window{late, night}, "2026-12-02 10:00", 0, "2026-12-03 00:00 2026-12-03 04:00 w"},
		{"two that overlap are one", []schema.Window{late, night}, "2026-12-04 10:00", 6 * time.Hour, "2026-12-04 21:00 2026-12-05 04:00 late"},
		{"two that touch are one", []schema.Window{window("05:00", "06:00", "Europe/Paris"), night}, "2026-12-04 10:00", 5 * time.Hour, "2026-12-05 00:00 2026-12-05 05:00 w"},
		{"no days, dates: only on these", []schema.Window{{Name: "d", Dates: []string{"2026-12-24"}, From: "10:00", To: "11:00", Timezone: "UTC"}}, "2026-12-01 10:30", 0, "2026-12-24 10:00 2026-12-24 11:00 d"},
		{"days and dates", []schema.Window{{Name: "d", Days: []string{"sun"}, Dates: []string{"2026-12-02"}, From: "10:00", To: "11:00", Timezone: "UTC"}}, "2026-12-01 10:30", 0, "2026-12-02 10:00 2026-12-02 11:00 d"},
		{"dates that are over", []schema.Window{{Name: "d", Dates: []string{"2026-12-02"}, From: "10:00", To: "11:00", Timezone: "UTC"}}, "2026-12-02 11:00", 0, ""},
		{"not on that day", []schema.Window{{Name: "d", Except: []string{"2026-12-02"}, From: "10:00", To: "11:00", Timezone: "UTC"}}, "2026-12-01 11:00", 0, "2026-12-03 10:00 2026-12-03 11:00 d"},
		{"the whole day", []schema.Window{window("00:00", "00:00", "UTC", "sat", "sun")}, "2026-12-01 11:00", 48 * time.Hour, "2026-12-05 00:00 2026-12-07 00:00 w"},
		{"until midnight", []schema.Window{window("22:00", "24:00", "UTC", "sat")}, "2026-12-01 11:00", 0, "2026-12-05 22:00 2026-12-06 00:00 w"},
		{"the whole day until midnight", []schema.Window{window("00:00", "24:00", "UTC", "sat")}, "2026-12-01 11:00", 24 * time.Hour, "2026-12-05 00:00 2026-12-06 00:00 w"},
		{"further away than a year and a bit", []schema.Window{{Name: "d", Dates: []string{"2028-02-29"}, From: "10:00", To: "11:00", Timezone: "UTC"}}, "2026-12-01 10:30", 0, ""},
		{"always", []schema.Window{window("00:00", "00:00", "UTC")}, "2026-12-01 11:00", 399 * 24 * time.Hour, "2026-12-01 11:00 2028-01-05 11:00 w"},
		{"a time zone that nobody knows", []schema.Window{window("01:00", "05:00", "Mars/Olympus")}, "2026-12-01 11:00", 0, ""},
		{"the zone of this machine", []schema.Window{window("01:00", "05:00", "Local")}, "2026-12-01 11:00", 0, ""},
		{"no time of day", []schema.Window{window("soon", "later", "UTC")}, "2026-12-01 11:00", 0, ""},
		{"a zone that skipped a day", []schema.Window{{Name: "d", Dates: []string{"2011-12-30", "2011-12-31"}, From: "00:00", To: "02:00", Timezone: "Pacific/Apia"}}, "2011-12-28 00:00", 0, "2011-12-30 10:00 2011-12-30 12:00 d"},
	}
	for _, x := range tests {
		t.Run(x.what, func(t *testing.T) {
			o, ok := NextOpen(x.windows, at(t, x.from), x.need)
			got := ""
			if ok {
				closes := "-"
				if !o.Closes.IsZero() {
					closes = o.Closes.Format("2006-01-02 15:04")
				}
				got = o.Begins.Format("2006-01-02 15:04") + " " + closes + " " + o.Window
			}
			if got != x.want {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

func TestOpenAt(t *testing.T) {
	w := []schema.Window{window("01:00", "05:00", "Europe/Paris", "mon")}
	for _, x := range []struct {
		at   string
		open bool
	}{
		{"2026-12-06 23:59", false}, {"2026-12-07 00:00", true}, {"2026-12-07 03:59", true}, {"2026-12-07 04:00", false}, {"2026-12-08 00:00", false},
	} {
		if _, ok := OpenAt(w, at(t, x.at)); ok != x.open {
			t.Errorf("%s: open %v", x.at, ok)
		}
	}
	if o, ok := OpenAt(nil, at(t, "2026-12-07 03:59")); !ok || !o.Closes.IsZero() {
		t.Error("without windows everything is open, and nothing closes it")
	}
}

func TestWindowsOf(t *testing.T) {
	cfg := &schema.Config{Windows: []schema.Window{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
	var got []string
	for _, w := range WindowsOf(cfg, []string{"c", "none", "a"}) {
		got = append(got, w.Name)
	}
	if !slices.Equal(got, []string{"c", "a"}) {
		t.Error(got)
	}
}

// wallOpen is what the documentation says, word by word: what does a clock on
// the wall show?
func wallOpen(t interface{ Fatal(...any) }, w schema.Window, at time.Time) bool {
	zone, err := time.LoadLocation(w.Timezone)
	if err != nil {
		t.Fatal(err)
	}
	local := at.In(zone)
	clock := local.Format("15:04")
	begins := func(y int, m time.Month, d int) bool {
		noon := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
		day, name := noon.Format("2006-01-02"), strings.ToLower(noon.Weekday().String()[:3])
		if slices.Contains(w.Except, day) {
			return false
		}
		return slices.Contains(w.Days, name) || slices.Contains(w.Dates, day) || len(w.Days)+len(w.Dates) == 0
	}
	y, m, d := local.Date()
	if w.From < w.To {
		return w.From <= clock && clock < w.To && begins(y, m, d)
	}
	return w.From <= clock && begins(y, m, d) || clock < w.To && begins(y, m, d-1)
}

// TestNextOpenBruteForce compares with a walk from minute to minute, around the
// nights in which clocks change.
func TestNextOpenBruteForce(t *testing.T) {
	zones := []string{"UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca"}
	around := []time.Time{
		time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 4, 4, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 30, 0, 0, 0, 0, time.UTC), time.Date(2018, 11, 3, 0, 0, 0, 0, time.UTC),
		time.Date(2011, 12, 29, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 14, 0, 0, 0, 0, time.UTC),
	}
	days := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	clock := rapid.Custom(func(t *rapid.T) string {
		h := rapid.SampledFrom([]int{0, 1, 2, 3, 4, 9, 22, 23}).Draw(t, "hour")
		m := rapid.SampledFrom([]int{0, 1, 15, 30, 59}).Draw(t, "minute")
		return time.Date(2000, 1, 1, h, m, 0, 0, time.UTC).Format("15:04")
	})
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SampledFrom(around).Draw(t, "around").Add(time.Duration(rapid.IntRange(0, 60*36).Draw(t, "minutes")) * time.Minute)
		dates := rapid.Custom(func(t *rapid.T) string {
			return from.AddDate(0, 0, rapid.IntRange(-1, 5).Draw(t, "day")).Format(time.DateOnly)
		})
		windows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) schema.Window {
			return schema.Window{
				Name: rapid.StringMatching("[a-z]{3}").Draw(t, "name"), Timezone: rapid.SampledFrom(zones).Draw(t, "zone"),
				Days:  rapid.SliceOfNDistinct(rapid.SampledFrom(days), 0, 4, rapid.ID[string]).Draw(t, "days"),
				Dates: rapid.SliceOfN(dates, 0, 2).Draw(t, "dates"), Except: rapid.SliceOfN(dates, 0, 2).Draw(t, "except"),
				From: clock.Draw(t, "from"), To: clock.Draw(t, "to"),
			}
		}), 1, 3).Draw(t, "windows")
		need := time.Duration(rapid.IntRange(0, 400).Draw(t, "need")) * time.Minute
		checkBrute(t, windows, from, need)
	})
}

const bruteDays = 12

func checkBrute(t *rapid.T, windows []schema.Window, from time.Time, need time.Duration) {
	open := func(at time.Time) int {
		return slices.IndexFunc(windows, func(w schema.Window) bool { return wallOpen(t, w, at) })
	}
	o, ok := NextOpen(windows, from, need)
	if ok && o.Begins.Before(from) {
		t.Fatalf("begins %s, before %s", o.Begins, from)
	}
	end := from.AddDate(0, 0, bruteDays)
	var since time.Time
	for at := from; at.Before(end); at = at.Add(time.Minute) {
		if open(at) < 0 {
			if !since.IsZero() && at.Sub(since) >= need {
				checkOpening(t, windows, o, ok, since, at)
				return
			}
			since = time.Time{}
		} else if since.IsZero() {
			since = at
		}
	}
	switch {
	case since.IsZero():
		if ok && o.Begins.Before(end) {
			t.Fatalf("%v, but a clock on the wall says that nothing opens until %s", o, end)
		}
	case !ok && end.Sub(since) >= need:
		t.Fatalf("never, but it is open from %s to %s and longer", since, end)
	case ok && end.Sub(since) >= need && !o.Begins.Equal(since):
		t.Fatalf("%v, but it opens at %s", o, since)
	}
}

func checkOpening(t *rapid.T, windows []schema.Window, o Opening, ok bool, begins, closes time.Time) {
	first := windows[slices.IndexFunc(windows, func(w schema.Window) bool { return wallOpen(t, w, begins) })].Name
	if !ok || !o.Begins.Equal(begins) || !o.Closes.Equal(closes) || o.Window != first {
		t.Fatalf("got %v %v, want %s to %s in %s", o, ok, begins, closes, first)
	}
	if x, ok := OpenAt(windows, begins); !ok || !x.Closes.Equal(closes) {
		t.Fatalf("OpenAt %v %v", x, ok)
	}
}

// A calendar that has been asked before gives the answers of a new one.
func TestCalendarGrows(t *testing.T) {
	windows := []schema.Window{window("23:00", "02:30", "Europe/Paris", "mon", "wed"), window("02:00", "03:00", "America/New_York", "sat", "tue")}
	c := newCalendar(windows)
	first := at(t, "2026-01-01 00:00")
	if _, ok := c.next(first, 0); !ok {
		t.Fatal("never open")
	}
	for hour := 0; hour < 24*500; hour += 7 {
		from := first.Add(time.Duration((hour*37)%(24*500)) * time.Hour)
		got, ok := c.next(from, time.Hour)
		want, wantOK := NextOpen(windows, from, time.Hour)
		if got != want || ok != wantOK {
			t.Fatalf("from %s: %v %v, want %v %v", from, got, ok, want, wantOK)
		}
	}
}

func TestWorkingHours(t *testing.T) {
	o, ok := NextOpen([]schema.Window{WorkingHours(&schema.Process{})}, at(t, "2026-12-05 12:00"), 0)
	if !ok || o.Window != WorkingWindow || o.Begins != at(t, "2026-12-07 09:00") || o.Closes != at(t, "2026-12-07 18:00") {
		t.Error(o, ok)
	}
	own := &schema.Window{Name: "office", From: "08:00", To: "12:00", Timezone: "Europe/Paris", Days: []string{"sat"}}
	o, ok = NextOpen([]schema.Window{WorkingHours(&schema.Process{Working: own})}, at(t, "2026-12-05 00:00"), 0)
	if !ok || o.Window != WorkingWindow || o.Begins != at(t, "2026-12-05 07:00") {
		t.Error(o, ok)
	}
}

func BenchmarkNextOpen(b *testing.B) {
	windows := []schema.Window{window("01:00", "05:00", "Europe/Paris", "sun")}
	from := at(b, "2026-12-07 10:00")
	for b.Loop() {
		NextOpen(windows, from, time.Hour)
	}
}

// TestLongestOpening: what a window leaves open at most is what its times say,
// on whatever night the clocks change.
func TestLongestOpening(t *testing.T) {
	paris := schema.Window{Name: "change", Dates: []string{"2026-10-25"}, From: "01:00", To: "05:00", Timezone: "Europe/Paris"}
	spring := paris
	spring.Dates = []string{"2026-03-29"}
	later := schema.Window{Name: "later", Dates: []string{"2026-10-25"}, From: "05:00", To: "06:00", Timezone: "Europe/Paris"}
	nowhere := paris
	nowhere.Timezone = "Europe/Nowhere"
	for _, c := range []struct {
		windows []schema.Window
		want    time.Duration
	}{
		{[]schema.Window{paris}, 4 * time.Hour},
		{[]schema.Window{spring}, 4 * time.Hour},
		{[]schema.Window{paris, later}, 5 * time.Hour},
		{[]schema.Window{nowhere}, 0},
		{nil, 0},
	} {
		if got := longestOpening(c.windows); got != c.want {
			t.Errorf("%+v: %s, want %s", c.windows, got, c.want)
		}
	}
}

package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// Dates are written like encoding/json would, each field set, and read back.
func TestEncodeDates(t *testing.T) {
	at := time.Date(2026, 12, 1, 10, 0, 0, 5, time.UTC)
	full := Dates{Computed: at, Ends: at.Add(1), Earliest: true, FromHand: "+2 d", Handover: at.Add(2), Promised: true,
		Timetable: []Appointment{{Phase: "migrate", Account: "caf\u00e9", Server: "transit", What: `"a" moves`, Begins: at, Ends: at, After: 3,
			Relative: true, Earliest: true, Takes: 4, Downtime: 5, Window: "night", Waited: "window night"}, {Phase: "install", What: "x"}},
		Deadlines: []Deadline{{What: "finish_by", At: at, Ends: at, Slack: -6, Missed: true, Why: "because"}, {What: "forced_on", At: at}},
		Cost:      &Cost{Currency: "EUR", FreeDays: 14, FreeEnds: at, Used: 20, PerDay: 1297, Overrun: 6, Total: 7782, Why: "why"},
		Findings:  []schema.Finding{{Code: codeMissed, Severity: schema.Warning, Account: "shop", Object: "finish_by", Summary: "missed", Remedy: "r", Source: "s", Certainty: "c"}}}
	for _, d := range []Dates{full, {Computed: at}, {Computed: at, Cost: &Cost{}}} {
		want, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.TrimPrefix(string(appendDates(nil, &d)), `,"dates":`)
		if got != string(want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// An account whose name is no text keeps it in the timetable of a saved plan.
func TestDatesKeepBytes(t *testing.T) {
	w := smallWorld("\xff\xfe")
	p, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Encode(back)
	if err != nil || !bytes.Equal(raw, again) {
		t.Errorf("other bytes: %v", err)
	}
	found := false
	for i, a := range back.Dates.Timetable {
		found = found || a.Account == "\xff\xfe"
		if a != p.Dates.Timetable[i] {
			t.Errorf("%+v", a)
		}
	}
	if !found {
		t.Error("the account is not in the timetable")
	}
}

// TestInWords: what people would say.
func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0 seconds", time.Second: "1 second", 90 * time.Second: "90 seconds", 2 * time.Minute: "2 minutes",
		119 * time.Minute: "119 minutes", 2 * time.Hour: "2 hours", 47*time.Hour + 1: "48 hours", 48 * time.Hour: "2 days", 49 * time.Hour: "3 days"} {
		if got := inWords(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

// TestTimetableDeterministic: the same input, the same dates; and in a world of
// many windows and orders no two accounts overlap where one is allowed.
func TestTimetableOneAtATime(t *testing.T) {
	w := benchWorld(60)
	for i := range 6 {
		w.cfg.Windows = append(w.cfg.Windows, schema.Window{Name: fmt.Sprint("w", i), From: fmt.Sprintf("%02d:00", 3*i), To: fmt.Sprintf("%02d:30", 3*i+4), Timezone: "Europe/Paris"})
	}
	w.cfg.Migration.Windows = []string{"w0", "w3"}
	for i := range 30 {
		a := schema.Account{Name: fmt.Sprintf("cust-%06d", i), Windows: []string{fmt.Sprint("w", i%6)}}
		if i > 3 && i%3 == 0 {
			a.After = []string{fmt.Sprintf("cust-%06d", i+1)}
		}
		w.cfg.Migration.Accounts = append(w.cfg.Migration.Accounts, a)
	}
	p, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	again, err := Compute(w.input())
	if err != nil || !bytes.Equal(appendDates(nil, &p.Dates), appendDates(nil, &again.Dates)) {
		t.Error("other dates from the same input", err)
	}
	ends := map[string]time.Time{}
	var last Appointment
	cutovers := 0
	for _, a := range p.Dates.Timetable {
		if a.Account == "" || a.Phase != schema.PhaseMigrate {
			continue
		}
		cutovers++
		if a.Begins.Before(last.Ends) {
			t.Errorf("%s begins before %s has ended", a.What, last.What)
		}
		for _, c := range w.cfg.Migration.Accounts {
			if c.Name != a.Account {
				continue
			}
			if o, ok := OpenAt(WindowsOf(w.cfg, c.Windows), a.Begins); !ok || o.Window != a.Window {
				t.Errorf("%s begins %s, which is not in %v", a.Account, a.Begins, c.Windows)
			}
			for _, name := range c.After {
				if e, ok := ends[name]; !ok || e.After(a.Begins) {
					t.Errorf("%s begins before %s, which it comes after, has ended", a.Account, name)
				}
			}
		}
		last, ends[a.Account] = a, a.Ends
	}
	if cutovers != 60 {
		t.Errorf("%d cutovers", cutovers)
	}
}

// BenchmarkDates is the timetable alone, of a plan that is laid out: 10,000
// accounts in three windows, out and home.
func BenchmarkDates(b *testing.B) {
	w := benchWorld(10000)
	w.cfg.Windows = []schema.Window{{Name: "night", From: "01:00", To: "05:00", Timezone: "Europe/Paris"}, {Name: "noon", From: "12:00", To: "13:00", Timezone: "UTC"},
		{Name: "weekend", Days: []string{"sat", "sun"}, From: "00:00", To: "00:00", Timezone: "America/New_York"}}
	w.cfg.Migration.Windows = []string{"night", "weekend"}
	for i := range 3000 {
		w.cfg.Migration.Accounts = append(w.cfg.Migration.Accounts, schema.Account{Name: fmt.Sprintf("cust-%06d", i*3), Windows: []string{"noon"}})
	}
	w.cfg.Migration.FinishBy = "2027-12-20"
	in := Input{Config: w.cfg, Inventory: &schema.Inventory{Servers: map[string]*schema.FoundServer{w.s.Name: w.s, w.t.Name: w.t}}, Now: w.now}
	x, err := newBuilder(in)
	if err != nil {
		b.Fatal(err)
	}
	x.survey()
	x.collect()
	for _, a := range x.accounts {
		x.read(a)
	}
	x.model()
	x.check()
	x.reserve()
	for _, rule := range rules {
		rule(x)
	}
	b.ReportAllocs()
	for b.Loop() {
		if d := x.dates(); len(d.Timetable) < 20000 {
			b.Fatal(len(d.Timetable))
		}
	}
}

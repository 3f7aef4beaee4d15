package notice

import (
	"bytes"
	"encoding/csv"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/emersion/go-ical"
	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

var update = flag.Bool("update", false, "write golden files")

const nasty = "new\nSubject: line \x1b[31mred\u202e\xff"

// world is a migration in Paris with five accounts: shop in English, boutique
// in French, waiting without dates, nasty with a hard name, and old, which has
// arrived.
func world() Input {
	at := func(s string) time.Time {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			panic(err)
		}
		return t
	}
	p := &plan.Plan{Migration: "spring", Config: &schema.Config{
		Servers: []schema.Server{{Name: "client", Address: "10.0.0.10", Serves: []string{"192.0.2.10"}}, {Name: "transit"}},
		Processes: []schema.Process{{Name: "rules", Phases: []schema.ProcessPhase{{Name: schema.PhaseMigrate}, {Name: schema.PhaseReinstall}, {Name: schema.PhaseRelocate}},
			Downtime: schema.DowntimeRule{Reroute: time.Minute},
			DNS: []schema.DNSRule{{Name: "external-address", Action: "keep", Record: "A, AAAA"},
				{Name: "mx5", Action: "remove_before_migrate", Record: "MX 5"}}}},
		Migration: schema.Migration{Name: "spring", Process: "rules", Source: "client", Transit: "transit", Timezone: "Europe/Paris",
			Accounts: []schema.Account{{Name: "shop", Contact: "Ann <ann@example.org>"}, {Name: "boutique", Language: "fr", Contact: "zoe@example.org"}},
			Patterns: []schema.AccountsPattern{{Include: []string{"*"}, Exclude: []string{"wait*"}, Language: "fr"}, {Include: []string{"*"}}}},
	}}
	p.Dates.Computed = at("2026-10-20T08:00:00Z")
	p.Phases = []plan.PhaseState{{Name: schema.PhaseReinstall, State: plan.PhaseAhead}}
	for _, name := range []string{"shop", "boutique", "waiting", nasty} {
		p.Accounts = append(p.Accounts, plan.AccountPlan{Name: name})
		for _, phase := range []string{schema.PhaseMigrate, schema.PhaseRelocate} {
			to := map[string]string{schema.PhaseMigrate: "transit", schema.PhaseRelocate: "client"}[phase]
			for _, op := range []plan.Op{plan.OpFreeze, plan.OpSwitch, plan.OpThaw} {
				s := plan.Step{Phase: phase, Op: op, Account: name, To: to, Group: phase + name, Undo: op == plan.OpThaw}
				s.Estimate.Downtime = 3 * time.Second
				p.Steps = append(p.Steps, s)
			}
		}
	}
	p.Accounts = append(p.Accounts, plan.AccountPlan{Name: "old"})
	move := func(account, phase, begins, ends string, down time.Duration) {
		p.Dates.Timetable = append(p.Dates.Timetable, plan.Appointment{Phase: phase, Account: account, Begins: at(begins), Ends: at(ends), Downtime: down, Window: "night"})
	}
	// Clocks go back on 25 October 2026 at 3:00 in Paris: this cut spans it.
	move("shop", schema.PhaseMigrate, "2026-10-25T00:50:00Z", "2026-10-25T01:20:30Z", 7*time.Second)
	move("shop", schema.PhaseRelocate, "2026-11-02T23:30:00Z", "2026-11-03T00:15:00Z", 95*time.Second)
	move("boutique", schema.PhaseMigrate, "2026-10-24T23:00:00Z", "2026-10-24T23:04:00Z", 0)
	p.Dates.Timetable = append(p.Dates.Timetable, plan.Appointment{Phase: schema.PhaseRelocate, Account: "boutique", Relative: true, After: 50 * time.Hour, Downtime: 2 * time.Hour})
	p.Altered = []plan.Altered{{Account: "shop", Object: "php of the site", From: "7.4", To: "8.1"}, {Account: "boutique", Object: "php", From: "7.4", To: "8.1"}}
	found := []*schema.FoundAccount{
		{Name: "boutique", Domains: []schema.Domain{{Name: "boutique.example", DNS: "external"}}},
		{Name: nasty, Domains: []schema.Domain{{Name: "evil\n.example"}}},
		{Name: "shop", Domains: []schema.Domain{{Name: "shop.example", DNS: "external"}}, Mail: schema.Mail{Mailboxes: []string{"ann@shop.example"}}},
		{Name: "waiting"},
	}
	inv := &schema.Inventory{Servers: map[string]*schema.FoundServer{
		"client": {Name: "client", Presence: schema.Present, Addresses: []string{"192.0.2.10"}, Names: []string{"client.host.example"},
			HostKeys: []string{"SHA256:old"}, Outgoing: []string{"192.0.2.10"}, Accounts: found},
		"transit": {Name: "transit", Presence: schema.Present, HostKeys: []string{"SHA256:new"}, Outgoing: []string{"192.0.2.20"}},
	}, DNS: &schema.FoundDNS{Resolver: "192.0.2.53", Names: []schema.FoundName{
		{Name: "boutique.example", Managed: "external", Records: []schema.DNSRecord{{Type: "A", Value: "192.0.2.10", TTL: time.Hour}}},
		{Name: "shop.example", Managed: "external", Records: []schema.DNSRecord{{Type: "A", Value: "192.0.2.10", TTL: time.Hour},
			{Type: "MX", Value: "client.host.example", Pref: 5, TTL: time.Hour}, {Type: "MX", Value: "mx1.host.example", Pref: 10, TTL: time.Hour}}},
	}}}
	return Input{Plan: p, Inventory: inv}
}

func written(t *testing.T, in Input, templates string) (*Notices, *Writer, map[string][]byte) {
	t.Helper()
	made, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter(templates)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for i := range made.List {
		text, err := w.Text(&made.List[i])
		if err != nil {
			t.Fatal(err)
		}
		out[made.List[i].Account] = Letter(&made.List[i], text)
	}
	return made, w, out
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s: -want +got\n%s", name, d)
	}
}

func TestLetters(t *testing.T) {
	made, _, letters := written(t, world(), "")
	golden(t, "shop.en.txt", letters["shop"])
	golden(t, "boutique.fr.txt", letters["boutique"])
	golden(t, "waiting.en.txt", letters["waiting"])
	golden(t, "hostile.fr.txt", letters[nasty])
	if d := cmp.Diff([]string{"old"}, made.Done); d != "" {
		t.Error(d)
	}
	for name, b := range letters {
		head, _, _ := bytes.Cut(b, []byte("\n\n"))
		if n := bytes.Count(b, []byte("\nSubject:")) + bytes.Count(b[:9], []byte("Subject:")); n != 1 || bytes.Count(head, []byte("\n")) > 1 {
			t.Errorf("%q: a name writes header lines:\n%s", name, head)
		}
		if bytes.ContainsAny(b, "\x1b\u202e") {
			t.Errorf("%q: a name steers the reader's screen", name)
		}
	}
}

// What may well be later is not given as a date.
func TestEarliest(t *testing.T) {
	in := world()
	for i := range in.Plan.Dates.Timetable {
		in.Plan.Dates.Timetable[i].Earliest = true
	}
	made, w, letters := written(t, in, "")
	if n := bytes.Count(letters["shop"], []byte("the date is not known yet")); n != 2 {
		t.Errorf("%d of 2 dates are said to be unknown:\n%s", n, letters["shop"])
	}
	if b, err := w.Calendar(made.List, "client", in.Plan.Dates.Computed); b != nil || err != nil {
		t.Errorf("%v\n%s", err, b)
	}
}

// The way back, a one-way journey, and a place that nobody knows yet.
func TestLettersOfOtherJourneys(t *testing.T) {
	in := world()
	only := func(phase string) {
		in.Plan.Steps = slices.DeleteFunc(in.Plan.Steps, func(s plan.Step) bool { return s.Phase != phase })
	}
	only(schema.PhaseRelocate)
	in.Plan.Phases[0].State = plan.PhaseDone
	_, _, letters := written(t, in, "")
	golden(t, "home.en.txt", letters["shop"])
	golden(t, "home.fr.txt", letters["boutique"])

	in = world()
	only(schema.PhaseMigrate)
	in.Plan.Phases = nil
	in.Plan.Config.Processes[0] = schema.Process{Name: "rules", Phases: []schema.ProcessPhase{{Name: schema.PhaseMigrate}},
		DNS: []schema.DNSRule{{Name: "external-address", Action: "change_before_finish", Record: "A, AAAA"}}}
	in.Inventory.Servers["transit"] = &schema.FoundServer{Name: "transit", Presence: schema.Absent}
	_, _, letters = written(t, in, "")
	golden(t, "oneway.en.txt", letters["shop"])
	golden(t, "oneway.fr.txt", letters["boutique"])
}

func TestTable(t *testing.T) {
	in := world()
	in.Plan.Config.Migration.Accounts[0].Contact = "=HYPERLINK(1)"
	made, _, _ := written(t, in, "")
	b, err := Table(made.List)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "moves.csv", b)
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil || len(rows) != 1+2*len(made.List) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		for _, c := range row {
			if strings.HasPrefix(c, "=") || strings.ContainsAny(c, "\n\r\x1b") {
				t.Errorf("cell %q is no plain text", c)
			}
		}
	}
}

func TestCalendar(t *testing.T) {
	in := world()
	made, w, _ := written(t, in, "")
	b, err := w.Calendar(made.List, "client 10.0.0.10", in.Plan.Dates.Computed)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "moves.ics", b)
	for l := range bytes.SplitSeq(bytes.TrimSuffix(b, []byte("\r\n")), []byte("\r\n")) {
		if len(l) > 75 || bytes.ContainsAny(l, "\r\n") {
			t.Errorf("line of %d octets: %q", len(l), l)
		}
	}
	first := events(t, b)
	if len(first) != 3 {
		t.Fatalf("%d events; 3 moves have a date", len(first))
	}
	if got := first[0].start; !got.Equal(time.Date(2026, 10, 25, 0, 50, 0, 0, time.UTC)) {
		t.Errorf("begins at %v", got)
	}

	// A later plan moves the events that are there.
	in.Plan.Dates.Computed = in.Plan.Dates.Computed.Add(time.Hour)
	for i := range in.Plan.Dates.Timetable {
		if x := &in.Plan.Dates.Timetable[i]; !x.Begins.IsZero() {
			x.Begins, x.Ends = x.Begins.Add(24*time.Hour), x.Ends.Add(24*time.Hour)
		}
	}
	made, w, _ = written(t, in, "")
	b, err = w.Calendar(made.List, "client 10.0.0.10", in.Plan.Dates.Computed)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, e := range events(t, b) {
		if e.uid != first[i].uid || e.sequence <= first[i].sequence || !e.start.Equal(first[i].start.Add(24*time.Hour)) {
			t.Errorf("event %d is %+v, was %+v", i, e, first[i])
		}
		if seen[e.uid] {
			t.Errorf("two events have the UID %s", e.uid)
		}
		seen[e.uid] = true
	}
	if b, err := w.Calendar(made.List[2:3], "client", time.Time{}); b != nil || err != nil {
		t.Errorf("a calendar without dates is %q, %v", b, err)
	}
}

type found struct {
	uid      string
	start    time.Time
	sequence int
}

func events(t *testing.T, b []byte) []found {
	t.Helper()
	cal, err := ical.NewDecoder(bytes.NewReader(b)).Decode()
	if err != nil {
		t.Fatal(err)
	}
	var out []found
	for _, e := range cal.Events() {
		var f found
		f.uid, err = e.Props.Text(ical.PropUID)
		if err != nil {
			t.Fatal(err)
		}
		if f.start, err = e.DateTimeStart(time.UTC); err != nil {
			t.Fatal(err)
		}
		if f.sequence, err = e.Props.Get(ical.PropSequence).Int(); err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

func TestOwnTemplates(t *testing.T) {
	dir := t.TempDir()
	own := `{{define "subject"}}{{.Account}}: {{with .First}}{{day $ .Begin}}{{end}}{{end}}{{define "body"}}{{range .Moves}}{{if .Known}}{{hours $ .}} {{duration .Outage}}; {{end}}{{end}}{{end}}`
	if err := os.WriteFile(filepath.Join(dir, "de.txt"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	in := world()
	in.Plan.Config.Migration.Accounts[0].Language = "de"
	_, _, letters := written(t, in, dir)
	want := "To: Ann <ann@example.org>\nSubject: shop: 2026-10-25\n\n02:50 (UTC+02:00) – 02:21 (UTC+01:00), Europe/Paris 10s; 00:30 – 01:15\n(UTC+01:00, Europe/Paris) 2m;\n"
	if d := cmp.Diff(want, string(letters["shop"])); d != "" {
		t.Error(d)
	}
	for name, bad := range map[string]string{"xx": "{{", "yy": "{{define \"body\"}}{{end}}", "zz": `{{define "subject"}}{{.Nothing}}{{end}}{{define "body"}}{{end}}`} {
		if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := NewWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"xx", "yy", "zz", "ee", "../de", "", "/etc/passwd"} {
		if _, err := w.Text(&Notice{Language: language, Account: "shop"}); err == nil {
			t.Errorf("language %q is accepted", language)
		}
	}
	if _, err := NewWriter(filepath.Join(dir, "de.txt")); err == nil {
		t.Error("a file is accepted as a directory of templates")
	}
}

func TestRounded(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{0: 0, time.Millisecond: 5 * time.Second, 7 * time.Second: 10 * time.Second, time.Minute: time.Minute,
		61 * time.Second: 2 * time.Minute, 11 * time.Minute: 15 * time.Minute, 61 * time.Minute: 75 * time.Minute, 13 * time.Hour: 13 * time.Hour, 49*time.Hour + 1: 50 * time.Hour} {
		if got := rounded(in); got != want {
			t.Errorf("rounded(%v) is %v, want %v", in, got, want)
		}
	}
}

func TestFileNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"shop", "..", "a/b", "-rf", "*", "", strings.Repeat("x", 255), strings.Repeat("x", 252), strings.Repeat("x", 251), strings.Repeat("/", 4000), nasty} {
		f := FileName(name, ".txt")
		if len(f) > 255 || f != filepath.Base(f) || strings.HasPrefix(f, ".") || strings.HasPrefix(f, "-") {
			t.Errorf("FileName(%.20q) is %q", name, f)
		}
		if other, ok := seen[f]; ok {
			t.Errorf("%.20q and %.20q share the file %s", name, other, f)
		}
		seen[f] = name
	}
}

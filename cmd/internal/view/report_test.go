package view

import (
	"encoding/json"
	"errors"
	"html"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// journeyFacts are what is remembered of a journey in which one account moved
// out and was rolled back, and another one moved out.
func journeyFacts() []schema.Fact {
	at := func(day, hour int) time.Time { return time.Date(2026, 12, day, hour, 0, 0, 0, time.UTC) }
	fact := func(kind, id, account string, t time.Time, value any) schema.Fact {
		b, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		return schema.Fact{ID: id, Kind: kind, Account: account, Server: "transit", By: "ann@laptop", At: t, Value: b}
	}
	return []schema.Fact{
		fact(schema.FactHandover, "handover", "", at(7, 9), schema.MachineFact{Machine: "m"}),
		fact(schema.FactMigrated, plan.MigratedID("cust-0000", 1), "cust-0000", at(8, 1), schema.MigratedFact{Epoch: 1, To: "transit", Downtime: 5 * time.Second, Outside: 6 * time.Second, Predicted: 4 * time.Second, Confidence: "rule"}),
		fact(schema.FactProbed, plan.ProbedID("cust-0000", 1), "cust-0000", at(8, 2), plan.ProbedFact{Epoch: 1, OK: true}),
		fact(schema.FactRolledBack, plan.RolledBackID("cust-0000", 2), "cust-0000", at(8, 9), schema.MigratedFact{Epoch: 2, To: "client"}),
		fact(schema.FactMigrated, plan.MigratedID(nasty, 1), nasty, at(9, 1), schema.MigratedFact{Epoch: 1, To: "transit", Downtime: 2 * time.Second, Predicted: 4 * time.Second}),
		fact(schema.FactDisposed, plan.DisposedAccountID("old"), "", at(10, 1), plan.DisposedFact{Action: "archive", Ref: "sha256:" + strings.Repeat("ab", 32)}),
		fact(schema.FactApproval, "approval/x", nasty, at(11, 1), schema.Approval{Gate: "verify.accept[cust-0000]", By: "<b>bob</b>", Evidence: "sha256:" + strings.Repeat("cd", 32), When: at(11, 0), Note: "@all [click](http://x) looked at " + nasty}),
		fact(schema.FactTrial, "trial/x", "", at(2, 1), schema.TrialFact{Engine: "mariadb", Version: "10.11", Databases: []schema.TriedDatabase{{Name: "shop", Engine: "mariadb", Bytes: 1 << 30, Errors: []string{"table |a| is not known"}}}}),
	}
}

// journey is a report of seed's journey after one account moved and came back.
func journey() *report.Report {
	at := func(day, hour int) time.Time { return time.Date(2026, 12, day, hour, 0, 0, 0, time.UTC) }
	p := dated(seed(3))
	p.Config.Migration.Architecture = "2024"
	p.Config.Migration.Stays = []schema.Stay{{Account: "old", Action: "archive", Reason: "closed in <March>"}}
	p.Config.Migration.Residue = []schema.ResidueRule{{Path: "/etc/cron.d/" + nasty, Action: "carry", Reason: "monitoring"}}
	promised := dated(seed(3))
	return report.Build(report.Input{Plan: p, Past: plan.Past{Facts: journeyFacts()}, Inventory: inventory(), Promised: promised, Now: at(12, 8),
		Run: &report.Run{Who: "ann@laptop", Began: at(11, 22), Ended: at(12, 1), Done: 7, Failed: []report.Failure{{Step: "migrate.warm[x]", Why: "disk full: " + nasty}}}})
}

func TestReportGolden(t *testing.T) {
	pages := map[string]func(v *View, format string) error{
		"report": func(v *View, format string) error { return v.Report(journey(), format) },
		"review": func(v *View, format string) error {
			return v.PlanAs(dated(seed(20)), []string{"the state is new"}, "plan.json", format)
		},
	}
	for name, do := range pages {
		for format, ext := range map[string]string{Text: "txt", Markdown: "md", HTML: "html"} {
			if name == "review" && format == Text {
				continue // that is the plan's own text
			}
			t.Run(name+"."+ext, func(t *testing.T) {
				text := show(Options{}, func(v *View) {
					if err := do(v, format); err != nil {
						t.Fatal(err)
					}
				})
				golden(t, name+"."+ext, text)
				if format == Text {
					fits(t, text)
				}
			})
		}
	}
}

func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Errorf("differs from %s; read it, then write it anew with -update\n%s", path, d)
	}
}

// Nothing that somebody else wrote becomes part of a page.
func TestPagesEscape(t *testing.T) {
	page := show(Options{}, func(v *View) {
		if err := v.Report(journey(), HTML); err != nil {
			t.Fatal(err)
		}
	})
	for _, bad := range []string{"<b>bob", "<March>", "\x1b", "<script", "\u202e"} {
		if strings.Contains(page, bad) {
			t.Errorf("HTML holds %q", bad)
		}
	}
	if !strings.Contains(page, html.EscapeString("<b>bob</b>")) {
		t.Error("HTML does not name who approved")
	}
	for _, outside := range []string{"src=", "href=", "url(", "@import"} {
		if strings.Contains(page, outside) {
			t.Errorf("HTML needs something from outside: %s", outside)
		}
	}
	text := show(Options{}, func(v *View) {
		if err := v.Report(journey(), Markdown); err != nil {
			t.Fatal(err)
		}
	})
	for _, bad := range []string{"<b>", "@all", "[click](", "|a|", "\x1b"} {
		if strings.Contains(text, bad) {
			t.Errorf("Markdown holds %q", bad)
		}
	}
}

// A comment of a merge request has a greatest length.
func TestMarkdownIsBounded(t *testing.T) {
	for _, n := range []int{100, 3000} {
		text := show(Options{Verbose: true}, func(v *View) {
			if err := v.PlanAs(dated(seed(n)), nil, "", Markdown); err != nil {
				t.Fatal(err)
			}
		})
		if len(text) > mostMarkdown+500 {
			t.Errorf("%d accounts: %d bytes", n, len(text))
		}
		if !strings.Contains(text, "Can be applied in part") {
			t.Errorf("%d accounts: no verdict", n)
		}
	}
}

func TestReportJSON(t *testing.T) {
	text := show(Options{JSON: true}, func(v *View) {
		if err := v.Report(journey(), ""); err != nil {
			t.Fatal(err)
		}
	})
	var r report.Report
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Error("more than one document")
	}
	if r.State != report.UnderWay || r.Downtime.Max != 5*time.Second || r.Downtime.Unknown != 1 || r.Score.N != 2 || r.Score.P95 != 1 {
		t.Errorf("%+v %+v", r.Downtime, r.Score)
	}
	if v := New(io.Discard, io.Discard, Options{}); v.Report(journey(), "pdf") == nil {
		t.Error("a format that does not exist is accepted")
	}
}

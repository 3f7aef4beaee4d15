package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

var update = flag.Bool("update", false, "write golden files")

const nasty = "new\nline \x1b[31mred\u202e\xff"

func inventory() *schema.Inventory {
	client := &schema.FoundServer{Name: "client", Presence: schema.Present, Architecture: nasty, Listening: []string{"192.0.2.10"}}
	a := &schema.FoundAccount{Name: nasty}
	a.Owner.State, a.Owner.Epoch, a.Owner.Blocker = "active", 3, "its record says "+nasty
	a.Files.Entries, a.Files.Bytes = 12345, 5<<30
	client.Accounts, client.Residue = []*schema.FoundAccount{a}, []schema.Residue{{Path: "/etc/" + nasty}}
	return &schema.Inventory{Servers: map[string]*schema.FoundServer{"client": client,
		"transit": {Name: "transit", Presence: schema.Unreachable, Error: "dial " + nasty + ": connection refused"}}}
}

// show collects what a view prints, on both its outputs.
func show(o Options, do func(*View)) string {
	var b bytes.Buffer
	do(New(&b, &b, o))
	return b.String()
}

func texts() map[string]string {
	event := func(v *View, what apply.What, change func(*apply.Event)) {
		e := apply.Event{What: what, At: time.Unix(1e9, 0), Op: plan.OpPrecopy, Account: nasty, Part: "files", From: "client", To: "transit", Server: "transit",
			Bytes: 3 << 20, Duration: 1200 * time.Millisecond, Text: "because " + nasty}
		if change != nil {
			change(&e)
		}
		v.Event(e)
	}
	result := apply.Result{Accounts: []apply.AccountResult{
		{Account: "shop", State: apply.AccountDone, Cutovers: []apply.Cutover{{To: "transit", Downtime: 640 * time.Millisecond, Outside: 700 * time.Millisecond}}},
		{Account: nasty, State: apply.AccountFailed, Why: "read home/www: " + nasty},
	}}
	return map[string]string{
		"plan-3":       show(Options{}, func(v *View) { v.Plan(dated(seed(3)), []string{"the state is new"}, "plan.json") }),
		"plan-3000":    show(Options{}, func(v *View) { v.Plan(dated(seed(3000)), nil, "") }),
		"plan-undated": show(Options{}, func(v *View) { v.Plan(unhanded(seed(4)), nil, "a plan.json") }),
		"plan-verbose": show(Options{Verbose: true}, func(v *View) { v.Plan(seed(3), nil, "") }),
		"plan-done":    show(Options{}, func(v *View) { v.Plan(&plan.Plan{Migration: "spring", Config: seed(0).Config}, nil, "") }),
		"status":       show(Options{}, func(v *View) { v.Status(Situation{Plan: seed(3), Inventory: inventory()}) }),
		"status-narrow": show(Options{Width: 60}, func(v *View) {
			v.Status(Situation{Plan: dated(seed(40)), Inventory: inventory()})
		}),
		"status-run": show(Options{Now: func() time.Time { return time.Date(2026, 12, 12, 8, 0, 0, 0, time.UTC) }}, func(v *View) {
			p, r := dated(seed(1)), journey()
			v.Status(Situation{Plan: p, Inventory: inventory(), Past: plan.Past{Facts: journeyFacts()}, Last: r.Run})
		}),
		"check":             show(Options{}, func(v *View) { v.Findings(allFindings(dated(seed(9)))) }),
		"verify":            show(Options{}, func(v *View) { v.Verified(probes()) }),
		"inventory":         show(Options{}, func(v *View) { v.Inventory(seed(0).Config, inventory(), false) }),
		"inventory-linux":   show(lookedAtNoon(), func(v *View) { v.Inventory(seed(0).Config, wholeMachines(2, nasty), false) }),
		"inventory-account": show(lookedAtNoon(), func(v *View) { v.Inventory(seed(0).Config, wholeMachines(1, "plain"), true) }),
		"inventory-verbose": show(verbosely(), func(v *View) { v.Inventory(seed(0).Config, wholeMachines(1, "plain"), false) }),
		"run": show(Options{}, func(v *View) {
			event(v, apply.Started, nil)
			event(v, apply.Progress, func(e *apply.Event) { e.Total, e.Rate = 9<<20, 1<<20 })
			event(v, apply.Finished, nil)
			event(v, apply.Finished, func(e *apply.Event) { e.Op, e.Part, e.Downtime, e.Bytes = plan.OpSwitch, "", 640*time.Millisecond, 0 })
			event(v, apply.Note, nil)
			event(v, apply.Skipped, nil)
			event(v, apply.Failed, func(e *apply.Event) {
				e.Undone, e.Err = true, errors.New("read home/www of "+nasty+": no space left on device")
			})
			v.Result(result, nil)
		}),
		"errors": show(Options{}, func(v *View) {
			v.Error(errors.Join(errors.New("read journal: "+nasty), errors.New("a second thing that went wrong and needs a long sentence to say so")))
			v.Error(&apply.RefusedError{Reason: "the saved plan does not fit any more", Details: []string{"account extra is new", "databases of account shop: " + nasty + " is new"}})
			v.Error(&apply.WaitingError{Gates: make([]plan.Gate, 2)})
			v.Diagnostics(schema.Diagnostics{{Severity: "error", Summary: "Unknown argument", Detail: "There is no \"sauce\" here. Did you mean \"source\"?", Snippet: "  sauce = " + nasty,
				Pos: schema.Pos{File: "main.stopover.hcl", Line: 5}}})
		}),
	}
}

// probes are accounts of which one differs, one has a new baseline, and one was
// not asked.
func probes() []report.Probed {
	at := time.Unix(1e9, 0)
	before := &schema.BaselineFact{Probe: "home", Status: 200, Title: "Shop"}
	return []report.Probed{
		{Account: "shop", Server: "transit", At: at, Probes: []report.ProbedOnce{
			{Probe: "home", Before: before, Now: &apply.Answer{Status: 500, Title: nasty}, Why: "status 500 instead of 200"},
			{Probe: "cart", Before: before, Now: &apply.Answer{Status: 200, Title: "Shop"}, OK: true}}},
		{Account: nasty, Server: "transit", Err: "dial: " + nasty},
		{Account: "blog", Server: "transit", At: at, OK: true, Probes: []report.ProbedOnce{{Probe: "home", Before: before, Now: &apply.Answer{Status: 301}, OK: true, Recorded: true}}},
		{Account: "kinds", Server: "transit", At: at, Probes: kinds()},
		{Account: "wiki", Server: "transit", At: at, OK: true},
		{Account: "idle", Server: "transit"},
	}
}

// kinds are a probe of each kind, with what hostile servers answer.
func kinds() []report.ProbedOnce {
	box := func(n int64) schema.Seen {
		return schema.Seen{Kind: schema.ProbeIMAP, Mailboxes: []schema.SeenMailbox{{Name: "INBOX", Messages: n, UIDValidity: 7}, {Name: nasty, Messages: 1}}}
	}
	c := &schema.SeenCertificate{Issuer: "R11 " + nasty, Names: []string{nasty}, Expires: time.Unix(2e9, 0)}
	broken := *c
	broken.Wrong = "x509: certificate is valid for " + nasty
	return []report.ProbedOnce{
		{Probe: "box", Before: &schema.BaselineFact{Seen: box(3012)}, Now: &apply.Answer{Seen: box(3010)}, Why: "INBOX had 3,012 messages and has 3,010"},
		{Probe: "one", Before: &schema.BaselineFact{Seen: schema.Seen{Kind: schema.ProbeIMAP, Mailboxes: []schema.SeenMailbox{{Name: nasty, Messages: 1}}}},
			Now: &apply.Answer{Seen: schema.Seen{Kind: schema.ProbeIMAP, Refused: "login: NO " + nasty}}, Why: "login: NO " + nasty},
		{Probe: "orders", Before: &schema.BaselineFact{Seen: schema.Seen{Kind: schema.ProbeSQL, Rows: [][]string{{"41"}}}},
			Now: &apply.Answer{Seen: schema.Seen{Kind: schema.ProbeSQL, Rows: [][]string{{nasty}}}}, Why: "the value was \"41\" and is " + nasty},
		{Probe: "rows", OK: true, Now: &apply.Answer{Seen: schema.Seen{Kind: schema.ProbeSQL, Rows: [][]string{{"1"}, {"2"}}, Cut: true}}},
		{Probe: "port", OK: true, Now: &apply.Answer{Contains: true, Seen: schema.Seen{Kind: schema.ProbeTCP, Line: nasty, Certificate: c}}},
		{Probe: "own", Before: &schema.BaselineFact{Seen: schema.Seen{Kind: schema.ProbeCommand, Line: "ok"}},
			Now: &apply.Answer{Status: 2, Seen: schema.Seen{Kind: schema.ProbeCommand, Line: nasty}}, Why: "it ended with status 0 and ends with 2"},
		{Probe: "site", OK: true, Now: &apply.Answer{Status: 301, Seen: schema.Seen{Kind: schema.ProbeHTTP, Redirects: []string{"301 https://" + nasty}, Certificate: &broken}}},
	}
}

func TestGolden(t *testing.T) {
	for name, text := range texts() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".golden")
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
			fits(t, text)
		})
	}
}

// fits holds for all that is printed: nothing for a terminal to obey, and no
// line of more than 80 columns, whatever the names are.
func fits(t interface {
	Helper()
	Errorf(string, ...any)
}, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("not UTF-8")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if clean(line) != line {
			t.Errorf("control characters: %q", line)
		}
		if n := runewidth.StringWidth(line); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// A plan of many accounts is still a page.
func TestPlanIsAPage(t *testing.T) {
	for name, p := range map[string]*plan.Plan{"3,000 accounts": dated(seed(3000)), "a whole journey of 10,000": wide(10000), "no hand-over": unhanded(seed(3000))} {
		text := show(Options{}, func(v *View) { v.Plan(p, nil, "") })
		if n := strings.Count(text, "\n"); n > 140 {
			t.Errorf("%s: %d lines\n%s", name, n, text)
		}
	}
}

// With --json every line or document is JSON, whatever the names are.
func TestJSON(t *testing.T) {
	o := Options{JSON: true}
	for name, out := range map[string]string{
		"plan":      show(o, func(v *View) { v.Plan(seed(2), nil, "") }),
		"planned":   show(o, func(v *View) { v.Planned(seed(2), nil) }),
		"status":    show(o, func(v *View) { v.Status(Situation{Plan: seed(2), Inventory: inventory()}) }),
		"inventory": show(o, func(v *View) { v.Inventory(seed(0).Config, inventory(), false) }),
		"event":     show(o, func(v *View) { v.Event(apply.Event{What: apply.Failed, Account: nasty, Err: errors.New(nasty)}) }),
		"error":     show(o, func(v *View) { v.Error(&apply.RefusedError{Reason: "no", Details: []string{nasty}}) }),
		"concluded": show(o, func(v *View) { v.Concluded(seed(2)) }),
		"approved":  show(o, func(v *View) { v.Approved(apply.Outcome{Approved: seed(2).Gates}) }),
	} {
		d := json.NewDecoder(strings.NewReader(out))
		for n := 0; ; n++ {
			var x map[string]any
			if err := d.Decode(&x); errors.Is(err, io.EOF) && n > 0 {
				break
			} else if err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
				break
			}
			if x["format_version"] == nil && x["type"] == nil {
				t.Errorf("%s: neither a document nor a message: %v", name, x)
			}
		}
		if strings.ContainsRune(out, 0x1b) {
			t.Errorf("%s: a control character", name)
		}
	}
}

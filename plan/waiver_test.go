package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// TestWaiverDays: a waiver counts until its last day is over where the migration
// is, through changes of the clock too.
func TestWaiverDays(t *testing.T) {
	for _, c := range []struct {
		zone, day string
		now       string // UTC
		expired   bool
	}{
		{"", "2026-11-02", "2026-11-02T23:59:59Z", false},
		{"", "2026-11-02", "2026-11-03T00:00:00Z", true},
		{"Europe/Paris", "2026-11-02", "2026-11-02T22:59:59Z", false},
		{"Europe/Paris", "2026-11-02", "2026-11-02T23:00:00Z", true},
		{"Europe/Paris", "2026-10-25", "2026-10-25T22:59:59Z", false}, // 25 hours long
		{"Europe/Paris", "2026-10-25", "2026-10-25T23:00:00Z", true},
		{"Europe/Paris", "2026-03-29", "2026-03-29T21:59:59Z", false}, // 23 hours long
		{"Europe/Paris", "2026-03-29", "2026-03-29T22:00:00Z", true},
		{"No/Where", "2026-11-02", "2026-11-02T23:59:59Z", false},
		{"", "someday", "2000-01-01T00:00:00Z", true},
		{"", "", "2000-01-01T00:00:00Z", true},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := hasExpired(&schema.Migration{Timezone: c.zone}, &schema.Waiver{Expires: c.day}, now); got != c.expired {
			t.Errorf("%s in %q at %s: expired %v", c.day, c.zone, c.now, got)
		}
	}
}

// waivedWorld has one account with a runtime that is not offered, and a waiver.
func waivedWorld() *world {
	w := smallWorld("shop")
	w.s.Accounts[0].Runtimes = []schema.RuntimeUse{{Name: "php", Version: "5.6", By: "site"}}
	w.cfg.Migration.Waivers = []schema.Waiver{{Code: codeRuntime, Accounts: []string{"sh*"}, Object: "php 5*", By: "ann", Reason: "static", Expires: "2026-12-31"}}
	return w
}

// TestWaiverExpiresInSavedPlan: a saved plan is stale when what a waiver let pass
// counts again, and not when a waiver came since.
func TestWaiverExpiresInSavedPlan(t *testing.T) {
	w := waivedWorld()
	before, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	checkLaws(t, w.input(), before)
	if before.Blocked() || len(before.Blockers()) > 0 || len(before.Runnable()) == 0 {
		t.Fatalf("the waiver does not count: %+v", before.Findings)
	}
	w.now = w.now.AddDate(1, 0, 0)
	after, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	if !after.Blocked() || after.Account("shop").Blocked != codeRuntime {
		t.Errorf("an expired waiver counts: %+v", after.Findings)
	}
	why := strings.Join(Stale(before, after), "\n")
	if !strings.Contains(why, "shop: runtime-not-offered is not waived any more") {
		t.Errorf("stale because: %s", why)
	}
	for _, x := range Stale(after, before) {
		if strings.Contains(x, codeRuntime) {
			t.Errorf("a waiver that came since: %s", x)
		}
	}
}

// TestWaivedNeverWhatGuards: whatever waivers say, findings that guard an account
// or its data block.
func TestWaivedNeverWhatGuards(t *testing.T) {
	w := smallWorld("shop")
	for _, k := range FindingKinds() {
		w.cfg.Migration.Waivers = append(w.cfg.Migration.Waivers, schema.Waiver{Code: k.Code, By: "ann", Expires: "2099-01-01"})
	}
	w.cfg.Migration.Waivers = append(w.cfg.Migration.Waivers, schema.Waiver{Code: "mail-unreadable", By: "ann", Expires: "2099-01-01"})
	ws := newWaivers(&w.cfg.Migration, w.now)
	for _, k := range FindingKinds() {
		f := schema.Finding{Code: k.Code, Severity: k.Severity, Account: "shop"}
		if ws.waive(&f); (f.Waived != nil) != k.Waivable {
			t.Errorf("%s waived: %v", k.Code, f.Waived != nil)
		}
	}
	f := schema.Finding{Code: "mail-unreadable", Severity: schema.Blocker}
	if ws.waive(&f); f.Waived != nil {
		t.Error("a survey's blocker is waived")
	}
	f.Severity = schema.Warning
	if ws.waive(&f); f.Waived == nil {
		t.Error("a survey's warning is not waived")
	}
}

// TestDrift: warnings that come and go by themselves make no saved plan stale,
// others do, and a policy that blocks refuses.
func TestDrift(t *testing.T) {
	w := smallWorld("shop")
	saved, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	w.s.Accounts[0].Files.Entries = manyFiles
	w.s.Accounts[0].Mentions = []schema.Mention{{Path: "x", Line: 1, What: "client"}}
	fresh, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	if why := Stale(saved, fresh); len(why) > 0 || len(fresh.Findings) != 2 {
		t.Errorf("stale: %v, findings %+v", why, fresh.Findings)
	}
	w.s.Accounts[0].Sites = []schema.Site{{Domain: "x.example", Owner: "nobody"}}
	fresh, err = Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	if why := Stale(saved, fresh); len(why) != 1 || !strings.Contains(why[0], codeSiteOwner) {
		t.Errorf("stale: %v", why)
	}
}

// TestJudge: policies are sealed into the plan.
func TestJudge(t *testing.T) {
	w := waivedWorld()
	w.cfg.Policies = []schema.Condition{{Name: "size"}, {Name: "total"}}
	w.cfg.Migration.Waivers = append(w.cfg.Migration.Waivers, schema.Waiver{Code: "policy:size", By: "ann", Reason: "agreed", Expires: "2026-12-31"})
	p, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	before := encoded(t, p)
	digest := p.Digest
	p.Judge([]schema.Finding{{Code: "policy:size", Severity: schema.Blocker, Summary: "large"}}, nil)
	if p.Blocked() || len(p.Refusals()) > 0 {
		t.Errorf("a waived policy refuses: %+v", p.Findings)
	}
	if d, _ := Digest(p); p.Digest == digest || p.Digest != d {
		t.Errorf("the plan is not sealed again: %s, was %s", p.Digest, digest)
	}
	judged, err := Decode(encoded(t, p))
	if err != nil || judged.Findings[0].Code != codeRuntime && judged.Findings[1].Code != codeRuntime {
		t.Errorf("%v, %+v", err, judged.Findings)
	}
	fresh, err := Decode(before)
	if err != nil {
		t.Fatal(err)
	}
	fresh.Judge([]schema.Finding{{Code: "policy:total", Severity: schema.Blocker, Summary: "long"}}, nil)
	if !fresh.Blocked() || len(fresh.Refusals()) != 1 || len(fresh.Runnable()) == 0 {
		t.Errorf("refusals %+v", fresh.Refusals())
	}
	if why := Stale(p, fresh); len(why) != 1 || !strings.Contains(why[0], "policy:total is new") {
		t.Errorf("stale: %v", why)
	}
}

// TestJudgeDates: what a policy says of the dates of a plan refuses it, and is no
// part of what is digested.
func TestJudgeDates(t *testing.T) {
	w := waivedWorld()
	w.cfg.Policies = []schema.Condition{{Name: "late"}, {Name: "early"}}
	w.cfg.Migration.Waivers = append(w.cfg.Migration.Waivers, schema.Waiver{Code: "policy:early", By: "ann", Reason: "agreed", Expires: "2026-12-31"})
	dated := map[string]bool{"policy:late": true, "policy:early": true}
	judged := func(findings ...schema.Finding) *Plan {
		p, err := Compute(w.input())
		if err != nil {
			t.Fatal(err)
		}
		encoded(t, p) // seals it
		p.Judge(findings, dated)
		return p
	}
	fine := judged()
	late := judged(schema.Finding{Code: "policy:late", Severity: schema.Blocker, Summary: "late"})
	early := judged(schema.Finding{Code: "policy:early", Severity: schema.Blocker, Summary: "early"})
	if late.Digest != fine.Digest || early.Digest != fine.Digest {
		t.Error("the digest depends on the dates")
	}
	if why := Stale(fine, late); len(why) > 0 {
		t.Errorf("stale because of a date: %v", why)
	}
	if r := late.Refusals(); len(r) != 1 || r[0].Code != "policy:late" || !late.Blocked() {
		t.Errorf("refusals %+v", r)
	}
	if r := early.Refusals(); len(r) > 0 {
		t.Errorf("a waived policy refuses: %+v", r)
	}
	unused := func(p *Plan) (n int) {
		for _, f := range p.Dates.Findings {
			if f.Code == codeWaiverUnused && f.Object == "policy:early" {
				n++
			}
		}
		return n
	}
	if unused(fine) != 1 || unused(early) != 0 {
		t.Errorf("the waiver of a dated policy: %+v", fine.Dates.Findings)
	}
}

package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// TestStale: what makes a saved plan stale is named; what does not, does not.
func TestStale(t *testing.T) {
	shop := func(w *world) *schema.FoundAccount { return w.s.Account("shop") }
	for _, c := range []struct {
		name   string
		change func(*world)
		want   []string // parts of sentences, one each
	}{
		{"nothing", func(*world) {}, nil},
		{"a later clock", func(w *world) { w.now = w.now.Add(72 * time.Hour) }, nil},
		{"ordinary growth", func(w *world) {
			shop(w).Files.Bytes += 15 << 20
			shop(w).Mail.Messages += 100
			shop(w).Mail.Bytes += 500 << 10
			shop(w).Databases[0].Bytes += 5 << 20
		}, nil},
		{"a size outside the band", func(w *world) { shop(w).Databases[0].Bytes *= 2 }, []string{"databases of account shop had 50.0 MiB and has 100.0 MiB, more than 20 % apart"}},
		{"a size that shrank", func(w *world) { shop(w).Files.Bytes = 10 }, []string{"files of account shop had 100.0 MiB and has 10 bytes"}},
		{"a database more", func(w *world) {
			shop(w).Databases = append(shop(w).Databases, schema.Database{Engine: "sqlite", Name: "new.sqlite", Mode: "wal"})
		}, []string{"databases of account shop: sqlite/new.sqlite wal is new"}},
		{"a database less", func(w *world) { shop(w).Databases = nil }, []string{"databases of account shop: sqlite/site.sqlite wal is gone"}},
		{"another journal mode", func(w *world) { shop(w).Databases[0].Mode = "delete" },
			[]string{"was to be done by wal and would be done by whole", "sqlite-not-wal is new", "is new", "is gone"}},
		{"a mailbox more", func(w *world) { shop(w).Mail.Mailboxes = append(shop(w).Mail.Mailboxes, "bob@shop.example.org") },
			[]string{"mail of account shop: bob@shop.example.org is new"}},
		{"another runtime in use", func(w *world) {
			shop(w).Runtimes = []schema.RuntimeUse{{Name: "php", Version: "8.3", By: "site"}}
		}, []string{"settings of account shop: runtime php 8.3 site is new"}},
		{"a blocker", func(w *world) {
			shop(w).Runtimes = []schema.RuntimeUse{{Name: "php", Version: "5.6", By: "site"}}
		}, []string{"shop: runtime-not-offered is new: php 5.6"}},
		{"an account more", func(w *world) { copyOf(w.s, &schema.FoundAccount{Name: "later"}).Owner.State = schema.StateUnmanaged },
			[]string{"account later is new"}},
		{"an account less", func(w *world) { w.s.Accounts = w.s.Accounts[1:] }, []string{"account blog is gone"}},
		{"another machine", func(w *world) { w.s.Machine = "machine-x" }, []string{"machine of server client was \"machine-s0\" and is \"machine-x\""}},
		{"another engine version", func(w *world) { w.s.Engines = []schema.EngineOffer{{Name: "mariadb", Version: "10.5"}} },
			[]string{"engines of server client was"}},
		{"a transit server without records", func(w *world) { w.t.Can[schema.CanOwn] = false }, []string{"transit: capability-missing is new"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := smallWorld("blog", "shop")
			saved := mustCompute(t, w)
			c.change(w)
			got := Stale(saved, mustCompute(t, w))
			if len(c.want) == 0 && len(got) > 0 {
				t.Fatalf("stale: %q", got)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
					t.Errorf("no sentence has %q: %q", want, got)
				}
			}
		})
	}
}

func mustCompute(t *testing.T, w *world) *Plan {
	t.Helper()
	p, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestStaleAfterSomebodyElse: another run has moved the account further than
// the saved plan was to.
func TestStaleAfterSomebodyElse(t *testing.T) {
	w := smallWorld("blog", "shop")
	w.goal.Until = schema.PhaseInstall
	saved := mustCompute(t, w)
	w.goal = Goal{}
	if err := w.run(mustCompute(t, w), never); err != nil {
		t.Fatal(err)
	}
	w.goal.Until = schema.PhaseInstall
	got := Stale(saved, mustCompute(t, w))
	if !slices.Contains(got, "account shop was on client at epoch 0 and is on transit at epoch 1") {
		t.Errorf("%q", got)
	}
}

// TestWithin: what was behind a gate when a plan was saved does not run from
// it, even when the gate was closed since.
func TestWithin(t *testing.T) {
	w := smallWorld("shop")
	if err := w.run(mustCompute(t, w), never); err != nil {
		t.Fatal(err)
	}
	saved := mustCompute(t, w)
	for range 2 {
		for _, g := range mustCompute(t, w).Waiting() {
			if err := w.close(g); err != nil {
				t.Fatal(err)
			}
		}
	}
	fresh := mustCompute(t, w)
	if why := Stale(saved, fresh); len(why) > 0 {
		t.Fatalf("stale: %q", why)
	}
	if len(fresh.Runnable()) == 0 {
		t.Fatal("nothing would run after the confirmation")
	}
	if steps := Within(saved, fresh).Runnable(); len(steps) > 0 {
		t.Errorf("%s would run from the saved plan", steps[0].ID)
	}
	if len(fresh.Runnable()) == 0 {
		t.Error("the fresh plan was changed")
	}
}

// TestFindingKinds: the registry is complete and says everything.
func TestFindingKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range FindingKinds() {
		if seen[k.Code] {
			t.Errorf("%s twice", k.Code)
		}
		seen[k.Code] = true
		if k.Title == "" || k.Doc == "" || rank(k.Severity) == 0 || k.Remedy == "" && k.Severity != schema.Info {
			t.Errorf("%+v", k)
		}
		if !slices.Contains([]string{"documented", "observed", "inferred"}, k.Certainty) {
			t.Errorf("%s is %s", k.Code, k.Certainty)
		}
	}
}

// TestComputeRefuses: what no caller may build is an error, not a finding.
func TestComputeRefuses(t *testing.T) {
	for name, change := range map[string]func(*Input){
		"no configuration": func(in *Input) { in.Config = nil },
		"no inventory":     func(in *Input) { in.Inventory = nil },
		"no process":       func(in *Input) { in.Config.Migration.Process = "x" },
		"no source":        func(in *Input) { in.Config.Migration.Source = "x" },
		"no phase":         func(in *Input) { in.Goal.Until = "x" },
	} {
		in := smallWorld("shop").input()
		change(&in)
		if _, err := Compute(in); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestContradictions are those that a configuration file cannot hold, while a
// plan's or a Terraform configuration can.
func TestContradictions(t *testing.T) {
	w := smallWorld("a", "b", "c")
	w.cfg.Migration.Accounts = []schema.Account{{Name: "a", After: []string{"b"}}, {Name: "b", After: []string{"a"}}, {Name: "c"}}
	w.cfg.Migration.Stays = []schema.Stay{{Account: "c", Action: "retire", Reason: "x"}}
	long := strings.Repeat("/", 90)
	w.s.Accounts = append(w.s.Accounts, &schema.FoundAccount{Name: long, Owner: schema.Ownership{State: schema.StateUnmanaged}})
	in := w.input()
	p, err := Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	checkLaws(t, in, p)
	var got []string
	for _, f := range p.Blockers() {
		got = append(got, f.Code+" "+f.Account)
	}
	want := []string{codeNameUnusable + " " + long, codeAfterCycle + " a", codeAfterCycle + " b", codeStaysNamed + " c"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestStatus are the helpers that faces of the program use.
func TestStatus(t *testing.T) {
	w := smallWorld("blog", "shop")
	if err := w.run(mustCompute(t, w), never); err != nil {
		t.Fatal(err)
	}
	p := mustCompute(t, w)
	if n := len(p.Waiting()); n != 2 || p.Current() != schema.PhaseVerify {
		t.Errorf("%d gates wait in %s", n, p.Current())
	}
	if got := p.MatchGates("verify.accept[*]"); len(got) != 2 {
		t.Errorf("verify.accept[*] names %d gates", len(got))
	}
	if got := p.MatchGates("verify.accept[sh?p]"); len(got) != 1 || got[0].Account != "shop" {
		t.Errorf("verify.accept[sh?p] names %v", got)
	}
	if got := p.MatchGates("verify.accept"); len(got) != 0 {
		t.Errorf("verify.accept names %v", got)
	}
	if g := p.Gate("verify.accept[shop]"); g == nil || g.Evidence == "" || !g.Open {
		t.Errorf("%+v", g)
	}
	if s := p.Stages(); s[StageOnTransit] != 2 {
		t.Errorf("%v", s)
	}
	if a := p.Account("shop"); a == nil || a.Where != "transit" || !a.RollbackOK {
		t.Errorf("%+v", a)
	}
	if ph := p.Phase(schema.PhaseMigrate); ph == nil || ph.State != PhaseDone {
		t.Errorf("%+v", ph)
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true}, {"*", "abc", true}, {"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "acb", false}, {"?", "", false},
		{"?b?", "abc", true}, {"**a**", "xxaxx", true}, {"a", "b", false}, {"", "", true}, {"", "a", false}, {"*a*b*c", "xaybzc", true},
	} {
		if got := Glob(c.pattern, c.s); got != c.want {
			t.Errorf("Glob(%q, %q) is %v", c.pattern, c.s, got)
		}
	}
}

package plan

import (
	"slices"
	"testing"

	"github.com/stopover/stopover/schema"
)

// travelled is a world whose accounts are on transit, probed and accepted.
func travelled(t *testing.T, names ...string) *world {
	t.Helper()
	w := smallWorld(names...)
	for range 12 {
		p, err := Compute(w.input())
		if err != nil {
			t.Fatal(err)
		}
		if p.Current() == schema.PhaseReinstall {
			return w
		}
		if err := w.run(p, never); err != nil {
			t.Fatal(err)
		}
		for _, g := range p.Waiting() {
			if err := w.close(g); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("nobody arrives")
	return nil
}

// TestMovedApproval: an acceptance that was given under the old name counts under
// the new one, where the records are kept under the new one too, and so do
// baselines and probes. Without the block nothing of it does.
func TestMovedApproval(t *testing.T) {
	w := travelled(t, "blog", "shop")
	for _, s := range []*schema.FoundServer{w.s, w.t} {
		s.Account("shop").Name = "cart"
		slices.SortFunc(s.Accounts, func(x, y *schema.FoundAccount) int { return compareNames(x.Name, y.Name) })
	}
	stage := func() string {
		p, err := Compute(w.input())
		if err != nil {
			t.Fatal(err)
		}
		checkLaws(t, w.input(), p)
		return p.Account("cart").Stage
	}
	if got := stage(); got != StageOnTransit {
		t.Errorf("without a block: %s", got)
	}
	w.cfg.Migration.Moved = []schema.Moved{{From: "shop", To: "cart"}}
	if got := stage(); got != StageAccepted {
		t.Errorf("with a block: %s", got)
	}
	// Renamed twice, by two blocks in any order.
	for _, s := range []*schema.FoundServer{w.s, w.t} {
		s.Account("cart").Name = "till"
		slices.SortFunc(s.Accounts, func(x, y *schema.FoundAccount) int { return compareNames(x.Name, y.Name) })
	}
	for _, moved := range [][]schema.Moved{
		{{From: "shop", To: "cart"}, {From: "cart", To: "till"}},
		{{From: "cart", To: "till"}, {From: "shop", To: "cart"}},
		{{From: "shop", To: "till"}},
	} {
		w.cfg.Migration.Moved = moved
		p, err := Compute(w.input())
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Account("till").Stage; got != StageAccepted {
			t.Errorf("%v: %s, %+v", moved, got, p.Findings)
		}
	}
}

func compareNames(x, y string) int {
	if x < y {
		return -1
	}
	return 1
}

// TestMovedCircle: blocks that lead in a circle do not hang.
func TestMovedCircle(t *testing.T) {
	w := smallWorld("till")
	w.cfg.Migration.Moved = []schema.Moved{{From: "a", To: "b"}, {From: "b", To: "a"}, {From: "c", To: "c"}, {From: "x", To: "till"}, {From: "y", To: "x"}}
	p, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	checkLaws(t, w.input(), p)
}

// TestRenamedFacts: every fact about an account goes to its new name, no other
// fact is touched, and what the new name has itself counts.
func TestRenamedFacts(t *testing.T) {
	w := smallWorld()
	w.remember(BaselineID("a/b", "home"), schema.FactBaseline, "a/b", schema.BaselineFact{Probe: "home", Status: 200})
	w.remember(PreparedID("a/b"), schema.FactPrepared, "a/b", true)
	w.remember(TrialID("a/b", "x", 3), schema.FactTrial, "a/b", schema.TrialFact{})
	w.remember(NamedID("a/b"), schema.FactNamed, "a/b", schema.NamedFact{ID: "1"})
	w.remember(RetiredAccountID("a/b"), schema.FactDisposed, "a/b", true)
	w.remember(DisposedResidueID("/a/b"), schema.FactDisposed, "", true)
	w.remember(PreparedID("other"), schema.FactPrepared, "other", true)
	w.remember(ApprovalID("verify.accept[a%2Fb]", "sha256:1"), schema.FactApproval, "a/b", schema.Approval{Gate: "verify.accept[a%2Fb]", Evidence: "sha256:1"})
	r := renames{to: map[string]string{"a/b": "n*"}, from: map[string][]string{"n*": {"a/b"}}}
	var ids []string
	for _, f := range r.facts(w.facts) {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	want := []string{BaselineID("n*", "home"), PreparedID("n*"), TrialID("n*", "x", 3), NamedID("n*"), RetiredAccountID("n*"),
		DisposedResidueID("/a/b"), PreparedID("other"), ApprovalID("verify.accept[n%2A]", "sha256:1")}
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("got %q\nwant %q", ids, want)
	}
	m := remember(r.facts(w.facts))
	if len(m.approvals["verify.accept[n%2A]"]) != 1 {
		t.Errorf("the approval is lost: %v", m.approvals)
	}
}

// TestMovedRequest: an approval that names every account counts after one of them
// was renamed, whatever that does to their order.
func TestMovedRequest(t *testing.T) {
	w := smallWorld("blog", "shop")
	w.t.Can[schema.CanProvision] = false
	w.cfg.Migration.Accounts = []schema.Account{{Name: "blog", After: []string{"shop"}}}
	p := mustCompute(t, w)
	if err := w.run(p, never); err != nil {
		t.Fatal(err)
	}
	for _, g := range mustCompute(t, w).Waiting() {
		if err := w.close(g); err != nil {
			t.Fatal(err)
		}
	}
	w.s.Account("shop").Name = "alpha"
	slices.SortFunc(w.s.Accounts, func(x, y *schema.FoundAccount) int { return compareNames(x.Name, y.Name) })
	w.cfg.Migration.Moved = []schema.Moved{{From: "shop", To: "alpha"}}
	p = mustCompute(t, w)
	if g := p.Gate(GateID(schema.PhaseRequest, "transit", "transit")); g == nil || g.Closed == "" {
		t.Errorf("the approval is lost: %+v", g)
	}
}

package plan

import (
	"encoding/json"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stopover/stopover/schema"
)

// Whatever is recorded anew, an acceptance from before does not hold for it; what
// is the same, in whatever order the facts come, shows the same evidence.
func TestEvidenceFollowsTheBaseline(t *testing.T) {
	a, err := txtar.ParseFile("testdata/verify_open.txtar")
	if err != nil {
		t.Fatal(err)
	}
	in := caseInput(t, a)
	evidence := func(facts ...schema.Fact) string {
		t.Helper()
		now := in
		now.Past.Facts = append(append([]schema.Fact{}, in.Past.Facts...), facts...)
		p, err := Compute(now)
		if err != nil {
			t.Fatal(err)
		}
		g := p.Gate("verify.accept[shop]")
		if g == nil || g.Evidence == "" {
			t.Fatal("the gate shows no evidence")
		}
		return g.Evidence
	}
	fact := func(id, kind string, v any) schema.Fact {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return schema.Fact{ID: id, Kind: kind, Account: "shop", Value: raw}
	}
	base := func(n int) schema.Fact {
		return fact(BaselineAgainID("shop", "home", n), schema.FactBaseline, schema.BaselineFact{Probe: "home", Status: 200})
	}
	asked := func(n int, ok bool) schema.Fact {
		return fact(ProbedAgainID("shop", 1, n), schema.FactProbed, ProbedFact{Epoch: 1, OK: ok})
	}
	first := evidence()
	seen := map[string]bool{first: true}
	for _, facts := range [][]schema.Fact{{base(2)}, {base(2), base(3)}, {base(2), base(10)}, {asked(2, false)}, {base(2), asked(2, false)}} {
		e := evidence(facts...)
		if seen[e] {
			t.Errorf("%v shows evidence that was shown before", facts)
		}
		seen[e] = true
	}
	if evidence(asked(2, true)) != first { // the same answers, asked for again
		t.Error("equal answers are other evidence")
	}
	if evidence(asked(10, true), asked(9, false)) != first {
		t.Error("not the newest answers count")
	}
	if evidence(base(2), base(3)) != evidence(base(3), base(2)) {
		t.Error("the order of facts counts")
	}
	gone := base(2)
	gone.Revoked = true
	if evidence(gone) != first {
		t.Error("a baseline that was taken back counts")
	}
}

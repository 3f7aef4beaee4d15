package setup

import (
	"slices"
	"testing"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers/all"
)

// TestFindingsOfSurveys: what surveys find is explained in the registry, and the
// registry says of nothing else that surveys find it.
func TestFindingsOfSurveys(t *testing.T) {
	var codes []string
	for _, k := range all.Kinds() {
		for _, code := range k.Findings {
			codes = append(codes, code)
			if f := plan.KindOf(code); f == nil || !f.Survey {
				t.Errorf("%s finds %s, which the registry does not have as a finding of a survey", k.Name, code)
			}
		}
	}
	for _, f := range plan.FindingKinds() {
		if f.Survey && !slices.Contains(codes, f.Code) {
			t.Errorf("no survey finds %s", f.Code)
		}
	}
}

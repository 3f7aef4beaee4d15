package apply

import (
	"errors"
	"testing"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// A policy that blocks refuses what moves accounts on. It closes neither the way
// back nor a look.
func TestPermit(t *testing.T) {
	policy := []schema.Finding{{Code: plan.PolicyPrefix + "no long outage", Severity: schema.Blocker}}
	for name, c := range map[string]struct {
		goal    plan.Goal
		refused bool
	}{
		"all":      {plan.Goal{}, true},
		"until":    {plan.Goal{Until: schema.PhaseMigrate}, true},
		"rollback": {plan.Goal{Rollback: []string{"shop"}}, false},
		"verify":   {plan.Goal{Verify: []string{"*"}}, false},
	} {
		err := Permit(&plan.Plan{Goal: c.goal, Findings: policy})
		var refused *RefusedError
		if errors.As(err, &refused) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
		if err := Permit(&plan.Plan{Goal: c.goal}); err != nil {
			t.Errorf("%s without a policy: %v", name, err)
		}
	}
}

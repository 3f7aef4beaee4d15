package apply

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// newObjects compares the databases that the frozen account has with those that
// were planned for, and does with a new one what the plan says: the final sync
// moves it, or the cutover is given up. A plan that syncs no databases at all
// cannot move any.
func (c *cutover) newObjects(f providers.Frozen) error {
	var sync *plan.Step
	for i := range c.u.steps {
		if c.u.steps[i].Op == plan.OpFinalSync && c.u.steps[i].Part == plan.PartDatabases {
			sync = &c.u.steps[i]
		}
	}
	var fresh []string
	for _, d := range f.Databases {
		name := d.Engine + "/" + d.Name
		if sync == nil || !slices.Contains(sync.Objects, name) {
			fresh = append(fresh, name)
		}
	}
	switch {
	case len(fresh) == 0:
		return nil
	case sync == nil, !strings.HasPrefix(sync.OnNew, "move"):
		return fmt.Errorf("%s has databases that the plan does not know (%s): plan again", schema.QuoteName(c.s.Account), strings.Join(fresh, ", "))
	}
	c.mu.Lock()
	c.notes = append(c.notes, "new since the plan was made, and moved: "+strings.Join(fresh, ", "))
	c.mu.Unlock()
	return nil
}

package plan

import (
	"time"

	"github.com/stopover/stopover/schema"
)

// dates are predictions; nothing else depends on the clock.
func (b *builder) dates() Dates {
	d := Dates{Computed: b.in.Now}
	var left time.Duration
	for i := range b.steps {
		if !b.steps[i].Undo {
			left += b.steps[i].Estimate.Duration
		}
	}
	switch {
	case left == 0 || b.in.Now.IsZero():
	case b.past.has(schema.FactHandover) || b.t.present:
		d.Ends = b.in.Now.Add(left)
	default:
		d.FromHand = "+" + roughly(left)
	}
	return d
}

// roughly is a duration for people who plan days ahead.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day {
		return itoa(int64((d+day-1)/day)) + " d"
	}
	return itoa(int64((d+time.Hour-1)/time.Hour)) + " h"
}

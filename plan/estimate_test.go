package plan

import (
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// Three noisy measurements of accounts of about one size say nothing of how
// time grows with the size: a line through them once predicted half a minute
// for what took half a second.
func TestEstimateOfOneSize(t *testing.T) {
	timings := []Timing{
		{Op: string(OpCompare), Bytes: 50 << 20, Duration: 200 * time.Millisecond},
		{Op: string(OpCompare), Bytes: 51 << 20, Duration: 900 * time.Millisecond},
		{Op: string(OpCompare), Bytes: 52 << 20, Duration: 400 * time.Millisecond},
	}
	e := newEstimator(timings, &schema.Process{})
	for _, bytes := range []int64{0, 50 << 20, 5 << 30} {
		if got := e.of(OpCompare, bytes).Duration; got != 400*time.Millisecond {
			t.Errorf("%d bytes: %v", bytes, got)
		}
	}
	timings = append(timings, Timing{Op: string(OpCompare), Bytes: 500 << 20, Duration: 5 * time.Second})
	e = newEstimator(timings, &schema.Process{})
	small, large := e.of(OpCompare, 50<<20).Duration, e.of(OpCompare, 1<<30).Duration
	if small > time.Second || large < 8*time.Second || large > 13*time.Second {
		t.Errorf("with a spread of sizes: %v and %v", small, large)
	}
}

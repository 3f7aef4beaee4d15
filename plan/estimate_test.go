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
	e := newEstimator(Past{Timings: timings}, &schema.Process{})
	for _, bytes := range []int64{0, 50 << 20, 5 << 30} {
		if got := e.of(OpCompare, bytes).Duration; got != 400*time.Millisecond {
			t.Errorf("%d bytes: %v", bytes, got)
		}
	}
	timings = append(timings, Timing{Op: string(OpCompare), Bytes: 500 << 20, Duration: 5 * time.Second})
	e = newEstimator(Past{Timings: timings}, &schema.Process{})
	small, large := e.of(OpCompare, 50<<20).Duration, e.of(OpCompare, 1<<30).Duration
	if small > time.Second || large < 8*time.Second || large > 13*time.Second {
		t.Errorf("with a spread of sizes: %v and %v", small, large)
	}
}

// Predictions neither fall with size nor go below zero.
func TestFit(t *testing.T) {
	s := func(bytes int64, d time.Duration) sample {
		return sample{x: [2]float64{float64(bytes)}, y: float64(d)}
	}
	l := fit([]sample{s(0, time.Second), s(1000, 2*time.Second), s(2000, 3*time.Second)})
	if got := rounded(l.at(4000)); got != 5*time.Second {
		t.Errorf("got %s", got)
	}
	l = fit([]sample{s(0, 3*time.Second), s(1000, 2*time.Second), s(2000, time.Second)})
	if got := rounded(l.at(1 << 40)); got != 2*time.Second {
		t.Errorf("bigger is predicted as faster: %s", got)
	}
	l = fit([]sample{s(1000, time.Second), s(5000, 30*time.Second), s(9000, 80*time.Second)})
	if got := rounded(l.at(0)); got < 0 {
		t.Errorf("a negative duration: %s", got)
	}
	if got := rounded(1e300); got <= 0 {
		t.Errorf("a duration that nobody can write down became %s", got)
	}
}

// One wild measurement among others of its size moves a prediction little,
// wherever it lies.
func TestFitWild(t *testing.T) {
	for size := range 3 {
		var list []sample
		for i := range 30 {
			x := []float64{1000, 10000, 100000}[i%3]
			list = append(list, sample{x: [2]float64{x}, y: 0.15e9 + 16e3*x*(1+0.05*float64(i%7-3))})
		}
		good := fit(list)
		list[size].y *= 50
		wild := fit(list)
		list[size].y = 1
		fast := fit(list)
		for _, x := range []float64{0, 1000, 30000, 200000} {
			for _, l := range []line{wild, fast} {
				if r := l.at(x) / good.at(x); r < 0.9 || r > 1.1 {
					t.Errorf("one wild measurement at size %d moved the prediction for %.0f entries by the factor %.2f", size, x, r)
				}
			}
		}
	}
}

// TestEstimateParts: files are copied slower than databases, and by entries.
func TestEstimateParts(t *testing.T) {
	var past Past
	for i := int64(1); i <= 6; i++ {
		past.Timings = append(past.Timings,
			Timing{Op: string(OpPrecopy), Part: PartFiles, Bytes: i << 20, Entries: i * i * 1000, Duration: time.Duration(i)*10*time.Millisecond + time.Duration(i*i)*200*time.Millisecond},
			Timing{Op: string(OpPrecopy), Part: PartDatabases, Bytes: i << 28, Entries: 2, Duration: time.Duration(i) * time.Second})
	}
	e := newEstimator(past, &schema.Process{})
	near := func(what string, got Estimate, want time.Duration) {
		t.Helper()
		if got.Confidence != confidenceMeasured || got.Duration < want*4/5 || got.Duration > want*6/5 {
			t.Errorf("%s: %v, want about %v", what, got, want)
		}
	}
	near("files", e.copying(OpPrecopy, PartFiles, 4<<20, 16000), 3240*time.Millisecond)
	near("many files", e.copying(OpPrecopy, PartFiles, 6<<20, 100000), 20060*time.Millisecond)
	near("databases", e.copying(OpPrecopy, PartDatabases, 1<<30, 3), 4*time.Second)
	if got := e.copying(OpWarm, "", 1<<30, 0); got.Confidence != confidenceUnknown || got.Duration != 0 {
		t.Errorf("nothing was measured: %v", got)
	}
}

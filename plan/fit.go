package plan

import (
	"cmp"
	"slices"
)

// sample is one measurement: what was there, and what it took in nanoseconds.
type sample struct {
	x [2]float64
	y float64
}

// line is a duration as a sum: a base, and so much for each unit of each x.
type line struct {
	base float64 // nanoseconds
	per  [2]float64
}

// enoughTimings is how many measurements a prediction needs.
const enoughTimings = 3

// spread is how much larger the largest measured x has to be than the smallest
// before a slope between them means anything. Below that what differs is the
// noise of the machine, and a line through it runs away with the size.
const spread = 4

// most is how many measurements are looked at, the newest: what a machine did
// long ago says little of what it does now.
const most = 200

// fit is the line whose errors, as a share of what is predicted, have the least
// sum. Sums of squares would let one wild measurement pull the line to it; sums
// of errors do not, as a median does not. Neither base nor slopes are negative:
// nothing takes less time because there is more of it. Where all was of about
// one size the line is the median.
func fit(list []sample) line {
	if len(list) > most {
		list = list[len(list)-most:]
	}
	use := [3]bool{true} // base, slopes
	for j := range list[0].x {
		use[j+1] = spreads(list, j)
	}
	for {
		c := balance(list, use)
		worst := -1
		for j := range c {
			if c[j] < 0 && (worst < 0 || c[j] < c[worst]) {
				worst = j
			}
		}
		switch {
		case !use[1] && !use[2]:
			return line{base: median(list)}
		case worst < 0:
			l := line{base: c[0]}
			for j := range l.per {
				l.per[j] = c[j+1] / largest(list, j)
			}
			return l
		}
		use[worst] = false
	}
}

func (l line) at(x ...float64) float64 {
	y := l.base
	for j, v := range x {
		y += float64(l.per[j] * v)
	}
	return y
}

// spreads says whether one x differs enough for a slope.
func spreads(list []sample, j int) bool {
	lo := list[0].x[j]
	for _, s := range list {
		lo = min(lo, s.x[j])
	}
	return largest(list, j) >= spread*max(1, lo)
}

func largest(list []sample, j int) float64 {
	hi := 0.0
	for _, s := range list {
		hi = max(hi, s.x[j])
	}
	return max(1, hi)
}

// balance finds the coefficients for x as a share of its largest, those that are
// not used being 0: least squares again and again, each measurement weighed by
// how far it was off before, until that is the same as least errors. The
// explicit conversions forbid fused operations, so that each machine computes
// the same.
func balance(list []sample, use [3]bool) [3]float64 {
	const rounds, closest, smallest = 40, 1e-3, 1e-2
	mid := max(1, median(list))
	top := [2]float64{largest(list, 0), largest(list, 1)}
	var c [3]float64
	for round := range rounds {
		var m [3][4]float64
		for _, s := range list {
			x := [4]float64{1, s.x[0] / top[0], s.x[1] / top[1], s.y}
			weight := 1 / mid
			if round > 0 {
				y := float64(c[0]) + float64(c[1]*x[1]) + float64(c[2]*x[2])
				scale := max(y, float64(smallest*mid))
				off := max(s.y-y, y-s.y, float64(closest*scale))
				weight = 1 / float64(scale*off)
			}
			for j := range m {
				for k := range x {
					m[j][k] += float64(weight * float64(x[j]*x[k]))
				}
			}
		}
		c = solve(m, use)
	}
	return c
}

// solve solves three equations in three unknowns, leaving out those that are not
// used, and those that depend on the others.
func solve(m [3][4]float64, use [3]bool) [3]float64 {
	const nothing = 1e-10 // of what was there: what is left is the noise of subtraction
	var done [3]bool
	whole := [3]float64{m[0][0], m[1][1], m[2][2]}
	for j := range m {
		pivot := m[j][j]
		if !use[j] || pivot <= float64(nothing*whole[j]) {
			continue
		}
		done[j] = true
		for k := range m[j] {
			m[j][k] /= pivot
		}
		for i := range m {
			if i == j {
				continue
			}
			f := m[i][j]
			for k := range m[i] {
				m[i][k] -= float64(f * m[j][k])
			}
		}
	}
	var c [3]float64
	for j := range c {
		if done[j] {
			c[j] = m[j][3]
		}
	}
	return c
}

// median is the middle duration, the lower one of two.
func median(list []sample) float64 {
	all := make([]weighted, len(list))
	for i, s := range list {
		all[i] = weighted{s.y, 1}
	}
	return middle(all)
}

// weighted is one value and how much it counts.
type weighted struct{ value, weight float64 }

// middle is the weighted median, the lower one of two; 0 of nothing.
func middle(list []weighted) float64 {
	slices.SortFunc(list, func(a, b weighted) int {
		return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.weight, b.weight))
	})
	var all, sum float64
	for _, w := range list {
		all += w.weight
	}
	for _, w := range list {
		if sum += w.weight; sum+sum >= all {
			return w.value
		}
	}
	return 0
}

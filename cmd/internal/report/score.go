package report

import (
	"math"
	"slices"
	"time"
)

// Score says how well downtimes were predicted. An error is the difference of
// what was predicted and what was measured, as a part of what was measured.
type Score struct {
	Count    int           `json:"count"`     // moves that were predicted and measured
	Median   float64       `json:"median"`    // absolute error
	Most95   float64       `json:"p95"`       // 95 of 100 errors are at most this
	Worst    float64       `json:"worst"`     //
	Of       string        `json:"of"`        // the account with the worst
	Late     int           `json:"longer"`    // took longer than predicted
	Early    int           `json:"shorter"`   // took less
	Sum      time.Duration `json:"measured"`  // of all of them
	Promised time.Duration `json:"predicted"` // of all of them
}

// Error is how far a prediction was off, as a part of what was measured;
// negative: less was predicted than came. Zero and false where one is missing.
func (m *Move) Error() (float64, bool) {
	if m.Predicted <= 0 || m.Downtime <= 0 {
		return 0, false
	}
	return float64(m.Predicted-m.Downtime) / float64(m.Downtime), true
}

func score(accounts []Account) *Score {
	s := &Score{}
	var off []float64
	for i := range accounts {
		for j := range accounts[i].Moves {
			m := &accounts[i].Moves[j]
			e, ok := m.Error()
			if !ok {
				continue
			}
			s.Sum += m.Downtime
			s.Promised += m.Predicted
			if e < 0 {
				s.Late++
			} else if e > 0 {
				s.Early++
			}
			if e = math.Abs(e); len(off) == 0 || e > s.Worst {
				s.Worst, s.Of = e, accounts[i].Name
			}
			off = append(off, e)
		}
	}
	if len(off) == 0 {
		return nil
	}
	slices.Sort(off)
	s.Count = len(off)
	s.Median = off[(len(off)-1)/2]
	if len(off)%2 == 0 {
		s.Median = (s.Median + off[len(off)/2]) / 2
	}
	s.Most95 = off[int(math.Ceil(0.95*float64(len(off))))-1]
	return s
}

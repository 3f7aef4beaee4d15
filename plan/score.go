package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// Scored holds predictions of downtime against what was measured.
type Scored struct {
	N        int       `json:"n"`                  // cutovers that were predicted and measured
	Median   float64   `json:"median,omitempty"`   // of the errors, as a share of what was measured: 0.2 is 20 %
	P95      float64   `json:"p95,omitempty"`      // 95 % of the errors are not larger
	Cutovers []Verdict `json:"cutovers,omitempty"` // in the order in which they happened
}

// Verdict is one cutover as it was predicted and as it was.
type Verdict struct {
	Account    string        `json:"account"`
	Epoch      uint64        `json:"epoch"` // after the switch
	At         time.Time     `json:"at"`
	To         string        `json:"to,omitempty"`
	Predicted  time.Duration `json:"predicted"`
	Measured   time.Duration `json:"measured"`
	Confidence string        `json:"confidence,omitempty"`
	Error      float64       `json:"error"` // (predicted - measured) / measured; negative: it took longer than was said
}

// Score compares what plans have said of the downtime of cutovers with what was
// measured. Cutovers of which one of the two is not known are left out: one that
// was finished after a crash has no downtime that could be measured.
func Score(past Past) Scored { return score(past, "") }

// ScoreOf is Score of the predictions of one confidence only: "measured" says
// how good the model is, "rule" how good the process's rule of thumb was.
func ScoreOf(past Past, confidence string) Scored { return score(past, confidence) }

func score(past Past, confidence string) Scored {
	var out Scored
	var errors []float64
	for _, s := range switches(past.Facts) {
		v := Verdict{Account: s.account, Epoch: s.value.Epoch, At: s.at, To: s.value.To,
			Predicted: s.value.Predicted, Measured: s.value.Downtime, Confidence: s.value.Confidence}
		if v.Predicted <= 0 || v.Measured <= 0 || confidence != "" && v.Confidence != confidence {
			continue
		}
		v.Error = float64(v.Predicted-v.Measured) / float64(v.Measured)
		out.Cutovers = append(out.Cutovers, v)
		errors = append(errors, max(v.Error, -v.Error))
	}
	out.N = len(errors)
	out.Median, out.P95 = quantile(errors, 50), quantile(errors, 95)
	return out
}

// quantile is the smallest value that so many percent are not larger than; 0 of
// nothing.
func quantile(list []float64, percent int) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return list[(len(list)*percent+99)/100-1]
}

// switched is one switch of an account, as it is remembered.
type switched struct {
	account string
	at      time.Time
	value   schema.MigratedFact
}

// switches are those that happened, oldest first.
func switches(facts []schema.Fact) []switched {
	var out []switched
	for i := range facts {
		f := &facts[i]
		if f.Kind != schema.FactMigrated || f.Revoked {
			continue
		}
		s := switched{account: accountOf(f), at: f.At}
		if json.Unmarshal(f.Value, &s.value) == nil {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b switched) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.account, b.account)
	})
	return out
}

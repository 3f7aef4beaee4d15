package plan

import (
	"math"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

func TestScore(t *testing.T) {
	var past Past
	for i := range 20 {
		past.Facts = append(past.Facts, migratedFact("shop", i, schema.MigratedFact{Epoch: uint64(i + 1), To: "transit",
			Downtime: 100 * time.Millisecond, Predicted: time.Duration(100+5*i) * time.Millisecond, Confidence: confidenceMeasured}))
	}
	past.Facts = append(past.Facts,
		migratedFact("blog", 30, schema.MigratedFact{Epoch: 1, Downtime: time.Second, Predicted: 11 * time.Second, Confidence: confidenceRule}),
		migratedFact("wiki", 31, schema.MigratedFact{Epoch: 1, Downtime: time.Second}),  // nothing was predicted
		migratedFact("lost", 32, schema.MigratedFact{Epoch: 1, Predicted: time.Second}), // nothing could be measured
		migratedFact("fast", 33, schema.MigratedFact{Epoch: 1, Downtime: time.Second, Predicted: 1, Confidence: "odd"}),
		schema.Fact{ID: "migrated/x/1", Kind: schema.FactMigrated, Value: []byte(`{"epoch":1,"downtime":1,"predicted":1}`), Revoked: true},
		schema.Fact{ID: "migrated/y/1", Kind: schema.FactMigrated, Value: []byte(`"nothing"`)})
	s := ScoreOf(past, confidenceMeasured)
	if s.N != 20 || math.Abs(s.Median-0.45) > 1e-9 || math.Abs(s.P95-0.90) > 1e-9 {
		t.Errorf("%d %f %f", s.N, s.Median, s.P95)
	}
	all := Score(past)
	if all.N != 22 || all.P95 < 0.9 {
		t.Errorf("%d %f", all.N, all.P95)
	}
	if v := all.Cutovers[20]; v.Account != "blog" || v.Error != 10 || v.Measured != time.Second || v.Confidence != confidenceRule {
		t.Errorf("%+v", v)
	}
	if v := all.Cutovers[21]; v.Account != "fast" || v.Error > -0.99 {
		t.Errorf("%+v", v)
	}
	if s := Score(Past{}); s.N != 0 || s.Median != 0 || s.P95 != 0 {
		t.Errorf("%+v", s)
	}
	one := Score(Past{Facts: past.Facts[:1]})
	if one.N != 1 || one.Median != 0 || one.P95 != 0 {
		t.Errorf("%+v", one)
	}
}

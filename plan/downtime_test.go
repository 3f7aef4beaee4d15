package plan

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// asMeasured is how long a cutover takes with so many entries, as docs/performance.md
// has it: 0.16 s with 1,000, 0.33 s with 10,000, 1.8 s with 100,000, whatever
// the size of databases that show what changed in them.
func asMeasured(entries int64) time.Duration {
	return 150*time.Millisecond + time.Duration(entries)*16500*time.Nanosecond
}

// mixed are accounts of mixed sizes, whose databases are in WAL mode.
func mixed(n int, r *rand.Rand) []*schema.FoundAccount {
	out := make([]*schema.FoundAccount, n)
	for i := range out {
		entries := int64(math.Pow(10, 2+3*r.Float64())) // 100 to 100,000
		out[i] = &schema.FoundAccount{Name: fmt.Sprintf("cust-%03d", i), Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true},
			Files:     schema.Files{Bytes: entries * 9000, Entries: entries},
			Databases: []schema.Database{{Engine: "sqlite", Name: "site", Bytes: int64(math.Pow(10, 6+3*r.Float64())), Mode: "wal"}}}
	}
	return out
}

func migratedFact(name string, n int, m schema.MigratedFact) schema.Fact {
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return schema.Fact{ID: MigratedID(name, m.Epoch), Kind: schema.FactMigrated, Account: name, Value: raw, At: simStart.Add(time.Duration(n) * time.Minute)}
}

// predictions moves accounts one after the other, as the plan before each says
// how long that takes and as the world lets it take, and scores that.
func predictions(t *testing.T, accounts []*schema.FoundAccount, takes func(*schema.FoundAccount) time.Duration) Scored {
	t.Helper()
	w := smallWorld()
	w.s.Accounts = accounts
	for i, a := range accounts {
		p, err := Compute(w.input())
		if err != nil {
			t.Fatal(err)
		}
		var said time.Duration
		sure := ""
		for _, s := range p.Steps {
			if s.Account == a.Name && s.Phase == schema.PhaseMigrate && s.Group != "" && !s.Undo {
				said += s.Estimate.Downtime
				sure = s.Estimate.Confidence
			}
		}
		if said == 0 {
			t.Fatalf("nothing was predicted for %s", a.Name)
		}
		w.facts = append(w.facts, migratedFact(a.Name, i, schema.MigratedFact{Epoch: 1, To: "transit", Downtime: takes(a), Predicted: said, Confidence: sure}))
	}
	return ScoreOf(Past{Facts: w.facts}, confidenceMeasured)
}

// The aim: over 100 cutovers of mixed sizes the median error is at most 20 %,
// and 95 % of the errors are at most 50 %.
func TestPredictedDowntime(t *testing.T) {
	for _, c := range []struct {
		what        string
		noise       float64 // of a measurement, as a share
		wild        int     // one in so many takes five times as long
		median, p95 float64
	}{
		{"a quiet machine", 0.05, 0, 0.06, 0.20},
		{"a busy machine", 0.20, 0, 0.20, 0.50},
		{"a busy machine, with a wild one now and then", 0.20, 30, 0.20, 0.80},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := rand.New(rand.NewPCG(20261123, 5))
			n := 0
			s := predictions(t, mixed(100, r), func(a *schema.FoundAccount) time.Duration {
				d := float64(asMeasured(a.Files.Entries)) * math.Exp(c.noise*r.NormFloat64())
				if n++; c.wild > 0 && n%c.wild == 0 {
					d *= 5
				}
				return time.Duration(d)
			})
			t.Logf("%d cutovers: median error %.1f %%, 95 %% within %.1f %%", s.N, 100*s.Median, 100*s.P95)
			if s.N != 97 {
				t.Errorf("%d predictions from measurements, want all but the first three", s.N)
			}
			if s.Median > c.median || s.P95 > c.p95 {
				t.Errorf("median error %.1f %%, 95 %% within %.1f %%", 100*s.Median, 100*s.P95)
			}
		})
	}
}

// The table of docs/performance.md: three measurements are enough for a size
// between them, and databases in WAL mode do not count.
func TestPredictedLikeMeasured(t *testing.T) {
	w := smallWorld()
	w.s.Accounts = nil
	for i, c := range []struct {
		entries int64
		bytes   int64
		took    time.Duration
	}{{1000, 10 << 20, 163 * time.Millisecond}, {10000, 10 << 20, 325 * time.Millisecond}, {100000, 10 << 20, 1837 * time.Millisecond}, {1000, 100 << 20, 136 * time.Millisecond}} {
		name := fmt.Sprintf("a%d", i)
		w.s.Accounts = append(w.s.Accounts, &schema.FoundAccount{Name: name, Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true},
			Files: schema.Files{Entries: c.entries}, Databases: []schema.Database{{Engine: "sqlite", Name: "d", Mode: "wal", Bytes: c.bytes}}})
		w.facts = append(w.facts, migratedFact(name, i, schema.MigratedFact{Epoch: 1, Downtime: c.took}))
	}
	for _, c := range []struct {
		name    string
		entries int64
		bytes   int64
		want    time.Duration
	}{{"small", 1000, 1 << 30, 150 * time.Millisecond}, {"middle", 30000, 1 << 20, 650 * time.Millisecond}, {"large", 100000, 1 << 30, 1800 * time.Millisecond}, {"larger", 1000000, 0, 17 * time.Second}} {
		w.s.Accounts = append(w.s.Accounts, &schema.FoundAccount{Name: c.name, Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true},
			Files: schema.Files{Entries: c.entries}, Databases: []schema.Database{{Engine: "sqlite", Name: "d", Mode: "wal", Bytes: c.bytes}}})
		p, err := Compute(w.input())
		if err != nil {
			t.Fatal(err)
		}
		var got time.Duration
		for _, s := range p.Steps {
			if s.Account == c.name && s.Phase == schema.PhaseMigrate && s.Group != "" {
				got += s.Estimate.Downtime
			}
		}
		if got < c.want*8/10 || got > c.want*12/10 {
			t.Errorf("%s: %s, want about %s", c.name, got, c.want)
		}
	}
}

// builderOf is a builder up to where predictions are made.
func builderOf(t *testing.T, in Input) *builder {
	t.Helper()
	b, err := newBuilder(in)
	if err != nil {
		t.Fatal(err)
	}
	b.survey()
	b.collect()
	for _, a := range b.accounts {
		b.read(a)
	}
	b.model()
	return b
}

// Databases that are read whole count by their bytes; one measurement of the
// account itself counts half; what changes while the warm pass runs is sent
// within the cut.
func TestCutModel(t *testing.T) {
	w := smallWorld()
	w.s.Accounts = nil
	add := func(name string, entries, dump int64) *schema.FoundAccount {
		a := &schema.FoundAccount{Name: name, Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true}, Files: schema.Files{Entries: entries, Bytes: 1 << 30}}
		if dump > 0 {
			a.Databases = []schema.Database{{Engine: "mariadb", Name: "d", Bytes: dump}}
		}
		w.s.Accounts = append(w.s.Accounts, a)
		return a
	}
	var timings []Timing
	for i := range int64(12) {
		name := fmt.Sprintf("m%d", i)
		add(name, 1000*(1+i%3*20), (i%4)*100<<20)
		took := 100*time.Millisecond + time.Duration(1000*(1+i%3*20))*10*time.Microsecond + time.Duration((i%4)*100)*20*time.Millisecond
		timings = append(timings, Timing{Op: string(OpSwitch), Account: name, Downtime: took + 800*time.Millisecond, Sent: 80 << 20},
			Timing{Op: string(OpPrecopy), Part: PartFiles, Bytes: 1 << 30, Sent: 100 << 20, Duration: time.Second},
			Timing{Op: string(OpWarm), Bytes: 1 << 30, Duration: 10 * time.Second})
	}
	add("plain", 1000, 0)
	add("data", 1000, 400<<20)
	add("slow", 1000, 0)
	add("busy", 1000, 0)
	in := w.input()
	in.Past.Timings = append(timings, Timing{Op: string(OpSwitch), Account: "slow", Downtime: 11 * time.Second})
	day := simStart.AddDate(0, 0, -3)
	in.Past.Surveys = []Measured{
		{At: day, Accounts: map[string]Size{"busy": {Bytes: 1 << 30}, "plain": {Bytes: 1 << 30}}},
		{At: day.Add(10 * time.Second), Accounts: map[string]Size{"busy": {Bytes: 9 << 30}}},
		{At: day.Add(1000 * time.Second), Accounts: map[string]Size{"busy": {Bytes: 1<<30 + 10000<<20}, "plain": {Bytes: 1 << 30}}},
	}
	b := builderOf(t, in)
	for name, want := range map[string]time.Duration{
		"plain": 110 * time.Millisecond,
		"data":  110*time.Millisecond + 8*time.Second,
		"slow":  1100 * time.Millisecond, // the geometric mean of 0.11 s and 11 s
		"busy":  1110 * time.Millisecond, // 10 MiB/s for the 10 s of the warm pass, at 100 MiB/s
	} {
		s := b.est.shares(b.byName[name])
		if got := s.sum(); got < want*9/10 || got > want*11/10 {
			t.Errorf("%s: %s, want about %s", name, got, want)
		}
		if s.sure != confidenceMeasured {
			t.Errorf("%s: %s", name, s.sure)
		}
	}
	if r := b.est.changes["busy"].bytes; r != 10<<20+0.0 {
		t.Errorf("rate %f", r)
	}
}

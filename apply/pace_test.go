package apply

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

func TestPace(t *testing.T) {
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	p := &pace{}
	p.take(0, at)
	if p.rate != 0 || p.left(1000) != 0 {
		t.Errorf("nothing is known yet: %+v", p)
	}
	for i := 1; i <= 10; i++ {
		p.take(int64(i*100), at.Add(time.Duration(i)*time.Second))
	}
	if p.rate < 99.9 || p.rate > 100.1 || p.left(2000) != 10*time.Second {
		t.Errorf("100 a second: %v, %v left", p.rate, p.left(2000))
	}
	p.take(1000, at.Add(11*time.Second)) // one second of nothing
	if p.rate < 70 || p.rate > 95 {
		t.Errorf("smoothed: %v", p.rate)
	}
	for i := 12; i < 60; i++ {
		p.take(1000, at.Add(time.Duration(i)*time.Second))
	}
	if p.rate > 1 {
		t.Errorf("it stands still: %v", p.rate)
	}
	p.take(10, at.Add(61*time.Second)) // began again
	if p.rate != 0 || p.bytes != 10 {
		t.Errorf("%+v", p)
	}
	p.take(20, at.Add(60*time.Second)) // a clock that went back
	if p.rate != 0 {
		t.Errorf("%+v", p)
	}
	if p.rate = 1e-9; p.left(1<<60) != 0 {
		t.Errorf("centuries: %v", p.left(1<<60))
	}
}

func TestProgressIsThrottled(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	c := clockAt(t, "2026-03-02 12:00:00")
	j.clock = c
	p := planOf(j, plan.Step{ID: "a", Op: plan.OpPrecopy, Account: "shop", Estimate: plan.Estimate{Duration: time.Hour}})
	x := j.runner(m, j.inventory()).begin(context.Background(), p)
	list := unitsOf(p)
	x.count(list)
	report := x.progress(&p.Steps[0], "files")
	for i := range 1000 {
		report(providers.Progress{Bytes: int64(i), BytesTotal: 10000})
	}
	c.jump(10 * time.Second)
	report(providers.Progress{Bytes: 1000, BytesTotal: 10000, Items: 3, ItemsTotal: 9})
	report(providers.Progress{Bytes: 10000, BytesTotal: 10000}) // the last one is always told
	x.observer.close()
	var got []Event
	for _, e := range j.events {
		if e.What == Progress {
			got = append(got, e)
		}
	}
	if len(got) < 3 || len(got) > 20 {
		t.Fatalf("%d events of 1002 reports", len(got))
	}
	e := got[len(got)-2]
	if e.Bytes != 1000 || e.Total != 10000 || e.Items != 3 || e.ItemsTotal != 9 || e.Rate <= 0 || e.Left <= 0 || e.Overall.Steps != 1 || e.Overall.Left <= 0 || e.Overall.Left > time.Hour {
		t.Errorf("%+v", e)
	}
	if last := got[len(got)-1]; last.Left != 0 || last.Bytes != last.Total {
		t.Errorf("%+v", last)
	}
}

// The steps of a run count up to all of them, and what is left goes down.
func TestOverall(t *testing.T) {
	j, _ := memoryTrip(t, "blog", "shop")
	j.amend = func(p *plan.Plan) {
		for i := range p.Steps {
			if p.Steps[i].Op == plan.OpWarm {
				p.Steps[i].Estimate.Duration = time.Hour
			}
		}
	}
	res, err := j.once(context.Background())
	if ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	var last Overall
	for i, e := range j.events {
		if e.What != Started && e.What != Finished {
			continue
		}
		o := e.Overall
		if o.Steps == 0 || o.Done < last.Done || last.Steps != 0 && o.Steps != last.Steps || last.Left != 0 && o.Left > last.Left {
			t.Fatalf("event %d: %+v after %+v", i, o, last)
		}
		if last.Steps == 0 && (o.Left < 119*time.Minute || o.Left > 2*time.Hour || !o.AtLeast) {
			t.Errorf("first: %+v", o)
		}
		last = o
	}
	if last.Done != last.Steps || last.Steps != res.Done || last.Left != 0 || last.AtLeast {
		t.Errorf("last: %+v, %d steps done", last, res.Done)
	}
}

func TestOverallLeavesOutWhatWaits(t *testing.T) {
	j, _ := memoryTrip(t, "blog", "shop")
	night(j, "shop")
	j.clock = clockAt(t, "2026-03-02 12:00:00")
	res, err := j.once(context.Background())
	if ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	for i := len(j.events) - 1; i >= 0; i-- {
		if e := j.events[i]; e.What == Finished {
			if e.Overall.Done != e.Overall.Steps || e.Overall.Steps != res.Done {
				t.Errorf("%+v, %d steps done, %d left", e.Overall, res.Done, res.Left)
			}
			break
		}
	}
}

// What was predicted right before a cutover stands beside what it took.
func TestPrediction(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	j.amend = func(p *plan.Plan) {
		for i := range p.Steps {
			switch s := &p.Steps[i]; {
			case s.Op == plan.OpFreeze:
				s.Estimate = plan.Estimate{Duration: 2 * time.Second, Downtime: 2 * time.Second, Confidence: "rule"}
			case s.Op == plan.OpFinalSync && s.Part == plan.PartFiles:
				s.Estimate = plan.Estimate{Duration: time.Second, Downtime: time.Second, Confidence: "measured"}
			case s.Undo:
				s.Estimate = plan.Estimate{Duration: time.Hour, Downtime: time.Hour, Confidence: "unknown"}
			}
		}
	}
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	var m schema.MigratedFact
	if f, ok := j.fact(plan.MigratedID("shop", 1)); !ok || json.Unmarshal(f.Value, &m) != nil || m.Predicted != 3*time.Second || m.Confidence != "rule" {
		t.Errorf("%+v", m)
	}
}

// Sizes are written down when a run begins, and not again for nothing.
func TestSizesAreRemembered(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	c := clockAt(t, "2026-03-02 12:00:00")
	j.clock = c
	surveys := func() int {
		log, _ := m.Load(context.Background())
		return len(log.Past().Surveys)
	}
	run := func() {
		if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
			t.Fatal(err)
		}
	}
	run()
	log, _ := m.Load(context.Background())
	s := log.Past().Surveys
	if len(s) != 1 || s[0].Accounts["shop"] != (plan.Size{Bytes: 1000 + 10 + 4096, Databases: 4096, Entries: 11}) || s[0].At.Day() != 2 {
		t.Fatalf("%+v", s)
	}
	run()
	if n := surveys(); n != 1 {
		t.Errorf("%d surveys within seconds", n)
	}
	c.jump(2 * time.Minute)
	run()
	if n := surveys(); n != 2 {
		t.Errorf("%d surveys, a rate needs two", n)
	}
	c.jump(2 * time.Hour)
	run()
	if n := surveys(); n != 2 {
		t.Errorf("%d surveys though nothing changed in two hours", n)
	}
	j.w.mu.Lock()
	j.w.transit.databases["shop"][0].Bytes = 8192
	j.w.mu.Unlock()
	run()
	if n := surveys(); n != 3 {
		t.Errorf("%d surveys though it has grown", n)
	}
	c.jump(24 * time.Hour)
	run()
	if n := surveys(); n != 4 {
		t.Errorf("%d surveys after a day", n)
	}
}

// What is measured says of what: which part, how large, and how much of it
// travelled; the switch stands for the whole cutover.
func TestTimings(t *testing.T) {
	j, m := memoryTrip(t, "shop")
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	log, _ := m.Load(context.Background())
	got := map[string]plan.Timing{}
	for _, x := range log.Past().Timings {
		x.Duration = 0
		if x.Downtime > 0 {
			x.Downtime = 1
		}
		got[x.Op+"/"+x.Part] = x
	}
	for key, want := range map[string]plan.Timing{
		"precopy/files":    {Op: "precopy", Account: "shop", Part: "files", Bytes: 100, Sent: 10, Entries: 2},
		"warm/":            {Op: "warm", Account: "shop", Bytes: 300, Sent: 60, Entries: 6},
		"final_sync/mail":  {Op: "final_sync", Account: "shop", Part: "mail", Bytes: 100, Sent: 10, Entries: 2},
		"compare/":         {Op: "compare", Account: "shop", Bytes: 5},
		"switch/":          {Op: "switch", Account: "shop", Bytes: 300, Sent: 30, Entries: 11, Downtime: 1},
		"record_baseline/": {Op: "record_baseline", Account: "shop", Entries: 1},
	} {
		if got[key] != want {
			t.Errorf("%s: %+v, want %+v", key, got[key], want)
		}
	}
}

package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// jumpClock goes at the pace of this machine's clock from a time of the test's
// own, and can be set forward.
type jumpClock struct {
	mu      sync.Mutex
	offset  time.Duration
	waiting []*alarm
}

type alarm struct {
	due time.Time
	c   chan time.Time
}

func clockAt(t *testing.T, at string) *jumpClock {
	t.Helper()
	when, err := time.Parse("2006-01-02 15:04:05", at)
	if err != nil {
		t.Fatal(err)
	}
	return &jumpClock{offset: time.Until(when)}
}

func (c *jumpClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *jumpClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &alarm{due: time.Now().Add(c.offset + d), c: make(chan time.Time, 1)}
	c.waiting = append(c.waiting, a)
	time.AfterFunc(d, func() { c.fire() })
	return a.c
}

func (c *jumpClock) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Add(c.offset)
	c.waiting = slices.DeleteFunc(c.waiting, func(a *alarm) bool {
		if a.due.After(now) {
			return false
		}
		a.c <- now
		return true
	})
}

func (c *jumpClock) jump(d time.Duration) {
	c.mu.Lock()
	c.offset += d
	c.mu.Unlock()
	c.fire()
}

// night binds an account's cutovers to a window from one to five.
func night(j *trip, account string) {
	j.config.Windows = []schema.Window{{Name: "night", From: "01:00", To: "05:00", Timezone: "UTC"}}
	j.amend = func(p *plan.Plan) {
		for i := range p.Steps {
			if s := &p.Steps[i]; s.Account == account && s.Group != "" {
				s.Windows = []string{"night"}
			}
		}
	}
}

func on(w *world, account string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.transit.rec(account).serves() {
		return "transit"
	}
	return "client"
}

// An account whose window is closed waits, without its warm pass; the others go
// on, and no server is touched behind its back.
func TestWindowClosed(t *testing.T) {
	j, m := memoryTrip(t, "blog", "shop")
	night(j, "shop")
	c := clockAt(t, "2026-03-02 12:00:00")
	j.clock = c
	res, err := j.once(context.Background())
	var waiting *WaitingError
	if !errors.As(err, &waiting) || ExitCode(err) != ExitWaiting {
		t.Fatal(err)
	}
	if on(j.w, "blog") != "transit" || on(j.w, "shop") != "client" {
		t.Errorf("blog is on %s, shop on %s", on(j.w, "blog"), on(j.w, "shop"))
	}
	if len(waiting.Windows) != 1 {
		t.Fatalf("%+v", waiting.Windows)
	}
	w := waiting.Windows[0]
	if w.Window != "night" || w.Opens.Format(time.RFC3339) != "2026-03-03T01:00:00Z" || !slices.Equal(w.Accounts, []string{"shop"}) || w.Never {
		t.Errorf("%+v", w)
	}
	if want := "window night opens for shop at Tue 3 Mar 2026, 01:00 UTC"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q in it", err, want)
	}
	if len(waiting.Gates) != 1 || waiting.Gates[0].ID != "verify.accept[blog]" {
		t.Errorf("gates: %v", waiting.Gates)
	}
	if slices.ContainsFunc(j.w.calls, func(c string) bool { return strings.HasPrefix(c, "Pull/warm") && strings.HasSuffix(c, "shop") }) {
		t.Error("a warm pass half a day before its cutover")
	}
	if a := state1(res, "shop"); a.State != AccountWaiting || !strings.Contains(a.Why, "night") || len(res.Windows) != 1 {
		t.Errorf("%+v", a)
	}
	if !slices.ContainsFunc(j.events, func(e Event) bool { return e.What == Waiting && e.Account == "shop" && e.Until.Equal(w.Opens) }) {
		t.Error("no event says when the window opens")
	}
	p, _ := j.compute(m)
	if r := Ready(p, c.Now()); len(r) > 0 || !Runnable(p) {
		t.Errorf("ready %v, runnable %v", r, Runnable(p))
	}
	if now := Waits(p, c.Now()); now == nil || len(now.Windows) != 1 || len(now.Gates) != 1 {
		t.Errorf("%+v", now)
	}
	c.jump(13*time.Hour + 30*time.Minute)
	if r := Ready(p, c.Now()); !slices.Equal(r, []plan.ID{"migrate.warm[shop]@0"}) {
		t.Errorf("the window is open; ready is %v", r)
	}
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting || on(j.w, "shop") != "transit" {
		t.Errorf("%v, shop is on %s", err, on(j.w, "shop"))
	}
	j.clean()
}

// What is left of a window must be long enough for the cut that is predicted.
func TestWindowTooShort(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	night(j, "shop")
	bind := j.amend
	cut := 2 * time.Hour
	j.amend = func(p *plan.Plan) {
		bind(p)
		for i := range p.Steps {
			if p.Steps[i].Op == plan.OpFreeze {
				p.Steps[i].Estimate = plan.Estimate{Duration: cut, Downtime: cut, Confidence: "rule"}
			}
		}
	}
	c := clockAt(t, "2026-03-02 03:00:00")
	j.clock = c
	_, err := j.once(context.Background())
	var waiting *WaitingError
	if !errors.As(err, &waiting) || len(waiting.Windows) != 1 || waiting.Windows[0].Opens.Format(time.RFC3339) != "2026-03-03T01:00:00Z" {
		t.Fatalf("two hours are left, and two and a half are needed: %v", err)
	}
	cut = 4 * time.Hour
	_, err = j.once(context.Background())
	if !errors.As(err, &waiting) || len(waiting.Windows) != 1 || !waiting.Windows[0].Never || !strings.Contains(err.Error(), "window night never opens for 5h0m10s, which shop needs") {
		t.Fatalf("%v", err)
	}
	cut = time.Hour
	if _, err = j.once(context.Background()); ExitCode(err) != ExitWaiting || on(j.w, "shop") != "transit" {
		t.Errorf("%v", err)
	}
}

// A cutover that began is finished even if the window closes.
func TestWindowClosesInTheCut(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	night(j, "shop")
	c := clockAt(t, "2026-03-02 04:59:40")
	j.clock = c
	j.settings.Lease = time.Minute
	var once sync.Once
	j.w.setHook(func(when, _, call, _ string) error {
		if when == "before" && call == "Pull/final/files" {
			once.Do(func() { c.jump(25 * time.Second) })
		}
		return nil
	})
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting || on(j.w, "shop") != "transit" {
		t.Errorf("%v, shop is on %s", err, on(j.w, "shop"))
	}
	if n := c.Now(); n.Hour() != 5 {
		t.Errorf("it is %s: the window never closed", n)
	}
	j.clean()
}

// A window that opens while other accounts are worked on is used in that run.
func TestWindowOpensMeanwhile(t *testing.T) {
	j, _ := memoryTrip(t, "blog", "shop")
	night(j, "shop")
	c := clockAt(t, "2026-03-02 00:30:00")
	j.clock = c
	j.w.setHook(func(when, _, call, account string) error {
		if when == "after" && call == "Confirm" && account == "blog" {
			c.jump(time.Hour)
		}
		return nil
	})
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting || on(j.w, "shop") != "transit" {
		t.Errorf("%v, shop is on %s", err, on(j.w, "shop"))
	}
}

// A warm pass begins so that it ends when the window opens; a run that is done
// with it early waits for the window.
func TestWarmBeforeTheWindow(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	night(j, "shop")
	bind := j.amend
	j.amend = func(p *plan.Plan) {
		bind(p)
		for i := range p.Steps {
			if p.Steps[i].Op == plan.OpWarm {
				p.Steps[i].Estimate = plan.Estimate{Duration: 10 * time.Minute, Confidence: "measured"}
			}
		}
	}
	c := clockAt(t, "2026-03-02 00:45:00")
	j.clock = c
	_, err := j.once(context.Background())
	var waiting *WaitingError
	if !errors.As(err, &waiting) || len(waiting.Windows) != 1 || waiting.Windows[0].Opens.Format("15:04") != "00:50" {
		t.Fatalf("%v", err)
	}
	c.jump(7 * time.Minute)
	j.w.setHook(func(when, _, call, _ string) error {
		if when == "after" && call == "Pull/catch_up/databases" {
			time.AfterFunc(50*time.Millisecond, func() { c.jump(10 * time.Minute) })
		}
		if call == "Freeze" && c.Now().Hour() != 1 {
			t.Errorf("frozen at %s", c.Now())
		}
		return nil
	})
	if _, err := j.once(context.Background()); ExitCode(err) != ExitWaiting || on(j.w, "shop") != "transit" {
		t.Errorf("%v, shop is on %s", err, on(j.w, "shop"))
	}
}

// Working hours bind what users notice in a phase that has them.
func TestWorkingHours(t *testing.T) {
	j, _ := memoryTrip(t, "shop")
	phases := j.config.Processes[0].Phases
	for i := range phases {
		if phases[i].Name == schema.PhaseRelocate {
			phases[i].Hours = "working"
		}
	}
	c := clockAt(t, "2026-03-07 11:00:00") // a Saturday
	j.clock = c
	var waiting *WaitingError
	for range 6 {
		_, err := j.once(context.Background())
		if errors.As(err, &waiting) && len(waiting.Windows) > 0 {
			break
		}
		j.accept()
	}
	if waiting == nil || len(waiting.Windows) != 1 {
		t.Fatalf("%v", waiting)
	}
	if w := waiting.Windows[0]; w.Window != plan.WorkingWindow || w.Opens.Format(time.RFC3339) != "2026-03-09T09:00:00Z" {
		t.Errorf("%+v", w)
	}
	if on(j.w, "shop") != "transit" {
		t.Error("moved home on a Saturday")
	}
	c.jump(2 * 24 * time.Hour)
	j.home()
}

// Windows and working hours must be open at once; windows that never are say so.
func TestWindowsThatNeverMeet(t *testing.T) {
	cfg := &schema.Config{Windows: []schema.Window{
		{Name: "night", From: "01:00", To: "05:00", Timezone: "UTC"}, {Name: "noon", From: "12:00", To: "13:00", Timezone: "Europe/Paris"}},
		Processes: []schema.Process{{Name: "p", Phases: []schema.ProcessPhase{{Name: "relocate", Hours: "working"}}}},
		Migration: schema.Migration{Process: "p"}}
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		phase, opens string
		windows      []string
	}{
		{"relocate", "", []string{"night"}},
		{"relocate", "2026-03-02T11:00:00Z", []string{"night", "noon"}},
		{"relocate", "2026-03-02T09:00:00Z", nil},
		{"relocate", "2026-03-02T09:00:00Z", []string{plan.WorkingWindow}},
		{"migrate", "2026-03-02T01:00:00Z", []string{"noon", "night"}},
		{"migrate", "", []string{"gone"}},
	} {
		p := &plan.Plan{Config: cfg, Steps: []plan.Step{{ID: "x", Op: plan.OpFreeze, Phase: c.phase, Account: "shop", Group: "g", Windows: c.windows}}}
		w := Waits(p, at)
		if w == nil || len(w.Windows) != 1 {
			t.Fatalf("%v: %+v", c, w)
		}
		got := w.Windows[0]
		if got.Never != (c.opens == "") || !got.Never && got.Opens.Format(time.RFC3339) != c.opens {
			t.Errorf("%v: %+v", c, got)
		}
	}
}

// What is done to a server needs working hours for as long as users notice it,
// and no longer: a reinstallation of ten hours begins, and goes on, in the last
// of them. The timetable of a plan says the same.
func TestWorkingHoursServer(t *testing.T) {
	cfg := &schema.Config{Processes: []schema.Process{{Name: "p", Phases: []schema.ProcessPhase{{Name: "reinstall", Hours: "working"}}}},
		Migration: schema.Migration{Process: "p"}}
	for _, c := range []struct {
		at       string
		downtime time.Duration
		opens    string // empty: it begins
	}{
		{"2026-03-02T16:59:00Z", 0, ""},
		{"2026-03-02T18:00:00Z", 0, "2026-03-03T09:00:00Z"},
		{"2026-03-02T17:59:55Z", 0, "2026-03-03T09:00:00Z"},
		{"2026-03-02T17:00:00Z", 2 * time.Minute, ""},
		{"2026-03-02T17:58:00Z", 2 * time.Minute, "2026-03-03T09:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		p := &plan.Plan{Config: cfg, Steps: []plan.Step{{ID: "x", Op: plan.OpReinstall, Phase: "reinstall", Server: "client",
			Estimate: plan.Estimate{Duration: 10 * time.Hour, Downtime: c.downtime, Confidence: "rule"}}}}
		got := ""
		if w := Waits(p, at); w != nil {
			got = w.Windows[0].Opens.Format(time.RFC3339)
		}
		if got != c.opens || (len(Ready(p, at)) == 1) != (c.opens == "") {
			t.Errorf("%s, %s noticed: waits until %q, want %q", c.at, c.downtime, got, c.opens)
		}
	}
}

// Ten thousand accounts that wait for the same night.
func BenchmarkReady(b *testing.B) {
	p := &plan.Plan{Config: &schema.Config{Windows: []schema.Window{{Name: "night", Days: []string{"sat"}, From: "01:00", To: "05:00", Timezone: "Europe/Paris"}}}}
	for i := range 10000 {
		name := fmt.Sprintf("a%05d", i)
		p.Steps = append(p.Steps,
			plan.Step{ID: plan.ID("migrate.warm[" + name + "]@0"), Op: plan.OpWarm, Account: name, Phase: "migrate"},
			plan.Step{ID: plan.ID("migrate.freeze[" + name + "]@0"), Op: plan.OpFreeze, Account: name, Phase: "migrate", Group: "g" + name,
				After: []plan.ID{plan.ID("migrate.warm[" + name + "]@0")}, Windows: []string{"night"},
				Estimate: plan.Estimate{Downtime: time.Duration(i) * time.Millisecond}})
	}
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if r := Ready(p, at); len(r) > 0 {
			b.Fatal(r[0])
		}
	}
}

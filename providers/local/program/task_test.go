package program

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func noon(hour, minute, second int) time.Time {
	return time.Date(2026, 3, 2, hour, minute, second, 0, time.UTC)
}

// runs returns how often the task has run, after all that it was to do at the
// present time is done.
func runs(t *testing.T, c *fakeClock, m *Manager, dir string, want int) {
	t.Helper()
	path := filepath.Join(dir, "home/count")
	if want > 0 {
		eventually(t, "the task has run", func() bool { return strings.Count(read(path), "x") >= want })
	}
	eventually(t, "the task has ended", func() bool {
		s := m.Status("shop")
		return len(s) == 1 && s[0].PID == 0
	})
	c.idle(t)
	if got := strings.Count(read(path), "x"); got != want {
		t.Errorf("at %s: run %d times, want %d", c.Now().Format(time.TimeOnly), got, want)
	}
}

func TestTask(t *testing.T) {
	c := newClock(noon(11, 59, 30))
	m := manager(t, Options{Clock: c})
	dir := accountDir(t)
	a := Account{Name: "shop", Dir: dir, Programs: []Program{{Kind: Task, Name: "t", Schedule: "*/10 * * * *", Command: []string{"sh", "-c", "echo x >>count"}}}}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	step := func(at time.Time, want int) {
		t.Helper()
		c.idle(t)
		c.set(at)
		runs(t, c, m, dir, want)
	}
	step(noon(11, 59, 59), 0)
	step(noon(12, 0, 0), 1)
	step(noon(12, 0, 30), 1)
	step(noon(12, 10, 5), 2) // a little late
	step(noon(12, 55, 0), 2) // 12:20 to 12:50 were missed
	step(noon(13, 0, 0), 3)  //
	step(noon(12, 5, 0), 3)  // set back: 12:10 and 13:00 are not run again
	step(noon(12, 10, 0), 3) //
	step(noon(12, 20, 0), 3) // missed, and before one that was run: the clock was set back
	step(noon(13, 0, 0), 3)  //
	step(noon(13, 10, 0), 4) //
	step(noon(3, 5, 0), 4)   // a correction of hours: the schedule counts
	step(noon(3, 10, 0), 5)  //
	if err := m.StopAll(soon(t), a); err != nil {
		t.Fatal(err)
	}
	c.set(noon(3, 20, 0)) // nobody is there to run it
	// The account is opened again within the minute of a run, by another process
	// of the server even: that run is not repeated.
	if err := m.setLastRun("shop", a.Programs[0], noon(3, 30, 0)); err != nil {
		t.Fatal(err)
	}
	c.set(noon(3, 29, 58))
	m.Close()
	next, err := New(m.options)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	c.idle(t)
	c.set(noon(3, 30, 1))
	runs(t, c, next, dir, 5)
	c.set(noon(3, 40, 0))
	runs(t, c, next, dir, 6)
}

func TestTaskDoesNotOverlap(t *testing.T) {
	c := newClock(noon(11, 59, 30))
	m := manager(t, Options{Clock: c})
	dir := accountDir(t)
	a := Account{Name: "shop", Dir: dir, Programs: []Program{{Kind: Task, Name: "t", Schedule: "* * * * *", Command: []string{"sh", "-c", "echo x >>count; exec sleep 1000"}}}}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	c.idle(t)
	c.set(noon(12, 0, 0))
	path := filepath.Join(dir, "home/count")
	eventually(t, "the task runs", func() bool { return read(path) == "x\n" && m.Status("shop")[0].PID != 0 })
	for minute := range 3 {
		c.idle(t)
		c.set(noon(12, minute+1, 0))
	}
	c.idle(t)
	// Another process of the server knows that it still runs.
	m.Close()
	next, err := New(m.options)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	if s := next.Status("shop"); s[0].PID == 0 || !s[0].Adopted {
		t.Errorf("%+v", s)
	}
	c.idle(t)
	c.set(noon(12, 30, 0))
	c.idle(t)
	if got := read(path); got != "x\n" {
		t.Errorf("%q", got)
	}
	if err := next.StopAll(soon(t), a); err != nil {
		t.Fatal(err)
	}
	if left := marked(t, next, "shop"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

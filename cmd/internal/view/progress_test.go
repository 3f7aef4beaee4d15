package view

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/plan"
)

// screen is a terminal that knows what bars use: lines, and going up over them.
type screen struct {
	mu    sync.Mutex
	bytes strings.Builder
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes.Write(b)
}

var goUp = regexp.MustCompile(`\x1b\[(\d+)A\x1b\[J`)

// shows are the lines that a person sees at the end.
func (s *screen) shows(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.bytes.String()
	lines := []string{""}
	put := func(x string) {
		for i, l := range strings.Split(x, "\n") {
			if i > 0 {
				lines = append(lines, "")
			}
			lines[len(lines)-1] += l
		}
	}
	for text != "" {
		at := goUp.FindStringSubmatchIndex(text)
		if at == nil {
			put(text)
			break
		}
		put(text[:at[0]])
		n, err := strconv.Atoi(text[at[2]:at[3]])
		if err != nil || n >= len(lines) {
			t.Fatalf("goes up %d of %d lines", n, len(lines))
		}
		lines = append(lines[:len(lines)-1-n], "")
		text = text[at[1]:]
	}
	for _, l := range lines {
		if strings.ContainsRune(l, 0x1b) || strings.ContainsRune(l, '\r') {
			t.Errorf("leaves a terminal that is not as it was: %q", l)
		}
		if n := runewidth.StringWidth(l); n > columns {
			t.Errorf("%d columns would break the bars: %q", n, l)
		}
	}
	return lines
}

// awaitBars waits until bars were drawn.
func (s *screen) awaitBars(t *testing.T) {
	t.Helper()
	for range 1000 {
		s.mu.Lock()
		drawn := strings.Contains(s.bytes.String(), "all steps")
		s.mu.Unlock()
		if drawn {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no bar was drawn")
}

// events are a run of n accounts whose copies go on side by side.
func events(n int) []apply.Event {
	var out []apply.Event
	at := time.Unix(1e9, 0)
	add := func(i int, what apply.What, done int64, over int) {
		at = at.Add(3 * time.Second)
		name := fmt.Sprintf("cust-%d", i)
		if i == 1 {
			name = nasty + strings.Repeat("long", 30)
		}
		e := apply.Event{What: what, At: at, Step: plan.ID(fmt.Sprintf("install.precopy[%d/files]", i)), Op: plan.OpPrecopy, Account: name, Part: "files", From: "client", To: "transit",
			Bytes: done, Total: 9 << 20, Rate: 1 << 20, Left: 9 * time.Second, Overall: apply.Overall{Done: over, Steps: n, Left: time.Minute}}
		if what == apply.Failed {
			e.Err = errors.New("no space left: " + nasty)
		}
		out = append(out, e)
	}
	for i := range n {
		add(i, apply.Started, 0, 0)
	}
	for _, done := range []int64{1 << 20, 3 << 20, 9 << 20} {
		for i := range n {
			add(i, apply.Progress, done, 0)
		}
	}
	for i := range n {
		what := apply.Finished
		if i == 1 {
			what = apply.Failed
		}
		add(i, what, 9<<20, i+1)
	}
	return out
}

func onScreen(s *screen) *View {
	v := New(s, s, Options{NoColor: true})
	v.terminal = true
	return v
}

// What a run leaves on a terminal is what it did; the bars are gone.
func TestBars(t *testing.T) {
	s := &screen{}
	v := onScreen(s)
	for _, e := range events(12) {
		v.Event(e)
	}
	v.Result(apply.Result{}, nil)
	text := strings.Join(s.shows(t), "\n")
	if n := strings.Count(text, "✓"); n != 11 {
		t.Errorf("%d steps done\n%s", n, text)
	}
	if strings.Contains(text, "[=") || strings.Contains(text, "all steps") {
		t.Errorf("bars are left\n%s", text)
	}
}

// Whenever a run is cut off, what it has drawn holds nothing that a terminal
// would have to be freed from.
func TestBarsCutOff(t *testing.T) {
	for _, n := range []int{1, 13, 20, 40} {
		s := &screen{}
		v := onScreen(s)
		for _, e := range events(12)[:n] {
			v.Event(e)
		}
		s.awaitBars(t)
		v.mu.Lock()
		bars := v.progress.bars
		s.shows(t) // as it would be if the program was killed now
		v.mu.Unlock()
		if bars == nil {
			t.Error("no bars")
		}
		v.Error(apply.ErrInterrupted)
		last := s.shows(t)
		if text := strings.Join(last, "\n"); !strings.Contains(text, "Error: interrupted") || strings.Contains(text, "[=") || strings.Contains(text, "all steps") {
			t.Errorf("cut off after %d events:\n%s", n, text)
		}
	}
}

// A run that waits counts down on one line.
func TestCountdown(t *testing.T) {
	at := time.Unix(1e9, 0)
	wait := func(v *View) {
		for i := range 700 {
			v.Event(apply.Event{What: apply.Countdown, At: at.Add(time.Duration(i) * time.Second), Text: "window night opens", Left: time.Duration(700-i) * time.Second, Until: at.Add(700 * time.Second)})
		}
		v.Event(apply.Event{What: apply.Note, At: at.Add(700 * time.Second), Text: "goes on"})
		v.Result(apply.Result{}, nil)
	}
	s := &screen{}
	wait(onScreen(s))
	if text := strings.Join(s.shows(t), "\n"); strings.Count(text, "window night opens") != 1 || !strings.Contains(text, "goes on") || strings.Contains(text, "Ctrl-C") {
		t.Errorf("on a terminal:\n%s", text)
	}
	if text := show(Options{}, wait); strings.Count(text, "waiting: window night opens") != 3 {
		t.Errorf("in a log:\n%s", text)
	}
	if text := show(Options{JSON: true}, wait); strings.Count(text, `"type":"waiting"`) != 3 {
		t.Errorf("for programs:\n%s", text)
	}
}

// A log has a line of a step every ten seconds at most, and none of a short one.
func TestProgressLines(t *testing.T) {
	text := show(Options{}, func(v *View) {
		at := time.Unix(1e9, 0)
		for i := range 100 {
			v.Event(apply.Event{What: apply.Progress, At: at.Add(time.Duration(i) * time.Second), Step: "a", Op: plan.OpPrecopy, Account: "shop", Part: "files", To: "transit", Bytes: int64(i) << 20, Total: 100 << 20})
			v.Event(apply.Event{What: apply.Progress, At: at.Add(time.Duration(i) * 100 * time.Millisecond), Step: "b", Op: plan.OpPrecopy, Account: "blog", Part: "files", To: "transit"})
		}
	})
	if n := strings.Count(text, "shop: copy files"); n != 9 {
		t.Errorf("%d lines\n%s", n, text)
	}
	if strings.Contains(text, "blog") {
		t.Errorf("a step of less than ten seconds has a line\n%s", text)
	}
}

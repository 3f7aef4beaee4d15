package plan

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stopover/stopover/schema"
)

// slowly is arrange as one would say it: every five minutes, whenever there
// is room, the first in the list begins that is ready and whose windows stay
// open for long enough.
func slowly(moves []*move, windows map[*opens][]schema.Window, slots int, start, end time.Time) map[*move]time.Time {
	begun := map[*move]time.Time{}
	for at := start; at.Before(end); at = at.Add(5 * time.Minute) {
		for {
			busy := 0
			for m, b := range begun {
				if b.Add(m.takes()).After(at) {
					busy++
				}
			}
			next := firstReady(moves, windows, begun, at)
			if busy >= slots || next == nil {
				break
			}
			begun[next] = at
		}
	}
	return begun
}

func firstReady(moves []*move, windows map[*opens][]schema.Window, begun map[*move]time.Time, at time.Time) *move {
	over := map[*account]bool{}
	in := map[*account]bool{}
	for _, m := range moves {
		in[m.a] = true
		if b, ok := begun[m]; ok && !b.Add(m.takes()).After(at) {
			over[m.a] = true
		}
	}
	for _, m := range moves {
		if _, ok := begun[m]; ok {
			continue
		}
		ready := true
		for _, a := range m.after {
			ready = ready && (over[a] || !in[a])
		}
		if !ready {
			continue
		}
		if o, ok := NextOpen(windows[m.open], at, m.need); ok && o.Begins.Equal(at) {
			return m
		}
	}
	return nil
}

func TestArrange(t *testing.T) {
	clock := rapid.SampledFrom([]string{"00:00", "01:00", "04:30", "12:00", "22:00", "23:30"})
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC)
		cfg := &schema.Config{}
		for i := range 3 {
			w := schema.Window{Name: fmt.Sprint("w", i), From: clock.Draw(t, "from"), To: clock.Draw(t, "to"), Timezone: "Europe/Paris"}
			if rapid.Bool().Draw(t, "days") {
				w.Days = []string{"sun", "tue"}
			}
			cfg.Windows = append(cfg.Windows, w)
		}
		o := openings{cfg: cfg, proc: &schema.Process{}, start: start, by: map[string]*opens{}}
		sets := [][]string{nil, {"w0"}, {"w1", "w2"}}
		windows := map[*opens][]schema.Window{}
		var moves []*move
		for i := range rapid.IntRange(1, 6).Draw(t, "moves") {
			set := rapid.SampledFrom(sets).Draw(t, "set")
			takes := time.Duration(rapid.IntRange(1, 60).Draw(t, "takes")) * 5 * time.Minute
			m := &move{a: &account{name: fmt.Sprint("a", i)}, cut: takes, need: takes + 10*time.Minute, open: o.of(set, &schema.ProcessPhase{})}
			windows[m.open] = WindowsOf(cfg, set)
			if i > 0 && rapid.Bool().Draw(t, "after") {
				m.after = []*account{moves[rapid.IntRange(0, i-1).Draw(t, "which")].a}
			}
			moves = append(moves, m)
		}
		slots := rapid.IntRange(1, 3).Draw(t, "slots")
		end := start.AddDate(0, 0, 3)
		want := slowly(moves, windows, slots, start, end)
		last := arrange(moves, slots, start)
		for _, m := range moves {
			at, ok := want[m]
			switch {
			case ok && (!m.placed || !m.begins.Equal(at)):
				t.Fatalf("%s begins %s (%v), want %s", m.a.name, m.begins, m.placed, at)
			case !ok && m.placed && m.begins.Before(end):
				t.Fatalf("%s begins %s, and cannot", m.a.name, m.begins)
			case m.placed && m.begins.Add(m.takes()).After(last):
				t.Fatalf("%s ends after the last", m.a.name)
			}
		}
	})
}

// A warm pass runs before the window opens, so that it is over by then, if there
// is room before; one that begins while the window is open takes its time of it.
func TestArrangeWarm(t *testing.T) {
	start := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	cfg := &schema.Config{Windows: []schema.Window{{Name: "w", From: "20:00", To: "22:00", Timezone: "UTC"}}}
	o := openings{cfg: cfg, proc: &schema.Process{}, start: start, by: map[string]*opens{}}
	var moves []*move
	for i, warm := range []time.Duration{30 * time.Minute, 30 * time.Minute, 10 * time.Hour} {
		m := &move{a: &account{name: fmt.Sprint("a", i)}, warm: warm, cut: 40 * time.Minute, need: 50 * time.Minute}
		m.open = o.of([]string{"w"}, &schema.ProcessPhase{})
		moves = append(moves, m)
	}
	arrange(moves, 1, start)
	for i, want := range []string{"2026-12-01 20:00", "2026-12-01 21:10", "2026-12-02 20:00"} {
		m := moves[i]
		if got := m.begins.Add(m.warm); !m.placed || !got.Equal(at(t, want)) {
			t.Errorf("the cut of %s begins %s, want %s", m.a.name, got, want)
		}
	}
}

package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/stopover/stopover/schema"
)

// checkTasks looks for tasks that are certain to be due within a cutover, and
// for those that only a reboot would start.
func (b *builder) checkTasks(a *account) {
	if !b.leaves(a) {
		return
	}
	var due, boot []string
	cut := a.cut
	for _, t := range tasksOf(a.live) {
		text := t.Name + " (" + t.Schedule + ")"
		if strings.HasPrefix(strings.TrimSpace(t.Schedule), "@reboot") {
			boot = append(boot, text)
			continue
		}
		if cut > 0 && b.rhythm(t.Schedule).meets(cut) {
			due = append(due, text)
		}
	}
	if len(due) > 0 {
		slices.Sort(due)
		b.reportSeen(codeTaskCut, a.name, "", "", count(len(due), "task")+" will be due within a cut of "+a.cut.String()+", first "+due[0], due)
	}
	if len(boot) > 0 {
		slices.Sort(boot)
		b.reportSeen(codeTaskBoot, a.name, "", "", count(len(boot), "task")+" "+runsRun(len(boot))+" when the machine boots, first "+boot[0], boot)
	}
}

// tasksOf are the tasks of an account with its timers, each once. What is
// written as a timer's calendar is a schedule of cron then.
func tasksOf(f *schema.FoundAccount) []schema.Task {
	if len(f.Timers) == 0 {
		return f.Tasks
	}
	out := slices.Clone(f.Tasks)
	for _, t := range f.Timers {
		if slices.ContainsFunc(f.Tasks, func(x schema.Task) bool { return x.Name == t.Name }) {
			continue
		}
		out = append(out, schema.Task{Name: t.Name, Schedule: t.Schedule})
	}
	for i := range out {
		if s := cronOf(out[i].Schedule); s != "" {
			out[i].Schedule = s
		}
	}
	return out
}

func runsRun(n int) string {
	if n == 1 {
		return "runs"
	}
	return "run"
}

const (
	// firings is how many of a task's times are looked at: two days of every
	// minute, and the step to the next.
	firings = 2*24*60 + 2
	// longestSchedule is in bytes; nothing that a person has written is longer.
	longestSchedule = 1000
)

// rhythmFrom is where looking begins: a Friday at midnight, so that the weekend
// comes soon.
var rhythmFrom = time.Date(2001, 1, 5, 0, 0, 0, 0, time.UTC)

// rhythm is how often a schedule fires, as far as it was looked at.
type rhythm struct {
	schedule cron.Schedule // nil: it cannot be read, or never fires
	at       time.Time
	n        int
	longest  time.Duration // between two firings
}

// rhythm is that of a schedule; accounts share many of them.
func (b *builder) rhythm(schedule string) *rhythm {
	r := b.rhythms[schedule]
	if r == nil {
		if b.rhythms == nil {
			b.rhythms = map[string]*rhythm{}
		}
		r = newRhythm(schedule)
		b.rhythms[schedule] = r
	}
	return r
}

func newRhythm(schedule string) *rhythm {
	if len(schedule) > longestSchedule {
		return &rhythm{}
	}
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return &rhythm{}
	}
	at := s.Next(rhythmFrom)
	if at.IsZero() {
		return &rhythm{}
	}
	return &rhythm{schedule: s, at: at}
}

// meets says whether each stretch of time that is as long meets a firing,
// whenever it begins. It looks no further than to the first gap that is longer.
func (r *rhythm) meets(d time.Duration) bool {
	if r.schedule == nil {
		return false
	}
	for ; r.longest <= d && r.n < firings; r.n++ {
		next := r.schedule.Next(r.at)
		if next.IsZero() {
			r.schedule = nil
			return false
		}
		r.longest, r.at = max(r.longest, next.Sub(r.at)), next
	}
	return r.longest <= d
}

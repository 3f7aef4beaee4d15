package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// cutLeft is how long an account is still down for at once; 0 when it has no
// cutover before it.
func (b *builder) cutLeft(a *account) time.Duration {
	if !b.leaves(a) {
		return 0
	}
	return a.cut
}

// checkTasks looks for tasks that are certain to be due within a cutover, and
// for those that only a reboot would start.
func (b *builder) checkTasks(a *account) {
	if !b.leaves(a) {
		return
	}
	var due, boot []string
	for _, t := range a.live.Tasks {
		text := t.Name + " (" + t.Schedule + ")"
		if strings.HasPrefix(strings.TrimSpace(t.Schedule), "@reboot") {
			boot = append(boot, text)
			continue
		}
		if p := b.period(t.Schedule); p > 0 && p <= b.cutLeft(a) {
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

func runsRun(n int) string {
	if n == 1 {
		return "runs"
	}
	return "run"
}

// firings is how many of a task's times are looked at for its period.
const firings = 64

// periodFrom is where looking begins: the first Monday of a year, at midnight.
var periodFrom = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// period is the longest time between two of a schedule's firings among the
// first ones: a cut that is as long meets one of them whenever it begins. Zero
// if the schedule cannot be read, or never fires.
func (b *builder) period(schedule string) time.Duration {
	if d, ok := b.periods[schedule]; ok {
		return d
	}
	if b.periods == nil {
		b.periods = map[string]time.Duration{}
	}
	d := periodOf(schedule)
	b.periods[schedule] = d
	return d
}

func periodOf(schedule string) time.Duration {
	const most = 1000 // bytes; nothing that a person has written is longer
	if len(schedule) > most {
		return 0
	}
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return 0
	}
	at := s.Next(periodFrom)
	var longest time.Duration
	for range firings {
		next := s.Next(at)
		if at.IsZero() || next.IsZero() {
			return 0
		}
		longest = max(longest, next.Sub(at))
		at = next
	}
	return longest
}

package plan

import (
	"regexp"
	"strings"
)

// calendars are the words of systemd.time(7) for what is due often. Never
// written to.
var calendars = map[string]string{"minutely": "* * * * *", "hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 1"}

// calendarField is one field of a calendar's time: a number, numbers with
// commas, or a first one and a step.
var calendarField = regexp.MustCompile(`^(\*|[0-9]{1,2}(,[0-9]{1,2})*)(/[0-9]{1,2})?$`)

// cronOf writes a timer's calendar as a schedule of cron, as far as cron can
// say it: days of the week, hours and minutes. Empty: it cannot, and nothing is
// concluded.
func cronOf(calendar string) string {
	c := strings.TrimPrefix(strings.TrimSpace(calendar), "OnCalendar=")
	if s := calendars[strings.ToLower(c)]; s != "" {
		return s
	}
	days := "*"
	words := strings.Fields(c)
	if len(words) > 0 && words[0] != "" && strings.ContainsAny(words[0][:1], "MTWFSmtwfs") {
		days = strings.ToLower(strings.ReplaceAll(words[0], "..", "-"))
		words = words[1:]
	}
	if len(words) > 1 && words[0] == "*-*-*" {
		words = words[1:]
	}
	if len(words) != 1 {
		return ""
	}
	parts := strings.Split(words[0], ":")
	if len(parts) == 3 && strings.Trim(parts[2], "0") == "" {
		parts = parts[:2]
	}
	if len(parts) != 2 || !calendarField.MatchString(parts[0]) || !calendarField.MatchString(parts[1]) {
		return ""
	}
	return minuteOf(parts[1]) + " " + minuteOf(parts[0]) + " * * " + days
}

// minuteOf is a field as cron has it: a step begins at a number there too, but
// one without leading zeros.
func minuteOf(field string) string {
	list := strings.Split(field, ",")
	for i, n := range list {
		first, step, ok := strings.Cut(n, "/")
		if len(first) > 1 {
			first = strings.TrimPrefix(first, "0")
		}
		if list[i] = first; ok {
			list[i] += "/" + step
		}
	}
	return strings.Join(list, ",")
}

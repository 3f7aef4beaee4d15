package notice

import (
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/stopover/stopover/cmd/internal/dnssheet"
	"github.com/stopover/stopover/schema"
)

// words are the functions of templates: how a language says dates, spans of
// time and lists. A language that is not built in gets figures that are read
// the same everywhere.
func words(language string) template.FuncMap {
	w := vocabularies()[language]
	if w == nil {
		w = &vocabulary{day: func(t time.Time) string { return t.Format("2006-01-02") }, clock: "15:04", and: ", ",
			between: "%s – %s", units: figures}
	}
	return template.FuncMap{
		"day":      func(n *Notice, t time.Time) string { return w.day(n.At(t)) },
		"hours":    w.hours,
		"moment":   func(n *Notice, t time.Time) string { return w.moment(n, t) },
		"duration": func(d time.Duration) string { return w.units(rounded(d)) },
		"span":     func(d time.Duration) string { return w.units(d.Round(time.Hour)) },
		"join":     func(list []string) string { return w.join(list) },
		"records":  func(list []schema.DNSRecord) string { return w.join(dnssheet.Texts(list)) },
		"inc":      func(i int) int { return i + 1 },
	}
}

// vocabulary is how a language says things.
type vocabulary struct {
	day     func(time.Time) string
	clock   string // layout of a time of day
	and     string
	between string
	units   func(time.Duration) string
}

func vocabularies() map[string]*vocabulary {
	return map[string]*vocabulary{
		"en": {
			day:   func(t time.Time) string { return t.Format("Monday 2 January 2006") },
			clock: "15:04", and: " and ", between: "between %s and %s",
			units: func(d time.Duration) string {
				return spelled(d, "%d second", "%d minute", "%d hour", "%d day", " and ")
			},
		},
		"fr": {
			day: frenchDay, clock: "15 h 04", and: " et ", between: "entre %s et %s",
			units: func(d time.Duration) string {
				return spelled(d, "%d seconde", "%d minute", "%d heure", "%d jour", " et ")
			},
		},
	}
}

// hours says when a move takes place on its day, with the time zone: whole
// minutes, begin rounded down and end rounded up. Where the clocks change in
// between, each has its own distance from UTC.
func (w *vocabulary) hours(n *Notice, m Move) string {
	begin := n.At(m.Begin.Truncate(time.Minute))
	end := n.At(m.End.Add(time.Minute - 1).Truncate(time.Minute))
	if !end.After(begin) {
		end = begin.Add(time.Minute)
	}
	from, to := begin.Format(w.clock), end.Format(w.clock)
	if begin.Format("2006-01-02") != end.Format("2006-01-02") {
		to += " (" + w.day(end) + ")"
	}
	zone := ", " + n.Timezone
	if n.Timezone == "UTC" {
		zone = ""
	}
	if a, b := offset(begin), offset(end); a != b {
		return fmt.Sprintf(w.between, from+" ("+a+")", to+" ("+b+")") + zone
	}
	return fmt.Sprintf(w.between, from, to) + " (" + offset(begin) + zone + ")"
}

// moment is one point in time, to the minute.
func (w *vocabulary) moment(n *Notice, t time.Time) string {
	t = n.At(t)
	return w.day(t) + ", " + t.Format(w.clock) + " (" + offset(t) + ")"
}

// offset is a time's distance from UTC.
func offset(t time.Time) string {
	if _, s := t.Zone(); s == 0 {
		return "UTC"
	}
	return "UTC" + t.Format("-07:00")
}

func (w *vocabulary) join(list []string) string {
	if n := len(list); n > 1 {
		return strings.Join(list[:n-1], ", ") + w.and + list[n-1]
	}
	return strings.Join(list, "")
}

// spelled says a duration in its largest unit, and the next one if it is not 0.
func spelled(d time.Duration, second, minute, hour, day, and string) string {
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, day}, {time.Hour, hour}, {time.Minute, minute}, {time.Second, second}}
	var out []string
	for i, u := range units {
		if d < u.size {
			continue
		}
		out = append(out, count(int(d/u.size), u.name))
		if rest := d % u.size; i+1 < len(units) && rest >= units[i+1].size {
			out = append(out, count(int(rest/units[i+1].size), units[i+1].name))
		}
		break
	}
	return strings.Join(out, and)
}

// count adds an s where the language has one: both do from two on, and French,
// unlike English, not for none.
func count(n int, form string) string {
	if n != 1 {
		form += "s"
	}
	return fmt.Sprintf(form, n)
}

// figures is a duration without words, and without parts that are 0.
func figures(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func frenchDay(t time.Time) string {
	days := []string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	months := []string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
	n := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		n = "1er"
	}
	return fmt.Sprintf("%s %s %s %d", days[t.Weekday()], n, months[t.Month()-1], t.Year())
}

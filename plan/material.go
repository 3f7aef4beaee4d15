package plan

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// material is what the plan rests on. Objects of one kind share one entry,
// one line each, so that a plan of many accounts stays small; what differs is
// named by comparing the lines.
func (b *builder) material() []Material {
	out := make([]Material, 0, 4*len(b.accounts)+8)
	for _, p := range []*place{b.s, b.t} {
		if p.present {
			out = append(out,
				Material{Key: "server/" + escape(p.name) + "/machine", Value: p.found.Machine},
				Material{Key: "server/" + escape(p.name) + "/architecture", Value: p.found.Architecture},
				Material{Key: "server/" + escape(p.name) + "/engines", Value: engineLines(p.found.Engines)})
		}
	}
	var s settingLines
	for _, a := range b.accounts {
		if a.live == nil || b.back && !a.picked {
			continue
		}
		f := a.live
		out = append(out, Material{Key: "account/" + a.esc + "/files", Size: f.Files.Bytes})
		if len(f.Mail.Mailboxes) > 0 || f.Mail.Bytes > 0 {
			out = append(out, Material{Key: "account/" + a.esc + "/mail", Value: lines(f.Mail.Mailboxes, line1), Size: f.Mail.Bytes})
		}
		if len(f.Databases) > 0 {
			out = append(out, Material{Key: "account/" + a.esc + "/databases", Value: lines(f.Databases, databaseLine), Size: f.DatabaseBytes()})
		}
		if v := settings(f, &s); v != "" {
			out = append(out, Material{Key: "account/" + a.esc + "/settings", Value: v})
		}
	}
	return out
}

// settings are the objects of an account that have no size.
func settings(f *schema.FoundAccount, s *settingLines) string {
	*s = settingLines{b: s.b[:0]}
	for _, d := range f.Domains {
		s.add("domain", d.Name, some(d.DNS)...)
	}
	for _, p := range f.Programs {
		s.add("program", p.Name, some(p.Runtime)...)
	}
	for _, r := range f.Runtimes {
		s.add("runtime", r.Name, r.Version, r.By)
	}
	for _, t := range f.Tasks {
		s.add("task", t.Name, some(t.Schedule)...)
	}
	return s.sorted()
}

// some is a list of a word, if there is one.
func some(word string) []string {
	if word == "" {
		return nil
	}
	return []string{word}
}

// settingLines are lines that mostly come in their order: only where they do not
// are they taken apart again. Its memory is used for one account after the other.
type settingLines struct {
	b      []byte
	last   int // where the line before begins
	jumble bool
}

func (s *settingLines) add(kind, name string, words ...string) {
	from := 0
	if len(s.b) > 0 {
		s.b = append(s.b, '\n')
		from = len(s.b)
	}
	s.b = append(append(append(s.b, kind...), ' '), line1(name)...)
	for _, w := range words {
		s.b = append(append(s.b, ' '), line1(w)...)
	}
	s.jumble = s.jumble || from > 0 && bytes.Compare(s.b[s.last:from-1], s.b[from:]) > 0
	s.last = from
}

func (s *settingLines) sorted() string {
	if !s.jumble {
		return string(s.b)
	}
	list := strings.Split(string(s.b), "\n")
	slices.Sort(list)
	return strings.Join(list, "\n")
}

func databaseLine(d schema.Database) string {
	s := line1(d.Engine) + "/" + line1(d.Name)
	if d.Version != "" {
		s += " " + line1(d.Version)
	}
	if d.Mode != "" {
		s += " " + line1(d.Mode)
	}
	return s
}

func engineLines(list []schema.EngineOffer) string {
	return lines(list, func(e schema.EngineOffer) string { return line1(e.Name) + " " + line1(e.Version) })
}

// lines joins one line for each of a list, sorted.
func lines[T any](list []T, f func(T) string) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return f(list[0])
	}
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = f(x)
	}
	if !slices.IsSorted(out) {
		slices.Sort(out)
	}
	return strings.Join(out, "\n")
}

// line1 is a name that keeps to its line: control characters, bytes that are
// not ASCII and the percent sign are written as %XX.
func line1(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' || s[i] == '%' {
			return quoteLine(s)
		}
	}
	return s
}

func quoteLine(s string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func epochSuffix(e uint64) string { return "@" + strconv.FormatUint(e, 10) }

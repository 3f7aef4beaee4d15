package view

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// asked is what is asked of somebody: gates that differ only in their account.
type asked struct {
	kind string // phase.what
	who  string
	what string
	list []*plan.Gate
}

func askedOf(gates []plan.Gate) []*asked {
	type key struct{ kind, who, what string }
	at := map[key]*asked{}
	var out []*asked
	for i := range gates {
		g := &gates[i]
		kind, _, _ := strings.Cut(string(g.ID), "[")
		k := key{kind, g.Who, g.What}
		a := at[k]
		if a == nil {
			a = &asked{kind: kind, who: g.Who, what: g.What}
			at[k] = a
			out = append(out, a)
		}
		a.list = append(a.list, g)
	}
	return out
}

// mostGates is how many gates of one kind are shown each on its own.
const mostGates = 5

// gates says who must do what now, and what to type then. Evidence is shown
// where somebody looks for it.
func (v *View) gates(p *plan.Plan, evidence bool) {
	open := p.Waiting()
	if len(open) == 0 {
		return
	}
	v.heading("Who must do what:")
	for _, a := range askedOf(open) {
		if len(a.list) > mostGates && !v.verbose {
			v.asked(a)
			continue
		}
		for _, g := range a.list {
			v.gate(g, evidence)
		}
	}
	v.gap()
}

// gate says who must do what, and how that is noticed.
func (v *View) gate(g *plan.Gate, evidence bool) {
	v.item("  ", "◯", v.style.yellow, clean(string(g.ID))+"  ("+clean(g.Who)+")", nil)
	v.item("      ", "", nil, clean(g.What), nil)
	if g.Evidence == "" {
		return
	}
	if evidence {
		v.item("      ", "", nil, "evidence:", v.style.faint)
		v.item("      ", "", nil, clean(g.Evidence), v.style.faint)
	}
	v.command("      ", "stopover approve ", string(g.ID))
}

// asked sums gates up that ask the same of somebody for many accounts.
func (v *View) asked(a *asked) {
	var accounts []string
	shows := false
	for _, g := range a.list {
		if g.Account != "" {
			accounts = append(accounts, g.Account)
		}
		shows = shows || g.Evidence != ""
	}
	v.item("  ", "◯", v.style.yellow, clean(a.kind)+" for "+plural(len(a.list), "account")+"  ("+clean(a.who)+")", nil)
	v.item("      ", "", nil, clean(a.what), nil)
	if len(accounts) > 0 {
		v.item("      ", "", nil, names(accounts, 6), nil)
	}
	if !shows {
		return
	}
	v.item("      ", "", nil, "one of them, and all of them:", v.style.faint)
	v.command("      ", "stopover approve ", string(a.list[0].ID))
	v.command("      ", "stopover approve ", a.kind+"[*]")
}

// command prints a command that can be copied whole: its last word is quoted
// for a shell, and where it does not fit into a line it goes on at the left
// margin of the next one, where a shell joins the two.
func (v *View) command(left, start, word string) {
	line := left + start
	if q := shellWord(word); cells(line+q) <= v.width {
		v.line("%s", line+q)
		return
	}
	for word != "" {
		part, rest := shellPart(word, v.width-cells(line)-1)
		if part == "" { // the word begins on a line of its own
			v.line("%s", strings.TrimRight(line, " ")+` \`)
			line = ""
			continue
		}
		line += part
		if word = rest; word != "" {
			line += `\`
		}
		v.line("%s", line)
		line = ""
	}
}

// shellPart is the longest beginning of a word that fits when it is quoted, and
// the rest. It is empty where there is hardly room.
func shellPart(word string, room int) (part, rest string) {
	if room < leastColumns/2 {
		return "", word
	}
	n := 0
	for n < len(word) {
		_, size := utf8.DecodeRuneInString(word[n:])
		q := shellWord(word[:n+size])
		if cells(q) > room {
			break
		}
		part, n = q, n+size
	}
	return part, word[n:]
}

// shellWord is a word as a POSIX shell takes it back. What a terminal could not
// show is written as bash, zsh and ksh read it.
func shellWord(s string) string {
	switch {
	case s != "" && schema.QuoteName(s) == s:
		return s
	case clean(s) == s:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + "'"
}

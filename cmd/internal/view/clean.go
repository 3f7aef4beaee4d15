package view

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/stopover/stopover/schema"
)

// clean makes a text that came from a server, a file or another program fit
// for a terminal: one line, valid UTF-8. Whatever a terminal could obey, or an
// eye could not see, is shown as an escape. Cleaning a clean text changes nothing.
func clean(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatInt(int64(s[0]), 16))
		case r == '\u00a0' || r == '\u202f': // French puts them before ":" and "?"
			b.WriteByte(' ')
		case shown(r):
			b.WriteString(s[:n])
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[n:]
	}
	return b.String()
}

// plain is the quick answer for what nearly all texts are: printable ASCII.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// shown says whether a rune can be seen as itself. Marks that join the letter
// before them are left out: any number of them would take no room.
func shown(r rune) bool {
	return strconv.IsPrint(r) && !unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf)
}

// cells is how many columns a clean text takes.
func cells(s string) int {
	if plain(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		n += cell(r)
	}
	return n
}

// cell knows that a frame takes one column whatever the language is.
func cell(r rune) int {
	if r >= ' ' && r < 0x7f {
		return 1
	}
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return max(1, c.RuneWidth(r))
}

// shorten takes the middle out of a clean text that has more columns than most:
// what names begin and end with tells them apart.
func shorten(s string, most int) string {
	if len(s) <= most || cells(s) <= most {
		return s
	}
	if most < 3 {
		return head(s, most)
	}
	left := (most - 1 + 1) / 2
	return head(s, left) + "…" + rear(s, most-1-left)
}

// head is the longest beginning of at most so many columns.
func head(s string, most int) string {
	n := 0
	for i, r := range s {
		if n += cell(r); n > most {
			return s[:i]
		}
	}
	return s
}

func rear(s string, most int) string {
	n, at := 0, len(s)
	for at > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:at])
		if n += cell(r); n > most {
			break
		}
		at -= size
	}
	return s[at:]
}

// fold breaks a clean text into lines of at most so many columns: at spaces,
// and within a word that is longer than a line.
func fold(s string, most int) []string {
	most = max(most, 4)
	if len(s) <= most && !strings.Contains(s, "  ") {
		return []string{s}
	}
	var out []string
	line, used := "", 0
	for _, word := range strings.Fields(s) {
		n := cells(word)
		if used > 0 && used+1+n <= most {
			line, used = line+" "+word, used+1+n
			continue
		}
		if used > 0 {
			out = append(out, line)
		}
		for n > most {
			part := head(word, most)
			out = append(out, part)
			word = word[len(part):]
			n = cells(word)
		}
		line, used = word, n
	}
	if used > 0 || len(out) == 0 {
		out = append(out, line)
	}
	return out
}

// padded is s, at least so many columns wide.
func padded(s string, most int) string {
	if n := cells(s); n < most {
		return s + strings.Repeat(" ", most-n)
	}
	return s
}

// flush is padded with the text at the right.
func flush(s string, most int) string {
	if n := cells(s); n < most {
		return strings.Repeat(" ", most-n) + s
	}
	return s
}

// mostName is how many columns a name takes in a sentence or a table.
const mostName = 36

// named shows the name of an account, a server or a path: quoted when a reader
// could take it for something else, its middle left out when it is long.
func named(s string) string { return shorten(whole(s), mostName) }

// whole is named with nothing left out.
func whole(s string) string { return clean(schema.QuoteName(s)) }

// about names what an event or a finding is about.
func about(account string) string {
	if account == "" {
		return ""
	}
	return named(account) + ": "
}

// names lists the first few of many.
func names(list []string, most int) string {
	var out []string
	for i, n := range list {
		if i == most && len(list) > most+1 {
			out = append(out, "and "+number(int64(len(list)-most))+" more")
			break
		}
		out = append(out, named(n))
	}
	return strings.Join(out, ", ")
}

// few names accounts where they are few, and counts them where they are many.
func few(list []string, most int) string {
	if len(list) > most+1 {
		return plural(len(list), "account")
	}
	return names(list, most)
}

package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Glob is a pattern for names of accounts, which may hold any bytes:
//
//	a*      any characters, none too; "/" and a leading dot are nothing special
//	a?      one character, or one byte that is not part of valid UTF-8
//	[a-z.]  one character of these; [!a-z] or [^a-z] one that is none of these
//	\*      the character after the backslash, literally; also inside of [ ]
//	\xFF    the byte of that hexadecimal value, outside of [ ]
//
// Everything else stands for itself. A pattern matches whole names.
type Glob struct {
	pattern string
	tokens  []globToken
}

type globToken struct {
	kind   byte   // '*', '?', '[', or 'l' for a literal
	text   string // literal
	negate bool
	ranges []rune // pairs: from, to
}

// ParseGlob compiles a pattern. Its errors name the pattern and what is wrong.
func ParseGlob(pattern string) (Glob, error) {
	if pattern == "" {
		return Glob{}, fmt.Errorf("pattern is empty and would match no name")
	}
	g := Glob{pattern: pattern}
	for rest := pattern; rest != ""; {
		token, n, err := nextGlobToken(rest)
		if err != nil {
			return Glob{}, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		rest = rest[n:]
		g.add(token)
	}
	return g, nil
}

// String returns the pattern.
func (g Glob) String() string { return g.pattern }

// add joins neighbouring literals and drops a star after a star.
func (g *Glob) add(t globToken) {
	if n := len(g.tokens); n > 0 {
		last := &g.tokens[n-1]
		if t.kind == 'l' && last.kind == 'l' {
			last.text += t.text
			return
		}
		if t.kind == '*' && last.kind == '*' {
			return
		}
	}
	g.tokens = append(g.tokens, t)
}

func nextGlobToken(s string) (t globToken, n int, err error) {
	switch s[0] {
	case '*', '?':
		return globToken{kind: s[0]}, 1, nil
	case '[':
		return globClass(s)
	case '\\':
		if len(s) == 1 {
			return t, 0, fmt.Errorf(`ends with a single backslash; write \\ for a backslash`)
		}
		if s[1] != 'x' {
			_, size := utf8.DecodeRuneInString(s[1:])
			return globToken{kind: 'l', text: s[1 : 1+size]}, 1 + size, nil
		}
		if len(s) < 4 || hexDigit(s[2]) < 0 || hexDigit(s[3]) < 0 {
			return t, 0, fmt.Errorf(`\x needs two hexadecimal digits, as in \xFF`)
		}
		return globToken{kind: 'l', text: string([]byte{byte(hexDigit(s[2])<<4 | hexDigit(s[3]))})}, 4, nil
	}
	_, size := utf8.DecodeRuneInString(s)
	return globToken{kind: 'l', text: s[:size]}, size, nil
}

// hexDigit returns the value of a digit of either case, or -1.
func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// globClass reads [...]; a "]" that comes first is a character like others.
func globClass(s string) (t globToken, n int, err error) {
	t.kind = '['
	n = 1
	if n < len(s) && (s[n] == '!' || s[n] == '^') {
		t.negate = true
		n++
	}
	for first := true; ; first = false {
		if n >= len(s) {
			return t, 0, fmt.Errorf(`"[" is not closed; write \[ for a bracket`)
		}
		if s[n] == ']' && !first {
			return t, n + 1, nil
		}
		from, size, err := classRune(s[n:])
		if err != nil {
			return t, 0, err
		}
		n += size
		to := from
		if n+1 < len(s) && s[n] == '-' && s[n+1] != ']' {
			to, size, err = classRune(s[n+1:])
			if err != nil {
				return t, 0, err
			}
			n += 1 + size
		}
		if to < from {
			return t, 0, fmt.Errorf("range %c-%c runs backwards", from, to)
		}
		t.ranges = append(t.ranges, from, to)
	}
}

func classRune(s string) (r rune, n int, err error) {
	if s[0] == '\\' {
		if len(s) == 1 {
			return 0, 0, fmt.Errorf(`"[" is not closed; write \[ for a bracket`)
		}
		r, n = utf8.DecodeRuneInString(s[1:])
		return r, n + 1, nil
	}
	r, n = utf8.DecodeRuneInString(s)
	return r, n, nil
}

// Match tells whether the whole name matches. It takes time proportional to
// the lengths of pattern and name multiplied, whatever they hold.
func (g Glob) Match(name string) bool {
	if len(g.tokens) == 0 {
		return false // the zero Glob
	}
	token, at := 0, 0
	star, starAt := -1, 0 // the last star seen, and up to where it reaches
	for token < len(g.tokens) || at < len(name) {
		if token < len(g.tokens) {
			t := &g.tokens[token]
			if t.kind == '*' {
				star, starAt = token, at
				token++
				continue
			}
			if n, ok := t.match(name[at:]); ok {
				token++
				at += n
				continue
			}
		}
		// Did not fit: the last star takes one character more. Earlier stars
		// need no other try, what they could reach the last one reaches too.
		if star < 0 || starAt >= len(name) {
			return false
		}
		_, size := utf8.DecodeRuneInString(name[starAt:])
		starAt += size
		token, at = star+1, starAt
	}
	return true
}

func (t *globToken) match(s string) (n int, ok bool) {
	if t.kind == 'l' {
		return len(t.text), strings.HasPrefix(s, t.text)
	}
	if s == "" {
		return 0, false
	}
	r, size := utf8.DecodeRuneInString(s)
	if t.kind == '?' {
		return size, true
	}
	in := false
	if r != utf8.RuneError || size > 1 { // a stray byte is in no class
		for i := 0; i < len(t.ranges); i += 2 {
			if t.ranges[i] <= r && r <= t.ranges[i+1] {
				in = true
				break
			}
		}
	}
	return size, in != t.negate
}

// QuoteGlob returns a pattern that matches exactly this name, which must not
// be empty.
func QuoteGlob(name string) string {
	var b strings.Builder
	for rest := name; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02X`, rest[0])
		case strings.ContainsRune(`*?[\`, r):
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	return b.String()
}

// Picks says whether the pattern picks an account: one glob of Include matches
// its name, and none of Exclude.
func (p *AccountsPattern) Picks(name string) bool {
	return MatchAny(p.Include, name) && !MatchAny(p.Exclude, name)
}

// MatchAny says whether one of the globs matches a name. One that ParseGlob
// refuses matches nothing.
func MatchAny(globs []string, name string) bool {
	for _, s := range globs {
		if s == "*" {
			return true
		}
		if g, err := ParseGlob(s); err == nil && g.Match(name) {
			return true
		}
	}
	return false
}

//go:build linux

package trial

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// token is a word, a quoted thing or a sign of a statement.
type token struct {
	kind     byte // w: word, q: quoted, otherwise the sign itself
	from, to int
	text     string // of a word: in capitals; of a quoted thing: what it stands for
}

// tokens are the first tokens of a statement.
func tokens(text []byte, plain bool, most int) []token {
	var out []token
	for i := 0; i < len(text) && len(out) < most; {
		c := text[i]
		switch {
		case c <= ' ':
			i++
		case c == '\'' || c == '"' || c == '`':
			end, value := unquote(text, i, plain)
			out = append(out, token{'q', i, end, value})
			i = end
		case c == '#', c == '-' && i+2 < len(text) && text[i+1] == '-' && text[i+2] <= ' ':
			n := bytes.IndexByte(text[i:], '\n')
			if n < 0 {
				return out
			}
			i += n
		case c == '/' && bytes.HasPrefix(text[i:], []byte("/*")):
			n := bytes.Index(text[i+2:], []byte("*/"))
			if n < 0 {
				return out
			}
			i += n + 4
		case wordByte(c):
			from := i
			for i < len(text) && wordByte(text[i]) {
				i++
			}
			out = append(out, token{'w', from, i, strings.ToUpper(string(text[from:i]))})
		default:
			out = append(out, token{c, i, i + 1, string(c)})
			i++
		}
	}
	return out
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

func unquote(text []byte, i int, plain bool) (end int, value string) {
	by := text[i]
	var v []byte
	for j := i + 1; j < len(text); j++ {
		switch {
		case text[j] == '\\' && by != '`' && !plain && j+1 < len(text):
			j++
			v = append(v, text[j])
		case text[j] == by && j+1 < len(text) && text[j+1] == by:
			j++
			v = append(v, by)
		case text[j] == by:
			return j + 1, string(v)
		default:
			v = append(v, text[j])
		}
	}
	return len(text), string(v)
}

// unwrap makes of comments that the server executes what they are for a server
// of that version (101119 for 10.11.19): a statement, or nothing. What is looked
// at is so what is sent.
func unwrap(text []byte, version int, plain bool) []byte {
	if !bytes.Contains(text, []byte("/*")) {
		return text
	}
	var out []byte
	depth := 0 // of comments that are executed
	for i := 0; i < len(text); {
		c := text[i]
		rest := text[i:]
		switch {
		case c == '\'' || c == '"' || c == '`':
			end, _ := unquote(text, i, plain)
			out = append(out, text[i:end]...)
			i = end
		case c == '#', c == '-' && len(rest) > 2 && rest[1] == '-' && rest[2] <= ' ':
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			out = append(out, rest[:n]...)
			i += n
		case bytes.HasPrefix(rest, []byte("/*!")) || bytes.HasPrefix(rest, []byte("/*M!")):
			n := bytes.IndexByte(rest, '!') + 1
			from := n
			for n < len(rest) && n-from < 6 && rest[n] >= '0' && rest[n] <= '9' {
				n++
			}
			v, _ := strconv.Atoi(string(rest[from:n]))
			if v > version || rest[2] == '!' && v >= 50700 && v <= 99999 { // of another version, or of MySQL alone
				end := bytes.Index(rest, []byte("*/"))
				if end < 0 {
					return out
				}
				i += end + 2
				break
			}
			depth++
			out = append(out, ' ')
			i += n
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest[2:], []byte("*/"))
			if n < 0 {
				return out
			}
			out = append(out, rest[:n+4]...)
			i += n + 4
		case depth > 0 && bytes.HasPrefix(rest, []byte("*/")):
			depth--
			out = append(out, ' ')
			i += 2
		default:
			out = append(out, c)
			i++
		}
	}
	return bytes.TrimSpace(out)
}

// What a statement of a dump is.
type meaning struct {
	do      string // run | create (a program of the database) | skip | refuse
	what    string // for people: "table t", "trigger t"
	text    []byte // what is sent
	table   string // of an INSERT
	kind    string // of a program: TRIGGER, PROCEDURE, …
	name    string // of it
	head    int    // where in text what follows its name begins
	definer string // that it names, as user@host
}

// programs are what stored programs are called; views have a definer too.
func programs() []string {
	return []string{"TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE", "VIEW"}
}

// headTokens is how many tokens of a statement are looked at: more than any
// statement has before it is clear what it is.
const headTokens = 64

// understand says what a statement is, for a database called scratch. What a
// dump does not have is refused.
func understand(text []byte, scratch string, plain bool) meaning {
	t := tokens(text, plain, headTokens)
	if len(t) == 0 {
		return meaning{do: "skip"}
	}
	m := meaning{do: "run", text: text, what: "statement"}
	word := func(i int) string {
		if i < len(t) && t[i].kind == 'w' {
			return t[i].text
		}
		return ""
	}
	switch word(0) {
	case "LOCK", "UNLOCK", "COMMIT", "BEGIN", "START":
		return meaning{do: "skip"}
	case "SET", "DO", "SELECT":
		return m
	case "INSERT", "REPLACE":
		for i := 1; i < len(t); i++ {
			if t[i].kind == 'q' || t[i].kind == 'w' && !slices.Contains([]string{"INTO", "IGNORE", "DELAYED", "LOW_PRIORITY"}, t[i].text) {
				m.table = nameOf(text, t[i])
				break
			}
		}
		m.what = "rows of table " + m.table
		return m
	case "DROP":
		if slices.Contains([]string{"TABLE", "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE", "SEQUENCE", "TEMPORARY"}, word(1)) {
			return m
		}
	case "ALTER":
		switch {
		case word(1) == "TABLE":
			m.what = "table " + nameOf(text, at(t, 2))
			return m
		case word(1) == "DATABASE" && len(t) > 3: // which names itself
			m.text = append([]byte("ALTER DATABASE `"+scratch+"` "), text[t[2].to:]...)
			return m
		}
	case "CREATE":
		return understandCreate(m, text, t)
	}
	return meaning{do: "refuse", what: fmt.Sprintf("statement %.60q", text)}
}

func at(t []token, i int) token {
	if i < len(t) {
		return t[i]
	}
	return token{}
}

func nameOf(text []byte, t token) string {
	if t.kind == 'q' {
		return t.text
	}
	return string(text[t.from:t.to])
}

// understandCreate takes the definer out: what is made belongs to the scratch
// user, whoever it belongs to at the origin.
func understandCreate(m meaning, text []byte, t []token) meaning {
	m.text = text
	from, to := 0, 0 // of the definer
	for i := 1; i < len(t); i++ {
		if t[i].kind != 'w' {
			continue
		}
		switch w := t[i].text; {
		case w == "TABLE", w == "SEQUENCE", w == "INDEX":
			m.what = strings.ToLower(w) + " " + firstName(text, t[i+1:])
			return m
		case w == "DEFINER" && at(t, i+1).kind == '=' && to == 0:
			end := i + 2
			m.definer = nameOf(text, at(t, end)) + "@%"
			if at(t, end+1).kind == '@' {
				m.definer = nameOf(text, at(t, end)) + "@" + nameOf(text, at(t, end+2))
				end += 2
			} else if at(t, end+1).kind == '(' { // CURRENT_USER()
				end += 2
			}
			from, to = t[i].from, at(t, end).to
			i = end
		case slices.Contains(programs(), w):
			k := i + 1
			if w == "PACKAGE" && at(t, k).text == "BODY" {
				k++
			}
			for slices.Contains([]string{"IF", "NOT", "EXISTS"}, at(t, k).text) && at(t, k).kind == 'w' {
				k++
			}
			m.do, m.kind, m.name, m.head = "create", w, nameOf(text, at(t, k)), at(t, k).to
			m.what = strings.ToLower(w) + " " + m.name
			if w == "VIEW" {
				m.do = "run"
			}
			if w == "EVENT" {
				return sleeping(m, t[k:], from, to)
			}
			return m.without(from, to)
		case slices.Contains([]string{"OR", "REPLACE", "TEMPORARY", "UNIQUE", "FULLTEXT", "SPATIAL", "ALGORITHM", "UNDEFINED", "MERGE", "TEMPTABLE", "SQL", "SECURITY", "INVOKER", "AGGREGATE"}, w), w == "DEFINER":
		default:
			return meaning{do: "refuse", what: fmt.Sprintf("statement %.60q", text)}
		}
	}
	return meaning{do: "refuse", what: fmt.Sprintf("statement %.60q", text)}
}

func firstName(text []byte, t []token) string {
	for _, x := range t {
		if x.kind == 'q' || x.kind == 'w' && x.text != "IF" && x.text != "NOT" && x.text != "EXISTS" {
			return nameOf(text, x)
		}
	}
	return "?"
}

// without cuts the definer out of the text.
func (m meaning) without(from, to int) meaning {
	if to > from {
		m.text = append(append(append([]byte{}, m.text[:from]...), ' '), m.text[to:]...)
		m.head += from - to + 1
	}
	return m
}

// sleeping makes an event one that is switched off: it is made here to see
// whether it can be, and not to happen. The word stands before the body, after
// whether the event stays when it is over.
func sleeping(m meaning, t []token, from, to int) meaning {
	preserve := false
	for _, x := range t {
		switch {
		case x.kind == 'w' && x.text == "PRESERVE":
			preserve = true
		case x.kind == 'w' && (x.text == "DO" || x.text == "COMMENT"):
			return meaning{do: "refuse", what: m.what}
		case x.kind == 'w' && (x.text == "ENABLE" || x.text == "DISABLE") && preserve:
			if x.text == "ENABLE" {
				m.text = append(append(append([]byte{}, m.text[:x.from]...), "DISABLE"...), m.text[x.to:]...)
			}
			return m.without(from, to)
		}
	}
	return meaning{do: "refuse", what: m.what}
}

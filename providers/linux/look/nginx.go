//go:build linux

package look

import (
	"fmt"
	"strings"
)

// directive is one directive of nginx or Apache with where it stands.
type directive struct {
	name  string
	args  []string
	file  string
	line  int
	block []directive
	open  bool // it has a block, be it empty
}

// is says whether it is that directive; Apache's names have no case.
func (d *directive) is(name string) bool { return strings.EqualFold(d.name, name) }

func (d *directive) arg(i int) string {
	if i < len(d.args) {
		return d.args[i]
	}
	return ""
}

func (d *directive) text() string { return strings.Join(d.args, " ") }

// Bounds of configuration files; some of them are written by accounts.
const (
	maxDepth      = 24      // of blocks, and of files that include files
	maxDirectives = 500_000 // of one file; and of a walk, files that are included often counted each time
	maxWalked     = 1_000_000
	maxConfFiles  = 20_000
)

// nginxParser reads nginx's notation: words, quoted or not, up to a semicolon or
// a block in braces; what is behind # is a comment.
type nginxParser struct {
	text []byte
	at   int
	line int
	file string
	left int // directives that may still come
}

// parseNginx reads one file. What was read before a mistake is returned with it.
func parseNginx(file string, text []byte) ([]directive, error) {
	p := &nginxParser{text: text, line: 1, file: file, left: maxDirectives}
	list, err := p.block(0)
	if err == nil && p.at < len(p.text) {
		err = p.wrong("a brace closes nothing")
	}
	return list, err
}

func (p *nginxParser) wrong(what string) error {
	return fmt.Errorf("%s:%d: %s", p.file, p.line, what)
}

// block reads directives up to the end of the text or a closing brace, which is
// left.
func (p *nginxParser) block(depth int) (list []directive, err error) {
	if depth > maxDepth {
		return nil, p.wrong("blocks are nested too deep")
	}
	for {
		d := directive{file: p.file}
		for {
			w, kind := p.word()
			if d.name == "" && kind == 'w' {
				d.line = p.line
			}
			switch kind {
			case 'w':
				if d.name == "" {
					d.name = w
				} else {
					d.args = append(d.args, w)
				}
				continue
			case ';':
			case '{':
				d.open = true
				if strings.HasSuffix(d.name, "_by_lua_block") {
					p.skipLua()
				} else if d.block, err = p.block(depth + 1); err != nil {
					return append(list, d), err
				}
				if p.at >= len(p.text) {
					return append(list, d), p.wrong("a block is not closed")
				}
				p.at++ // its brace
			case '}', 0:
				if d.name != "" {
					return append(list, d), p.wrong("a directive is not closed")
				}
				return list, nil
			case '!':
				return list, p.wrong("a quote is not closed")
			}
			break
		}
		if p.left--; p.left < 0 {
			return list, p.wrong("too many directives")
		}
		if d.name != "" {
			list = append(list, d)
		}
	}
}

// word reads the next word ('w'), or one of ; { }, the last of which is left. 0
// is the end of the text, ! a quote without end.
func (p *nginxParser) word() (string, byte) {
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch c {
		case '\n':
			p.line++
			p.at++
		case ' ', '\t', '\r':
			p.at++
		case '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		case ';', '{':
			p.at++
			return "", c
		case '}':
			return "", c
		case '"', '\'':
			return p.quoted(c)
		default:
			return p.bare(), 'w'
		}
	}
	return "", 0
}

func (p *nginxParser) quoted(q byte) (string, byte) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case q:
			p.at++
			return b.String(), 'w'
		case '\\':
			if p.at+1 < len(p.text) {
				p.at++
				if n := p.text[p.at]; n != q && n != '\\' {
					b.WriteByte('\\')
				}
				b.WriteByte(p.text[p.at])
			}
		case '\n':
			p.line++
			fallthrough
		default:
			b.WriteByte(c)
		}
	}
	return "", '!'
}

// bare reads a word without quotes. A brace behind $ is part of a variable, and
// one that closes ends no word that has begun.
func (p *nginxParser) bare() string {
	var b strings.Builder
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\r', '\n', ';':
			return b.String()
		case '{':
			if !strings.HasSuffix(b.String(), "$") {
				return b.String()
			}
			b.WriteByte(c)
		case '\\':
			b.WriteByte(c)
			if p.at+1 < len(p.text) {
				p.at++
				if p.text[p.at] == '\n' {
					p.line++
				}
				b.WriteByte(p.text[p.at])
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// skipLua goes to the brace that closes a block of Lua, whose text is not
// nginx's; braces in its strings and comments do not count.
func (p *nginxParser) skipLua() {
	for depth := 1; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case '\n':
			p.line++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return
			}
		case '-':
			if p.at+1 < len(p.text) && p.text[p.at+1] == '-' {
				for p.at+1 < len(p.text) && p.text[p.at+1] != '\n' {
					p.at++
				}
			}
		case '"', '\'':
			for p.at++; p.at < len(p.text) && p.text[p.at] != c && p.text[p.at] != '\n'; p.at++ {
				if p.text[p.at] == '\\' {
					p.at++
				}
			}
			if p.at < len(p.text) && p.text[p.at] == '\n' {
				p.line++
			}
		}
	}
}

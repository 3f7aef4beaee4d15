package ssh

import (
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// maxSaid bounds, in bytes, what of a server's words goes into an error.
const maxSaid = 2 << 10

// Plain makes bytes of a server fit for a terminal and a line of text: control
// characters, what turns the writing direction and invalid UTF-8 are shown as
// escapes, line ends as " / ". Of more than max bytes the last are kept.
func Plain(b []byte, max int) string {
	cut := len(b) > max
	if cut {
		b = b[len(b)-max:]
	}
	var s strings.Builder
	if cut {
		s.WriteString("…")
	}
	for i, line := range strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if i > 0 {
			s.WriteString(" / ")
		}
		writePlain(&s, line)
	}
	return strings.TrimSpace(s.String())
}

func writePlain(s *strings.Builder, line string) {
	for len(line) > 0 {
		r, n := utf8.DecodeRuneInString(line)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(s, `\x%02x`, line[0])
		case r == '\t':
			s.WriteByte(' ')
		case !unicode.IsPrint(r):
			fmt.Fprintf(s, `\u%04x`, r)
		default:
			s.WriteRune(r)
		}
		line = line[n:]
	}
}

// tail keeps the last bytes of what is written to it.
type tail struct {
	mu  sync.Mutex
	max int
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if len(p) > t.max {
		p = p[len(p)-t.max:]
	}
	if over := len(t.buf) + len(p) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.buf...)
}

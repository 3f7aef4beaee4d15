//go:build linux

package trial

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// statement is one statement of a dump.
type statement struct {
	text   []byte // valid until the next one is read
	line   int    // of the dump, where it begins
	tuples int64  // rows of an INSERT
}

// scanner takes a dump of MariaDB apart into statements, as its client does. It
// decides nothing about them: who takes a wrong turn here finds the scratch
// user's rights behind it.
type scanner struct {
	r     *bufio.Reader
	delim []byte
	line  int
	buf   []byte
	// plain: a backslash is a letter (NO_BACKSLASH_ESCAPES).
	plain bool
	// complete: the last thing was the dump's own word that it is.
	complete bool
}

// maxStatement bounds what of a dump is held in memory. A row of a LONGBLOB is
// written as two letters for each byte.
const maxStatement = 256 << 20

var errLargeRow = errors.New("a row takes more than 256 MiB in a dump, which is more than a trial takes")

func newScanner(r io.Reader) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, 1<<18), delim: []byte(";"), line: 1}
}

func (s *scanner) read() (byte, error) {
	c, err := s.r.ReadByte()
	if err != nil {
		return 0, err
	}
	if c == '\n' {
		s.line++
	}
	if len(s.buf) >= maxStatement {
		return 0, fmt.Errorf("line %d: %w", s.line, errLargeRow)
	}
	s.buf = append(s.buf, c)
	return c, nil
}

// next is the next statement without its delimiter, or io.EOF.
func (s *scanner) next() (statement, error) {
	s.buf = s.buf[:0]
	st := statement{}
	depth, values := 0, false
	for {
		if len(s.buf) == 0 {
			if err := s.skip(); err != nil {
				return statement{}, err
			}
			st.line, s.complete = s.line, false
		}
		c, err := s.read()
		if errors.Is(err, io.EOF) && len(s.buf) > 0 {
			err = fmt.Errorf("line %d: the dump ends in the middle of a statement", st.line)
		}
		if err != nil {
			return statement{}, err
		}
		switch c {
		case '\'', '"', '`':
			if err := s.quoted(c); err != nil {
				return statement{}, err
			}
			continue
		case '(':
			if depth == 0 && values {
				st.tuples++
			}
			depth++
		case ')':
			depth--
		case 's', 'S':
			values = values || depth == 0 && len(s.buf) >= 6 && bytes.EqualFold(s.buf[len(s.buf)-6:], []byte("VALUES"))
		case '-', '#', '/':
			if err := s.comment(c); errors.Is(err, io.EOF) {
				return statement{}, fmt.Errorf("line %d: the dump ends in the middle of a comment", s.line)
			} else if err != nil {
				return statement{}, err
			}
		}
		if c == s.delim[len(s.delim)-1] && bytes.HasSuffix(s.buf, s.delim) {
			st.text = bytes.TrimSpace(s.buf[:len(s.buf)-len(s.delim)])
			if len(st.text) > 0 {
				return st, nil
			}
			s.buf, depth, values = s.buf[:0], 0, false
		}
	}
}

// skip passes over what is between statements: blanks, comments, and the
// client's own DELIMITER.
func (s *scanner) skip() error {
	for {
		b, err := s.r.Peek(3)
		if len(b) == 0 {
			return err
		}
		switch {
		case b[0] == '\n':
			s.line++
			_, _ = s.r.Discard(1)
		case b[0] == ' ' || b[0] == '\t' || b[0] == '\r':
			_, _ = s.r.Discard(1)
		case b[0] == '#', len(b) > 1 && b[0] == '-' && b[1] == '-' && (len(b) == 2 || b[2] <= ' '):
			var line []byte
			if err := s.restOfLine(&line); err != nil {
				return err
			}
			s.complete = bytes.HasPrefix(line, []byte("-- Dump completed"))
		default:
			d, _ := s.r.Peek(10)
			if len(d) < 10 || !bytes.EqualFold(d, []byte("delimiter ")) {
				return nil
			}
			var line []byte
			if err := s.restOfLine(&line); err != nil {
				return err
			}
			d = bytes.TrimSpace(line[10:])
			if len(d) == 0 || len(d) > 16 || bytes.ContainsAny(d, "\\'\"`") {
				return fmt.Errorf("line %d: a delimiter that no dump has", s.line)
			}
			s.delim = bytes.Clone(d)
		}
	}
}

func (s *scanner) restOfLine(into *[]byte) error {
	for {
		part, err := s.r.ReadSlice('\n')
		if into != nil && len(*into) < 100 {
			*into = append(*into, part...)
		}
		switch {
		case err == nil:
			s.line++
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

func (s *scanner) quoted(by byte) error {
	for {
		c, err := s.read()
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("line %d: the dump ends in the middle of a statement", s.line)
		}
		switch {
		case err != nil:
			return err
		case c == by:
			return nil
		case c == '\\' && by != '`' && !s.plain:
			if _, err := s.read(); err != nil {
				return err
			}
		}
	}
}

// comment passes over a comment inside of a statement. One that the server
// executes is read on as what it is.
func (s *scanner) comment(c byte) error {
	b, _ := s.r.Peek(3)
	switch {
	case c == '#', c == '-' && len(b) > 1 && b[0] == '-' && b[1] <= ' ':
		for {
			if c, err := s.read(); err != nil || c == '\n' {
				return err
			}
		}
	case c == '/' && len(b) > 0 && b[0] == '*' && !(len(b) > 1 && b[1] == '!') && !(len(b) > 2 && b[1] == 'M' && b[2] == '!'):
		if _, err := s.read(); err != nil { // the star
			return err
		}
		for last := byte(0); ; {
			c, err := s.read()
			if err != nil || last == '*' && c == '/' {
				return err
			}
			last = c
		}
	}
	return nil
}

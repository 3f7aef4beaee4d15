package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/stopover/stopover/providers"
)

// Stream is a running command as a connection: what is written goes to its
// standard input, what is read comes from its standard output. When the command
// ends by itself, Read says how and what it said last.
type Stream struct {
	net.Conn // this side's end of a pipe, which knows deadlines
	p        *process
	what     string
	once     sync.Once
	closed   chan struct{}
}

// Start runs a program with its arguments, as root where the target says Sudo,
// and returns when it runs. ctx bounds the start and not the program.
func (c *Conn) Start(ctx context.Context, argv []string) (*Stream, error) {
	p, err := c.start(ctx, argv, c.sudo)
	if err != nil {
		return nil, err
	}
	here, there := net.Pipe()
	s := &Stream{Conn: here, p: p, what: argv[0], closed: make(chan struct{})}
	go func() {
		_, _ = io.Copy(p.stdin, there)
		_ = p.stdin.Close()
	}()
	go func() {
		_, _ = io.Copy(there, p.stdout)
		_ = there.Close()
		_, _ = io.Copy(io.Discard, p.stdout) // or the command would wait for a reader
	}()
	go func() {
		select {
		case <-c.done:
			_ = there.Close()
		case <-p.gone:
		}
	}()
	return s, nil
}

// Read reads what the command says. After its end the error is io.EOF only when
// it ended with code 0 or was closed from here.
func (s *Stream) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	return 0, s.over()
}

// Write writes to the command.
func (s *Stream) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if errors.Is(err, io.ErrClosedPipe) {
		if why := s.over(); !errors.Is(why, io.EOF) {
			err = why
		}
	}
	return n, err
}

func (s *Stream) over() error {
	select {
	case <-s.closed:
		return io.EOF
	default:
	}
	if why := s.p.c.Err(); why != nil {
		return why
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-s.p.gone:
	case <-s.p.c.done:
		return s.p.c.Err()
	case <-wait.C:
		return io.ErrUnexpectedEOF
	}
	return s.Err()
}

// Err says how the command ended: io.EOF with code 0, nil while it runs.
func (s *Stream) Err() error {
	select {
	case <-s.p.gone:
	default:
		return nil
	}
	code, signal, err := s.p.exit()
	if why := s.p.c.Err(); why != nil && err != nil {
		return why
	}
	if err == nil && code == 0 && signal == "" {
		return io.EOF
	}
	how := fmt.Sprintf("code %d", code)
	switch {
	case signal != "":
		how = "signal " + signal
	case err != nil:
		how = "no word"
	}
	said := Plain(s.p.stderr.bytes(), maxSaid)
	if said != "" {
		said = "; it said last: " + said
	}
	return &unreachable{fmt.Sprintf("%s on %s ended with %s%s", s.what, s.p.c.address, how, said), []error{providers.ErrUnreachable}}
}

// Stderr is the last that the command said on standard error, made printable.
func (s *Stream) Stderr() string { return Plain(s.p.stderr.bytes(), maxSaid) }

// Close ends the command's standard input, gives it a moment to end, and then
// ends it.
func (s *Stream) Close() error {
	s.once.Do(func() {
		close(s.closed)
		_ = s.Conn.Close()
		wait := time.NewTimer(patience / 4)
		defer wait.Stop()
		select {
		case <-s.p.gone:
		case <-s.p.c.done:
		case <-wait.C:
			s.p.kill()
		}
	})
	return nil
}

// addr is an end of a stream.
type addr string

func (a addr) Network() string { return "ssh" }
func (a addr) String() string  { return string(a) }

// LocalAddr is this end.
func (s *Stream) LocalAddr() net.Addr { return addr("stopover") }

// RemoteAddr is the server's end.
func (s *Stream) RemoteAddr() net.Addr { return addr(s.p.c.address) }

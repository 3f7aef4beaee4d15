package ssh

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	maxNoise = 64 << 10 // bytes that a login shell may say before the command runs
	maxTail  = 16 << 10 // bytes of standard error that are kept
	// patience is how long a server may take to close what was closed here.
	patience = 10 * time.Second
)

// process is a command that runs on the server.
type process struct {
	c      *Conn
	s      *ssh.Session
	stdin  io.WriteCloser
	stdout io.Reader
	words  io.Reader     // standard error, which rise listens to
	stderr *tail         // the last of it
	gone   chan struct{} // closed when the command has ended
	status error         // of it, once gone
}

// start runs a command and returns when it really runs, so that what it says is
// not mixed with what a login shell, its start-up files or sudo say.
func (c *Conn) start(ctx context.Context, argv []string, asRoot bool) (*process, error) {
	mark := newMark()
	r := &rise{secret: c.secret, prompt: newMark()}
	script, err := c.script(argv, mark, r, asRoot)
	if err != nil {
		return nil, err
	}
	line, err := wrap(script)
	if err != nil {
		return nil, fmt.Errorf("run %q: %w", argv[0], err)
	}
	s, release, err := c.session(ctx)
	if err != nil {
		return nil, c.ended(ctx, argv[0], err)
	}
	p := &process{c: c, s: s, stderr: &tail{max: maxTail}, gone: make(chan struct{})}
	running := make(chan error, 1)
	go func() {
		defer release()
		p.live(line, mark, r, running)
	}()
	select {
	case err = <-running:
	case <-ctx.Done():
		err = ctx.Err()
	case <-c.done:
		err = c.Err()
	}
	if err != nil {
		p.kill()
		return nil, c.ended(ctx, argv[0], err)
	}
	return p, nil
}

// newMark is a word that nothing else on the server says.
func newMark() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails
	return "stopover-" + hex.EncodeToString(b)
}

// script is what runs on the server: a word on standard output, then the
// command in the place of the shell. Messages are asked for in English, to be
// understood.
func (c *Conn) script(argv []string, mark string, r *rise, asRoot bool) (string, error) {
	command, err := words(argv)
	if err != nil {
		return "", err
	}
	start := "export LC_ALL=C; printf %s " + mark + "; exec "
	if !asRoot {
		return start + command, nil
	}
	how := "-n"
	if r.secret != "" {
		how = "-S -p " + r.prompt
	}
	return `export LC_ALL=C; if [ "$(id -u)" = 0 ]; then ` + start + command + "; fi; exec sudo " + how + " -- sh -c " +
		quote(start+`"$@"`) + " sh " + command, nil
}

// live starts the command and stays until it has ended. It alone blocks on what
// a server may never say; it ends with the connection.
func (p *process) live(line, mark string, r *rise, running chan<- error) {
	defer close(p.gone)
	err := p.open(line)
	if err != nil {
		running <- err
		p.status = err
		return
	}
	said := &sync.WaitGroup{}
	said.Go(func() { r.listen(p) })
	rest, noise, err := seek(p.stdout, mark)
	if err == nil {
		r.stop()
		p.stdout = io.MultiReader(bytes.NewReader(rest), p.stdout)
		running <- nil
		p.status = p.s.Wait()
		said.Wait()
		return
	}
	if errors.Is(err, io.EOF) {
		p.status = p.s.Wait()
		said.Wait()
		running <- r.explain(p, noise)
		return
	}
	running <- err
	p.kill()
	p.status = err
}

func (p *process) open(line string) error {
	var err error
	if p.stdin, err = p.s.StdinPipe(); err != nil {
		return err
	}
	if p.stdout, err = p.s.StdoutPipe(); err != nil {
		return err
	}
	if p.words, err = p.s.StderrPipe(); err != nil {
		return err
	}
	if err = p.s.Start(line); err != nil {
		return fmt.Errorf("%w on %s: %w", ErrShell, p.c.address, plainError(err))
	}
	return nil
}

// seek reads until after the mark. What follows it is returned, and what came
// before.
func seek(r io.Reader, mark string) (rest, noise []byte, err error) {
	buf := make([]byte, 0, 4<<10)
	for {
		if len(buf) > maxNoise {
			return nil, buf, fmt.Errorf("%w: it says more than %d bytes before any command runs; look at its start-up files", ErrShell, maxNoise)
		}
		chunk := make([]byte, 4<<10)
		n, err := r.Read(chunk)
		buf = append(buf, chunk[:n]...)
		if i := bytes.Index(buf, []byte(mark)); i >= 0 {
			return buf[i+len(mark):], buf[:i], nil
		}
		if err != nil {
			return nil, buf, err
		}
	}
}

// kill ends the command, and the connection if the server does not let go.
func (p *process) kill() {
	go func() {
		_ = p.s.Signal(ssh.SIGTERM)
		_ = p.s.Close()
		select {
		case <-p.gone:
		case <-p.c.done:
		case <-time.After(patience):
			p.c.end(silent(p.c.address, "when a command on it was ended", patience, context.DeadlineExceeded))
		}
	}()
}

// ended says why a command did not come to its end.
func (c *Conn) ended(ctx context.Context, what string, err error) error {
	if why := c.Err(); why != nil {
		return why
	}
	if ctx.Err() != nil {
		return fmt.Errorf("run %q on %s: %w", Plain([]byte(what), 200), c.address, ctx.Err())
	}
	return err
}

// exit reads a command's end.
func (p *process) exit() (code int, signal string, err error) {
	var status *ssh.ExitError
	switch {
	case p.status == nil:
		return 0, "", nil
	case errors.As(p.status, &status):
		return status.ExitStatus(), Plain([]byte(status.Signal()), 40), nil
	}
	return -1, "", p.status
}

package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"

	"github.com/stopover/stopover/providers"
)

// maxOutput bounds what Run takes of a command's standard output in bytes.
const maxOutput = 4 << 20

// Output is what a command said and how it ended.
type Output struct {
	Stdout []byte
	Stderr []byte // the last 16 KiB of it
	Exit   int
	Signal string // that ended it, without SIG; empty when it ended by itself
}

// Run runs a program with its arguments, as root where the target says Sudo,
// and waits for its end. That it ends with another code than 0 is no error
// here. stdin may be nil; it is closed after its end.
//
// Errors: those of the connection, ErrSudo, ErrShell, ErrTooMuch, and ctx's.
func (c *Conn) Run(ctx context.Context, argv []string, stdin io.Reader) (Output, error) {
	p, err := c.start(ctx, argv, c.sudo)
	if err != nil {
		return Output{}, err
	}
	fed := make(chan error, 1)
	go func() {
		_, err := feed(p.stdin, stdin)
		fed <- err
	}()
	type taken struct {
		b   []byte
		err error
	}
	out := make(chan taken, 1)
	go func() {
		b, err := io.ReadAll(io.LimitReader(p.stdout, maxOutput+1))
		if err == nil && len(b) > maxOutput {
			err = fmt.Errorf("run %q on %s: %w (%d bytes)", argv[0], c.address, ErrTooMuch, maxOutput)
		}
		out <- taken{b, err}
	}()
	for {
		select {
		case err := <-fed:
			if err != nil {
				p.kill()
				return Output{}, c.ended(ctx, argv[0], err)
			}
			fed = nil
		case got := <-out:
			if got.err != nil {
				p.kill()
				return Output{}, c.ended(ctx, argv[0], got.err)
			}
			return p.finish(ctx, argv[0], got.b)
		case <-ctx.Done():
			p.kill()
			return Output{}, c.ended(ctx, argv[0], ctx.Err())
		case <-c.done:
			return Output{}, c.Err()
		}
	}
}

// finish waits for the end of a command that has said everything.
func (p *process) finish(ctx context.Context, what string, stdout []byte) (Output, error) {
	select {
	case <-p.gone:
	case <-ctx.Done():
		p.kill()
		return Output{}, p.c.ended(ctx, what, ctx.Err())
	}
	code, signal, err := p.exit()
	var missing *ssh.ExitMissingError
	if errors.As(err, &missing) { // its session was ended there, as when the SSH server dies
		return Output{}, p.c.ended(ctx, what, &unreachable{fmt.Sprintf("run %q on %s: the server ended it without a word", what, p.c.address), []error{providers.ErrUnreachable}})
	}
	if err != nil {
		return Output{}, p.c.ended(ctx, what, fmt.Errorf("run %q on %s: %w", what, p.c.address, plainError(err)))
	}
	return Output{Stdout: stdout, Stderr: p.stderr.bytes(), Exit: code, Signal: signal}, nil
}

// feed copies to a command's standard input. A command that does not read it
// all is none of the reader's faults.
func feed(w io.WriteCloser, r io.Reader) (int64, error) {
	defer func() { _ = w.Close() }()
	if r == nil {
		r = bytes.NewReader(nil)
	}
	in := &faultReader{r: r}
	n, _ := io.Copy(w, in)
	return n, in.err
}

// faultReader remembers the error of its reader.
type faultReader struct {
	r   io.Reader
	err error
}

func (f *faultReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/deploy/pulse"
	"github.com/stopover/stopover/providers/linux/ssh"
)

// Start runs the agent at path, which Ensure gave, and gives the connection to
// it. ctx bounds the start and not the agent, which ends with the connection.
// An error of a broken connection wraps providers.ErrUnreachable and holds what
// the agent said last.
func Start(ctx context.Context, conn *ssh.Conn, path string) (net.Conn, error) {
	s, err := conn.Start(ctx, []string{path, "serve", "--stdio"})
	if err != nil {
		return nil, err
	}
	return &Agent{Conn: pulse.New(s, pulse.Limit), stream: s, address: conn.Address()}, nil
}

// Agent is the connection to a running agent.
type Agent struct {
	*pulse.Conn
	stream  *ssh.Stream
	address string
}

// Read reads what the agent says, and when it is over, why.
func (a *Agent) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	if n > 0 || err == nil {
		return n, err
	}
	return 0, a.explain(err)
}

// Write writes to the agent.
func (a *Agent) Write(p []byte) (int, error) {
	n, err := a.Conn.Write(p)
	return n, a.explain(err)
}

// Stderr is the last that the agent said on standard error, made printable.
func (a *Agent) Stderr() string { return a.stream.Stderr() }

func (a *Agent) explain(err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, providers.ErrUnreachable):
		return err
	case errors.Is(err, pulse.ErrSilent), errors.Is(err, pulse.ErrForeign), errors.Is(err, io.ErrUnexpectedEOF):
		said := ""
		if s := a.stream.Stderr(); s != "" {
			said = "; it said last: " + s
		}
		return fmt.Errorf("the agent on %s: %w (%w)%s", a.address, err, providers.ErrUnreachable, said)
	}
	return err
}

package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/stopover/stopover/providers"
)

// maxSessions is how many commands and streams run on one connection at a time;
// OpenSSH allows 10 by default.
const maxSessions = 8

// Conn is an open connection to a server. It may be used by many at a time. It
// is never dialled again by itself: when it is lost, everything on it ends with
// an error that wraps providers.ErrUnreachable, and whoever holds it may Dial.
type Conn struct {
	address string
	user    string
	clients []*ssh.Client // hops on the way, the server last
	network net.Conn      // the only connection of this machine
	alive   time.Duration
	sudo    bool
	secret  string // for sudo

	slots chan struct{}
	done  chan struct{} // closed when the connection is over

	mu  sync.Mutex
	why error // once it is over
}

func newConn(h *hop, clients []*ssh.Client, network net.Conn, sudo bool, secret string) *Conn {
	c := &Conn{address: h.address(), user: h.user, clients: clients, network: network, alive: h.alive,
		sudo: sudo, secret: secret, slots: make(chan struct{}, maxSessions), done: make(chan struct{})}
	go func() {
		err := c.client().Wait()
		if err == nil {
			err = io.EOF
		}
		c.end(away(c.address, "The connection broke; once the server answers again, run the same command again", err))
	}()
	go c.watch()
	return c
}

func (c *Conn) client() *ssh.Client { return c.clients[len(c.clients)-1] }

// Address is the server's host:port, for messages.
func (c *Conn) Address() string { return c.address }

// User is who logged in.
func (c *Conn) User() string { return c.user }

// Done is closed when the connection is over.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection is over; nil as long as it is not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

var errClosed = errors.New("the connection was closed here")

// Close ends the connection and everything on it.
func (c *Conn) Close() error {
	c.end(fmt.Errorf("%s: %w", c.address, errClosed))
	return nil
}

// end closes everything, keeping the first reason.
func (c *Conn) end(why error) {
	c.mu.Lock()
	first := c.why == nil
	if first {
		c.why = why
		close(c.done)
	}
	c.mu.Unlock()
	if !first {
		return
	}
	// The network first: closing a client writes, which a dead peer would block.
	_ = c.network.SetDeadline(time.Now().Add(time.Second))
	for i := len(c.clients) - 1; i >= 0; i-- {
		_ = c.clients[i].Close()
	}
	_ = c.network.Close()
}

// watch asks the server for a sign of life, three times in the period after
// which it is given up.
func (c *Conn) watch() {
	tick := time.NewTicker(c.alive / 3)
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		answer := make(chan error, 1)
		go func() {
			_, _, err := c.client().SendRequest("keepalive@openssh.com", true, nil)
			answer <- err
		}()
		late := time.NewTimer(c.alive)
		select {
		case <-c.done:
		case <-answer: // a refusal is a sign of life, and a broken connection ends by itself
		case <-late.C:
			c.end(silent(c.address, "though the connection stood", c.alive, providers.ErrUnreachable))
		}
		late.Stop()
	}
}

// Dial opens a connection as the server sees the network. The address is
// resolved by the server.
func (c *Conn) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.client().DialContext(ctx, network, address)
	if err != nil {
		if why := c.Err(); why != nil {
			return nil, why
		}
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) && refused.Reason == ssh.Prohibited {
			return nil, fmt.Errorf("%s does not let %q open connections to elsewhere (AllowTcpForwarding in its sshd_config): %s",
				c.address, c.user, Plain([]byte(err.Error()), maxSaid))
		}
		return nil, fmt.Errorf("connect from %s to %s: %w", c.address, Plain([]byte(address), 300), plainError(err))
	}
	return conn, nil
}

// plainError keeps what an error is and makes its text printable.
func plainError(err error) error {
	if err == nil {
		return nil
	}
	if text := Plain([]byte(err.Error()), maxSaid); text != err.Error() {
		return &unreachable{text, []error{err}}
	}
	return err
}

// session opens a channel for a command; release gives its slot back.
func (c *Conn) session(ctx context.Context) (*ssh.Session, func(), error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-c.done:
		return nil, nil, c.Err()
	}
	release := func() { <-c.slots }
	type opened struct {
		s   *ssh.Session
		err error
	}
	got := make(chan opened, 1)
	go func() {
		s, err := c.client().NewSession()
		got <- opened{s, err}
	}()
	select {
	case o := <-got:
		if o.err == nil {
			return o.s, release, nil
		}
		release()
		if why := c.Err(); why != nil {
			return nil, nil, why
		}
		return nil, nil, fmt.Errorf("%s opens no session (MaxSessions in its sshd_config): %w", c.address, plainError(o.err))
	case <-ctx.Done():
		// The session may open yet, and must not stay.
		go func() {
			if o := <-got; o.err == nil {
				_ = o.s.Close()
			}
			release()
		}()
		return nil, nil, ctx.Err()
	}
}

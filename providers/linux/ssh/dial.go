package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dial reaches a server, checks its key and logs in, on the way through every
// hop that lies before it.
//
// Errors: ErrSettings, ErrHostKey, ErrAuth, ErrTimeout and
// providers.ErrUnreachable; each names the address.
func Dial(ctx context.Context, t Target) (*Conn, error) {
	c, err := readConfig(t.ConfigFile)
	if err != nil {
		return nil, err
	}
	way, err := c.way(t)
	if err != nil {
		return nil, err
	}
	sudo, err := sudoSecret(t)
	if err != nil {
		return nil, err
	}
	var clients []*ssh.Client
	closeAll := func() {
		for i := len(clients) - 1; i >= 0; i-- {
			_ = clients[i].Close()
		}
	}
	var network net.Conn
	for _, h := range way {
		var before *ssh.Client
		if len(clients) > 0 {
			before = clients[len(clients)-1]
		}
		client, raw, err := h.dial(ctx, before)
		if err != nil {
			closeAll()
			if before != nil {
				return nil, fmt.Errorf("through %s: %w", way[len(clients)-1].address(), err)
			}
			return nil, err
		}
		clients = append(clients, client)
		if network == nil {
			network = raw
		}
	}
	last := way[len(way)-1]
	return newConn(last, clients, network, t.Sudo, sudo), nil
}

func sudoSecret(t Target) (string, error) {
	if !t.Sudo {
		return "", nil
	}
	if t.SudoPassword != "" {
		return t.SudoPassword.resolve("password for sudo")
	}
	return t.Password.resolve("password")
}

func (h *hop) address() string { return net.JoinHostPort(h.host, h.port) }

// dial opens one hop, straight or through the one before.
func (h *hop) dial(ctx context.Context, before *ssh.Client) (*ssh.Client, net.Conn, error) {
	known, err := readKnown(h)
	if err != nil {
		return nil, nil, err
	}
	password, err := h.password.resolve("password")
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	keys, err := collect(h, deadline)
	if err != nil {
		return nil, nil, err
	}
	defer keys.close()
	raw, err := h.connect(ctx, before)
	if err != nil {
		return nil, nil, h.unreached(ctx, err)
	}
	// What a context ends, closing ends: reading a handshake knows no context.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	l := &login{hop: h, known: known, keys: keys, password: password}
	conn, chans, reqs, err := ssh.NewClientConn(raw, known.address, l.config())
	if !stop() && err == nil {
		_ = conn.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		return nil, nil, l.explain(ctx, err)
	}
	return ssh.NewClient(conn, chans, reqs), raw, nil
}

func (h *hop) connect(ctx context.Context, before *ssh.Client) (net.Conn, error) {
	if before != nil {
		return before.DialContext(ctx, "tcp", h.address())
	}
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4}}
	return d.DialContext(ctx, "tcp", h.address())
}

// unreached explains why no connection came about.
func (h *hop) unreached(ctx context.Context, err error) error {
	var dns *net.DNSError
	switch {
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("connect to %s: %w", h.address(), ctx.Err())
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return silent(h.address(), "when it was connected to", h.timeout, err)
	case errors.As(err, &dns):
		return away(h.address(), "Give an address, or a name that resolves where stopover runs", err)
	}
	return away(h.address(), "Look whether the server is up and its SSH service listens on that port", err)
}

// login is one handshake and what happened in it.
type login struct {
	hop      *hop
	known    *knownHosts
	keys     *keyring
	password string

	refused  error // by the check of the host key
	verified bool
	did      []string // ways to log in that were tried
	asked    int      // rounds of questions
	takes    []string // ways that the server takes
}

func (l *login) config() *ssh.ClientConfig {
	a := l.hop.algorithms
	c := &ssh.ClientConfig{
		Config:            ssh.Config{Ciphers: a.ciphers, MACs: a.macs, KeyExchanges: a.exchanges},
		User:              l.hop.user,
		HostKeyAlgorithms: l.known.algorithms(a.hostKeys),
		HostKeyCallback: func(name string, remote net.Addr, key ssh.PublicKey) error {
			l.refused = l.known.check(name, remote, key)
			l.verified = l.verified || l.refused == nil
			return l.refused
		},
		AuthCallback: func(a *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			l.takes = nil
			for _, m := range a.AllowedMethods[:min(len(a.AllowedMethods), 10)] {
				l.takes = append(l.takes, Plain([]byte(m), 40))
			}
			return nil, nil // the next in order
		},
		BannerCallback: func(string) error { return nil }, // nobody reads it
		ClientVersion:  "SSH-2.0-Stopover",
	}
	if signers := l.keys.signers(); len(signers) > 0 {
		c.Auth = append(c.Auth, ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			l.did = append(l.did, l.keys.tried()...)
			return signers, nil
		}))
	}
	if l.password != "" {
		c.Auth = append(c.Auth,
			ssh.PasswordCallback(func() (string, error) {
				l.did = append(l.did, "password")
				return l.password, nil
			}),
			ssh.KeyboardInteractive(l.answer))
	}
	return c
}

// answer gives the password to the one question that asks for it without echo.
// Anything else is a second factor, which nobody is here to give.
func (l *login) answer(_, _ string, questions []string, echos []bool) ([]string, error) {
	if l.asked++; l.asked > 8 {
		return nil, errors.New("the server does not stop asking")
	}
	switch {
	case len(questions) == 0:
		return nil, nil
	case len(questions) > 1 || echos[0]:
		return nil, fmt.Errorf("the server asks for more than a password: %q", Plain([]byte(strings.Join(questions, " ")), 200))
	}
	const way = "keyboard-interactive"
	if len(l.did) > 0 && l.did[len(l.did)-1] == way {
		return nil, errors.New("the password was refused")
	}
	l.did = append(l.did, way)
	return []string{l.password}, nil
}

// explain turns the end of a handshake into an error that says what to do.
func (l *login) explain(ctx context.Context, err error) error {
	address := l.hop.address()
	var algorithm *ssh.AlgorithmNegotiationError
	said := Plain([]byte(err.Error()), maxSaid)
	switch {
	case l.refused != nil:
		return l.refused
	case errors.As(err, &algorithm):
		return fmt.Errorf("%s and Stopover speak no common %s (the server: %s). Update the server's OpenSSH, or allow more in the SSH configuration: %w",
			address, algorithm.What, Plain([]byte(strings.Join(algorithm.RequestedAlgorithms, ", ")), maxSaid), ErrSettings)
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("log in to %s: %w", address, ctx.Err())
	case ctx.Err() != nil && !l.verified:
		return silent(address, "after the connection was open, as an SSH server would", l.hop.timeout, err)
	case ctx.Err() != nil:
		return silent(address, "while logging in", l.hop.timeout, err)
	case l.verified:
		if strings.Contains(said, "unable to authenticate") { // the library's words, and not more than is known
			said = ""
		}
		return &AuthError{Address: address, User: l.hop.user, Tried: compact(l.did), Notes: l.keys.notes, Takes: l.takes, Said: strings.TrimPrefix(said, "ssh: handshake failed: ")}
	}
	return away(address, "The port answers, but not as an SSH server does; if it is one, its log says why it hung up", err)
}

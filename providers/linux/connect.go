package linux

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"

	"github.com/stopover/stopover/providers/linux/deploy"
	"github.com/stopover/stopover/providers/linux/ssh"
)

// remote is a machine that is reached over SSH. One connection carries all that
// is asked of it.
type remote struct {
	address    string // as in the configuration
	options    settings
	executable string // the program itself: agents lie beside it

	mu   sync.Mutex
	conn *ssh.Conn // nil: none yet
}

// Connect implements machine.
func (r *remote) Connect(ctx context.Context, reveal func(option string) (string, error)) (net.Conn, error) {
	c, err := r.connected(ctx, reveal)
	if err != nil {
		return nil, err
	}
	path, err := deploy.Ensure(ctx, c, deploy.Options{Executable: r.executable, Dir: r.options.agentDir})
	if err != nil {
		return nil, err
	}
	return deploy.Start(ctx, c, path)
}

// Dial implements machine.
func (r *remote) Dial(ctx context.Context, network, address string, reveal func(option string) (string, error)) (net.Conn, error) {
	c, err := r.connected(ctx, reveal)
	if err != nil {
		return nil, err
	}
	return c.Dial(ctx, network, address)
}

// Host implements machine.
func (r *remote) Host() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(r.conn.Address())
	if err != nil {
		return ""
	}
	return host
}

// Close implements machine.
func (r *remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil
	}
	err := r.conn.Close()
	r.conn = nil
	return err
}

// connected returns the connection, and makes one where there is none or where
// it was lost.
func (r *remote) connected(ctx context.Context, reveal func(option string) (string, error)) (*ssh.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil && r.conn.Err() == nil {
		return r.conn, nil
	}
	t, err := r.target(reveal)
	if err != nil {
		return nil, err
	}
	c, err := ssh.Dial(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.conn != nil {
		err = errors.Join(err, r.conn.Close())
	}
	r.conn = c
	return c, err
}

// target is the server as the transport knows it. It takes references to
// secrets; that there is something behind each is found out here, where its
// option can be named.
func (r *remote) target(reveal func(option string) (string, error)) (ssh.Target, error) {
	o := &r.options
	for _, option := range []string{"password", "passphrase", "sudo_password"} {
		if _, err := reveal(option); err != nil {
			return ssh.Target{}, err
		}
	}
	t := ssh.Target{Host: r.address, Port: o.port, User: o.user, OtherUser: rootUser,
		IdentityFiles: list(o.identity), CertificateFiles: list(o.certificate), KnownHosts: list(o.knownHosts), ConfigFile: o.sshConfig, ProxyJump: o.jump,
		Password: ssh.Secret(o.secrets["password"]), Passphrase: ssh.Secret(o.secrets["passphrase"]), SudoPassword: ssh.Secret(o.secrets["sudo_password"]),
		Sudo: o.sudo, Timeout: o.connect}
	if !o.useAgent {
		t.Agent = ssh.None
	}
	return t, nil
}

// list is none for an empty string.
func list(s string) []string {
	return slices.DeleteFunc([]string{s}, func(s string) bool { return s == "" })
}

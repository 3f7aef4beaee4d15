package ssh

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stopover/stopover/providers"
)

// What can be wrong, for errors.Is. Errors of a server that does not answer
// wrap providers.ErrUnreachable as well.
var (
	// ErrHostKey: the server's key is unknown, changed or revoked.
	ErrHostKey = errors.New("host key refused")
	// ErrAuth: the server accepted none of the ways to log in.
	ErrAuth = errors.New("login refused")
	// ErrTimeout: the server kept silent for too long.
	ErrTimeout = errors.New("no answer in time")
	// ErrSettings: a setting, a key file or a configuration file is at fault.
	ErrSettings = errors.New("settings")
	// ErrSudo: the user cannot become root.
	ErrSudo = errors.New("no root rights")
	// ErrTooMuch: a command said more than its caller takes.
	ErrTooMuch = errors.New("more output than allowed")
	// ErrShell: the login shell does not run commands.
	ErrShell = errors.New("login shell runs no commands")
)

// KeyProblem says what is wrong with a host key.
type KeyProblem string

// Problems of host keys.
const (
	KeyUnknown     KeyProblem = "unknown"
	KeyChanged     KeyProblem = "changed"
	KeyRevoked     KeyProblem = "revoked"
	KeyCertificate KeyProblem = "certificate" // a host certificate that does not hold
)

// KnownLine is a line of a known_hosts file.
type KnownLine struct {
	File        string
	Line        int
	Type        string
	Fingerprint string // SHA256:…
}

// HostKeyError is a host key that was refused. It is never overcome by asking
// again: somebody has to compare the fingerprint with the server's console.
type HostKeyError struct {
	Address     string // host:port
	Problem     KeyProblem
	Type        string // of the key that the server showed
	Fingerprint string // of that key, SHA256:…
	Known       []KnownLine
	Files       []string // known_hosts files that were looked at
	Add         string   // the line that would make the key known
	Why         string   // what a certificate lacks
}

// Is makes errors.Is find ErrHostKey.
func (e *HostKeyError) Is(target error) bool { return target == ErrHostKey }

func (e *HostKeyError) Error() string {
	switch e.Problem {
	case KeyChanged:
		return fmt.Sprintf("the host key of %s has changed: it shows a %s key with fingerprint %s, while %s. "+
			"Either the server was reinstalled or somebody sits in between. Compare on its console (%s); "+
			"if it is right, replace that line by: %s",
			e.Address, e.Type, e.Fingerprint, e.known(), keygen(e.Type), e.Add)
	case KeyRevoked:
		return fmt.Sprintf("the host key of %s (%s %s) is marked as revoked: %s. Give the server new host keys before it is used again",
			e.Address, e.Type, e.Fingerprint, e.known())
	case KeyCertificate:
		return fmt.Sprintf("the host certificate of %s does not hold: %s (certified key: %s %s). Looked at: %s. "+
			"Have it signed again by an authority that a @cert-authority line names, for this host name",
			e.Address, e.Why, e.Type, e.Fingerprint, strings.Join(e.Files, ", "))
	}
	where, first := "no known_hosts file was given", "~/.ssh/known_hosts"
	if len(e.Files) > 0 {
		where, first = "looked at: "+strings.Join(e.Files, ", "), e.Files[0]
	}
	return fmt.Sprintf("the host key of %s is not known: it shows a %s key with fingerprint %s; %s. "+
		"Compare on the server's console (%s); if it is right, add this line to %s: %s",
		e.Address, e.Type, e.Fingerprint, where, keygen(e.Type), strings.TrimSuffix(first, absentMark), e.Add)
}

func (e *HostKeyError) known() string {
	var s []string
	for _, k := range e.Known {
		s = append(s, fmt.Sprintf("%s:%d has the %s key %s", k.File, k.Line, k.Type, k.Fingerprint))
	}
	return strings.Join(s, ", ")
}

// keygen is the command that shows a fingerprint on a server's console.
func keygen(keyType string) string {
	file := "*"
	switch {
	case strings.Contains(keyType, "ed25519"):
		file = "ed25519"
	case strings.Contains(keyType, "ecdsa"):
		file = "ecdsa"
	case strings.Contains(keyType, "rsa"):
		file = "rsa"
	}
	return "ssh-keygen -lf /etc/ssh/ssh_host_" + file + "_key.pub"
}

// AuthError is a login that a server refused.
type AuthError struct {
	Address string
	User    string
	Tried   []string // ways that were tried, with keys by fingerprint and file
	Notes   []string // why others were not
	Takes   []string // the ways that the server takes, as it says
	Said    string   // what the server said, made printable
}

// Is makes errors.Is find ErrAuth.
func (e *AuthError) Is(target error) bool { return target == ErrAuth }

func (e *AuthError) Error() string {
	s := fmt.Sprintf("%s does not let %q log in", e.Address, e.User)
	if len(e.Tried) > 0 {
		s += "; tried: " + strings.Join(e.Tried, ", ")
	} else {
		s += "; there was nothing to try"
	}
	if len(e.Notes) > 0 {
		s += "; " + strings.Join(e.Notes, "; ")
	}
	if len(e.Takes) > 0 {
		s += "; it takes: " + strings.Join(e.Takes, ", ")
	}
	if e.Said != "" {
		s += "; it said: " + e.Said
	}
	return s + ". Put the public key into the user's authorized_keys on the server, or give the right key, user or password"
}

// unreachable is a server that does not answer, or not any more.
type unreachable struct {
	text string
	err  []error
}

func (e *unreachable) Error() string   { return e.text }
func (e *unreachable) Unwrap() []error { return e.err }

func silent(address, during string, after time.Duration, cause error) error {
	text := fmt.Sprintf("%s did not answer for %s %s. Look whether it is up, whether a firewall drops packets, and whether the port is that of its SSH service",
		address, after.Round(time.Millisecond), during)
	return &unreachable{text, []error{providers.ErrUnreachable, ErrTimeout, cause}}
}

func away(address, remedy string, cause error) error {
	return &unreachable{fmt.Sprintf("connect to %s: %s. %s", address, Plain([]byte(cause.Error()), maxSaid), remedy),
		[]error{providers.ErrUnreachable, cause}}
}

func settings(format string, args ...any) error {
	return &settingsError{fmt.Errorf(format, args...)}
}

// settingsError is a fault on this side.
type settingsError struct{ err error }

func (e *settingsError) Error() string        { return e.err.Error() }
func (e *settingsError) Unwrap() error        { return e.err }
func (e *settingsError) Is(target error) bool { return target == ErrSettings }

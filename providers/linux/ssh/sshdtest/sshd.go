// Package sshdtest runs real OpenSSH servers for tests: on a free port of
// 127.0.0.1, with keys and a configuration of their own, in a process namespace
// that ends with the test, whatever becomes of it.
package sshdtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a running sshd that lets root in.
type Server struct {
	Dir     string
	Host    string
	Port    int
	HostKey string // private host key file; .pub is beside it
	UserKey string // private key that opens root

	mu   sync.Mutex
	cmd  *exec.Cmd
	conf string
	// mounts are commands that run in the server's mount namespace before it.
	mounts string
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Need skips a test that needs root and OpenSSH where these are missing, and
// fails it in CI.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	var missing []string
	if os.Getuid() != 0 {
		missing = append(missing, "root")
	}
	for _, p := range append(programs, "/usr/sbin/sshd", "ssh-keygen") {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	switch {
	case len(missing) == 0:
	case os.Getenv("CI") == "true":
		t.Fatalf("this test needs %s", strings.Join(missing, ", "))
	default:
		t.Skipf("SKIPPED: this test needs %s", strings.Join(missing, ", "))
	}
}

// Start runs a server; lines are added to its configuration.
func Start(t testing.TB, lines ...string) *Server {
	t.Helper()
	s := prepare(t, lines...)
	passwd := filepath.Join(s.Dir, "passwd")
	write(t, passwd, s.passwd(t))
	if err := os.Chmod(passwd, 0o644); err != nil {
		t.Fatal(err)
	}
	s.mounts = fmt.Sprintf("mount --bind '%s' /etc/passwd || exit 1; ", passwd)
	s.run(t)
	return s
}

// passwd is the machine's, but that root is at home in an empty directory:
// start-up files of the machine's root are none of a test's business.
func (s *Server) passwd(t testing.TB) string {
	t.Helper()
	home := filepath.Join(s.Dir, "root")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^(root:.*):[^:\n]*:([^:\n]*)$`).ReplaceAllString(Read(t, "/etc/passwd"), "${1}:"+home+":${2}")
}

func prepare(t testing.TB, lines ...string) *Server {
	t.Helper()
	Need(t)
	s := &Server{Dir: t.TempDir(), Host: "127.0.0.1", log: &lockedBuffer{}}
	s.HostKey, s.UserKey = filepath.Join(s.Dir, "host"), filepath.Join(s.Dir, "user")
	Keygen(t, s.HostKey, "ed25519", "")
	Keygen(t, s.UserKey, "ed25519", "")
	s.Authorize(t, s.UserKey+".pub")
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd will not start without
		t.Fatal(err)
	}
	s.Port = FreePort(t)
	conf := []string{
		fmt.Sprintf("ListenAddress %s:%d", s.Host, s.Port), "HostKey " + s.HostKey, "PidFile none", "UsePAM no", "StrictModes no",
		"PermitRootLogin yes", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "LogLevel VERBOSE", "UseDNS no", "MaxStartups 100",
		"AuthorizedKeysFile " + filepath.Join(s.Dir, "authorized_keys"),
	}
	// The first value counts for sshd: what a test says stands before.
	s.conf = filepath.Join(s.Dir, "sshd_config")
	write(t, s.conf, strings.Join(append(append([]string{}, lines...), conf...), "\n")+"\n")
	return s
}

func (s *Server) run(t testing.TB) {
	t.Helper()
	s.Up(t)
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("sshd said:\n%s", s.log.String())
		}
	})
}

// Up starts the server again after Kill, on its port.
func (s *Server) Up(t testing.TB) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", s.mounts+`exec /usr/sbin/sshd -D -e -f "$1"`, "sh", s.conf)
	cmd.Stderr = s.log
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
	for range 500 {
		c, err := net.Dial("tcp", s.Address())
		if err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("sshd does not come up: %s", s.log.String())
}

// Kill ends the server and every process that it started, at once.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Pid is that of the server.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Address is host:port.
func (s *Server) Address() string { return net.JoinHostPort(s.Host, fmt.Sprint(s.Port)) }

// Log is what sshd said.
func (s *Server) Log() string { return s.log.String() }

// Authorize lets holders of a public key in.
func (s *Server) Authorize(t testing.TB, pub string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.Dir, "authorized_keys"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(Read(t, pub)); err != nil {
		t.Fatal(err)
	}
}

// Known writes a known_hosts file that has the server's key.
func (s *Server) Known(t testing.TB) string {
	t.Helper()
	name := filepath.Join(s.Dir, "known_hosts")
	write(t, name, fmt.Sprintf("[%s]:%d %s", s.Host, s.Port, Read(t, s.HostKey+".pub")))
	return name
}

// Keygen makes a key pair.
func Keygen(t testing.TB, name, kind, passphrase string, more ...string) {
	t.Helper()
	args := append([]string{"-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", name}, more...)
	if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %q: %v: %s", args, err, out)
	}
}

// Read gives a file's text.
func Read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// FreePort is a port of 127.0.0.1 that nobody listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

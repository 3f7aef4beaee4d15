package ssh_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/providers/linux/ssh/sshdtest"
)

func works(t *testing.T, tg ssh.Target) {
	t.Helper()
	conn, err := ssh.Dial(t.Context(), tg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if out, err := conn.Run(t.Context(), []string{"echo", "in"}, nil); err != nil || string(out.Stdout) != "in\n" {
		t.Errorf("%+v, %v", out, err)
	}
}

// refused dials and wants an error that is kind and says all parts.
func refused(t *testing.T, tg ssh.Target, kind error, parts ...string) {
	t.Helper()
	conn, err := ssh.Dial(t.Context(), tg)
	if err == nil {
		_ = conn.Close()
		t.Fatalf("it went through; wanted %v", kind)
	}
	if !errors.Is(err, kind) {
		t.Errorf("%v is no %v", err, kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q is not in: %v", p, err)
		}
	}
	for _, s := range []string{"Zq7", "\n", "\x1b"} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("%q is in: %v", s, err)
		}
	}
}

func TestKeys(t *testing.T) {
	s := sshdtest.Start(t)
	t.Setenv("STOPOVER_TEST_PASS", "phrase Zq7")
	t.Setenv("STOPOVER_TEST_OTHER", "other Zq7")
	for _, c := range []struct {
		kind, pass string
		more       []string
	}{
		{"ed25519", "", nil}, {"ecdsa", "", nil}, {"ecdsa", "", []string{"-b", "521"}}, {"rsa", "", nil},
		{"rsa", "", []string{"-m", "PEM"}}, {"rsa", "", []string{"-m", "PKCS8"}}, {"ecdsa", "", []string{"-m", "PEM"}},
		{"ed25519", "phrase Zq7", nil}, {"rsa", "phrase Zq7", nil}, {"rsa", "phrase Zq7", []string{"-m", "PEM"}},
	} {
		t.Run(fmt.Sprint(c.kind, c.more, c.pass != ""), func(t *testing.T) {
			key := filepath.Join(t.TempDir(), "key")
			sshdtest.Keygen(t, key, c.kind, c.pass, c.more...)
			tg := target(t, s)
			tg.IdentityFiles = []string{key}
			if c.pass != "" {
				refused(t, tg, ssh.ErrAuth, "encrypted and no passphrase", key)
				tg.Passphrase = "env:STOPOVER_TEST_OTHER"
				refused(t, tg, ssh.ErrSettings, "passphrase does not open", key)
				tg.Passphrase = "env:STOPOVER_TEST_PASS"
			}
			print := fingerprint(t, key+".pub")
			refused(t, tg, ssh.ErrAuth, s.Address(), `"root"`, key, print, "authorized_keys")
			s.Authorize(t, key+".pub")
			works(t, tg)
			if err := os.Chmod(key, 0o644); err != nil {
				t.Fatal(err)
			}
			refused(t, tg, ssh.ErrSettings, "chmod 600", key)
		})
	}
	tg := target(t, s)
	tg.IdentityFiles = []string{"/no/such/key"}
	refused(t, tg, ssh.ErrAuth, "/no/such/key", "nothing to try")
	tg.IdentityFiles = []string{filepath.Join(s.Dir, "sshd_config")}
	refused(t, tg, ssh.ErrAuth, "no private key")
	tg = target(t, s)
	tg.Passphrase = "phrase Zq7"
	refused(t, tg, ssh.ErrSettings, "env:NAME")
	tg.Passphrase = "env:STOPOVER_TEST_UNSET"
	refused(t, tg, ssh.ErrSettings, "STOPOVER_TEST_UNSET")
}

func fingerprint(t *testing.T, pub string) string {
	t.Helper()
	out, err := exec.Command("ssh-keygen", "-lf", pub).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))[1]
}

func TestAgent(t *testing.T) {
	sshdtest.Need(t, "ssh-agent", "ssh-add")
	s := sshdtest.Start(t)
	sock := filepath.Join(t.TempDir(), "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", sock)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for range 200 {
		if _, err := os.Stat(sock); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	add := exec.Command("ssh-add", s.UserKey)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+sock)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("SSH_AUTH_SOCK", sock)
	t.Setenv("HOME", t.TempDir())
	tg := target(t, s)
	tg.IdentityFiles, tg.Agent = nil, ""
	works(t, tg)
	tg.Agent = sock
	works(t, tg)
	// The public key names which of the agent's keys is meant.
	tg.IdentityFiles = []string{s.UserKey + ".pub"}
	works(t, tg)
	other := filepath.Join(t.TempDir(), "other")
	sshdtest.Keygen(t, other, "ed25519", "")
	tg.IdentityFiles = []string{other + ".pub"}
	refused(t, tg, ssh.ErrAuth, "nothing to try")
	tg.IdentityFiles, tg.Agent = nil, ssh.None
	refused(t, tg, ssh.ErrAuth, "nothing to try")
	tg.Agent = "/no/such/socket"
	refused(t, tg, ssh.ErrAuth, "ssh-agent at /no/such/socket")
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	ca, key := filepath.Join(dir, "ca"), filepath.Join(dir, "key")
	sshdtest.Need(t)
	sshdtest.Keygen(t, ca, "ed25519", "")
	sshdtest.Keygen(t, key, "ecdsa", "")
	s := sshdtest.Start(t, "TrustedUserCAKeys "+ca+".pub")
	tg := target(t, s)
	tg.IdentityFiles = []string{key}
	refused(t, tg, ssh.ErrAuth, key)
	sign := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ssh-keygen", append([]string{"-q", "-s", ca, "-I", "id"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	sign("-n", "root", "-V", "-2d:-1d", key+".pub")
	refused(t, tg, ssh.ErrAuth, key+"-cert.pub ended on")
	sign("-n", "root", "-V", "+1d", key+".pub")
	works(t, tg)
	moved := filepath.Join(dir, "elsewhere")
	if err := os.Rename(key+"-cert.pub", moved); err != nil {
		t.Fatal(err)
	}
	refused(t, tg, ssh.ErrAuth)
	tg.CertificateFiles = []string{moved}
	works(t, tg)
	tg.CertificateFiles = []string{key + ".pub"}
	refused(t, tg, ssh.ErrSettings, "no SSH certificate")
}

func TestPassword(t *testing.T) {
	s := sshdtest.StartWithUsers(t, users, sudoers, "PasswordAuthentication yes")
	t.Setenv("STOPOVER_TEST_RIGHT", password)
	t.Setenv("STOPOVER_TEST_WRONG", "wrong Zq7")
	tg := target(t, s)
	tg.User, tg.IdentityFiles, tg.Password = "asked", []string{"/no/such/key"}, "env:STOPOVER_TEST_RIGHT"
	works(t, tg)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tg.Password = ssh.Secret("file:" + file)
	works(t, tg)
	tg.Password = "env:STOPOVER_TEST_WRONG"
	refused(t, tg, ssh.ErrAuth, "tried: password", "it takes: publickey, password", s.Address(), `"asked"`)
	tg.Password = ssh.Secret("file:" + file + ".no")
	refused(t, tg, ssh.ErrSettings, "password")
}

func TestUnreachable(t *testing.T) {
	s := sshdtest.Start(t)
	tg := target(t, s)
	tg.Timeout = 500 * time.Millisecond
	tg.Port = sshdtest.FreePort(t)
	refused(t, tg, providers.ErrUnreachable, fmt.Sprintf("127.0.0.1:%d", tg.Port), "connection refused", "SSH service listens")
	tg.Host = "no-such-host.invalid"
	refused(t, tg, providers.ErrUnreachable, "no-such-host.invalid", "a name that resolves")
	// TCP answers and nothing is said.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	tg.Host, tg.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	refused(t, tg, providers.ErrUnreachable, "500ms", l.Addr().String())
	refused(t, tg, ssh.ErrTimeout)
	for _, host := range []string{"", "-oProxyCommand=x", "a b", "a\nb", "user@host"} {
		tg.Host = host
		refused(t, tg, ssh.ErrSettings, "no name or address")
	}
}

// TestDies: a server that dies ends what runs on it, with its name.
func TestDies(t *testing.T) {
	s := sshdtest.Start(t)
	c := open(t, target(t, s))
	st, err := c.Start(t.Context(), []string{"cat"})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() {
		_, err := c.Run(t.Context(), []string{"sleep", "100"}, nil)
		ran <- err
	}()
	time.Sleep(300 * time.Millisecond)
	s.Kill()
	_, rerr := st.Read(make([]byte, 1))
	for _, err := range []error{rerr, <-ran} {
		if !errors.Is(err, providers.ErrUnreachable) || !strings.Contains(err.Error(), s.Address()) {
			t.Errorf("%v", err)
		}
	}
	<-c.Done()
	if _, err := c.Run(t.Context(), []string{"true"}, nil); !errors.Is(err, providers.ErrUnreachable) {
		t.Errorf("%v", err)
	}
	s.Up(t)
	works(t, target(t, s))
}

// TestSilence: a server that says nothing any more is given up in bounded time,
// though its connection stands.
func TestSilence(t *testing.T) {
	s := sshdtest.Start(t)
	through, cut := sshdtest.Relay(t, s.Address())
	tg := target(t, s)
	tg.Port = through
	tg.KnownHosts = []string{filepath.Join(t.TempDir(), "known")}
	line := strings.Replace(sshdtest.Read(t, s.Known(t)), fmt.Sprint(s.Port), fmt.Sprint(through), 1)
	if err := os.WriteFile(tg.KnownHosts[0], []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	tg.Alive = time.Second
	c := open(t, tg)
	if _, err := c.Run(t.Context(), []string{"sleep", "2"}, nil); err != nil { // keepalives are answered meanwhile
		t.Fatal(err)
	}
	st, err := c.Start(t.Context(), []string{"cat"})
	if err != nil {
		t.Fatal(err)
	}
	cut()
	_, err = st.Read(make([]byte, 1))
	if !errors.Is(err, ssh.ErrTimeout) || !errors.Is(err, providers.ErrUnreachable) || !strings.Contains(err.Error(), "though the connection stood") {
		t.Errorf("%v", err)
	}
}

func TestDialFromServer(t *testing.T) {
	s := sshdtest.Start(t)
	c := open(t, target(t, s))
	conn, err := c.Dial(t.Context(), "tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	banner := make([]byte, 8)
	if _, err := conn.Read(banner); err != nil || string(banner) != "SSH-2.0-" {
		t.Errorf("%q, %v", banner, err)
	}
	_ = conn.Close()
	free := fmt.Sprintf("127.0.0.1:%d", sshdtest.FreePort(t))
	if _, err := c.Dial(t.Context(), "tcp", free); err == nil || !strings.Contains(err.Error(), "connect from "+s.Address()+" to "+free) {
		t.Errorf("%v", err)
	}
	closed := sshdtest.Start(t, "AllowTcpForwarding no")
	c = open(t, target(t, closed))
	if _, err := c.Dial(t.Context(), "tcp", s.Address()); err == nil || !strings.Contains(err.Error(), "AllowTcpForwarding") {
		t.Errorf("%v", err)
	}
}

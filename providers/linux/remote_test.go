//go:build linux

package linux

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/ssh/sshdtest"
	"github.com/stopover/stopover/schema"
)

// agentBinary builds the agent of the transport's tests, which does what names
// tell it, beside a program.
func agentBinary(t *testing.T) (executable string) {
	t.Helper()
	dir := t.TempDir()
	executable = filepath.Join(dir, "stopover")
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "stopover-agent-linux-"+runtime.GOARCH), "./deploy/testdata/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(executable, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	return executable
}

// remoteServer opens the machine that tests run on, over a real SSH server. The
// agent lies below a directory that only root can write.
type remoteServer struct {
	t          *testing.T
	sshd       *sshdtest.Server
	executable string
	base       string
	known      string
}

func newRemote(t *testing.T) *remoteServer {
	t.Helper()
	sshdtest.Need(t)
	t.Setenv("STOPOVER_AGENT_DIR", "")
	r := &remoteServer{t: t, sshd: sshdtest.Start(t), executable: agentBinary(t)}
	r.known = r.sshd.Known(t)
	var err error
	if r.base, err = os.MkdirTemp("/var/lib", "stopover-test-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(r.base); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *remoteServer) open(more map[string]string, executable string) providers.Server {
	r.t.Helper()
	options := map[string]string{"port": strconv.Itoa(r.sshd.Port), "identity_file": r.sshd.UserKey, "known_hosts": r.known, "ssh_config": "none", "use_agent": "false",
		"agent_dir": filepath.Join(r.base, "agent")}
	maps.Copy(options, more)
	s, err := Kind().Open(r.t.Context(), schema.Server{Name: "client", Provider: "linux", Address: r.sshd.Host, Options: options},
		providers.Env{Dir: r.t.TempDir(), Executable: executable, Layouts: []schema.Layout{{Name: "debian"}}, Cache: r.t.TempDir(),
			Secret: func(context.Context, string) (string, error) { return "", errors.New("none") }})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *remoteServer) survey(s providers.Server) *schema.FoundServer {
	r.t.Helper()
	f, err := s.Survey(r.t.Context(), providers.SurveyOptions{Refresh: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// TestOverSSH: what is opened here speaks to an agent that was put there a
// moment ago, again when its connection was lost, and not at all where nothing
// is to be trusted.
func TestOverSSH(t *testing.T) {
	r := newRemote(t)
	s := r.open(map[string]string{"names": "account:shop account:blog"}, r.executable)
	f := r.survey(s)
	if f.Presence != schema.Present || len(f.Accounts) != 2 || f.Account("shop") == nil {
		t.Fatalf("found %+v", f)
	}
	if left, err := os.ReadDir(filepath.Join(r.base, "agent")); err != nil || len(left) != 1 {
		t.Errorf("on the server lie %v, %v", left, err)
	}
	r.sshd.Kill()
	if f := r.survey(s); f.Presence != schema.Unreachable || f.Error == "" {
		t.Errorf("while it is down: %+v", f)
	}
	r.sshd.Up(t)
	if f := r.survey(s); f.Presence != schema.Present {
		t.Errorf("when it is back: %+v", f)
	}
	// What listens on the server's own localhost is reached from there.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	}()
	c, err := s.Abilities().Dialer.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(c); err != nil || string(said) != "hello" {
		t.Errorf("%q, %v", said, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestWhatGoesWrongOverSSH: each is an error in the inventory that says what to
// do, and never an absent server.
func TestWhatGoesWrongOverSSH(t *testing.T) {
	r := newRemote(t)
	empty := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	sshdtest.Keygen(t, key, "ed25519", "")
	closed := strconv.Itoa(sshdtest.FreePort(t))
	var all sync.WaitGroup
	for name, c := range map[string]struct {
		options    map[string]string
		executable string
		want       []string
	}{
		"unknown host key": {map[string]string{"known_hosts": empty}, r.executable, []string{"SHA256:", "known_hosts"}},
		"wrong key":        {map[string]string{"identity_file": key}, r.executable, []string{"let \"root\" log in", "authorized_keys"}},
		"no such key":      {map[string]string{"identity_file": "/nowhere/id"}, r.executable, []string{"/nowhere/id"}},
		"closed port":      {map[string]string{"port": closed}, r.executable, []string{closed, "refused"}},
		"no agent here":    {nil, filepath.Join(filepath.Dir(empty), "stopover"), []string{"no agent"}},
		"place not ours":   {map[string]string{"agent_dir": "/tmp/stopover-agent-of-a-test"}, r.executable, []string{"agent_dir"}},
		"the agent dies":   {map[string]string{"names": "exit"}, r.executable, []string{"agent"}},
		"no such secret":   {map[string]string{"password": "env:NOWHERE"}, r.executable, []string{"option password"}},
	} {
		if c.executable != r.executable {
			if err := os.WriteFile(c.executable, nil, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		s := r.open(c.options, c.executable)
		all.Go(func() {
			f, err := s.Survey(t.Context(), providers.SurveyOptions{})
			if err != nil || f.Presence != schema.Unreachable {
				t.Errorf("%s: %+v, %v", name, f, err)
				return
			}
			for _, w := range c.want {
				if !strings.Contains(f.Error, w) {
					t.Errorf("%s: without %q: %s", name, w, f.Error)
				}
			}
			t.Logf("%s: %s", name, f.Error)
			if err := s.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
}

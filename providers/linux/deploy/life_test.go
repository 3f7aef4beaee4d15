package deploy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/deploy"
	"github.com/stopover/stopover/providers/linux/deploy/pulse"
	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/providers/linux/ssh/sshdtest"
)

// below lists what runs below a server: it has a process namespace of its own,
// and everything on it is in that.
func below(t *testing.T, s *sshdtest.Server) []string {
	t.Helper()
	ns := func(pid string) string {
		l, _ := os.Readlink("/proc/" + pid + "/ns/pid")
		return l
	}
	mine, out := ns(fmt.Sprint(s.Pid())), []string{}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		if pid := filepath.Base(p); mine != "" && ns(pid) == mine {
			b, _ := os.ReadFile(p + "/cmdline")
			name, _, _ := strings.Cut(strings.ReplaceAll(string(b), "\x00", " "), " [listener]") // a count follows
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// settles waits until what runs on the server is what ran before.
func settles(t *testing.T, s *sshdtest.Server, before []string) {
	t.Helper()
	var now []string
	for range 1200 {
		if now = below(t, s); strings.Join(now, "\n") == strings.Join(before, "\n") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("before:\n%s\nnow:\n%s", strings.Join(before, "\n"), strings.Join(now, "\n"))
}

// TestNothingStays: when the connection ends, so do the agent and what it ran.
func TestNothingStays(t *testing.T) {
	s, o := sshdtest.Start(t), options(t)
	for len(below(t, s)) > 1 { // the test's own first look whether it is up
		time.Sleep(20 * time.Millisecond)
	}
	before := below(t, s)
	conn := connect(t, s)
	path, err := deploy.Ensure(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(t.TempDir(), "away")
	c := client(t, conn, path)
	ctx, cancel := context.WithCancel(t.Context())
	looked := make(chan error, 1)
	go func() {
		_, err := c.Look(ctx, agent.LookRequest{Names: []string{"child:1000", "wait:" + away}}, nil)
		looked <- err
	}()
	begun(t, s)
	_ = conn.Close()
	if err := <-looked; !errors.Is(err, providers.ErrUnreachable) {
		t.Errorf("%v", err)
	}
	cancel()
	settles(t, s, before)
	if got := sshdtest.Read(t, away); got != "put away" {
		t.Errorf("%q", got)
	}
}

// begun waits until the agent has run its child, and a moment longer.
func begun(t *testing.T, s *sshdtest.Server) {
	t.Helper()
	for !strings.Contains(strings.Join(below(t, s), "\n"), "sleep 1000") {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond)
}

// clientMode is this test's program as a client that gets killed.
const clientMode = "STOPOVER_TEST_CLIENT"

func TestClientProcess(t *testing.T) {
	args := strings.Split(os.Getenv(clientMode), "\n")
	if len(args) != 5 {
		return
	}
	var port int
	_, _ = fmt.Sscan(args[0], &port)
	conn, err := ssh.Dial(t.Context(), ssh.Target{Host: "127.0.0.1", Port: port, User: "root", IdentityFiles: []string{args[1]}, KnownHosts: []string{args[2]}, ConfigFile: ssh.None, Agent: ssh.None})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("connected")
	_, _ = client(t, conn, args[3]).Look(t.Context(), agent.LookRequest{Names: []string{"child:1000", "wait:" + args[4]}}, nil)
}

// TestClientKilled: nothing stays when stopover itself is killed.
func TestClientKilled(t *testing.T) {
	s, o := sshdtest.Start(t), options(t)
	conn := connect(t, s)
	path, err := deploy.Ensure(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	for len(below(t, s)) > 1 {
		time.Sleep(20 * time.Millisecond)
	}
	before := below(t, s)
	away := filepath.Join(t.TempDir(), "away")
	cmd := exec.Command(os.Args[0], "-test.run", "^TestClientProcess$")
	cmd.Env = append(os.Environ(), clientMode+"="+strings.Join([]string{fmt.Sprint(s.Port), s.UserKey, s.Known(t), path, away}, "\n"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "connected\n" {
		t.Fatalf("%q, %v", line, err)
	}
	begun(t, s)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	settles(t, s, before)
	if got := sshdtest.Read(t, away); got != "put away" {
		t.Errorf("%q", got)
	}
}

// TestNetworkCut: the agent ends though its server does not know that the
// network was cut, and so does the call here.
func TestNetworkCut(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the half minute after which silence is believed")
	}
	s, o := sshdtest.Start(t), options(t)
	port, cut := sshdtest.Relay(t, s.Address())
	known := filepath.Join(t.TempDir(), "known")
	if err := os.WriteFile(known, []byte(strings.Replace(sshdtest.Read(t, s.Known(t)), fmt.Sprint(s.Port), fmt.Sprint(port), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := ssh.Dial(t.Context(), ssh.Target{Host: "127.0.0.1", Port: port, User: "root", IdentityFiles: []string{s.UserKey}, KnownHosts: []string{known}, ConfigFile: ssh.None, Agent: ssh.None})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	path, err := deploy.Ensure(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(t.TempDir(), "away")
	c := client(t, conn, path)
	looked := make(chan error, 1)
	go func() {
		_, err := c.Look(t.Context(), agent.LookRequest{Names: []string{"child:1000", "wait:" + away}}, nil)
		looked <- err
	}()
	begun(t, s)
	cut()
	if err := <-looked; !errors.Is(err, providers.ErrUnreachable) {
		t.Errorf("%v", err)
	}
	gone(t, path)
	if got := sshdtest.Read(t, away); got != "put away" {
		t.Errorf("%q", got)
	}
	for _, p := range below(t, s) {
		if strings.HasPrefix(p, "sleep") {
			t.Errorf("still runs: %s", p)
		}
	}
}

// TestAgentKilled: an agent that is killed is an error that says so.
func TestAgentKilled(t *testing.T) {
	conn, o := server(t)
	path, err := deploy.Ensure(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, conn, path)
	looked := make(chan error, 1)
	go func() {
		_, err := c.Look(t.Context(), agent.LookRequest{Names: []string{"wait:/dev/null"}}, nil)
		looked <- err
	}()
	for len(running(path)) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond)
	if out, err := exec.Command("kill", "-9", running(path)[0]).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := <-looked; !errors.Is(err, providers.ErrUnreachable) || !strings.Contains(err.Error(), "signal KILL") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if _, err := c.Look(t.Context(), agent.LookRequest{}, nil); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// TestNoAgent: what is no agent is known for what it is.
func TestNoAgent(t *testing.T) {
	conn, _ := server(t)
	for program, want := range map[string]string{"/bin/echo": "not the language of stopover-agent", "/bin/false": "ended with code 1", "/no/such": "code 127"} {
		a, err := deploy.Start(t.Context(), conn, program)
		if err == nil {
			_, err = a.Read(make([]byte, 1))
			_ = a.Close()
		}
		if !errors.Is(err, providers.ErrUnreachable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", program, err)
		}
		if program == "/bin/echo" && !errors.Is(err, pulse.ErrForeign) {
			t.Errorf("%v", err)
		}
	}
}

func TestOtherUsers(t *testing.T) {
	const password = "agent's-Zq7"
	t.Setenv("STOPOVER_TEST_RIGHT", password)
	s := sshdtest.StartWithUsers(t, []sshdtest.User{{Name: "plain", Password: password, Shell: "/bin/bash"}}, "Defaults use_pty\nplain ALL=(ALL) ALL\n")
	o := options(t)
	tg := ssh.Target{Host: s.Host, Port: s.Port, User: "plain", IdentityFiles: []string{s.UserKey}, KnownHosts: []string{s.Known(t)}, ConfigFile: ssh.None, Agent: ssh.None}
	conn, err := ssh.Dial(t.Context(), tg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := deploy.Ensure(t.Context(), conn, o); !errors.Is(err, deploy.ErrRights) || !strings.Contains(err.Error(), `"plain"`) {
		t.Errorf("%v", err)
	}
	_ = conn.Close()
	for len(below(t, s)) > 1 {
		time.Sleep(20 * time.Millisecond)
	}
	before := below(t, s)
	tg.Sudo, tg.SudoPassword = true, "env:STOPOVER_TEST_RIGHT"
	if conn, err = ssh.Dial(t.Context(), tg); err != nil {
		t.Fatal(err)
	}
	path, err := deploy.Ensure(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := agent.NewLookClient("here", func(ctx context.Context, _ string) (net.Conn, error) { return deploy.Start(ctx, conn, path) })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if found, err := c.Look(t.Context(), agent.LookRequest{Names: []string{"child:1000", "account:shop"}}, nil); err != nil || len(found.Accounts) != 1 {
			t.Errorf("%+v, %v", found, err)
		}
	}
	_ = c.Close()
	_ = conn.Close()
	settles(t, s, before)
}

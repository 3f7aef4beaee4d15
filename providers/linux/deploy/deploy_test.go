package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/deploy"
	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/providers/linux/ssh/sshdtest"
)

// agents builds the tests' agent beside a program, once.
var agents = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stopover-agents")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "stopover-agent-linux-amd64"), "./testdata/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "stopover-agent-linux-amd64"))
	if err != nil {
		return "", err
	}
	exe := filepath.Join(dir, "stopover")
	return exe, errors.Join(os.WriteFile(exe, nil, 0o700), os.WriteFile(filepath.Join(dir, "stopover-agent-linux-arm64"), b[:len(b)/2], 0o700))
})

func TestMain(m *testing.M) {
	code := m.Run()
	if exe, err := agents(); err == nil {
		_ = os.RemoveAll(filepath.Dir(exe))
	}
	os.Exit(code)
}

// server is a server to put agents on: the machine itself, with the agent's
// directory below a directory that only root can write.
func server(t *testing.T) (*ssh.Conn, deploy.Options) {
	t.Helper()
	s := sshdtest.Start(t)
	return connect(t, s), options(t)
}

func connect(t *testing.T, s *sshdtest.Server) *ssh.Conn {
	t.Helper()
	c, err := ssh.Dial(t.Context(), ssh.Target{Host: s.Host, Port: s.Port, User: "root", IdentityFiles: []string{s.UserKey},
		KnownHosts: []string{s.Known(t)}, ConfigFile: ssh.None, Agent: ssh.None})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func options(t *testing.T) deploy.Options {
	t.Helper()
	exe, err := agents()
	if err != nil {
		t.Fatal(err)
	}
	// Not below /tmp, which others can write.
	base, err := os.MkdirTemp("/var/lib", "stopover test ")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	return deploy.Options{Executable: exe, Dir: filepath.Join(base, "agent")}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestEnsure(t *testing.T) {
	conn, o := server(t)
	path, err := deploy.Ensure(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	version, err := deploy.Version(filepath.Join(filepath.Dir(o.Executable), "stopover-agent-linux-amd64"))
	if err != nil || path != o.Dir+"/stopover-agent-"+version {
		t.Errorf("%q, %v", path, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o700 {
		t.Fatalf("%v, %v", info, err)
	}
	if dir, err := os.Stat(o.Dir); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", dir, err)
	}
	if _, err := deploy.Ensure(t.Context(), conn, o); err != nil {
		t.Fatal(err)
	}
	again, err := os.Stat(path)
	if err != nil || !os.SameFile(info, again) || !again.ModTime().Equal(info.ModTime()) {
		t.Errorf("the agent was put there again: %v", err)
	}
	// A file of the right name with other bytes, or other rights, is replaced.
	for _, spoil := range []func() error{
		func() error { return os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700) },
		func() error { return os.Chmod(path, 0o755) },
		func() error { return os.Chown(path, 12345, 0) },
		func() error { return errors.Join(os.Remove(path), os.Symlink("/bin/true", path)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := deploy.Ensure(t.Context(), conn, o); err != nil {
			t.Fatal(err)
		}
		if v, err := deploy.Version(path); err != nil || v != version {
			t.Errorf("%q, %v", v, err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode() != 0o700 {
			t.Errorf("%v, %v", info, err)
		}
	}
	if got := list(t, o.Dir); len(got) != 1 {
		t.Errorf("%q is left there", got)
	}
}

func TestEnsureRemovesOldVersions(t *testing.T) {
	conn, o := server(t)
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	sleep, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	used := filepath.Join(o.Dir, "stopover-agent-0000000000000001")
	for _, f := range []string{used, filepath.Join(o.Dir, "stopover-agent-0000000000000002")} {
		if err := os.WriteFile(f, sleep, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(used, "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	path, err := deploy.Ensure(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	got := list(t, o.Dir)
	if len(got) != 2 || got[0] != filepath.Base(used) || got[1] != filepath.Base(path) {
		t.Errorf("%q", got)
	}
}

func TestEnsureByManyAtOnce(t *testing.T) {
	conn, o := server(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			path, err := deploy.Ensure(t.Context(), conn, o)
			if err != nil {
				t.Error(err)
				return
			}
			if out, err := conn.Run(t.Context(), []string{path, "version"}, nil); err != nil || string(out.Stdout) != "test\n" {
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
	all.Wait()
	if got := list(t, o.Dir); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestEnsureRefusesPlaces(t *testing.T) {
	sshdtest.Need(t)
	o := options(t)
	base := filepath.Dir(o.Dir)
	mount := func(opts string) func() {
		return func() {
			if err := os.Mkdir(o.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=700,"+opts, "stopover-test", o.Dir).CombinedOutput(); err != nil {
				t.Skipf("SKIPPED: no mount: %s", out)
			}
		}
	}
	for _, c := range []struct {
		name    string
		prepare func()
		want    string
	}{
		{"link", func() { _ = os.Symlink("/root", o.Dir) }, "symbolic link"},
		{"file", func() { _ = os.WriteFile(o.Dir, nil, 0o600) }, "no directory"},
		{"open", func() { _ = os.Mkdir(o.Dir, 0o700); _ = os.Chmod(o.Dir, 0o755) }, "chmod 700"},
		{"foreign", func() { _ = os.Mkdir(o.Dir, 0o700); _ = os.Chown(o.Dir, 12345, 0) }, "user 12345"},
		{"parent", func() { _ = os.Chmod(base, 0o777) }, base + " on 127.0.0.1"},
		{"full", mount("size=64k"), "disk is full"},
		{"read-only", mount("ro"), "read-only"},
		{"noexec", mount("noexec,size=64m"), "cannot be run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.prepare()
			defer func() {
				_ = exec.Command("umount", o.Dir).Run()
				_ = os.RemoveAll(o.Dir)
				_ = os.Chmod(base, 0o700)
			}()
			// A server that was begun before would not see what is mounted now.
			_, err := deploy.Ensure(t.Context(), connect(t, sshdtest.Start(t)), o)
			if !errors.Is(err, deploy.ErrPlace) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "agent_dir") {
				t.Errorf("%v", err)
			}
			if info, err := os.Stat(o.Dir); err == nil && info.IsDir() && c.name != "link" {
				if got := list(t, o.Dir); len(got) != 0 {
					t.Errorf("%q is left there", got)
				}
			}
		})
	}
	for _, dir := range []string{"relative", "/", "/a/../b", "/a/", "/a\nb"} {
		o.Dir = dir
		if _, err := deploy.Ensure(t.Context(), nil, o); !errors.Is(err, deploy.ErrPlace) { // before anything is asked
			t.Errorf("%q: %v", dir, err)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	exe := filepath.Join(dir, "stopover")
	if err := os.WriteFile(exe, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := deploy.Find(exe, "linux", "amd64")
	if !errors.Is(err, deploy.ErrNoAgent) || !strings.Contains(err.Error(), "make build") || !strings.Contains(err.Error(), "GOARCH=amd64 go build -o "+dir) {
		t.Errorf("%v", err)
	}
	want := filepath.Join(dir, "stopover-agent-linux-amd64")
	if err := os.WriteFile(want, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	if got, err := deploy.Find(link, "linux", "amd64"); err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	other := t.TempDir()
	t.Setenv(deploy.DirVariable, other)
	if _, err := deploy.Find(exe, "linux", "amd64"); !errors.Is(err, deploy.ErrNoAgent) || !strings.Contains(err.Error(), other) {
		t.Errorf("%v", err)
	}
}

// client speaks to an agent over conn.
func client(t *testing.T, conn *ssh.Conn, path string) *agent.LookClient {
	t.Helper()
	c, err := agent.NewLookClient("here", func(ctx context.Context, _ string) (net.Conn, error) {
		return deploy.Start(ctx, conn, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAgent(t *testing.T) {
	conn, o := server(t)
	path, err := deploy.Ensure(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, conn, path)
	found, err := c.Look(t.Context(), agent.LookRequest{Names: []string{"print:noise", "account:shop", "account:blog"}}, nil)
	if err != nil || found.Name != "here" || len(found.Accounts) != 2 || found.Accounts[0].Name != "shop" {
		t.Fatalf("%+v, %v", found, err)
	}
	if got := humble(t, path); got != "nice 10, oom 500, io 2/7" {
		t.Errorf("%s", got)
	}
	data := strings.NewReader(strings.Repeat("x", 20<<20))
	tried, err := c.Load(t.Context(), agent.LoadRequest{}, data)
	if err != nil || tried.Name != fmt.Sprint(20<<20) {
		t.Errorf("%+v, %v", tried, err)
	}
	_, err = c.Look(t.Context(), agent.LookRequest{Names: []string{"say:out of \x1b[31mluck", "exit"}}, nil)
	if !errors.Is(err, providers.ErrUnreachable) || !strings.Contains(err.Error(), `code 9; it said last: noise / out of \u001b[31mluck`) {
		t.Errorf("%v", err)
	}
	// The next call begins another agent.
	if _, err := c.Look(t.Context(), agent.LookRequest{}, nil); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	gone(t, path)
}

// running lists the processes whose program is path.
func running(path string) []string {
	var out []string
	all, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, e := range all {
		if p, err := os.Readlink(e); err == nil && strings.TrimSuffix(p, " (deleted)") == path {
			out = append(out, strings.Split(e, "/")[2])
		}
	}
	return out
}

func gone(t *testing.T, path string) {
	t.Helper()
	for range 600 {
		if len(running(path)) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("still runs: %q", running(path))
}

func humble(t *testing.T, path string) string {
	t.Helper()
	pids := running(path)
	if len(pids) != 1 {
		t.Fatalf("%d agents run", len(pids))
	}
	stat := strings.Fields(sshdtest.Read(t, "/proc/"+pids[0]+"/stat"))
	out, err := exec.Command("ionice", "-p", pids[0]).Output()
	if err != nil {
		t.Skipf("SKIPPED: no ionice: %v", err)
	}
	io := map[string]string{"best-effort: prio 7": "2/7"}[strings.TrimSpace(string(out))]
	return fmt.Sprintf("nice %s, oom %s, io %s", stat[18], strings.TrimSpace(sshdtest.Read(t, "/proc/"+pids[0]+"/oom_score_adj")), io)
}

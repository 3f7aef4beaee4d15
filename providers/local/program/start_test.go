package program

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStartSite(t *testing.T) {
	m := manager(t, Options{})
	a := Account{Name: "shop", Dir: accountDir(t), Programs: []Program{{Kind: Site, Name: "site", Command: []string{compile(t), "play-site"}}}}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	first, err := ask(m, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(soon(t), a); err != nil { // nothing to do
		t.Fatal(err)
	}
	if again, err := ask(m, "shop"); again != first {
		t.Errorf("process %s, then %s: %v", first, again, err)
	}
	pid, _ := strconv.Atoi(first)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process answers", func() bool { s, err := ask(m, "shop"); return err == nil && s != first })
	if s := m.Status("shop"); len(s) != 1 || s[0].Restarts != 1 || !strings.Contains(s[0].Last, "killed") {
		t.Errorf("%+v", s)
	}
	if err := m.StopAll(soon(t), a); err != nil {
		t.Fatal(err)
	}
	if left := marked(t, m, "shop"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if s := m.Status("shop"); len(s) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_SERVER", "x")
	m := manager(t, Options{Machine: "m-env" + machine()})
	dir := accountDir(t)
	a := Account{Name: "new\nline é", Dir: dir, Programs: []Program{shell(Service, "env", "env -0 >env.tmp; pwd >pwd; ps -o sid=,pgid= -p $$ >sid; mv env.tmp env; exec sleep 1000")}}
	needs(t, "ps")
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	env := filepath.Join(dir, "home/env")
	eventually(t, "it has written", func() bool { _, err := os.Stat(env); return err == nil })
	got := map[string]string{}
	for v := range strings.SplitSeq(read(env), "\x00") {
		if k, v, ok := strings.Cut(v, "="); ok && k != "PWD" && k != "_" && k != "SHLVL" && k != "OLDPWD" {
			got[k] = v
		}
	}
	want := map[string]string{
		"HOME": dir + "/home", "PATH": DefaultPath, "ACCOUNT": "new\nline é", "DATABASES": dir + "/databases", "MAIL": dir + "/mail",
		"STOPOVER_POCKET":  m.options.Machine + ":" + fmt.Sprintf("%x", "new\nline é"),
		"STOPOVER_PROGRAM": "program:" + fmt.Sprintf("%x", "env"),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if pwd := strings.TrimSpace(read(filepath.Join(dir, "home/pwd"))); pwd != dir+"/home" {
		t.Errorf("works in %s", pwd)
	}
	pid := fmt.Sprint(m.Status(a.Name)[0].PID)
	if f := strings.Fields(read(filepath.Join(dir, "home/sid"))); len(f) != 2 || f[0] != pid || f[1] != pid {
		t.Errorf("process %s: session and group %v", pid, f)
	}
}

func TestLog(t *testing.T) {
	m := manager(t, Options{})
	dir := accountDir(t)
	a := Account{Name: "shop", Dir: dir, Programs: []Program{shell(Service, "a/b", "echo out; echo err >&2; exec sleep 1000")}}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "home/logs/a%2Fb.log")
	eventually(t, "both lines", func() bool { return read(log) == "out\nerr\n" })
}

func TestLogFollowsNoLink(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	for name, prepare := range map[string]func(dir string) error{
		"file": func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/home/logs", 0o755), os.Symlink(outside, dir+"/home/logs/x.log"))
		},
		"folder": func(dir string) error { return os.Symlink(filepath.Dir(outside), dir+"/home/logs") },
		"home": func(dir string) error {
			return errors.Join(os.Remove(dir+"/home"), os.Symlink(filepath.Dir(outside), dir+"/home"))
		},
		"second name": func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/home/logs", 0o755), os.WriteFile(dir+"/other", nil, 0o644), os.Link(dir+"/other", dir+"/home/logs/x.log"))
		},
		"pipe": func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/home/logs", 0o755), unix.Mkfifo(dir+"/home/logs/x.log", 0o644))
		},
		"folder instead of file": func(dir string) error { return os.MkdirAll(dir+"/home/logs/x.log", 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			m := manager(t, Options{})
			dir := accountDir(t)
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			err := m.Start(soon(t), Account{Name: "shop", Dir: dir, Programs: []Program{shell(Service, "x", "echo here; sleep 1000")}})
			var e *StartError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), "home") && !strings.Contains(err.Error(), "log") {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(outside); err == nil {
				t.Error("written outside")
			}
			if left := marked(t, m, "shop"); len(left) != 0 {
				t.Errorf("runs: %v", left)
			}
		})
	}
}

func TestProgramsThatCannotRun(t *testing.T) {
	m := manager(t, Options{StartLimit: time.Second})
	dir := accountDir(t)
	missing := errors.New("runtime php 8.2: not installed on server transit")
	a := Account{Name: "shop", Dir: dir, Programs: []Program{
		{Kind: Service, Name: "old", Command: []string{"x"}, Problem: missing},
		{Kind: Service, Name: "nowhere", Command: []string{"no-such-command"}},
		{Kind: Service, Name: "relative", Command: []string{"./bin/x"}},
		{Kind: Task, Name: "bad", Schedule: "at noon", Command: []string{"true"}},
		{Kind: Site, Name: "site", Command: []string{"sleep", "1000"}}, // never listens
		shell(Service, "fine", "exec sleep 1000"),
	}}
	err := m.Start(soon(t), a)
	if !errors.Is(err, missing) {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{`program "old" of "shop": runtime php`, `"no-such-command" is not found`, "home/bin/x: no such file", `task "bad"`, "does not accept"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	running := map[string]bool{}
	for _, s := range m.Status("shop") {
		running[s.Program.Name] = s.PID != 0
	}
	if !running["fine"] || !running["site"] || running["old"] || running["nowhere"] {
		t.Errorf("%v", running)
	}
	// The file appears: it is tried again.
	bin := filepath.Join(dir, "home/bin/x")
	if err := errors.Join(os.MkdirAll(filepath.Dir(bin), 0o755), os.WriteFile(bin, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "relative runs", func() bool {
		for _, s := range m.Status("shop") {
			if s.Program.Name == "relative" {
				return s.PID != 0
			}
		}
		return false
	})
}

func TestBackOff(t *testing.T) {
	m := manager(t, Options{MinBackoff: 10 * time.Millisecond, MaxBackoff: 40 * time.Millisecond})
	dir := accountDir(t)
	a := Account{Name: "shop", Dir: dir, Programs: []Program{shell(Service, "crash", "echo x >>count; exit 3")}}
	_ = m.Start(soon(t), a)
	eventually(t, "five runs", func() bool { return len(read(filepath.Join(dir, "home/count"))) >= 10 })
	if s := m.Status("shop"); !strings.Contains(s[0].Last, "exit status 3") || s[0].Restarts < 4 {
		t.Errorf("%+v", s)
	}
	if err := m.StopAll(soon(t), a); err != nil {
		t.Fatal(err)
	}
	n := read(filepath.Join(dir, "home/count"))
	time.Sleep(100 * time.Millisecond)
	if now := read(filepath.Join(dir, "home/count")); now != n {
		t.Error("started after StopAll")
	}
}

// What a program has left running is ended before it is started again.
func TestRestartEndsLeftovers(t *testing.T) {
	m := manager(t, Options{MinBackoff: time.Millisecond})
	dir := accountDir(t)
	a := Account{Name: "shop", Dir: dir, Programs: []Program{shell(Service, "leaver", "sleep 1000 & echo x >>count; sleep 0.05; exit 1")}}
	_ = m.Start(soon(t), a)
	eventually(t, "some runs", func() bool { return len(read(filepath.Join(dir, "home/count"))) >= 8 })
	if n := len(marked(t, m, "shop")); n > 4 {
		t.Errorf("%d processes", n)
	}
}

func TestDescriptionChanges(t *testing.T) {
	m := manager(t, Options{})
	dir := accountDir(t)
	a := Account{Name: "shop", Dir: dir, Programs: []Program{
		shell(Service, "same", "exec sleep 1001"), shell(Service, "changed", "exec sleep 1002"), shell(Service, "gone", "exec sleep 1003"),
	}}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	before := pids(m, "shop")
	a.Programs = []Program{a.Programs[0], shell(Service, "changed", "exec sleep 1004"), shell(Service, "new", "exec sleep 1005")}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	after := pids(m, "shop")
	if after["same"] != before["same"] || after["changed"] == before["changed"] || after["changed"] == 0 || after["new"] == 0 || after["gone"] != 0 {
		t.Errorf("before %v, after %v", before, after)
	}
	eventually(t, "three processes", func() bool { return len(marked(t, m, "shop")) == 3 })
}

func pids(m *Manager, account string) map[string]int {
	all := map[string]int{}
	for _, s := range m.Status(account) {
		all[s.Program.Name] = s.PID
	}
	return all
}

func TestOwnUser(t *testing.T) {
	if os.Geteuid() != 0 {
		notHere(t, "needs root")
	}
	m := manager(t, Options{})
	dir := accountDir(t)
	if err := os.Chown(filepath.Join(dir, "home"), 23001, 23002); err != nil {
		t.Fatal(err)
	}
	a := Account{Name: "shop", Dir: dir, UID: 23001, GID: 23002, Programs: []Program{
		shell(Service, "who", "id -u >who; id -G >>who; mv who done; exec sleep 1000"),
		shell(Service, "reader", "cat "+m.options.RunDir+"/*/process* >stolen 2>/dev/null; echo x >read; exec sleep 1000"),
	}}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both have written", func() bool {
		return read(filepath.Join(dir, "home/done")) != "" && read(filepath.Join(dir, "home/read")) != ""
	})
	if got := read(filepath.Join(dir, "home/done")); got != "23001\n23002\n" {
		t.Errorf("runs as %q", got)
	}
	if got := read(filepath.Join(dir, "home/stolen")); got != "" {
		t.Errorf("read %q", got)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "home/logs/who.log"), &st); err != nil || st.Uid != 23001 {
		t.Errorf("the log belongs to %d: %v", st.Uid, err)
	}
	if err := unix.Stat(filepath.Dir(m.Socket("shop")), &st); err != nil || st.Uid != 23001 {
		t.Errorf("the folder of the socket belongs to %d: %v", st.Uid, err)
	}
	if err := m.StopAll(soon(t), a); err != nil {
		t.Fatal(err)
	}
}

func TestRunDirOfOthers(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"link":     func(dir string) error { return os.Symlink(t.TempDir(), dir) },
		"writable": func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)) },
		"file":     func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "r")
		if len(dir) > maxRunDir {
			t.Skip("the temporary folder has a long name")
		}
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{Machine: "m", RunDir: dir}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(Options{Machine: "m", RunDir: "/" + strings.Repeat("x", 100)}); err == nil {
		t.Error("too long: accepted")
	}
	short, err := RunDir("/srv/pocket")
	if err != nil || short != "/srv/pocket/run" {
		t.Errorf("%q %v", short, err)
	}
	long, err := RunDir("/" + strings.Repeat("long/", 30))
	if err != nil || len(long) > maxRunDir {
		t.Errorf("%q %v", long, err)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	m := manager(t, Options{MinBackoff: time.Millisecond})
	a := Account{Name: "shop", Dir: accountDir(t), Programs: []Program{
		{Kind: Site, Name: "site", Command: []string{compile(t), "play-site"}},
		shell(Service, "crash", "exit 1"), shell(Service, "forker", "sleep 100 & sleep 100 & wait"),
		{Kind: Task, Name: "often", Schedule: "@every 1s", Command: []string{"true"}},
	}}
	before := runtime.NumGoroutine()
	for range 3 {
		_ = m.Start(soon(t), a)
		if err := m.StopAll(soon(t), a); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	eventually(t, "no zombies", func() bool { return len(zombies()) == 0 })
}

// zombies lists children of this process that have ended and were not waited for.
func zombies() []string {
	var all []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		data, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		i := bytes.LastIndexByte(data, ')')
		if err != nil || i < 0 {
			continue
		}
		if f := strings.Fields(string(data[i+1:])); f[0] == "Z" && f[1] == strconv.Itoa(os.Getpid()) {
			all = append(all, e.Name())
		}
	}
	return all
}

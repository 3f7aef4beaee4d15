package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Each of these tries to survive.
func survivors() map[string]string {
	return map[string]string{
		"ignores":    "trap '' TERM HUP INT; touch ready; while :; do sleep 0.1; done",
		"daemon":     "(setsid sh -c 'touch ready; while :; do sleep 0.05; done' &) ; sleep 0.1; exit 0",
		"twice":      "setsid sh -c 'setsid sh -c \"touch ready; exec sleep 1000\" & exit' & wait",
		"stopped":    "touch ready; kill -STOP $$; sleep 1000",
		"last words": "trap 'sleep 0.1; setsid sleep 1000 & exit' TERM; touch ready; while :; do sleep 0.05; done",
		// Forks all the time; a few at once, so that the machine stays usable.
		"bomb":       "touch ready; f() { n=$1; while :; do if [ $n -lt 6 ]; then (setsid sh -c '\"$0\" \"$1\" $2' /bin/true x x &); fi; sleep 0.02 & n=$((n+1)); [ $n -gt 6 ] && n=0; done; }; trap '' TERM; f 0",
		"fast relay": "cat >relay.sh <<'END'\ntrap '' TERM\n: >ready\nsetsid sh relay.sh &\nEND\nexec sh relay.sh",
		// Its generations follow each other: the parent ends when the child runs.
		"relay": "cat >relay.sh <<'END'\ntrap '' TERM\ntouch ready\nsleep 0.01\nsetsid sh relay.sh &\nEND\nexec sh relay.sh",
	}
}

func TestStopAllEndsSurvivors(t *testing.T) {
	needs(t, "setsid")
	for name, script := range survivors() {
		t.Run(name, func(t *testing.T) { stopSurvivor(t, Account{Programs: []Program{shell(Service, "p", script)}}) })
	}
}

// With a user of its own even a process without any mark is found.
func TestStopAllEndsSurvivorsByUser(t *testing.T) {
	if os.Geteuid() != 0 {
		notHere(t, "needs root")
	}
	needs(t, "setsid")
	hidden := map[string]string{
		"clean environment": "(setsid env -i sh -c 'touch ready; while :; do /bin/sleep 0.05; done' &) ; sleep 1000",
		"fast clean relay":  "cat >relay.sh <<'END'\ntrap '' TERM\n: >ready\nsetsid env -i /bin/sh relay.sh &\nEND\nexec env -i sh relay.sh",
		"clean relay":       "cat >relay.sh <<'END'\ntrap '' TERM\ntouch ready\nsleep 0.01\nsetsid env -i /bin/sh relay.sh &\nEND\nexec env -i sh relay.sh",
	}
	for name, script := range hidden {
		t.Run(name, func(t *testing.T) {
			stopSurvivor(t, Account{UID: 23003, GID: 23003, Programs: []Program{shell(Service, "p", script)}})
		})
	}
}

func stopSurvivor(t *testing.T, a Account) {
	m := manager(t, Options{Grace: 150 * time.Millisecond, MinBackoff: 5 * time.Millisecond})
	a.Name, a.Dir = "shop", accountDir(t)
	home := filepath.Join(a.Dir, "home")
	if a.UID != 0 {
		if err := os.Chown(home, a.UID, a.GID); err != nil {
			t.Fatal(err)
		}
	}
	_ = m.Start(soon(t), a) // some end at once
	eventually(t, "it runs", func() bool { _, err := os.Stat(filepath.Join(home, "ready")); return err == nil })
	if err := m.StopAll(soon(t), a); err != nil {
		t.Fatal(err)
	}
	if left := marked(t, m, "shop"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if a.UID != 0 {
		all, err := processes()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if len(p.UIDs) > 0 && p.UIDs[0] == a.UID {
				t.Errorf("left: %v", p)
			}
		}
	}
	if err := os.Remove(filepath.Join(home, "ready")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if _, err := os.Stat(filepath.Join(home, "ready")); err == nil {
		t.Error("something still runs")
	}
}

// A program that has cleared its own environment is known by its process file.
func TestStopAllEndsProgramWithoutMark(t *testing.T) {
	m := manager(t, Options{})
	a := Account{Name: "shop", Dir: accountDir(t), Programs: []Program{shell(Service, "p", "exec env -i sleep 1000")}}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	pid := m.Status("shop")[0].PID
	eventually(t, "the mark is gone", func() bool { return len(marked(t, m, "shop")) == 0 })
	// Also by the next server process, which adopts it.
	m.Close()
	next := manager(t, Options{Machine: m.options.Machine, RunDir: m.options.RunDir})
	if err := next.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	if s := next.Status("shop"); s[0].PID != pid || !s[0].Adopted {
		t.Errorf("%+v, want process %d", s, pid)
	}
	if err := next.StopAll(soon(t), a); err != nil {
		t.Fatal(err)
	}
	if p, ok := readProcess(pid); ok {
		t.Errorf("left: %v", p)
	}
}

func TestStopAllLeavesOthers(t *testing.T) {
	m := manager(t, Options{})
	a := Account{Name: "shop", Dir: accountDir(t), Programs: []Program{shell(Service, "p", "exec sleep 1000")}}
	b := Account{Name: "shop2", Dir: accountDir(t), Programs: a.Programs}
	other := manager(t, Options{})
	c := Account{Name: "shop", Dir: accountDir(t), Programs: a.Programs} // of another machine
	for _, x := range []struct {
		m *Manager
		a Account
	}{{m, a}, {m, b}, {other, c}} {
		if err := x.m.Start(soon(t), x.a); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.StopAll(soon(t), a); err != nil {
		t.Fatal(err)
	}
	found, err := m.Found()
	if err != nil || len(found) != 1 || len(found["shop2"]) != 1 {
		t.Errorf("%v %v", found, err)
	}
	if left := marked(t, other, "shop"); len(left) != 1 {
		t.Errorf("other machine: %v", left)
	}
	if err := m.StopAll(soon(t), Account{Name: "never started", Dir: "/nowhere"}); err != nil {
		t.Errorf("never started: %v", err)
	}
}

func TestStopAllNeedsTime(t *testing.T) {
	m := manager(t, Options{Grace: time.Hour})
	a := Account{Name: "shop", Dir: accountDir(t), Programs: []Program{shell(Service, "p", "trap '' TERM; touch ready; while :; do sleep 0.1; done")}}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs", func() bool { _, err := os.Stat(filepath.Join(a.Dir, "home/ready")); return err == nil })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var left *LeftError
	if err := m.StopAll(ctx, a); !errors.As(err, &left) || !errors.Is(err, context.DeadlineExceeded) || len(left.Processes) == 0 {
		t.Errorf("got %v", err)
	}
}

func TestStopAllNoticesOtherWriters(t *testing.T) {
	m := manager(t, Options{})
	a := Account{Name: "shop", Dir: accountDir(t)}
	path := filepath.Join(a.Dir, "home", "f")
	for flags, refused := range map[int]bool{os.O_RDONLY: false, os.O_RDWR: true, os.O_WRONLY | os.O_APPEND: true} {
		f, err := os.OpenFile(path, flags|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.StopAll(soon(t), a); err != nil {
			t.Errorf("the server itself: %v", err)
		}
		other := exec.Command("sleep", "1000") // has no mark, and the file
		other.ExtraFiles = []*os.File{f}
		if err := errors.Join(other.Start(), f.Close()); err != nil {
			t.Fatal(err)
		}
		err = m.StopAll(soon(t), a)
		var w *WriterError
		if refused != errors.As(err, &w) {
			t.Errorf("flags %#x: %v", flags, err)
		}
		if refused && (w.Process.PID != other.Process.Pid || w.Path != path || !strings.Contains(err.Error(), "sleep")) {
			t.Errorf("%+v", w)
		}
		_ = other.Process.Kill()
		_ = other.Wait()
	}
}

func TestAdoptAfterKill(t *testing.T) {
	dir := accountDir(t)
	m := manager(t, Options{}) // only for its options
	server := exec.Command(compile(t))
	server.Env = append(os.Environ(), partVariable+"="+partServer, "T_MACHINE="+m.options.Machine, "T_RUN="+m.options.RunDir, "T_DIR="+dir)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 200)
	n, err := out.Read(said)
	if err != nil || string(said[:n]) != "<nil>\n" {
		t.Fatalf("%q %v", said[:n], err)
	}
	a := serverAccount(dir)
	first, err := ask(m, a.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	if still, err := ask(m, a.Name); err != nil || still != first {
		t.Fatalf("the site did not outlive its server: %q %v", still, err)
	}
	found, err := m.Found()
	if err != nil || len(found) != 1 || len(found[a.Name]) != 2 {
		t.Fatalf("found %v %v", found, err)
	}

	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	if s := m.Status(a.Name); len(s) != 2 || !s[0].Adopted || !s[1].Adopted || fmt.Sprint(s[1].PID) != first {
		t.Fatalf("%+v, want process %s", s, first)
	}
	if left := marked(t, m, a.Name); len(left) != 2 {
		t.Errorf("%v", left)
	}
	// It is looked after: one that ends is started again.
	if err := unix.Kill(m.Status(a.Name)[1].PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process answers", func() bool { s, err := ask(m, a.Name); return err == nil && s != first })
	if err := m.StopAll(soon(t), a); err != nil {
		t.Fatal(err)
	}
	if left := marked(t, m, a.Name); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// Killed between the start of a program and its process file, or with the file
// lost: the one without a file is ended, there are never two.
func TestAdoptWithoutProcessFile(t *testing.T) {
	m := manager(t, Options{})
	a := Account{Name: "shop", Dir: accountDir(t), Programs: []Program{{Kind: Site, Name: "site", Command: []string{compile(t), "play-site"}}}}
	if err := m.Start(soon(t), a); err != nil {
		t.Fatal(err)
	}
	m.Close()
	for name, content := range map[string]string{
		"lost": "", "not JSON": "{", "another boot": `{"boot":"x","pid":2,"start":1}`, "another process": `{"boot":"` + m.boot + `","pid":1,"start":1}`,
		"this process": fmt.Sprintf(`{"boot":%q,"pid":%d,"start":1}`, m.boot, os.Getpid()),
	} {
		first, err := ask(m, "shop")
		if err != nil {
			t.Fatal(err)
		}
		path := m.processPath("shop", a.Programs[0])
		if content == "" {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		next, err := New(Options{Machine: m.options.Machine, RunDir: m.options.RunDir, Grace: m.options.Grace})
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Start(soon(t), a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again, err := ask(next, "shop"); err != nil || again == first {
			t.Errorf("%s: %q, then %q: %v", name, first, again, err)
		}
		eventually(t, "one process", func() bool { return len(marked(t, next, "shop")) == 1 })
		next.Close()
	}
}

// BenchmarkStopAll is what a freeze pays for an account whose programs end when
// they are asked to: looking at all processes of the machine, several times.
func BenchmarkStopAll(b *testing.B) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(filepath.Join(dir, "home"), 0o755); err != nil {
		b.Fatal(err)
	}
	m, err := New(Options{Machine: machine(), RunDir: filepath.Join(dir, "run")})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	a := Account{Name: "shop", Dir: dir, Programs: []Program{shell(Service, "p", "exec sleep 1000"), shell(Service, "q", "exec sleep 1000")}}
	for b.Loop() {
		b.StopTimer()
		if err := m.Start(b.Context(), a); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := m.StopAll(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}

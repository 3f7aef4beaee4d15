package state_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/apply/state/statetest"
	"golang.org/x/sys/unix"
)

// silentClock is a clock whose timers can be stopped for good: a process that
// got SIGSTOP.
type silentClock struct{ stopped chan struct{} }

func (c silentClock) Now() time.Time { return time.Now() }
func (c silentClock) After(d time.Duration) <-chan time.Time {
	out := make(chan time.Time, 1)
	go func() {
		select {
		case <-c.stopped:
		case t := <-time.After(d):
			out <- t
		}
	}()
	return out
}

func short(clock state.Clock) state.Options {
	return state.Options{Clock: clock, Lease: 2 * time.Second, Beat: 20 * time.Millisecond}
}

func TestConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) statetest.Store {
		dir := filepath.Join(t.TempDir(), "not", "there", ".stopover")
		clocks := map[state.Store]silentClock{}
		return statetest.Store{
			Open: func() state.Store {
				clock := silentClock{make(chan struct{})}
				s := state.OpenLocal(dir, short(clock))
				clocks[s] = clock
				return s
			},
			Silence: func(s state.Store) {
				close(clocks[s].stopped)
				time.Sleep(100 * time.Millisecond) // for a beat that was under way
			},
			Kill: func(s state.Store) {
				close(clocks[s].stopped)
				time.Sleep(100 * time.Millisecond)
				elsewhere(t, dir)
			},
		}
	})
}

// elsewhere makes a lock look as if its holder was on another machine: here,
// the kernel would say that it lives.
func elsewhere(t *testing.T, dir string) {
	t.Helper()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	id := bytes.TrimSpace(boot)
	paths, _ := filepath.Glob(filepath.Join(dir, "lock.*"))
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, id) {
			t.Fatalf("%s names no kernel: %v", path, err)
		}
		if err := os.WriteFile(path, bytes.ReplaceAll(b, id, bytes.Repeat([]byte("0"), len(id))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func events(from, n int) []state.Event {
	var list []state.Event
	for i := range n {
		list = append(list, state.Event{What: state.Noted, At: time.Unix(int64(from+i), 0).UTC(), Text: fmt.Sprintf("event %d", from+i)})
	}
	return list
}

// journal makes a store with n events and returns its directory and segment.
func journal(t *testing.T, n int) (dir, path string, data []byte) {
	t.Helper()
	dir = t.TempDir()
	s := state.OpenLocal(dir, state.Options{})
	for i := range n {
		if err := s.Append(context.Background(), events(i, 1)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "journal", "*.jsonl"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%v %v", names, err)
	}
	data, err = os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return dir, names[0], data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Cut at every byte: the journal opens, has a beginning of its events, takes
// one more and opens again.
func TestCutAtEveryByte(t *testing.T) {
	dir, path, data := journal(t, 4)
	for cut := range data {
		write(t, path, data[:cut])
		s := state.OpenLocal(dir, state.Options{})
		log, err := s.Load(context.Background())
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		whole := bytes.Count(data[:cut], []byte("\n"))
		if want := max(0, whole-1); len(log.Events) != want {
			t.Fatalf("cut at %d: %d events, want %d", cut, len(log.Events), want)
		}
		if noted := len(log.Notes) > 0; noted != (cut > 0 && data[cut-1] != '\n') {
			t.Fatalf("cut at %d: notes %q", cut, log.Notes)
		}
		if err := s.Append(context.Background(), events(9, 1)...); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		_ = s.Close()
		log, err = state.OpenLocal(dir, state.Options{}).Load(context.Background())
		if err != nil || log.Events[len(log.Events)-1].Text != "event 9" {
			t.Fatalf("cut at %d, after one more: %v %v", cut, log, err)
		}
		later, _ := filepath.Glob(filepath.Join(dir, "journal", "00000002-*"))
		for _, l := range later {
			if err := os.Remove(l); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Flip every bit pattern of every byte: refused with the file and the line, or
// noticed as a last line that was cut short; never read as something else.
func TestFlipEveryByte(t *testing.T) {
	dir, path, data := journal(t, 3)
	for i := range data {
		for _, mask := range []byte{0x01, 0x20, 0xff} {
			bad := bytes.Clone(data)
			bad[i] ^= mask
			write(t, path, bad)
			log, err := state.OpenLocal(dir, state.Options{}).Load(context.Background())
			line := bytes.Count(data[:i], []byte("\n")) + 1
			var corrupt *state.CorruptError
			switch {
			case err == nil && len(log.Notes) == 1 && i == len(data)-1:
			case errors.As(err, &corrupt) && corrupt.Path == path:
				if corrupt.Line != 0 && corrupt.Line != line {
					t.Fatalf("byte %d flipped with %x: line %d named, it is %d", i, mask, corrupt.Line, line)
				}
				if !strings.Contains(err.Error(), "move the file away") {
					t.Fatalf("no remedy: %v", err)
				}
			case err != nil && strings.Contains(err.Error(), "newer Stopover"):
				t.Fatalf("byte %d: a damaged version was believed: %v", i, err)
			default:
				t.Fatalf("byte %d flipped with %x went unnoticed: %v, %d events", i, mask, err, len(log.Events))
			}
		}
	}
}

func TestLinesRemovedOrSwapped(t *testing.T) {
	dir, path, data := journal(t, 4)
	lines := bytes.SplitAfter(data, []byte("\n"))
	for name, bad := range map[string][]byte{
		"removed": bytes.Join([][]byte{lines[0], lines[1], lines[3], lines[4]}, nil),
		"swapped": bytes.Join([][]byte{lines[0], lines[2], lines[1], lines[3], lines[4]}, nil),
		"doubled": bytes.Join([][]byte{lines[0], lines[1], lines[1], lines[2]}, nil),
	} {
		write(t, path, bad)
		var corrupt *state.CorruptError
		if _, err := state.OpenLocal(dir, state.Options{}).Load(context.Background()); !errors.As(err, &corrupt) {
			t.Errorf("a line %s: %v", name, err)
		}
	}
}

// A segment that a later one has seen longer is noticed.
func TestTruncatedAtALine(t *testing.T) {
	dir, path, data := journal(t, 4)
	s := state.OpenLocal(dir, state.Options{})
	if err := s.Append(context.Background(), events(7, 1)...); err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	write(t, path, bytes.Join(lines[:3], nil))
	log, err := s.Load(context.Background())
	if err != nil || len(log.Notes) != 1 || !strings.Contains(log.Notes[0], "some are gone") {
		t.Errorf("%v %v", log, err)
	}
}

func TestForeign(t *testing.T) {
	cases := map[string]struct {
		make func(dir string) error
		want string
	}{
		"a file in place of the directory": {func(dir string) error { return os.WriteFile(dir, []byte("x"), 0o600) }, "is not a directory"},
		"a file in place of the journal": {func(dir string) error {
			return errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "journal"), nil, 0o600))
		}, "is not a directory"},
		"a foreign segment": {func(dir string) error { return segment(dir, []byte("hello\n")) }, "is not a journal of Stopover"},
		"a foreign line":    {func(dir string) error { return segment(dir, []byte("hello")) }, "is not a journal of Stopover"},
		"a foreign journal": {func(dir string) error { return segment(dir, []byte(`{"format":"other"}`+"\n")) }, "is not a journal of Stopover"},
		"a directory":       {func(dir string) error { return os.MkdirAll(filepath.Join(dir, "journal", "00000001-x.jsonl"), 0o700) }, "is not a file"},
		"a pipe": {func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "journal"), 0o700), unix.Mkfifo(filepath.Join(dir, "journal", "00000001-x.jsonl"), 0o600))
		}, "is not a file"},
		"a link": {func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "journal"), 0o700), os.Symlink("/etc/passwd", filepath.Join(dir, "journal", "00000001-x.jsonl")))
		}, "symbolic link"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), ".stopover")
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			s := state.OpenLocal(dir, state.Options{})
			if _, err := s.Load(context.Background()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("load: %v", err)
			}
			if err := s.Append(context.Background(), events(1, 1)...); err == nil {
				t.Error("append went through")
			}
		})
	}
}

func segment(dir string, data []byte) error {
	return errors.Join(os.MkdirAll(filepath.Join(dir, "journal"), 0o700),
		os.WriteFile(filepath.Join(dir, "journal", "00000001-x.jsonl"), data, 0o600))
}

func TestTwoStoresMixed(t *testing.T) {
	dir, _, _ := journal(t, 1)
	_, other, data := journal(t, 1)
	write(t, filepath.Join(dir, "journal", "00000009-"+filepath.Base(other)), data)
	_, err := state.OpenLocal(dir, state.Options{}).Load(context.Background())
	if err == nil || !strings.Contains(err.Error(), "another state store") {
		t.Errorf("%v", err)
	}
}

func TestForeignLineage(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lineage"), []byte("hello\n"))
	err := state.OpenLocal(dir, state.Options{}).Append(context.Background(), events(1, 1)...)
	var corrupt *state.CorruptError
	if !errors.As(err, &corrupt) || corrupt.Path != filepath.Join(dir, "lineage") {
		t.Errorf("%v", err)
	}
}

// What somebody else put in place of a lock is nobody's heartbeat: it is waited
// out. Numbers that no lock can have are left alone.
func TestForeignLock(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lock.7"), []byte("hello"))
	write(t, filepath.Join(dir, "lock.18446744073709551615"), nil)
	write(t, filepath.Join(dir, "lock.x"), nil)
	s := state.OpenLocal(dir, short(nil))
	defer s.Close()
	if _, err := s.Lock(context.Background(), state.Holder{Who: "ann"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "lock.8")); err != nil {
		t.Error(err)
	}
}

func TestPowerCutLeavesZeros(t *testing.T) {
	dir, path, _ := journal(t, 1)
	write(t, path, make([]byte, 4096))
	log, err := state.OpenLocal(dir, state.Options{}).Load(context.Background())
	if err != nil || len(log.Notes) != 1 || len(log.Events) != 0 {
		t.Errorf("%v %v", log, err)
	}
}

// needRoot skips loudly, and fails where tests must not be left out.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root, and CI must not leave it out")
	}
	t.Skip("SKIPPED: needs root")
}

func TestDiskFull(t *testing.T) {
	needRoot(t)
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	dir := filepath.Join(mount, ".stopover")
	s := state.OpenLocal(dir, short(nil))
	defer s.Close()
	lock, err := s.Lock(context.Background(), state.Holder{Who: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for ; ; kept++ {
		if err = s.Append(context.Background(), state.Event{What: state.Noted, Text: fmt.Sprintf("%d %s", kept, strings.Repeat("x", 1000))}); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || kept == 0 {
		t.Fatalf("after %d events: %v", kept, err)
	}
	log, err := s.Load(context.Background())
	if err != nil || len(log.Events) != kept || len(log.Notes) > 0 {
		t.Fatalf("full disk: %d events of %d, notes %q, %v", len(log.Events), kept, log.Notes, err)
	}
	if err := lock.Release(); err != nil {
		t.Errorf("release on a full disk: %v", err)
	}
}

func TestNoPermission(t *testing.T) {
	if os.Getenv("STOPOVER_TEST_DIR") != "" {
		noPermissionChild(t)
		return
	}
	dir, _, _ := journal(t, 2)
	needRoot(t) // to become somebody else
	for d := dir; d != "/" && d != "."; d = filepath.Dir(d) {
		if i, err := os.Stat(d); err == nil && i.Mode().Perm()&0o055 == 0 {
			if err := os.Chmod(d, i.Mode().Perm()|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
	exe := filepath.Join(dir, "test")
	data, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(exe, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestNoPermission$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "STOPOVER_TEST_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func noPermissionChild(t *testing.T) {
	s := state.OpenLocal(os.Getenv("STOPOVER_TEST_DIR"), short(nil))
	for name, err := range map[string]error{
		"load":   func() error { _, err := s.Load(context.Background()); return err }(),
		"append": s.Append(context.Background(), events(1, 1)...),
		"lock":   func() error { _, err := s.Lock(context.Background(), state.Holder{Who: "x"}); return err }(),
	} {
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), os.Getenv("STOPOVER_TEST_DIR")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

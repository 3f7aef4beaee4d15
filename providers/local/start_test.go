package local_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/local"
	"github.com/stopover/stopover/providers/local/program"
	"github.com/stopover/stopover/providers/providertest"
	"github.com/stopover/stopover/schema"
)

// surveyed opens a server and surveys it.
func surveyed(t *testing.T, w *world, side providertest.Side) *schema.FoundServer {
	t.Helper()
	s, err := local.Kind().Open(t.Context(), w.Config(side), w.Env())
	w.must(err)
	defer s.Close()
	f, err := s.Survey(t.Context(), providers.SurveyOptions{})
	w.must(err)
	return f
}

// TestCorruptDescription: a server that does not come up is said to be
// unreachable, with the reason, and nothing of it is touched.
func TestCorruptDescription(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"cut off": `{"name": "source", "archit`, "empty": "", "noise": "\x00\xff\x7fELF", "another kind": `[1,2,3]`, "strange field": `{"name":"source","wipe":true}`,
	} {
		w := self(t).world(t, shop())
		at := filepath.Join(w.dirs[source], "server.json")
		w.must(os.WriteFile(at, []byte(content), 0o644))
		f := surveyed(t, w, source)
		if f.Presence != schema.Unreachable || !strings.Contains(f.Error, "server.json") {
			t.Errorf("%s: presence %q, error %q", name, f.Presence, f.Error)
		}
		if b, err := os.ReadFile(at); err != nil || string(b) != content {
			t.Errorf("%s: the file was changed to %q, %v", name, b, err)
		}
	}
}

// TestAddressInUse: a service address that somebody else has is not listed as
// answered on, and is taken as soon as it is free.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	w := self(t).world(t, shop())
	address := w.address[source]
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(httpPort)))
	w.must(err)
	if f := surveyed(t, w, source); f.Presence != schema.Present || slices.Contains(f.Listening, address) || !slices.Contains(f.Addresses, address) {
		t.Errorf("presence %q, listening on %q of %q", f.Presence, f.Listening, f.Addresses)
	}
	w.must(l.Close())
	eventually(t, "the address is answered on", func() bool { return slices.Contains(surveyed(t, w, source).Listening, address) })
}

// TestTwoProcesses: one directory has one process, and the second says so.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	w := self(t).world(t, shop())
	w.Start(source)
	first := w.pid(source)
	_, ended := w.launch(source)
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Errorf("the second process ended with %v, want status 5", err)
	}
	if now := w.pid(source); now != first {
		t.Errorf("process %d serves, it was %d", now, first)
	}
}

// TestForeignDirectory: a directory that holds something is not made a server of.
func TestForeignDirectory(t *testing.T) {
	t.Parallel()
	w := self(t).world(t)
	precious := filepath.Join(w.dirs[transit], "thesis.txt")
	w.write(precious, "years of work", 0o644)
	if f := surveyed(t, w, transit); f.Presence != schema.Absent {
		t.Errorf("somebody's directory is %q", f.Presence)
	}
	s, err := local.Kind().Open(t.Context(), w.Config(transit), w.Env())
	w.must(err)
	defer s.Close()
	err = s.Abilities().Machine.Provision(t.Context(), nil, w.Architecture())
	if err == nil || !strings.Contains(err.Error(), "thesis.txt") || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("provision: %v", err)
	}
	entries, err := os.ReadDir(w.dirs[transit])
	w.must(err)
	if b, err := os.ReadFile(precious); err != nil || string(b) != "years of work" || len(entries) != 1 {
		t.Errorf("it was touched: %q, %v, %v", b, err, entries)
	}
	if _, err := os.Lstat(w.dirs[transit] + ".reinstall"); err == nil {
		t.Error("an order to install was left behind")
	}
}

// TestLongPath: a directory so deep that its socket's path does not fit the
// kernel's 108 bytes works like any other.
func TestLongPath(t *testing.T) {
	t.Parallel()
	h := self(t)
	h.where = func(t *testing.T, _ providertest.Side) string {
		base, err := os.MkdirTemp("", "pocket-")
		dir := base
		if err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(base) })
			dir = filepath.Join(base, strings.Repeat("deep/", 10), strings.Repeat("long", 30))
			err = os.MkdirAll(dir, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	a := shop()
	a.Program = true
	d, w := drive(t, h, a)
	t.Cleanup(func() { // process files lie elsewhere then
		for _, dir := range w.dirs {
			if run, err := program.RunDir(dir); err == nil {
				_ = os.RemoveAll(run)
			}
		}
	})
	d.Move("shop", source, 0)
	d.Answers(transit, "shop.example")
	w.Kill(transit)
	d.Restarted(transit)
	d.Answers(source, "shop.example")
}

// TestNoPermission: a tool of another user says what it may not do.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	w := self(t).world(t, shop())
	w.must(os.Chmod(w.base, 0o755))
	exe := filepath.Join(w.base, "tool")
	w.must(copyFile(w.executable, exe))
	as := func(dir string) string {
		c := exec.Command(exe)
		c.Env = []string{surveyor + "=" + dir, "PATH=" + os.Getenv("PATH")}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		c.Dir = "/"
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("the tool ended with %v", err)
		}
		return string(out)
	}
	w.must(os.Chmod(w.dirs[source], 0o700))
	for _, running := range []bool{false, true} {
		if running {
			w.Start(source)
		}
		if out := as(w.dirs[source]); !strings.HasPrefix(out, schema.Unreachable) || !strings.Contains(out, "permission denied") {
			t.Errorf("running %v, directory closed: %q", running, out)
		}
	}
	// Seeing the directory is not enough to steer the server.
	w.must(os.Chmod(w.dirs[source], 0o755))
	w.must(os.Chmod(filepath.Join(w.dirs[source], "run"), 0o755))
	if out := as(w.dirs[source]); strings.HasPrefix(out, schema.Present) {
		t.Errorf("another user's tool was let in: %q", out)
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// recordFiles lists the files of the ownership records whose content names text.
func (w *world) recordFiles(side providertest.Side, text string) []string {
	w.t.Helper()
	dir := filepath.Join(w.dirs[side], "records", "accounts")
	entries, err := os.ReadDir(dir)
	w.must(err)
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), text) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	if len(out) != 1 {
		w.t.Fatalf("records like %q: %q", text, out)
	}
	return out
}

// hurt writes over one of the two slots of a record.
func (w *world) hurt(file string, slot int) {
	w.t.Helper()
	b, err := os.ReadFile(file)
	w.must(err)
	half := len(b) / 2
	copy(b[slot*half:], bytes.Repeat([]byte{0xa5}, 600))
	w.must(os.WriteFile(file, b, 0o600))
}

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unpredicted is a line of the table of moves without a prediction.
var unpredicted = regexp.MustCompile(`(transit|client) +0\.00 s`)

// The demo works: a journey of accounts that are twenty times smaller, with the
// programs as they are shipped.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds three programs and moves accounts between servers")
	}
	o := options{scale: 20, dir: t.TempDir()}
	for path, pkg := range map[*string]string{&o.stopover: "cmd/stopover", &o.guestbook: "examples/guestbook", &o.worker: "examples/worker"} {
		*path = filepath.Join(t.TempDir(), filepath.Base(pkg))
		c := exec.Command("go", "build", "-o", *path, "github.com/stopover/stopover/"+pkg)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", pkg, err, out)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), o, &teller{out: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log("\n" + out.String())
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("%d columns wide: %s", n, line)
		}
		if unpredicted.MatchString(line) {
			t.Errorf("no prediction: %s", line)
		}
	}
	for _, want := range []string{"now on transit", "rollback 'café & co'", "now on client", "seen outside", "Everybody is home"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if _, err := os.Stat(o.dir); !os.IsNotExist(err) {
		t.Errorf("the demo left its directory behind: %v", err)
	}
}

func TestSnapshotNoticesEverything(t *testing.T) {
	w := &world{dir: t.TempDir()}
	a := account{name: "a", folder: "a", domain: "a.example", mailbox: "b", files: 50, messages: 20, database: 3 << 20, program: true}
	if err := w.fill(a); err != nil {
		t.Fatal(err)
	}
	before, err := takeSnapshot(w.accountDir(a))
	if err != nil {
		t.Fatal(err)
	}
	dir := w.accountDir(a)
	box := filepath.Join(dir, "mail/a.example/b")
	old := "1600000000.M0P1.old"
	for _, c := range []struct {
		name   string
		change func() error
		want   int // differences
	}{
		{"nothing", func() error { return nil }, 0},
		{"a message is flagged", func() error { return os.Rename(filepath.Join(box, "new", old), filepath.Join(box, "cur", old+":2,S")) }, 0},
		{"a message is there twice", func() error { return os.Link(filepath.Join(box, "cur", old+":2,S"), filepath.Join(box, "new", old)) }, 1},
		{"a file changes", func() error { return os.WriteFile(filepath.Join(dir, "home/www/index.html"), []byte("x"), 0o644) }, 2},
		{"a file goes", func() error { return os.Remove(filepath.Join(dir, "home/www/part-01/page-00001.html")) }, 3},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		now, err := takeSnapshot(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := before.differences(now); len(got) != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

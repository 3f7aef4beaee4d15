package local_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/providertest"
	"github.com/stopover/stopover/schema"
)

// small is a harness that puts one server on a disk of its own of 16 MB.
func small(t *testing.T, which providertest.Side) harness {
	t.Helper()
	needsRoot(t)
	h := self(t)
	h.where = func(t *testing.T, side providertest.Side) string {
		if side != which {
			dir, err := os.MkdirTemp("", "pocket-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			return dir
		}
		dir, err := os.MkdirTemp("", "small-")
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("none", dir, "tmpfs", 0, "size=16m"); err != nil {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Cleanup(func() {
			// A process gives its lock up a moment before it is gone.
			eventually(t, "the small disk is not busy", func() bool { return syscall.Unmount(dir, 0) == nil })
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		})
		return dir
	}
	return h
}

// needsRoot skips, loudly, or fails where everything has to be tested.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this test has to run as root in CI")
	}
	t.Skip("NOT TESTED: needs root")
}

// large writes a file that does not fit on a small disk.
func large(t *testing.T, w *world) (remove func()) {
	t.Helper()
	home, _ := w.Place(source, "shop")
	name := filepath.Join(home, "large")
	w.must(os.WriteFile(name, bytes.Repeat([]byte("does not fit "), 2<<20), 0o644))
	return func() { w.must(os.Remove(name)) }
}

func full(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("on a full disk: %v", err)
	}
}

func pullFiles(d *providertest.Driver, pass providers.Pass, token providers.Token) error {
	_, err := d.Copier(transit).Pull(d.Ctx, providers.PullRequest{Origin: d.Origin("shop", source), Term: d.Term, Part: "files", Pass: pass, Token: token}, nil)
	return err
}

func TestFullDiskInPrecopy(t *testing.T) {
	t.Parallel()
	d, w := drive(t, small(t, transit), shop())
	d.Join("shop", source, 0)
	remove := large(t, w)
	full(t, pullFiles(d, providers.PassBulk, providers.Token{}))
	d.Answers(source, "shop.example")
	d.State(source, "shop", schema.StateActive, 0)
	d.State(transit, "shop", schema.StateStaged, 0)
	remove()
	d.Cut("shop", source, 0)
	d.Answers(transit, "shop.example")
}

func TestFullDiskInCut(t *testing.T) {
	t.Parallel()
	d, w := drive(t, small(t, transit), shop())
	d.Join("shop", source, 0)
	d.Pull("shop", source, providers.PassWarm, providers.Token{})
	remove := large(t, w)
	token := d.Token()
	d.Freeze("shop", source, 0, token)
	full(t, pullFiles(d, providers.PassFinal, token))
	d.OK("thaw", d.Owner(source).Thaw(d.Ctx, "shop", token, "the copy did not fit"))
	d.Answers(source, "shop.example")
	d.State(source, "shop", schema.StateActive, 0)
	d.State(transit, "shop", schema.StateStaged, 0)
	remove()
	d.Cut("shop", source, 0)
	d.Answers(transit, "shop.example")
}

// fill leaves not one byte on the disk that holds a directory.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "fills the disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDiskAtThaw: no full disk keeps an account from answering at home,
// not after a thaw and not after a kill.
func TestFullDiskAtThaw(t *testing.T) {
	t.Parallel()
	d, w := drive(t, small(t, source), shop())
	d.Join("shop", source, 0)
	token := d.Token()
	d.Freeze("shop", source, 0, token)
	fill(t, filepath.Dir(w.dirs[source]))
	d.OK("thaw on a full disk", d.Owner(source).Thaw(d.Ctx, "shop", token, "the test wants it"))
	d.Answers(source, "shop.example")
	d.Freeze("shop", source, 0, d.Token())
	w.Kill(source)
	w.Start(source)
	d.Answers(source, "shop.example")
	d.Restarted(source)
	d.State(source, "shop", schema.StateActive, 0)
	w.must(os.Remove(filepath.Join(filepath.Dir(w.dirs[source]), "fills the disk")))
	d.Cut("shop", source, 0)
	d.Answers(transit, "shop.example")
}

// TestFullDiskInTrial: a disk that fills up while a database arrives ends the
// trial, leaves nothing, and harms nobody.
func TestFullDiskInTrial(t *testing.T) {
	t.Parallel()
	d, w := drive(t, small(t, transit), shop())
	for range 4 {
		d.OK("insert", w.Insert(source, "shop", "main", strings.Repeat("a long row ", 100_000)))
	}
	filler := filepath.Join(filepath.Dir(w.dirs[transit]), "fills the disk")
	once := sync.Once{}
	_, err := d.Servers[transit].Abilities().Trier.Try(d.Ctx, d.Term, d.Origin("shop", source), func(providers.Progress) {
		once.Do(func() { fill(t, filepath.Dir(w.dirs[transit])) })
	})
	// Whoever notices it first says so: the file system, or the look at what is left.
	if err == nil {
		t.Log("the trial had ended before the disk was full")
	} else {
		full(t, err)
	}
	if left := w.Scratch(transit); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
	w.must(os.Remove(filler))
	f, err := d.Servers[transit].Abilities().Trier.Try(d.Ctx, d.Term, d.Origin("shop", source), nil)
	if d.OK("with room again", err); len(f.Databases) != 1 || f.Databases[0].Rows != 4 || len(f.Databases[0].Errors) != 0 {
		t.Errorf("%+v", f)
	}
	d.Move("shop", source, 0)
	d.Answers(transit, "shop.example")
}

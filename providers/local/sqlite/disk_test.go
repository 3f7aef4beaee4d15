//go:build linux

package sqlite

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// small is a directory on a file system of a given size.
func small(t *testing.T, options string) string {
	t.Helper()
	d := t.TempDir()
	if err := syscall.Mount("stopover-test", d, "tmpfs", 0, options); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a small file system is needed in CI: %v", err)
		}
		t.Skipf("SKIPPED, the full disk is NOT tested: mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return d
}

func TestDiskFull(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 800) // about 3.3 MB
	p := startProgram(t, m.src)
	m.open()

	// Too small for the database.
	m.dst = filepath.Join(small(t, "size=1m"), "x.db")
	var b bytes.Buffer
	if _, err := m.s.Pass(m.ctx, Manifest{}, &b); err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(m.ctx, At(m.dst), &b, Options{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a disk too small for the database: %v", err)
	}

	// Large enough for the database and the WAL, too small for the replay.
	m.dst = filepath.Join(small(t, "size=8m"), "x.db")
	m.base = Manifest{}
	m.pass()
	p.do("INSERT INTO other SELECT randomblob(3000) FROM other LIMIT 700")
	p.do("INSERT INTO acks VALUES(1, 'a')")
	p.kill()
	m.catchUp()
	if err := m.refused(m.base); err == nil {
		t.Fatal("a disk too small for the replay was no error")
	}
	// After making room the move goes on from what is there.
	if err := syscall.Mount("", filepath.Dir(m.dst), "", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	m.base = Manifest{}
	m.manifest()
	m.final()
	m.mustEqual(warmed{})
	m.check(1)
}

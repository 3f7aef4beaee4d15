package ownership

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk freezes an account, fills the file system to the last byte, and
// thaws. It needs root for the small file system.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "size=8m,mode=0700"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small file system: %v", err)
		}
		t.Skipf("SKIPPED, NOT TESTED: a full disk; mount a small file system: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	d, err := OpenFileDisk(filepath.Join(dir, "records"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	k, err := Open(d, Options{Machine: "m0", Boot: "b", Instance: "i", Known: true, Now: func() time.Duration { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	term, err := k.Claim("spring", "n", 0)
	if err != nil {
		t.Fatal(err)
	}
	peer := Peer{Machine: "m1", Credential: "c"}
	if err := k.Pair(term, "shop", 0, peer); err != nil {
		t.Fatal(err)
	}
	fill(t, filepath.Join(dir, "filler"))
	if err := k.Freeze(term, "shop", Token{term, 1}, "m0", 0, time.Second); err != nil {
		t.Fatalf("freeze on a full disk: %v", err)
	}
	if err := k.Thaw("shop", Token{term, 1}, "test"); err != nil {
		t.Fatalf("thaw on a full disk: %v", err)
	}
	if _, err := k.Claim("spring", "n2", 0); err != nil {
		t.Fatalf("claim on a full disk: %v", err)
	}
	again, err := Open(d, Options{Machine: "m0", Boot: "b", Instance: "j", Now: func() time.Duration { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	if st := again.Status("shop"); !st.Serves || st.Record.Void != (Token{term, 1}) {
		t.Errorf("after a new start: %+v", st)
	}
	term, _ = again.Claim("spring", "n3", 0)
	if err := again.Pair(term, "blog", 0, peer); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a new record on a full disk: %v", err)
	}
	if st := again.Status("blog"); st.Record.State != Unmanaged || !st.Serves {
		t.Errorf("an account whose pairing found the disk full: %+v", st)
	}
}

func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(bytes.Repeat([]byte{1}, size)); err != nil {
			size /= 2
		}
	}
	if _, err := f.Write([]byte{1}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
}

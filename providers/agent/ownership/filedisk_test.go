package ownership

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

func openDir(t *testing.T) (*FileDisk, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "records")
	d, err := OpenFileDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, dir
}

func TestFileDisk(t *testing.T) {
	d, dir := openDir(t)
	names := []string{"server", "account/a/b", "account/..", "account/x y\n\xff*", "account/-rf", "account/", "account/%41"}
	for _, name := range names {
		if err := d.Allocate(name, SlotSize, []byte(name)); err != nil {
			t.Fatal(err)
		}
		if err := d.Allocate(name, SlotSize, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("allocate %q again: %v", name, err)
		}
		if err := d.Write(name, 1, []byte("new "+name)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("list: got %q, want %q", got, names)
	}
	for _, name := range names {
		for slot, want := range []string{name, "new " + name} {
			b, err := d.Read(name, slot)
			if err != nil || len(b) != SlotSize || !bytes.HasPrefix(b, []byte(want)) {
				t.Errorf("slot %d of %q: %v", slot, name, err)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode() != 0o600 || info.Size() != 2*SlotSize {
			t.Errorf("%q: mode %v, %d bytes", e.Name(), info.Mode(), info.Size())
		}
	}
}

// What has not the size of two slots can be neither read nor written; a rebuilt
// record takes its place, and what is a blob stays.
func TestFileDiskReplaces(t *testing.T) {
	d, dir := openDir(t)
	for name, content := range map[string]string{"empty": "", "cut": strings.Repeat("x", 100), "other": strings.Repeat("x", 2*SlotSize+1)} {
		if err := os.WriteFile(filepath.Join(dir, escape(name)), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.Write(name, 0, []byte("new")); !errors.Is(err, errShape) {
			t.Errorf("write into %s: %v", name, err)
		}
		if err := d.Allocate(name, SlotSize, []byte("new")); err != nil {
			t.Fatal(err)
		}
		for slot := range 2 {
			if b, err := d.Read(name, slot); err != nil || !bytes.HasPrefix(b, []byte("new")) {
				t.Errorf("slot %d of %s: %v", slot, name, err)
			}
		}
		if err := d.Allocate(name, SlotSize, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("allocate %s again: %v", name, err)
		}
	}
}

func TestFileDiskRefuses(t *testing.T) {
	d, dir := openDir(t)
	if err := d.Allocate("x", SlotSize, make([]byte, SlotSize+1)); err == nil {
		t.Error("allocated a blob that is too big")
	}
	if err := d.Allocate(strings.Repeat("/", 100), SlotSize, nil); err == nil {
		t.Error("allocated a name that is too long")
	}
	if err := d.Allocate("x", SlotSize, nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Write("x", 0, make([]byte, SlotSize+1)); err == nil {
		t.Error("wrote over the end of a slot")
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, make([]byte, 2*SlotSize), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, escape("link"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(escape("x"), filepath.Join(dir, escape("inside"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "inside"} {
		if _, err := d.Read(name, 0); err == nil {
			t.Errorf("read through the symbolic link %q", name)
		}
		if err := d.Write(name, 0, []byte("no")); err == nil {
			t.Errorf("wrote through the symbolic link %q", name)
		}
		if err := d.Allocate(name, SlotSize, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("allocated over the symbolic link %q: %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, escape("short")), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read("short", 0); err == nil {
		t.Error("read a file that is not two slots")
	}
	link := filepath.Join(t.TempDir(), "dir")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFileDisk(link); err == nil {
		t.Error("opened a symbolic link to a directory")
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFileDisk(dir); err == nil {
		t.Error("opened a directory that others may write to")
	}
}

func TestFileDiskCleansUp(t *testing.T) {
	d, dir := openDir(t)
	if err := d.Allocate("x", SlotSize, nil); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, tempPrefix+"left")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if names, err := d.List(); err != nil || !slices.Equal(names, []string{"x"}) {
		t.Errorf("list: %q, %v", names, err)
	}
	again, err := OpenFileDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a crash left behind is still there: %v", err)
	}
}

func TestEscapeIsReversible(t *testing.T) {
	err := quick.Check(func(name string) bool {
		file := escape(name)
		got, ok := unescape(file)
		return ok && got == name && !strings.ContainsAny(file, "/\x00") && file[0] != '.' || name == ""
	}, nil)
	if err != nil {
		t.Error(err)
	}
	for _, file := range []string{"x", "%4.own", "%4G.own", "a b.own", "%41.own", "%AF.own", ".own.own"} {
		if name, ok := unescape(file); ok {
			t.Errorf("%q was read as %q", file, name)
		}
	}
}

// TestKeeperOnFiles goes through a whole cutover on real files and opens them
// again after each step, as a new instance in the same boot.
func TestKeeperOnFiles(t *testing.T) {
	d, _ := openDir(t)
	var now time.Duration
	n := 0
	reopen := func() *Keeper {
		n++
		k, err := Open(d, Options{Machine: "m0", Boot: "b", Instance: string(rune('a' + n)), Known: true, Now: func() time.Duration { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := reopen()
	term, err := k.Claim("spring", "nonce", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Pair(term, "shop", 0, Peer{Machine: "m1", Credential: "c"}); err != nil {
		t.Fatal(err)
	}
	k = reopen()
	if err := k.Freeze(term, "shop", Token{term, 1}, "m0", 0, time.Second); err != nil {
		t.Fatal(err)
	}
	k = reopen()
	if a := k.StartActions(); len(a) != 1 || a[0].Kind != Thawed {
		t.Fatalf("start: %+v", a)
	}
	st := k.Status("shop")
	if !st.Serves || st.Record.Void != (Token{term, 1}) {
		t.Errorf("after the thaw: %+v", st)
	}
	if err := k.Freeze(term, "shop", Token{term, 1}, "m0", 0, time.Second); RefusedBy(err) != GuardUnvoided {
		t.Errorf("a void token froze: %v", err)
	}
}

// TestPeek looks at records from outside while a keeper has them open.
func TestPeek(t *testing.T) {
	d, dir := openDir(t)
	k, err := Open(d, Options{Machine: "m0", Boot: "b", Instance: "i", Known: true, Now: func() time.Duration { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	term, err := k.Claim("spring", "nonce", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"shop", "a/b"} {
		if err := k.Pair(term, account, 0, Peer{Machine: "m1", Credential: "c"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, escape("account/lost")), make([]byte, 2*SlotSize), 0o600); err != nil {
		t.Fatal(err)
	}
	s, records, err := Peek(dir)
	if err != nil || s.Machine != "m0" || s.Term != term || len(records) != 2 || records["a/b"].State != Active || records["a/b"].Peer.Credential != "" {
		t.Errorf("got %+v, %v, %v", s, records, err)
	}
	if _, one, err := Peek(dir, "shop"); err != nil || len(one) != 1 || one["shop"].State != Active {
		t.Errorf("got %v, %v", one, err)
	}
	if _, _, err := Peek(filepath.Join(dir, "nothing")); err == nil {
		t.Error("looked at a directory that is not there")
	}
}

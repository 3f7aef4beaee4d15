//go:build linux

package files

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent/compare"
)

// equal lets the other package judge.
func equal(t testing.TB, src, dst string, o compare.Options) {
	t.Helper()
	a, b := digest(t, src, o), digest(t, dst, compare.Options{Frozen: true, IgnoreOwners: o.IgnoreOwners})
	if a.Summary.Digest == b.Summary.Digest {
		return
	}
	list, err := compare.Differences(context.Background(), a, b, 20)
	t.Fatalf("not equal: %v %v", list, err)
}

func digest(t testing.TB, root string, o compare.Options) *compare.Tree {
	t.Helper()
	o.Frozen = true
	tree, err := compare.Digest(context.Background(), root, nil, o)
	must(t, err)
	return tree
}

func frozen() SendOptions { return SendOptions{ScanOptions: ScanOptions{Frozen: true}} }

// acl is the kernel's form of: owner rw, user ID r, group r, mask rw, others none.
func acl(uid uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [][3]uint32{{1, 6, ^uint32(0)}, {2, 4, uid}, {4, 4, ^uint32(0)}, {0x10, 6, ^uint32(0)}, {0x20, 0, ^uint32(0)}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

var awkward = []string{
	"a b", "-rf", "--", "new\nline", "bad\xff\xfeutf8", "*", "x]", "quote\"'`$(id)", "..hidden", "...", " ", "\\", "\x01",
	"é", "e\u0301", ".stopover-stage-0", strings.Repeat("n", 255),
}

// everything makes one of each.
func everything(t testing.TB, root string) {
	t.Helper()
	for _, n := range awkward {
		write(t, filepath.Join(root, "names", n), n)
		must(t, os.Mkdir(filepath.Join(root, "names", "d"+n[:min(len(n), 254)]), 0o755))
	}
	in := func(n string) string { return filepath.Join(root, n) }
	write(t, in(".stopover-stage-0/mine"), "a user's, not ours")
	write(t, in("empty-file"), "")
	write(t, in("exact"), strings.Repeat("e", maxWhole))
	write(t, in("over"), strings.Repeat("o", maxWhole+1))
	write(t, in("large"), strings.Repeat("large", 1<<20))
	write(t, in("mode/setuid"), "s")
	write(t, in("mode/none"), "n")
	must(t,
		os.Chmod(in("mode/setuid"), 0o755|os.ModeSetuid|os.ModeSetgid),
		os.Chmod(in("mode/none"), 0),
		os.Mkdir(in("empty-dir"), 0o700),
		os.Mkdir(in("sticky"), 0o755), os.Chmod(in("sticky"), 0o777|os.ModeSticky|os.ModeSetgid),
		os.Symlink("/etc/passwd", in("out")), os.Symlink("../../../..", in("up")), os.Symlink("nowhere\xff", in("dangling")),
		os.Symlink("mode", in("dirlink")), os.Symlink(strings.Repeat("t", 4000), in("long")),
		os.Link(in("large"), in("hard1")), os.Link(in("large"), in("mode/hard2")), os.Link(in("out"), in("outhard")),
		unix.Mkfifo(in("fifo"), 0o640),
		unix.Setxattr(in("exact"), "user.note", []byte("x\x00y"), 0), unix.Setxattr(in("empty-dir"), "user.dir", []byte("d"), 0),
		unix.Setxattr(in("over"), aclAccess, acl(1234), 0), unix.Setxattr(in("sticky"), aclDefault, acl(1234), 0),
	)
	write(t, in("sticky/child"), "made under a default ACL")
	sparse, err := os.Create(in("sparse"))
	must(t, err, sparse.Truncate(1<<40))
	_, err = sparse.WriteAt([]byte("data"), 1<<30+5)
	must(t, err, sparse.Close())
	long := root
	for range 14 { // 14 * 256 bytes
		long = filepath.Join(long, strings.Repeat("p", 255))
	}
	must(t, os.MkdirAll(long, 0o755), os.WriteFile(filepath.Join(long, "deep"), []byte("d"), 0o600))
	if os.Geteuid() == 0 {
		must(t, os.Lchown(in("out"), 7, 8), os.Chown(in("mode/setuid"), 1001, 1002), os.Chmod(in("mode/setuid"), 0o755|os.ModeSetuid))
	}
	at := []unix.Timespec{{Sec: 1, Nsec: 2}, {Sec: -86400, Nsec: 999999999}}
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, in("dangling"), at, unix.AT_SYMLINK_NOFOLLOW),
		unix.UtimesNanoAt(unix.AT_FDCWD, in("empty-dir"), at, 0), unix.UtimesNanoAt(unix.AT_FDCWD, in("exact"), at, 0))
}

func TestEverything(t *testing.T) {
	src, dst := disk(t), disk(t)
	everything(t, src)
	held, sent, got, err := pass(t, src, dst, nil, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
	if sent.Files != got.Files || sent.Bytes != got.Bytes || sent.Links != got.Links || got.Links != 3 || sent.Stream != got.Stream {
		t.Errorf("counted differently: %+v %+v", sent, got)
	}
	if sent.Bytes > 20<<20 {
		t.Errorf("the holes were sent: %d bytes", sent.Bytes)
	}
	var st unix.Stat_t
	if must(t, unix.Stat(filepath.Join(dst, "sparse"), &st)); st.Size != 1<<40 || st.Blocks*512 > 1<<20 {
		t.Errorf("sparse file: %d bytes, %d blocks", st.Size, st.Blocks)
	}
	// Nothing to do, from what Send returned and from what the receiver finds.
	own, _, err := Scan(context.Background(), dst, ScanOptions{})
	must(t, err)
	for name, base := range map[string]*Listing{"held": held, "scanned": own} {
		_, s, _, err := pass(t, src, dst, base, frozen())
		must(t, err)
		if s.Files+s.Dirs+s.Links+s.Renames+s.Removed+s.Symlinks+s.Fifos != 0 || s.Metas != 1 {
			t.Errorf("%s: sent again: %+v", name, s)
		}
	}
	equal(t, src, dst, compare.Options{})
}

// TestTotals: the receiver knows from the first file on how much comes, and is
// done when all of it has come. A pass with nothing to send promises nothing.
func TestTotals(t *testing.T) {
	src, dst := disk(t), disk(t)
	write(t, filepath.Join(src, "large"), strings.Repeat("l", 3*maxWhole))
	for i := range 20 {
		write(t, filepath.Join(src, fmt.Sprint(i)), strings.Repeat("s", 100))
	}
	age(t, src)
	want := Progress{Files: 21, TotalFiles: 21, Bytes: 3*maxWhole + 2000, TotalBytes: 3*maxWhole + 2000}
	var base *Listing
	for n := range 2 {
		var b bytes.Buffer
		var heard []Progress
		now, sent, err := Send(context.Background(), src, base, &b, frozen())
		must(t, err)
		got, err := Receive(context.Background(), dst, &b, ReceiveOptions{Progress: func(p Progress) { heard = append(heard, p) }})
		must(t, err)
		if sent.Stream != got.Stream {
			t.Errorf("%d bytes were sent, %d received", sent.Stream, got.Stream)
		}
		base = now
		if n > 0 {
			if len(heard) > 0 {
				t.Errorf("nothing to send: %+v", heard)
			}
			continue
		}
		if len(heard) == 0 || heard[len(heard)-1] != want || heard[0].TotalBytes != want.TotalBytes || heard[0].Bytes >= want.Bytes {
			t.Errorf("%+v", heard)
		}
	}
}

func TestListingTravels(t *testing.T) {
	src := disk(t)
	everything(t, src)
	l, _, err := Scan(context.Background(), src, ScanOptions{})
	must(t, err)
	data, err := cbor.Marshal(l)
	must(t, err)
	var back Listing
	must(t, cbor.Unmarshal(data, &back))
	if back.Len() != l.Len() {
		t.Fatalf("%d of %d entries", back.Len(), l.Len())
	}
	l.Walk(func(path string, e Entry) {
		if got, ok := back.Lookup(path); !ok || got != e {
			t.Errorf("%q: %+v, was %+v", path, got, e)
		}
	})
	var b bytes.Buffer
	if _, err := l.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadListing(bytes.NewReader(b.Bytes()), 10); !errors.Is(err, ErrStream) {
		t.Errorf("more entries than allowed: %v", err)
	}
	for _, n := range []int{0, 3, 100, b.Len() - 1} {
		if _, err := ReadListing(bytes.NewReader(b.Bytes()[:n]), 1<<20); err == nil {
			t.Errorf("read a listing cut at %d", n)
		}
	}
}

func TestNotCarried(t *testing.T) {
	if os.Geteuid() != 0 {
		lacking(t, "root")
	}
	src, dst := disk(t), disk(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err, unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(src, "sock")}), unix.Close(fd))
	must(t, unix.Mknod(filepath.Join(src, "dev"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	write(t, filepath.Join(src, "sub/file"), "x")
	write(t, filepath.Join(src, "mnt/hidden"), "x")
	must(t, unix.Setxattr(filepath.Join(src, "sub/file"), "trusted.t", []byte("1"), 0))
	if err := unix.Mount(filepath.Join(src, "sub"), filepath.Join(src, "mnt"), "", unix.MS_BIND, ""); err != nil {
		lacking(t, "mount")
	}
	defer unix.Unmount(filepath.Join(src, "mnt"), unix.MNT_DETACH)
	_, sent, _, err := pass(t, src, dst, nil, frozen())
	must(t, err)
	var got []string
	for _, f := range sent.Findings {
		got = append(got, fmt.Sprint(f.Code, " ", f.Path))
	}
	want := []string{"device dev", "mount-point mnt", "socket sock", "xattr-name sub/file"}
	if !slices.Equal(got, want) {
		t.Errorf("findings %q, want %q", got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(dst, "*")); len(left) != 1 {
		t.Errorf("copied %q", left)
	}
	equal(t, src, dst, compare.Options{})
}

func TestMappedOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		lacking(t, "root")
	}
	src, dst := disk(t), disk(t)
	everything(t, src)
	up := func(id uint32) uint32 { return id + 100_000 }
	o := frozen()
	o.MapUID, o.MapGID = up, up
	held, _, _, err := pass(t, src, dst, nil, o)
	must(t, err)
	equal(t, src, dst, compare.Options{MapUID: up, MapGID: up})
	if e, _ := held.Lookup("mode/setuid"); e.UID != 101001 || e.GID != 101002 {
		t.Errorf("listing says %d:%d", e.UID, e.GID)
	}
	value := make([]byte, 1000)
	n, err := unix.Getxattr(filepath.Join(dst, "over"), aclAccess, value)
	if must(t, err); !bytes.Equal(value[:n], acl(101234)) {
		t.Errorf("ACL %x", value[:n])
	}
	_, s, _, err := pass(t, src, dst, held, o)
	if must(t, err); s.Metas != 1 || s.Files != 0 {
		t.Errorf("mapped owners look changed: %+v", s)
	}
}

func TestOwnersRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		lacking(t, "root")
	}
	src, dst := disk(t), disk(t)
	write(t, filepath.Join(src, "f"), "x")
	var b bytes.Buffer
	_, _, err := Send(context.Background(), src, nil, &b, frozen())
	must(t, err)
	_, err = Receive(context.Background(), dst, &b, ReceiveOptions{MayOwn: func(uid, _ uint32) bool { return uid == 1001 }})
	if !errors.Is(err, ErrStream) {
		t.Errorf("a file of root was accepted: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dst, "f")); err == nil {
		t.Error("it is there")
	}
}

// A mail whose flags changed keeps its inode: no content may be sent for it.
func TestRenames(t *testing.T) {
	src, dst := disk(t), disk(t)
	for i := range 50 {
		write(t, filepath.Join(src, fmt.Sprintf("Maildir/new/%d.host", i)), fmt.Sprint("mail ", i))
	}
	write(t, filepath.Join(src, "swap/a"), "is a")
	write(t, filepath.Join(src, "swap/b"), "is b")
	write(t, filepath.Join(src, "x"), "becomes a directory that holds it")
	write(t, filepath.Join(src, "folder/one/two"), "moves with its directory")
	must(t, os.Mkdir(filepath.Join(src, "Maildir/cur"), 0o700))
	age(t, src)
	held, _, _, err := pass(t, src, dst, nil, SendOptions{})
	must(t, err)
	in := func(n string) string { return filepath.Join(src, n) }
	for i := range 50 {
		must(t, os.Rename(in(fmt.Sprintf("Maildir/new/%d.host", i)), in(fmt.Sprintf("Maildir/cur/%d.host:2,S", i))))
	}
	must(t, os.Rename(in("swap/a"), in("swap/t")), os.Rename(in("swap/b"), in("swap/a")), os.Rename(in("swap/t"), in("swap/b")),
		os.Rename(in("x"), in("y")), os.Mkdir(in("x"), 0o755), os.Rename(in("y"), in("x/x")),
		os.Rename(in("folder"), in("other")))
	_, s, _, err := pass(t, src, dst, held, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
	if s.Files != 0 || s.Renames != 54 {
		t.Errorf("%d files sent, %d renamed", s.Files, s.Renames)
	}
}

// age makes everything look as if it had been written a while ago, so that a pass does not mistrust it.
func age(t testing.TB, root string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	must(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Chtimes(path, old, old)
		}
		return err
	}))
}

// What the copier cannot see, the comparer finds, and Force repairs.
func TestForce(t *testing.T) {
	src, dst := disk(t), disk(t)
	write(t, filepath.Join(src, "d/f"), "before")
	write(t, filepath.Join(src, "d/keep"), "same")
	must(t, os.Link(filepath.Join(src, "d/f"), filepath.Join(src, "g")))
	age(t, src)
	held, _, _, err := pass(t, src, dst, nil, SendOptions{})
	must(t, err)
	path := filepath.Join(src, "d/f")
	fi, err := os.Stat(path)
	must(t, err, os.WriteFile(path, []byte("behind"), 0o644), os.Chtimes(path, fi.ModTime(), fi.ModTime()))
	write(t, filepath.Join(dst, "d/extra"), "nobody sent this")
	held, s, _, err := pass(t, src, dst, held, frozen())
	if must(t, err); s.Files != 0 {
		t.Fatal("the copier saw a change that this test thinks it cannot see")
	}
	list, err := compare.Differences(context.Background(), digest(t, src, compare.Options{}), digest(t, dst, compare.Options{}), 100)
	must(t, err)
	o := frozen()
	for _, d := range list {
		o.Force = append(o.Force, d.Path)
	}
	if want := []string{"d", "d/extra", "d/f", "g"}; !slices.Equal(o.Force, want) {
		t.Fatalf("differ: %q, want %q", o.Force, want)
	}
	_, s, _, err = pass(t, src, dst, held, o)
	must(t, err)
	equal(t, src, dst, compare.Options{})
	if s.Files != 1 || s.Links != 1 {
		t.Errorf("repair sent %+v", s)
	}
}

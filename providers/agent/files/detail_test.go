//go:build linux

package files

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent/compare"
)

// Names that were one file and are two now, alike in size and mtime, must part, also when the base was scanned at the
// receiver and its inode numbers say nothing; and the other way round.
func TestLinksPartAndMeet(t *testing.T) {
	src, dst := disk(t), disk(t)
	in := func(n string) string { return filepath.Join(src, n) }
	for _, n := range []string{"a", "c", "d", "e", "f"} {
		write(t, in(n), "the same")
	}
	must(t, os.Link(in("a"), in("b")), os.Link(in("d"), in("d2")), os.Link(in("e"), in("e2")))
	age(t, src)
	must(t, sameTimes(src, "a", "c", "d", "e", "f"))
	_, _, _, err := pass(t, src, dst, nil, SendOptions{})
	must(t, err)
	equal(t, src, dst, compare.Options{})
	must(t, os.Remove(in("b")), os.WriteFile(in("b"), []byte("the same"), 0o644)) // a and b part
	must(t, os.Remove(in("f")), os.Link(in("c"), in("f")))                        // c and f meet
	must(t, os.Rename(in("d2"), in("t")), os.Rename(in("e2"), in("d2")), os.Rename(in("t"), in("e2")))
	must(t, sameTimes(src, "a", "b", "c", "d", "e", "f"))
	base, _, err := Scan(context.Background(), dst, ScanOptions{})
	must(t, err)
	_, _, _, err = pass(t, src, dst, base, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
}

func sameTimes(root string, names ...string) error {
	ts := []unix.Timespec{{Sec: 1e9}, {Sec: 1e9}}
	var all error
	for _, n := range names {
		all = errors.Join(all, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(root, n), ts, 0))
	}
	return all
}

// What a pass does in a directory moves its mtime at the receiver, also where the origin's stayed as it was.
func TestDirectoryTimes(t *testing.T) {
	src, dst := disk(t), disk(t)
	in := func(n string) string { return filepath.Join(src, n) }
	for _, n := range []string{"gone/x", "new/y", "from/z", "to/w", "data/v", "link/u", "deep/er/s"} {
		write(t, in(n), n)
	}
	age(t, src)
	dirs := []string{"gone", "new", "from", "to", "data", "link", "deep", "deep/er", ""}
	must(t, sameTimes(src, dirs...))
	held, _, _, err := pass(t, src, dst, nil, SendOptions{})
	must(t, err)
	must(t, os.Remove(in("gone/x")), os.WriteFile(in("new/n"), nil, 0o600), os.Rename(in("from/z"), in("to/z")), os.WriteFile(in("data/v"), []byte("longer"), 0o644),
		os.Link(in("to/w"), in("link/w")), os.Chmod(in("deep/er/s"), 0o600))
	must(t, sameTimes(src, dirs...))
	_, s, _, err := pass(t, src, dst, held, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
	if s.Files != 2 || s.Renames != 1 || s.Links != 1 {
		t.Errorf("%+v", s)
	}
}

// A default ACL of the root is inherited by what is made in it, but not by what we make.
func TestDefaultACL(t *testing.T) {
	src, dst := disk(t), disk(t)
	must(t, unix.Setxattr(src, aclDefault, acl(1234), 0))
	held, _, _, err := pass(t, src, dst, nil, SendOptions{})
	must(t, err)
	write(t, filepath.Join(src, "d/f"), "inherits")
	for _, n := range []string{"d/f", "d"} {
		must(t, unix.Removexattr(filepath.Join(src, n), aclAccess))
	}
	must(t, unix.Removexattr(filepath.Join(src, "d"), aclDefault))
	_, _, _, err = pass(t, src, dst, held, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
}

// A file that was skipped is dirty: it is sent again even if it looks by then as it did before.
func TestSkippedIsDirty(t *testing.T) {
	src, dst := disk(t), disk(t)
	path := filepath.Join(src, "busy")
	write(t, path, strings.Repeat("1", 4*maxWhole))
	age(t, src)
	must(t, sameTimes(src, "busy"))
	held, _, _, err := pass(t, src, dst, nil, SendOptions{})
	must(t, err)
	write(t, path, strings.Repeat("2", 4*maxWhole))
	w := writerFunc(func(p []byte) (int, error) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString("3")
		must(t, err, f.Close())
		return len(p), nil
	})
	held, s, err := Send(context.Background(), src, held, w, SendOptions{})
	if must(t, err); s.Skipped != 1 {
		t.Fatalf("%+v", s)
	}
	write(t, path, strings.Repeat("4", 4*maxWhole))
	must(t, sameTimes(src, "busy"))
	if e, ok := held.Lookup("busy"); !ok || !e.Dirty {
		t.Errorf("%+v", e)
	}
	_, _, _, err = pass(t, src, dst, held, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
}

// The names of an error: the receiver's end is no object of the origin's tree.
func TestReceiverGone(t *testing.T) {
	src := disk(t)
	write(t, filepath.Join(src, "f"), strings.Repeat("x", 4*maxWhole))
	gone := errors.New("connection reset")
	_, _, err := Send(context.Background(), src, nil, writerFunc(func([]byte) (int, error) { return 0, gone }), SendOptions{})
	var pe *PathError
	if !errors.Is(err, gone) || errors.As(err, &pe) {
		t.Errorf("error %v", err)
	}
}

// Without openat2 (old kernels, some containers) directories are opened one by one, and links refused all the same.
func TestWithoutOpenat2(t *testing.T) {
	root, _, _ := walled(t)
	write(t, filepath.Join(root, "a/b/c/f"), "x")
	must(t, os.Symlink("a", filepath.Join(root, "l")), os.Symlink("/etc", filepath.Join(root, "a/out")))
	tr, err := openTree(root)
	must(t, err)
	defer tr.close()
	tr.walk.Store(true)
	fd, err := tr.dir("a/b/c")
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Fstatat(fd, "f", &st, 0), unix.Close(fd))
	for _, p := range []string{"l", "l/b", "a/out", "l/b/c", "a/b/c/f"} {
		if fd, err := tr.dir(p); !vanished(err) {
			t.Errorf("%q: %d %v", p, fd, err)
		}
	}
}

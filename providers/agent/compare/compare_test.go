//go:build linux

package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk makes a directory on a real disk.
func disk(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("STOPOVER_TEST_DISK"), "stopover-compare-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI has to have %s", what)
	}
	t.Skipf("SKIPPED: this machine lacks %s; this is not tested here", what)
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// twin copies a tree with a program that is not ours.
func twin(t testing.TB, src string) string {
	t.Helper()
	dst := filepath.Join(disk(t), "twin")
	if out, err := exec.Command("cp", "-a", src, dst).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v %s", err, out)
	}
	return dst
}

func digest(t testing.TB, root string, c *Cache, o Options) *Tree {
	t.Helper()
	tree, err := Digest(context.Background(), root, c, o)
	must(t, err)
	return tree
}

// plant makes a tree with one of each.
func plant(t testing.TB) string {
	t.Helper()
	root := disk(t)
	in := func(n string) string { return filepath.Join(root, n) }
	must(t,
		os.MkdirAll(in("d/e"), 0o755), os.Mkdir(in("empty"), 0o755),
		os.WriteFile(in("d/f"), []byte("content"), 0o644), os.WriteFile(in("d/g"), []byte("other"), 0o644),
		os.WriteFile(in("d/e/large"), bytes.Repeat([]byte("0123456789"), 50_000), 0o600),
		os.WriteFile(in("bad\xff\n name"), nil, 0o600),
		os.Link(in("d/f"), in("hard")), os.Symlink("d", in("link")), unix.Mkfifo(in("fifo"), 0o600),
		unix.Setxattr(in("d/g"), "user.a", []byte("1"), 0), unix.Setxattr(in("empty"), "user.a", []byte("1"), 0),
	)
	return root
}

// Every single kind of difference is seen, named with its path, and called by its name.
func TestEachDifference(t *testing.T) {
	src := plant(t)
	stamp := func(p string) error {
		return unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{{Sec: 5}, {Sec: 5, Nsec: 1}}, unix.AT_SYMLINK_NOFOLLOW)
	}
	keep := func(p string, f func() error) error { // without moving size or mtime
		fi, err := os.Lstat(p)
		return errors.Join(err, f(), os.Chtimes(p, fi.ModTime(), fi.ModTime()))
	}
	for name, c := range map[string]struct {
		do   func(root string) error
		want []string
	}{
		"nothing": {func(string) error { return nil }, nil},
		"content": {func(r string) error {
			p := filepath.Join(r, "d/g")
			return keep(p, func() error { return os.WriteFile(p, []byte("OTHER"), 0o644) })
		}, []string{`"d/g": content`}},
		"large content": {func(r string) error {
			p := filepath.Join(r, "d/e/large")
			return keep(p, func() error {
				f, err := os.OpenFile(p, os.O_WRONLY, 0)
				must(t, err)
				_, err = f.WriteAt([]byte("x"), 300_001)
				return errors.Join(err, f.Close())
			})
		}, []string{`"d/e/large": content`}},
		"mode":       {func(r string) error { return os.Chmod(filepath.Join(r, "d/e"), 0o711) }, []string{`"d/e": mode`}},
		"mtime":      {func(r string) error { return stamp(filepath.Join(r, "d/g")) }, []string{`"d/g": mtime`}},
		"dir mtime":  {func(r string) error { return stamp(filepath.Join(r, "empty")) }, []string{`"empty": mtime`}},
		"link mtime": {func(r string) error { return stamp(filepath.Join(r, "link")) }, []string{`"link": mtime`}},
		"root mtime": {func(r string) error { return stamp(r) }, []string{`"": mtime`}},
		"xattr":      {func(r string) error { return unix.Setxattr(filepath.Join(r, "d/g"), "user.a", []byte("2"), 0) }, []string{`"d/g": xattrs`}},
		"dir xattr":  {func(r string) error { return unix.Removexattr(filepath.Join(r, "empty"), "user.a") }, []string{`"empty": xattrs`}},
		"owner":      {func(r string) error { return os.Lchown(filepath.Join(r, "link"), 3, 4) }, []string{`"link": owner`}},
		"target":     {func(r string) error { return relink(t, filepath.Join(r, "link"), "e") }, []string{`"link": target`}},
		"extra": {func(r string) error {
			return quietly(t, r, "d/e", func() error { return os.WriteFile(filepath.Join(r, "d/e/new"), nil, 0o600) })
		}, []string{`"d/e/new": only in b`}},
		"missing": {func(r string) error {
			return quietly(t, r, "", func() error { return os.RemoveAll(filepath.Join(r, "d")) })
		}, []string{`"d": only in a`, `"d/e": only in a`, `"d/e/large": only in a`, `"d/f": only in a`, `"d/g": only in a`, `"hard": links`}},
		"hard link": {func(r string) error { return unlink(t, r) }, []string{`"d/f": links`, `"hard": links`}},
		"name's byte": {func(r string) error {
			return quietly(t, r, "", func() error { return os.Rename(filepath.Join(r, "bad\xff\n name"), filepath.Join(r, "bad\xfe\n name")) })
		}, []string{`"bad\xfe\n name": only in b`, `"bad\xff\n name": only in a`}},
	} {
		if name == "owner" && os.Geteuid() != 0 {
			continue
		}
		dst := twin(t, src)
		must(t, c.do(dst))
		a, b := digest(t, src, nil, Options{Frozen: true}), digest(t, dst, nil, Options{Frozen: true})
		list, err := Differences(context.Background(), a, b, 100)
		must(t, err)
		var got []string
		for _, d := range list {
			got = append(got, d.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if (a.Summary.Digest == b.Summary.Digest) != (len(c.want) == 0) {
			t.Errorf("%s: digests disagree with the differences", name)
		}
	}
}

// quietly keeps the mtime of a directory.
func quietly(t testing.TB, root, dir string, f func() error) error {
	p := filepath.Join(root, dir)
	fi, err := os.Stat(p)
	must(t, err, f())
	return os.Chtimes(p, fi.ModTime(), fi.ModTime())
}

func relink(t testing.TB, path, target string) error {
	fi, err := os.Lstat(path)
	must(t, err)
	return quietly(t, filepath.Dir(path), "", func() error {
		ts := unix.NsecToTimespec(fi.ModTime().UnixNano())
		return errors.Join(os.Remove(path), os.Symlink(target, path), unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
	})
}

// unlink makes two files of the one that has two names, alike in all else.
func unlink(t testing.TB, root string) error {
	p := filepath.Join(root, "hard")
	return quietly(t, root, "", func() error {
		if out, err := exec.Command("cp", "-p", p, p+".t").CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
		return os.Rename(p+".t", p)
	})
}

// Where holes are does not matter, and a hole costs nothing.
func TestSparse(t *testing.T) {
	a, b := disk(t), disk(t)
	at := time.Unix(1000, 0)
	for i, r := range []string{a, b} {
		f, err := os.Create(filepath.Join(r, "f"))
		must(t, err)
		if i == 0 {
			must(t, f.Truncate(1<<20))
		} else {
			_, err = f.Write(make([]byte, 1<<20))
			must(t, err)
		}
		_, err = f.WriteAt([]byte("x"), 700_000)
		must(t, err, f.Close())
		g, err := os.Create(filepath.Join(r, "huge"))
		must(t, err, g.Truncate(1<<43))
		_, err = g.WriteAt([]byte("y"), 1<<42)
		must(t, err, g.Close(), os.Chtimes(filepath.Join(r, "f"), at, at), os.Chtimes(filepath.Join(r, "huge"), at, at), os.Chtimes(r, at, at))
	}
	x, y := digest(t, a, nil, Options{Frozen: true}), digest(t, b, nil, Options{Frozen: true})
	if x.Summary.Digest != y.Summary.Digest {
		t.Error("holes and zeros differ")
	}
	if x.Summary.HashedBytes > 1<<20 {
		t.Errorf("read %d bytes", x.Summary.HashedBytes)
	}
	must(t, os.Truncate(filepath.Join(b, "huge"), 1<<43-1), os.Chtimes(filepath.Join(b, "huge"), at, at))
	if digest(t, b, nil, Options{Frozen: true}).Summary.Digest == x.Summary.Digest {
		t.Error("the length of a hole is not seen")
	}
}

// In the cut only what moved since the warm walk is read, and a change that restores size and mtime is one that moved.
func TestCacheSeesWhatTheCopierDoesNot(t *testing.T) {
	root := plant(t)
	var c Cache
	quick := Options{Warm: true, settle: 50 * time.Millisecond}
	time.Sleep(100 * time.Millisecond) // the clock of the cache is the kernel's: there is no other way to grow old
	warm := digest(t, root, &c, quick)
	if warm.Summary.Hashed < 5 || c.Len() != 4 {
		t.Fatalf("warm: %+v, %d remembered", warm.Summary, c.Len())
	}
	cut := digest(t, root, &c, Options{Frozen: true})
	if cut.Summary.Hashed != 0 || cut.Summary.Digest != warm.Summary.Digest {
		t.Errorf("nothing moved: %+v", cut.Summary)
	}
	p := filepath.Join(root, "d/g")
	fi, err := os.Stat(p)
	must(t, err, os.WriteFile(p, []byte("OTHER"), 0o644), os.Chtimes(p, fi.ModTime(), fi.ModTime()))
	cut = digest(t, root, &c, Options{Frozen: true})
	if cut.Summary.Hashed != 1 || cut.Summary.Digest == warm.Summary.Digest {
		t.Errorf("a change was not seen: %+v", cut.Summary)
	}
	full := digest(t, root, nil, Options{Frozen: true})
	if full.Summary.Digest != cut.Summary.Digest {
		t.Error("with and without a cache differ")
	}
	must(t, unix.Setxattr(p, "user.a", []byte("2"), 0))
	if d := digest(t, root, &c, Options{Frozen: true}); d.Summary.Digest == cut.Summary.Digest {
		t.Error("an attribute was not seen")
	}
	must(t, os.Rename(filepath.Join(root, "d/e/large"), filepath.Join(root, "d/f2")), os.Remove(filepath.Join(root, "d/f")))
	if a, b := digest(t, root, &c, Options{Frozen: true}), digest(t, root, nil, Options{Frozen: true}); a.Summary.Digest != b.Summary.Digest {
		t.Error("with and without a cache differ after a rename")
	}
}

// A file hashed in the same moment in which it was written is not remembered: the next write may carry the same ctime.
func TestFreshIsNotRemembered(t *testing.T) {
	root := plant(t)
	var c Cache
	digest(t, root, &c, Options{Warm: true})
	if c.Len() != 0 {
		t.Errorf("%d remembered", c.Len())
	}
	if s := digest(t, root, &c, Options{Frozen: true}).Summary; s.Hashed < 5 {
		t.Errorf("%+v", s)
	}
}

// A page that is mapped and dirty takes stores that move no timestamp. The sync of a warm walk makes them move it.
func TestMappedStores(t *testing.T) {
	root := disk(t)
	p := filepath.Join(root, "mapped")
	must(t, os.WriteFile(p, make([]byte, 4096), 0o644))
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	page, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	defer unix.Munmap(page)
	page[0] = 1 // dirty from here on
	time.Sleep(100 * time.Millisecond)
	var c Cache
	a := digest(t, root, &c, Options{Warm: true, settle: 50 * time.Millisecond})
	page[0] = 2
	b := digest(t, root, &c, Options{Frozen: true})
	if a.Summary.Digest == b.Summary.Digest {
		t.Error("a store through a mapping was not seen")
	}
}

func TestTmpfsIsNotTrusted(t *testing.T) {
	if os.Geteuid() != 0 {
		lacking(t, "root")
	}
	dir := filepath.Join(disk(t), "m")
	must(t, os.Mkdir(dir, 0o755))
	if err := unix.Mount("stopover-test", dir, "tmpfs", 0, "size=1m"); err != nil {
		lacking(t, "the right to mount")
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o644))
	time.Sleep(100 * time.Millisecond)
	var c Cache
	digest(t, dir, &c, Options{Warm: true, settle: 50 * time.Millisecond})
	if c.Len() != 0 {
		t.Error("hashes of a file system without writeback were remembered")
	}
}

func TestIgnoredAndMapped(t *testing.T) {
	src := plant(t)
	if os.Geteuid() != 0 {
		lacking(t, "root")
	}
	dst := twin(t, src)
	must(t, filepath.WalkDir(dst, func(p string, _ os.DirEntry, err error) error { return errors.Join(err, os.Lchown(p, 500, 600)) }))
	a := digest(t, src, nil, Options{MapUID: func(uint32) uint32 { return 500 }, MapGID: func(uint32) uint32 { return 600 }})
	b := digest(t, dst, nil, Options{})
	if a.Summary.Digest != b.Summary.Digest {
		t.Error("mapped owners differ")
	}
	if digest(t, src, nil, Options{}).Summary.Digest == b.Summary.Digest {
		t.Error("owners do not count")
	}
	if digest(t, src, nil, Options{IgnoreOwners: true}).Summary.Digest != digest(t, dst, nil, Options{IgnoreOwners: true}).Summary.Digest {
		t.Error("ignored owners count")
	}
	must(t, unix.Setxattr(filepath.Join(dst, "d/g"), "user.a", []byte("9"), 0))
	o := Options{IgnoreOwners: true, IgnoreXattrs: true}
	if digest(t, src, nil, o).Summary.Digest != digest(t, dst, nil, o).Summary.Digest {
		t.Error("ignored attributes count")
	}
	must(t, unix.Mknod(filepath.Join(src, "dev"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	if s := digest(t, src, nil, Options{}).Summary; s.Ignored != 1 {
		t.Errorf("%+v", s)
	}
}

// endless is another agent that never stops.
type endless struct{ n int }

func (e *endless) Root(context.Context) (Entry, error) { return e.entry("") }

func (e *endless) entry(name string) (Entry, error) {
	e.n++
	return Entry{Name: name, Mode: unix.S_IFDIR | 0o755, Digest: Sum{byte(e.n), byte(e.n >> 8), byte(e.n >> 16), 1}}, nil
}

func (e *endless) Entries(context.Context, string) ([]Entry, error) {
	x, err := e.entry("a")
	return []Entry{x}, err
}

func TestHostileLister(t *testing.T) {
	if _, err := Differences(context.Background(), &endless{}, &endless{n: 1 << 20}, 10); err == nil {
		t.Error("no end of it was no error")
	}
	honest := digest(t, plant(t), nil, Options{})
	list, err := Differences(context.Background(), honest, &endless{}, 10)
	if err != nil || len(list) != 10 {
		t.Errorf("%d differences, %v", len(list), err)
	}
	for _, name := range []string{"", "a/b", "\x00"} {
		if _, err := Differences(context.Background(), honest, named(name), 10); err == nil {
			t.Errorf("the name %q was believed", name)
		}
	}
}

type named string

func (n named) Root(context.Context) (Entry, error) { return Entry{Mode: unix.S_IFDIR}, nil }
func (n named) Entries(context.Context, string) ([]Entry, error) {
	return []Entry{{Name: string(n), Mode: unix.S_IFREG}}, nil
}

// Outside the cut a tree may change; inside, a change is named.
func TestMoving(t *testing.T) {
	root := plant(t)
	for i := range 300 {
		must(t, os.WriteFile(filepath.Join(root, fmt.Sprint("m", i)), bytes.Repeat([]byte("m"), 100_000), 0o644))
	}
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				p := filepath.Join(root, fmt.Sprint("m", i%300))
				os.WriteFile(p, []byte(strings.Repeat("n", i%1000)), 0o644)
				os.Rename(p, p+"x")
				os.Rename(p+"x", p)
			}
		}
	}()
	var failed error
	moving := 0
	for range 20 {
		tree, err := Digest(context.Background(), root, &Cache{}, Options{Warm: false})
		if err != nil {
			t.Errorf("a live tree: %v", err)
			break
		}
		moving += tree.Summary.Moving
		if _, err := Digest(context.Background(), root, nil, Options{Frozen: true}); err != nil {
			failed = err
		}
	}
	close(stop)
	<-done
	if moving == 0 || !errors.Is(failed, ErrMoved) {
		t.Errorf("%d moving, frozen: %v", moving, failed)
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("the lease is over")
	cancel(reason)
	if _, err := Digest(ctx, plant(t), nil, Options{}); !errors.Is(err, reason) {
		t.Errorf("error %v", err)
	}
}

// BenchmarkCut is the walk inside a cut: 100,000 files, all remembered.
func BenchmarkCut(b *testing.B) {
	root := disk(b)
	for i := range 100_000 {
		dir := filepath.Join(root, fmt.Sprint("d", i%1000))
		if i < 1000 {
			must(b, os.Mkdir(dir, 0o755))
		}
		must(b, os.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), []byte("some content"), 0o644))
	}
	time.Sleep(100 * time.Millisecond)
	var c Cache
	warm, err := Digest(context.Background(), root, &c, Options{Warm: true, settle: 50 * time.Millisecond})
	must(b, err)
	b.ReportMetric(float64(warm.Summary.Hashed), "warm-hashed")
	b.ReportAllocs()
	for b.Loop() {
		t, err := Digest(context.Background(), root, &c, Options{Frozen: true})
		if must(b, err); t.Summary.Hashed != 0 {
			b.Fatalf("%+v", t.Summary)
		}
	}
}

// BenchmarkHash is the warm walk: how fast content is hashed.
func BenchmarkHash(b *testing.B) {
	root := disk(b)
	content := bytes.Repeat([]byte("stopover"), 1<<20)
	for i := range 16 {
		must(b, os.WriteFile(filepath.Join(root, fmt.Sprint(i)), content, 0o644))
	}
	b.SetBytes(int64(16 * len(content)))
	for b.Loop() {
		digest(b, root, nil, Options{Frozen: true})
	}
}

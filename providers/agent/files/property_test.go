//go:build linux

package files

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/stopover/stopover/providers/agent/compare"
)

// mutate does one random thing to a tree. What does not apply is an error that nobody minds.
func mutate(t *rapid.T, root string) {
	names := []string{"a", "b", "c", "d e", "\xff"}
	draw := func(label string) string {
		p := root
		for range rapid.IntRange(1, 3).Draw(t, label+" depth") {
			p = filepath.Join(p, rapid.SampledFrom(names).Draw(t, label))
		}
		return p
	}
	p, q := draw("p"), draw("q")
	stamp := func() {
		ts := []unix.Timespec{{Sec: 1}, {Sec: rapid.Int64Range(1, 3).Draw(t, "time")}}
		unix.UtimesNanoAt(unix.AT_FDCWD, p, ts, unix.AT_SYMLINK_NOFOLLOW)
	}
	switch rapid.SampledFrom([]string{"write", "write", "write", "mkdir", "mkdir", "symlink", "link", "link", "rename", "rename", "exchange", "remove", "chmod", "xattr", "touch", "sparse", "fifo", "in place", "retype", "chown"}).Draw(t, "do") {
	case "write":
		os.Remove(p)
		os.MkdirAll(filepath.Dir(p), 0o755)
		os.WriteFile(p, bytes.Repeat([]byte(rapid.StringN(0, 5, 5).Draw(t, "content")), rapid.SampledFrom([]int{1, 1, 1000, 60_000}).Draw(t, "times")), 0o644)
		stamp()
	case "in place":
		if f, err := os.OpenFile(p, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0); err == nil {
			f.WriteString(rapid.StringN(1, 3, 3).Draw(t, "content"))
			f.Close()
		}
	case "mkdir":
		os.MkdirAll(p, 0o755)
		stamp()
	case "symlink":
		os.Symlink(rapid.SampledFrom([]string{"a", "/etc", "../..", "\xfe"}).Draw(t, "target"), p)
		stamp()
	case "link":
		os.Link(p, q)
	case "rename":
		os.Rename(p, q)
	case "exchange":
		unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, q, unix.RENAME_EXCHANGE)
	case "remove":
		remove(p)
	case "chmod":
		unix.Fchmodat(unix.AT_FDCWD, p, rapid.SampledFrom([]uint32{0o700, 0o711, 0o1777, 0o4755}).Draw(t, "mode"), unix.AT_SYMLINK_NOFOLLOW)
	case "chown":
		os.Lchown(p, rapid.IntRange(0, 2).Draw(t, "uid"), 0)
	case "xattr":
		unix.Lsetxattr(p, "user."+rapid.SampledFrom(names[:2]).Draw(t, "attr"), []byte(rapid.String().Draw(t, "value")), 0)
	case "touch":
		stamp()
	case "sparse":
		if f, err := os.OpenFile(p, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600); err == nil {
			f.Truncate(rapid.Int64Range(0, 1<<22).Draw(t, "length"))
			f.WriteAt([]byte("x"), rapid.Int64Range(0, 1<<21).Draw(t, "at"))
			f.Close()
		}
		stamp()
	case "fifo":
		unix.Mkfifo(p, 0o600)
		stamp()
	case "retype":
		remove(p)
		switch rapid.IntRange(0, 2).Draw(t, "type") {
		case 0:
			os.Mkdir(p, 0o755)
			os.WriteFile(filepath.Join(p, "a"), []byte("in"), 0o644)
		case 1:
			os.Symlink("b", p)
		case 2:
			os.WriteFile(p, []byte("was something else"), 0o644)
		}
	}
}

// remove is os.RemoveAll, which would open the parent, and wait for ever where that is a FIFO.
func remove(path string) {
	if fi, err := os.Stat(filepath.Dir(path)); err == nil && fi.IsDir() {
		os.RemoveAll(path)
	}
}

// Whatever happens to a tree between passes, after a frozen pass and at most one repair both sides are equal. What the
// copier cannot see (same size and mtime, mtimes are drawn from three) is what the repair is for; it may only be content.
func TestAnyTree(t *testing.T) {
	missed := 0
	rapid.Check(t, func(t *rapid.T) {
		top, err := os.MkdirTemp("", "stopover-any-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(top)
		src, dst := filepath.Join(top, "src"), filepath.Join(top, "dst")
		os.Mkdir(src, 0o755)
		var base *Listing
		once := func(o SendOptions) {
			var b bytes.Buffer
			held, _, err := Send(context.Background(), src, base, &b, o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Receive(context.Background(), dst, &b, ReceiveOptions{}); err != nil {
				t.Fatal(err)
			}
			base = held
		}
		passes := rapid.IntRange(1, 4).Draw(t, "passes")
		for n := range passes {
			for range rapid.IntRange(1, 25).Draw(t, "changes") {
				mutate(t, src)
			}
			switch rapid.SampledFrom([]string{"held", "held", "scanned", "travelled"}).Draw(t, "base") {
			case "scanned":
				if n > 0 {
					if base, _, err = Scan(context.Background(), dst, ScanOptions{}); err != nil {
						t.Fatal(err)
					}
				}
			case "travelled":
				if n > 0 {
					data, err := base.MarshalCBOR()
					base = &Listing{}
					if err != nil || base.UnmarshalCBOR(data) != nil {
						t.Fatal("the listing does not travel", err)
					}
				}
			}
			o := SendOptions{}
			o.Frozen = n == passes-1
			once(o)
		}
		list := differences(t, src, dst)
		for _, d := range list {
			if fmt.Sprint(d.What) != "[content]" {
				t.Fatalf("the copier missed more than content: %v", list)
			}
		}
		if len(list) > 0 {
			missed++
			o := SendOptions{}
			o.Frozen = true
			for _, d := range list {
				o.Force = append(o.Force, d.Path)
			}
			once(o)
			if list := differences(t, src, dst); len(list) > 0 {
				t.Fatalf("the repair did not help: %v", list)
			}
		}
		held, _, err := Scan(context.Background(), src, ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		held.Walk(func(path string, e Entry) {
			if got, ok := base.Lookup(path); !ok || got != e {
				t.Fatalf("Send's listing has %+v for %q, it is %+v", got, path, e)
			}
		})
	})
	t.Logf("a repair was needed %d times", missed)
}

func differences(t *rapid.T, src, dst string) []compare.Difference {
	var trees [2]*compare.Tree
	for i, p := range []string{src, dst} {
		var err error
		if trees[i], err = compare.Digest(context.Background(), p, nil, compare.Options{Frozen: true}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := compare.Differences(context.Background(), trees[0], trees[1], 1000)
	if err != nil {
		t.Fatal(err)
	}
	if (len(list) == 0) != (trees[0].Summary.Digest == trees[1].Summary.Digest) {
		t.Fatalf("%d differences, digests say otherwise", len(list))
	}
	return list
}

//go:build linux

package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent/compare"
)

// whole checks that every file below root is one of the two versions in full, never a part of one.
func wholeOnly(t testing.TB, root string, versions ...string) {
	t.Helper()
	must(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		must(t, err)
		rel, _ := filepath.Rel(root, path)
		for _, v := range versions {
			if string(content) == body(v, rel) {
				return nil
			}
		}
		t.Errorf("%q is half of something: %d bytes", rel, len(content))
		return nil
	}))
}

// body is the content of a file in a version: small ones and ones of several frames.
func body(version, rel string) string {
	n := 10
	if strings.HasSuffix(rel, "large") {
		n = 60_000
	}
	return strings.Repeat(version+rel, n)
}

func versioned(t testing.TB, root, version string) {
	t.Helper()
	for i := range 8 {
		for _, kind := range []string{"small", "large"} {
			rel := fmt.Sprintf("d%d/f%d-%s", i%3, i, kind)
			write(t, filepath.Join(root, rel), body(version, rel))
		}
	}
	age(t, root)
}

// A stream cut at any byte leaves the old file or the new one, and the next pass goes on from there.
func TestTruncated(t *testing.T) {
	src, dst := disk(t), disk(t)
	versioned(t, src, "old")
	_, _, _, err := pass(t, src, dst, nil, SendOptions{})
	must(t, err)
	versioned(t, src, "newer")
	must(t, os.WriteFile(filepath.Join(src, "d1/f1-small"), []byte(body("newer", "d1/f1-small")), 0o644))
	base, _, err := Scan(context.Background(), dst, ScanOptions{})
	must(t, err)
	var b bytes.Buffer
	_, _, err = Send(context.Background(), src, base, &b, SendOptions{})
	must(t, err)
	cuts := []int{0, 1, 4, 5, 6, 20, b.Len() - 1, b.Len() - 6}
	r := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		cuts = append(cuts, r.IntN(b.Len()))
	}
	for _, n := range cuts {
		_, err := Receive(context.Background(), dst, bytes.NewReader(b.Bytes()[:n]), ReceiveOptions{})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		wholeOnly(t, dst, "old", "newer")
	}
	base, _, err = Scan(context.Background(), dst, ScanOptions{})
	must(t, err)
	_, s, _, err := pass(t, src, dst, base, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
	if s.Files == 16 {
		t.Error("everything was sent again")
	}
}

// TestMain lets the test binary be a receiver that can be killed, and one that is not root.
func TestMain(m *testing.M) {
	switch os.Getenv("STOPOVER_FILES_ROLE") {
	case "receive":
		_, err := Receive(context.Background(), os.Args[1], os.Stdin, ReceiveOptions{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "copy":
		fmt.Fprint(os.Stderr, copyTwice(os.Args[1], os.Args[2]))
	default:
		os.Exit(m.Run())
	}
}

func myself(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "STOPOVER_FILES_ROLE="+role)
	return cmd
}

// The receiver is killed again and again; each new pass goes on from what it holds.
func TestKilled(t *testing.T) {
	src, dst := disk(t), disk(t)
	const files = 400
	for i := range files {
		rel := fmt.Sprintf("d%d/f%d", i%9, i)
		write(t, filepath.Join(src, rel), strings.Repeat(body("v", rel), 20+i%7*100))
	}
	age(t, src)
	sent, kills := 0, 0
	for n := 0; ; n++ {
		base, _, err := Scan(context.Background(), dst, ScanOptions{})
		must(t, err)
		a, b := pair(t)
		end, err := b.(*net.UnixConn).File()
		must(t, err)
		cmd := myself("receive", dst)
		cmd.Stdin = end
		must(t, cmd.Start())
		end.Close()
		b.Close()
		o := SendOptions{Progress: func(p Progress) {
			if n < 8 && p.Files >= 40 {
				cmd.Process.Kill()
			}
		}}
		_, _, err = Send(context.Background(), src, base, a, o)
		a.Close()
		werr := cmd.Wait()
		if err == nil && werr == nil {
			break
		}
		kills++
		list, _ := filepath.Glob(filepath.Join(dst, "d*/*"))
		if len(list) < sent {
			t.Errorf("%d files, there were %d before", len(list), sent)
		}
		sent = len(list)
		for _, p := range list {
			rel, _ := filepath.Rel(dst, p)
			var a, b unix.Stat_t
			must(t, unix.Stat(p, &a), unix.Stat(filepath.Join(src, rel), &b))
			if a.Size != b.Size || a.Mtim != b.Mtim || a.Mode != b.Mode {
				t.Errorf("%s is not whole", rel)
			}
		}
	}
	if kills < 8 || sent == 0 {
		t.Errorf("killed %d times, %d files got through", kills, sent)
	}
	base, _, err := Scan(context.Background(), dst, ScanOptions{})
	must(t, err)
	_, _, _, err = pass(t, src, dst, base, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
}

// tmpfs mounts a small file system.
func tmpfs(t testing.TB, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "root")
	}
	dir := filepath.Join(disk(t), "mnt")
	must(t, os.Mkdir(dir, 0o755))
	if err := unix.Mount("stopover-test", dir, "tmpfs", 0, options); err != nil {
		lacking(t, "the right to mount ("+err.Error()+")")
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestFullDisk(t *testing.T) {
	src := disk(t)
	versioned(t, src, "old")
	for name, options := range map[string]string{"blocks": "size=2m", "inodes": "nr_inodes=12"} {
		dst := tmpfs(t, options)
		_, _, _, err := pass(t, src, dst, nil, SendOptions{})
		var pe *PathError
		if !errors.Is(err, unix.ENOSPC) || !errors.As(err, &pe) || pe.Path == "" {
			t.Errorf("%s: %v", name, err)
		}
		wholeOnly(t, dst, "old")
		if list, _ := filepath.Glob(filepath.Join(dst, stagePrefix+"*")); len(list) > 0 {
			t.Errorf("%s: the stage was left on the full disk", name)
		}
		must(t, unix.Mount("", dst, "", unix.MS_REMOUNT, "size=100m,nr_inodes=1000"))
		base, _, err := Scan(context.Background(), dst, ScanOptions{})
		must(t, err)
		_, _, _, err = pass(t, src, dst, base, frozen())
		must(t, err)
		equal(t, src, dst, compare.Options{})
	}
}

func TestReadOnly(t *testing.T) {
	src, dst := disk(t), tmpfs(t, "size=1m")
	write(t, filepath.Join(src, "d/f"), "x")
	must(t, unix.Mount("", dst, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	_, _, _, err := pass(t, src, dst, nil, SendOptions{})
	if !errors.Is(err, unix.EROFS) {
		t.Errorf("error %v", err)
	}
}

// copyTwice is what the process that is not root does: two passes with changes in read-only places between them.
func copyTwice(src, dst string) string {
	held, err := copyOnce(src, dst, nil)
	if err != nil {
		return err.Error()
	}
	in := func(n string) string { return filepath.Join(src, n) }
	err = errors.Join(os.Chmod(in("ro"), 0o755), os.Remove(in("ro/gone")), os.WriteFile(in("ro/new"), []byte("n"), 0o444), os.Chmod(in("ro"), 0o555))
	if err != nil {
		return err.Error()
	}
	if _, err = copyOnce(src, dst, held); err != nil {
		return err.Error()
	}
	var trees [2]*compare.Tree
	for i, p := range []string{src, dst} {
		if trees[i], err = compare.Digest(context.Background(), p, nil, compare.Options{Frozen: true, IgnoreOwners: true}); err != nil {
			return err.Error()
		}
	}
	list, err := compare.Differences(context.Background(), trees[0], trees[1], 10)
	if err != nil || len(list) > 0 {
		return fmt.Sprint(list, err)
	}
	must := os.Chmod(in("f"), 0)
	if _, err := copyOnce(src, dst+"2", nil); !errors.Is(err, unix.EACCES) || must != nil {
		return fmt.Sprint("unreadable file: ", err)
	}
	return "fine"
}

func copyOnce(src, dst string, base *Listing) (*Listing, error) {
	var b bytes.Buffer
	held, _, err := Send(context.Background(), src, base, &b, frozen())
	if err != nil {
		return nil, err
	}
	_, err = Receive(context.Background(), dst, &b, ReceiveOptions{})
	return held, err
}

func TestNotRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		lacking(t, "root, to become somebody else")
	}
	const uid = 65534
	top := disk(t)
	src := filepath.Join(top, "src")
	write(t, filepath.Join(src, "f"), "f")
	write(t, filepath.Join(src, "ro/gone"), "g")
	write(t, filepath.Join(src, "ro/kept"), "k")
	must(t, unix.Setxattr(filepath.Join(src, "f"), "user.x", []byte("y"), 0), os.Chmod(filepath.Join(src, "f"), 0o444), os.Chmod(filepath.Join(src, "ro"), 0o555))
	must(t, os.Symlink("f", filepath.Join(src, "l")), os.Link(filepath.Join(src, "f"), filepath.Join(src, "h")))
	must(t, filepath.WalkDir(top, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, uid))
	}))
	exe, err := os.ReadFile("/proc/self/exe")
	must(t, err, os.WriteFile(filepath.Join(top, "exe"), exe, 0o755))
	cmd := myself("copy", src, filepath.Join(top, "dst"))
	cmd.Path, cmd.Dir = filepath.Join(top, "exe"), top
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "fine" {
		t.Errorf("%v: %s", err, out)
	}
}

// A file written a moment ago is sent, but not believed: another write may leave the same mtime.
func TestRacyFile(t *testing.T) {
	src, dst := disk(t), disk(t)
	path := filepath.Join(src, "f")
	write(t, path, "one")
	held, _, _, err := pass(t, src, dst, nil, SendOptions{})
	must(t, err)
	fi, err := os.Stat(path)
	must(t, err, os.WriteFile(path, []byte("two"), 0o644), os.Chtimes(path, time.Time{}, fi.ModTime()))
	_, s, _, err := pass(t, src, dst, held, frozen())
	if must(t, err); s.Files != 1 {
		t.Errorf("%+v", s)
	}
	equal(t, src, dst, compare.Options{})
}

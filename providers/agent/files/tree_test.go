//go:build linux

package files

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// disk makes a directory on a real disk: /tmp may be a tmpfs, which knows no user attributes before Linux 6.6.
func disk(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("STOPOVER_TEST_DISK"), "stopover-files-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// lacking skips, or fails where the machine is meant to have everything.
func lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI has to have %s", what)
	}
	t.Skipf("SKIPPED: this machine lacks %s; this is not tested here", what)
}

func pair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if ends[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return ends[0], ends[1]
}

// pass copies once over a socket pair.
func pass(t testing.TB, src, dst string, base *Listing, o SendOptions) (held *Listing, sent, got Stats, err error) {
	t.Helper()
	a, b := pair(t)
	type result struct {
		s   Stats
		err error
	}
	back := make(chan result, 1)
	go func() {
		s, err := Receive(context.Background(), dst, b, ReceiveOptions{})
		b.Close()
		back <- result{s, err}
	}()
	held, sent, err = Send(context.Background(), src, base, a, o)
	a.Close()
	r := <-back
	return held, sent, r.s, errors.Join(err, r.err)
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644))
}

func rsyncBinary(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("rsync")
	if err != nil {
		lacking(t, "rsync")
	}
	return path
}

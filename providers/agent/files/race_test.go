//go:build linux

package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent/compare"
)

const secret = "NOT YOURS TO COPY"

// exchange swaps two names again and again until stop is called.
func exchange(t testing.TB, a, b string) (stop func() int64) {
	t.Helper()
	var n atomic.Int64
	var end atomic.Bool
	var running sync.WaitGroup
	running.Go(func() {
		for !end.Load() {
			if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
				t.Errorf("exchange: %v", err)
				return
			}
			n.Add(1)
		}
	})
	return func() int64 { end.Store(true); running.Wait(); return n.Load() }
}

// A user swaps a directory, and a file, for links to what is not theirs while their home is read.
func TestSwapRace(t *testing.T) {
	outside, src := disk(t), disk(t)
	for i := range 200 {
		write(t, filepath.Join(outside, fmt.Sprintf("f%d", i)), secret)
		write(t, filepath.Join(src, fmt.Sprintf("dir/f%d", i)), "mine")
	}
	write(t, filepath.Join(outside, "sub/s"), secret)
	write(t, filepath.Join(src, "dir/sub/s"), "mine")
	write(t, filepath.Join(src, "file"), "mine")
	must(t, os.Symlink(outside, filepath.Join(src, "link")), os.Symlink(filepath.Join(outside, "f1"), filepath.Join(src, "flink")))
	age(t, src)
	stopDir := exchange(t, filepath.Join(src, "dir"), filepath.Join(src, "link"))
	stopFile := exchange(t, filepath.Join(src, "file"), filepath.Join(src, "flink"))
	dst := disk(t)
	var held *Listing
	for range 60 {
		var b bytes.Buffer
		next, _, err := Send(context.Background(), src, held, &b, SendOptions{})
		must(t, err)
		if bytes.Contains(b.Bytes(), []byte(secret)) {
			t.Fatal("something outside the tree was read")
		}
		_, err = Receive(context.Background(), dst, &b, ReceiveOptions{})
		must(t, err)
		held = next
	}
	if n := stopDir() + stopFile(); n < 100 {
		t.Logf("only %d exchanges", n)
	}
	_, _, _, err := pass(t, src, dst, held, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
	if got, err := os.ReadFile(filepath.Join(outside, "f1")); err != nil || string(got) != secret {
		t.Errorf("outside changed: %q %v", got, err)
	}
}

// Files are written, truncated, renamed and removed while passes go on; the frozen pass makes it right.
func TestLiveTree(t *testing.T) {
	src, dst := disk(t), disk(t)
	var end atomic.Bool
	var running sync.WaitGroup
	for w := range 2 {
		running.Go(func() {
			for i := 0; !end.Load(); i++ {
				dir := filepath.Join(src, fmt.Sprint("d", i%7))
				path := filepath.Join(dir, fmt.Sprint("f", w, i%31))
				os.MkdirAll(dir, 0o755)
				os.WriteFile(path, bytes.Repeat([]byte{byte(i)}, i%5*100_000), 0o644)
				switch i % 11 {
				case 3:
					os.Rename(path, path+"r")
				case 5:
					os.Link(path, filepath.Join(src, fmt.Sprint("l", w, i%13)))
				case 7:
					os.RemoveAll(dir)
				case 9:
					os.Chmod(path, 0o600)
				}
			}
		})
	}
	var held *Listing
	for range 25 {
		next, _, _, err := pass(t, src, dst, held, SendOptions{})
		if err != nil {
			end.Store(true)
			running.Wait()
			t.Fatal(err)
		}
		held = next
	}
	end.Store(true)
	running.Wait()
	_, _, _, err := pass(t, src, dst, held, frozen())
	must(t, err)
	equal(t, src, dst, compare.Options{})
}

// What changes in a pass that was told nothing would is an error that names it.
func TestFrozenChanges(t *testing.T) {
	src := disk(t)
	path := filepath.Join(src, "busy")
	write(t, path, strings.Repeat("x", 4*maxWhole))
	w := writerFunc(func(p []byte) (int, error) { // the first data goes out: now write
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString("more")
		must(t, err, f.Close())
		return len(p), nil
	})
	_, _, err := Send(context.Background(), src, nil, w, frozen())
	var pe *PathError
	if !errors.Is(err, ErrChanged) || !errors.As(err, &pe) || pe.Path != "busy" {
		t.Errorf("error %v", err)
	}
	held, s, err := Send(context.Background(), src, nil, w, SendOptions{})
	if _, there := held.Lookup("busy"); err != nil || s.Skipped != 1 || there {
		t.Errorf("a live pass: %v, %+v, listed %v", err, s, there)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestCancelled(t *testing.T) {
	src := disk(t)
	write(t, filepath.Join(src, "f"), "x")
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("the lease is over")
	cancel(reason)
	if _, _, err := Scan(ctx, src, ScanOptions{}); !errors.Is(err, reason) {
		t.Errorf("scan: %v", err)
	}
	if _, _, err := Send(ctx, src, nil, &bytes.Buffer{}, SendOptions{}); !errors.Is(err, reason) {
		t.Errorf("send: %v", err)
	}
	if _, err := Receive(ctx, src, &bytes.Buffer{}, ReceiveOptions{}); err == nil {
		t.Error("receive went on")
	}
}

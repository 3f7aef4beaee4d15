//go:build linux

package testbed

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A line delays packets between two TAP devices, for kernels without netem.
type line struct{ a, b *os.File }

// depth is how many packets may be on their way in one direction: at 1,500
// bytes and 100 ms, enough for 3 Gbit/s.
const depth = 1 << 15

type packet struct {
	due  time.Time
	data []byte
}

func newLine(a, b string, delay time.Duration) (*line, error) {
	fa, err := tap(a)
	if err != nil {
		return nil, err
	}
	fb, err := tap(b)
	if err != nil {
		_ = fa.Close()
		return nil, err
	}
	l := &line{a: fa, b: fb}
	go carry(fa, fb, delay)
	go carry(fb, fa, delay)
	return l, nil
}

// close ends the line; its devices are gone with it.
func (l *line) close() {
	_ = l.a.Close()
	_ = l.b.Close()
}

func tap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun, which latency needs: %w", err)
	}
	r, err := unix.NewIfreq(name)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	r.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	// Non-blocking, and named to the runtime only now: closing ends a read.
	return os.NewFile(uintptr(fd), name), nil
}

// carry moves packets one way. A full line drops, as lines do.
func carry(from, to *os.File, delay time.Duration) {
	q := make(chan packet, depth)
	go func() {
		for p := range q {
			if d := time.Until(p.due); d > 0 {
				time.Sleep(d)
			}
			if _, err := to.Write(p.data); err != nil && isClosed(err) {
				return
			}
		}
	}()
	defer close(q)
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			if isClosed(err) {
				return
			}
			// EIO until the device is up.
			time.Sleep(time.Millisecond)
			continue
		}
		select {
		case q <- packet{time.Now().Add(delay), append([]byte(nil), b[:n]...)}:
		default:
		}
	}
}

func isClosed(err error) bool { return errors.Is(err, os.ErrClosed) }

//go:build linux

package testbed

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// keep is the keeper of a bed: it lives in the namespace of the bridge, which
// ends with it, holds the bed's lock, carries delay lines, and cleans up when
// the owner closes the bed or is killed.
//
// Its files are the lifeline and the control socket; its argument is the
// bed's directory.
func keep() error {
	dir := os.Getenv(dirEnv)
	for _, fd := range []int{lifelineFD, controlFD} {
		unix.CloseOnExec(fd)
	}
	held, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("lock of %s: %w", dir, err)
	}
	k := &keeper{lines: map[string]*line{}}
	f := os.NewFile(controlFD, "control")
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	_ = f.Close()
	ended := make(chan error, 1)
	detached := make(chan struct{})
	s := newServer(nil, map[string]func(request) error{
		"line":   k.line,
		"detach": func(request) error { close(detached); return nil },
		"close":  func(request) error { ended <- nil; return nil },
		"ready":  func(request) error { return nil },
	})
	go func() {
		life := os.NewFile(lifelineFD, "lifeline")
		_, _ = life.Read(make([]byte, 1))
		select {
		case <-detached:
		default:
			ended <- nil
		}
	}()
	go func() { ended <- s.serve(l.(*net.UnixListener)) }()
	<-ended
	return destroy(dir)
}

// dirEnv tells the keeper its bed's directory.
const dirEnv = "STOPOVER_TESTBED_DIR"

type keeper struct{ lines map[string]*line }

// line puts a delay line on a link, or takes it off with a delay of zero.
// The owner has made the interfaces' places in the bridges.
func (k *keeper) line(r request) error {
	if old := k.lines[r.Link]; old != nil {
		old.close()
		delete(k.lines, r.Link)
	}
	if r.Delay <= 0 {
		return nil
	}
	l, err := newLine("a-"+r.Link, "b-"+r.Link, r.Delay)
	if err != nil {
		return err
	}
	k.lines[r.Link] = l
	return nil
}

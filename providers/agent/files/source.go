//go:build linux

package files

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// source is an open file of the origin, as it was when it was opened.
type source struct {
	fd   int
	st   unix.Stat_t
	head file
	e    Entry // what the listing will say
}

// openRegular opens without following and without waiting for the other end of a FIFO that took the place of the file.
func openRegular(dir int, name string, frozen bool) (int, error) {
	flags := unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC | unix.O_NOATIME
	open := func() (int, error) {
		return again(func() (int, error) { return unix.Openat(dir, name, flags, 0) })
	}
	fd, err := open()
	if errors.Is(err, unix.EPERM) { // not ours and we are not root
		flags &^= unix.O_NOATIME
		fd, err = open()
	}
	if errors.Is(err, unix.EAGAIN) && frozen { // somebody holds a lease; nothing can become a FIFO now, so wait for the kernel to break it
		flags &^= unix.O_NONBLOCK
		fd, err = open()
	}
	if errors.Is(err, unix.EAGAIN) && !frozen {
		return -1, fmt.Errorf("%w: %w", errTorn, err)
	}
	return fd, err
}

// same: nothing was written since the file was opened.
func (src *source) same() error {
	var st unix.Stat_t
	if err := unix.Fstat(src.fd, &st); err != nil {
		return err
	}
	if st.Size != src.st.Size || st.Mtim != src.st.Mtim {
		return errTorn
	}
	return nil
}

// readFull reads until buf is full or the file ends.
func readFull(fd int, buf []byte, at int64) (int, error) {
	n := 0
	for n < len(buf) {
		k, err := again(func() (int, error) { return unix.Pread(fd, buf[n:], at+int64(n)) })
		if err != nil {
			return n, err
		}
		if k == 0 {
			break
		}
		n += k
	}
	return n, nil
}

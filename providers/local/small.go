package local

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// small reads small files of an account that may be anything: nothing is
// followed out of the root, nothing is waited for, nothing large is read.
type small struct {
	root *os.Root
	path string
	dir  *os.File // the directory that was read last
}

// enter opens a directory below the root.
func (s *small) enter(path string) error {
	if s.dir != nil && s.path == path {
		return nil
	}
	s.leave()
	name := path
	if name == "" {
		name = "."
	}
	d, err := s.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s.dir, s.path = d, path
	return nil
}

func (s *small) leave() {
	if s.dir != nil {
		_ = s.dir.Close() // only read
	}
	s.dir = nil
}

// stat looks at a name in the directory, not through it.
func (s *small) stat(name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(s.dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// read returns the content of a regular file of at most limit bytes, and what
// the file was when it was opened.
func (s *small) read(name string, limit int64) ([]byte, unix.Stat_t, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	st, err := s.stat(name)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG { // before it is opened: opening a device has effects
		err = fmt.Errorf("%s is not a regular file", printable(filepath.Join(s.path, name)))
	}
	if err != nil {
		return nil, st, err
	}
	fd, err := unix.Openat(int(s.dir.Fd()), name, flags|unix.O_NOATIME, 0)
	if err == unix.EPERM { // not ours: reading will mark it
		fd, err = unix.Openat(int(s.dir.Fd()), name, flags, 0)
	}
	if err != nil {
		return nil, st, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, st, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > limit {
		return nil, st, fmt.Errorf("%s is not a small file", printable(filepath.Join(s.path, name)))
	}
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return b, st, err
}

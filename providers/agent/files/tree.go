//go:build linux

package files

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// tree is an open root. All access below it goes through its descriptor.
type tree struct {
	fd   int
	walk atomic.Bool // openat2 is missing (Linux before 5.6, or a seccomp filter): go element by element
}

const openDirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

func openTree(root string) (*tree, error) {
	fd, err := again(func() (int, error) { return unix.Open(root, openDirFlags, 0) })
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", root, err)
	}
	if err := unix.Access(procPath(fd), unix.F_OK); err != nil { // without it every attribute would look as if its file had vanished
		unix.Close(fd)
		return nil, fmt.Errorf("open %q: /proc is not mounted (%w); mount it", root, err)
	}
	return &tree{fd: fd}, nil
}

// procPath names an open file, whatever its own name has become.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func (t *tree) close() { unix.Close(t.fd) }

// dir opens a directory below the root, following no link and crossing no mount point on the way.
func (t *tree) dir(path string) (int, error) {
	fd, err := t.dirWith(path, openDirFlags|unix.O_NOATIME)
	if errors.Is(err, unix.EPERM) { // not ours and we are not root: reading will mark its atime
		return t.dirWith(path, openDirFlags)
	}
	return fd, err
}

func (t *tree) dirWith(path string, flags int) (int, error) {
	if path == "" {
		return again(func() (int, error) { return unix.Openat(t.fd, ".", flags, 0) })
	}
	if !t.walk.Load() {
		how := unix.OpenHow{
			Flags:   uint64(flags),
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
		}
		fd, err := again(func() (int, error) { return unix.Openat2(t.fd, path, &how) })
		if !errors.Is(err, unix.ENOSYS) {
			return fd, err
		}
		t.walk.Store(true)
	}
	return t.dirByElement(path, flags)
}

func (t *tree) dirByElement(path string, flags int) (int, error) {
	at := t.fd
	for {
		name, rest, more := strings.Cut(path, "/")
		use := unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		if !more {
			use = flags
		}
		fd, err := again(func() (int, error) { return unix.Openat(at, name, use, 0) })
		if at != t.fd {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, path = fd, rest
	}
}

// dirCache keeps the last directory open: files come directory by directory. Not for concurrent use.
type dirCache struct {
	t    *tree
	path string
	fd   int
	open bool
	gen  uint64
}

// get opens the directory, or returns the one that is open. It stays open until the next call with another path or
// generation.
func (c *dirCache) get(path string, gen uint64) (int, error) {
	if c.open && c.path == path && c.gen == gen {
		return c.fd, nil
	}
	c.close()
	fd, err := c.t.dir(path)
	if err != nil {
		return -1, err
	}
	c.path, c.fd, c.open, c.gen = path, fd, true, gen
	return fd, nil
}

func (c *dirCache) close() {
	if c.open {
		unix.Close(c.fd)
	}
	c.open = false
}

// again repeats what a signal interrupted (FUSE and network file systems do that).
func again[T any](f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
}

// vanished: what was there a moment ago is gone or has become something else.
func vanished(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ESTALE)
}

// Sync writes the file system that holds root to its disk (syncfs), so that a power failure after it returns loses
// nothing of what Receive wrote.
func Sync(root string) error {
	t, err := openTree(root)
	if err != nil {
		return err
	}
	defer t.close()
	if err := unix.Syncfs(t.fd); err != nil {
		return fmt.Errorf("sync the file system of %q: %w", root, err)
	}
	return nil
}

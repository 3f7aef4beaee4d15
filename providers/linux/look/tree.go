//go:build linux

package look

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// tree is a directory in which somebody writes who may mean harm, held open. All
// access below it goes through its descriptor, follows no link and crosses no
// mount point: who swaps a directory for a link while the survey is under way
// gains nothing.
type tree struct {
	fd int
	// walk: openat2 is missing (Linux before 5.6, or a filter of system calls), so
	// paths are gone along element by element.
	walk atomic.Bool
}

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK

// openTree opens a directory of the server. Links on the way to it are
// followed: they are the server's own.
func (r root) openTree(path string) (*tree, error) {
	fd, err := again(func() (int, error) { return r.handle(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &tree{fd: fd}, nil
}

// sub opens a directory below as a tree of its own.
func (t *tree) sub(path string) (*tree, error) {
	fd, err := t.dir(path)
	if err != nil {
		return nil, err
	}
	s := &tree{fd: fd}
	s.walk.Store(t.walk.Load())
	return s, nil
}

func (t *tree) close() { unix.Close(t.fd) }

// dir opens a directory below the tree. The error is the system's own.
func (t *tree) dir(path string) (int, error) { return t.open(path, dirFlags) }

// file opens a file below the tree for reading: only call it for what was a
// regular file a moment ago. What took its place does not make it wait.
func (t *tree) file(path string) (int, error) {
	return t.open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY)
}

// open leaves the access time alone where that is allowed.
func (t *tree) open(path string, flags int) (int, error) {
	fd, err := t.openWith(path, flags|unix.O_NOATIME)
	if err == unix.EPERM { // somebody else's, and not root
		return t.openWith(path, flags)
	}
	return fd, err
}

func (t *tree) openWith(path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	if strings.IndexByte(path, '/') < 0 {
		return again(func() (int, error) { return unix.Openat(t.fd, path, flags, 0) })
	}
	if !t.walk.Load() {
		how := unix.OpenHow{
			Flags:   uint64(flags),
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
		}
		fd, err := again(func() (int, error) { return unix.Openat2(t.fd, path, &how) })
		filtered := err == unix.EPERM && flags&unix.O_NOATIME == 0 // old filters of system calls say so
		if err != unix.ENOSYS && !filtered {
			return fd, err
		}
		t.walk.Store(true)
	}
	return t.byElement(path, flags)
}

func (t *tree) byElement(path string, flags int) (int, error) {
	at := t.fd
	for {
		name, rest, more := strings.Cut(path, "/")
		use := unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		if !more {
			use = flags
		}
		fd, err := -1, error(unix.EXDEV)
		if name != ".." {
			fd, err = again(func() (int, error) { return unix.Openat(at, name, use, 0) })
		}
		if at != t.fd {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, path = fd, rest
	}
}

// stat says what is at path, no link followed.
func (t *tree) stat(path string) (st unix.Stat_t, err error) {
	dir, name := splitPath(path)
	at := t.fd
	if dir != "" {
		if at, err = t.dir(dir); err != nil {
			return st, err
		}
		defer unix.Close(at)
	}
	if name == "" {
		return st, unix.Fstat(at, &st)
	}
	return st, unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
}

// link is the target of the symbolic link at path, as written; empty if there
// is none.
func (t *tree) link(path string) string {
	dir, name := splitPath(path)
	at := t.fd
	if dir != "" {
		var err error
		if at, err = t.dir(dir); err != nil {
			return ""
		}
		defer unix.Close(at)
	}
	return readlinkat(at, name)
}

func readlinkat(dir int, name string) string {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

// read reads the beginning of a regular file, at most limit bytes.
func (t *tree) read(path string, limit int) ([]byte, error) {
	st, err := t.stat(path)
	if err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errNoFile
	}
	fd, err := t.file(path)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errNoFile
	}
	return io.ReadAll(io.LimitReader(f, int64(limit)))
}

var errNoFile = errors.New("it is no regular file")

// list returns the names in a directory below, with what they are as far as the
// directory itself says; at most limit of them, and whether there are more.
func (t *tree) list(path string, limit int) (out []dirent, more bool, err error) {
	fd, err := t.dir(path)
	if err != nil {
		return nil, false, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 16<<10)
	for {
		n, err := again(func() (int, error) { return unix.Getdents(fd, buf) })
		if err != nil || n <= 0 {
			return out, false, err
		}
		for rest := buf[:n]; len(rest) > 0; {
			name, kind, size := nextDirent(rest)
			if size == 0 {
				break
			}
			rest = rest[size:]
			if name == nil {
				continue
			}
			if len(out) == limit {
				return out, true, nil
			}
			out = append(out, dirent{string(name[:len(name)-1]), kind})
		}
	}
}

// dirent is one name of a directory; kind is a DT_ constant, DT_UNKNOWN where
// the file system does not tell.
type dirent struct {
	name string
	kind byte
}

// procPath names an open file, whatever its own name has become.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// splitPath cuts a relative path before its last name.
func splitPath(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// joinPath puts a name below a relative path, of which "" is the root.
func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// again repeats what a signal interrupted, and what the kernel gave up because
// something was renamed at that moment.
func again[T any](f func() (T, error)) (T, error) {
	for tries := 0; ; tries++ {
		v, err := f()
		if err == unix.EINTR || err == unix.EAGAIN && tries < 3 {
			continue
		}
		return v, err
	}
}

// vanished says that an error means that the thing is gone, or has become
// something else, since it was seen.
func vanished(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ESTALE)
}

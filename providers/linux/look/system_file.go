//go:build linux

package look

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// root is the directory below which the files of a machine are: "/" on a
// server. Symbolic links of a machine that is looked at in another directory
// lead within that directory.
type root string

const (
	smallFile   = 1 << 20 // settings: more is none that people write
	bigFile     = 64 << 20
	maxListed   = 100_000 // entries of one directory
	maxGlobbed  = 20_000
	maxLineSize = 64 << 10
)

var errTooLarge = errors.New("larger than any file of its kind")

// handle opens what is at path, links followed, without reading from it: a
// device or a FIFO does nothing then.
func (r root) handle(path string, flags int) (int, error) {
	path = filepath.Clean("/" + path)
	flags |= unix.O_CLOEXEC
	if r == "/" {
		return unix.Open(path, flags, 0)
	}
	dir, err := unix.Open(string(r), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	how := &unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for range 8 { // a rename elsewhere makes the kernel give up the walk
		fd, err := unix.Openat2(dir, "."+path, how)
		if err != unix.EAGAIN {
			return fd, err
		}
	}
	return -1, unix.EAGAIN
}

// open opens a regular file for reading. It does not touch its access time
// where that is allowed, and opens nothing that could answer or wait.
func (r root) open(path string) (*os.File, error) {
	fd, err := r.handle(path, unix.O_PATH)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("no regular file")}
	}
	again := "/proc/self/fd/" + strconv.Itoa(fd)
	flags := unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	f, err := unix.Open(again, flags|unix.O_NOATIME, 0)
	if err == unix.EPERM { // somebody else's file, and not root
		f, err = unix.Open(again, flags, 0)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(f), path), nil
}

// read reads a whole file of at most limit bytes. Of a larger one it returns the
// beginning and an error.
func (r root) read(path string, limit int64) ([]byte, error) {
	f, err := r.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(b)) > limit {
		return b[:limit], fmt.Errorf("%s: %w", path, errTooLarge)
	}
	return b, err
}

// word reads the only line of a small file, without blanks around it; empty if
// it cannot be read.
func (r root) word(path string) string {
	b, err := r.read(path, 4<<10)
	if err != nil {
		return ""
	}
	s, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(s)
}

// stat says what is at path, links followed.
func (r root) stat(path string) (st unix.Stat_t, err error) {
	fd, err := r.handle(path, unix.O_PATH)
	if err != nil {
		return st, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return st, unix.Fstat(fd, &st)
}

// lstat says what is at path itself.
func (r root) lstat(path string) (st unix.Stat_t, err error) {
	fd, err := r.handle(path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return st, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return st, unix.Fstat(fd, &st)
}

// exists says whether something is at path.
func (r root) exists(path string) bool {
	_, err := r.stat(path)
	return err == nil
}

func (r root) isDir(path string) bool {
	st, err := r.stat(path)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

func (r root) isFile(path string) bool {
	st, err := r.stat(path)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// link returns the target of the symbolic link at path, as written; empty if
// there is none.
func (r root) link(path string) string {
	fd, err := r.handle(path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

// resolve follows the links of the last part of path, at most a few, and
// returns where it ends.
func (r root) resolve(path string) string {
	for range 16 {
		to := r.link(path)
		if to == "" {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = filepath.Clean(to)
	}
	return path
}

// list returns the entries of a directory, sorted by name.
func (r root) list(path string) ([]fs.DirEntry, error) {
	fd, err := r.handle(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME|unix.O_NONBLOCK)
	if err == unix.EPERM {
		fd, err = r.handle(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	list, err := f.ReadDir(maxListed)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	slices.SortFunc(list, func(x, y fs.DirEntry) int { return strings.Compare(x.Name(), y.Name()) })
	return list, err
}

// glob returns the paths that match a pattern of path/filepath, sorted. As in a
// shell a wildcard does not match a dot at the beginning of a name.
func (r root) glob(pattern string) []string {
	pattern = filepath.Clean("/" + pattern)
	found := []string{"/"}
	for part := range strings.SplitSeq(pattern[1:], "/") {
		found = r.step(found, part)
	}
	slices.Sort(found)
	return found
}

// step goes from directories to those of their entries that match.
func (r root) step(dirs []string, part string) (next []string) {
	for _, d := range dirs {
		if !strings.ContainsAny(part, `*?[\`) {
			if p := filepath.Join(d, part); r.there(p) {
				next = append(next, p)
			}
			continue
		}
		list, _ := r.list(d) // what cannot be listed matches nothing
		for _, e := range list {
			if strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(part, ".") {
				continue
			}
			if ok, _ := filepath.Match(part, e.Name()); ok && len(next) < maxGlobbed {
				next = append(next, filepath.Join(d, e.Name()))
			}
		}
	}
	return next
}

// there says whether a name is taken, be it by a link that leads nowhere.
func (r root) there(path string) bool {
	_, err := r.lstat(path)
	return err == nil
}

// lines calls f for every line of text with its number, from 1, without its
// end. It stops when f says so. A line that is too long for any person is cut.
func lines(text []byte, f func(n int, line string) bool) {
	for n := 1; len(text) > 0; n++ {
		line, rest, _ := cutLine(text)
		text = rest
		if len(line) > maxLineSize {
			line = line[:maxLineSize]
		}
		if !f(n, string(line)) {
			return
		}
	}
}

func cutLine(text []byte) (line, rest []byte, found bool) {
	for i, c := range text {
		if c == '\n' {
			line, rest, found = text[:i], text[i+1:], true
			if i > 0 && line[i-1] == '\r' {
				line = line[:i-1]
			}
			return line, rest, found
		}
	}
	return text, nil, false
}

// under says whether path is dir or lies in it. Both are absolute and clean.
func under(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/' || dir == "/")
}

//go:build linux

package files

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reader reads one directory after the other with as few allocations as the result needs: names stay in the kernel's
// buffer while they are examined, then become one string per directory.
type reader struct {
	s       *scanner
	dirents []byte
	text    []byte // names and link targets of the directory, one after the other
	marks   []mark
	proc    []byte // /proc/self/fd/N/
	link    []byte
	st      unix.Statx_t
	old     bool // the kernel has no listxattrat
}

// mark is where an entry's strings are in text.
type mark struct{ name, target, end int }

func newReader(s *scanner) *reader {
	return &reader{s: s, dirents: make([]byte, 64<<10), link: make([]byte, 4096)}
}

// root describes the root itself.
func (r *reader) root() (Entry, error) {
	dot := [2]byte{'.', 0}
	if err := r.statx(r.s.t.fd, &dot[0]); err != nil {
		return Entry{}, fail("read", "", err)
	}
	e := r.entry()
	list, err := r.s.xattrs(holder{fd: r.s.t.fd}, "")
	e.Xattrs = hashXattrs(list)
	return e, fail("read attributes of", "", err)
}

// read lists the directory at path.
func (r *reader) read(path string) ([]Entry, error) {
	fd, err := r.s.t.dir(path)
	if err != nil {
		return nil, r.s.gone("read", path, err)
	}
	defer unix.Close(fd)
	r.text, r.marks = r.text[:0], r.marks[:0]
	r.proc = append(strconv.AppendInt(append(r.proc[:0], "/proc/self/fd/"...), int64(fd), 10), '/')
	var list []Entry
	for {
		n, err := again(func() (int, error) { return unix.Getdents(fd, r.dirents) })
		if err != nil {
			return nil, r.s.gone("read", path, err)
		}
		if n <= 0 {
			break
		}
		if list, err = r.batch(fd, path, r.dirents[:n], list); err != nil {
			return nil, err
		}
		if err := r.s.stopped(); err != nil { // a directory can be very large
			return nil, err
		}
	}
	text := string(r.text)
	for i, m := range r.marks {
		list[i].Name, list[i].Target = text[m.name:m.target], text[m.target:m.end]
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	// A directory that changes while it is read may be reported twice at one name.
	return slices.CompactFunc(list, func(a, b Entry) bool { return a.Name == b.Name }), nil
}

// batch examines the entries of one getdents call.
func (r *reader) batch(fd int, path string, buf []byte, list []Entry) ([]Entry, error) {
	const nameAt = 19 // after ino, off, reclen, type
	for len(buf) > nameAt {
		size := int(binary.NativeEndian.Uint16(buf[16:]))
		if size <= nameAt || size > len(buf) {
			break
		}
		raw := buf[nameAt:size]
		buf = buf[size:]
		n := slices.Index(raw, 0)
		if n <= 0 || string(raw[:n]) == "." || string(raw[:n]) == ".." {
			continue
		}
		e, m, err := r.examine(fd, path, raw[:n+1])
		if err != nil {
			return nil, err
		}
		if m.end > 0 {
			list, r.marks = append(list, e), append(r.marks, m)
		}
	}
	return list, nil
}

// examine looks at one name, which ends in a zero byte. The mark is zero when the entry is left out.
func (r *reader) examine(fd int, path string, name []byte) (e Entry, m mark, err error) {
	s, plain := r.s, name[:len(name)-1]
	full := func() string { return join(path, string(plain)) }
	if err := r.statx(fd, &name[0]); err != nil {
		return e, m, s.gone("read", full(), err)
	}
	e = r.entry()
	if code := r.refuse(&e, len(path)+1+len(plain), len(plain)); code != "" {
		s.add(code, full(), "")
		return e, m, nil
	}
	start := len(r.text)
	r.text = append(r.text, plain...)
	target := len(r.text)
	if e.kind() == unix.S_IFLNK {
		n, err := r.readlink(fd, &name[0])
		if err != nil {
			r.text = r.text[:start]
			return e, m, s.gone("read", full(), err)
		}
		r.text = append(r.text, r.link[:n]...)
	} else if err := r.attributes(&e, fd, name, full); err != nil {
		r.text = r.text[:start]
		return e, m, s.gone("read attributes of", full(), err)
	}
	return e, mark{start, target, len(r.text)}, nil
}

// refuse says why an entry is not carried.
func (r *reader) refuse(e *Entry, path, name int) Code {
	switch e.kind() {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK, unix.S_IFIFO:
	case unix.S_IFSOCK:
		return Socket
	default:
		return Device
	}
	if r.st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return MountPoint
	}
	if path > MaxPath || name > MaxName {
		return LongPath
	}
	return ""
}

func (r *reader) entry() Entry {
	e := Entry{
		Mode: uint32(r.st.Mode), Sec: r.st.Mtime.Sec, Nsec: r.st.Mtime.Nsec, Nlink: r.st.Nlink,
		Dev: unix.Mkdev(r.st.Dev_major, r.st.Dev_minor), Ino: r.st.Ino,
	}
	e.UID, e.GID = r.s.ids.owner(r.st.Uid, r.st.Gid)
	if e.kind() == unix.S_IFREG {
		e.Size = int64(r.st.Size)
	}
	return e
}

// attributes hashes what a file carries. Most carry nothing, which one system call tells.
func (r *reader) attributes(e *Entry, fd int, name []byte, full func() string) error {
	path := append(r.proc, name...)
	r.proc = path[:len(r.proc)]
	n, errno := r.listSize(fd, &name[0], &path[0])
	if errno == unix.EOPNOTSUPP || errno == 0 && n == 0 {
		return nil
	}
	if errno != 0 {
		return errno
	}
	list, err := r.s.xattrs(holder{path: string(path[:len(path)-1])}, full())
	e.Xattrs = hashXattrs(list)
	return err
}

// listSize is the size of a file's list of attributes. Linux 6.13 can be asked relative to a directory, which spares
// the walk through /proc.
func (r *reader) listSize(fd int, name, path *byte) (uintptr, unix.Errno) {
	if !r.old {
		n, _, errno := unix.Syscall6(unix.SYS_LISTXATTRAT, uintptr(fd), uintptr(unsafe.Pointer(name)), unix.AT_SYMLINK_NOFOLLOW, 0, 0, 0)
		if errno != unix.ENOSYS && errno != unix.EPERM {
			return n, errno
		}
		r.old = true
	}
	n, _, errno := unix.Syscall(unix.SYS_LLISTXATTR, uintptr(unsafe.Pointer(path)), 0, 0)
	return n, errno
}

// statx is unix.Statx without copying the name. STATX_ATTR_MOUNT_ROOT finds bind mounts of the same device too.
func (r *reader) statx(fd int, name *byte) error {
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(name)), flags, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&r.st)), 0)
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

func (r *reader) readlink(fd int, name *byte) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(fd), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&r.link[0])), uintptr(len(r.link)), 0, 0)
	if errno == unix.EINVAL { // no longer a link
		return 0, unix.ENOENT
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

//go:build linux

package look

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nextDirent takes the first entry of what getdents64 gave. The name ends in a
// zero byte, and is nil for "." and "..". A size of 0: there is none.
func nextDirent(b []byte) (name []byte, kind byte, size int) {
	const nameAt = 19 // after ino, off, reclen, type
	if len(b) <= nameAt {
		return nil, 0, 0
	}
	size = int(binary.NativeEndian.Uint16(b[16:]))
	if size <= nameAt || size > len(b) {
		return nil, 0, 0
	}
	kind = b[18]
	n := bytes.IndexByte(b[nameAt:size], 0)
	if n <= 0 || n == 1 && b[nameAt] == '.' || n == 2 && b[nameAt] == '.' && b[nameAt+1] == '.' {
		return nil, kind, size
	}
	return b[nameAt : nameAt+n+1], kind, size
}

// stater asks what names of a directory are, without copying them. It is not
// for concurrent use.
type stater struct {
	x   unix.Statx_t
	s   unix.Stat_t
	old bool // the kernel has no statx (before 4.11)
}

// kinds and sizes of what was asked last.
type fileInfo struct {
	mode  uint32
	nlink uint32
	uid   uint32
	size  int64
	ino   uint64
	dev   uint64
	mount bool // something is mounted here
}

// at asks about a name that ends in a zero byte.
func (s *stater) at(fd int, name *byte) (fileInfo, error) {
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	const want = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_NLINK | unix.STATX_UID | unix.STATX_SIZE | unix.STATX_INO
	for !s.old {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(name)), flags, want, uintptr(unsafe.Pointer(&s.x)), 0)
		switch errno {
		case 0:
			return fileInfo{mode: uint32(s.x.Mode), nlink: s.x.Nlink, uid: s.x.Uid, size: int64(s.x.Size), ino: s.x.Ino,
				dev: unix.Mkdev(s.x.Dev_major, s.x.Dev_minor), mount: s.x.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0}, nil
		case unix.EINTR:
		case unix.ENOSYS:
			s.old = true
		default:
			return fileInfo{}, errno
		}
	}
	if err := unix.Fstatat(fd, unix.BytePtrToString(name), &s.s, flags); err != nil {
		return fileInfo{}, err
	}
	return fileInfo{mode: s.s.Mode, nlink: uint32(s.s.Nlink), uid: s.s.Uid, size: s.s.Size, ino: s.s.Ino, dev: s.s.Dev}, nil
}

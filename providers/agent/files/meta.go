//go:build linux

package files

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// setOpen sets the metadata of a new regular file. The order matters: a change of owner takes setuid away, an
// attribute cannot be set on a read-only file, a mode changes the ACL's mask (and is, where there is an ACL, that mask).
func (v *receiver) setOpen(fd int, path string, m *meta) error {
	if v.root {
		if err := unix.Fchown(fd, int(m.UID), int(m.GID)); err != nil {
			return err
		}
	}
	for _, x := range m.Xattrs {
		if err := v.supported(path, unix.Fsetxattr(fd, x.Name, x.Value, 0)); err != nil {
			return err
		}
	}
	if err := unix.Fchmod(fd, m.Mode&0o7777); err != nil {
		return err
	}
	return futimens(fd, m)
}

// supported turns "this file system has no attributes" into a finding.
func (v *receiver) supported(path string, err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		v.found.add(XattrNone, path, "the file system takes no such attribute")
		return nil
	}
	return err
}

func (v *receiver) setLink(stage int, temp string, m *meta) error {
	if v.root {
		if err := unix.Fchownat(stage, temp, int(m.UID), int(m.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	ts := times(m)
	return unix.UtimesNanoAt(stage, temp, ts[:], unix.AT_SYMLINK_NOFOLLOW)
}

// setNode sets the metadata of something that cannot be opened without consequences.
func (v *receiver) setNode(dir int, name, path string, m *meta) error {
	fd, err := again(func() (int, error) {
		return unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return v.setPath(fd, path, m)
}

// setMeta sets the metadata of a file or directory that is there, if it is what the stream says.
func (v *receiver) setMeta(h file, directory bool) error {
	fd, name, err := v.parent(&v.dir, h.Path)
	if err != nil {
		return fail("set metadata of", h.Path, err)
	}
	node, err := again(func() (int, error) {
		return unix.Openat(fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return fail("set metadata of", h.Path, missing(err))
	}
	defer unix.Close(node)
	var st unix.Stat_t
	if err := unix.Fstat(node, &st); err != nil {
		return fail("set metadata of", h.Path, err)
	}
	want := uint32(unix.S_IFREG)
	if directory {
		want = unix.S_IFDIR
	}
	if st.Mode&unix.S_IFMT != want {
		return fail("set metadata of", h.Path, ErrBase)
	}
	return fail("set metadata of", h.Path, v.setPath(node, h.Path, &h.Meta))
}

// setRoot comes last, when the stage, whose going changes the root's mtime, is not needed any more.
func (v *receiver) setRoot(m meta) error {
	v.count(func(s *Stats) { s.Metas++ })
	if err := v.allowed("", &m); err != nil {
		return err
	}
	if err := v.clear(); err != nil {
		return err
	}
	return fail("set metadata of", "", v.setPath(v.t.fd, "", &m))
}

// setPath works through /proc/self/fd, which an O_PATH descriptor allows: it cannot be led elsewhere. The inode is
// never a symbolic link here.
func (v *receiver) setPath(fd int, path string, m *meta) error {
	proc := procPath(fd)
	if v.root {
		if err := unix.Chown(proc, int(m.UID), int(m.GID)); err != nil {
			return err
		}
	} else if err := unix.Chmod(proc, m.Mode&0o7777|0o600); err != nil { // attributes need write permission
		return err
	}
	if err := v.setXattrs(proc, path, m.Xattrs); err != nil {
		return err
	}
	if err := unix.Chmod(proc, m.Mode&0o7777); err != nil {
		return err
	}
	ts := times(m)
	return unix.UtimesNanoAt(unix.AT_FDCWD, proc, ts[:], 0)
}

// setXattrs makes the carried attributes exactly these.
func (v *receiver) setXattrs(proc, path string, list []Xattr) error {
	n, err := unix.Listxattr(proc, nil)
	if errors.Is(err, unix.EOPNOTSUPP) {
		n, err = 0, nil
	}
	if err != nil {
		return err
	}
	if n > 0 {
		if err := dropXattrs(proc, n, list); err != nil {
			return err
		}
	}
	for _, x := range list {
		if err := v.supported(path, unix.Setxattr(proc, x.Name, x.Value, 0)); err != nil {
			return fmt.Errorf("attribute %q: %w", x.Name, err)
		}
	}
	return nil
}

// dropXattrs removes the carried attributes that are not in list.
func dropXattrs(proc string, size int, list []Xattr) error {
	keep := map[string]bool{}
	for _, x := range list {
		keep[x.Name] = true
	}
	buf := make([]byte, size)
	n, err := unix.Listxattr(proc, buf)
	if err != nil {
		return err
	}
	for _, name := range strings.Split(string(buf[:n]), "\x00") {
		if name == "" || !carried(name) || keep[name] {
			continue
		}
		if err := unix.Removexattr(proc, name); err != nil && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("attribute %q: %w", name, err)
		}
	}
	return nil
}

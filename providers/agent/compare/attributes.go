//go:build linux

package compare

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"golang.org/x/sys/unix"
)

// attrFile is an open file, or a name in an open directory that must not be opened.
type attrFile struct {
	fd   int
	name string
}

func (a attrFile) list(b []byte) (int, error) {
	if a.name == "" {
		return unix.Flistxattr(a.fd, b)
	}
	return unix.Llistxattr(a.path(), b)
}

func (a attrFile) get(attr string, b []byte) (int, error) {
	if a.name == "" {
		return unix.Fgetxattr(a.fd, attr, b)
	}
	return unix.Lgetxattr(a.path(), attr, b)
}

func (a attrFile) path() string { return fmt.Sprintf("/proc/self/fd/%d/%s", a.fd, a.name) }

// xattrs hashes user.* and the POSIX ACLs; zero when there are none.
func (w *walker) xattrs(a attrFile) (sum Sum, err error) {
	if w.opts.IgnoreXattrs {
		return sum, nil
	}
	n, err := a.list(nil)
	if n == 0 && err == nil || errors.Is(err, unix.ENOTSUP) {
		return sum, nil
	}
	const largest = 64 << 10 // of a list and of a value, set by the kernel
	buf := make([]byte, largest)
	if err == nil {
		n, err = a.list(buf)
	}
	if err != nil {
		return sum, err
	}
	var names []string
	for _, name := range bytes.Split(buf[:n], []byte{0}) {
		if s := string(name); bytes.HasPrefix(name, []byte("user.")) || s == "system.posix_acl_access" || s == "system.posix_acl_default" {
			names = append(names, s)
		}
	}
	sort.Strings(names)
	h, any := sha256.New(), false
	for _, name := range names {
		n, err := a.get(name, buf)
		if errors.Is(err, unix.ENODATA) {
			return sum, ErrMoved
		}
		if err != nil {
			return sum, err
		}
		value := buf[:n]
		if name[0] == 's' {
			w.translate(value)
		}
		fmt.Fprintf(h, "%d %s %d ", len(name), name, n)
		h.Write(value)
		any = true
	}
	if any {
		h.Sum(sum[:0])
	}
	return sum, nil
}

// translate maps the ids named in an ACL: after four bytes of version, entries of tag (2), permissions (2), id (4);
// tag 2 names a user, tag 8 a group.
func (w *walker) translate(acl []byte) {
	for at := 4; at+8 <= len(acl); at += 8 {
		id := acl[at+4 : at+8]
		mapped := w.opts.MapGID
		switch binary.LittleEndian.Uint16(acl[at:]) {
		case 2:
			mapped = w.opts.MapUID
		case 8:
		default:
			continue
		}
		if mapped != nil {
			binary.LittleEndian.PutUint32(id, mapped(binary.LittleEndian.Uint32(id)))
		}
	}
}

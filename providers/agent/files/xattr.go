//go:build linux

package files

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"
)

// Xattr is one extended attribute.
type Xattr struct {
	_     struct{} `cbor:",toarray"`
	Name  string
	Value []byte
}

const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// carried: attributes that belong to users. The others belong to the system (security.selinux) or to its tools.
func carried(name string) bool {
	return strings.HasPrefix(name, "user.") && len(name) <= MaxName || name == aclAccess || name == aclDefault
}

// silent: the system sets these by itself everywhere; reporting them would hide the rest.
func silent(name string) bool {
	return name == "security.selinux" || name == "security.ima" || name == "security.evm"
}

// holder is a file whose attributes are read: an open descriptor, or a path through /proc/self/fd that ends in a name
// and is not followed.
type holder struct {
	fd   int
	path string
}

func (h holder) list(buf []byte) (int, error) {
	if h.path != "" {
		return unix.Llistxattr(h.path, buf)
	}
	return unix.Flistxattr(h.fd, buf)
}

func (h holder) get(name string, buf []byte) (int, error) {
	if h.path != "" {
		return unix.Lgetxattr(h.path, name, buf)
	}
	return unix.Fgetxattr(h.fd, name, buf)
}

// errXattrs: they do not fit in a frame.
var errXattrs = errors.New("attributes are too large")

// readXattrs returns the carried attributes sorted by name, and the names of those left out.
func readXattrs(h holder, ids idMap) (list []Xattr, left []string, err error) {
	buf := make([]byte, MaxXattr)
	n, err := h.list(buf)
	if errors.Is(err, unix.EOPNOTSUPP) || n == 0 && err == nil {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	total := 0
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	for _, name := range names {
		if !carried(name) {
			if !silent(name) {
				left = append(left, name)
			}
			continue
		}
		n, err := h.get(name, buf)
		if errors.Is(err, unix.ENODATA) {
			continue // taken away since it was listed
		}
		if err != nil {
			return nil, nil, err
		}
		if total += len(name) + n + 16; total > maxXattrs {
			return nil, nil, errXattrs
		}
		value := slices.Clone(buf[:n])
		if name == aclAccess || name == aclDefault {
			ids.mapACL(value)
		}
		list = append(list, Xattr{Name: name, Value: value})
	}
	return list, left, nil
}

// hashXattrs is zero for none. Attributes are sorted by name.
func hashXattrs(list []Xattr) (sum [16]byte) {
	if len(list) == 0 {
		return sum
	}
	h := blake3.New()
	var size [8]byte
	for _, x := range list {
		binary.LittleEndian.PutUint32(size[:4], uint32(len(x.Name)))
		binary.LittleEndian.PutUint32(size[4:], uint32(len(x.Value)))
		h.Write(size[:])
		h.Write([]byte(x.Name))
		h.Write(x.Value)
	}
	h.Digest().Read(sum[:])
	return sum
}

// idMap turns the origin's ids into the receiver's.
type idMap struct{ uid, gid func(uint32) uint32 }

func (m idMap) owner(uid, gid uint32) (uint32, uint32) {
	if m.uid != nil {
		uid = m.uid(uid)
	}
	if m.gid != nil {
		gid = m.gid(gid)
	}
	return uid, gid
}

// mapACL maps the ids inside the kernel's form of an ACL: a version, then entries of tag, permissions and id.
func (m idMap) mapACL(acl []byte) {
	const user, group = 0x02, 0x08
	for i := 4; i+8 <= len(acl); i += 8 {
		id := binary.LittleEndian.Uint32(acl[i+4:])
		switch tag := binary.LittleEndian.Uint16(acl[i:]); {
		case tag == user && m.uid != nil:
			binary.LittleEndian.PutUint32(acl[i+4:], m.uid(id))
		case tag == group && m.gid != nil:
			binary.LittleEndian.PutUint32(acl[i+4:], m.gid(id))
		}
	}
}

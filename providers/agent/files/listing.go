//go:build linux

package files

import (
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Entry is what is known of one file, directory, link or FIFO. Owners are those of the receiver (already mapped).
type Entry struct {
	_      struct{} `cbor:",toarray"`
	Name   string   // raw bytes, one path element; "" for the root
	Mode   uint32   // type and permission bits, as in st_mode
	UID    uint32
	GID    uint32
	Size   int64  // bytes; 0 unless a regular file
	Sec    int64  // mtime, seconds
	Nsec   uint32 // mtime, nanoseconds
	Dev    uint64
	Ino    uint64
	Nlink  uint32
	Target string   // of a symbolic link
	Xattrs [16]byte // hash of the carried attributes; zero when there are none
	Dirty  bool     // what the receiver has here is older than the origin's: send again
}

func (e *Entry) kind() uint32     { return e.Mode & unix.S_IFMT }
func (e *Entry) isDir() bool      { return e.kind() == unix.S_IFDIR }
func (e *Entry) linked() bool     { return e.Nlink > 1 && !e.isDir() }
func (e *Entry) inode() [2]uint64 { return [2]uint64{e.Dev, e.Ino} }

// sameMeta: nothing to change besides content.
func (e *Entry) sameMeta(b *Entry) bool {
	return e.Mode == b.Mode && e.UID == b.UID && e.GID == b.GID && e.Xattrs == b.Xattrs && e.Sec == b.Sec && e.Nsec == b.Nsec
}

// sameContent: what cannot be mended with a metadata operation is the same. Links and FIFOs are so small that they
// are always made anew, which spares operations that could follow them.
func (e *Entry) sameContent(b *Entry) bool {
	if e.Dirty || b.Dirty || e.kind() != b.kind() {
		return false
	}
	switch e.kind() {
	case unix.S_IFREG:
		return e.Size == b.Size && e.Sec == b.Sec && e.Nsec == b.Nsec
	case unix.S_IFDIR:
		return true
	}
	return e.Target == b.Target && e.sameMeta(b)
}

// Listing is a compact picture of a tree. It is not safe for concurrent use with Send, which reads it.
type Listing struct {
	root   Entry
	origin bool               // inode numbers are the origin's, so they tell moved files; false for a scan of the receiver
	dirs   map[string][]Entry // by path of the directory, "" is the root; sorted by name
}

// Len counts the entries, the root not included.
func (l *Listing) Len() int {
	n := 0
	for _, d := range l.dirs {
		n += len(d)
	}
	return n
}

// Lookup finds an entry by its path; "" is the root.
func (l *Listing) Lookup(path string) (Entry, bool) {
	if path == "" {
		return l.root, true
	}
	if e := l.find(split(path)); e != nil {
		return *e, true
	}
	return Entry{}, false
}

// Walk calls f for every entry below the root, directory by directory, in a fixed order.
func (l *Listing) Walk(f func(path string, e Entry)) {
	for _, dir := range l.sorted() {
		for i := range l.dirs[dir] {
			f(join(dir, l.dirs[dir][i].Name), l.dirs[dir][i])
		}
	}
}

func (l *Listing) sorted() []string {
	paths := make([]string, 0, len(l.dirs))
	for p := range l.dirs {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

func (l *Listing) find(dir, name string) *Entry {
	if l == nil {
		return nil
	}
	list := l.dirs[dir]
	i := sort.Search(len(list), func(i int) bool { return list[i].Name >= name })
	if i == len(list) || list[i].Name != name {
		return nil
	}
	return &list[i]
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// validName: one element that names something in its directory.
func validName(name string) bool {
	return name != "" && len(name) <= MaxName && name != "." && name != ".." && strings.IndexByte(name, '/') < 0 && strings.IndexByte(name, 0) < 0
}

// validPath: elements that are all valid names. The root, "", is not one.
func validPath(path string) bool {
	if len(path) > MaxPath {
		return false
	}
	for {
		name, rest, more := strings.Cut(path, "/")
		if !validName(name) {
			return false
		}
		if !more {
			return true
		}
		path = rest
	}
}

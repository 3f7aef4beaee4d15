//go:build linux

package compare

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Sum is a SHA-256.
type Sum [sha256.Size]byte

// Entry describes one name of a directory. Name and Target are raw bytes.
type Entry struct {
	_       struct{} `cbor:",toarray"`
	Name    string
	Mode    uint32 // type and permission bits, as in st_mode
	UID     uint32 // mapped; 0 with IgnoreOwners
	GID     uint32
	Size    int64 // bytes, of a regular file
	Sec     int64 // mtime
	Nsec    uint32
	Target  string // of a symbolic link
	Content Sum    // of a regular file
	Xattrs  Sum    // zero when there are none
	Link    string // the first path, in order of bytes, of the names that are the same file; "" when this is the only one
	Digest  Sum    // of all the above, and of everything below a directory
}

func (e *Entry) isDir() bool { return e.Mode&unix.S_IFMT == unix.S_IFDIR }

// Summary is what a walk found.
type Summary struct {
	_           struct{} `cbor:",toarray"`
	Entries     int      // names below the root
	Bytes       int64    // apparent size of the regular files, each file counted once per name
	Hashed      int      // files read by this walk
	HashedBytes int64    // bytes read by this walk, without holes
	Moving      int      // files that changed while they were read; if not 0 the digest stands for nothing
	Ignored     int      // sockets, devices, mount points
	Digest      Sum      // of the whole tree
}

// Tree is the result of a walk.
type Tree struct {
	Summary Summary
	root    *node
}

type node struct {
	Entry
	below []*node // sorted by name
	id    inode
	nlink uint32
}

// Root describes the root itself; its name is "".
func (t *Tree) Root(context.Context) (Entry, error) { return t.root.Entry, nil }

// Entries lists what is directly in the directory at path, "" being the root, sorted by name.
func (t *Tree) Entries(_ context.Context, path string) ([]Entry, error) {
	n := t.root
	for rest := path; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		i := sort.Search(len(n.below), func(i int) bool { return n.below[i].Name >= name })
		if i == len(n.below) || n.below[i].Name != name {
			return nil, fmt.Errorf("list %q: no such directory in the tree that was compared", path)
		}
		n = n.below[i]
	}
	list := make([]Entry, len(n.below))
	for i, c := range n.below {
		list[i] = c.Entry
	}
	return list, nil
}

// seal names hard links and computes the digests, from the leaves up.
func (t *Tree) seal() {
	first := map[inode]*group{}
	t.root.eachLinked("", first)
	for _, g := range first {
		if len(g.members) > 1 {
			for _, n := range g.members {
				n.Link = g.path
			}
		}
	}
	t.root.seal(sha256.New(), &t.Summary)
	t.Summary.Digest = t.root.Digest
	t.Summary.Entries-- // the root
}

type group struct {
	path    string
	members []*node
}

func (n *node) eachLinked(path string, groups map[inode]*group) {
	for _, c := range n.below {
		p := c.Name
		if path != "" {
			p = path + "/" + c.Name
		}
		if c.isDir() {
			c.eachLinked(p, groups)
			continue
		}
		if c.nlink < 2 {
			continue
		}
		g := groups[c.id]
		if g == nil {
			g = &group{path: p}
			groups[c.id] = g
		}
		g.path = min(g.path, p)
		g.members = append(g.members, c)
	}
}

func (n *node) seal(h hash.Hash, s *Summary) {
	slices.SortFunc(n.below, func(a, b *node) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range n.below {
		c.seal(h, s)
	}
	s.Entries++
	s.Bytes += n.Size
	h.Reset()
	var b []byte
	for _, text := range []string{n.Name, n.Target, n.Link} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	for _, v := range []uint64{uint64(n.Mode), uint64(n.UID), uint64(n.GID), uint64(n.Size), uint64(n.Sec), uint64(n.Nsec), uint64(len(n.below))} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	h.Write(b)
	h.Write(n.Content[:])
	h.Write(n.Xattrs[:])
	for _, c := range n.below {
		h.Write(c.Digest[:])
	}
	h.Sum(n.Digest[:0])
}

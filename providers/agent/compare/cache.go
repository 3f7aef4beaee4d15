//go:build linux

package compare

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// settle is how much older than the sync before its hashing a file's ctime has to be for the hash to be remembered.
// Within it a later write could leave the ctime as it is: kernels stamp with the coarseness of a tick, some file
// systems of a second or two.
const settle = 2 * time.Second

// Cache remembers hashes of one tree, between walks, in memory. It is keyed by device and inode, so a file that only
// got another name in the same directory tree costs one hash at most (renaming moves the ctime).
//
// A hash is kept only when a later write must show in the ctime. Two things could hide one. A write within the same
// tick of the clock as the one before: hence settle. And a store into a page that a program has mapped and already
// made dirty: the ctime moved when the page became dirty, and does not move again until the page was written to disk.
// Hence a walk that fills the cache first syncs the file system, which makes all pages clean, and a file whose ctime
// is older than that sync has had no dirty page when it was hashed. Where mapped pages do not work so (tmpfs, network
// and user-space file systems, overlays whose layers we cannot see), nothing is remembered and each walk reads all.
//
// A Cache may be used by one Digest at a time.
type Cache struct {
	mu      sync.Mutex
	records map[inode]record
}

type inode struct{ dev, ino uint64 }

// record is what a file was when it was hashed.
type record struct {
	sec     int64
	nsec    uint32
	size    int64
	content Sum
	xattrs  Sum
}

// Len counts the files whose hash is remembered.
func (c *Cache) Len() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.records)
}

// look finds a hash that is still true.
func (c *Cache) look(st *unix.Statx_t) (record, bool) {
	if c == nil {
		return record{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.records[inodeOf(st)]
	return r, ok && r.sec == st.Ctime.Sec && r.nsec == st.Ctime.Nsec && r.size == int64(st.Size)
}

func inodeOf(st *unix.Statx_t) inode {
	return inode{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}
}

// trusted tells whether the file system moves the ctime at the first store into a clean mapped page.
func trusted(fd int) bool {
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil {
		return false
	}
	switch uint32(fs.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC:
		return true
	}
	return false
}

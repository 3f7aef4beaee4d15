//go:build linux

package look

import (
	"sync"

	"golang.org/x/sys/unix"
)

// counts counts the files of one part of an account. Of several names of one
// file only the first one's bytes count.
type counts struct {
	mu      sync.Mutex
	bytes   int64
	entries int64
	seen    map[inode]struct{}
	over    bool // too many files with several names to know them all
}

type inode struct{ dev, ino uint64 }

// maxHardLinks bounds how many files with several names are known apart.
const maxHardLinks = 1 << 20

// first says whether a file with several names is met for the first time.
func (c *counts) first(i fileInfo) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := inode{i.dev, i.ino}
	if _, ok := c.seen[k]; ok {
		return false
	}
	if len(c.seen) >= maxHardLinks {
		c.over = true
		return true
	}
	if c.seen == nil {
		c.seen = map[inode]struct{}{}
	}
	c.seen[k] = struct{}{}
	return true
}

// forget lets go of the names that were met.
func (c *counts) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = nil
}

func (c *counts) add(bytes, entries int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += bytes
	c.entries += entries
}

// yieldDisk lets everybody else's reads go first (ionice -c 2 -n 7) and the
// processor too; where it is not allowed nothing is lost.
func yieldDisk() {
	const bestEffort, lowest, process = 2, 7, 1
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, process, 0, bestEffort<<13|lowest)
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 10)
}

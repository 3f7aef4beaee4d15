package sqlite

import (
	"fmt"
	"os"
	"sync"
)

// Keeper keeps two things apart on each database file of this process: the
// moments when SQLite works under locks that are not doubled (opening,
// checkpointing, recovery), and the closing of descriptors, which would drop
// these locks. A process has one Keeper; all sessions and inspections get it.
// The zero Keeper is ready for use.
type Keeper struct {
	mu    sync.Mutex
	files map[[2]uint64]*keeping
}

type keeping struct {
	mu   sync.Mutex
	uses int
}

// lock gives the file named by the stamp to the caller alone until it calls the function returned.
func (k *Keeper) lock(s Stamp) (unlock func()) {
	id := [2]uint64{s.Dev, s.Ino}
	k.mu.Lock()
	if k.files == nil {
		k.files = map[[2]uint64]*keeping{}
	}
	h := k.files[id]
	if h == nil {
		h = &keeping{}
		k.files[id] = h
	}
	h.uses++
	k.mu.Unlock()
	h.mu.Lock()
	return func() {
		h.mu.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if h.uses--; h.uses == 0 {
			delete(k.files, id)
		}
	}
}

// CloseFile closes a descriptor of a database file that other code of this
// process read, without taking a lock away from SQLite at a bad moment. (The
// files ending in -wal and -shm have no such locks or are never opened by
// others; -shm must not be opened at all.)
func (k *Keeper) CloseFile(f *os.File) error {
	s, err := stampOf(f)
	if err != nil {
		return fmt.Errorf("close %s: %w", f.Name(), err)
	}
	defer k.lock(s)()
	return f.Close()
}

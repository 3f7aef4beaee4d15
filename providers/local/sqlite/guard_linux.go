package sqlite

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where SQLite's unix locks lie. All are part of the file format: programs
// with different versions of SQLite share databases.
const (
	sharedFirst = 0x40000002 // in the database file: every WAL connection holds this range shared
	sharedBytes = 510
	slotFirst   = 123 // in the -shm file: one byte for each of the read marks
	slots       = 5
	writeByte   = 120 // in the -shm file: held by the one writer
	dmsByte     = 128 // in the -shm file: held shared by every connection
)

// guard doubles the locks of a read transaction of this process with locks
// that belong to open file descriptions of its own. They outlast the closing
// of other descriptors, and even SQLite's belief about its own locks.
type guard struct {
	db, shm *os.File
}

// place puts the locks and proves that SQLite's own were still there when
// ours were: from then on the hold cannot be lost. It also proves that SQLite
// opened the very files that db and shm are.
func (g *guard) place() error {
	var err error
	for range 20 {
		if err = g.tryPlace(); err == nil {
			return nil
		}
		g.release()
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

func (g *guard) tryPlace() error {
	slot, err := g.seen()
	if err != nil {
		return err
	}
	if err := setLock(g.db, unix.F_RDLCK, sharedFirst, sharedBytes); err != nil {
		return err
	}
	if err := setLock(g.shm, unix.F_RDLCK, dmsByte, 1); err != nil {
		return err
	}
	for i := range slots {
		if slot[i] {
			if err := setLock(g.shm, unix.F_RDLCK, slotFirst+int64(i), 1); err != nil {
				return err
			}
		}
	}
	again, err := g.seen()
	if err != nil {
		return err
	}
	if again != slot {
		return fmt.Errorf("%w: they moved", errNoHold)
	}
	return nil
}

// seen looks up which read marks SQLite holds here; holding none, or not
// holding the database file or the existence of the -shm, is an error.
func (g *guard) seen() (slot [slots]bool, err error) {
	db, err := locksOn(g.db, "POSIX", "OFDLCK")
	if err != nil {
		return slot, err
	}
	shm, err := locksOn(g.shm, "POSIX")
	if err != nil {
		return slot, err
	}
	any := false
	for i := range slots {
		slot[i] = shm.covers(slotFirst+int64(i), 1)
		any = any || slot[i]
	}
	if !any || !db.covers(sharedFirst, sharedBytes) || !shm.covers(dmsByte, 1) {
		return slot, errNoHold
	}
	return slot, nil
}

// free gives up the read mark, so that the database can be checkpointed, and
// keeps what says that it is in use.
func (g *guard) free() error { return setLock(g.shm, unix.F_UNLCK, slotFirst, slots) }

// release gives up everything. Closing the descriptors would too, but that drops SQLite's locks as well.
func (g *guard) release() {
	_ = setLock(g.db, unix.F_UNLCK, 0, 0)
	_ = setLock(g.shm, unix.F_UNLCK, 0, 0)
}

// writing says that a program is in the middle of a transaction that writes.
func (g *guard) writing() bool {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: writeByte, Len: 1}
	err := unix.FcntlFlock(g.shm.Fd(), unix.F_OFD_GETLK, &l)
	return err == nil && l.Type != unix.F_UNLCK
}

func setLock(f *os.File, kind int16, start, length int64) error {
	l := unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: start, Len: length}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l); err != nil {
		return fmt.Errorf("%w: lock %s: %w", errNoHold, f.Name(), err)
	}
	return nil
}

type span struct{ first, last int64 }

type spans []span

func (s spans) covers(start, length int64) bool {
	for _, r := range s {
		if r.first <= start && start+length-1 <= r.last {
			return true
		}
	}
	return false
}

// locksOn lists the shared locks that this process holds through other
// descriptors of the same file. The kernel lists them per descriptor, which
// works on every file system, whatever device number it shows. SQLite can be
// built to use open-file-description locks on the database file, so they count
// there; on the -shm file they could only be those of another session.
func locksOn(f *os.File, classes ...string) (spans, error) {
	mine, err := stampOf(f)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoHold, err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoHold, err)
	}
	var all spans
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd == int(f.Fd()) {
			continue
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Ino != mine.Ino || uint64(st.Dev) != mine.Dev {
			continue
		}
		all = append(all, locksThrough(name, classes)...)
	}
	return all, nil
}

// locksThrough reads lines such as "lock:	1: POSIX  ADVISORY  READ 8711 fe:00:9977883 128 128".
func locksThrough(fd string, classes []string) spans {
	f, err := os.Open("/proc/self/fdinfo/" + fd)
	if err != nil {
		return nil
	}
	defer f.Close()
	var all spans
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) != 9 || w[0] != "lock:" || w[4] != "READ" || !slices.Contains(classes, w[2]) {
			continue
		}
		first, err1 := strconv.ParseInt(w[7], 10, 64)
		last, err2 := strconv.ParseInt(w[8], 10, 64)
		if err1 == nil && err2 == nil {
			all = append(all, span{first, last})
		}
	}
	return all
}

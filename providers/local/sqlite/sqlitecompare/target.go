package sqlitecompare

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrNotAtRest means that a file is not in a state that can be compared.
var ErrNotAtRest = errors.New("is not at rest")

// Target is a database file on one side.
type Target struct {
	Root string // a directory that is trusted
	Name string // the file, relative to it; links are refused
	// CloseFile closes descriptors of the database file. A process that also
	// works on it through SQLite needs it, because closing drops record locks.
	CloseFile func(*os.File) error `cbor:"-" json:"-"`
}

func (t Target) String() string { return filepath.Join(t.Root, t.Name) }

func (t Target) shut(f *os.File) {
	if t.CloseFile != nil {
		_ = t.CloseFile(f) // opened for reading only
		return
	}
	f.Close()
}

// open opens the file or a companion for reading.
func (t Target) open(suffix string) (*os.File, error) {
	root, err := os.OpenRoot(t.Root)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", t, err)
	}
	defer root.Close()
	name := t.Name + suffix
	seen, err := root.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("compare %s%s: %w", t, suffix, err)
	}
	if !seen.Mode().IsRegular() {
		return nil, fmt.Errorf("compare %s%s: not a regular file", t, suffix)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("compare %s%s: %w", t, suffix, err)
	}
	got, err := f.Stat()
	if err != nil || !os.SameFile(seen, got) {
		t.shut(f)
		return nil, fmt.Errorf("compare %s%s: it was replaced while it was opened", t, suffix)
	}
	return f, nil
}

// companion reads a whole companion, of which there may be none.
func (t Target) companion(suffix string) (f *os.File, size int64, err error) {
	f, err = t.open(suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// Stamp is what the file system says about a file.
type Stamp struct {
	Ino          uint64
	Size         int64
	Mtime, Ctime int64 // nanoseconds since 1970
}

// settled is the age of a change time from which on a later write would change it.
const settled = 40 * time.Millisecond

// settle waits, not for ever, until the file's change time is old enough.
func settle(f *os.File) (Stamp, bool, error) {
	for range 10 {
		s, err := stampOf(f)
		if err != nil {
			return s, false, err
		}
		if time.Since(time.Unix(0, s.Ctime)) > settled {
			return s, true, nil
		}
		time.Sleep(settled / 4)
	}
	s, err := stampOf(f)
	return s, false, err
}

// readAt fills b, with zeros behind the end of the file.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	clear(b[n:])
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

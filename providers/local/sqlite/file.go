package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Errors that callers can tell apart with errors.Is.
var (
	// ErrSymlink means that the file or a directory on its way is a symbolic link. Links are never followed.
	ErrSymlink = errors.New("is a symbolic link or lies behind one, and links are not followed")
	// ErrNotRegular means that the name is a directory, a pipe, a socket or a device.
	ErrNotRegular = errors.New("is not a regular file")
	// ErrBusy means that a program still uses a database that has to be at rest.
	ErrBusy = errors.New("is still in use: end the programs that use it and try again")
	// ErrStale means that the receiver's copy is not what the origin was told. Take a new manifest and send again.
	ErrStale = errors.New("the copy has changed since its manifest was taken: take a new one and send again")
	// ErrStream means that a stream is truncated or not what a session writes.
	ErrStream = errors.New("the stream is damaged or ends too early: send again")
	// ErrClosed means that the session was closed.
	ErrClosed = errors.New("the session is closed")
	// errNoHold means that this machine or file system cannot hold a database still.
	errNoHold = errors.New("its locks cannot be held from here")
)

// File names a file under a directory. Root is trusted and may lead through
// symbolic links; no part of Name may be one.
type File struct {
	Root string // a directory
	Name string // relative, below Root
}

// At is the File for a path whose directory is trusted.
func At(path string) File {
	return File{Root: filepath.Dir(path), Name: filepath.Base(path)}
}

// String is the path, for messages.
func (f File) String() string { return filepath.Join(f.Root, f.Name) }

// Stamp is what the file system says about a file: enough to see that it was
// replaced or written to, as long as ctime was not fresh when it was taken.
type Stamp struct {
	Dev, Ino    uint64
	Size        int64
	Mtime       int64 // nanoseconds since 1970
	Ctime       int64 // nanoseconds since 1970
	ChangeCount uint32
}

// settle is how old a ctime must be before an equal one later proves that
// nothing was written. File systems stamp files with the kernel's tick, which
// is 10 ms at most.
const settle = 50 * time.Millisecond

// fresh says that a write right after now could leave the same ctime.
func (s Stamp) fresh(now time.Time) bool {
	return now.Sub(time.Unix(0, s.Ctime)) < settle
}

// place is a directory that was reached without following links, and a name in it.
type place struct {
	file File
	dir  *os.File
	base string
}

func openPlace(f File) (*place, error) {
	name := filepath.Clean(f.Name)
	switch {
	case f.Root == "" || f.Name == "":
		return nil, fmt.Errorf("open %s: a root and a name are needed", f)
	case strings.ContainsRune(f.Root+f.Name, 0):
		return nil, fmt.Errorf("open %q: the name holds a zero byte", f.String())
	case !filepath.IsLocal(name) || name == "." || strings.HasSuffix(f.Name, "/"):
		return nil, fmt.Errorf("open %q below %s: not the name of a file in there", f.Name, f.Root)
	}
	d, err := openDirBeneath(f.Root, filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("open the directory of %s: %w", f, err)
	}
	return &place{file: f, dir: d, base: filepath.Base(name)}, nil
}

// open opens the file, or with a suffix one of its companions.
func (p *place) open(suffix string, flags int, mode os.FileMode) (*os.File, error) {
	f, err := openRegular(p.dir, p.base+suffix, flags, mode)
	if err != nil {
		return nil, fmt.Errorf("open %s%s: %w", p.file, suffix, err)
	}
	return f, nil
}

// stamp describes what lies under the name now.
func (p *place) stamp(suffix string) (Stamp, error) {
	return stampAt(p.dir, p.base+suffix)
}

// size is the size of the file or companion, 0 if there is none.
func (p *place) size(suffix string) int64 {
	s, err := p.stamp(suffix)
	if err != nil {
		return 0
	}
	return s.Size
}

// remove deletes a companion; none being there is fine.
func (p *place) remove(suffix string) error {
	if err := removeAt(p.dir, p.base+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove %s%s: %w", p.file, suffix, err)
	}
	return nil
}

// maxPath is the longest path that SQLite accepts, less what it adds for companions.
const maxPath = 500

// pathFor is a path for SQLite. It leads through the open directory where the
// system allows that, so that a directory renamed meanwhile does no harm.
func (p *place) pathFor() (string, error) {
	if n := len(dirName(p.dir)) + 1 + len(p.base); n > maxPath {
		return "", fmt.Errorf("its path is %d bytes long, and SQLite accepts %d", n, maxPath)
	}
	return dirPath(p.dir) + "/" + p.base, nil
}

func (p *place) close() error { return p.dir.Close() }

package ownership

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// slotAlign keeps the two slots in different blocks and pages, so that no write
// to one ever touches the other.
const slotAlign = 4 << 10

const (
	fileSuffix = ".own"
	tempPrefix = ".new-"
	maxFile    = 255 // bytes of a file name
)

// FileDisk is the Disk that keeps each blob in a file of its own, with both
// slots written out in full when it is made, so that a full disk cannot stop a
// later write in place. File systems that never write in place (btrfs with
// copy on write, ZFS) do not give that promise; keep the directory on one that
// does, or on one with a reservation.
type FileDisk struct {
	dir  string
	root *os.Root
}

// OpenFileDisk opens the directory, or makes it with its mode 0700; its parent
// must exist. It removes what a crash in Allocate left behind. A directory that
// others may write to, or a symbolic link to one, is refused.
func OpenFileDisk(dir string) (*FileDisk, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("open records in %q: not a directory that only its owner can write to", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &FileDisk{dir: dir, root: root}
	if err := d.clean(); err != nil {
		root.Close()
		return nil, fmt.Errorf("open records in %q: %w", dir, err)
	}
	return d, nil
}

// Close releases the directory.
func (d *FileDisk) Close() error { return d.root.Close() }

func (d *FileDisk) clean() error {
	names, err := d.entries()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, tempPrefix) {
			if err := d.root.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *FileDisk) entries() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// List returns the names of all blobs.
func (d *FileDisk) List() ([]string, error) {
	entries, err := d.entries()
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", d.dir, err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := unescape(e); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// Allocate makes a blob's file under a temporary name, in full and synced, and
// renames it.
func (d *FileDisk) Allocate(name string, size int, data []byte) error {
	file := escape(name)
	switch {
	case len(file) > maxFile:
		return fmt.Errorf("allocate %q: the name is too long for a file", name)
	case size <= 0 || size%slotAlign != 0 || len(data) > size:
		return fmt.Errorf("allocate %q: %d bytes do not fit slots of %d", name, len(data), size)
	}
	_, err := d.root.Lstat(file)
	broken := err == nil && d.broken(name)
	if !broken && !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return fmt.Errorf("allocate %q: %w", name, err)
	}
	temp := tempPrefix + rand.Text()
	if err := d.fill(temp, size, data); err != nil {
		d.root.Remove(temp)
		return fmt.Errorf("allocate %q: %w", name, err)
	}
	if err := d.root.Rename(temp, file); err != nil {
		d.root.Remove(temp)
		return fmt.Errorf("allocate %q: %w", name, err)
	}
	if err := d.syncDir(); err != nil {
		// Not known to survive a crash, so it must not count at all. Where it took
		// the place of a broken one both mean the same: a record that is lost,
		// while none at all could mean that there never was one.
		if !broken {
			d.root.Remove(file)
		}
		return fmt.Errorf("allocate %q: %w", name, err)
	}
	return nil
}

// broken says whether a file is there that cannot be a blob: it was cut, or
// something else was written in its place.
func (d *FileDisk) broken(name string) bool {
	f, _, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return errors.Is(err, errShape)
	}
	f.Close()
	return false
}

func (d *FileDisk) fill(file string, size int, data []byte) error {
	f, err := d.root.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := reserve(f, int64(2*size)); err != nil {
		return err
	}
	b := make([]byte, 2*size)
	copy(b, data)
	copy(b[size:], data)
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	return f.Sync()
}

func (d *FileDisk) syncDir() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// errShape: a file has not the size of two slots, so that neither can be read
// or written. Allocate puts a whole blob in its place.
var errShape = errors.New("which is not two slots")

// open opens a blob's file, which must be a regular file and no link.
func (d *FileDisk) open(name string, flag int) (f *os.File, size int64, err error) {
	file := escape(name)
	before, err := d.root.Lstat(file)
	if err != nil {
		return nil, 0, err
	}
	if !before.Mode().IsRegular() {
		return nil, 0, errors.New("not a regular file")
	}
	f, err = d.root.OpenFile(file, flag, 0)
	if err != nil {
		return nil, 0, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = errors.New("was replaced while it was opened")
	}
	if err == nil && (after.Size() == 0 || after.Size()%(2*slotAlign) != 0) {
		err = fmt.Errorf("has %d bytes, %w", after.Size(), errShape)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, after.Size() / 2, nil
}

// Read returns a slot, whole.
func (d *FileDisk) Read(name string, slot int) ([]byte, error) {
	f, size, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	defer f.Close()
	b := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, int64(slot)*size, size), b); err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	return b, nil
}

// Write overwrites the beginning of a slot and syncs the file.
func (d *FileDisk) Write(name string, slot int, data []byte) error {
	f, size, err := d.open(name, os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("write %q: %w", name, err)
	}
	defer f.Close()
	if int64(len(data)) > size {
		return fmt.Errorf("write %q: %d bytes into a slot of %d", name, len(data), size)
	}
	if _, err := f.WriteAt(data, int64(slot)*size); err != nil {
		return fmt.Errorf("write %q: %w", name, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %q: %w", name, err)
	}
	return f.Close()
}

const hexDigits = "0123456789abcdef"

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// escape makes a file name of any bytes: what is not a letter, digit, '_' or '-'
// becomes %xx. The result never begins with a dot.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String() + fileSuffix
}

// unescape is the inverse of escape; ok is false for names that escape never
// makes.
func unescape(file string) (name string, ok bool) {
	s, ok := strings.CutSuffix(file, fileSuffix)
	if !ok {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case plain(s[i]):
			b.WriteByte(s[i])
		case s[i] == '%' && i+2 < len(s):
			hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			return "", false
		}
	}
	return b.String(), escape(b.String()) == file
}

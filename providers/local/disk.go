package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/schema"
)

// disk is what a server's disk has, in bytes and inodes.
type disk struct {
	bytes, inodes, freeBytes, freeInodes int64
}

// plenty stands for file systems without a fixed number of inodes.
const plenty = 1 << 62

// disk measures the disk. Where the description says that it is smaller than
// the file system, what is in the server's directory counts against that.
func (h *Host) disk(ctx context.Context) (disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(h.dir, &st); err != nil {
		return disk{}, err
	}
	d := disk{bytes: int64(st.Blocks) * st.Bsize, inodes: int64(st.Files), freeBytes: int64(st.Bavail) * st.Bsize, freeInodes: int64(st.Ffree)}
	if st.Files == 0 {
		d.inodes, d.freeInodes = plenty, plenty
	}
	desc := h.description()
	if desc.DiskBytes == 0 && desc.DiskInodes == 0 {
		return d, nil
	}
	bytes, inodes, err := used(ctx, h.dir)
	if err != nil {
		return disk{}, err
	}
	if n := desc.DiskBytes; n > 0 {
		d.bytes, d.freeBytes = min(d.bytes, n), max(0, min(d.freeBytes, n-bytes))
	}
	if n := desc.DiskInodes; n > 0 {
		d.inodes, d.freeInodes = min(d.inodes, n), max(0, min(d.freeInodes, n-inodes))
	}
	return d, nil
}

// used counts what is in a directory.
func used(ctx context.Context, dir string) (bytes, inodes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		var info fs.FileInfo
		if err == nil {
			info, err = e.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since it was listed
		}
		if err != nil {
			return err
		}
		inodes++
		if info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes, inodes, err
}

// newestBackup is the date of the newest backup of an account; has says whether
// this server keeps backups at all. What is empty or hidden is none: it may be
// under way.
func (h *Host) newestBackup(account string) (newest time.Time, has bool, err error) {
	dir := filepath.Join(h.dir, description.BackupsDir)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return time.Time{}, false, nil
	}
	esc, err := schema.EscapeName(account)
	if err != nil {
		return time.Time{}, true, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, esc))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, true, nil
	}
	if err != nil {
		return time.Time{}, true, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.Name()[0] == '.' || info.Mode().IsRegular() && info.Size() == 0 {
			continue
		}
		if t := info.ModTime().UTC(); t.After(newest) {
			newest = t
		}
	}
	return newest, true, nil
}

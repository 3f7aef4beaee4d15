//go:build linux

package compare

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// block is the unit in which content is hashed. A block of zeros is passed over, whether it is a hole or not, so that a
// file of a petabyte with nothing in it takes no time, and where the holes are does not matter.
const block = 64 << 10

// hash reads one file.
func (w *walker) hash(ctx context.Context, dir int, path string, f *toHash) error {
	full := below(path, f.n.Name)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	fd, err := openNoAtime(dir, f.n.Name, 0)
	if errors.Is(err, unix.EAGAIN) { // somebody holds a lease on it
		fd, err = w.openLeased(dir, f.n.Name)
	}
	if err != nil {
		return w.moved(full, err)
	}
	defer unix.Close(fd)
	var st unix.Statx_t
	if err := stat(fd, &st); err != nil {
		return w.moved(full, err)
	}
	if !still(&f.st, &st) {
		return w.moved(full, ErrMoved)
	}
	read, sum, err := contentSum(ctx, fd, &st)
	if err != nil {
		return w.moved(full, err)
	}
	xattrs, err := w.xattrs(attrFile{fd: fd})
	if err != nil {
		return w.moved(full, err)
	}
	if err := stat(fd, &st); err != nil {
		return w.moved(full, err)
	}
	if !still(&f.st, &st) {
		return w.moved(full, ErrMoved)
	}
	f.n.Content, f.n.Xattrs = sum, xattrs
	w.count(func(s *Summary) { s.Hashed++; s.HashedBytes += read })
	if w.solid(&st) {
		w.keep(f.n.id, record{st.Ctime.Sec, st.Ctime.Nsec, int64(st.Size), sum, xattrs})
	}
	return nil
}

// openLeased waits for the kernel to break a lease. In a frozen tree nothing can have become a FIFO, which would never
// open; outside the cut the file counts as moving.
func (w *walker) openLeased(dir int, name string) (int, error) {
	if !w.opts.Frozen {
		return -1, ErrMoved
	}
	return unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

func stat(fd int, st *unix.Statx_t) error {
	return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, st)
}

// still: the same file, and nothing happened to it.
func still(a, b *unix.Statx_t) bool {
	return inodeOf(a) == inodeOf(b) && a.Mode == b.Mode && a.Ctime.Sec == b.Ctime.Sec && a.Ctime.Nsec == b.Ctime.Nsec && a.Size == b.Size
}

// solid: a later write would move the ctime (see Cache).
func (w *walker) solid(st *unix.Statx_t) bool {
	changed := time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec))
	return !w.synced.IsZero() && changed.Add(w.opts.settle).Before(w.synced)
}

// contentSum hashes the blocks of a file that are not zeros, each with its number, and the size.
func contentSum(ctx context.Context, fd int, st *unix.Statx_t) (read int64, sum Sum, err error) {
	h, buf, zero := sha256.New(), make([]byte, block), make([]byte, block)
	size := int64(st.Size)
	sparse := int64(st.Blocks)*512 < size
	var number [8]byte
	for at := int64(0); at < size; {
		end := size
		if sparse {
			var more bool
			if at, end, more = nextData(fd, at, size); !more {
				break
			}
		}
		for ; at < end; at += block {
			if err := context.Cause(ctx); err != nil {
				return read, sum, err
			}
			b := buf[:min(block, size-at)]
			if err := fill(fd, b, at); err != nil {
				return read, sum, err
			}
			read += int64(len(b))
			if bytes.Equal(b, zero[:len(b)]) {
				continue
			}
			binary.BigEndian.PutUint64(number[:], uint64(at/block))
			h.Write(number[:])
			h.Write(b)
		}
	}
	binary.BigEndian.PutUint64(number[:], uint64(size))
	h.Write(number[:])
	h.Sum(sum[:0])
	return read, sum, nil
}

// nextData finds the next stretch that may hold data, from the start of its block.
func nextData(fd int, at, size int64) (start, end int64, more bool) {
	data, err := unix.Seek(fd, at, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return 0, 0, false
	}
	if err != nil {
		return at, size, true
	}
	end, err = unix.Seek(fd, data, unix.SEEK_HOLE)
	if err != nil {
		end = size
	}
	return data / block * block, min(end, size), true
}

func fill(fd int, b []byte, at int64) error {
	for len(b) > 0 {
		n, err := unix.Pread(fd, b, at)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrMoved // shorter than it was
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

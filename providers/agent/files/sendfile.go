//go:build linux

package files

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxWhole = 128 << 10 // bytes of a file that goes in one frame with its header
	chunk    = 192 << 10 // bytes of content in a data frame
)

// errMoved: the name no longer has the file that was scanned; another name of it may.
var errMoved = errors.New("is another file now")

// errTorn: the content changed while it was read.
var errTorn = errors.New("changed while it was read")

// fileSender is one worker.
type fileSender struct {
	*sender
	dir dirCache
	buf []byte
}

// group sends one of the names of a file and remembers to link the others to it.
func (f *fileSender) group(ctx context.Context, g []ref) error {
	for i, r := range g {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		err := f.one(ctx, r)
		if vanished(err) {
			err = fmt.Errorf("%w (%w)", errMoved, err)
		}
		switch {
		case err == nil:
			f.follow(g[:i], r, g[i+1:])
			return nil
		case !errors.Is(err, errMoved) && !errors.Is(err, errTorn):
			return fail("read", r.path(), err)
		case f.opts.Frozen:
			return fail("read", r.path(), fmt.Errorf("%w: %w", ErrChanged, err))
		case errors.Is(err, errTorn):
			f.skip(g)
			return nil
		}
	}
	f.skip(g)
	return nil
}

// follow records what became of the other names of a file that was sent at r.
func (f *fileSender) follow(before []ref, r ref, after []ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range before {
		f.forget(o)
	}
	for _, o := range after {
		name := o.e.Name
		*o.e = *r.e
		o.e.Name = name
		f.links = append(f.links, [2]ref{r, o})
	}
}

func (f *fileSender) one(ctx context.Context, r ref) error {
	fd, err := f.dir.get(r.dir, 0)
	if err != nil {
		return err
	}
	if regular(r.e) {
		return f.regular(ctx, fd, r)
	}
	out := file{Path: r.path(), Meta: metaFor(r.e), Target: r.e.Target}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.e.kind() == unix.S_IFLNK {
		f.stats.Symlinks++
		return f.w.value(frameSymlink, out)
	}
	f.stats.Fifos++
	if out.Meta, err = f.metaOf(&f.dir, r.dir, r.e); err != nil {
		return err
	}
	return f.w.value(frameFifo, out)
}

// regular sends one file, described as it is when it is opened, not as it was scanned.
func (f *fileSender) regular(ctx context.Context, dir int, r ref) error {
	before := time.Now()
	fd, err := openRegular(dir, r.e.Name, f.opts.Frozen)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	src := source{fd: fd}
	if err := unix.Fstat(fd, &src.st); err != nil {
		return err
	}
	if src.st.Mode&unix.S_IFMT != unix.S_IFREG || src.st.Ino != r.e.Ino {
		return errMoved
	}
	if err := f.describe(&src, r, before); err != nil {
		return err
	}
	sparse := src.st.Blocks*512 < src.st.Size
	if src.st.Size <= maxWhole && !sparse {
		err = f.whole(ctx, &src)
	} else {
		err = f.stream(ctx, &src)
	}
	if err == nil {
		f.mu.Lock()
		*r.e = src.e
		f.mu.Unlock()
	}
	return err
}

// describe fills in the header. A file touched a moment ago may be written again without its mtime showing it: the
// receiver is given another mtime, which makes the next pass send it again whatever happens in between.
func (f *fileSender) describe(src *source, r ref, before time.Time) error {
	e, st := *r.e, &src.st
	e.Mode, e.Size, e.Sec, e.Nsec, e.Nlink = st.Mode, st.Size, st.Mtim.Sec, uint32(st.Mtim.Nsec), uint32(st.Nlink)
	e.UID, e.GID = f.ids.owner(st.Uid, st.Gid)
	if age := before.Sub(time.Unix(st.Mtim.Sec, st.Mtim.Nsec)); !f.opts.Frozen && age < racy && age > -racy {
		e.Sec, e.Nsec = 0, 0
	}
	list, _, err := readXattrs(holder{fd: src.fd}, f.ids)
	if err != nil && !errors.Is(err, errXattrs) { // the scan has reported those
		return err
	}
	e.Xattrs = hashXattrs(list)
	src.e = e
	src.head = file{Path: r.path(), Meta: metaFor(&e), Size: st.Size}
	src.head.Meta.Xattrs = list
	return nil
}

// whole sends a small file in one frame.
func (f *fileSender) whole(ctx context.Context, src *source) error {
	size := int(src.st.Size)
	buf := f.buffer()[:size+1]
	n, err := readFull(src.fd, buf, 0)
	if err != nil {
		return err
	}
	if n != size {
		return errTorn
	}
	if err := src.same(); err != nil {
		return err
	}
	head, err := f.w.enc.Marshal(src.head)
	if err != nil {
		return err
	}
	var length [4]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(head)))
	f.mu.Lock()
	defer f.mu.Unlock()
	if headSize+len(length)+len(head)+size > MaxFrame { // many attributes
		return f.streamLocked(ctx, src)
	}
	if err := f.w.parts(frameWhole, length[:], head, buf[:n]); err != nil {
		return err
	}
	f.sent(int64(n), 1)
	return nil
}

func (f *fileSender) stream(ctx context.Context, src *source) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streamLocked(ctx, src)
}

// streamLocked sends a file in pieces, without its holes.
func (f *fileSender) streamLocked(ctx context.Context, src *source) error {
	if err := f.w.value(frameFile, src.head); err != nil {
		return err
	}
	err := f.segments(ctx, src)
	if err == nil {
		err = src.same()
	}
	if err != nil && !errors.Is(err, errTorn) {
		return err
	}
	if e := f.w.value(frameDone, done{Keep: err == nil}); e != nil {
		return e
	}
	if err == nil {
		f.sent(0, 1)
	}
	return err
}

func (f *fileSender) segments(ctx context.Context, src *source) error {
	size := src.st.Size
	for at := int64(0); at < size; {
		data, err := unix.Seek(src.fd, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // a hole up to the end
		}
		end := size
		if err != nil { // a file system that knows no holes
			data = at
		} else if hole, err := unix.Seek(src.fd, data, unix.SEEK_HOLE); err == nil {
			end = min(hole, size)
		}
		for at = data; at < end; {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			buf := f.buffer()[:min(chunk, end-at)]
			n, err := readFull(src.fd, buf, at)
			if err != nil {
				return err
			}
			if n != len(buf) {
				return errTorn
			}
			if err := f.data(at, buf); err != nil {
				return err
			}
			at += int64(n)
		}
	}
	return nil
}

func (f *fileSender) data(at int64, buf []byte) error {
	var offset [8]byte
	binary.LittleEndian.PutUint64(offset[:], uint64(at))
	if err := f.w.parts(frameData, offset[:], buf); err != nil {
		return err
	}
	f.sent(int64(len(buf)), 0)
	return nil
}

// sent counts; the lock is held.
func (f *fileSender) sent(bytes, files int64) {
	f.stats.Bytes += bytes
	f.stats.Files += int(files)
	f.prog.Bytes += bytes
	f.prog.Files += files
	if f.opts.Progress != nil {
		f.opts.Progress(f.prog)
	}
}

func (f *fileSender) buffer() []byte {
	if f.buf == nil {
		f.buf = make([]byte, chunk)
	}
	return f.buf
}

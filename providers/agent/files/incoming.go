//go:build linux

package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// incoming is a file that is being written in the stage.
type incoming struct {
	fd   int
	temp string
	head file
	end  int64 // of the data so far; it only grows
}

// file handles the frames that describe a file.
func (v *receiver) file(k kind, h file) error {
	if k == frameDirMeta && h.Path == "" {
		return v.setRoot(h.Meta)
	}
	if err := v.check(h.Path); err != nil {
		return err
	}
	if err := v.allowed(h.Path, &h.Meta); err != nil {
		return err
	}
	if k == frameMeta || k == frameDirMeta {
		v.count(func(s *Stats) { s.Metas++ })
		return v.setMeta(h, k == frameDirMeta)
	}
	stage, err := v.reserve()
	if err != nil {
		return err
	}
	if k == frameFile {
		v.large, err = v.create(stage, h)
		return err
	}
	return v.special(k, stage, h)
}

// allowed checks metadata before anything is made.
func (v *receiver) allowed(path string, m *meta) error {
	if m.Nsec >= 1e9 {
		return fmt.Errorf("%w: time of %q", ErrStream, path)
	}
	for _, x := range m.Xattrs {
		if !carried(x.Name) || len(x.Value) > MaxXattr {
			return fmt.Errorf("%w: attribute %q of %q", ErrStream, x.Name, path)
		}
	}
	if v.root && v.opts.MayOwn != nil && !v.opts.MayOwn(m.UID, m.GID) {
		return fmt.Errorf("%w: %q would belong to %d:%d", ErrStream, path, m.UID, m.GID)
	}
	return nil
}

// special makes a symbolic link or a FIFO.
func (v *receiver) special(k kind, stage int, h file) error {
	temp := v.tempName()
	var err error
	if k == frameSymlink {
		v.count(func(s *Stats) { s.Symlinks++ })
		if h.Target == "" {
			return fmt.Errorf("%w: link %q leads nowhere", ErrStream, h.Path)
		}
		err = unix.Symlinkat(h.Target, stage, temp)
	} else {
		v.count(func(s *Stats) { s.Fifos++ })
		err = unix.Mkfifoat(stage, temp, 0o600)
	}
	if err != nil {
		return fail("write", h.Path, err)
	}
	if k == frameSymlink {
		err = v.setLink(stage, temp, &h.Meta)
	} else {
		err = v.setNode(stage, temp, h.Path, &h.Meta)
	}
	if err != nil {
		return fail("set metadata of", h.Path, err)
	}
	return v.settle(&v.dir, stage, temp, h.Path)
}

// create makes an empty file in the stage. Nobody else can read it there.
func (v *receiver) create(stage int, h file) (*incoming, error) {
	if h.Size < 0 {
		return nil, fmt.Errorf("%w: size of %q", ErrStream, h.Path)
	}
	temp := v.tempName()
	fd, err := again(func() (int, error) {
		return unix.Openat(stage, temp, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return nil, fail("write", h.Path, err)
	}
	return &incoming{fd: fd, temp: temp, head: h}, nil
}

// data writes one piece; what lies between pieces is a hole.
func (v *receiver) data(body []byte) error {
	in := v.large
	if in == nil || len(body) < 8 {
		return fmt.Errorf("%w: data without a file", ErrStream)
	}
	at, body := int64(binary.LittleEndian.Uint64(body)), body[8:]
	if at < in.end || at > in.head.Size || int64(len(body)) > in.head.Size-at {
		return fmt.Errorf("%w: data of %q outside the file", ErrStream, in.head.Path)
	}
	if err := writeFull(in.fd, body, at); err != nil {
		return fail("write", in.head.Path, err)
	}
	in.end = at + int64(len(body))
	v.wrote(int64(len(body)), 0)
	return nil
}

func writeFull(fd int, body []byte, at int64) error {
	for len(body) > 0 {
		n, err := again(func() (int, error) { return unix.Pwrite(fd, body, at) })
		if err != nil {
			return err
		}
		body, at = body[n:], at+int64(n)
	}
	return nil
}

// finish gives a file its length, metadata and name, or forgets it.
func (v *receiver) finish(keep bool) error {
	in := v.large
	if in == nil {
		return fmt.Errorf("%w: end without a file", ErrStream)
	}
	v.large = nil
	if !keep {
		unix.Close(in.fd)
		return fail("remove", in.head.Path, unix.Unlinkat(v.stage, in.temp, 0))
	}
	if in.end < in.head.Size { // a hole at the end
		if err := unix.Ftruncate(in.fd, in.head.Size); err != nil {
			unix.Close(in.fd)
			return fail("write", in.head.Path, err)
		}
	}
	return v.commit(&v.dir, in)
}

// commit closes the file; some file systems say only then that the disk is full.
func (v *receiver) commit(d *dirCache, in *incoming) error {
	err := v.setOpen(in.fd, in.head.Path, &in.head.Meta)
	if e := unix.Close(in.fd); err == nil && !errors.Is(e, unix.EINTR) {
		err = e
	}
	if err != nil {
		return fail("write", in.head.Path, err)
	}
	if err := v.settle(d, v.stage, in.temp, in.head.Path); err != nil {
		return err
	}
	v.wrote(0, 1)
	return nil
}

// whole handles a small file; called by workers.
func (v *receiver) whole(f *frameReader, d *dirCache, body []byte) error {
	if len(body) < 4 {
		return fmt.Errorf("%w: short file", ErrStream)
	}
	n := int64(binary.LittleEndian.Uint32(body))
	if body = body[4:]; n > int64(len(body)) {
		return fmt.Errorf("%w: short file", ErrStream)
	}
	var h file
	if err := f.decode(body[:n], &h); err != nil {
		return err
	}
	if body = body[n:]; h.Size != int64(len(body)) {
		return fmt.Errorf("%w: size of %q", ErrStream, h.Path)
	}
	if err := v.check(h.Path); err != nil {
		return err
	}
	if err := v.allowed(h.Path, &h.Meta); err != nil {
		return err
	}
	in, err := v.create(v.stage, h)
	if err != nil {
		return err
	}
	if err := writeFull(in.fd, body, 0); err != nil {
		unix.Close(in.fd)
		return fail("write", h.Path, err)
	}
	if len(body) > 0 {
		v.wrote(int64(len(body)), 0)
	}
	return v.commit(d, in)
}

// futimens sets the mtime of an open file and leaves its atime.
func futimens(fd int, m *meta) error {
	ts := times(m)
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func times(m *meta) [2]unix.Timespec {
	return [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: m.Sec, Nsec: int64(m.Nsec)}}
}

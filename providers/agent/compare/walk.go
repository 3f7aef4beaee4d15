//go:build linux

package compare

import (
	"context"
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// directory reads one directory and then those in it. Subdirectories go to another goroutine when one is free.
func (w *walker) directory(ctx context.Context, dir *os.File, path string, n *node) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	var err error
	if n.Xattrs, err = w.xattrs(attrFile{fd: int(dir.Fd())}); err != nil {
		return w.moved(path, err)
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return w.moved(path, err)
	}
	files, err := w.list(int(dir.Fd()), path, names, n)
	if err != nil {
		return err
	}
	if err := w.hashAll(ctx, int(dir.Fd()), path, files); err != nil {
		return err
	}
	for _, c := range n.below {
		if c.isDir() {
			if err := w.descend(ctx, int(dir.Fd()), below(path, c.Name), c); err != nil {
				return err
			}
		}
	}
	return nil
}

func below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

func (w *walker) descend(ctx context.Context, at int, path string, n *node) error {
	fd, err := openNoAtime(at, n.Name, unix.O_DIRECTORY)
	if err != nil {
		return w.moved(path, err)
	}
	sub := os.NewFile(uintptr(fd), "")
	work := func() error {
		defer sub.Close()
		return w.directory(ctx, sub, path, n)
	}
	if w.all.TryGo(work) {
		return nil
	}
	return work()
}

// openNoAtime never follows the last element, and never waits for a FIFO.
func openNoAtime(at int, name string, flags int) (int, error) {
	flags |= unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if flags&unix.O_DIRECTORY == 0 {
		flags |= unix.O_NONBLOCK
	}
	for atime := unix.O_NOATIME; ; {
		fd, err := unix.Openat(at, name, flags|atime, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EPERM) && atime != 0: // not our file and we are not root
			atime = 0
		default:
			return fd, err
		}
	}
}

// toHash is a file that the cache does not know as it is now.
type toHash struct {
	n  *node
	st unix.Statx_t
}

// list examines the names of a directory and returns the files to read.
func (w *walker) list(fd int, path string, names []string, n *node) ([]toHash, error) {
	var files []toHash
	for _, name := range names {
		var st unix.Statx_t
		full := below(path, name)
		if err := unix.Statx(fd, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &st); err != nil {
			if err := w.moved(full, err); err != nil {
				return nil, err
			}
			continue
		}
		if len(full) > maxPath {
			return nil, w.moved(full, unix.ENAMETOOLONG)
		}
		c := w.node(name, &st)
		switch {
		case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 || !carried(&st):
			w.count(func(s *Summary) { s.Ignored++ })
			continue
		case st.Mode&unix.S_IFMT == unix.S_IFREG:
			if r, ok := w.cache.look(&st); ok {
				c.Content, c.Xattrs = r.content, r.xattrs
				w.keep(c.id, r)
			} else {
				files = append(files, toHash{c, st})
			}
		default:
			if err := w.small(fd, c); err != nil {
				if err := w.moved(full, err); err != nil {
					return nil, err
				}
				continue
			}
		}
		n.below = append(n.below, c)
	}
	return files, nil
}

func carried(st *unix.Statx_t) bool {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK, unix.S_IFIFO:
		return true
	}
	return false
}

func (w *walker) node(name string, st *unix.Statx_t) *node {
	n := &node{id: inodeOf(st), nlink: st.Nlink}
	n.Name, n.Mode, n.Sec, n.Nsec = name, uint32(st.Mode), st.Mtime.Sec, st.Mtime.Nsec
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		n.Size = int64(st.Size)
	}
	if w.opts.IgnoreOwners {
		return n
	}
	n.UID, n.GID = st.Uid, st.Gid
	if w.opts.MapUID != nil {
		n.UID = w.opts.MapUID(st.Uid)
	}
	if w.opts.MapGID != nil {
		n.GID = w.opts.MapGID(st.Gid)
	}
	return n
}

// small reads what is not a file: a link's target, a FIFO's attributes. A directory's are read when it is open.
func (w *walker) small(fd int, n *node) (err error) {
	switch n.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		buf := make([]byte, maxPath+1)
		k, err := unix.Readlinkat(fd, n.Name, buf)
		if errors.Is(err, unix.EINVAL) {
			return ErrMoved
		}
		if err != nil {
			return err
		}
		n.Target = string(buf[:k])
	case unix.S_IFIFO:
		n.Xattrs, err = w.xattrs(attrFile{fd: fd, name: n.Name})
	}
	return err
}

// hashAll reads the files of one directory, several at a time while goroutines are free.
func (w *walker) hashAll(ctx context.Context, dir int, path string, files []toHash) error {
	var pending sync.WaitGroup
	defer pending.Wait() // the directory's descriptor is theirs too
	for i := range files {
		work := func() error { return w.hash(ctx, dir, path, &files[i]) }
		pending.Add(1)
		if w.all.TryGo(func() error { defer pending.Done(); return work() }) {
			continue
		}
		pending.Done()
		if err := work(); err != nil {
			return err
		}
	}
	return nil
}

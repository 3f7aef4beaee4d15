package sqlite

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func openDirBeneath(root, dir string) (*os.File, error) {
	r, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(r)
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd, err := retry(func() (int, error) { return unix.Openat2(r, dir, &how) })
	if err == unix.ELOOP {
		return nil, ErrSymlink
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(root, dir)), nil
}

// retry repeats a call that a signal or a rename on the way interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR && err != unix.EAGAIN {
			return n, err
		}
	}
}

// openRegular opens without following a link and without waiting on a pipe.
func openRegular(dir *os.File, name string, flags int, mode os.FileMode) (*os.File, error) {
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	var st unix.Stat_t
	// Looked at before it is opened too: opening a device has effects.
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
		if err := regular(st.Mode); err != nil {
			return nil, err
		}
	}
	fd, err := unix.Openat(int(dir.Fd()), name, flags, uint32(mode.Perm()))
	if err == unix.ELOOP {
		return nil, ErrSymlink
	}
	if err != nil {
		return nil, err
	}
	err = unix.Fstat(fd, &st)
	if err == nil {
		err = regular(st.Mode)
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name)), nil
}

func regular(mode uint32) error {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFLNK:
		return ErrSymlink
	}
	return ErrNotRegular
}

func toStamp(st *unix.Stat_t) Stamp {
	return Stamp{Dev: uint64(st.Dev), Ino: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano()}
}

func stampAt(dir *os.File, name string) (Stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Stamp{}, err
	}
	if err := regular(st.Mode); err != nil {
		return Stamp{}, err
	}
	return toStamp(&st), nil
}

func stampOf(f *os.File) (Stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Stamp{}, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	return toStamp(&st), nil
}

func removeAt(dir *os.File, name string) error {
	if err := unix.Unlinkat(int(dir.Fd()), name, 0); err != nil {
		return err
	}
	return nil
}

func dirPath(d *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", d.Fd()) }

// dirName is where SQLite will find the directory to be, after links.
func dirName(d *os.File) string {
	if name, err := os.Readlink(dirPath(d)); err == nil {
		return name
	}
	return d.Name()
}

// setTime sets the modification time, in nanoseconds since 1970.
func (p *place) setTime(suffix string, mtime int64) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(mtime)}
	if err := unix.UtimesNanoAt(int(p.dir.Fd()), p.base+suffix, ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set the time of %s%s: %w", p.file, suffix, err)
	}
	return nil
}

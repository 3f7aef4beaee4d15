//go:build linux

package files

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// one removes or makes a directory.
func (v *receiver) one(k kind, path string) error {
	if err := v.check(path); err != nil {
		return err
	}
	v.gen.Add(1)
	if k == frameRemove {
		v.count(func(s *Stats) { s.Removed++ })
		if dir, _ := split(path); !v.root && v.exists(dir) {
			if _, _, err := v.parent(&v.dir, path); err != nil {
				return fail("remove", path, err)
			}
		}
		return v.t.remove(path)
	}
	v.count(func(s *Stats) { s.Dirs++ })
	fd, name, err := v.parent(&v.dir, path)
	if err != nil {
		return fail("make", path, err)
	}
	err = unix.Mkdirat(fd, name, 0o700)
	if errors.Is(err, unix.EEXIST) {
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return nil
		}
		if _, err := unlinkAt(fd, name); err != nil {
			return fail("remove", path, err)
		}
		err = unix.Mkdirat(fd, name, 0o700)
	}
	return fail("make", path, err)
}

func (v *receiver) exists(dir string) bool {
	fd, err := v.t.dir(dir)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

func stashName(id uint64) string { return "m" + strconv.FormatUint(id, 10) }

func (v *receiver) tempName() string { return "f" + strconv.FormatUint(v.temp.Add(1), 10) }

// move handles the frames that give a file another or one more name.
func (v *receiver) move(k kind, m move) error {
	v.gen.Add(1)
	stage, err := v.reserve()
	if err != nil {
		return err
	}
	if k == framePlace {
		v.count(func(s *Stats) { s.Renames++ })
		return v.settle(&v.dir, stage, stashName(m.ID), m.To)
	}
	from, name, err := v.parent(&v.dir, m.From)
	if err != nil {
		return fail("move", m.From, err)
	}
	switch k {
	case frameStash:
		return fail("move", m.From, missing(unix.Renameat(from, name, stage, stashName(m.ID))))
	case frameRename:
		v.count(func(s *Stats) { s.Renames++ })
		return v.settle(&v.into, from, name, m.To)
	}
	v.count(func(s *Stats) { s.Links++ })
	temp := v.tempName()
	if err := unix.Linkat(from, name, stage, temp, 0); err != nil {
		return fail("link", m.From, missing(err))
	}
	if err := v.settle(&v.into, stage, temp, m.To); err != nil {
		return err
	}
	unix.Unlinkat(stage, temp, 0) // rename does nothing when both are the same file already
	return nil
}

func missing(err error) error {
	if vanished(err) {
		return fmt.Errorf("%w (%w)", ErrBase, err)
	}
	return err
}

// settle gives a file, in the stage or elsewhere, its final name, in place of whatever is there.
func (v *receiver) settle(d *dirCache, from int, temp, path string) error {
	fd, name, err := v.parent(d, path)
	if err != nil {
		return fail("write", path, err)
	}
	err = again0(func() error { return unix.Renameat(from, temp, fd, name) })
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTDIR) {
		if err := v.t.remove(path); err != nil {
			return err
		}
		err = unix.Renameat(from, temp, fd, name)
	}
	return fail("write", path, missing(err))
}

func again0(f func() error) error {
	_, err := again(func() (struct{}, error) { return struct{}{}, f() })
	return err
}

package sqlite

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// identity is whose rights SQLite works with at the origin. The files beside a
// database are the account's, and SQLite believes them: a directory can become
// a link at the wrong moment, and a rollback journal can name a file elsewhere
// that is deleted after the rollback. An agent that runs as root must not do
// that as root.
type identity struct {
	uid, gid int
	drop     bool // the process is root and the owner is not
}

// owner is who owns the file, or if that is root, who owns the directory and
// so decides what lies beside the file.
func (p *place) owner() (identity, error) {
	if os.Geteuid() != 0 {
		return identity{}, nil
	}
	var file, dir unix.Stat_t
	if err := unix.Fstatat(int(p.dir.Fd()), p.base, &file, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return identity{}, fmt.Errorf("stat %s: %w", p.file, err)
	}
	if err := unix.Fstat(int(p.dir.Fd()), &dir); err != nil {
		return identity{}, fmt.Errorf("stat the directory of %s: %w", p.file, err)
	}
	st := file
	if file.Uid == 0 {
		st = dir
	}
	return identity{uid: int(st.Uid), gid: int(st.Gid), drop: st.Uid != 0}, nil
}

// run calls do with the file system rights of i, on this thread alone. The
// kernel takes root's powers over files away with the user id for files.
func (i identity) run(do func() error) error {
	if !i.drop {
		return do()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	groups, err := unix.Getgroups()
	if err != nil {
		return fmt.Errorf("take the rights of user %d: %w", i.uid, err)
	}
	defer func() {
		// In this order: the group list needs root. None of it can be refused
		// to a thread whose effective user is root; one that kept the account's
		// rights would only be refused things.
		_, _ = unix.SetfsuidRetUid(0)
		_, _ = unix.SetfsgidRetGid(os.Getegid())
		_ = setGroups(groups)
	}()
	if err := setGroups([]int{i.gid}); err != nil {
		return fmt.Errorf("take the rights of user %d: %w", i.uid, err)
	}
	_, _ = unix.SetfsgidRetGid(i.gid)
	_, _ = unix.SetfsuidRetUid(i.uid)
	// The calls do not say whether they worked; asking with an impossible id does.
	if now, _ := unix.SetfsuidRetUid(-1); now != i.uid {
		return fmt.Errorf("take the rights of user %d: %w", i.uid, unix.EPERM)
	}
	return do()
}

// setGroups sets the groups of this thread; the syscall package would set those of all.
func setGroups(groups []int) error {
	list := make([]uint32, len(groups), len(groups)+1)
	for i, g := range groups {
		list[i] = uint32(g)
	}
	list = slices.Grow(list, 1)
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(list))), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

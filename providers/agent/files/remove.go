//go:build linux

package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// removeBatch is how many subdirectories of one directory are remembered at a time.
const removeBatch = 1024

// remove deletes whatever is at path, with all below it; nothing there is fine. It keeps paths instead of descriptors
// and rereads a directory until it is empty, so depth and width cost no memory.
func (t *tree) remove(path string) error {
	gone, err := t.unlink(path)
	if gone || err != nil {
		return fail("remove", path, err)
	}
	for todo := []string{path}; len(todo) > 0; {
		p := todo[len(todo)-1]
		below, err := t.empty(p)
		if err != nil {
			return err
		}
		if len(below) > 0 {
			todo = append(todo, below...)
			continue
		}
		err = t.rmdir(p)
		if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
			continue
		}
		if err != nil {
			return fail("remove", p, err)
		}
		todo = todo[:len(todo)-1]
	}
	return nil
}

// unlink deletes what is not a directory.
func (t *tree) unlink(path string) (gone bool, err error) {
	dir, name := split(path)
	fd, err := t.dir(dir)
	if vanished(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	return unlinkAt(fd, name)
}

func unlinkAt(fd int, name string) (gone bool, err error) {
	err = unix.Unlinkat(fd, name, 0)
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
		return true, nil
	case errors.Is(err, unix.EISDIR):
		return false, nil
	case errors.Is(err, unix.EACCES) && os.Geteuid() != 0:
		if err := writable(fd); err != nil {
			return false, err
		}
		err = unix.Unlinkat(fd, name, 0)
		if errors.Is(err, unix.EISDIR) {
			return false, nil
		}
	}
	return err == nil, err
}

func (t *tree) rmdir(path string) error {
	dir, name := split(path)
	fd, err := t.dir(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
}

// empty deletes the files of a directory and returns some of its subdirectories.
func (t *tree) empty(path string) (below []string, err error) {
	fd, err := t.dir(path)
	if errors.Is(err, unix.EACCES) && os.Geteuid() != 0 {
		if err := t.permit(path); err != nil {
			return nil, fail("remove", path, err)
		}
		fd, err = t.dir(path)
	}
	if err != nil {
		return nil, fail("open", path, err)
	}
	dir := os.NewFile(uintptr(fd), "")
	defer dir.Close()
	for len(below) < removeBatch {
		names, err := dir.Readdirnames(removeBatch)
		if len(names) == 0 {
			break
		}
		if err != nil {
			return nil, fail("read", path, err)
		}
		for _, name := range names {
			gone, err := unlinkAt(fd, name)
			if err != nil {
				return nil, fail("remove", join(path, name), err)
			}
			if !gone {
				below = append(below, join(path, name))
			}
		}
	}
	return below, nil
}

// permit opens up a directory of ours that its mode keeps shut.
func (t *tree) permit(path string) error {
	dir, name := split(path)
	fd, err := t.dir(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	at, err := unix.Openat(fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return unix.Chmod(procPath(at), 0o700)
}

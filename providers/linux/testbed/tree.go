//go:build linux

package testbed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mountTree builds the tree of a host and makes it the root of the calling
// process, which must be in a mount namespace of its own.
func mountTree(s spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	root := filepath.Join(s.Dir, "root")
	if err := mountOverlay(s, root); err != nil {
		return err
	}
	for _, m := range []struct {
		kind, at, data string
		flags          uintptr
	}{
		{"tmpfs", "run", "mode=755", unix.MS_NOSUID | unix.MS_NODEV},
		{"tmpfs", "tmp", "mode=1777", unix.MS_NOSUID | unix.MS_NODEV},
		{"proc", "proc", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"sysfs", "sys", "", unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"tmpfs", "dev", "mode=755", unix.MS_NOSUID | unix.MS_NOEXEC},
	} {
		if err := unix.Mount(m.kind, filepath.Join(root, m.at), m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	if err := devices(filepath.Join(root, "dev")); err != nil {
		return err
	}
	if err := guardProc(filepath.Join(root, "proc")); err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	// The old root goes under the new one and is let go from there.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the machine's tree: %w", err)
	}
	return os.Chdir("/")
}

// mountOverlay lays the host's own layer over the cached root. Without
// Durable, calls to fsync cost nothing: a host that is killed keeps its data,
// for the machine goes on; only a crash of the machine would lose it.
func mountOverlay(s spec, root string) error {
	work := filepath.Join(s.Dir, "work")
	for _, d := range []string{root, work, filepath.Join(s.Dir, "upper")} {
		if strings.ContainsAny(d, ",:\\") {
			return fmt.Errorf("%s: the name of a bed's directory cannot contain a comma, a colon or a backslash", d)
		}
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	// A volatile layer that was not unmounted in order is refused the next time.
	if err := os.RemoveAll(filepath.Join(work, "work", "incompat")); err != nil {
		return err
	}
	data := "lowerdir=" + s.Lower + ",upperdir=" + filepath.Join(s.Dir, "upper") + ",workdir=" + work
	if !s.Durable {
		if err := unix.Mount("overlay", root, "overlay", 0, data+",volatile"); err == nil {
			return nil
		}
	}
	err := unix.Mount("overlay", root, "overlay", 0, data)
	if err == nil {
		return nil
	}
	if on, kind := onOverlay(s.Dir); on {
		return fmt.Errorf("overlay over %s: %w: it is on %s itself; set %s to a directory on ext4, xfs or tmpfs", s.Dir, err, kind, cacheEnv)
	}
	return fmt.Errorf("overlay over %s: %w", s.Dir, err)
}

func onOverlay(dir string) (bool, string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false, ""
	}
	return st.Type == unix.OVERLAYFS_SUPER_MAGIC, "an overlay"
}

// devices fills a host's /dev. No device of the machine is there but those
// that hold nothing.
func devices(dev string) error {
	for _, d := range []struct {
		name         string
		major, minor uint32
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		p := filepath.Join(dev, d.name)
		err := unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor)))
		if errors.Is(err, unix.EPERM) { // a container without the right: the machine's own
			if err = os.WriteFile(p, nil, 0o666); err == nil {
				err = unix.Mount("/dev/"+d.name, p, "", unix.MS_BIND, "")
			}
		}
		if err != nil {
			return fmt.Errorf("/dev/%s: %w", d.name, err)
		}
		if err := os.Chmod(p, 0o666); err != nil {
			return err
		}
	}
	for _, m := range []struct{ kind, name, data string }{
		{"devpts", "pts", "newinstance,ptmxmode=0666,mode=620,gid=5"},
		{"tmpfs", "shm", "mode=1777"},
	} {
		p := filepath.Join(dev, m.name)
		if err := os.Mkdir(p, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, p, m.kind, unix.MS_NOSUID|unix.MS_NOEXEC, m.data); err != nil {
			return fmt.Errorf("/dev/%s: %w", m.name, err)
		}
	}
	for name, target := range map[string]string{"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink(target, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	return nil
}

// guardProc makes the machine's settings unwritable. Those of the network are
// the host's own and stay writable.
func guardProc(proc string) error {
	sys, net := filepath.Join(proc, "sys"), filepath.Join(proc, "sys/net")
	for _, p := range []string{net, sys} {
		if err := unix.Mount(p, p, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("guard %s: %w", p, err)
		}
	}
	guarded := []string{sys}
	// Not every kernel has it.
	if trigger := filepath.Join(proc, "sysrq-trigger"); unix.Mount(trigger, trigger, "", unix.MS_BIND, "") == nil {
		guarded = append(guarded, trigger)
	}
	for _, p := range guarded {
		flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
		if err := unix.Mount("", p, "", flags, ""); err != nil {
			return fmt.Errorf("guard %s: %w", p, err)
		}
	}
	return nil
}

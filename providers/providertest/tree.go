package providertest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Tree describes everything below dir that a copy has to have: by path, type,
// mode, owner, time, content, link target, attributes, and which names are one
// file. It is made without any code of the product.
func Tree(dir string) (map[string]string, error) {
	out, first := map[string]string{}, map[uint64]string{}
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		line, err := describe(p, rel, first)
		out[rel] = line
		return err
	})
	return out, err
}

func describe(p, rel string, first map[uint64]string) (string, error) {
	info, err := os.Lstat(p)
	if err != nil {
		return "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("stat %q: no system data", p)
	}
	line := fmt.Sprintf("%v %d:%d", info.Mode(), st.Uid, st.Gid)
	if info.Mode()&fs.ModeSymlink == 0 && rel != "." {
		line += fmt.Sprintf(" %d", info.ModTime().UnixNano())
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(p)
		return line + " -> " + target, err
	case info.Mode().IsRegular():
		b, err := os.ReadFile(p)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" %d %x", len(b), sha256.Sum256(b))
		if have, ok := first[st.Ino]; ok {
			line += " same as " + have
		}
		first[st.Ino] = rel
	case !info.IsDir():
		return line, nil
	}
	x, err := attributes(p)
	return line + x, err
}

func attributes(p string) (string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(p, buf)
	if errors.Is(err, unix.ENOTSUP) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("attributes of %q: %w", p, err)
	}
	var names []string
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if strings.HasPrefix(name, "user.") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := ""
	for _, name := range names {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(p, name, value)
		if err != nil {
			return "", fmt.Errorf("attribute %s of %q: %w", name, p, err)
		}
		out += fmt.Sprintf(" %s=%x", name, value[:n])
	}
	return out, nil
}

// TreeDiff names what differs, at most ten things.
func TreeDiff(want, have map[string]string) []string {
	var out []string
	for p, w := range want {
		if h, ok := have[p]; !ok {
			out = append(out, fmt.Sprintf("%q is missing (%s)", p, w))
		} else if h != w {
			out = append(out, fmt.Sprintf("%q is %s, want %s", p, h, w))
		}
	}
	for p, h := range have {
		if _, ok := want[p]; !ok {
			out = append(out, fmt.Sprintf("%q is too many (%s)", p, h))
		}
	}
	slices.Sort(out)
	return out[:min(len(out), 10)]
}

// FillHard puts into a home what copies get wrong: links that lead out, hard
// links, holes, attributes, FIFOs, odd modes, times and names.
func FillHard(home string) error {
	at := func(name string) string { return filepath.Join(home, name) }
	steps := []func() error{
		func() error { return os.MkdirAll(at("deep/er/\xff\nline"), 0o750) },
		func() error { return os.WriteFile(at("deep/er/\xff\nline/-rf *"), []byte("odd"), 0o640) },
		func() error { return os.WriteFile(at("empty"), nil, 0o600) },
		func() error { return os.Symlink("/etc/passwd", at("outside")) },
		func() error { return os.Symlink("../../../../../../etc", at("deep/up")) },
		func() error { return os.Symlink("nowhere", at("dangling")) },
		func() error { return os.WriteFile(at("one"), []byte("one file, two names"), 0o644) },
		func() error { return os.Link(at("one"), at("deep/two")) },
		func() error { return sparse(at("sparse")) },
		func() error { return unix.Mkfifo(at("fifo"), 0o620) },
		func() error { return attribute(at("one")) },
		func() error { return os.WriteFile(at("setuid"), []byte("s"), 0o755) },
		func() error { return os.Chmod(at("setuid"), 0o755|fs.ModeSetuid|fs.ModeSticky) },
		func() error { return os.Mkdir(at("locked"), 0o700) },
		func() error { return os.WriteFile(at("locked/read only"), []byte("r"), 0o400) },
		func() error { return os.Chmod(at("locked"), 0o500) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("fill %s, step %d: %w", home, i, err)
		}
	}
	ts := []unix.Timespec{{Sec: 981173106, Nsec: 123456789}, {Sec: 981173106, Nsec: 987654321}}
	return unix.UtimesNanoAt(unix.AT_FDCWD, at("setuid"), ts, 0)
}

// sparseSize is the size of the file that is nearly all hole.
const sparseSize = 8 << 20

func sparse(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("in the middle"), sparseSize/2)
	return errors.Join(err, f.Truncate(sparseSize), f.Close())
}

func attribute(name string) error {
	err := unix.Setxattr(name, "user.stopover.test", []byte{0, 1, 255}, 0)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}

// allocated is how much of a file takes space.
func allocated(name string) (int64, error) {
	var st unix.Stat_t
	err := unix.Lstat(name, &st)
	return st.Blocks * 512, err
}

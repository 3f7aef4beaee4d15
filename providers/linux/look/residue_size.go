//go:build linux

package look

import (
	"context"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// measure counts the bytes and files below a directory. Other file systems of
// this machine that are mounted in it count, those of other machines do not.
func (o *whose) measure(ctx context.Context, dir string, depth int) *measured {
	t, err := o.r.openTree(dir)
	if err != nil {
		return &measured{files: 1} // something is there
	}
	defer t.close()
	m := &measured{o: o, t: t, buf: make([]byte, 64<<10)}
	todo := []string{""}
	for len(todo) > 0 && ctx.Err() == nil {
		p := todo[len(todo)-1]
		todo = m.dir(p, todo[:len(todo)-1])
	}
	for _, p := range m.mounts {
		full := filepath.Join(dir, p)
		if depth < 8 && !o.remote(full) {
			n := o.measure(ctx, full, depth+1)
			m.bytes, m.files, m.links = m.bytes+n.bytes, m.files+n.files, m.links+n.links
		} else {
			m.files++
		}
	}
	return m
}

// remote says whether what is mounted at a path is not to be entered.
func (o *whose) remote(path string) bool {
	for _, m := range o.r.mountTable() {
		if m.path == path {
			return remoteKind(m.kind) || kernelOnly(m.kind)
		}
	}
	return true // gone meanwhile
}

// measured is a directory being counted.
type measured struct {
	o            *whose
	t            *tree
	buf          []byte
	stat         stater
	bytes, files int64 // of all but links and directories
	links        int64
	mounts       []string
}

// dir counts one directory and adds those below to what is left to do.
func (m *measured) dir(path string, todo []string) []string {
	fd, err := m.t.dir(path)
	if err == unix.EXDEV {
		if len(m.mounts) < 100 {
			m.mounts = append(m.mounts, path)
		}
		return todo
	}
	if err != nil {
		m.files++ // unreadable is not empty
		return todo
	}
	defer unix.Close(fd)
	for {
		n, err := again(func() (int, error) { return unix.Getdents(fd, m.buf) })
		if err != nil || n <= 0 {
			return todo
		}
		for rest := m.buf[:n]; ; {
			name, _, size := nextDirent(rest)
			if size == 0 {
				break
			}
			rest = rest[size:]
			if name == nil {
				continue
			}
			if m.o.counted++; m.o.counted > maxCounted {
				m.o.cut = true
				return nil
			}
			info, err := m.stat.at(fd, &name[0])
			if err != nil {
				continue
			}
			if info.mode&unix.S_IFMT == unix.S_IFDIR {
				if p := joinPath(path, string(name[:len(name)-1])); len(p) < maxPath {
					todo = append(todo, p)
				}
				continue
			}
			if info.mode&unix.S_IFMT == unix.S_IFLNK {
				m.links++
				continue
			}
			m.files++
			if info.mode&unix.S_IFMT == unix.S_IFREG && (info.nlink <= 1 || m.o.inodes.first(info)) {
				m.bytes += info.size
			}
		}
	}
}

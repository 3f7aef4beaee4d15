//go:build linux

package look

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/mention"
	"github.com/stopover/stopover/schema"
)

// maxPath is the longest path, in bytes, that can be named in one call.
const maxPath = unix.PathMax - 1

// reader reads one directory after the other, with as few system calls and
// allocations as that takes. It is not for concurrent use.
type reader struct {
	f       *walk
	dirents []byte
	stat    stater
	text    []byte // of the file that is read
	link    []byte

	// Of the directory that is read.
	j       dirJob
	fd      int
	bytes   int64
	entries int64
	more    []dirJob
	notes   *surrounding // files that say something together
	s       search

	folder                 *folder // of the mailbox, if its messages are here
	messages, messageBytes int64
}

func newReader(f *walk) *reader {
	return &reader{f: f, dirents: make([]byte, 64<<10), link: make([]byte, unix.PathMax)}
}

// dir reads a directory and returns those below it.
func (r *reader) dir(j dirJob) []dirJob {
	t, err := j.in.open(r.f.w)
	if err != nil {
		if !j.in.a.homeless || j.in.box != nil { // else it was said with the user
			j.in.unreadable(j.path, err)
		}
		return nil
	}
	fd, err := t.dir(j.path)
	if err != nil {
		r.refused(j, err)
		return nil
	}
	defer unix.Close(fd)
	r.j, r.fd, r.bytes, r.entries, r.notes, r.more = j, fd, 0, 0, nil, nil
	r.folder, r.messages, r.messageBytes = nil, 0, 0
	if t.walk.Load() && j.path != "" { // openat2 would have seen it
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err == nil && st.Dev != j.in.dev {
			r.refused(j, unix.EXDEV)
			return nil
		}
	}
	if j.box != nil {
		r.folder = j.box.messages(j.path)
	}
	for {
		n, err := again(func() (int, error) { return unix.Getdents(fd, r.dirents) })
		if err != nil && !vanished(err) {
			j.in.unreadable(j.path, err)
		}
		if err != nil || n <= 0 || r.f.halted() {
			break
		}
		r.batch(r.dirents[:n])
	}
	r.leave()
	return r.more
}

// refused notes why a directory was not entered.
func (r *reader) refused(j dirJob, err error) {
	switch {
	case err == unix.EXDEV:
		r.found(j.in, "mount-point", j.path, schema.Blocker)
	case !vanished(err):
		j.in.unreadable(j.path, err)
	}
}

// batch looks at the entries of one call.
func (r *reader) batch(buf []byte) {
	for {
		name, kind, size := nextDirent(buf)
		if size == 0 {
			return
		}
		buf = buf[size:]
		if name != nil {
			r.entry(name, kind)
		}
	}
}

// entry looks at one name, which ends in a zero byte.
func (r *reader) entry(name []byte, kind byte) {
	r.entries++
	plain := name[:len(name)-1]
	var info fileInfo
	switch kind {
	case unix.DT_DIR, unix.DT_LNK, unix.DT_FIFO, unix.DT_SOCK, unix.DT_CHR, unix.DT_BLK:
	default:
		if kind == unix.DT_UNKNOWN && len(r.j.in.mounts) > 0 && r.j.in.mounts[joinPath(r.j.path, string(plain))] {
			kind = unix.DT_DIR // not asked: it may hang
			break
		}
		var err error
		if info, err = r.stat.at(r.fd, &name[0]); err != nil {
			r.entries--
			if !vanished(err) {
				r.j.in.unreadable(joinPath(r.j.path, string(plain)), err)
			}
			return
		}
		kind = byte(info.mode & unix.S_IFMT >> 12)
	}
	switch kind {
	case unix.DT_DIR:
		r.below(string(plain))
	case unix.DT_REG:
		r.regular(name, info)
	case unix.DT_LNK:
		r.symlink(string(plain))
	case unix.DT_SOCK:
		r.found(r.j.in, "socket", joinPath(r.j.path, string(plain)), schema.Info)
	case unix.DT_CHR, unix.DT_BLK:
		r.found(r.j.in, "device", joinPath(r.j.path, string(plain)), schema.Blocker)
	}
}

// below notes a directory for later.
func (r *reader) below(name string) {
	j := r.j
	j.path = joinPath(r.j.path, name)
	j.depth++
	if len(j.path) > maxPath {
		r.found(j.in, "long-path", j.path, schema.Blocker)
		return
	}
	if j.in.mounts[j.path] {
		r.found(j.in, "mount-point", j.path, schema.Blocker)
		return
	}
	if b := j.in.inner[j.path]; b != nil && j.box == nil {
		j.box = b
		r.entries-- // mail is not among the files
	}
	if j.box == nil {
		j.foreign = j.foreign || mention.Foreign(name) || library(name)
		r.directory(name)
	}
	r.more = append(r.more, j)
}

// regular counts a file, and reads it if it may say something.
func (r *reader) regular(name []byte, info fileInfo) {
	plain := name[:len(name)-1]
	if info.mount {
		r.found(r.j.in, "mount-point", joinPath(r.j.path, string(plain)), schema.Blocker)
		return
	}
	count := &r.j.in.count
	if r.j.box != nil {
		count = &r.j.box.count
	}
	if info.nlink <= 1 || count.first(info) {
		r.bytes += info.size
	}
	if r.j.box != nil {
		r.mailFile(plain, info)
		return
	}
	if len(r.j.path)+1+len(plain) > maxPath {
		r.found(r.j.in, "long-path", joinPath(r.j.path, string(plain)), schema.Blocker)
		return
	}
	if what := r.f.c.worth(plain, info, &r.j); what != 0 {
		r.content(name, info, what)
	}
}

// symlink looks where a link leads.
func (r *reader) symlink(name string) {
	n, err := unix.Readlinkat(r.fd, name, r.link)
	if err != nil {
		return // it is gone, or no link any more
	}
	target := string(r.link[:n])
	path := joinPath(r.j.path, name)
	if r.leadsOut(path, target) {
		r.j.in.h.links.add(schema.Link{Path: r.j.in.name(path), Target: target})
	}
}

// leadsOut says whether a link leads out of the territory, as the kernel would
// follow it. An absolute target counts as outside, even one that names this very
// home: it lies somewhere else on another server. Where the way ends at
// something missing the target is looked at as it is written.
func (r *reader) leadsOut(path, target string) bool {
	if strings.HasPrefix(target, "/") {
		return true
	}
	if t := r.j.in.t; !t.walk.Load() {
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV}
		fd, err := again(func() (int, error) { return unix.Openat2(t.fd, path, &how) })
		if err == nil {
			unix.Close(fd)
			return false
		}
		if err == unix.EXDEV {
			return true
		}
	}
	depth := strings.Count(path, "/")
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// found notes what cannot be carried; the codes are those of the copier.
func (r *reader) found(t *territory, code, path, severity string) {
	name := t.name(path)
	t.h.findings.add(schema.Finding{Code: foundFile + code, Severity: severity, Object: name,
		Summary: fmt.Sprintf("%s cannot be carried: %s", schema.QuoteName(name), code),
		Remedy:  "look whether it is needed; what makes it (a program, a mount) has to make it again on the other server"})
}

// foundFile begins the codes of what cannot be carried.
const foundFile = "file-"

// leave puts what was counted in a directory to the rest.
func (r *reader) leave() {
	if r.j.box != nil {
		r.j.box.count.add(r.bytes, r.entries)
		if r.folder != nil {
			r.j.box.mu.Lock()
			r.folder.Messages += r.messages
			r.folder.Bytes += r.messageBytes
			r.j.box.mu.Unlock()
		}
		return
	}
	r.j.in.count.add(r.bytes, r.entries)
	if r.notes != nil {
		r.environments()
	}
}

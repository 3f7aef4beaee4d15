//go:build linux

package look

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// identity tells one installation from another. The machine's own number is not
// handed out: what others derive from it stays theirs (machine-id(5)).
func (r root) identity() (machine, boot string) {
	id := cmpOr(r.word("/etc/machine-id"), r.word("/var/lib/dbus/machine-id"))
	if len(id) < 32 { // "uninitialized", or nothing
		return "", r.word("/proc/sys/kernel/random/boot_id")
	}
	h := hmac.New(sha256.New, []byte(id))
	h.Write([]byte("stopover"))
	return hex.EncodeToString(h.Sum(nil)[:16]), r.word("/proc/sys/kernel/random/boot_id")
}

// hardware fills processors, memory and when the machine was started.
func (r root) hardware(s *schema.System) {
	b, _ := r.read("/proc/cpuinfo", 8<<20)
	lines(b, func(_ int, line string) bool {
		if k, _, _ := strings.Cut(line, ":"); strings.TrimSpace(k) == "processor" {
			s.CPUs++
		}
		return true
	})
	b, _ = r.read("/proc/meminfo", smallFile)
	lines(b, func(_ int, line string) bool {
		f := strings.Fields(line)
		if len(f) >= 2 && f[0] == "MemTotal:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			s.Memory = n << 10
			return false
		}
		return true
	})
	b, _ = r.read("/proc/stat", 8<<20)
	lines(b, func(_ int, line string) bool {
		if v, ok := strings.CutPrefix(line, "btime "); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
				s.Booted = time.Unix(n, 0).UTC()
			}
			return false
		}
		return true
	})
}

// mountLine is one line of /proc/self/mountinfo.
type mountLine struct {
	dev, root, path, options, kind, device, super string
}

// mountTable reads /proc/self/mountinfo: the last mount of a path is the one
// that is seen.
func (r root) mountTable() []mountLine {
	b, _ := r.read("/proc/self/mountinfo", 8<<20)
	return parseMounts(b)
}

func parseMounts(b []byte) []mountLine {
	at := map[string]int{}
	var list []mountLine
	lines(b, func(_ int, line string) bool {
		f := strings.Fields(line)
		sep := slices.Index(f, "-")
		if sep < 6 || len(f) < sep+4 {
			return true
		}
		m := mountLine{dev: f[2], root: octal(f[3]), path: octal(f[4]), options: f[5], kind: f[sep+1], device: octal(f[sep+2]), super: f[sep+3]}
		if i, ok := at[m.path]; ok {
			list[i] = m
		} else {
			at[m.path] = len(list)
			list = append(list, m)
		}
		return len(list) < 20_000
	})
	return list
}

// octal takes the kernel's escapes of blanks (\040) away.
func octal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// kernelOnly says whether a file system holds nothing that anybody put there.
func kernelOnly(kind string) bool {
	switch kind {
	case "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "mqueue", "debugfs", "tracefs", "securityfs", "pstore", "bpf", "configfs",
		"fusectl", "hugetlbfs", "autofs", "binfmt_misc", "rpc_pipefs", "nsfs", "efivarfs", "selinuxfs", "squashfs", "ramfs", "fuse.lxcfs":
		return true
	}
	return false
}

// remoteKind says whether a file system is that of another machine, which may
// not answer.
func remoteKind(kind string) bool {
	switch kind {
	case "nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "9p", "afs", "lustre", "ocfs2", "davfs", "fuse.davfs2":
		return true
	}
	return strings.HasPrefix(kind, "fuse.") || kind == "fuse"
}

// mounts lists the file systems that hold something of users.
func (r root) mounts() []schema.Mount {
	var list []schema.Mount
	seen := map[string]bool{}
	for _, m := range r.mountTable() {
		if kernelOnly(m.kind) || under(m.path, "/proc") || under(m.path, "/sys") || under(m.path, "/dev") || m.kind == "tmpfs" && under(m.path, "/run") {
			continue
		}
		if m.kind == "overlay" && strings.Contains(m.path, "/containers/") || strings.HasPrefix(m.path, "/var/lib/docker/") {
			continue
		}
		if st, err := r.stat(m.path); !remoteKind(m.kind) && (err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR) {
			continue // a file that is mounted on a file, as containers have them
		}
		x := schema.Mount{Path: m.path, Device: m.device, Type: m.kind, Options: joinOptions(m.options, m.super), Quota: hasQuota(m.super)}
		if fs, ok := r.statfs(m.path, remoteKind(m.kind)); ok {
			x.Bytes, x.Free = int64(fs.Blocks)*fs.Bsize, int64(fs.Bavail)*fs.Bsize
			x.Inodes, x.FreeInodes = int64(fs.Files), int64(fs.Ffree)
		}
		if !seen[m.path] {
			seen[m.path] = true
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(x, y schema.Mount) int { return cmp.Compare(x.Path, y.Path) })
	return list[:min(len(list), 1000)]
}

// joinOptions is those of the mount and those of the file system, each once.
func joinOptions(mount, super string) string {
	list := strings.Split(mount, ",")
	for o := range strings.SplitSeq(super, ",") {
		k, _, _ := strings.Cut(o, "=")
		if secretKey(k) { // cifs and the like
			o = k + "=" + secretIsSet
		}
		if len(o) > 200 { // layers of an overlay
			o = k + "=…"
		}
		if !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	return strings.Join(list, ",")
}

func hasQuota(super string) bool {
	for o := range strings.SplitSeq(super, ",") {
		k, _, _ := strings.Cut(o, "=")
		switch k {
		case "usrquota", "quota", "usrjquota", "uquota", "uqnoenforce", "prjquota":
			return true
		}
	}
	return false
}

// statfs asks for the room of a file system. One of another machine is given a
// few seconds.
func (r root) statfs(path string, remote bool) (unix.Statfs_t, bool) {
	ask := func() (unix.Statfs_t, bool) {
		var st unix.Statfs_t
		fd, err := r.handle(path, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return st, false
		}
		defer unix.Close(fd)
		return st, unix.Fstatfs(fd, &st) == nil
	}
	if !remote {
		return ask()
	}
	type answer struct {
		st unix.Statfs_t
		ok bool
	}
	got := make(chan answer, 1)
	go func() {
		st, ok := ask()
		got <- answer{st, ok}
	}()
	select {
	case a := <-got:
		return a.st, a.ok
	case <-time.After(3 * time.Second):
		return unix.Statfs_t{}, false
	}
}

// room fills what is free where the homes are: on the largest of the file
// systems that hold the first part of the layout's globs which is no wildcard.
func (r root) room(f *schema.FoundServer, homes []string) {
	seen := map[uint64]bool{}
	for _, g := range homes {
		dir := fixedPart(g)
		for dir != "/" && !r.isDir(dir) {
			dir = filepath.Dir(dir)
		}
		st, err := r.stat(dir)
		if err != nil || seen[st.Dev] {
			continue
		}
		seen[st.Dev] = true
		fs, ok := r.statfs(dir, false)
		if total := int64(fs.Blocks) * fs.Bsize; ok && total > f.TotalBytes {
			f.TotalBytes, f.FreeBytes = total, int64(fs.Bavail)*fs.Bsize
			f.TotalInodes, f.FreeInodes = int64(fs.Files), int64(fs.Ffree)
		}
	}
}

// fixedPart is the directory above the first part of a pattern that is no plain
// name.
func fixedPart(glob string) string {
	i := strings.IndexAny(glob, `*?[{\`)
	if i < 0 {
		return filepath.Clean("/" + glob)
	}
	return filepath.Clean("/" + glob[:strings.LastIndexByte(glob[:i], '/')+1])
}

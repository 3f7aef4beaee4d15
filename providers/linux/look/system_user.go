//go:build linux

package look

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// users lists every user of the machine, by name.
func (r root) users() (list []schema.SysUser) {
	b, _ := r.read("/etc/passwd", bigFile)
	lines(b, func(_ int, line string) bool {
		f := strings.Split(line, ":")
		if len(f) != 7 || f[0] == "" || f[0][0] == '#' || f[0][0] == '+' || f[0][0] == '-' {
			return true
		}
		uid, err := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err == nil && err2 == nil {
			list = append(list, schema.SysUser{Name: f[0], UID: uid, GID: gid, Home: f[5], Shell: f[6]})
		}
		return len(list) < 200_000
	})
	slices.SortStableFunc(list, func(x, y schema.SysUser) int { return cmp.Compare(x.Name, y.Name) })
	return list
}

// groups lists every group of the machine, by name.
func (r root) groups() (list []schema.SysGroup) {
	b, _ := r.read("/etc/group", bigFile)
	lines(b, func(_ int, line string) bool {
		f := strings.Split(line, ":")
		if len(f) < 3 || f[0] == "" || f[0][0] == '#' || f[0][0] == '+' || f[0][0] == '-' {
			return true
		}
		if gid, err := strconv.Atoi(f[2]); err == nil {
			list = append(list, schema.SysGroup{Name: f[0], GID: gid})
		}
		return len(list) < 200_000
	})
	slices.SortStableFunc(list, func(x, y schema.SysGroup) int { return cmp.Compare(x.Name, y.Name) })
	return list
}

// hostKeys are the fingerprints of the SSH host keys, with their type: what
// clients wrote down. Private keys are not opened.
func (r root) hostKeys() (list []string) {
	for _, p := range r.glob("/etc/ssh/ssh_host_*_key.pub") {
		b, _ := r.read(p, 64<<10)
		f := bytes.Fields(b)
		if len(f) < 2 {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(string(f[1]))
		if err != nil || len(f[0]) > 100 {
			continue
		}
		sum := sha256.Sum256(blob)
		list = append(list, string(f[0])+" SHA256:"+base64.RawStdEncoding.EncodeToString(sum[:]))
	}
	slices.Sort(list)
	return list
}

// maxQueue is as many messages as are counted: more is a queue that nobody looks
// after.
const maxQueue = 1_000_000

// queue counts what waits for delivery: exim keeps a -H file for each message,
// postfix one file, in directories whose names are the first letter of theirs.
func (r root) queue(dirs []string) (n int64) {
	for _, d := range dirs {
		for _, dir := range r.glob(d) {
			r.countQueue(dir, 0, &n)
		}
	}
	return n
}

func (r root) countQueue(dir string, depth int, n *int64) {
	list, _ := r.list(dir)
	split := slices.ContainsFunc(list, func(e fs.DirEntry) bool {
		return strings.HasSuffix(e.Name(), "-D") || strings.HasSuffix(e.Name(), "-H")
	})
	for _, e := range list {
		switch {
		case *n >= maxQueue:
			return
		case e.IsDir() && depth < 3:
			r.countQueue(dir+"/"+e.Name(), depth+1, n)
		case !e.Type().IsRegular():
		case split && !strings.HasSuffix(e.Name(), "-H"): // the data of a message
		default:
			*n++
		}
	}
}

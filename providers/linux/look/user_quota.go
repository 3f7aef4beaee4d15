//go:build linux

package look

import (
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// quotas asks the kernel for the quotas of users. A file system without quotas
// is asked once.
type quotas struct {
	devices map[string]string // by mount point
	off     sync.Map          // devices without quotas
}

func newQuotas(r root) *quotas {
	q := &quotas{devices: map[string]string{}}
	if r != "/" { // another machine's files: its quotas are not there
		return q
	}
	for _, m := range r.mountTable() {
		if strings.HasPrefix(m.device, "/") {
			q.devices[m.path] = m.device
		}
	}
	return q
}

// ifDqblk is struct if_dqblk of linux/quota.h.
type ifDqblk struct {
	hard, soft, space       uint64 // blocks of 1,024 bytes, and bytes
	hardInodes, softInodes  uint64
	inodes, blockEnd, inEnd uint64
	valid                   uint32
	_                       uint32
}

// of returns the quota of a user on the file system of path, or nil if there is
// none.
func (q *quotas) of(path string, uid int) *schema.Quota {
	device := q.device(path)
	if device == "" {
		return nil
	}
	if _, off := q.off.Load(device); off {
		return nil
	}
	const getQuota = 0x800007 << 8 // QCMD(Q_GETQUOTA, USRQUOTA), the latter being 0
	var d ifDqblk
	special, err := unix.BytePtrFromString(device)
	if err != nil {
		return nil
	}
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL, getQuota, uintptr(unsafe.Pointer(special)), uintptr(uid), uintptr(unsafe.Pointer(&d)), 0, 0)
	if errno != 0 {
		q.off.Store(device, true)
		return nil
	}
	if d.hard == 0 && d.soft == 0 && d.hardInodes == 0 && d.softInodes == 0 {
		return nil
	}
	return &schema.Quota{Soft: int64(d.soft) << 10, Hard: int64(d.hard) << 10, SoftInodes: int64(d.softInodes), HardInodes: int64(d.hardInodes)}
}

func (q *quotas) device(path string) string {
	for p := path; ; p = filepath.Dir(p) {
		if d, ok := q.devices[p]; ok {
			return d
		}
		if len(p) <= 1 {
			return ""
		}
	}
}

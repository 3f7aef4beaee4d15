//go:build linux

package testbed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what all processes of a host together used and hold.
type Usage struct {
	CPU    time.Duration // since the host started
	Memory int64         // bytes of the processes' own memory, without files
}

// Usage reads a host's accounts from its cgroups; a machine that has none, or
// hands out none, is an error.
func (h *Host) Usage() (Usage, error) {
	var (
		u           Usage
		cpu, memory bool
	)
	for _, d := range cgroupDirs(h.bed.record.Number, h.Name) {
		if n, err := number(filepath.Join(d, "cpuacct.usage"), ""); err == nil {
			u.CPU, cpu = time.Duration(n), true
		}
		if n, err := number(filepath.Join(d, "cpu.stat"), "usage_usec"); err == nil {
			u.CPU, cpu = time.Duration(n)*time.Microsecond, true
		}
		for _, k := range []string{"anon", "total_rss"} { // of version 2, of version 1
			if n, err := number(filepath.Join(d, "memory.stat"), k); err == nil {
				u.Memory, memory = n, true
			}
		}
	}
	if !cpu || !memory {
		return u, errors.New("this machine's cgroups do not count a host's processor time and memory")
	}
	return u, nil
}

// number reads a file with one number, or the one beside a key.
func number(path, key string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if key == "" && len(f) == 1 {
			return strconv.ParseInt(f[0], 10, 64)
		}
		if len(f) == 2 && f[0] == key {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, key)
}

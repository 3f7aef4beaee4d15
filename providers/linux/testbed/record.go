//go:build linux

package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process names a process for ever: a pid alone is given again.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in clock ticks since the machine started
}

func processOf(pid int) (process, error) {
	start, err := startOf(pid)
	return process{PID: pid, Start: start}, err
}

// startOf reads field 22 of /proc/PID/stat; the name before it may hold
// anything, so the count begins after its last parenthesis.
func startOf(pid int) (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	i := bytes.LastIndexByte(b, ')')
	f := bytes.Fields(b[i+1:])
	if len(f) < 20 {
		return 0, fmt.Errorf("process %d has no start time", pid)
	}
	// A zombie has ended, unless others of its threads are still ending: they
	// hold its files and namespaces.
	if tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task"); string(f[0]) == "Z" && (err != nil || len(tasks) < 2) {
		return 0, os.ErrNotExist
	}
	return strconv.ParseUint(string(f[19]), 10, 64)
}

func (p process) alive() bool {
	start, err := startOf(p.PID)
	return err == nil && start == p.Start
}

func (p process) kill() {
	if p.alive() {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
}

// gone waits until the process has ended.
func (p process) gone(limit time.Duration) error {
	for end := time.Now().Add(limit); p.alive(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("process %d does not end", p.PID)
		}
	}
	return nil
}

// record is what a bed's directory says of it, so that another process can
// use it or clean up after it.
type record struct {
	Number   int          `json:"number"`
	Owner    process      `json:"owner"`
	Keeper   process      `json:"keeper"`
	Detached bool         `json:"detached"`
	IPv6     bool         `json:"ipv6"`
	Hosts    []hostRecord `json:"hosts"`
}

type hostRecord struct {
	Name     string   `json:"name"`
	Release  string   `json:"release"`
	Lower    string   `json:"lower"`
	Index    int      `json:"index"`
	Services []string `json:"services"`
	Durable  bool     `json:"durable"`
	Process  process  `json:"process"`
	Key      string   `json:"key"`
}

func bedsDir() string { return filepath.Join(Cache(), "beds") }

func readRecord(dir string) (record, error) {
	var r record
	b, err := os.ReadFile(filepath.Join(dir, "bed.json"))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(b, &r)
}

func (r record) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, "bed.json.new")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, "bed.json"))
}

// Sweep removes what beds left behind whose keeper is dead: a bed normally
// cleans up after itself, even when its owner is killed; this is for the case
// that everything was killed. It returns the directories it removed.
func Sweep(ctx context.Context) ([]string, error) {
	unlock, err := lockNumbers(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return sweep()
}

// lockNumbers keeps others from starting or sweeping beds, whatever their
// cache: numbers are the machine's.
func lockNumbers(ctx context.Context) (func(), error) {
	return lock(ctx, "/run/stopover-testbed.lock", nil)
}

// sweep needs the lock of numbers: with it, a bed whose lock nobody holds is
// dead and not just being born.
func sweep() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(bedsDir(), "*"))
	if err != nil {
		return nil, err
	}
	var (
		swept []string
		errs  []error
	)
	for _, dir := range found {
		f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
		if err != nil {
			continue // its keeper has just removed it
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			swept = append(swept, dir)
			errs = append(errs, destroy(dir))
		}
		_ = f.Close()
	}
	return swept, errors.Join(errs...)
}

// destroy ends every process of a bed and removes all it left: it can be
// called at any time, and again.
func destroy(dir string) error {
	r, err := readRecord(dir)
	if err == nil {
		for _, h := range r.Hosts {
			thaw(r.Number, h.Name)
			h.Process.kill()
		}
		// With a keeper that is dead the link is gone, and one of that name
		// would be another bed's.
		if r.Keeper.PID != os.Getpid() && r.Keeper.alive() {
			removeLink(r.Number)
			r.Keeper.kill()
		}
		for _, h := range r.Hosts {
			if err := h.Process.gone(20 * time.Second); err != nil {
				return err
			}
		}
	}
	if n, err := strconv.Atoi(filepath.Base(dir)); err == nil {
		if err := removeCgroups(n); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// removeLink takes the bed's end out of the caller's namespace. When the
// bridge's namespace is gone it is gone already.
func removeLink(n int) {
	_ = exec.Command("ip", "link", "del", linkName(n)).Run()
}

func linkName(n int) string { return "stopover-" + strconv.Itoa(n) }

// Beds lists the directories of the beds that run.
func Beds() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(bedsDir(), "*", "bed.json"))
	var out []string
	for _, p := range found {
		if r, err := readRecord(filepath.Dir(p)); err == nil && r.Keeper.alive() {
			out = append(out, filepath.Dir(p))
		}
	}
	return out, err
}

// cgroups are where a host's processes can be counted and frozen: the
// controllers of version 1 that are there, or the one tree of version 2.
func cgroupRoots() []string {
	var out []string
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		switch {
		case f[2] == "cgroup2" && len(out) == 0 && strings.HasPrefix(f[1], "/sys/fs/cgroup") && frozenByV2(f[1]):
			return []string{f[1]}
		case f[2] == "cgroup":
			for o := range strings.SplitSeq(f[3], ",") {
				if o == "memory" || o == "cpuacct" || o == "freezer" {
					out = append(out, f[1])
					break
				}
			}
		}
	}
	return out
}

// frozenByV2 tells a machine on version 2 from one that mounts it beside
// version 1 without a controller.
func frozenByV2(root string) bool {
	b, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	return err == nil && strings.Contains(string(b), "memory")
}

func cgroupName(n int) string { return "stopover-testbed-" + strconv.Itoa(n) }

func cgroupDirs(n int, host string) []string {
	var out []string
	for _, r := range cgroupRoots() {
		out = append(out, filepath.Join(r, cgroupName(n), host))
	}
	return out
}

// enterCgroups puts a process into its host's groups. Accounting is a help,
// not a need: a machine without cgroups, or one that shares them out
// otherwise, still has a bed.
func enterCgroups(n int, host string, pid int) {
	for _, d := range cgroupDirs(n, host) {
		if os.MkdirAll(d, 0o755) == nil {
			// Version 2 hands its controllers down only when told to.
			_ = os.WriteFile(filepath.Join(filepath.Dir(d), "cgroup.subtree_control"), []byte("+cpu +memory"), 0)
			_ = os.WriteFile(filepath.Join(d, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600)
		}
	}
}

func removeCgroups(n int) error {
	for _, r := range cgroupRoots() {
		top := filepath.Join(r, cgroupName(n))
		hosts, _ := filepath.Glob(filepath.Join(top, "*", "cgroup.procs"))
		for _, h := range append(hosts, filepath.Join(top, "cgroup.procs")) {
			if err := removeEmpty(filepath.Dir(h)); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeEmpty removes a cgroup. It stays busy for a moment after its last
// process has ended.
func removeEmpty(dir string) error {
	var err error
	for range 500 {
		if err = syscall.Rmdir(dir); err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("remove cgroup %s: %w", dir, err)
}

// freezeWith writes what freezes or thaws; it says whether a group took it.
func freezeWith(n int, host, v1, v2 string) bool {
	for _, d := range cgroupDirs(n, host) {
		for name, text := range map[string]string{"freezer.state": v1, "cgroup.freeze": v2} {
			f, err := os.OpenFile(filepath.Join(d, name), os.O_WRONLY, 0)
			if err != nil {
				continue
			}
			_, err = f.WriteString(text)
			if f.Close() == nil && err == nil {
				return true
			}
		}
	}
	return false
}

func thaw(n int, host string) { _ = freezeWith(n, host, "THAWED", "0") }

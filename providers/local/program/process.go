package program

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is a process of an account. PID alone would name another one after
// it has ended; PID and Start together do not, within one boot.
type Process struct {
	PID     int
	Start   uint64 // clock ticks after the boot
	Parent  int
	Group   int
	Session int
	UIDs    []int // real, effective, saved, file system
	Command string
	marker  string // value of STOPOVER_POCKET
	program string // value of STOPOVER_PROGRAM
}

// String names the process for people.
func (p Process) String() string { return fmt.Sprintf("process %d (%s)", p.PID, p.Command) }

// listRounds limits how often processes looks for new ones.
const listRounds = 20

// processes lists the processes of the machine that run. Those that have ended
// and wait for their parent are left out. A process that forks and ends between
// the reading of its number and of itself is not listed, so new numbers are
// looked for, each time quicker, until there are none.
func processes() ([]Process, error) {
	var all []Process
	seen := map[int]bool{}
	for range listRounds {
		pids, err := processNumbers()
		if err != nil {
			return nil, err
		}
		fresh := false
		for _, pid := range pids {
			if seen[pid] {
				continue
			}
			seen[pid], fresh = true, true
			if p, ok := readProcess(pid); ok {
				all = append(all, p)
			}
		}
		if !fresh {
			break
		}
	}
	return all, nil
}

func processNumbers() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	pids := make([]int, 0, len(names))
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// kernelThreads is the parent of the kernel's own threads.
const kernelThreads = 2

// readProcess returns false if the process has ended.
func readProcess(pid int) (Process, bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	p, state, ok := readStat(dir, pid)
	if !ok {
		return p, false
	}
	if state == 'Z' || state == 'X' {
		// The first thread has ended; others may go on, and have what it had.
		if dir = livingThread(dir, pid); dir == "" {
			return p, false
		}
	}
	if p.PID == kernelThreads || p.Parent == kernelThreads {
		return p, false
	}
	p.UIDs = readUIDs(dir)
	p.marker, p.program = readMarkers(dir)
	return p, true
}

func readStat(dir string, pid int) (p Process, state byte, ok bool) {
	data, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, 0, false
	}
	// The name may hold anything, parentheses too; the fields after it do not.
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open || end+2 >= len(data) {
		return p, 0, false
	}
	f := strings.Fields(string(data[end+1:]))
	if len(f) < 20 {
		return p, 0, false
	}
	p = Process{PID: pid, Command: strings.ToValidUTF8(string(data[open+1:end]), "?")}
	p.Parent, _ = strconv.Atoi(f[1])
	p.Group, _ = strconv.Atoi(f[2])
	p.Session, _ = strconv.Atoi(f[3])
	p.Start, err = strconv.ParseUint(f[19], 10, 64)
	return p, f[0][0], err == nil
}

func livingThread(dir string, pid int) string {
	tasks, err := os.ReadDir(filepath.Join(dir, "task"))
	if err != nil {
		return ""
	}
	for _, t := range tasks {
		at := filepath.Join(dir, "task", t.Name())
		if _, state, ok := readStat(at, pid); ok && state != 'Z' && state != 'X' {
			return at
		}
	}
	return ""
}

func readUIDs(dir string) []int {
	data, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		rest, ok := strings.CutPrefix(line, "Uid:")
		if !ok {
			continue
		}
		var ids []int
		for _, f := range strings.Fields(rest) {
			if id, err := strconv.Atoi(f); err == nil {
				ids = append(ids, id)
			}
		}
		return ids
	}
	return nil
}

// maxEnvironment is how much of an environment is looked at, in bytes. The
// kernel allows more, but the markers come first of all.
const maxEnvironment = 1 << 20

func readMarkers(dir string) (account, program string) {
	f, err := os.Open(filepath.Join(dir, "environ"))
	if err != nil {
		return "", "" // another user's, or ended
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxEnvironment))
	if err != nil {
		return "", ""
	}
	for v := range bytes.SplitSeq(data, []byte{0}) {
		if m, ok := bytes.CutPrefix(v, []byte(markerName)); ok {
			account = string(m)
		} else if m, ok := bytes.CutPrefix(v, []byte(programName)); ok {
			program = string(m)
		}
	}
	return account, program
}

// signal sends a signal to exactly this process, never to one that got its
// number after it.
func (p Process) signal(s unix.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signal %s: %w", p, err)
	}
	defer unix.Close(fd)
	if now, _, ok := readStat(filepath.Join("/proc", strconv.Itoa(p.PID)), p.PID); !ok || now.Start != p.Start {
		return nil
	}
	err = unix.PidfdSendSignal(fd, s, nil, 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal %s: %w", p, err)
	}
	return nil
}

// bootID tells one boot of the machine from another.
func bootID() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

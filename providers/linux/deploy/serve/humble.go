//go:build linux

package serve

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of what the agent takes of a server that is in use.
const (
	niceness  = 10
	processes = 4 // threads that compute at a time
	// Memory above which the agent rather works than grows: an eighth of the
	// server's, within these bounds in bytes.
	memoryLeast, memoryMost = 128 << 20, 1 << 30
	// oom makes the kernel end the agent before what the server is for.
	oom = "500"
)

// Best effort, the lowest of its eight classes: what users wait for goes first,
// and a busy disk does not starve the agent for good, as the idle class would.
const (
	ioprioClass  = 2 << 13
	ioprioLowest = 7
)

// settled marks, in the environment, a program that has become humble.
const settled = "STOPOVER_AGENT_SETTLED"

// Humble lowers the program's priorities. They belong to threads, and a Go
// program has several before its first line: so they are set for one, which
// then begins the program again. It returns in the program that was begun.
func Humble() error {
	unix.Umask(0o077)
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if os.Getenv(settled) == "" {
		return again()
	}
	if err := os.Unsetenv(settled); err != nil {
		return err
	}
	runtime.GOMAXPROCS(min(processes, runtime.NumCPU()))
	debug.SetMemoryLimit(memory())
	// A group of its own, so that programs which it runs can be ended with it. A
	// leader of a session is the leader of its group already.
	_ = unix.Setpgid(0, 0)
	return nil
}

func again() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Without these the agent is as it would be: in a container some are forbidden.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, 1, 0, ioprioClass|ioprioLowest)
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte(oom), 0)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	err = unix.Exec(self, os.Args, append(os.Environ(), settled+"=1"))
	return fmt.Errorf("begin again: %w", err)
}

func memory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return memoryLeast
	}
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line) // MemTotal: N kB
	if len(f) < 2 {
		return memoryLeast
	}
	kb, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return memoryLeast
	}
	return min(max(kb<<10/8, memoryLeast), memoryMost)
}

// Leave ends the programs that the agent ran and that still run.
func Leave() {
	if unix.Getpgrp() != unix.Getpid() {
		return
	}
	signal.Ignore(unix.SIGTERM)
	_ = unix.Kill(0, unix.SIGTERM)
}

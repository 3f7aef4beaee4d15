package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/stopover/stopover/providers/agent/ownership"
)

// system is the init of one pocket server: it starts the process whenever the
// directory is there, and again when it ends, as systemd would.
type system struct {
	dir  string
	rate float64

	mu      sync.Mutex
	cmd     *exec.Cmd
	held    bool // do not start it now
	stopped chan struct{}
	done    chan struct{}
}

func newSystem(dir string, rate float64) *system {
	s := &system{dir: dir, rate: rate, stopped: make(chan struct{}), done: make(chan struct{})}
	go s.loop()
	return s
}

func (s *system) loop() {
	defer close(s.done)
	for {
		select {
		case <-s.stopped:
			return
		case <-time.After(20 * time.Millisecond):
		}
		s.mu.Lock()
		_, there := os.Stat(filepath.Join(s.dir, "server.json"))
		_, pending := os.Stat(s.dir + ".reinstall")
		if s.held || there != nil && pending != nil {
			s.mu.Unlock()
			continue
		}
		c := exec.Command(os.Args[0], "pocket", "-dir", s.dir, "-rate", strconv.FormatFloat(s.rate, 'f', -1, 64))
		log, err := os.OpenFile(s.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			c.Stdout, c.Stderr = log, log
		}
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
		err = c.Start()
		s.cmd = c
		s.mu.Unlock()
		if err == nil {
			_ = c.Wait()
		}
		if log != nil {
			_ = log.Close()
		}
		s.mu.Lock()
		s.cmd = nil
		s.mu.Unlock()
	}
}

// signal sends a signal to the server's process, if it runs.
func (s *system) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(sig)
	}
}

// pause stops the process for a while.
func (s *system) pause(d time.Duration) {
	s.signal(syscall.SIGSTOP)
	time.Sleep(d)
	s.signal(syscall.SIGCONT)
}

// reboot kills the server and all its programs and takes the mark of its boot
// away: the next process is on a new boot.
func (s *system) reboot() {
	s.hold(true)
	s.signal(syscall.SIGKILL)
	for s.running() {
		time.Sleep(time.Millisecond)
	}
	killPrograms(s.dir)
	_ = os.RemoveAll(filepath.Join(s.dir, "run"))
	s.hold(false)
}

func (s *system) hold(v bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = v
}

func (s *system) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd != nil
}

func (s *system) close() {
	close(s.stopped)
	s.hold(true)
	s.signal(syscall.SIGCONT)
	s.signal(syscall.SIGKILL)
	<-s.done
	killPrograms(s.dir)
}

// killPrograms ends the processes of the server's accounts, found by their
// marker: they are ours, and a machine that loses power asks nobody.
func killPrograms(dir string) {
	id, err := os.ReadFile(filepath.Join(dir, "machine-id"))
	if err != nil || len(id) < 8 {
		return
	}
	marker := "STOPOVER_POCKET=" + string(id[:len(id)-1]) + ":"
	for range 3 {
		found := false
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
			if err == nil && len(env) > 0 && containsVar(env, marker) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				found = true
			}
		}
		if !found {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func containsVar(env []byte, prefix string) bool {
	for start := 0; start < len(env); {
		end := start
		for end < len(env) && env[end] != 0 {
			end++
		}
		if end-start >= len(prefix) && string(env[start:start+len(prefix)]) == prefix {
			return true
		}
		start = end + 1
	}
	return false
}

// peek reads an account's record without taking part.
func peek(dir, account string) (ownership.Record, bool) {
	_, records, err := ownership.Peek(filepath.Join(dir, "records", "accounts"), account)
	r, ok := records[account]
	return r, ok && err == nil
}

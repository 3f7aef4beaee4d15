package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cleanScans is how many looks at all processes, one after the other, must
// find nothing. One is not enough: a process that forks and ends while the
// list is read can be in neither half of it.
const cleanScans = 3

// StopAll ends all processes of an account: SIGTERM, after the grace time
// SIGKILL, again and again until none is found. When it returns nil no process
// of the account is left, nothing starts one, and no other process has a file
// of the account open for writing. The errors are a *LeftError when ctx is done
// before that, and a *WriterError. The account need not have been started by
// this manager, nor at all.
func (m *Manager) StopAll(ctx context.Context, a Account) error {
	e, err := m.entry(a.Name)
	if err != nil {
		return err
	}
	e.op.Lock()
	defer e.op.Unlock()
	began := time.Now()
	units := e.stopUnits()
	e.mu.Lock()
	e.account = a
	e.mu.Unlock()
	mem := m.membersOf(a.Name, "", m.exclusiveUser(a))
	if err := m.end(ctx, mem); err != nil {
		return err
	}
	for _, u := range units { // so that none of our children stays a zombie
		if c := u.current(); c != nil && !c.adopted {
			<-c.ended
		}
	}
	if err := otherWriter(a.Dir); err != nil {
		return fmt.Errorf("stop programs of %q: %w", a.Name, err)
	}
	m.log.Info("programs stopped", "account", a.Name, "took", time.Since(began))
	return nil
}

// minUser is the lowest number that belongs to an account: everything of a
// system service's user is never ended, whatever a description says.
const minUser = 1000

// exclusiveUser is the account's user, if it has one that runs nothing else:
// not the server itself, and not another account.
func (m *Manager) exclusiveUser(a Account) int {
	if !a.ownUser() || a.UID < minUser || a.UID == os.Getuid() {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, e := range m.known {
		if name == a.Name {
			continue
		}
		e.mu.Lock()
		uid := e.account.UID
		e.mu.Unlock()
		if uid == a.UID {
			m.log.Warn("two accounts have the same user; its processes are told apart by their marker only", "user", uid, "account", a.Name, "other", name)
			return 0
		}
	}
	return a.UID
}

// LeftError says that processes of an account could not be ended in time.
type LeftError struct {
	Processes []Process
	Err       error
}

// Error names some of the processes.
func (e *LeftError) Error() string {
	names := make([]string, 0, 3)
	for _, p := range e.Processes[:min(3, len(e.Processes))] {
		names = append(names, p.String())
	}
	return fmt.Sprintf("%d processes are left: %s: %v", len(e.Processes), strings.Join(names, ", "), e.Err)
}

// Unwrap returns why nobody waits any longer.
func (e *LeftError) Unwrap() error { return e.Err }

// end ends all processes that belong to mem.
func (m *Manager) end(ctx context.Context, mem *members) error {
	asked := map[int]uint64{}
	began := time.Now()
	pause := time.Millisecond
	for clean := 0; clean < cleanScans; {
		found, err := mem.find()
		if err != nil {
			return err
		}
		if len(found) == 0 {
			clean++
			continue
		}
		clean = 0
		kill := time.Since(began) >= m.options.Grace
		var errs []error
		for _, p := range found {
			errs = append(errs, m.endOne(p, asked, kill))
		}
		if err := ctx.Err(); err != nil {
			return &LeftError{Processes: found, Err: errors.Join(append(errs, err)...)}
		}
		if kill {
			pause = time.Millisecond // forks are raced
			m.killUser(ctx, mem.uid)
		} else {
			pause = min(2*pause, 20*time.Millisecond)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

func (m *Manager) endOne(p Process, asked map[int]uint64, kill bool) error {
	if kill {
		return p.signal(unix.SIGKILL)
	}
	if asked[p.PID] == p.Start {
		return nil
	}
	asked[p.PID] = p.Start
	// A stopped process would keep the request for later.
	return errors.Join(p.signal(unix.SIGTERM), p.signal(unix.SIGCONT))
}

// killUser kills all processes of an account's own user in one step, which the
// kernel does not let any fork slip through. Only a process of that user can ask
// for it without meaning everybody else too. It is a help where it works; what
// decides is that nothing is found.
func (m *Manager) killUser(ctx context.Context, uid int) {
	if uid == 0 {
		return
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", "kill -KILL -1")
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	if err := cmd.Run(); err != nil {
		m.log.Debug("kill all of the user", "user", uid, "error", err)
	}
}

// WriterError says that a process which is not known as the account's has one
// of its files open for writing.
type WriterError struct {
	Process Process
	Path    string
}

// Error says what to do.
func (e *WriterError) Error() string {
	return fmt.Sprintf("%s has %s open for writing and was not started by the account; end it first", e.Process, e.Path)
}

// otherWriter looks for a process, other than this one, that can still write to
// a file below dir. Without root, other users' processes cannot be looked at.
func otherWriter(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := processes()
	if err != nil {
		return err
	}
	self := os.Getpid()
	for _, p := range all {
		if p.PID == self {
			continue
		}
		if path := writesBelow(p.PID, dir); path != "" {
			return &WriterError{Process: p, Path: path}
		}
	}
	return nil
}

func writesBelow(pid int, dir string) string {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		path, err := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
		if err != nil || !strings.HasPrefix(path, dir+"/") || strings.HasSuffix(path, " (deleted)") {
			continue
		}
		if openForWriting(filepath.Join(proc, "fdinfo", fd.Name())) {
			return path
		}
	}
	return ""
}

func openForWriting(fdinfo string) bool {
	data, err := os.ReadFile(fdinfo)
	if err != nil {
		return false
	}
	lines := strings.Split(string(data), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "flags:") })
	if i < 0 {
		return false
	}
	flags, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(lines[i], "flags:")), 8, 64)
	return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
}

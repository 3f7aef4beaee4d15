//go:build linux

package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// child is a client program of an engine. It gets its secret in a file that has
// no name and that only its own user may read: neither its arguments nor its
// environment tell anything.
type child struct {
	program  string
	args     []string
	env      []string
	secret   string // content of the file, /proc/self/fd/3
	uid, gid int
	in       io.Reader
	out      io.Writer
	lines    func(line string) // of what it complains about
}

// secretFile is where a child finds its secret.
const secretFile = "/proc/self/fd/3"

// childMemory bounds the memory of a child: what it reads may have been made to
// cost much.
const childMemory = 2 << 30

// run runs the program to its end. It dies with this process, and with the
// thread that started it: that one waits for it.
func (c *child) run(ctx context.Context) error {
	f, err := memfile(c.secret, c.uid, c.gid)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	complaints := &lineWriter{line: c.lines}
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, c.env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = "/", c.out, complaints, []*os.File{f}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	var in io.WriteCloser
	if c.in != nil {
		if in, err = cmd.StdinPipe(); err != nil {
			return err
		}
	}
	if c.uid != os.Geteuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.gid)}
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about the thread
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			done <- err
			return
		}
		if in != nil { // Wait would wait for a copy of its own, which may sit in a read for ever
			go func() {
				_, _ = io.Copy(in, c.in) // whoever reads c.in knows why it ended
				_ = in.Close()
			}()
		}
		limit := unix.Rlimit{Cur: childMemory, Max: childMemory}
		_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_AS, &limit, nil)
		_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
		done <- cmd.Wait()
	}()
	err = <-done
	complaints.close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// killGroup ends a program and whatever it has started.
func killGroup(pid int) error {
	err := unix.Kill(-pid, unix.SIGKILL)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// nobody is the user of the system that is said to own nothing. Others run
// programs as it, and those may look into one another.
const nobody = 65534

// highest is the last number that every program takes for that of a user.
const highest = 1<<31 - 2

// stranger is the number of a user that the system does not have, so that no
// other process is that user's; nobody's where none is found.
func stranger() int {
	m, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nobody
	}
	g, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return nobody
	}
	last := min(highest, lastID(string(m)), lastID(string(g)))
	for id := last; id > last-1000 && id > 1000; id-- {
		if id != nobody && id != nobody+1 && unknownID(id) {
			return id
		}
	}
	return nobody
}

// unknownID says whether neither a user nor a group has the number.
func unknownID(id int) bool {
	var u user.UnknownUserIdError
	var g user.UnknownGroupIdError
	_, err := user.LookupId(strconv.Itoa(id))
	_, errGroup := user.LookupGroupId(strconv.Itoa(id))
	return errors.As(err, &u) && errors.As(errGroup, &g)
}

// lastID is the last number of the map that has the system's root: a container
// may have a few of the machine's numbers only (user_namespaces(7)).
func lastID(ids string) int {
	for l := range strings.Lines(ids) {
		f := strings.Fields(l)
		if len(f) != 3 || f[0] != "0" {
			continue
		}
		if n, err := strconv.ParseInt(f[2], 10, 64); err == nil {
			return int(n) - 1
		}
	}
	return 0
}

// memfile is a file in memory that only one user may open again by its
// descriptor.
func memfile(content string, uid, gid int) (*os.File, error) {
	fd, err := unix.MemfdCreate("stopover", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "stopover")
	err = f.Chmod(0o600) // its owner's before it says anything
	if err == nil && uid != os.Geteuid() {
		err = f.Chown(uid, gid)
	}
	if err == nil {
		_, err = f.WriteString(content)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lineWriter takes what a program complains about apart into lines. A line that
// does not end is cut.
type lineWriter struct {
	line func(string)

	mu   sync.Mutex
	rest []byte
	over bool
}

const maxLine = 1 << 16

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return len(p), nil
	}
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		part := p
		if i >= 0 {
			part = p[:i]
		}
		w.rest = append(w.rest, part[:min(len(part), maxLine-len(w.rest))]...)
		if i < 0 {
			break
		}
		w.flush()
		p = p[i+1:]
	}
	return n, nil
}

// close takes what was not ended as a line, and nothing more.
func (w *lineWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	w.over = true
}

func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.line(string(w.rest))
	}
	w.rest = w.rest[:0]
}

// firstProgram is the first of the programs that is there.
func firstProgram(paths ...string) (string, error) {
	for _, p := range paths {
		if i, err := os.Stat(p); err == nil && i.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", fmt.Errorf("none of %q is installed on this server: install the engine's client programs", paths)
}

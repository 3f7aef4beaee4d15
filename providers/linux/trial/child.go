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
	"runtime"
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
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = "/", c.in, c.out, complaints, []*os.File{f}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
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
		limit := unix.Rlimit{Cur: childMemory, Max: childMemory}
		_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_AS, &limit, nil)
		_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
		done <- cmd.Wait()
	}()
	err = <-done
	complaints.flush()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
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
	rest []byte
}

const maxLine = 1 << 16

func (w *lineWriter) Write(p []byte) (int, error) {
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

//go:build linux

package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxMessage bounds one message on a control socket. Long input goes through
// the file descriptors that travel with it.
const maxMessage = 128 << 10

// request is what a process of the bed is asked to do.
type request struct {
	Op      string        `json:"op"`
	Argv    []string      `json:"argv,omitempty"`
	Env     []string      `json:"env,omitempty"`
	Dir     string        `json:"dir,omitempty"`
	Service string        `json:"service,omitempty"`
	Link    string        `json:"link,omitempty"`
	Delay   time.Duration `json:"delay,omitempty"`
}

// reply says how it went. Error is a sentence, empty if there was none.
type reply struct {
	Code   int    `json:"code"`
	Signal int    `json:"signal,omitempty"`
	Error  string `json:"error,omitempty"`
}

// server answers on a control socket, starts programs and reaps every child,
// its own and those it inherits: it is process 1 of a host.
type server struct {
	mu      sync.Mutex
	waiting map[int]chan syscall.WaitStatus
	ops     map[string]func(request) error
	starts  chan func()
	refused error // why nothing can be started
}

// newServer makes a server whose programs are started by one thread, after
// it has done what humble does to it.
func newServer(humble func() error, ops map[string]func(request) error) *server {
	s := &server{waiting: map[int]chan syscall.WaitStatus{}, ops: ops, starts: make(chan func())}
	go func() {
		runtime.LockOSThread()
		if humble != nil {
			s.refused = humble()
		}
		for f := range s.starts {
			f()
		}
	}()
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for range children {
			s.reap()
		}
	}()
	return s
}

func (s *server) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		s.mu.Lock()
		if c, ok := s.waiting[pid]; ok {
			c <- status
			delete(s.waiting, pid)
		}
		s.mu.Unlock()
	}
}

// spawn starts a program in a session of its own. The lock is held over the
// start: a child that ends at once must find its channel.
func (s *server) spawn(argv, env []string, dir string, files [3]uintptr) (int, <-chan syscall.WaitStatus, error) {
	if len(argv) == 0 {
		return 0, nil, errors.New("no program named")
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return 0, nil, err
	}
	if dir == "" {
		dir = "/"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pid, err := s.forkExec(path, argv, &syscall.ProcAttr{
		Dir: dir, Env: env, Files: files[:], Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", path, err)
	}
	c := make(chan syscall.WaitStatus, 1)
	s.waiting[pid] = c
	return pid, c, nil
}

func (s *server) forkExec(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	done := make(chan struct{})
	s.starts <- func() {
		defer close(done)
		if err = s.refused; err == nil {
			pid, err = syscall.ForkExec(path, argv, attr)
		}
	}
	<-done
	return pid, err
}

// serve answers until the listener closes.
func (s *server) serve(l *net.UnixListener) error {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		go s.answer(c)
	}
}

func (s *server) answer(c *net.UnixConn) {
	defer c.Close()
	var r request
	files, err := receive(c, &r)
	if err != nil {
		return
	}
	defer closeAll(files)
	var out reply
	switch op := s.ops[r.Op]; {
	case r.Op == "exec":
		out = s.execute(c, r, files)
	case op == nil:
		out.Error = "unknown request " + strconv.Quote(r.Op)
	default:
		if err := op(r); err != nil {
			out.Error = err.Error()
		}
	}
	_ = send(c, out)
}

// execute runs a program until it ends, or until whoever asked is gone: then
// it is killed with its process group.
func (s *server) execute(c *net.UnixConn, r request, files []*os.File) reply {
	if len(files) != 3 {
		return reply{Error: "a program needs three files"}
	}
	pid, ended, err := s.spawn(r.Argv, r.Env, r.Dir, [3]uintptr{files[0].Fd(), files[1].Fd(), files[2].Fd()})
	if err != nil {
		return reply{Error: err.Error()}
	}
	closeAll(files)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = c.Read(make([]byte, 1))
	}()
	var status syscall.WaitStatus
	select {
	case status = <-ended:
	case <-gone:
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		status = <-ended
	}
	if status.Signaled() {
		return reply{Code: -1, Signal: int(status.Signal())}
	}
	return reply{Code: status.ExitStatus()}
}

// send writes one message with files beside it.
func send(c *net.UnixConn, v any, files ...*os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return fmt.Errorf("a request of %d bytes is longer than the %d a control socket takes: pass it as standard input", len(b), maxMessage)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	_, _, err = c.WriteMsgUnix(b, rights, nil)
	return err
}

// receive reads one message and the files that came with it.
func receive(c *net.UnixConn, v any) ([]*os.File, error) {
	b := make([]byte, maxMessage)
	oob := make([]byte, unix.CmsgSpace(8*4))
	n, m, _, _, err := c.ReadMsgUnix(b, oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(oob[:m])
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	if err := json.Unmarshal(b[:n], v); err != nil {
		closeAll(files)
		return nil, err
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// ask sends a request to the control socket of dir and waits for its answer.
// When ctx ends, the connection is closed and the other side stops.
func ask(ctx context.Context, dir string, r request, files ...*os.File) (reply, error) {
	c, err := dialControl(dir)
	if err != nil {
		return reply{}, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if err := send(c, r, files...); err != nil {
		return reply{}, err
	}
	var out reply
	if _, err := receive(c, &out); err != nil {
		if ctx.Err() != nil {
			return reply{}, context.Cause(ctx)
		}
		return reply{}, fmt.Errorf("the host ended before it answered: %w", err)
	}
	if out.Error != "" {
		return out, errors.New(out.Error)
	}
	return out, nil
}

// controlName is the socket's name in its directory.
const controlName = "control"

// dialControl goes through the directory's descriptor: a socket address holds
// 107 bytes, a cache directory may be deeper.
func dialControl(dir string) (*net.UnixConn, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return net.DialUnix("unixpacket", nil, controlAddress(d))
}

func listenControl(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := os.Remove(filepath.Join(dir, controlName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unixpacket", controlAddress(d))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	return l.File()
}

func controlAddress(d *os.File) *net.UnixAddr {
	return &net.UnixAddr{Net: "unixpacket", Name: "/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/" + controlName}
}

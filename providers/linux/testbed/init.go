//go:build linux

package testbed

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Files that the first process of a host is started with.
const (
	lifelineFD = 3 // readable when the owner has wired the network, at its end when the owner is dead
	specFD     = 4
	controlFD  = 5
)

// spec is what a host is to become.
type spec struct {
	Name     string
	Lower    string
	Dir      string // the host's own directory: upper, work, root
	Durable  bool
	Network  string // a batch for ip
	Files    []specFile
	Services []string
	IDs      []int
}

// specFile is written at the first start only: what a test changes stays
// changed when the host is started again.
type specFile struct {
	Path, Text, Owner string
	Mode              os.FileMode
}

func readSpec() (spec, error) {
	var s spec
	f := os.NewFile(specFD, "spec")
	if _, err := f.Seek(0, 0); err != nil {
		return s, err
	}
	return s, json.NewDecoder(f).Decode(&s)
}

// boot is a host's first process: in the new namespaces it builds the host's
// tree and moves into it, then sets up network, files and services, and
// answers requests until it is killed. It never executes itself again: the
// program may need the machine's C library, which a host need not have.
func boot() error {
	for _, fd := range []int{lifelineFD, specFD, controlFD} {
		unix.CloseOnExec(fd)
	}
	s, err := readSpec()
	if err != nil {
		return fmt.Errorf("what to start: %w", err)
	}
	if err := mountTree(s); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(s.Name)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	if err := os.Setenv("PATH", rootPath); err != nil {
		return err
	}
	unix.Umask(0o022)
	i := &initProcess{spec: s, running: map[string]*daemon{}}
	i.server = newServer(dropCapabilities, map[string]func(request) error{
		"start": func(r request) error { return i.start(r.Service) },
		"stop":  func(r request) error { return i.stopService(r.Service) },
		"ready": func(request) error { return i.ready() },
		"detach": func(request) error {
			i.detached.Store(true)
			return nil
		},
	})
	life := os.NewFile(lifelineFD, "lifeline")
	if _, err := life.Read(make([]byte, 1)); err != nil {
		return errors.New("the owner ended before the network was there")
	}
	go func() {
		_, _ = life.Read(make([]byte, 1))
		if !i.detached.Load() {
			os.Exit(0)
		}
	}()
	if err := i.configure(); err != nil {
		return err
	}
	f := os.NewFile(controlFD, "control")
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	_ = f.Close()
	go keepLogs()
	i.startAll()
	return i.server.serve(l.(*net.UnixListener))
}

// dropCapabilities gives up what acts on the machine and not on the host: its
// clock, its modules, its raw devices. Capabilities belong to a thread, and
// are inherited by what it starts.
func dropCapabilities() error {
	for _, c := range []uintptr{unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_TIME, unix.CAP_MKNOD, unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	return nil
}

func (i *initProcess) configure() error {
	if err := i.run("/sbin/ip", i.spec.Network, "-batch", "-"); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	for _, d := range []string{"/var/log/testbed", "/run/lock", "/run/user", "/run/shm"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod("/run/lock", 0o777|os.ModeSticky); err != nil {
		return err
	}
	const done = "/var/lib/misc/testbed-configured"
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	for _, f := range i.spec.Files {
		if err := f.write(); err != nil {
			return err
		}
	}
	return os.WriteFile(done, nil, 0o600)
}

func (f specFile) write() error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	w, err := os.OpenFile(f.Path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, f.Mode)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.WriteString(f.Text); err != nil {
		return err
	}
	if err := w.Chmod(f.Mode); err != nil {
		return err
	}
	if f.Owner == "" {
		return nil
	}
	uid, err := lookup("/etc/passwd", f.Owner)
	if err != nil {
		return err
	}
	return w.Chown(uid, -1)
}

// run runs a short program of init's own and waits for it.
func (i *initProcess) run(path, stdin string, args ...string) error {
	in, err := memory(stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := memory("")
	if err != nil {
		return err
	}
	defer out.Close()
	argv := append([]string{path}, args...)
	_, ended, err := i.server.spawn(argv, os.Environ(), "/", [3]uintptr{in.Fd(), out.Fd(), out.Fd()})
	if err != nil {
		return err
	}
	if status := <-ended; status != 0 {
		return fmt.Errorf("%s ended with %d: %s", strings.Join(argv, " "), status.ExitStatus(), content(out))
	}
	return nil
}

// memory is a file without a name, filled and at its beginning.
func memory(text string) (*os.File, error) {
	fd, err := unix.MemfdCreate("testbed", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "memory")
	if _, err := f.WriteString(text); err != nil {
		_ = f.Close()
		return nil, err
	}
	_, err = f.Seek(0, 0)
	return f, err
}

func content(f *os.File) string {
	n, err := f.Seek(0, 2)
	if err != nil {
		return ""
	}
	b := make([]byte, n)
	m, _ := f.ReadAt(b, 0)
	return string(b[:m])
}

// daemon is a service that was started.
type daemon struct {
	pid   int
	stop  syscall.Signal
	ended chan struct{}
	err   error
}

type initProcess struct {
	spec     spec
	server   *server
	detached atomic.Bool
	mu       sync.Mutex
	running  map[string]*daemon
	failed   map[string]error
}

// startAll starts every service without waiting for one.
func (i *initProcess) startAll() {
	i.failed = map[string]error{}
	for _, name := range i.spec.Services {
		if _, err := i.launch(name); err != nil {
			i.failed[name] = err
		}
	}
}

func (i *initProcess) launch(name string) (*daemon, error) {
	s, ok := serviceOf(name)
	if !ok {
		return nil, fmt.Errorf("no service %q: known are %s", name, strings.Join(allServices, ", "))
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if d := i.running[name]; d != nil {
		return d, nil
	}
	for _, d := range s.dirs {
		if err := d.make(); err != nil {
			return nil, err
		}
	}
	argv, err := s.argv()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(serviceLog(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		return nil, err
	}
	defer null.Close()
	pid, ended, err := i.server.spawn(argv, []string{"PATH=" + rootPath, "LANG=en_US.UTF-8", "HOME=/"}, "/", [3]uintptr{null.Fd(), log.Fd(), log.Fd()})
	if err != nil {
		return nil, err
	}
	d := &daemon{pid: pid, stop: s.stop, ended: make(chan struct{})}
	i.running[name] = d
	go func() {
		status := <-ended
		d.err = fmt.Errorf("%s ended (%s); the end of its log:\n%s", name, describe(status), tail(serviceLog(name), 1500))
		i.mu.Lock()
		if i.running[name] == d {
			delete(i.running, name)
		}
		i.mu.Unlock()
		close(d.ended)
	}()
	return d, nil
}

func serviceLog(name string) string { return "/var/log/testbed/" + name + ".log" }

func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		return s.Signal().String()
	}
	return "exit status " + strconv.Itoa(s.ExitStatus())
}

// serviceWait is how long a service may take to answer or to end.
const serviceWait = 60 * time.Second

// start starts a service and waits until it is ready.
func (i *initProcess) start(name string) error {
	d, err := i.launch(name)
	if err != nil {
		return err
	}
	return await(name, d)
}

func await(name string, d *daemon) error {
	s, _ := serviceOf(name)
	end := time.Now().Add(serviceWait)
	for {
		err := s.ready()
		if err == nil {
			return nil
		}
		select {
		case <-d.ended:
			return d.err
		case <-time.After(8 * time.Millisecond):
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is not ready after %s: %w; the end of its log:\n%s", name, serviceWait, err, tail(serviceLog(name), 1500))
		}
	}
}

// ready waits for the services the host was made with.
func (i *initProcess) ready() error {
	errs := make([]error, len(i.spec.Services))
	var wg sync.WaitGroup
	for n, name := range i.spec.Services {
		if err := i.failed[name]; err != nil {
			errs[n] = err
			continue
		}
		wg.Go(func() { errs[n] = i.start(name) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stopService asks a service to end, and kills it if it does not.
func (i *initProcess) stopService(name string) error {
	i.mu.Lock()
	d := i.running[name]
	i.mu.Unlock()
	if d == nil {
		return nil
	}
	_ = syscall.Kill(d.pid, d.stop)
	select {
	case <-d.ended:
		return nil
	case <-time.After(serviceWait / 4):
	}
	_ = syscall.Kill(-d.pid, syscall.SIGKILL)
	select {
	case <-d.ended:
		return nil
	case <-time.After(serviceWait / 4):
		return fmt.Errorf("%s does not end", name)
	}
}

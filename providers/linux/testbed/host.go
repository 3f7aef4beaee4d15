//go:build linux

package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Host is a Debian server of its own: processes, files, users, network.
type Host struct {
	Name   string
	bed    *Bed
	record *hostRecord
	life   *os.File
	ended  chan struct{}
}

// Address is the host's IPv4 address.
func (h *Host) Address() netip.Addr { return h.bed.address(h.record.Index) }

// Address6 is the host's IPv6 address, the zero Addr if this machine has no
// IPv6.
func (h *Host) Address6() netip.Addr {
	if !h.bed.record.IPv6 {
		return netip.Addr{}
	}
	return h.bed.address6(h.record.Index)
}

// Release is the host's Debian release.
func (h *Host) Release() string { return h.record.Release }

// Key is the host's public key, as known_hosts writes it.
func (h *Host) Key() string { return h.record.Key }

// PID is the host's first process as the machine counts.
func (h *Host) PID() int { return h.process().PID }

// Root is the host's tree as the machine sees it. Symbolic links in it that
// are absolute lead out of it: use it with os.Root or with Lstat.
func (h *Host) Root() string { return "/proc/" + strconv.Itoa(h.PID()) + "/root" }

// Alive says whether the host runs.
func (h *Host) Alive() bool { return h.process().alive() }

func (h *Host) dir() string { return filepath.Join(h.bed.dir, "hosts", h.Name) }

// files are what makes a host itself.
func (h *Host) files(o HostOptions) ([]specFile, error) {
	key, err := os.ReadFile(filepath.Join(h.bed.dir, "hostkey-"+h.Name))
	if err != nil {
		return nil, err
	}
	public, err := os.ReadFile(h.bed.KeyFile() + ".pub")
	if err != nil {
		return nil, err
	}
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
	fmt.Fprintf(&hosts, "%s gateway\n", h.bed.Gateway())
	for _, other := range h.bed.hosts {
		fmt.Fprintf(&hosts, "%s %s.test %s\n", other.Address(), other.Name, other.Name)
	}
	maria := "[mysqld]\nserver-id=" + strconv.Itoa(11+h.record.Index) + "\ngtid_domain_id=" + strconv.Itoa(11+h.record.Index) + "\n"
	if o.Binlog {
		maria += "log_bin=mysql-bin\nbinlog_format=ROW\n"
	}
	maria += joined(o.MariaDB)
	out := []specFile{
		{Path: "/etc/hostname", Text: h.Name + "\n", Mode: 0o644},
		{Path: "/etc/mailname", Text: h.Name + ".test\n", Mode: 0o644},
		{Path: "/etc/machine-id", Text: randomHex(16) + "\n", Mode: 0o444},
		{Path: "/etc/hosts", Text: hosts.String(), Mode: 0o644},
		{Path: "/etc/ssh/ssh_host_ed25519_key", Text: string(key), Mode: 0o600},
		{Path: "/etc/ssh/ssh_host_ed25519_key.pub", Text: h.record.Key + "\n", Mode: 0o644},
		{Path: "/root/.ssh/authorized_keys", Text: string(public), Mode: 0o600},
		{Path: "/etc/mysql/mariadb.conf.d/91-testbed.cnf", Text: maria, Mode: 0o644},
	}
	for _, p := range eximFiles() {
		b, err := os.ReadFile(filepath.Join(h.record.Lower, p))
		if err != nil {
			return nil, err
		}
		i, err := os.Stat(filepath.Join(h.record.Lower, p))
		if err != nil {
			return nil, err
		}
		out = append(out, specFile{Path: p, Text: strings.ReplaceAll(string(b), nameInRoot, h.Name), Mode: i.Mode().Perm()})
	}
	postgres := joined(o.Postgres)
	if o.WALLevel != "" {
		postgres += "wal_level = " + o.WALLevel + "\n"
	}
	found, err := filepath.Glob(filepath.Join(h.record.Lower, "etc/postgresql/*/main/conf.d"))
	if err != nil {
		return nil, err
	}
	for _, d := range found {
		out = append(out, specFile{Path: strings.TrimPrefix(d, h.record.Lower) + "/testbed-host.conf", Text: postgres, Mode: 0o644, Owner: "postgres"})
	}
	return out, nil
}

func joined(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// boot starts the host and waits for its services.
func (h *Host) boot(ctx context.Context, files []specFile) error {
	if err := os.MkdirAll(h.dir(), 0o700); err != nil {
		return err
	}
	s := spec{Name: h.Name, Lower: h.record.Lower, Dir: h.dir(), Durable: h.record.Durable, Network: h.bed.inside(h.record.Index), Files: files, Services: h.record.Services}
	if err := h.startInit(s); err != nil {
		return err
	}
	enterCgroups(h.bed.record.Number, h.Name, h.PID())
	err := h.bed.plug(ctx, h.Name, h.PID())
	if err == nil {
		_, err = h.life.Write([]byte{1})
	}
	if err == nil {
		_, err = ask(ctx, h.dir(), request{Op: "ready"})
	}
	if err != nil && !h.Alive() {
		return fmt.Errorf("it ended at its start: %s (%w)", tail(h.initLog(), 1500), err)
	}
	return err
}

func (h *Host) initLog() string { return filepath.Join(h.dir(), "init.log") }

func (h *Host) startInit(s spec) error {
	control, err := listenControl(h.dir())
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer control.Close()
	told, err := s.file()
	if err != nil {
		return err
	}
	defer told.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	log, err := os.OpenFile(h.initLog(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c := exec.Command("/proc/self/exe")
	c.Args = []string{"testbed-init"}
	c.Env = []string{roleEnv + "=init"}
	c.Dir = "/"
	c.Stdout, c.Stderr = log, log
	c.ExtraFiles = []*os.File{r, told, control}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET,
		Setsid:     true,
	}
	if err := c.Start(); err != nil {
		_ = w.Close()
		return fmt.Errorf("first process: %w", err)
	}
	h.life, h.ended = w, make(chan struct{})
	ended := h.ended
	go func() {
		_ = c.Wait()
		close(ended)
	}()
	p, err := processOf(c.Process.Pid)
	if err != nil {
		return err
	}
	return h.note(p)
}

// note writes the host's process into the bed's record: whoever cleans up
// must know it.
func (h *Host) note(p process) error {
	h.bed.mu.Lock()
	defer h.bed.mu.Unlock()
	h.record.Process = p
	return h.bed.record.write(h.bed.dir)
}

func (h *Host) process() process {
	h.bed.mu.Lock()
	defer h.bed.mu.Unlock()
	return h.record.Process
}

// cut ends the host's process and waits for it.
func (h *Host) cut() {
	h.process().kill()
	if h.life != nil {
		_ = h.life.Close()
	}
	if h.ended != nil {
		<-h.ended
	}
}

// Kill ends every process of the host at once, as when the power fails. Its
// files stay; Boot starts it again.
func (h *Host) Kill() error {
	thaw(h.bed.record.Number, h.Name)
	h.cut()
	if err := h.process().gone(20 * time.Second); err != nil {
		return err
	}
	// The link goes with the namespace, later: a new one needs its name now.
	_, _ = h.bed.inBridge(context.Background(), "", "ip", "link", "del", "p-"+h.Name)
	return nil
}

// Boot starts a host that was killed, with the services it was made with.
func (h *Host) Boot(ctx context.Context) error {
	if h.Alive() {
		return fmt.Errorf("host %s runs", h.Name)
	}
	if err := h.boot(ctx, nil); err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	if h.bed.record.Detached {
		_, err := ask(ctx, h.dir(), request{Op: "detach"})
		return err
	}
	return nil
}

// Freeze stops every process of the host where it is, network connections
// open: a machine that hangs. Thaw lets it go on.
func (h *Host) Freeze() error {
	if !freezeWith(h.bed.record.Number, h.Name, "FROZEN", "1") {
		return errors.New("this machine's cgroups cannot freeze")
	}
	return nil
}

// Thaw undoes Freeze.
func (h *Host) Thaw() { thaw(h.bed.record.Number, h.Name) }

// ExitError is a program that ended with a status other than zero.
type ExitError struct {
	Argv   []string
	Code   int // -1 if a signal ended it
	Signal syscall.Signal
	Stderr string
}

func (e *ExitError) Error() string {
	how := "exit status " + strconv.Itoa(e.Code)
	if e.Code < 0 {
		how = e.Signal.String()
	}
	return fmt.Sprintf("%s: %s: %s", e.Argv[0], how, strings.TrimSpace(e.Stderr))
}

// Command is a program to run on a host.
type Command struct {
	Argv []string
	Dir  string
	Env  []string // beside the host's PATH, HOME and LANG
	// Files may be nil: then nothing is read, and what is written is lost.
	Stdin, Stdout, Stderr *os.File
}

// Exec runs a program on the host, as root, and waits for it. The error is
// an *ExitError if it ended with another status than zero. When ctx ends, the
// program is killed with its process group.
func (h *Host) Exec(ctx context.Context, c Command) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	files := []*os.File{c.Stdin, c.Stdout, c.Stderr}
	for i := range files {
		if files[i] == nil {
			files[i] = null
		}
	}
	r := request{Op: "exec", Argv: c.Argv, Dir: c.Dir, Env: append(hostEnv(), c.Env...)}
	out, err := ask(ctx, h.dir(), r, files...)
	if err != nil {
		return fmt.Errorf("on %s: %w", h.Name, err)
	}
	return ended(c.Argv, out, "")
}

func hostEnv() []string {
	return []string{"PATH=" + rootPath, "HOME=/root", "USER=root", "LOGNAME=root", "LANG=en_US.UTF-8"}
}

func ended(argv []string, r reply, stderr string) error {
	if r.Code == 0 && r.Signal == 0 {
		return nil
	}
	return &ExitError{Argv: argv, Code: r.Code, Signal: syscall.Signal(r.Signal), Stderr: stderr}
}

// Run runs a program on the host, as root, and returns what it wrote to
// standard output. What it wrote to standard error is in the *ExitError.
// What a program leaves running in the background does not hold Run up.
func (h *Host) Run(ctx context.Context, argv ...string) (string, error) {
	return h.Input(ctx, "", argv...)
}

// Input is Run with a text as standard input.
func (h *Host) Input(ctx context.Context, stdin string, argv ...string) (string, error) {
	out, err := capture(ctx, h.dir(), request{Op: "exec", Argv: argv, Env: hostEnv()}, stdin)
	if err != nil {
		return out, fmt.Errorf("on %s: %w", h.Name, err)
	}
	return out, nil
}

// capture runs a program with memory files around it: a pipe would stay open
// as long as anything the program left behind lives.
func capture(ctx context.Context, dir string, r request, stdin string) (string, error) {
	var files []*os.File
	defer func() { closeAll(files) }()
	for _, text := range []string{stdin, "", ""} {
		f, err := memory(text)
		if err != nil {
			return "", err
		}
		files = append(files, f)
	}
	out, err := ask(ctx, dir, r, files...)
	if err != nil {
		return content(files[1]), err
	}
	return content(files[1]), ended(r.Argv, out, content(files[2]))
}

// Script runs a shell script of up to 100 kB on the host, as root; it stops
// at the first command that fails.
func (h *Host) Script(ctx context.Context, script string) (string, error) {
	return h.Run(ctx, "/bin/sh", "-euc", script)
}

// WriteFile writes a file on the host; its directory is made if missing. The
// owner is a name or a number with or without a group, as chown takes it; ""
// is root.
func (h *Host) WriteFile(ctx context.Context, path string, data []byte, mode os.FileMode, owner string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is no absolute path", path)
	}
	if owner == "" {
		owner = "root:root"
	}
	_, err := h.Input(ctx, string(data), "/bin/sh", "-euc",
		`mkdir -p -- "$(dirname -- "$1")"; rm -f -- "$1"; cat > "$1"; chown -- "$3" "$1"; chmod -- "$2" "$1"`,
		"sh", path, fmt.Sprintf("%04o", mode.Perm()), owner)
	return err
}

// ReadFile reads a file of the host, following symbolic links as the host
// does.
func (h *Host) ReadFile(ctx context.Context, path string) ([]byte, error) {
	out, err := h.Run(ctx, "cat", "--", path)
	return []byte(out), err
}

// StartService starts a service and waits until it answers.
func (h *Host) StartService(ctx context.Context, name string) error {
	if _, err := ask(ctx, h.dir(), request{Op: "start", Service: name}); err != nil {
		return fmt.Errorf("on %s: %w", h.Name, err)
	}
	return nil
}

// StopService asks a service to end in order, and waits.
func (h *Host) StopService(ctx context.Context, name string) error {
	if _, err := ask(ctx, h.dir(), request{Op: "stop", Service: name}); err != nil {
		return fmt.Errorf("on %s: %w", h.Name, err)
	}
	return nil
}

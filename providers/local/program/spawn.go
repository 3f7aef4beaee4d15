package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// spawn starts the program's process and writes its process file.
func (u *unit) spawn() (*child, error) {
	m, a := u.manager, &u.account
	env := a.environment(m.options.Machine, u.program, m.Socket(a.Name))
	path, err := lookUp(u.program.Command[0], a.home(), strings.TrimPrefix(env[1], "PATH="))
	if err != nil {
		return nil, err
	}
	log, err := openLog(a, u.program.Name)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	u.removeSocket()
	cmd := &exec.Cmd{
		Path: path, Args: u.program.Command, Dir: a.home(), Env: env,
		Stdout: log, Stderr: log,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}, // a session and group of its own; no death signal: it outlives us
	}
	if a.ownUser() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{Process: Process{PID: cmd.Process.Pid}, ended: make(chan struct{})}
	// Until it is waited for, the process cannot vanish, and its number is its own.
	err = fmt.Errorf("process %d is not in /proc", c.PID)
	if p, _, ok := readStat(filepath.Join("/proc", strconv.Itoa(c.PID)), c.PID); ok {
		c.Process = p
		err = m.writeProcess(u, p)
	}
	go func() {
		if err := cmd.Wait(); err != nil {
			c.how = err.Error()
		} else {
			c.how = "ended with exit status 0"
		}
		close(c.ended)
	}()
	if err != nil {
		// Without its file the next server process would not know it as its own
		// and end it first; that is safe, so it may run.
		m.log.Warn("remember process", "account", a.Name, "program", u.program.Name, "error", err)
	}
	m.log.Info("program started", "account", a.Name, "kind", u.program.Kind, "program", u.program.Name, "pid", c.PID)
	return c, nil
}

// lookUp finds the executable of a command: as the shell would with this PATH,
// relative ones from the account's home. The server's own PATH has no say.
func lookUp(name, home, path string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(home, name)
		}
		return name, executable(name)
	}
	for dir := range strings.SplitSeq(path, ":") {
		if !filepath.IsAbs(dir) {
			continue
		}
		if at := filepath.Join(dir, name); executable(at) == nil {
			return at, nil
		}
	}
	return "", fmt.Errorf("%q is not found in PATH (%s)", name, path)
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", path)
	}
	return nil
}

// openLog opens home/logs/<name>.log to append. The home is the account's, which
// may put a link anywhere at any time: each step is taken from the folder
// before, and no link is followed.
func openLog(a *Account, name string) (*os.File, error) {
	escaped, err := schema.EscapeName(name)
	if err != nil {
		return nil, err
	}
	home, err := unix.Open(a.home(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open home of %q: %w", a.Name, err)
	}
	defer unix.Close(home)
	if err := unix.Mkdirat(home, "logs", 0o755); err == nil && a.ownUser() {
		_ = unix.Fchownat(home, "logs", a.UID, a.GID, unix.AT_SYMLINK_NOFOLLOW)
	}
	logs, err := unix.Openat(home, "logs", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open home/logs of %q: %w", a.Name, err)
	}
	defer unix.Close(logs)
	// O_NONBLOCK: a pipe without a reader must not stop the server.
	fd, err := unix.Openat(logs, escaped+".log", unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open home/logs/%s.log of %q: %w", escaped, a.Name, err)
	}
	if err := checkLog(fd, a); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open home/logs/%s.log of %q: %w", escaped, a.Name, err)
	}
	return os.NewFile(uintptr(fd), escaped+".log"), nil
}

// checkLog refuses anything but a plain file with one name: a second name may
// be somebody else's file.
func checkLog(fd int, a *Account) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 {
		return fmt.Errorf("is not a plain file with one name")
	}
	if a.ownUser() && st.Uid != uint32(a.UID) {
		if err := unix.Fchown(fd, a.UID, a.GID); err != nil {
			return err
		}
	}
	return unix.SetNonblock(fd, false)
}

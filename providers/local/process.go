package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/stopover/stopover/providers"
)

// maxSocketPath is the longest path that fits a unix socket's address.
const maxSocketPath = 107

// socketPath names the socket of a server's directory in a way that fits a
// unix socket's address however deep the directory is. The file returned must
// stay open while the path is used; it is nil for short paths.
func socketPath(dir string) (string, *os.File, error) {
	p := filepath.Join(dir, socketFile)
	if len(p) <= maxSocketPath {
		return p, nil, nil
	}
	d, err := os.Open(filepath.Dir(p))
	if err != nil {
		return "", nil, err
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(d.Fd())), filepath.Base(p)), d, nil
}

// Dial opens a stream to the pocket server in dir, if its process runs.
func Dial(ctx context.Context, dir string) (net.Conn, error) {
	p, d, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	if d != nil {
		defer d.Close()
	}
	var n net.Dialer
	c, err := n.DialContext(ctx, "unix", p)
	if err != nil {
		return nil, fmt.Errorf("pocket server %s: %w", dir, err)
	}
	return c, nil
}

// starter says who starts a server's process.
type starter struct {
	executable string // the program to start it from
	supervised bool   // somebody else does
}

// ensure starts the server's process when it does not run, and waits until it
// answers. A directory without description is a server that is absent.
func ensure(ctx context.Context, dir string, by starter) error {
	if c, err := Dial(ctx, dir); err == nil {
		return c.Close()
	}
	if _, err := os.Stat(filepath.Join(dir, serverFile)); err != nil {
		_, pending := os.Stat(dir + reinstallExt)
		if errors.Is(err, fs.ErrNotExist) && pending != nil {
			return fmt.Errorf("pocket server %s: %w", dir, providers.ErrAbsent)
		}
		if pending != nil {
			return fmt.Errorf("pocket server %s: %w", dir, err)
		}
	}
	if by.supervised {
		return await(ctx, dir, nil)
	}
	if by.executable == "" {
		return fmt.Errorf("pocket server %s does not run and there is no program to start it with: %w", dir, providers.ErrUnreachable)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		started, err := start(dir, by.executable)
		if err != nil {
			return fmt.Errorf("start pocket server %s: %w", dir, err)
		}
		// Another process has the lock: one that another tool started, and answers
		// soon, or one that is just ending, and then ours is still wanted.
		if err = await(ctx, dir, started); !errors.Is(err, errRunning) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pocket server %s: another process has its lock and does not answer: %w", dir, providers.ErrUnreachable)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// start starts the process in a session of its own, so that it outlives the
// tool and its terminal. The channel gets its end, if it ends early.
func start(dir, executable string) (<-chan error, error) {
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrNotExist) { // a wipe was interrupted
		log, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := exec.Command(executable, "pocket-server", "--dir="+dir)
	c.Stdout, c.Stderr = log, log
	c.Dir = "/"
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.Getenv("TMPDIR")}
	if v := os.Getenv("GOCOVERDIR"); v != "" {
		c.Env = append(c.Env, "GOCOVERDIR="+v)
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	return ended, nil
}

// startTimeout bounds how long a server's process may take to answer. It reads
// records and starts programs, no more.
const startTimeout = 20 * time.Second

func await(ctx context.Context, dir string, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := Dial(ctx, dir); err == nil {
			return c.Close()
		}
		select {
		case err := <-ended:
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == exitRunning {
				if c, err := Dial(ctx, dir); err == nil {
					return c.Close()
				}
				return errRunning
			}
			return fmt.Errorf("pocket server %s ended when it was started (%v), its log says: %s: %w", dir, err, tail(dir), providers.ErrUnreachable)
		case <-ctx.Done():
			return fmt.Errorf("pocket server %s did not answer within %v, its log says: %s: %w", dir, startTimeout, tail(dir), providers.ErrUnreachable)
		case <-tick.C:
		}
	}
}

// exitRunning is the exit status of a server's process that found another one.
const exitRunning = 5

// tail returns the last line of the server's log, for a message.
func tail(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil || len(b) == 0 {
		return "(nothing)"
	}
	b = b[max(0, len(b)-600):]
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '\n' {
			return string(b[i+1:])
		}
	}
	return string(b)
}

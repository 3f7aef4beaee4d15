//go:build linux

package look

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cleanEnv is what programs of the server are run with: nothing of ours, nothing
// of theirs.
func cleanEnv() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "LANG=C", "HOME=/nonexistent", "TERM=dumb",
		"GOTELEMETRY=off", "GOTOOLCHAIN=local", "DOTNET_CLI_TELEMETRY_OPTOUT=1", "DOTNET_NOLOGO=1", "DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1",
		"GIT_CONFIG_NOSYSTEM=1", "PYTHONDONTWRITEBYTECODE=1",
	}
}

const (
	maxOutput = 4 << 20
	runLimit  = 10 * time.Second
)

// errNotRun says that a program was not run because somebody else than root
// could have changed it.
var errNotRun = errors.New("not run: somebody else than root can change it")

// run runs a program of the server that reads only, and returns what it wrote on
// its output. It runs nothing that somebody else than root could have put there,
// nothing of a machine that is looked at in another directory, and nothing for
// longer than a few seconds.
func (r root) run(ctx context.Context, path string, args ...string) ([]byte, error) {
	out, _, err := r.runBoth(ctx, path, args...)
	return out, err
}

// runLarge is run for a program that writes much.
func (r root) runLarge(ctx context.Context, limit int, path string, args ...string) ([]byte, error) {
	out, _, err := r.runUpTo(ctx, limit, path, args...)
	return out, err
}

// runBoth is run with what the program said on its error output.
func (r root) runBoth(ctx context.Context, path string, args ...string) (out, said []byte, err error) {
	return r.runUpTo(ctx, maxOutput, path, args...)
}

func (r root) runUpTo(ctx context.Context, limit int, path string, args ...string) (out, said []byte, err error) {
	if r != "/" {
		return nil, nil, fs.ErrNotExist
	}
	if err := trusted(path); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	o, e := bounded{limit: limit}, bounded{limit: maxOutput}
	c := exec.CommandContext(ctx, path, args...) // by this name: some programs are several
	c.Env, c.Dir, c.Stdout, c.Stderr = cleanEnv(), "/", &o, &e
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return unix.Kill(-c.Process.Pid, unix.SIGKILL) }
	c.WaitDelay = time.Second
	runtime.LockOSThread() // the signal at our death is that of the thread
	defer runtime.UnlockOSThread()
	if err := c.Start(); err != nil {
		return nil, nil, fmt.Errorf("run %s: %w", path, err)
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, c.Process.Pid, 10)
	err = c.Wait()
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("run %s: it did not end within %s", path, runLimit)
	case err != nil:
		err = fmt.Errorf("run %s: %w: %s", path, err, firstLine(e.b.String()))
	}
	return o.b.Bytes(), e.b.Bytes(), err
}

// trusted follows the links of a path and says whether root alone can change
// what is there, and every directory on the way.
func trusted(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	st, err := os.Stat(real)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s: no program", path)
	}
	for _, way := range []string{path, real} { // a link may lie where others can write
		for p := way; ; p = filepath.Dir(p) {
			if !ofRoot(p) {
				return fmt.Errorf("%s: %w", path, errNotRun)
			}
			if p == "/" {
				break
			}
		}
	}
	return nil
}

func ofRoot(path string) bool {
	st, err := os.Lstat(path)
	if err != nil {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || sys.Uid != 0 {
		return false
	}
	if st.Mode()&fs.ModeSymlink != 0 {
		return true // its own bits say nothing; its directory is looked at
	}
	perm := st.Mode().Perm()
	return perm&0o002 == 0 && (perm&0o020 == 0 || sys.Gid == 0 || sys.Gid == staff && st.IsDir() && under(path, "/usr/local"))
}

// staff is the group to which Debian gives the directories of /usr/local; its
// members are root's equals there.
const staff = 50

// bounded keeps the beginning of what is written.
type bounded struct {
	b     bytes.Buffer
	limit int
}

func (w *bounded) Write(p []byte) (int, error) {
	if left := w.limit - w.b.Len(); left > 0 {
		w.b.Write(p[:min(left, len(p))])
	}
	return len(p), nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s[:min(len(s), 200)]
}

package program

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// The path of a socket has at most 107 bytes; what comes after the folder is
// "/" + 16 + "/socket/site".
const maxRunDir = 107 - 1 - 16 - len("/socket/site")

// RunDir chooses the folder for process files and sockets of a server that lies
// in dir: dir/run, or one in the system's temporary folder if that would make
// the sockets' paths longer than the kernel allows.
func RunDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if run := filepath.Join(dir, "run"); len(run) <= maxRunDir {
		return run, nil
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), fmt.Sprintf("stopover-%d-%s", os.Geteuid(), hex.EncodeToString(sum[:8]))), nil
}

// prepareRunDir makes the folder and refuses one that others could change: a
// process file in it decides which process is taken for an account's.
func prepareRunDir(dir string) error {
	if !filepath.IsAbs(dir) || len(dir) > maxRunDir {
		return fmt.Errorf("run programs: %q has to be an absolute path of at most %d bytes, for the sockets in it", dir, maxRunDir)
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("run programs: %w", err)
	}
	return ownedFolder(dir)
}

func ownedFolder(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("run programs: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("run programs: %s has to be a folder of the server's own user that nobody else can write to", dir)
	}
	return nil
}

func short(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

func (m *Manager) accountRun(name string) string {
	return filepath.Join(m.options.RunDir, short(name))
}

// Socket is where the site's program of an account listens.
func (m *Manager) Socket(account string) string {
	return filepath.Join(m.accountRun(account), "socket", "site")
}

// prepareAccount makes the account's folders for process files (the server's)
// and for its socket (the account's own).
func (m *Manager) prepareAccount(a *Account) error {
	if !filepath.IsAbs(a.Dir) {
		return fmt.Errorf("start programs of %q: %q is not an absolute path", a.Name, a.Dir)
	}
	run := m.accountRun(a.Name)
	sockets := filepath.Join(run, "socket")
	for _, dir := range []string{run, sockets} {
		if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("start programs of %q: %w", a.Name, err)
		}
	}
	if err := ownedFolder(run); err != nil {
		return err
	}
	if a.ownUser() {
		if err := os.Lchown(sockets, a.UID, a.GID); err != nil {
			return fmt.Errorf("start programs of %q: %w", a.Name, err)
		}
	}
	return nil
}

// ownUser tells whether the account's programs run as a user of their own.
func (a *Account) ownUser() bool { return a.UID != 0 && os.Geteuid() == 0 }

// processFile remembers the process of a program for the next server process.
type processFile struct {
	Boot    string `json:"boot"`
	PID     int    `json:"pid"`
	Start   uint64 `json:"start"`
	Program string `json:"program"` // marker of the program
	Digest  string `json:"digest"`  // of what it was started with
}

func (m *Manager) processPath(account string, p Program) string {
	return filepath.Join(m.accountRun(account), "process-"+short(programMarker(p.Kind, p.Name))+".json")
}

func (m *Manager) writeProcess(u *unit, p Process) error {
	f := processFile{Boot: m.boot, PID: p.PID, Start: p.Start, Program: programMarker(u.program.Kind, u.program.Name), Digest: u.digest}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return renameio.WriteFile(m.processPath(u.account.Name, u.program), data, 0o600, renameio.WithTempDir(m.accountRun(u.account.Name)))
}

// readProcess returns the process that runs a program since before this
// server process, if it still does and was started as it would be now.
func (m *Manager) readProcess(u *unit) (Process, bool) {
	f, p, ok := m.readProcessFile(m.processPath(u.account.Name, u.program), u.account.Name)
	return p, ok && f.Digest == u.digest && f.Program == programMarker(u.program.Kind, u.program.Name)
}

// readProcessFile returns false if the process does not run any more. A process
// that has cleared its environment is still the one: boot, number and start say
// so; another account's marker in it says that the file is wrong.
func (m *Manager) readProcessFile(path, account string) (f processFile, p Process, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &f) != nil || f.Boot != m.boot || f.PID <= 1 {
		return f, p, false
	}
	p, ok = readProcess(f.PID)
	return f, p, ok && p.Start == f.Start && (p.marker == "" || p.marker == marker(m.options.Machine, account))
}

// membersOf finds the processes of an account, or of one of its programs.
func (m *Manager) membersOf(account, program string, uid int) *members {
	s := newMembers(marker(m.options.Machine, account), program, uid)
	files, _ := os.ReadDir(m.accountRun(account)) // none: nothing was ever started
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), "process-") {
			continue
		}
		if f, p, ok := m.readProcessFile(filepath.Join(m.accountRun(account), file.Name()), account); ok && (program == "" || program == f.Program) {
			s.known[p.PID], s.groups[p.PID] = p.Start, true
		}
	}
	return s
}

// lastRun is when a task last ran, by its schedule.
func (m *Manager) taskPath(account string, p Program) string {
	return filepath.Join(m.accountRun(account), "task-"+short(programMarker(p.Kind, p.Name)))
}

func (m *Manager) lastRun(account string, p Program) time.Time {
	data, err := os.ReadFile(m.taskPath(account, p))
	if err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, string(data))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (m *Manager) setLastRun(account string, p Program, t time.Time) error {
	return renameio.WriteFile(m.taskPath(account, p), []byte(t.Format(time.RFC3339Nano)), 0o600, renameio.WithTempDir(m.accountRun(account)))
}

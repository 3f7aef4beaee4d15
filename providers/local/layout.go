package local

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// The layout of a pocket server's directory. What a wipe destroys is all of it
// but the order of the wipe itself, which is written beside the directory.
//
//	server.json         description
//	machine-id          identity; new after a reinstallation
//	accounts/NAME/      home, mail, databases, account.json
//	runtimes/NAME/VER/  executables of runtimes
//	records/            ownership records
//	facts.json          facts mirrored here
//	backups/NAME/       backups of an account; a wipe leaves them
//	trials/NAME/        databases that are being tried; empty otherwise
//	run/                what a reboot clears: boot mark, socket, pids
//	agent.lock          held by the one live instance
const (
	serverFile   = "server.json"
	machineFile  = "machine-id"
	accountsDir  = "accounts"
	runtimesDir  = "runtimes"
	removedDir   = "runtimes.removed"
	recordsDir   = "records"
	factsFile    = "facts.json"
	runDir       = "run"
	trialsDir    = "trials"
	bootFile     = "run/boot"
	socketFile   = "run/agent.sock"
	lockFile     = "agent.lock"
	logFile      = "server.log"
	archiveExt   = ".archive"   // beside the directory: survives a wipe
	reinstallExt = ".reinstall" // beside the directory: a wipe that was ordered and not yet finished
)

// machineID reads the identity, or makes one where there is none yet.
func machineID(dir string) (string, error) {
	p := filepath.Join(dir, machineFile)
	b, err := os.ReadFile(p)
	if err == nil {
		id := strings.TrimSpace(string(b))
		if id == "" {
			return "", fmt.Errorf("read %s: it is empty; a server without identity is not started: restore the file or set the directory up anew", p)
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	id := randomID()
	if err := renameio.WriteFile(p, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", p, err)
	}
	return id, syncDir(dir)
}

func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// bootID names the time since the server last "booted". A pocket server boots
// when the machine does, when run/boot is removed, and when its directory is
// replaced by a copy: a copy has another inode and birth time, which no tool
// can carry over, and so an old copy that was put back is known as a new boot.
func bootID(dir string) (string, error) {
	p := filepath.Join(dir, bootFile)
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(randomID() + "\n")
		err = errors.Join(err, f.Sync(), f.Close())
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("write %s: %w", p, err)
	}
	content, err := os.ReadFile(p)
	if err != nil {
		return "", err
	}
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, p, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return "", fmt.Errorf("stat %s: %w", p, err)
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%s %d %d.%d %s", kernel, st.Ino, st.Btime.Sec, st.Btime.Nsec, content))
	return hex.EncodeToString(h[:16]), nil
}

// lock takes the server's kernel lock; it ends with the process. It is taken
// before any record is read.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errRunning
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

var errRunning = errors.New("another process of this pocket server is running")

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

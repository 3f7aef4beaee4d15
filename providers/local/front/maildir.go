package front

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stopover/stopover/providers/local/description"
)

var errNoMailbox = errors.New("no such mailbox")

// mailbox is the Maildir mail/<domain>/<user>/ of an account.
type mailbox struct{ domain, user string }

// check refuses what must not become part of a path.
func (b mailbox) check() error {
	if err := description.CheckDomain(b.domain); err != nil {
		return err
	}
	return description.CheckUser(b.user)
}

func (b mailbox) path(more ...string) string {
	return filepath.Join(append([]string{b.domain, b.user}, more...)...)
}

// findMailbox returns the mailbox as it is called on disk: as written, or in
// lower case. The error is errNoMailbox if there is none.
func findMailbox(a Account, b mailbox) (mailbox, error) {
	root, err := os.OpenRoot(filepath.Join(a.Dir, description.MailDir))
	if errors.Is(err, fs.ErrNotExist) {
		return b, errNoMailbox
	}
	if err != nil {
		return b, err
	}
	defer root.Close()
	for _, user := range []string{b.user, strings.ToLower(b.user)} {
		found := mailbox{b.domain, user}
		info, err := root.Stat(found.path("new"))
		if err == nil && info.IsDir() {
			return found, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, syscall.ENAMETOOLONG) {
			return b, err
		}
	}
	return b, errNoMailbox
}

// full says whether a message of that size is more than the mailbox's quota
// leaves. Two messages that come at the same moment may both find room.
func (b mailbox) full(a Account, size int64) (bool, error) {
	quota := a.Quotas[b.user+"@"+b.domain]
	if quota == 0 {
		return false, nil
	}
	err := filepath.WalkDir(filepath.Join(a.Dir, description.MailDir, b.path()), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return gone(err)
		}
		info, err := e.Info()
		if err != nil {
			return gone(err)
		}
		if size += info.Size(); size > quota {
			return errMailboxFull
		}
		return nil
	})
	if errors.Is(err, errMailboxFull) {
		return true, nil
	}
	return false, err
}

var errMailboxFull = errors.New("mailbox is full")

// gone lets pass what the mailbox's owner moved or deleted meanwhile.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// deliver stores a message: complete and synced before it gets its place in
// new/, and that synced too before the return. After an error the message is
// not in the mailbox. It returns the name in new/.
func (b mailbox) deliver(a Account, host, head string, m *message) (string, error) {
	root, err := os.OpenRoot(filepath.Join(a.Dir, description.MailDir))
	if err != nil {
		return "", err
	}
	defer root.Close()
	name, err := uniqueName(host, int64(len(head))+m.size)
	if err != nil {
		return "", err
	}
	temporary, final := b.path("tmp", name), b.path("new", name)
	if err := b.write(root, a, temporary, head, m); err != nil {
		_ = root.Remove(temporary)
		return "", err
	}
	// The name is new in the world, so nothing can be replaced by this.
	if err := root.Rename(temporary, final); err != nil {
		_ = root.Remove(temporary)
		return "", err
	}
	if err := syncDir(root, b.path("new")); err != nil {
		// Not acknowledged, so the sender comes again: it must not stay twice.
		return "", errors.Join(err, root.Remove(final))
	}
	return name, nil
}

func (b mailbox) write(root *os.Root, a Account, name, head string, m *message) error {
	body, err := m.reader()
	if err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if a.UID != 0 && os.Geteuid() == 0 {
		if err := file.Chown(a.UID, a.GID); err != nil {
			return err
		}
	}
	if _, err := io.Copy(file, io.MultiReader(strings.NewReader(head), body)); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

func syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// uniqueName is a Maildir name: time, process, 128 random bits, host, size.
func uniqueName(host string, size int64) (string, error) {
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	now := time.Now()
	host = strings.NewReplacer("/", `\057`, ":", `\072`, ",", "_").Replace(host)
	return fmt.Sprintf("%d.M%06dP%dR%s.%.100s,S=%d", now.Unix(), now.Nanosecond()/1000, os.Getpid(), hex.EncodeToString(random[:]), host, size), nil
}

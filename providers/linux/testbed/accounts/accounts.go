// Package accounts puts real accounts on hosts of the test bed, and says to the
// byte and to the row what it put there. What it says is counted while it is
// made, never read back, so that surveys can be compared with it.
package accounts

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed files
var sources embed.FS

// Host is a machine as this package needs it.
type Host interface {
	// Root is where its file system is seen from here.
	Root() string
	// Run runs a program on it and returns what it printed.
	Run(ctx context.Context, argv ...string) (string, error)
}

// Truth is what was put on a host.
type Truth struct {
	Accounts map[string]*Account
	// Residue are paths that belong to no account and to no package.
	Residue []string
	// Unknown are kinds of things that a survey has to name without
	// understanding them.
	Unknown []string
	// Orphans are databases that belong to no account, as engine/name.
	Orphans []string
}

// Account is the truth of one account.
type Account struct {
	Name    string
	UID     int
	Shell   string
	Bytes   int64 // of regular files in its home, mail left out
	Entries int64 // files, directories and links in its home, the home and mail left out

	Mailboxes map[string]*Mailbox  // by address
	Databases map[string]*Database // by engine/name
	Domains   []string
	Tasks     []string // schedules of its crontab
	Keys      int
	Services  []string
	Mentions  []string // path:line of the server's own names and addresses
	Lacking   []string // sonames that the newer release does not have
}

// Mailbox is the truth of one mailbox.
type Mailbox struct {
	Path            string
	Messages, Bytes int64 // of the messages
	Whole           int64 // bytes of all its files
	UIDValidity     uint32
}

// Database is the truth of one database: rows by table.
type Database struct {
	Tables map[string]int64
}

// Options of an installation.
type Options struct {
	Messages int // in the largest mailbox; 0: 2000
	// Address and Name are the host's own, written into files that mention it.
	Address, Name string
}

// maker makes one account after the other on a host.
type maker struct {
	h     Host
	o     Options
	truth *Truth
}

// Install puts the sample accounts on a host that runs MariaDB, PostgreSQL,
// Dovecot, nginx, Apache, PHP-FPM and cron. It is meant for a fresh host.
func Install(ctx context.Context, h Host, o Options) (*Truth, error) {
	if o.Messages == 0 {
		o.Messages = 2000
	}
	m := &maker{h: h, o: o, truth: &Truth{Accounts: map[string]*Account{}}}
	for _, put := range []func(context.Context) error{m.shop, m.blog, m.static, m.ledger, m.mailco, m.pyapp, m.unowned, m.reload} {
		if err := put(ctx); err != nil {
			return nil, err
		}
	}
	return m.truth, nil
}

// user makes an account with its home.
func (m *maker) user(ctx context.Context, name string, uid int, shell string) (*Account, error) {
	if _, err := m.h.Run(ctx, "useradd", "-u", strconv.Itoa(uid), "-U", "-M", "-d", "/home/"+name, "-s", shell, "-p", hash, name); err != nil {
		return nil, err
	}
	a := &Account{Name: name, UID: uid, Shell: shell, Mailboxes: map[string]*Mailbox{}, Databases: map[string]*Database{}}
	m.truth.Accounts[name] = a
	home := m.path("/home/" + name)
	if err := os.Mkdir(home, 0o711); err != nil {
		return nil, err
	}
	return a, os.Chown(home, uid, uid)
}

// hash is of a password that nobody needs: "stopover".
const hash = "$6$stopover$UQmSGy0xCdYgRtBCT3CXMoQVfKmGCzXEpXI5AeQLcOnaZDpjxwgQkuc4mxrJY6Ax2R5HcBgTNCzgC7XyXaTJE0"

func (m *maker) path(p string) string { return filepath.Join(m.h.Root(), p) }

// mkdir makes a directory of an account below its home, with its parents.
func (m *maker) mkdir(a *Account, rel string) error {
	p := m.path("/home/" + a.Name)
	for _, part := range strings.Split(rel, "/") {
		p = filepath.Join(p, part)
		err := os.Mkdir(p, 0o755)
		if os.IsExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		a.Entries++
		if err := os.Chown(p, a.UID, a.UID); err != nil {
			return err
		}
	}
	return nil
}

// write makes a file of an account below its home.
func (m *maker) write(a *Account, rel, content string, mode os.FileMode) error {
	if dir := path.Dir(rel); dir != "." {
		if err := m.mkdir(a, dir); err != nil {
			return err
		}
	}
	p := m.path("/home/" + a.Name + "/" + rel)
	if err := os.WriteFile(p, []byte(content), mode); err != nil {
		return err
	}
	a.Entries++
	a.Bytes += int64(len(content))
	return own(p, a.UID, mode)
}

func own(p string, uid int, mode os.FileMode) error {
	if err := os.Chmod(p, mode); err != nil { // whatever the umask is
		return err
	}
	return os.Chown(p, uid, uid)
}

// link makes a symbolic link of an account.
func (m *maker) link(a *Account, target, rel string) error {
	p := m.path("/home/" + a.Name + "/" + rel)
	if err := os.Symlink(target, p); err != nil {
		return err
	}
	a.Entries++
	return os.Lchown(p, a.UID, a.UID)
}

// copied writes a file of this package into an account, its marks replaced. It
// returns the lines on which the server's address or name stands.
func (m *maker) copied(a *Account, source, rel string, mode os.FileMode) error {
	text, err := m.text(source)
	if err != nil {
		return err
	}
	for i, line := range strings.Split(text, "\n") {
		if strings.Contains(line, m.o.Address) || strings.Contains(line, m.o.Name+".example.net") {
			a.Mentions = append(a.Mentions, fmt.Sprintf("%s:%d", rel, i+1))
		}
	}
	return m.write(a, rel, text, mode)
}

func (m *maker) text(source string) (string, error) {
	data, err := fs.ReadFile(sources, "files/"+source)
	if err != nil {
		return "", err
	}
	return strings.NewReplacer("@ADDRESS@", m.o.Address, "@NAME@", m.o.Name).Replace(string(data)), nil
}

// server writes a file of the server's own.
func (m *maker) server(source, p string, mode os.FileMode) error {
	text, err := m.text(source)
	if err != nil {
		return err
	}
	return m.put(p, text, mode)
}

func (m *maker) put(p, text string, mode os.FileMode) error {
	p = m.path(p)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(p, []byte(text), mode); err != nil {
		return err
	}
	return os.Chmod(p, mode)
}

// crontab installs a crontab as cron wants it: a file of the user, mode 0600.
func (m *maker) crontab(ctx context.Context, a *Account, text string) error {
	for _, line := range strings.Split(text, "\n") {
		switch f := strings.Fields(line); {
		case len(f) == 0 || strings.HasPrefix(f[0], "#") || strings.Contains(f[0], "="):
		case strings.HasPrefix(f[0], "@"):
			a.Tasks = append(a.Tasks, f[0])
		default:
			a.Tasks = append(a.Tasks, strings.Join(f[:5], " "))
		}
	}
	if err := m.put("/tmp/crontab", text, 0o644); err != nil {
		return err
	}
	_, err := m.h.Run(ctx, "crontab", "-u", a.Name, "/tmp/crontab")
	return err
}

// sql feeds a script of this package to a client on the host.
func (m *maker) sql(ctx context.Context, source string, client ...string) error {
	text, err := m.text(source)
	if err != nil {
		return err
	}
	if err := m.put("/tmp/"+source, text, 0o644); err != nil {
		return err
	}
	_, err = m.h.Run(ctx, append([]string{"sh", "-c", `f=$1; shift; exec "$@" < "$f"`, "sh", "/tmp/" + source}, client...)...)
	return err
}

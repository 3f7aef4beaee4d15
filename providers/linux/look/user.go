//go:build linux

package look

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// describeUsers completes what is known of the accounts' users.
func (w *world) describeUsers(ctx context.Context, all []passwdEntry, groups *groupList) {
	passwords := w.passwords()
	quotas := newQuotas(w.dir())
	last, done := w.lastLogins()
	defer done()
	w.each(ctx, func(a *account) {
		u := a.User
		u.Group = groups.names[u.GID]
		u.Groups = sortedSet(groups.of[a.Name])
		p, ok := passwords[a.Name]
		if !ok {
			p.state = "unknown"
		}
		u.Password, u.Scheme = p.state, p.scheme
		u.LastUsed = last(a.UID)
		w.describeHome(a)
		u.Keys = w.keys(a)
		if u.Quota = quotas.of(a.home, a.UID); u.Quota != nil {
			a.Quota = cmp.Or(u.Quota.Hard, u.Quota.Soft)
		}
	})
	w.logins(all)
}

func sortedSet(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// describeHome says whose the home is. One that is not there is a finding: the
// account's files may lie on something that is not mounted.
func (w *world) describeHome(a *account) {
	st, err := w.dir().stat(a.home)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = errors.New("it is no directory")
	}
	if err != nil {
		a.homeless = true
		remedy := "mend what the message names; nothing of the account is moved before"
		if errors.Is(err, fs.ErrNotExist) {
			remedy = "mount it if it lies on something that is not mounted now; if the user has no files, make an empty home or delete the user"
		}
		a.finding(schema.Finding{Code: foundUnreadable, Severity: schema.Blocker, Object: a.home,
			Summary: fmt.Sprintf("the home of %s cannot be read: %v", schema.QuoteName(a.Name), err), Remedy: remedy})
		return
	}
	a.User.Mode, a.User.HomeUID = st.Mode&0o7777, int(st.Uid)
}

// password is what shadow says of a user, without the hash.
type password struct{ state, scheme string }

// passwords reads which users have a password. The hashes are looked at and
// forgotten.
func (w *world) passwords() map[string]password {
	out := map[string]password{}
	text, err := w.dir().read("/etc/shadow", bigFile)
	if err != nil {
		w.m.Log.Warn("no passwords", "error", err)
		return out
	}
	defer clear(text)
	lines(text, func(_ int, line string) bool {
		name, rest, _ := strings.Cut(line, ":")
		hash, _, _ := strings.Cut(rest, ":")
		if name != "" {
			out[name] = passwordOf(hash)
		}
		return true
	})
	return out
}

// passwordOf tells a hash's state and scheme, by crypt(5).
func passwordOf(hash string) password {
	if hash == "" {
		return password{"none", ""}
	}
	if hash[0] == '!' || hash[0] == '*' || hash == "x" {
		return password{"locked", ""}
	}
	if id, _, ok := strings.Cut(strings.TrimPrefix(hash, "$"), "$"); ok && hash[0] == '$' {
		for _, s := range [][2]string{{"y", "yescrypt"}, {"gy", "gost-yescrypt"}, {"7", "scrypt"}, {"6", "sha512"}, {"5", "sha256"}, {"sha1", "sha1"}, {"md5", "sunmd5"},
			{"1", "md5"}, {"3", "nt"}, {"2a", "bcrypt"}, {"2b", "bcrypt"}, {"2x", "bcrypt"}, {"2y", "bcrypt"}} {
			if id == s[0] {
				return password{"set", s[1]}
			}
		}
		return password{"set", "other"}
	}
	switch {
	case hash[0] == '_' && len(hash) == 20:
		return password{"set", "bsdi"}
	case len(hash) == 13:
		return password{"set", "des"}
	}
	return password{"locked", ""} // no hash of any scheme: no password fits it
}

// lastLogins reads lastlog(8), a sparse file with a record for each user id.
// Who calls it calls done at the end.
func (w *world) lastLogins() (last func(uid int) string, done func()) {
	const record = 292 // int32 time, 32 bytes of line, 256 of host
	f, err := w.dir().open("/var/log/lastlog")
	if err != nil {
		return func(int) string { return "" }, func() {}
	}
	return func(uid int) string {
		var b [4]byte
		if _, err := f.ReadAt(b[:], int64(uid)*record); err != nil {
			return ""
		}
		t := binary.NativeEndian.Uint32(b[:])
		if t == 0 {
			return ""
		}
		return time.Unix(int64(t), 0).UTC().Format(time.RFC3339)
	}, func() { f.Close() }
}

// logins are the further users of accounts: of the machine, and those that only
// an FTP server knows.
func (w *world) logins(all []passwdEntry) {
	for _, p := range all {
		a := w.accountAt(p.home)
		if a == nil {
			a = w.byUID[p.uid]
		}
		if a == nil || w.byName[p.name] != nil {
			continue
		}
		kind := "ssh"
		if noShell(p.shell) {
			kind = "ftp"
		}
		a.User.Logins = append(a.User.Logins, schema.Login{Kind: kind, Name: p.name, Home: p.home})
		if w.byUID[p.uid] == nil {
			w.byUID[p.uid] = a
		}
	}
	for _, f := range w.ftpUsers() {
		a := w.accountAt(f.home)
		if a == nil {
			if a = w.byUID[f.uid]; a == nil {
				continue
			}
		}
		a.User.Logins = append(a.User.Logins, schema.Login{Kind: "ftp", Name: f.name, Home: f.home})
	}
	for _, a := range w.accounts {
		slices.SortFunc(a.User.Logins, byLogin)
		a.User.Logins = slices.Compact(a.User.Logins)
	}
}

func byLogin(x, y schema.Login) int {
	return strings.Compare(x.Kind+"\x00"+x.Name+"\x00"+x.Home, y.Kind+"\x00"+y.Name+"\x00"+y.Home)
}

// noShell says that a shell lets nobody in.
func noShell(shell string) bool {
	switch filepath.Base(shell) {
	case "nologin", "false", "true", "sync", "ftponly":
		return true
	}
	return false
}

// ftpUsers reads the users of FTP servers: pure-ftpd's and proftpd's files begin
// with the fields of passwd.
func (w *world) ftpUsers() (out []passwdEntry) {
	for _, p := range w.places(w.layout.FTPUsers) {
		text, err := w.readPlace(p, bigFile)
		if err != nil {
			w.m.Log.Warn("no FTP users", "file", p.path(), "error", err)
			continue
		}
		lines(text, func(_ int, line string) bool {
			f := strings.Split(line, ":")
			if len(f) < 6 || f[0] == "" || f[0][0] == '#' {
				return true
			}
			uid, err := strconv.Atoi(f[2])
			if err != nil {
				return true
			}
			home := strings.Replace(f[5], "/./", "/", 1) // pure-ftpd marks the root of a chroot so
			out = append(out, passwdEntry{name: f[0], uid: uid, home: filepath.Clean("/" + home)})
			return true
		})
	}
	return out
}

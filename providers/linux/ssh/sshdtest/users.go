package sshdtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// User is a user whom only the server of a test has.
type User struct {
	Name     string
	Password string // empty: none opens it
	Shell    string
}

// firstUser is the uid of the first of them.
const firstUser = 47001

// StartWithUsers runs a server with users and a sudoers file of its own, in a
// mount namespace: the machine's own files stay as they are. The key that opens
// root opens them too.
func StartWithUsers(t testing.TB, users []User, sudoers string, lines ...string) *Server {
	t.Helper()
	Need(t, "sudo", "openssl")
	s := prepare(t, lines...)
	etc := filepath.Join(s.Dir, "etc")
	home := filepath.Join(s.Dir, "home")
	for _, d := range []string{etc, filepath.Join(etc, "sudoers.d"), home} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	passwd, shadow, group := s.passwd(t), Read(t, "/etc/shadow"), Read(t, "/etc/group")
	for i, u := range users {
		uid, dir := firstUser+i, filepath.Join(home, u.Name)
		passwd += fmt.Sprintf("%s:x:%d:%d::%s:%s\n", u.Name, uid, uid, dir, u.Shell)
		shadow += fmt.Sprintf("%s:%s:19000:0:99999:7:::\n", u.Name, hash(t, u.Password))
		group += fmt.Sprintf("%s:x:%d:\n", u.Name, uid)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(etc, "shadow"), shadow)
	write(t, filepath.Join(etc, "sudoers.d", "test"), sudoers)
	for name, text := range map[string]string{"passwd": passwd, "group": group} {
		write(t, filepath.Join(etc, name), text)
		if err := os.Chmod(filepath.Join(etc, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(s.Dir, "authorized_keys"), 0o644); err != nil {
		t.Fatal(err)
	}
	for d := s.Dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) { // or users do not reach their homes
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var mounts strings.Builder
	for _, f := range []string{"passwd", "shadow", "group", "sudoers.d"} {
		fmt.Fprintf(&mounts, "mount --bind '%s/%s' /etc/%s || exit 1; ", etc, f, f)
	}
	s.mounts = mounts.String()
	s.run(t)
	return s
}

func hash(t testing.TB, password string) string {
	t.Helper()
	if password == "" {
		return "*"
	}
	cmd := exec.Command("openssl", "passwd", "-6", "-stdin")
	cmd.Stdin = strings.NewReader(password + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

//go:build linux

package look

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// asRoot skips where the test cannot own the files of several users: loudly on
// a user's machine, and as a failure where everything is expected to run.
func asRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this test needs root, and CI=true")
	}
	t.Skip("SKIPPED: this test needs root, to give files to several users. Run it with sudo")
}

// server is a directory that stands for "/" of a server with accounts.
type server struct {
	t      testing.TB
	root   string
	layout schema.Layout
	passwd strings.Builder
	names  []string // of the server itself
}

func newServer(t testing.TB) *server {
	asRoot(t)
	s := &server{t: t, root: t.TempDir(), layout: schema.Layout{
		Name: "test", Homes: []string{"/home/*"}, MinUID: 1000, MaxUID: 59999, Exclude: []string{"nobody"},
		Mail: []string{"{home}/Maildir", "{home}/mail/{domain}/{user}", "/var/vmail/{domain}/{user}"},
		Keys: []string{"{home}/.ssh/authorized_keys"}, Backups: []string{"/var/backups/{account}-*"},
		MailUsers: []string{"/etc/dovecot/users"}, FTPUsers: []string{"/etc/pureftpd.passwd"},
	}}
	s.put("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")
	s.put("/etc/group", "root:x:0:\n")
	s.passwd.WriteString("root:x:0:0:root:/root:/bin/bash\n")
	return s
}

func (s *server) path(p string) string { return filepath.Join(s.root, p) }

func (s *server) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// put writes a file and returns its path.
func (s *server) put(p, text string) string {
	s.t.Helper()
	p = s.path(p)
	s.check(os.MkdirAll(filepath.Dir(p), 0o755))
	s.check(os.WriteFile(p, []byte(text), 0o644))
	return p
}

// runs writes a program.
func (s *server) runs(p, text string) { s.t.Helper(); s.check(os.Chmod(s.put(p, text), 0o755)) }

func (s *server) link(target, p string) {
	s.t.Helper()
	p = s.path(p)
	s.check(os.MkdirAll(filepath.Dir(p), 0o755))
	s.check(os.Symlink(target, p))
}

// user adds a user with a home.
func (s *server) user(name string, uid int, home string) {
	s.t.Helper()
	fmt.Fprintf(&s.passwd, "%s:x:%d:%d::%s:/bin/bash\n", name, uid, uid, home)
	s.check(os.MkdirAll(s.path(home), 0o750))
	s.check(os.Chown(s.path(home), uid, uid))
}

// look surveys the server.
func (s *server) look() (*schema.FoundServer, map[string]*schema.FoundAccount) {
	s.t.Helper()
	s.put("/etc/passwd", s.passwd.String())
	m := &Machine{Root: s.root}
	accounts := map[string]*schema.FoundAccount{}
	found, err := m.Look(context.Background(), s.request(), func(a *schema.FoundAccount) error {
		accounts[a.Name] = a
		return nil
	}, nil)
	s.check(err)
	return found, accounts
}

func (s *server) request() agent.LookRequest {
	return agent.LookRequest{Layout: s.layout, Names: s.names}
}

// find runs find(1) and returns the number of entries below dir and the bytes of
// its regular files, each inode once, with some directories left out.
func find(t testing.TB, dir string, without ...string) (entries, bytes int64) {
	t.Helper()
	args := []string{dir, "-xdev", "-mindepth", "1"}
	for _, w := range without {
		args = append(args, "-path", filepath.Join(dir, w), "-prune", "-o")
	}
	args = append(args, "-printf", `%y %D:%i %s\0`)
	out, err := exec.Command("find", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for rec := range strings.SplitSeq(string(out), "\x00") {
		f := strings.Fields(rec)
		if len(f) != 3 {
			continue
		}
		entries++
		if f[0] == "f" && !seen[f[1]] {
			seen[f[1]] = true
			n, _ := strconv.ParseInt(f[2], 10, 64)
			bytes += n
		}
	}
	return entries, bytes
}

func codes(list []schema.Finding) (out []string) {
	for _, f := range list {
		out = append(out, f.Code+" "+f.Object)
	}
	return out
}

func TestFilesAsFindCountsThem(t *testing.T) {
	s := newServer(t)
	s.user("alice", 2001, "/home/alice")
	s.user("bob", 2002, "/home/bob")
	for i := range 300 {
		s.put(fmt.Sprintf("/home/alice/www/d%d/f%d.txt", i%7, i), strings.Repeat("x", i))
	}
	s.put("/home/alice/new\nline/-rf *", "abc")
	s.put("/home/alice/bad\xff/caf\u00e9 \x1b[31m", "abcd")
	s.check(os.Link(s.path("/home/alice/www/d0/f77.txt"), s.path("/home/alice/again")))
	f, err := os.Create(s.path("/home/alice/sparse"))
	s.check(err)
	s.check(f.Truncate(5 << 40))
	s.check(f.Close())
	s.link("www", "/home/alice/inside")
	s.link("/etc/passwd", "/home/alice/www/out")
	s.link("../../bob", "/home/alice/www/up")
	s.put("/home/bob/Maildir/cur/1", "mail")
	s.put("/home/bob/Maildir/new/2", "more mail")
	s.put("/home/bob/Maildir/.Sent/cur/3", "sent")
	s.put("/home/bob/Maildir/.Sent/dovecot-uidlist", "3 V1275660208 N25022 Gabc\n1 :1\n")
	s.put("/home/bob/file", "12345")
	_, got := s.look()
	entries, bytes := find(t, s.path("/home/alice"))
	if a := got["alice"]; a.Files.Entries != entries || a.Files.Bytes != bytes {
		t.Errorf("alice: %+v, find says %d entries, %d bytes", a.Files, entries, bytes)
	}
	want := []schema.Link{{Path: "www/out", Target: "/etc/passwd"}, {Path: "www/up", Target: "../../bob"}}
	if a := got["alice"]; fmt.Sprint(a.Links) != fmt.Sprint(want) {
		t.Errorf("links %q", a.Links)
	}
	entries, bytes = find(t, s.path("/home/bob"), "Maildir")
	if b := got["bob"]; b.Files.Entries != entries || b.Files.Bytes != bytes {
		t.Errorf("bob: %+v, find says %d entries, %d bytes", b.Files, entries, bytes)
	}
	if m := got["bob"].Mail; m.Messages != 3 || len(m.Boxes) != 1 || len(m.Boxes[0].Folders) != 2 || m.Boxes[0].Folders[1].UIDValidity != 1275660208 {
		t.Errorf("mail %+v", m)
	}
}

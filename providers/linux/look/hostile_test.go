//go:build linux

package look

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

func TestHostileTree(t *testing.T) {
	s := newServer(t)
	s.user("eve", 2001, "/home/eve")
	s.user("victim", 2002, "/home/victim")
	s.put("/home/victim/.env", "SECRET=web1.example.net\n")
	s.names = []string{"web1.example.net"}
	home := s.path("/home/eve")
	s.check(unix.Mkfifo(home+"/pipe.conf", 0o777))
	s.check(unix.Mkfifo(home+"/.htaccess", 0o777))
	s.check(unix.Mknod(home+"/disk.ini", unix.S_IFBLK|0o777, int(unix.Mkdev(7, 200))))
	s.check(unix.Mknod(home+"/null.php", unix.S_IFCHR|0o777, int(unix.Mkdev(1, 3))))
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	s.check(err)
	defer unix.Close(fd)
	s.check(unix.Bind(fd, &unix.SockaddrUnix{Name: home + "/sock"}))
	s.link("/home/victim/.env", "/home/eve/.env")
	s.link("../victim", "/home/eve/other")
	s.link("/home/victim/Maildir", "/home/eve/Maildir")
	s.put("/home/victim/Maildir/cur/1", "x")
	s.put("/home/eve/a\nb/c\x1b[2J.php", "<?php // web1.example.net")
	s.put("/home/eve/\xff\xfe.env", "x=1")
	for _, n := range []string{"pyvenv.cfg", "composer.json", "composer.lock", "Gemfile.lock", "package.json"} {
		s.put("/home/eve/d/"+n, strings.Repeat("[{", 10_000)+"\x00\xff")
	}
	_, got := s.look()
	eve := got["eve"]
	entries, size := find(t, home)
	if eve.Files.Entries != entries || eve.Files.Bytes != size {
		t.Errorf("%+v, find says %d entries, %d bytes", eve.Files, entries, size)
	}
	want := []string{"file-device disk.ini", "file-device null.php", "file-socket sock"}
	if d := cmp.Diff(want, codes(eve.Findings)); d != "" {
		t.Error(d)
	}
	if eve.Mail.Messages != 0 || len(eve.Mail.Boxes) != 0 {
		t.Errorf("mail of another account: %+v", eve.Mail)
	}
	if d := cmp.Diff([]schema.Mention{{Path: "a\nb/c\x1b[2J.php", Line: 1, What: "web1.example.net"}}, eve.Mentions); d != "" {
		t.Error(d)
	}
	if got["victim"].Mail.Messages != 1 {
		t.Errorf("victim: %+v", got["victim"].Mail)
	}
	if _, err := json.Marshal(eve); err != nil {
		t.Error(err)
	}
}

func TestDeepAndWideTrees(t *testing.T) {
	s := newServer(t)
	s.user("eve", 2001, "/home/eve")
	wide := s.path("/home/eve/wide")
	s.check(os.MkdirAll(wide, 0o755))
	for i := range 100_000 {
		fd, err := unix.Open(filepath.Join(wide, fmt.Sprint(i)), unix.O_CREAT|unix.O_WRONLY, 0o600)
		s.check(err)
		unix.Close(fd)
	}
	// Deeper than any path can name.
	at, err := unix.Open(s.path("/home/eve"), unix.O_DIRECTORY, 0)
	s.check(err)
	name := strings.Repeat("d", 200)
	for range 40 {
		s.check(unix.Mkdirat(at, name, 0o755))
		next, err := unix.Openat(at, name, unix.O_DIRECTORY, 0)
		s.check(err)
		unix.Close(at)
		at = next
	}
	unix.Close(at)
	_, got := s.look()
	eve := got["eve"]
	if c := codes(eve.Findings); len(c) != 1 || !strings.HasPrefix(c[0], "file-long-path d") {
		t.Errorf("%.200q", c)
	}
	if want := int64(100_000 + 1 + 21); eve.Files.Entries != want { // the last is named and not entered
		t.Errorf("%d entries, want %d", eve.Files.Entries, want)
	}
}

// A hostile account swaps a directory for a link to another account, again and
// again, while it is walked: nothing of the other one is ever told.
func TestSwappedDirectories(t *testing.T) {
	s := newServer(t)
	s.names = []string{"web1.example.net"}
	s.user("eve", 2001, "/home/eve")
	s.user("victim", 2002, "/home/victim")
	for i := range 50 {
		s.put(fmt.Sprintf("/home/victim/conf/%d.ini", i), "host=web1.example.net\n")
		s.put(fmt.Sprintf("/home/eve/d%d/conf/x.txt", i), "x")
	}
	var all sync.WaitGroup
	done := make(chan struct{})
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			d := s.path(fmt.Sprintf("/home/eve/d%d", i%50))
			_ = unix.Rename(d+"/conf", d+"/was")
			_ = os.Symlink("../../victim/conf", d+"/conf")
			_ = os.Remove(d + "/conf")
			_ = unix.Rename(d+"/was", d+"/conf")
		}
	})
	for range 20 {
		_, got := s.look()
		if m := got["eve"].Mentions; len(m) != 0 {
			t.Fatalf("led outside: %v", m)
		}
		for _, f := range got["eve"].Findings {
			t.Errorf("%s: %s", f.Code, f.Summary)
		}
	}
	close(done)
	all.Wait()
}

func TestMountPointsAreNotCrossed(t *testing.T) {
	s := newServer(t)
	s.user("eve", 2001, "/home/eve")
	s.put("/home/eve/file", "12345")
	at := s.path("/home/eve/mnt")
	s.check(os.MkdirAll(at, 0o755))
	if err := unix.Mount("none", at, "tmpfs", 0, ""); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: mounting is not allowed here: ", err)
	}
	defer func() { s.check(unix.Unmount(at, unix.MNT_DETACH)) }()
	s.check(os.WriteFile(at+"/inside", []byte("not counted"), 0o600))
	_, got := s.look()
	if d := cmp.Diff([]string{"file-mount-point mnt"}, codes(got["eve"].Findings)); d != "" {
		t.Error(d)
	}
	if f := got["eve"].Files; f != (schema.Files{Bytes: 5, Entries: 2}) {
		t.Errorf("%+v", f)
	}
	if d := cmp.Diff([]string{"mnt"}, keysOf(below([]string{"/home/eve/mnt", "/home/evee/x", "/home/eve"}, "/home/eve"))); d != "" {
		t.Error(d)
	}
}

func keysOf(m map[string]bool) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return sortedSet(out)
}

// On kernels without openat2 paths are gone along element by element.
func TestOldKernel(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"a/b/c", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../other", filepath.Join(dir, "a/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a/b/f"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, old := range []bool{false, true} {
		tr, err := root("/").openTree(dir)
		if err != nil {
			t.Fatal(err)
		}
		tr.walk.Store(old)
		for path, want := range map[string]error{"": nil, "a": nil, "a/b/c": nil, "a/link": unix.ENOTDIR, "a/link/x": unix.ENOTDIR, "a/../other": unix.EXDEV, "none": unix.ENOENT, "a/b/f": unix.ENOTDIR} {
			fd, err := tr.dir(path)
			if err == nil {
				unix.Close(fd)
			}
			ok := err == want || want == unix.ENOTDIR && err == unix.ELOOP || path == "a/../other" && !old && err == nil // it stays within
			if !ok {
				t.Errorf("old %v: %q: %v, want %v", old, path, err, want)
			}
		}
		if b, err := tr.read("a/b/f", 2); err != nil || string(b) != "te" {
			t.Errorf("old %v: %q, %v", old, b, err)
		}
		tr.close()
	}
}

// A survey leaves access times alone, and stops when it is told to.
func TestLookChangesNothing(t *testing.T) {
	s := newServer(t)
	s.user("alice", 2001, "/home/alice")
	long := time.Now().Add(-1000 * time.Hour)
	var files []string
	for _, p := range []string{"/home/alice/wp-config.php", "/home/alice/.ssh/authorized_keys", "/home/alice/Maildir/cur/1", "/home/alice/Maildir/dovecot-uidlist", "/home/alice/sieve/x.sieve"} {
		files = append(files, s.put(p, "x\n"))
	}
	for _, d := range []string{"/home/alice", "/home/alice/Maildir", "/home/alice/Maildir/cur", "/home/alice/sieve"} {
		files = append(files, s.path(d))
	}
	s.put("/etc/passwd", s.passwd.String())
	for _, f := range files {
		s.check(os.Chtimes(f, long, long.Add(-time.Hour)))
	}
	state := func() string {
		var b bytes.Buffer
		for _, f := range files {
			var st unix.Stat_t
			s.check(unix.Stat(f, &st))
			fmt.Fprintln(&b, f, st.Atim, st.Mtim, st.Ctim, st.Nlink)
		}
		return b.String()
	}
	before := state()
	s.look()
	if d := cmp.Diff(before, state()); d != "" {
		t.Error(d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (&Machine{Root: s.root}).Look(ctx, agent.LookRequest{Layout: s.layout}, func(*schema.FoundAccount) error { return nil }, nil); err != context.Canceled {
		t.Errorf("after an end: %v", err)
	}
}

// The same machine gives the same answer, however the work falls.
func TestLookIsStable(t *testing.T) {
	s := newServer(t)
	s.names = []string{"web1.example.net"}
	s.user("alice", 2001, "/home/alice")
	for i := range 400 {
		s.put(fmt.Sprintf("/home/alice/d%d/%d.ini", i%40, i), "host=web1.example.net\nlisten=0.0.0.0:80\ntmp=/tmp/x\n")
		s.link("/etc", fmt.Sprintf("/home/alice/d%d/l%d", i%40, i))
	}
	var first []byte
	for range 5 {
		_, got := s.look()
		b, err := json.Marshal(got["alice"])
		s.check(err)
		if first == nil {
			first = b
		}
		if !bytes.Equal(first, b) {
			t.Fatal(cmp.Diff(string(first), string(b)))
		}
	}
}

func TestPilesAreBounded(t *testing.T) {
	h := newHarvest()
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := w; i < 60_000; i += 4 {
				h.links.add(schema.Link{Path: fmt.Sprintf("%06d", 59_999-i), Target: "/"})
				h.lines.add(schema.Line{Kind: "tmp", Path: fmt.Sprintf("%06d", i), What: strings.Repeat("x", 400)})
			}
		})
	}
	all.Wait()
	links, more := h.links.take()
	if len(links) != maxList || !more || links[0].Path != "000000" || links[maxList-1].Path != "009999" {
		t.Errorf("%d links, %v, first %q, last %q", len(links), more, links[0].Path, links[len(links)-1].Path)
	}
	lines, more := h.lines.take()
	if !more || len(lines) > 2000 || lines[0].Path != "000000" || lines[len(lines)-1].Path != fmt.Sprintf("%06d", len(lines)-1) {
		t.Errorf("%d lines, %v", len(lines), more)
	}
}

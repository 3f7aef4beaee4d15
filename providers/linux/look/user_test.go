//go:build linux

package look

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

func TestWhoIsAnAccount(t *testing.T) {
	s := newServer(t)
	s.user("alice", 2001, "/home/alice")
	s.user("alice-dev", 2002, "/home/alice")     // shares the home
	s.user("alice-ftp", 2003, "/home/alice/ftp") // lies in it
	s.user("alice2", 2001, "/srv/alice")         // the same user by another name
	s.user("carol", 999, "/home/carol")          // a user of the system
	s.user("nobody", 65534, "/home/nobody")      // excluded, and beyond
	s.user("dave", 3000, "/srv/dave")            // no home of an account
	s.user("-rf *", 2010, "/home/-rf *")         // useradd refuses it, others do not
	s.user("zoë", 2011, "/home/zoë")
	s.passwd.WriteString("+::::::\n# comment\nbroken:line\nbad:x:notanumber:1::/home/bad:/bin/sh\n")
	s.passwd.WriteString("gone:x:2020:2020::/home/gone:/usr/sbin/nologin\n")
	s.passwd.WriteString("uploads:x:2030:2030::/home/alice/up:/usr/sbin/nologin\n")
	s.put("/etc/group", "root:x:0:\nalice:x:2001:\nwww:x:33:alice,zoë\nstaff:x:50:alice\nstaff:x:51:alice\n")
	s.put("/etc/shadow", strings.Join([]string{"alice:$y$j9T$salt$secrethash:19000:0:99999:7:::", "zoë:!$6$abc$secrethash:1::::::", "-rf *::1::::::", "root:*:1::::::"}, "\n"))
	s.put("/etc/pureftpd.passwd", "shopftp:$6$secrethash:2001:2001::/home/alice/./www:\nnowhere:x:77:77::/tmp::\n")
	s.check(unix.Chmod(s.path("/home/alice"), 0o2770))
	log := make([]byte, 2002*292)
	binary.NativeEndian.PutUint32(log[2001*292:], 1_700_000_000)
	s.put("/var/log/lastlog", string(log))

	_, got := s.look()
	var names []string
	for n := range got {
		names = append(names, n)
	}
	if d := cmp.Diff([]string{"-rf *", "alice", "gone", "zoë"}, sortedSet(names)); d != "" {
		t.Fatal(d)
	}
	want := &schema.User{GID: 2001, Group: "alice", Groups: []string{"staff", "www"}, Home: "/home/alice", Mode: 0o2770, HomeUID: 2002, Shell: "/bin/bash",
		Password: "set", Scheme: "yescrypt", LastUsed: time.Unix(1_700_000_000, 0).UTC().Format(time.RFC3339),
		Logins: []schema.Login{
			{Kind: "ftp", Name: "shopftp", Home: "/home/alice/www"}, {Kind: "ftp", Name: "uploads", Home: "/home/alice/up"},
			{Kind: "ssh", Name: "alice-dev", Home: "/home/alice"}, {Kind: "ssh", Name: "alice-ftp", Home: "/home/alice/ftp"}, {Kind: "ssh", Name: "alice2", Home: "/srv/alice"},
		}}
	if d := cmp.Diff(want, got["alice"].User); d != "" {
		t.Error(d)
	}
	if u := got["zoë"].User; u.Password != "locked" || u.Scheme != "" {
		t.Errorf("zoë: %+v", u)
	}
	if u := got["-rf *"].User; u.Password != "none" {
		t.Errorf("-rf *: %+v", u)
	}
	if u := got["gone"].User; u.Password != "unknown" {
		t.Errorf("gone: %+v", u)
	}
	if d := cmp.Diff([]string{"account-unreadable /home/gone"}, codes(got["gone"].Findings)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(schema.Ownership{State: schema.StateUnmanaged, Serves: true}, got["alice"].Owner); d != "" {
		t.Error(d)
	}
}

// The order of passwd decides nothing.
func TestAccountsDoNotDependOnOrder(t *testing.T) {
	entries := []passwdEntry{{"b", 1001, 1001, "/home/x", ""}, {"a", 1001, 1001, "/home/x", ""}, {"x", 1005, 1005, "/home/x", ""}, {"c", 1002, 1, "/home/x/y", ""}}
	layout := schema.Layout{Homes: []string{"/home/*", "/home/*/*"}, MinUID: 1000}
	for range len(entries) {
		entries = append(entries[1:], entries[0])
		w := &world{layout: layout, byUID: map[int]*account{}, byName: map[string]*account{}, byHome: map[string]*account{}}
		w.chooseAccounts(entries)
		if len(w.accounts) != 1 || w.accounts[0].Name != "x" {
			t.Errorf("%v: %d accounts, %q", entries, len(w.accounts), w.accounts[0].Name)
		}
	}
}

func TestPasswordsAreNeverTold(t *testing.T) {
	for hash, want := range map[string]password{
		"": {"none", ""}, "!": {"locked", ""}, "*": {"locked", ""}, "!!": {"locked", ""}, "!$6$a$b": {"locked", ""}, "*LK*": {"locked", ""}, "x": {"locked", ""},
		"$y$j9T$a$b": {"set", "yescrypt"}, "$6$rounds=5000$a$b": {"set", "sha512"}, "$5$a$b": {"set", "sha256"}, "$2y$10$abc": {"set", "bcrypt"}, "$1$a$b": {"set", "md5"},
		"abcdefghijklm": {"set", "des"}, "$new$a": {"set", "other"}, "word": {"locked", ""}, "$": {"locked", ""},
	} {
		if got := passwordOf(hash); got != want {
			t.Errorf("%q: %+v, want %+v", hash, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	const key = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
	const print = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" // as ssh-keygen -l says
	for line, want := range map[string]schema.Key{
		"ssh-ed25519 " + key + " alice@laptop with blanks":                          {Type: "ssh-ed25519", Comment: "alice@laptop with blanks"},
		"ssh-ed25519   " + key:                                                      {Type: "ssh-ed25519"},
		`from="10.0.0.1",command="echo \"hi there\" # x" ssh-ed25519 ` + key + ` c`: {Type: "ssh-ed25519", Comment: "c", Options: `from="10.0.0.1",command="echo \"hi there\" # x"`},
		`environment="TOKEN=sec ret",no-pty,Environment="B=x" ssh-ed25519 ` + key:   {Type: "ssh-ed25519", Options: `environment="TOKEN=(set)",no-pty,Environment="B=…"`},
		"restrict ssh-ed25519 " + key:                                               {Type: "ssh-ed25519", Options: "restrict"},
		"# ssh-ed25519 " + key:                                                      {}, "": {}, "ssh-rsa " + key: {}, "ssh-ed25519 AAAA": {}, "ssh-ed25519 !!!": {}, `command="never closed ssh-ed25519 ` + key: {},
	} {
		k, ok := parseKey(line)
		if ok != (want.Type != "") {
			t.Errorf("%q: %v", line, ok)
		}
		if ok && k.Fingerprint != print {
			t.Errorf("%q: fingerprint %q", line, k.Fingerprint)
		}
		k.Fingerprint = ""
		if d := cmp.Diff(want, k); d != "" {
			t.Errorf("%q: %s", line, d)
		}
	}
}

func TestKeysOfAnAccount(t *testing.T) {
	s := newServer(t)
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
	for i, n := range []string{"alice", "bob", "carol"} {
		s.user(n, 2001+i, "/home/"+n)
	}
	s.put("/home/alice/.ssh/authorized_keys", "# mine\n\n"+key+" me\n")
	s.link("../keys/mine", "/home/bob/.ssh/authorized_keys") // sshd follows it too
	s.put("/home/bob/keys/mine", key+" b\n")
	s.put("/root/.ssh/authorized_keys", key+" root\n")
	s.link("/root/.ssh/authorized_keys", "/home/carol/.ssh/authorized_keys")
	_, got := s.look()
	if k := got["alice"].User.Keys; len(k) != 1 || k[0].Line != 3 || k[0].Comment != "me" {
		t.Errorf("alice: %+v", k)
	}
	if k := got["bob"].User.Keys; len(k) != 1 {
		t.Errorf("bob: %+v", k)
	}
	if k := got["carol"].User.Keys; len(k) != 0 {
		t.Errorf("carol was told what is in root's file: %+v", k)
	}
}

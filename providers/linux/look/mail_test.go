//go:build linux

package look

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/schema"
)

func TestMailboxes(t *testing.T) {
	s := newServer(t)
	s.user("alice", 2001, "/home/alice")
	s.user("bob", 2002, "/home/bob")
	s.put("/etc/dovecot/dovecot.conf", "!include conf.d/*.conf\n")
	s.put("/etc/dovecot/conf.d/20-pop3.conf", "protocol pop3 {\n  #pop3_uidl_format = %v\n  pop3_uidl_format = %08Xv%08Xu\n}\n")
	// Of the system's user, with Maildir++ folders.
	m := "/home/alice/Maildir/"
	for i := range 5 {
		s.put(fmt.Sprintf("%scur/%d.M1.host:2,S", m, i), strings.Repeat("x", 100+i))
	}
	s.put(m+"new/9.M1.host", "new")
	s.put(m+"tmp/half", "not a message")
	s.put(m+".Archive.2020/cur/1", "12345")
	s.check(os.Link(s.path(m+".Archive.2020/cur/1"), s.path(m+".Archive.2020/cur/2"))) // copied by Dovecot
	s.check(os.MkdirAll(s.path(m+".Empty/cur"), 0o700))
	s.put(m+"dovecot-uidlist", "3 V1275660208 N26 Gd9\n1 W100 :0.M1.host\n")
	s.put(m+".Archive.2020/dovecot-uidlist", "1 1275660209 7\n")
	s.put(m+"maildirsize", "1000000S,500C\n5 1\n")
	s.put("/home/alice/sieve/vacation.sieve", "# away\nrequire [\"vacation\", \"fileinto\"];\nrequire \"imap4flags\";\nif true { vacation \"gone\"; }\n")
	s.put("/home/alice/sieve/old.sieve", "keep;\n")
	s.link("sieve/vacation.sieve", "/home/alice/.dovecot.sieve")
	// In the home, of virtual users; and what only looks like it.
	s.put("/home/bob/mail/bob.example/info/cur/1", "mail")
	s.put("/home/bob/mail/bob.example/.dovecot.sieve", "x")
	s.put("/home/bob/mail/notes/work/todo.txt", "no mailbox")
	s.put("/home/bob/mail/bob.example/sales/Maildir/new/1", "mail in the home of a virtual user")
	s.put("/home/bob/mail/bob.example/sales/Maildir/.Sent/cur/1", "s")
	s.put("/home/bob/mail/bob.example/sales/.dovecot.sieve", "require\"copy\";")
	// Outside, by the owner of the files, by the file of users, and of nobody.
	s.put("/var/vmail/alice.example/post/cur/1", "by uid")
	s.check(os.Chown(s.path("/var/vmail/alice.example/post"), 2001, 2001))
	s.put("/var/vmail/shop.example/office/cur/1", "by passwd")
	s.put("/var/vmail/nobody.example/x/cur/1", "?")
	s.put("/srv/mail/far/Maildir/cur/1", "by its home")
	s.put("/etc/dovecot/users", "office@shop.example:{SHA512}x:2002:2002::/nonexistent::\nfar@away.example:x:2002:2002::/srv/mail/far::\n# c\n")

	_, got := s.look()
	alice := got["alice"].Mail
	entries, size := find(t, s.path("/home/alice"), "Maildir")
	if f := got["alice"].Files; f.Entries != entries || f.Bytes != size {
		t.Errorf("%+v, find says %d entries, %d bytes", f, entries, size)
	}
	_, size = find(t, s.path("/home/alice/Maildir"))
	want := []schema.Mailbox{{Address: "alice", Path: "/home/alice/Maildir", Messages: 8, Bytes: size, UIDL: "%08Xv%08Xu", Quota: 1_000_000,
		Folders: []schema.MailFolder{{Name: "Archive.2020", Messages: 2, Bytes: 10, UIDValidity: 1275660209, UIDNext: 7}, {Name: "Empty"},
			{Name: "INBOX", Messages: 6, Bytes: 513, UIDValidity: 1275660208, UIDNext: 26}},
		Sieve: []schema.Sieve{{Path: "sieve/old.sieve"}, {Path: "sieve/vacation.sieve", Active: true, Requires: []string{"fileinto", "imap4flags", "vacation"}}},
	}, {Address: "post@alice.example", Path: "/var/vmail/alice.example/post", Virtual: true, Messages: 1, Bytes: 6, UIDL: "%08Xv%08Xu",
		Folders: []schema.MailFolder{{Name: "INBOX", Messages: 1, Bytes: 6}}}}
	if d := cmp.Diff(want, alice.Boxes); d != "" {
		t.Error(d)
	}
	if alice.Messages != 9 || alice.Bytes != size+6 || fmt.Sprint(alice.Mailboxes) != "[alice post@alice.example]" {
		t.Errorf("%d messages, %d bytes, %q", alice.Messages, alice.Bytes, alice.Mailboxes)
	}
	bob := map[string]schema.Mailbox{}
	for _, b := range got["bob"].Mail.Boxes {
		bob[b.Address] = b
	}
	if len(bob) != 4 || bob["info@bob.example"].Messages != 1 || bob["office@shop.example"].Bytes != 9 || bob["far@away.example"].Path != "/srv/mail/far" {
		t.Errorf("%+v", bob)
	}
	sales := bob["sales@bob.example"]
	if sales.Messages != 2 || len(sales.Folders) != 2 || sales.Folders[1].Name != "Sent" || len(sales.Sieve) != 1 || !sales.Sieve[0].Active || fmt.Sprint(sales.Sieve[0].Requires) != "[copy]" {
		t.Errorf("%+v", sales)
	}
	entries, size = find(t, s.path("/home/bob"), "mail/bob.example/info", "mail/bob.example/sales")
	if f := got["bob"].Files; f.Entries != entries || f.Bytes != size {
		t.Errorf("%+v, find says %d entries, %d bytes", f, entries, size)
	}
}

func TestDomainDecidesWithoutOwner(t *testing.T) {
	w := &world{byUID: map[int]*account{}, byHome: map[string]*account{}}
	a := &account{FoundAccount: schema.FoundAccount{Name: "a", Sites: []schema.Site{{Domain: "shop.example", Names: []string{"shop.example", "www.other.example"}}}}}
	b := &account{FoundAccount: schema.FoundAccount{Name: "b", Domains: []schema.Domain{{Name: "Shop.Example"}, {Name: "b.example"}}}}
	w.accounts = []*account{a, b}
	domains := w.domainOwners()
	for domain, want := range map[string]*account{"shop.example": a, "SHOP.example": a, "mail.shop.example": a, "other.example": a, "b.example": b, "none.example": nil, "example": nil, "": nil} {
		if got := w.mailOwner(place{base: "/var/vmail/x", domain: domain, user: "u"}, 5000, nil, domains); got != want {
			t.Errorf("%q: %v", domain, got)
		}
	}
}

func TestUIDLists(t *testing.T) {
	for head, want := range map[string][2]uint32{
		"3 V1275660208 N25022 Gabc\n": {1275660208, 25022}, "3 N5 V6": {6, 5}, "1 7 8\n": {7, 8}, "": {}, "3": {}, "3 V99999999999 N-1": {}, "1 x": {}, "\x00\x01": {}, "3 V": {},
	} {
		if v, n := parseUIDList([]byte(head)); v != want[0] || n != want[1] {
			t.Errorf("%q: %d, %d", head, v, n)
		}
	}
}

func TestSieveRequires(t *testing.T) {
	for script, want := range map[string]string{
		`require "a";`: "[a]", "/* c */ # d\r\n require [\"b\",\n \"a\"] ; require\"c\";keep;": "[a b c]", `keep; require "late";`: "[]", `require ["never closed`: "[]",
		"": "[]", "/*": "[]", "require": "[]", "#": "[]",
	} {
		if got := fmt.Sprint(requires(script)); got != want {
			t.Errorf("%q: %s, want %s", script, got, want)
		}
	}
}

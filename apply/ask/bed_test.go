//go:build linux

package ask

import (
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/schema"
)

// prepareHost makes an account with a mailbox and two databases.
const prepareHost = `set -e
echo '<title>Shop</title> Cart' > /var/www/html/index.html
useradd -m shop; echo 'shop:hunter2' | chpasswd
install -d -o shop -g shop -m 700 /home/shop/Maildir /home/shop/Maildir/cur /home/shop/Maildir/new /home/shop/Maildir/tmp
for i in 1 2 3; do printf 'From: a@b\nSubject: %s\n\nbody\n' "$i" > /home/shop/Maildir/new/"$i.x"; done
chown -R shop:shop /home/shop
mariadb -e "create database shop; use shop; create table orders (id int primary key); insert into orders values (1), (2);
create user shop@localhost identified by 'hunter2'; create user shop@'127.0.0.1' identified by 'hunter2'; create user shop@'::1' identified by 'hunter2';
grant select on shop.* to shop@localhost; grant select on shop.* to shop@'127.0.0.1'; grant select on shop.* to shop@'::1'"
cd /
printf '%s\n' "create role shop login password 'hunter2'" 'create database shop owner shop' '\c shop' 'set role shop' 'create table orders (id int primary key)' 'insert into orders values (1), (2)' |
  sed 's/[^\\]$/&;/; /^\\/s/;$//' | setpriv --reuid postgres --regid postgres --init-groups psql -v ON_ERROR_STOP=1 -q postgres
`

// TestBed: probes of every kind on real hosts of two releases. The databases
// listen on the hosts' own localhost and are asked through SSH.
func TestBed(t *testing.T) {
	services := []string{"sshd", "mariadb", "postgres", "dovecot", "exim", "nginx"}
	bed := testbed.New(t, testbed.Options{Hosts: []testbed.HostOptions{
		{Name: "client", Release: "bookworm", Services: services}, {Name: "transit", Release: "trixie", Services: services}}})
	places := map[string]Place{}
	for _, h := range bed.Hosts() {
		h.Shell(t, prepareHost)
		conn, err := ssh.Dial(t.Context(), ssh.Target{Host: h.Address().String(), User: "root", IdentityFiles: []string{bed.KeyFile()},
			KnownHosts: []string{bed.KnownHosts()}, ConfigFile: ssh.None, Agent: ssh.None})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		places[h.Name] = Place{Server: h.Name, Account: "shop", Host: h.Address().String(), Dial: conn.Dial, Secret: secretOf("hunter2")}
	}
	mailbox := schema.Probe{Name: "box", IMAP: "shop", Password: "env:P", Security: schema.SecurityPlain}
	probes := []schema.Probe{
		mailbox,
		{Name: "site", HTTP: "http://shop.example/", Contains: "Cart"},
		{Name: "post", SMTP: "shop@localhost"},
		{Name: "mariadb", SQL: "mariadb://shop@localhost/shop", Password: "env:P", Query: "select count(*) from orders"},
		{Name: "postgresql", SQL: "postgresql://shop@localhost/shop", Password: "env:P", Query: "select id from orders order by id"},
		{Name: "ssh", TCP: "shop.example:22", Contains: "SSH-2.0"},
		{Name: "inside", TCP: "localhost:5432"},
	}
	bases := map[string]schema.BaselineFact{}
	for _, p := range probes {
		a := put(t, p, places["client"])
		if why := Fit(p, a); why != "" {
			t.Errorf("%s on client: %s (%+v)", p.Name, why, a)
		}
		bases[p.Name] = Baseline(p.Name, a)
	}
	if b := bases["box"]; len(b.Mailboxes) == 0 || mailboxNamed(b.Mailboxes, "INBOX").Messages != 3 {
		t.Errorf("%+v", b)
	}
	// The mailbox goes over with what Dovecot keeps beside it, as a copy does.
	transit := bed.Host("transit")
	tar, err := bed.Host("client").Run(t.Context(), "tar", "-C", "/home/shop", "-cf", "-", "Maildir")
	if err != nil {
		t.Fatal(err)
	}
	transit.Shell(t, "rm -rf /home/shop/Maildir")
	if _, err := transit.Input(t.Context(), tar, "tar", "-C", "/home/shop", "--numeric-owner", "-xpf", "-"); err != nil {
		t.Fatal(err)
	}
	transit.Shell(t, "chown -R shop:shop /home/shop")
	compare := func(p schema.Probe) ProbeResult {
		base := bases[p.Name]
		return Compare(p, &base, put(t, p, places["transit"]))
	}
	for _, p := range probes {
		if r := compare(p); !r.OK {
			t.Errorf("%s on transit: %s (%+v)", p.Name, r.Why, r.Answer)
		}
	}
	transit.Shell(t, `rm /home/shop/Maildir/cur/2.x* /home/shop/Maildir/new/2.x* 2>/dev/null || true
mariadb -e 'delete from shop.orders where id = 2'
echo '<title>Gone</title> Cart' > /var/www/html/index.html`)
	for name, why := range map[string]string{"box": "INBOX had 3 messages and has 2", "mariadb": `the value was "2" and is "1"`, "site": `title was "Shop" and is "Gone"`} {
		for _, p := range probes {
			if r := compare(p); p.Name == name && r.Why != why {
				t.Errorf("%s: %q", name, r.Why)
			}
		}
	}
	if err := transit.StopService(t.Context(), "mariadb"); err != nil {
		t.Fatal(err)
	}
	_, err = Probe(t.Context(), probes[3], places["transit"])
	if err == nil || !strings.Contains(err.Error(), "connect to localhost:3306 of server transit") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("MariaDB is stopped: %v", err)
	}
}

func mailboxNamed(list []schema.SeenMailbox, name string) schema.SeenMailbox {
	if m := mailbox(list, name); m != nil {
		return *m
	}
	return schema.SeenMailbox{}
}

//go:build linux

package testbed

import (
	"slices"
	"strings"
	"testing"
)

func TestSnapshot(t *testing.T) {
	h := New(t, Options{Hosts: []HostOptions{{Name: "one", Services: []string{"sshd", "mariadb", "postgres", "cron"}}}}).Host("one")
	h.Shell(t, "useradd -m alice; mariadb -e \"create database shop; create table shop.t (i int); create user eve@localhost\"; echo a > /home/alice/a; echo b > /home/alice/b; chmod 600 /home/alice/b; mkdir /srv/left; echo c > /srv/left/c")
	h.Shell(t, strings.Join(AsPostgres("createdb", "wiki"), " "))
	take := func() Snapshot {
		t.Helper()
		s, err := h.Snapshot(t.Context(), "/srv/left")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := take()
	// Reading everything changes nothing.
	h.Shell(t, "find / -xdev -type f -newer /proc/1 -exec cat {} + > /dev/null 2>&1 || true; cat /home/alice/*; id alice; mariadb -e 'select * from shop.t'")
	if d := before.Diff(take()); len(d) > 0 {
		t.Errorf("a look changed:\n%s", strings.Join(d, "\n"))
	}
	h.Shell(t, `
printf 'A\n' > /home/alice/a
chmod 640 /home/alice/b
touch /tmp/new /run/new
rm /etc/os-release
echo x > /srv/left/c
useradd bob
mariadb -e "insert into shop.t values (1); create user mallory@localhost"
setsid sleep 1234 > /dev/null 2>&1 &
`)
	h.Shell(t, "setpriv --reuid postgres --regid postgres --init-groups psql -Xqc 'create table t (i int)' wiki")
	if err := h.StopService(t.Context(), "sshd"); err != nil {
		t.Fatal(err)
	}
	d := before.Diff(take())
	for _, want := range []string{
		"~ file /home/alice/a", "~ file /home/alice/b", "+ file /tmp/new", "+ file /run/new", "+ file /etc/os-release: deleted",
		"+ passwd bob", "+ shadow bob", "~ mariadb shop", "~ mariadb users", "~ postgres wiki", "+ process of 0: sleep 1234", "- process of 0: sshd:", "- port tcp 00000000 22",
	} {
		if !slices.ContainsFunc(d, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("not told: %s", want)
		}
	}
	for _, s := range d {
		for _, never := range []string{"/srv/left", "/var/lib/mysql", "postgres users", "cron"} {
			if strings.Contains(s, never) {
				t.Errorf("told: %s", s)
			}
		}
	}
	if back := take().Diff(before); len(back) == 0 {
		t.Error("the other way there is no difference")
	}
}

//go:build linux

package real

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/schema"
)

// small is a bed of its own for tests that break hosts.
func small(t *testing.T, services ...string) (*testbed.Bed, *testbed.Host) {
	t.Helper()
	_ = world(t) // the agent is built there
	b := testbed.New(t, testbed.Options{Hosts: []testbed.HostOptions{{Name: "client", Release: "bookworm", Services: append([]string{"sshd"}, services...)}}})
	return b, b.Host("client")
}

// unreachable holds that a server is said to be unreachable, with words.
func unreachable(t *testing.T, s providers.Server, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	found, err := s.Survey(ctx, providers.SurveyOptions{Refresh: true})
	if err != nil {
		t.Fatal(err)
	}
	if found.Presence != schema.Unreachable || len(found.Accounts) != 0 {
		t.Fatalf("the server is %s with %d accounts", found.Presence, len(found.Accounts))
	}
	for _, w := range words {
		if !strings.Contains(found.Error, w) {
			t.Errorf("the error lacks %q: %s", w, found.Error)
		}
	}
}

// TestNotReached: each thing that keeps a server from being reached is told
// apart, with what to do about it.
func TestNotReached(t *testing.T) {
	b, h := small(t)
	other := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unreachable(t, open(t, b, h, map[string]string{"known_hosts": other}, nil), h.Address().String(), "SHA256:", other)

	known, err := os.ReadFile(b.KnownHosts())
	if err != nil {
		t.Fatal(err)
	}
	// Another server's key under this one's name.
	changed := strings.Replace(string(known), strings.Fields(h.Key())[1], "AAAAC3NzaC1lZDI1NTE5AAAAIKzAYQJ0Yw2mXJyI4N5eqGmTl5wJcKVCf0hQIY1tYtdP", 1)
	if err := os.WriteFile(other, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	unreachable(t, open(t, b, h, map[string]string{"known_hosts": other}, nil), "changed", other)

	key := filepath.Join(t.TempDir(), "wrong")
	if out, err := h.Run(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/wrong"); err != nil {
		t.Fatal(err, out)
	}
	data, err := h.ReadFile(t.Context(), "/root/wrong")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, data, 0o600); err != nil {
		t.Fatal(err)
	}
	unreachable(t, open(t, b, h, map[string]string{"identity_file": key}, nil), h.Address().String(), "root")

	h.Shell(t, "useradd -m admin; echo admin:right | chpasswd")
	unreachable(t, open(t, b, h, map[string]string{"user": "admin", "identity_file": "", "password": "env:PW"}, map[string]string{"env:PW": "not-the-right-word"}), "admin")
	unreachable(t, open(t, b, h, map[string]string{"port": "2"}, nil), h.Address().String()+":2", "refused")

	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	unreachable(t, open(t, b, h, map[string]string{"connect_timeout": "3s"}, nil), h.Address().String())
}

// TestUploadRefused: an agent that cannot be put there says why, and leaves
// nothing behind.
func TestUploadRefused(t *testing.T) {
	b, h := small(t)
	for _, c := range []struct{ options, word string }{
		{"size=2m", "space"}, {"noexec,size=64m", "noexec"}, {"ro,size=64m", "read-only"},
	} {
		h.Shell(t, "mkdir -p -m 700 /var/lib/stopover && mount -t tmpfs -o mode=700,"+c.options+" none /var/lib/stopover")
		s := open(t, b, h, nil, nil)
		unreachable(t, s, c.word, "/var/lib/stopover")
		_ = s.Close()
		if out, err := h.Run(t.Context(), "find", "/var/lib/stopover", "-type", "f"); err != nil || out != "" {
			t.Errorf("%s: left behind %q, %v", c.options, out, err)
		}
		h.Shell(t, "umount /var/lib/stopover")
	}
}

// TestEnginesAway: an engine that is stopped or lets nobody in is a finding; the
// rest of the survey is told all the same.
func TestEnginesAway(t *testing.T) {
	b, h := small(t, "mariadb", "postgres")
	h.Shell(t, "useradd -m alice; mariadb -e 'CREATE DATABASE alice; CREATE TABLE alice.t (id INT PRIMARY KEY)'")
	if err := h.StopService(t.Context(), "mariadb"); err != nil {
		t.Fatal(err)
	}
	h.Shell(t, "sed -i 's/^local.*peer$/local all all reject/' /etc/postgresql/15/main/pg_hba.conf; kill -HUP $(head -1 /var/lib/postgresql/15/main/postmaster.pid)")
	found := survey(t, open(t, b, h, nil, nil))
	if a := found.Account("alice"); a == nil || a.Files.Entries == 0 {
		t.Errorf("what could be seen is gone: %+v", found.Accounts)
	}
	maria, postgres := found.System.Engine("mariadb"), found.System.Engine("postgresql")
	if maria == nil || maria.Running || maria.Error == "" {
		t.Errorf("a stopped MariaDB is %+v", maria)
	}
	if postgres == nil || postgres.Error == "" {
		t.Errorf("a PostgreSQL that lets nobody in is %+v", postgres)
	}
	objects := map[string]bool{}
	for _, f := range found.Findings {
		if f.Severity == schema.Blocker {
			objects[f.Object] = f.Remedy != ""
		}
	}
	if len(objects) < 2 {
		t.Errorf("blockers %v, want one for each engine", objects)
	}
}

// TestDiesWhileLooking: a host that is cut off, and an agent that is killed, in
// the middle of a survey end it with an error, soon, and the next one is whole.
func TestDiesWhileLooking(t *testing.T) {
	b, h := small(t)
	h.Shell(t, "useradd -m alice; mkdir /home/alice/many && cd /home/alice/many && seq 1 60000 | xargs touch")
	s := open(t, b, h, map[string]string{"read_limit": "0"}, nil)
	_ = survey(t, s) // the agent is there
	killed := false
	for range 20 { // a kill may come too early or too late
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(120 * time.Millisecond)
			_, _ = h.Script(context.Background(), "pkill -9 -f 'stopover-agent.*serve'; true")
		})
		found, err := s.Survey(t.Context(), providers.SurveyOptions{Refresh: true})
		wg.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if found.Presence == schema.Unreachable {
			killed = true
			if found.Error == "" {
				t.Error("no error")
			}
			break
		}
	}
	if !killed {
		t.Error("no survey was hit by a kill")
	}
	if found := survey(t, s); found.Account("alice") == nil || found.Account("alice").Files.Entries < 60000 {
		t.Errorf("the survey after a kill is not whole: %+v", found.Account("alice"))
	}
	go func() {
		time.Sleep(100 * time.Millisecond)
		_ = h.Kill()
	}()
	found, err := s.Survey(t.Context(), providers.SurveyOptions{Refresh: true})
	if err != nil || found.Presence == schema.Present && found.Account("alice") == nil {
		t.Errorf("a host that dies: %v, %+v", err, found)
	}
	unreachable(t, s, h.Address().String())
}

// TestSecretsStayHidden: passwords of the login, of sudo and of engines are in
// no process's arguments or environment on the host while it is looked at, and
// in no answer.
func TestSecretsStayHidden(t *testing.T) {
	b, h := small(t, "mariadb", "postgres")
	const login, maria, postgres = "Lg7-login-secret", "Mq9-maria-secret", "Pz3-postgres-secret"
	h.Shell(t, "useradd -m -G sudo admin; echo 'admin:"+login+"' | chpasswd")
	h.Shell(t, "mariadb -e \"CREATE USER looker@localhost IDENTIFIED BY '"+maria+"'; GRANT ALL ON *.* TO looker@localhost WITH GRANT OPTION\"")
	h.Shell(t, "su postgres -c \"psql -qc \\\"CREATE ROLE looker SUPERUSER LOGIN PASSWORD '"+postgres+"'\\\"\"")
	h.Shell(t, "rm -f /root/.bash_history /home/admin/.bash_history")
	s := open(t, b, h, map[string]string{"user": "admin", "identity_file": "", "password": "env:LOGIN", "sudo_password": "env:LOGIN",
		"mariadb_user": "looker", "mariadb_password": "env:MARIA", "postgres_user": "looker", "postgres_password": "env:POSTGRES"},
		map[string]string{"env:LOGIN": login, "env:MARIA": maria, "env:POSTGRES": postgres})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			ps, err := h.Processes()
			if err != nil {
				return
			}
			for _, p := range ps {
				for _, text := range append(p.Argv, p.Environ...) {
					for _, secret := range []string{login, maria, postgres} {
						if strings.Contains(text, secret) {
							t.Errorf("process %d has a secret in %q", p.PID, text)
							return
						}
					}
				}
			}
		}
	})
	found := survey(t, s)
	stop()
	wg.Wait()
	if e := found.System.Engine("mariadb"); e == nil || e.Error != "" {
		t.Errorf("MariaDB was not looked into: %+v", e)
	}
	text := dump(t, found)
	for _, secret := range []string{login, maria, postgres} {
		if strings.Contains(text, secret) {
			t.Errorf("the survey has the secret %s", secret)
		}
	}
}

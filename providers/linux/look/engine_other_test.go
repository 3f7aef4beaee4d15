//go:build linux

package look

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// machineOf is a machine of files: "path" or "path=content".
func machineOf(t *testing.T, files ...string) *world {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		name, content, _ := strings.Cut(f, "=")
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l := schema.Layout{MariaDB: []string{"/run/mysqld/mysqld.sock"}, PostgreSQL: []string{"/run/postgresql"}, MinUID: 100_000}
	w := newWorld(&Machine{Root: root}, agent.LookRequest{Layout: l}, nil)
	if err := w.databases(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestEnginesNotThere(t *testing.T) {
	w := machineOf(t, "etc/passwd", "var/lib/redis.txt")
	if len(w.server.System.Engines) != 0 || len(w.server.Findings) != 0 {
		t.Errorf("%+v %+v", w.server.System.Engines, w.server.Findings)
	}
}

func TestEnginesThatDoNotRun(t *testing.T) {
	w := machineOf(t, "usr/sbin/mariadbd", "etc/mysql/mariadb.conf.d/50-server.cnf=[mysqld]\n#datadir=/no\ndatadir = /srv/db\n", "srv/db/mysql/user.frm", "srv/db/shop/t.ibd",
		"etc/postgresql/15/main/postgresql.conf=data_directory = '/srv/pg' # here\nport = 5433\n", "usr/lib/postgresql/15/bin/postgres", "srv/pg/base/1/x", "srv/pg/base/16500/x",
		"etc/postgresql/13/old/postgresql.conf=",
		"var/lib/mongodb/WiredTiger", "proc/1/comm=redis-server\n", "proc/2/comm=memcached\n")
	for name, want := range map[string]string{"mariadb": "start it", "postgresql": "program is not installed", "mongodb": "does not run and has data in /var/lib/mongodb",
		"redis": "not looked into", "memcached": "not looked into"} {
		if e := w.server.System.Engine(name); e == nil || !strings.Contains(e.Error, want) || e.Running != (name == "redis" || name == "memcached") {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := w.server.System.Engine("mariadb"); e.Data != "/srv/db" {
		t.Errorf("%+v", e)
	}
	var pg []string
	for _, e := range w.server.System.Engines {
		if e.Name == "postgresql" {
			pg = append(pg, e.Version+" "+e.Data+" "+e.Socket)
		}
	}
	if got := strings.Join(pg, "|"); got != "13 /var/lib/postgresql/13/old |15 /srv/pg /run/postgresql/.s.PGSQL.5433" {
		t.Error(got)
	}
	var said []string
	for _, f := range w.server.Findings {
		said = append(said, f.Object+f.Summary)
	}
	// Nobody knows what is in a server that does not run, if it holds anything.
	if s := strings.Join(said, "\n"); len(said) != 2 || !strings.Contains(s, "MariaDB") || !strings.Contains(s, "pg_ctlcluster 15 main start") {
		t.Error(s)
	}
	w = machineOf(t, "usr/sbin/mariadbd", "var/lib/mysql/mysql/user.frm", "usr/lib/postgresql/15/bin/postgres")
	if len(w.server.Findings) != 0 || w.server.System.Engine("mariadb") == nil || w.server.System.Engine("postgresql") == nil {
		t.Errorf("servers with nothing in them: %+v %+v", w.server.Findings, w.server.System.Engines)
	}
}

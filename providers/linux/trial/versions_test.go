//go:build linux

package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/schema"
)

// worker makes the test program one that dumps or loads on a host of the test
// bed, as the agent does: what to do is in the environment.
const worker = "STOPOVER_TRIAL_WORKER"

func TestMain(m *testing.M) {
	testbed.Main()
	if job := os.Getenv(worker); job != "" {
		os.Exit(work(job))
	}
	os.Exit(m.Run())
}

func work(job string) int {
	var err error
	var answer any
	if what, rest, _ := strings.Cut(job, " "); what == "dump" {
		var q agent.DumpRequest
		if err = json.Unmarshal([]byte(rest), &q); err == nil {
			answer, err = Dump(context.Background(), q, os.Stdout)
		}
	} else {
		var q agent.LoadRequest
		if err = json.Unmarshal([]byte(rest), &q); err == nil {
			answer, err = Load(context.Background(), q, os.Stdin)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stderr).Encode(answer)
	return 0
}

func debian() schema.Layout {
	return schema.Layout{MariaDB: []string{"/run/mysqld/mysqld.sock"}, PostgreSQL: []string{"/var/run/postgresql"}, PostgresUser: "postgres"}
}

// install puts this test program on a host.
func install(t *testing.T, h *testbed.Host) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = self.Close() }()
	f, err := os.OpenFile(filepath.Join(h.Root(), "root/trial.test"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err == nil {
		_, err = io.Copy(f, self)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// on does a job on a host. What it answers is the last line that it says.
func on(t *testing.T, h *testbed.Host, job string, request any, stdin, stdout *os.File, answer any) error {
	t.Helper()
	q, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.CreateTemp(t.TempDir(), "said")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = said.Close() }()
	err = h.Exec(t.Context(), testbed.Command{Argv: []string{"/root/trial.test"}, Env: []string{worker + "=" + job + " " + string(q)}, Stdin: stdin, Stdout: stdout, Stderr: said})
	b, errRead := os.ReadFile(said.Name())
	if errRead != nil {
		t.Fatal(errRead)
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, b)
	}
	return json.Unmarshal(bytes.TrimSpace(b), answer)
}

// carry tries a database of one host on the other one.
func carry(t *testing.T, from, to *testbed.Host, engine, name string) (agent.Dumped, schema.TriedDatabase) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "dump")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var d agent.Dumped
	if err := on(t, from, "dump", agent.DumpRequest{Engine: engine, Database: name, Layout: debian()}, nil, f, &d); err != nil {
		t.Fatalf("dump %s: %v", name, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var out schema.TriedDatabase
	if err := on(t, to, "load", agent.LoadRequest{Engine: engine, Database: name, Scratch: Scratch("shop", engine, name), Layout: debian()}, f, nil, &out); err != nil {
		t.Fatalf("load %s: %v", name, err)
	}
	return d, out
}

// From an old release to a new one, both as Debian installs them: what arrives
// arrives to the row, and what would not is said.
func TestVersions(t *testing.T) {
	services := []string{"mariadb", "postgres"}
	bed := testbed.New(t, testbed.Options{Hosts: []testbed.HostOptions{
		{Name: "source", Release: "bookworm", Services: services}, {Name: "lab", Release: "trixie", Services: services, Binlog: true}}})
	source, lab := bed.Host("source"), bed.Host("lab")
	install(t, source)
	install(t, lab)
	source.Shell(t, `mariadb <<'SQL'
CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
USE shop;
CREATE USER web@localhost;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200) COLLATE utf8mb3_unicode_520_ci, d DATETIME DEFAULT '0000-00-00 00:00:00', KEY (v)) ROW_FORMAT=COMPACT;
INSERT INTO t (v) SELECT CONCAT('row ', seq) FROM seq_1_to_3000;
CREATE TABLE isam (a INT) ENGINE=MyISAM; INSERT INTO isam VALUES (1),(2);
CREATE TABLE aria (a INT) ENGINE=Aria; INSERT INTO aria VALUES (1);
CREATE DEFINER=web@localhost TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.v = UPPER(NEW.v);
CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;
CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO INSERT INTO t (v) VALUES ('x');
ALTER EVENT e DISABLE;
SQL`)
	source.Shell(t, `runuser -u postgres -- psql -v ON_ERROR_STOP=1 <<'SQL'
CREATE ROLE shop LOGIN;
CREATE DATABASE app OWNER shop;
\c app
CREATE EXTENSION pg_trgm;
CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t OWNER TO shop;
INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 3000) g;
CREATE INDEX ON t USING gin (v gin_trgm_ops);
SELECT lo_create(0);
SQL`)
	before := lab.Shell(t, labState)
	d, out := carry(t, source, lab, "mariadb", "shop")
	if out.Rows != 3003 || len(out.Errors) > 0 || d.Tables["t"] != 3000 || out.Objects < 8 {
		t.Errorf("%+v from %+v", out, d)
	}
	if w := strings.Join(out.Warnings, "\n"); !strings.Contains(w, "definer web@localhost of trigger tr") || strings.Contains(w, "could not be tried") {
		t.Errorf("%q", out.Warnings)
	}
	_, out = carry(t, source, lab, "postgresql", "app")
	if out.Rows != 3000 || len(out.Errors) > 0 || len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "role shop") {
		t.Errorf("%+v", out)
	}
	if after := lab.Shell(t, labState); after != before {
		t.Errorf("the trials changed the server:\n%s\nwas\n%s", after, before)
	}
}

// labState is what a trial must leave as it is.
const labState = `mariadb -N -e "SHOW MASTER STATUS; SELECT User, Host, Priv FROM mysql.global_priv ORDER BY 1, 2; SHOW DATABASES"
runuser -u postgres -- psql -At -c "SELECT rolname, rolpassword FROM pg_authid ORDER BY 1" -c "SELECT datname, datdba FROM pg_database ORDER BY 1"
ls /tmp /var/lib/mysql /run/mysqld`

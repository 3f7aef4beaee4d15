//go:build linux

package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/providers/linux/engine/enginetest"
	"github.com/stopover/stopover/schema"
)

func mariaLayout(m *enginetest.MariaDB) schema.Layout {
	return schema.Layout{MariaDB: []string{m.Socket}}
}

// try dumps a database of one server and tries it on another one.
func tryMaria(t *testing.T, from, to *enginetest.MariaDB, name string) (agent.Dumped, schema.TriedDatabase) {
	t.Helper()
	var b bytes.Buffer
	d, err := Dump(t.Context(), agent.DumpRequest{Engine: "mariadb", Database: name, Layout: mariaLayout(from)}, &b)
	if err != nil {
		t.Fatal(err)
	}
	if d.Bytes != int64(b.Len()) {
		t.Errorf("%d bytes were written, and %d said", b.Len(), d.Bytes)
	}
	out, err := Load(t.Context(), mariaRequest(to, name), &b)
	if err != nil {
		t.Fatal(err)
	}
	return d, out
}

func mariaRequest(to *enginetest.MariaDB, name string) agent.LoadRequest {
	return agent.LoadRequest{Engine: "mariadb", Database: name, Scratch: Scratch("shop", "mariadb", name), Layout: mariaLayout(to)}
}

// mariaState is everything of a server that a trial must leave as it is.
func mariaState(m *enginetest.MariaDB) string {
	var out []string
	if r := m.Rows("SELECT @@log_bin"); r[0] == "1" {
		out = append(out, m.Rows("SHOW MASTER STATUS")...)
	}
	out = append(out, m.Rows("SELECT User, Host, Priv FROM mysql.global_priv ORDER BY 1,2")...)
	out = append(out, m.Rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY 1")...)
	out = append(out, m.Rows("SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME NOT LIKE 'gtid%' AND VARIABLE_NAME NOT IN ('INNODB_BUFFER_POOL_LOAD_NOW') ORDER BY 1")...)
	for _, t := range m.Rows("SELECT CONCAT('`',REPLACE(TABLE_SCHEMA,'`','``'),'`.`',REPLACE(TABLE_NAME,'`','``'),'`') FROM information_schema.TABLES WHERE TABLE_TYPE='BASE TABLE' AND TABLE_SCHEMA NOT IN ('information_schema','performance_schema','sys') AND TABLE_NAME NOT LIKE 'innodb%' AND TABLE_NAME NOT LIKE '%\\_stats' ORDER BY 1") {
		out = append(out, m.Rows("CHECKSUM TABLE "+t)...)
	}
	return strings.Join(out, "\n")
}

func sampleMaria(m *enginetest.MariaDB, name string) {
	m.Exec("", "CREATE DATABASE "+engine.Ident(name)+" CHARACTER SET latin1", "CREATE DATABASE IF NOT EXISTS victim", "CREATE TABLE IF NOT EXISTS victim.ticks (a INT)")
	m.Exec(name, "SET GLOBAL event_scheduler=ON", "CREATE TABLE posts (id INT PRIMARY KEY AUTO_INCREMENT, t TEXT CHARACTER SET utf8mb4, b BLOB, g INT AS (id*2))",
		"INSERT INTO posts (t, b) SELECT CONCAT('it''s \\\\ \"x\"; (1),(2) -- /*!50000 no */ ü€ ', seq), UNHEX('00FF275C0A') FROM seq_1_to_5000",
		"CREATE TABLE `odd ``name; --` (a INT)", "INSERT INTO `odd ``name; --` VALUES (1),(2),(3)", "CREATE TABLE empty (a INT)", "CREATE SEQUENCE s START WITH 7",
		"CREATE TABLE isam (a INT PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO isam VALUES (1)",
		"CREATE DEFINER=gone@nowhere TRIGGER tr BEFORE INSERT ON posts FOR EACH ROW BEGIN SET NEW.t = CONCAT(NEW.t, ';;'); /* comment; */ END",
		"CREATE DEFINER=gone@nowhere FUNCTION f(a INT) RETURNS INT DETERMINISTIC BEGIN DECLARE x INT; SET x = a; RETURN x; END",
		"CREATE PROCEDURE p() BEGIN SELECT 1; SELECT ';'; END", "CREATE VIEW v AS SELECT id FROM posts", "CREATE VIEW far AS SELECT a FROM victim.ticks",
		"CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO posts (t) VALUES ('tick')", "ALTER EVENT tick DISABLE", "CREATE EVENT awake ON SCHEDULE EVERY 1 SECOND STARTS '2038-01-01' COMMENT 'DO; ENABLE' DO SELECT 1")
}

func TestMariaDB(t *testing.T) {
	for name, options := range map[string][]string{"without a binary log": nil, "with a binary log": {"--log-bin", "--log-bin-trust-function-creators=1"}} {
		t.Run(name, func(t *testing.T) {
			m := enginetest.StartMariaDB(t, options...)
			sampleMaria(m, "-shop x")
			m.Exec("", "SET GLOBAL log_bin_trust_function_creators=0")
			before := mariaState(m)
			d, out := tryMaria(t, m, m, "-shop x")
			if after := mariaState(m); after != before {
				t.Errorf("the trial changed the server:\n%s\nwas\n%s", after, before)
			}
			if len(out.Errors) > 0 || out.Rows != 5004 || out.Bytes == 0 || out.Name != "-shop x" || out.Engine != "mariadb" || out.Objects < 12 {
				t.Errorf("%+v", out)
			}
			if d.Tables["posts"] != 5000 || d.Tables["odd `name; --"] != 3 || d.Tables["isam"] != 1 || !strings.Contains(strings.Join(d.Warnings, ""), "isam") {
				t.Errorf("%+v", d)
			}
			if _, ok := d.Tables["empty"]; !ok {
				t.Error("the empty table is not in the dump")
			}
			w := strings.Join(out.Warnings, "\n")
			if !strings.Contains(w, "definer gone@nowhere of function f and 1 more is no user of this server") || !strings.Contains(w, "view far could not be tried: it reaches beyond") || len(out.Warnings) != 2 {
				t.Errorf("%q", out.Warnings)
			}
		})
	}
}

// What a new server does not know is said, with what it is about.
func TestMariaDBFaults(t *testing.T) {
	m := enginetest.StartMariaDB(t, "--max-allowed-packet=1M")
	dump := func(statements ...string) io.Reader {
		return strings.NewReader(`{"stopover_dump":1,"engine":"mariadb","version":"1","charset":"klingon","collation":"klingon_ci"}` + "\n" + strings.Join(statements, ";\n") + ";\n-- Dump completed on 2026-01-01\n")
	}
	out, err := Load(t.Context(), mariaRequest(m, "x"), dump(
		"CREATE TABLE a (a INT) COLLATE klingon_ci", "CREATE TABLE b (a INT) ENGINE=TokuDB", "CREATE TABLE c (t VARCHAR(4000), KEY (t(4000))) ENGINE=InnoDB CHARSET=utf8mb4",
		"CREATE TABLE d (a INT PRIMARY KEY)", "INSERT INTO `d` VALUES (1),(2)", "INSERT INTO `d` VALUES (2)", "CREATE TABLE e (t LONGTEXT)", "INSERT INTO `e` VALUES ('"+strings.Repeat("x", 2<<20)+"')",
		"CREATE TABLE ok (a INT)"))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(out.Errors, "\n")
	for _, want := range []string{"the database: Unknown character set", "line 1: table a: Unknown collation", "rows of table d: Duplicate entry '2'", "table d has 2 rows here, and its dump 3", "max_allowed_packet"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not among\n%s", want, all)
		}
	}
	if w := strings.Join(out.Warnings, "\n"); !strings.Contains(w, "table b: ") || !strings.Contains(w+all, "table c: Specified key") {
		t.Errorf("%s\n%s", w, all)
	}
	if _, err := Load(t.Context(), mariaRequest(m, "x"), strings.NewReader(`{"stopover_dump":1,"engine":"mariadb"}`+"\nCREATE TABLE a (a INT);\n")); err == nil || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("half a dump: %v", err)
	}
	if _, err := Load(t.Context(), mariaRequest(m, "x"), strings.NewReader("hello")); !errors.Is(err, providers.ErrRefused) {
		t.Errorf("no dump: %v", err)
	}
	if _, err := Load(t.Context(), mariaRequest(m, "x"), strings.NewReader(`{"stopover_dump":1,"engine":"mariadb","bytes":4611686018427387903}`+"\n")); !errors.Is(err, providers.ErrRefused) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("no room: %v", err)
	}
	q := mariaRequest(m, "x")
	q.Scratch = "mysql"
	if _, err := Load(t.Context(), q, dump()); !errors.Is(err, providers.ErrRefused) {
		t.Errorf("a scratch name that is none: %v", err)
	}
	if r := m.Rows("SHOW DATABASES LIKE 'stopover%'"); len(r) > 0 {
		t.Errorf("left behind: %v", r)
	}
}

// A dump that means harm does none.
func TestMariaDBHostile(t *testing.T) {
	for name, options := range map[string][]string{"plain": nil, "binlog": {"--log-bin"}} {
		t.Run(name, func(t *testing.T) {
			m := enginetest.StartMariaDB(t, append(options, "--event-scheduler=ON")...)
			m.Exec("", "CREATE DATABASE victim", "CREATE TABLE victim.ticks (a INT)", "INSERT INTO victim.ticks VALUES (1)")
			before := mariaState(m)
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			touch := filepath.Join(dir, "touched")
			attacks := []string{
				"USE victim", "DROP DATABASE victim", "DROP TABLE victim.ticks", "INSERT INTO victim.ticks VALUES (2)", "DELETE FROM victim.ticks", "TRUNCATE victim.ticks",
				"CREATE DATABASE more", "CREATE USER evil@localhost", "GRANT ALL ON *.* TO evil@localhost", "SET GLOBAL max_connections=7", "SET GLOBAL sql_log_bin=1", "SET sql_log_bin=1", "SET ROLE " + Scratch("shop", "mariadb", "x"),
				"PURGE BINARY LOGS BEFORE NOW()", "RESET MASTER", "SHUTDOWN", "FLUSH TABLES WITH READ LOCK", "INSTALL SONAME 'ha_federatedx'", "\\! touch " + touch, "system touch " + touch, "source /etc/passwd", "tee " + touch,
				"SELECT 1 INTO OUTFILE '" + touch + "'", "SELECT LOAD_FILE('/etc/passwd') INTO OUTFILE '" + touch + "'", "LOAD DATA INFILE '/etc/passwd' INTO TABLE victim.ticks", "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t",
				"/*!50001 DROP DATABASE victim*/", "/*!99999 SET @x=1 */ DROP DATABASE victim", "SET @x=1 /*!; DROP DATABASE victim */", "ALTER DATABASE victim CHARACTER SET utf8mb3", "/*!50001 ALTER DATABASE victim */ CHARACTER SET utf8mb3",
				"CREATE TABLE t (a INT)", "CREATE DEFINER=root@localhost TRIGGER tr BEFORE INSERT ON t FOR EACH ROW INSERT INTO victim.ticks VALUES (3)", "INSERT INTO `t` VALUES (1)",
				"CREATE TRIGGER victim.tr2 BEFORE INSERT ON victim.ticks FOR EACH ROW SET @a=1", "CREATE DEFINER=root@localhost FUNCTION g() RETURNS INT DETERMINISTIC RETURN (SELECT MAX(a) FROM mysql.global_priv)",
				"CREATE FUNCTION lib RETURNS STRING SONAME 'udf.so'", "CREATE FUNCTION lib() RETURNS STRING SONAME 'udf.so'", "CREATE DEFINER=root@localhost SQL SECURITY DEFINER VIEW w AS SELECT * FROM victim.ticks",
				"CREATE DEFINER=root@localhost EVENT e1 ON SCHEDULE EVERY 1 SECOND ON COMPLETION PRESERVE ENABLE DO INSERT INTO victim.ticks VALUES (4)", "CREATE EVENT e2 ON SCHEDULE EVERY 1 SECOND DO INSERT INTO victim.ticks VALUES (5)",
				"CREATE EVENT `e3` ON SCHEDULE EVERY 1 SECOND /* ON COMPLETION PRESERVE DISABLE */ DO INSERT INTO t VALUES (5)", "CREATE EVENT victim.e4 ON SCHEDULE EVERY 1 SECOND ON COMPLETION PRESERVE ENABLE DO SELECT 1",
				"CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')", "PREPARE x FROM 'DROP DATABASE victim'", "EXECUTE x", "HANDLER victim.ticks OPEN", "KILL 1", "SET PASSWORD FOR root@localhost = PASSWORD('x')",
				"CREATE TABLE remote (a INT) ENGINE=FEDERATED CONNECTION='mysql://root@127.0.0.1/victim/ticks'", "BEGIN NOT ATOMIC DROP DATABASE victim; END",
			}
			text := `{"stopover_dump":1,"engine":"mariadb","version":"1","charset":"utf8mb4` + "`; DROP DATABASE victim" + `","collation":"x"}` + "\n\\! touch " + touch + "\n" + strings.Join(attacks, ";\n") + ";\nDELIMITER ;;\n" +
				"CREATE DEFINER=root@localhost PROCEDURE q() BEGIN DROP DATABASE victim; END ;;\nCALL q() ;;\nDELIMITER ;\n-- Dump completed\n"
			out, err := Load(t.Context(), mariaRequest(m, "x"), strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Errors) < 20 {
				t.Errorf("%d errors: %q", len(out.Errors), out.Errors)
			}
			time.Sleep(1500 * time.Millisecond) // an event would have happened by now
			if after := mariaState(m); after != before {
				t.Errorf("the dump changed the server:\n%s\nwas\n%s", after, before)
			}
			if _, err := os.Lstat(touch); err == nil {
				t.Error("the dump made a file")
			}
		})
	}
}

// What a trial that died has left behind goes with the next one; what no trial
// made stays, and stops it.
func TestMariaDBLeftovers(t *testing.T) {
	m := enginetest.StartMariaDB(t)
	sampleMaria(m, "shop")
	clean := mariaState(m)
	other, own := Scratch("other", "mariadb", "db"), Scratch("shop", "mariadb", "shop")
	for _, n := range []string{other, own} {
		m.Exec("", "CREATE DATABASE "+n+" COMMENT '"+mark+"'", "CREATE USER "+n+"@localhost", "CREATE ROLE "+n, "CREATE TABLE "+n+".t (a INT)")
	}
	m.Exec("", "CREATE DATABASE stopover_trial_notes")
	if _, out := tryMaria(t, m, m, "shop"); len(out.Errors) > 0 {
		t.Errorf("%+v", out)
	}
	if r := m.Rows("SHOW DATABASES LIKE 'stopover%'"); !slices.Equal(r, []string{"stopover_trial_notes"}) {
		t.Errorf("left: %v", r)
	}
	m.Exec("", "DROP DATABASE stopover_trial_notes")
	if after := mariaState(m); after != clean {
		t.Errorf("%s\nwas\n%s", after, clean)
	}
	m.Exec("", "CREATE DATABASE "+own, "CREATE TABLE "+own+".precious (a INT)")
	_, err := Load(t.Context(), mariaRequest(m, "shop"), strings.NewReader(`{"stopover_dump":1,"engine":"mariadb"}`+"\n"))
	if !errors.Is(err, providers.ErrRefused) || !strings.Contains(err.Error(), "no trial made") {
		t.Errorf("somebody's database of that name: %v", err)
	}
	if r := m.Rows("SHOW TABLES FROM " + own); len(r) != 1 {
		t.Error("it was touched")
	}
}

// endless is a dump that never ends; it says when it has begun to be read.
type endless struct {
	head  io.Reader
	begun chan struct{}
	n     int
}

func (e *endless) Read(p []byte) (int, error) {
	if n, err := e.head.Read(p); err == nil {
		return n, nil
	}
	if e.n++; e.n == 50 {
		close(e.begun)
	}
	return copy(p, fmt.Sprintf("INSERT INTO `t` VALUES (%d);\n", e.n)), nil
}

// A trial whose caller goes away drops everything, though its server is busy.
func TestMariaDBCancelled(t *testing.T) {
	m := enginetest.StartMariaDB(t)
	before := mariaState(m)
	ctx, cancel := context.WithCancelCause(t.Context())
	e := &endless{head: strings.NewReader(`{"stopover_dump":1,"engine":"mariadb"}` + "\nCREATE TABLE t (a INT);\n"), begun: make(chan struct{})}
	go func() {
		<-e.begun
		cancel(errors.New("nobody waits any more"))
	}()
	if _, err := Load(ctx, mariaRequest(m, "x"), e); err == nil || !strings.Contains(err.Error(), "nobody waits") {
		t.Error(err)
	}
	if after := mariaState(m); after != before {
		t.Errorf("left behind:\n%s\nwas\n%s", after, before)
	}
}

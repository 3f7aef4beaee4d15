//go:build linux

package look

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine/enginetest"
	"github.com/stopover/stopover/schema"
)

// databasesOf surveys the databases of a machine with the accounts named.
func databasesOf(t *testing.T, l schema.Layout, logins map[string]agent.EngineLogin, accounts ...string) *world {
	t.Helper()
	l.Databases = []string{accountWord, accountWord + "_*", accountWord + "-*"}
	l.DatabaseUsers = []string{accountWord, accountWord + "_*"}
	w := newWorld(&Machine{Reverse: func(context.Context, string) ([]string, error) { return nil, nil }}, agent.LookRequest{Layout: l, Engines: logins}, nil)
	for _, name := range accounts {
		a := &account{FoundAccount: schema.FoundAccount{Name: name}}
		w.accounts = append(w.accounts, a)
		w.byName[name] = a
	}
	if err := w.databases(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func database(t *testing.T, a *account, name string) *schema.ObjectDetail {
	t.Helper()
	for _, d := range a.Databases {
		if d.Name == name {
			return d.Detail
		}
	}
	t.Fatalf("account %s has no database %s, but %+v", a.Name, name, a.Databases)
	return nil
}

func table(t *testing.T, d *schema.ObjectDetail, name string) schema.Table {
	t.Helper()
	i := slices.IndexFunc(d.Tables, func(x schema.Table) bool { return x.Name == name })
	if i < 0 {
		t.Fatalf("no table %s in %+v", name, d.Tables)
	}
	return d.Tables[i]
}

func sampleMariaDB(m *enginetest.MariaDB) {
	m.Exec("", "CREATE DATABASE shop_wp CHARACTER SET latin1 COLLATE latin1_swedish_ci", "CREATE DATABASE `shop-é ``x`", "CREATE DATABASE blog_1", "CREATE DATABASE wp77", "CREATE DATABASE intranet",
		"CREATE USER shop_web@'10.0.0.%' IDENTIFIED BY 'secret-word-1'", "CREATE USER blog_web@localhost IDENTIFIED BY 'secret-word-2'", "CREATE USER admin@'%' IDENTIFIED BY 'secret-word-3'",
		"GRANT ALL ON shop_wp.* TO shop_web@'10.0.0.%' WITH GRANT OPTION", "GRANT SELECT ON `shop\\_%`.* TO shop_web@'10.0.0.%'", "GRANT SELECT ON *.* TO admin@'%'",
		"GRANT ALL ON blog_1.* TO blog_web@localhost", "GRANT SELECT ON wp77.* TO blog_web@localhost")
	m.Exec("shop_wp", "CREATE TABLE keyed (id INT PRIMARY KEY, t VARCHAR(200) CHARACTER SET utf8mb4, KEY short (t(100)), KEY `long` (t)) ENGINE=InnoDB",
		"CREATE TABLE uniq (a INT NOT NULL, UNIQUE KEY (a))", "CREATE TABLE nullable (a INT, UNIQUE KEY (a))", "CREATE TABLE bare (a INT)",
		"CREATE TABLE old (a INT PRIMARY KEY) ENGINE=MyISAM ROW_FORMAT=FIXED", "CREATE TABLE aria (a INT PRIMARY KEY) ENGINE=Aria", "CREATE TABLE mem (a INT PRIMARY KEY) ENGINE=MEMORY",
		"INSERT INTO keyed SELECT seq, seq FROM seq_1_to_123", "INSERT INTO old VALUES (1),(2)", "CREATE SEQUENCE s",
		"SET sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT'", "CREATE DEFINER=gone@nowhere FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1", "SET sql_mode=''",
		"CREATE PROCEDURE p() SELECT 1", "CREATE TRIGGER tr BEFORE INSERT ON bare FOR EACH ROW SET NEW.a=1",
		"CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO SELECT 1", "CREATE DEFINER=gone@nowhere VIEW v AS SELECT 1 AS one")
	m.Exec("blog_1", "CREATE TABLE t (a INT PRIMARY KEY, t VARCHAR(191) CHARACTER SET utf8mb4, KEY (t))")
}

func TestMariaDB(t *testing.T) {
	m := enginetest.StartMariaDB(t, "--log-bin", "--sql-mode=STRICT_TRANS_TABLES", "--max-allowed-packet=32M")
	sampleMariaDB(m)
	before := mariadbState(m)
	w := databasesOf(t, schema.Layout{MariaDB: []string{"/nowhere.sock", m.Socket}}, nil, "blog", "shop")
	if after := mariadbState(m); after != before {
		t.Errorf("the survey changed the server:\n%s\nwas\n%s", after, before)
	}
	e := w.server.System.Engine("mariadb")
	if e == nil || !e.Running || e.Error != "" || !strings.HasPrefix(e.Version, "1") || strings.ContainsAny(e.Version, "-M") || e.Data != m.Data+"/" || e.Socket != m.Socket {
		t.Fatalf("engine %+v", e)
	}
	if e.Settings["sql_mode"] != "STRICT_TRANS_TABLES" || e.Settings["max_allowed_packet"] != "33554432" || e.Settings["log_bin"] != "ON" || e.Settings["lower_case_table_names"] != "0" || e.Settings["gtid_strict_mode"] == "" {
		t.Errorf("settings %v", e.Settings)
	}
	if !slices.Contains(e.Charsets, "utf8mb4_unicode_520_ci") || !slices.ContainsFunc(e.Extensions, func(s schema.Software) bool { return s.Name == "InnoDB" && s.Version != "" }) {
		t.Errorf("collations %v, plugins %v", e.Charsets, e.Extensions)
	}
	if len(w.server.Engines) != 1 || w.server.Engines[0].Version != e.Version || len(w.server.Findings) != 0 {
		t.Errorf("offers %v, findings %v", w.server.Engines, w.server.Findings)
	}
	t.Run("owners", func(t *testing.T) {
		var own []string
		for _, d := range e.Databases {
			own = append(own, d.Name)
		}
		if !slices.Equal(own, []string{"intranet"}) {
			t.Errorf("the server's own: %v", own)
		}
		database(t, w.byName["blog"], "wp77") // by its user's rights alone
		database(t, w.byName["shop"], "shop-é `x")
		if len(w.byName["blog"].Databases) != 2 || len(w.byName["shop"].Databases) != 2 {
			t.Errorf("%+v %+v", w.byName["blog"].Databases, w.byName["shop"].Databases)
		}
	})
	t.Run("tables", func(t *testing.T) {
		mariadbTables(t, database(t, w.byName["shop"], "shop_wp"), database(t, w.byName["blog"], "blog_1"))
	})
	t.Run("routines", func(t *testing.T) { mariadbRoutines(t, database(t, w.byName["shop"], "shop_wp")) })
	t.Run("users", func(t *testing.T) { mariadbUsers(t, w, e) })
	t.Run("size", func(t *testing.T) {
		var want int64
		_ = filepath.WalkDir(filepath.Join(m.Data, "shop_wp"), func(p string, d os.DirEntry, _ error) error {
			if i, err := d.Info(); err == nil && i.Mode().IsRegular() {
				want += i.Size()
			}
			return nil
		})
		for _, d := range w.byName["shop"].Databases {
			if d.Name == "shop_wp" && (d.Bytes != want || d.Version != e.Version || d.Engine != "mariadb") {
				t.Errorf("%+v, want %d bytes", d, want)
			}
		}
	})
}

func mariadbTables(t *testing.T, d, plain *schema.ObjectDetail) {
	if d.Charset != "latin1" || d.Collation != "latin1_swedish_ci" || d.Rows != 125 || d.Sequences != 1 || d.Error != "" || len(d.Tables) != 7 {
		t.Errorf("%+v", d)
	}
	for name, want := range map[string]string{"keyed": "primary", "uniq": "unique", "nullable": "", "bare": "", "old": "primary"} {
		if x := table(t, d, name); x.Key != want || x.Estimated {
			t.Errorf("%+v, want key %q, and a count", x, want)
		}
	}
	for name, want := range map[string]string{"old": "MyISAM", "aria": "Aria", "mem": "MEMORY", "keyed": "InnoDB"} {
		if x := table(t, d, name); x.Engine != want || x.Bytes == 0 && name != "mem" {
			t.Errorf("%+v, want engine %s", x, want)
		}
	}
	if x := table(t, d, "keyed"); x.Rows != 123 || !slices.Equal(x.LongIndexes, []string{"long"}) || x.Charset != "latin1" || x.RowFormat != "Dynamic" {
		t.Errorf("%+v", x)
	}
	if x := table(t, plain, "t"); len(x.LongIndexes) != 0 { // 764 bytes
		t.Errorf("%+v", x)
	}
	if !slices.Equal(d.Unlogged, []string{"mem"}) || plain.Unlogged != nil || plain.Routines != nil || plain.Sequences != 0 {
		t.Errorf("%v %+v", d.Unlogged, plain)
	}
}

func mariadbRoutines(t *testing.T, d *schema.ObjectDetail) {
	var got []string
	for _, r := range d.Routines {
		got = append(got, fmt.Sprintf("%s %s by %s in %q", r.Kind, r.Name, r.Definer, r.SQLMode))
	}
	want := []string{`event e by root@localhost in ""`, `function f by gone@nowhere in "PIPES_AS_CONCAT,ANSI_QUOTES"`, `procedure p by root@localhost in ""`,
		`trigger tr by root@localhost in ""`, `view v by gone@nowhere in ""`}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func mariadbUsers(t *testing.T, w *world, e *schema.Engine) {
	var own []string
	all := append(slices.Clone(w.byName["shop"].DatabaseUsers), w.byName["blog"].DatabaseUsers...)
	for _, u := range append(slices.Clone(e.Users), all...) {
		if s := fmt.Sprint(u); strings.Contains(s, "secret") || strings.Contains(s, "*") && strings.Contains(s, "PASSWORD") || strings.Contains(s, "IDENTIFIED") {
			t.Errorf("a secret in %v", u)
		}
	}
	for _, u := range e.Users {
		own = append(own, u.Name+"@"+u.Host)
	}
	if !slices.Equal(own, []string{"admin@%", "mysql@localhost", "root@localhost"}) {
		t.Errorf("the server's own users: %v", own)
	}
	if len(all) != 2 || all[0].Name != "shop_web" || all[0].Host != "10.0.0.%" || all[0].Plugin != "mysql_native_password" || all[1].Name != "blog_web" {
		t.Fatalf("%+v", all)
	}
	if want := []string{"GRANT USAGE ON *.* TO `shop_web`@`10.0.0.%`", "GRANT ALL PRIVILEGES ON `shop_wp`.* TO `shop_web`@`10.0.0.%` WITH GRANT OPTION", "GRANT SELECT ON `shop\\_%`.* TO `shop_web`@`10.0.0.%`"}; !sameSet(all[0].Grants, want) {
		t.Errorf("%q", all[0].Grants)
	}
	if i := slices.IndexFunc(e.Users, func(u schema.DatabaseUser) bool { return u.Name == "root" }); !strings.Contains(e.Users[i].Plugin, "unix_socket") {
		t.Errorf("%+v", e.Users[i])
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// mariadbState is what a survey must leave as it is: what is in the binary log,
// the users, and every table's checksum.
func mariadbState(m *enginetest.MariaDB) string {
	var out []string
	if r := m.Rows("SELECT @@log_bin"); r[0] == "1" {
		out = append(out, m.Rows("SHOW MASTER STATUS")...)
	}
	out = append(out, m.Rows("SELECT User, Host, Priv FROM mysql.global_priv ORDER BY 1,2")...)
	out = append(out, m.Rows("SELECT SCHEMA_NAME, SCHEMA_COMMENT FROM information_schema.SCHEMATA ORDER BY 1")...)
	for _, t := range m.Rows("SELECT CONCAT('`',REPLACE(TABLE_SCHEMA,'`','``'),'`.`',TABLE_NAME,'`') FROM information_schema.TABLES WHERE TABLE_TYPE='BASE TABLE' AND TABLE_SCHEMA NOT IN ('information_schema','performance_schema','sys') AND TABLE_NAME NOT LIKE 'innodb%' ORDER BY 1") {
		out = append(out, m.Rows("CHECKSUM TABLE "+t)...)
	}
	return strings.Join(out, "\n")
}

// A server that does not run, or lets nobody in, is named with its remedy, and
// stops nothing else.
func TestMariaDBSilent(t *testing.T) {
	m := enginetest.StartMariaDB(t)
	m.Exec("", "CREATE DATABASE shop_wp", "CREATE USER reader@localhost IDENTIFIED BY 'right-word'", "GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON *.* TO reader@localhost", "CREATE USER poor@localhost IDENTIFIED BY 'poor-word'")
	l := schema.Layout{MariaDB: []string{m.Socket}}
	login := func(user, password string) map[string]agent.EngineLogin {
		return map[string]agent.EngineLogin{"mariadb": {User: user, Password: password}}
	}
	w := databasesOf(t, l, login("reader", "wrong-word"), "shop")
	if e := w.server.System.Engine("mariadb"); e == nil || !e.Running || !strings.Contains(e.Error, "Access denied") || !strings.Contains(e.Error, "unix_socket") || strings.Contains(e.Error, "wrong-word") || len(w.server.Findings) != 1 {
		t.Errorf("%+v %+v", e, w.server.Findings)
	}
	w = databasesOf(t, l, login("reader", "right-word"), "shop")
	if e := w.server.System.Engine("mariadb"); e == nil || e.Error != "" || len(w.byName["shop"].Databases) != 1 {
		t.Errorf("%+v %+v", e, w.byName["shop"].Databases)
	}
	w = databasesOf(t, l, login("poor", "poor-word"), "shop") // sees what it sees, and says what it does not
	if e := w.server.System.Engine("mariadb"); e == nil || !strings.Contains(e.Error, "login needs SELECT on everything") || e.Version == "" || len(w.server.Findings) == 0 {
		t.Errorf("%+v %+v", e, w.server.Findings)
	}
	m.Stop()
	w = databasesOf(t, l, nil, "shop")
	if e := w.server.System.Engine("mariadb"); e == nil || e.Running || !strings.Contains(e.Error, "start it") || e.Version == "" {
		t.Errorf("%+v", e)
	}
	if mariadbHolds(m.Data) != true || mariadbHolds(filepath.Join(m.Data, "nowhere")) {
		t.Error("a data directory with a database in it, and one that is not there")
	}
	if err := os.RemoveAll(filepath.Join(m.Data, "shop_wp")); err != nil || mariadbHolds(m.Data) {
		t.Error("a data directory with the server's own databases only", err)
	}
}

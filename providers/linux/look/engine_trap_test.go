//go:build linux

package look

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/providers/linux/engine/enginetest"
	"github.com/stopover/stopover/schema"
)

// What an account put into its tables is not run with a superuser's rights, and
// tables are counted nevertheless.
func TestPostgresTrap(t *testing.T) {
	p := enginetest.StartPostgres(t)
	samplePostgres(p)
	p.Exec("shop_app", "CREATE TABLE texts (t text, n numeric)", "INSERT INTO texts SELECT repeat('x', 100), g FROM generate_series(1, 55) g", "INSERT INTO texts VALUES (NULL, NULL)",
		"CREATE TABLE nothing ()", "INSERT INTO nothing DEFAULT VALUES", "CREATE TYPE mood AS ENUM ('good')", "CREATE TABLE moods (m mood, d mood GENERATED ALWAYS AS ('good'::mood) STORED)", "INSERT INTO moods VALUES ('good')",
		`CREATE TABLE "od""d (x) TO" ("a"" b" int, g int GENERATED ALWAYS AS (1) STORED)`, `INSERT INTO "od""d (x) TO" VALUES (1), (2)`,
		"CREATE TABLE child () INHERITS (texts)", "INSERT INTO child VALUES ('c', 1)", "CREATE TABLE parts (a int) PARTITION BY LIST (a)", "CREATE TABLE part PARTITION OF parts FOR VALUES IN (1)", "INSERT INTO parts VALUES (1)",
		"CREATE TABLE secured (a int)", "INSERT INTO secured VALUES (1), (2)", "ALTER TABLE secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", "ALTER TABLE secured OWNER TO shop",
		"CREATE ROLE reader LOGIN", "GRANT SELECT ON secured, texts TO reader", "CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one")
	sprung := p.Trap(t, "shop_app", "shop")
	w := databasesOf(t, schema.Layout{PostgreSQL: []string{p.Dir}}, nil, "shop")
	if sprung() {
		t.Fatal("the account's code ran as a superuser")
	}
	d := database(t, w.byName["shop"], "shop_app")
	for name, want := range map[string]int64{"trap.trap": 3, "public.texts": 56, `public.od"d (x) TO`: 2, "public.child": 1, "public.part": 1, "public.secured": 2, "public.keyed": 321} {
		if x := table(t, d, name); x.Rows != want || x.Estimated {
			t.Errorf("%+v, want a count of %d", x, want)
		}
	}
	for _, name := range []string{"public.nothing", "public.moods", "public.seen"} {
		if x := table(t, d, name); !x.Estimated {
			t.Errorf("%+v, want an estimate", x)
		}
	}
	if d.Error != "" {
		t.Error(d.Error)
	}
	if err := os.WriteFile(filepath.Join(p.Data, "pg_hba.conf"), []byte("local all postgres peer\nlocal all all scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Exec("postgres", "ALTER ROLE reader PASSWORD 'reader-word'", "SELECT pg_reload_conf()")
	w = databasesOf(t, schema.Layout{PostgreSQL: []string{p.Dir}}, map[string]agent.EngineLogin{"postgresql": {User: "reader", Password: "reader-word"}}, "shop")
	d = database(t, w.byName["shop"], "shop_app")
	if x := table(t, d, "public.secured"); !x.Estimated { // it does not see every row
		t.Errorf("%+v", x)
	}
	if x := table(t, d, "public.texts"); x.Rows != 56 || x.Estimated || sprung() {
		t.Errorf("%+v", x)
	}
}

// A view that took a table's place after the tables were listed runs nothing of
// its owner's, and those beside it are counted.
func TestMariaDBTrap(t *testing.T) {
	m := enginetest.StartMariaDB(t)
	m.Exec("", "CREATE DATABASE shop_wp", "CREATE DATABASE other", "CREATE TABLE other.sprung (a INT) ENGINE=MyISAM", "CREATE USER evil@localhost", "GRANT ALL ON shop_wp.* TO evil@localhost")
	m.Exec("shop_wp", "CREATE TABLE first (a INT PRIMARY KEY)", "INSERT INTO first VALUES (1),(2)", "CREATE TABLE last (a INT, KEY (a))", "INSERT INTO last VALUES (1),(2),(3)", "CREATE TABLE mine (a INT)", "INSERT INTO mine VALUES (1)",
		"CREATE TABLE myisam (a INT) ENGINE=MyISAM", "INSERT INTO myisam VALUES (1)", "CREATE TABLE aria (a INT, KEY (a)) ENGINE=Aria", "INSERT INTO aria VALUES (1),(2)",
		"CREATE DEFINER=evil@localhost FUNCTION f() RETURNS INT SQL SECURITY INVOKER BEGIN INSERT INTO other.sprung VALUES (1); RETURN 1; END",
		"CREATE DEFINER=evil@localhost SQL SECURITY INVOKER VIEW trap AS SELECT * FROM mine WHERE f() = 1",
		"CREATE ALGORITHM=TEMPTABLE DEFINER=evil@localhost SQL SECURITY INVOKER VIEW trap2 AS SELECT f() AS a")
	k := func(name string) [2]string { return [2]string{"shop_wp", name} }
	counts := func(names ...string) map[string]schema.Table {
		s, err := engine.MariaDB{Socket: m.Socket}.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		x := &mariadb{s: s, tables: map[[2]string]*schema.Table{}}
		var keys [][2]string
		for _, n := range names {
			x.tables[k(n)] = &schema.Table{Name: n, Engine: "InnoDB", Rows: 77, Estimated: true}
			keys = append(keys, k(n))
		}
		x.countSome(t.Context(), keys)
		out := map[string]schema.Table{}
		for _, n := range names {
			out[n] = *x.tables[k(n)]
		}
		return out
	}
	if m.Rows("SELECT COUNT(*) FROM shop_wp.trap"); strings.Join(m.Rows("SELECT COUNT(*) FROM other.sprung"), "") == "0" {
		t.Fatal("the trap does nothing: it tests nothing")
	}
	m.Exec("", "TRUNCATE other.sprung")
	got := counts("first", "trap", "last", "trap2", "myisam", "aria", "gone")
	if n := strings.Join(m.Rows("SELECT COUNT(*) FROM other.sprung"), ""); n != "0" {
		t.Fatalf("the account's code ran as root: %s", n)
	}
	for name, want := range map[string]int64{"first": 2, "last": 3, "myisam": 1, "aria": 2} {
		if x := got[name]; x.Rows != want || x.Estimated {
			t.Errorf("%+v, want a count of %d", x, want)
		}
	}
	for _, name := range []string{"trap", "trap2", "gone"} {
		if x := got[name]; x.Rows != 77 || !x.Estimated {
			t.Errorf("%+v, want the estimate", x)
		}
	}
}

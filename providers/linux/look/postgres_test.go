//go:build linux

package look

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine/enginetest"
	"github.com/stopover/stopover/schema"
)

func samplePostgres(p *enginetest.Postgres) {
	p.Exec("postgres", "CREATE ROLE shop LOGIN PASSWORD 'secret-word-1' CREATEDB CONNECTION LIMIT 7", "CREATE ROLE shop_ro LOGIN", "CREATE ROLE webdev", "GRANT webdev TO shop_ro", "ALTER ROLE shop SET work_mem = '1MB'",
		"CREATE DATABASE shop_app OWNER shop", "CREATE DATABASE \"shop-ü 'x\"", "CREATE DATABASE wp OWNER webdev", "CREATE DATABASE closed OWNER shop ALLOW_CONNECTIONS false",
		"CREATE DATABASE german TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C.UTF-8' OWNER shop")
	p.Exec("shop_app", "CREATE SCHEMA own", "CREATE TABLE keyed (id int PRIMARY KEY, t text COLLATE \"de-x-icu\")", "CREATE INDEX ON keyed (t)", "CREATE TABLE bare (a int)",
		"CREATE TABLE uniq (a int NOT NULL UNIQUE)", "ALTER TABLE uniq REPLICA IDENTITY USING INDEX uniq_a_key", "CREATE TABLE entire (a int)", "ALTER TABLE entire REPLICA IDENTITY FULL",
		"CREATE TABLE none (a int PRIMARY KEY)", "ALTER TABLE none REPLICA IDENTITY NOTHING", "CREATE UNLOGGED TABLE own.fast (a int PRIMARY KEY)", "CREATE TABLE money (id int PRIMARY KEY, m money, ms money[])",
		"INSERT INTO keyed SELECT g, g FROM generate_series(1,321) g", "CREATE SEQUENCE s", "SELECT lo_create(0)", "SELECT lo_create(0)", "CREATE EXTENSION pg_trgm",
		"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'", "ALTER FUNCTION f() OWNER TO shop", "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'",
		"CREATE TRIGGER tr BEFORE INSERT ON bare FOR EACH ROW EXECUTE FUNCTION f()", "CREATE VIEW v AS SELECT 1 AS one", "CREATE FUNCTION public.count(int) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''called''; END'")
	p.Exec("wp", "CREATE TABLE t (a int PRIMARY KEY)")
}

func postgresState(p *enginetest.Postgres) string {
	out := p.Rows("postgres", "SELECT rolname, rolpassword FROM pg_authid ORDER BY 1")
	out = append(out, p.Rows("postgres", "SELECT datname, datconnlimit, datacl FROM pg_database ORDER BY 1")...)
	for _, db := range []string{"shop_app", "wp", "german"} {
		out = append(out, p.Rows(db, "SELECT relname, relkind, relfilenode, relreplident FROM pg_class WHERE oid >= 16384 ORDER BY 1, 2")...)
	}
	return strings.Join(append(out, p.Rows("shop_app", "SELECT md5(string_agg(k::text, '' ORDER BY id)) FROM keyed k")...), "\n")
}

func TestPostgres(t *testing.T) {
	p := enginetest.StartPostgres(t, "wal_level=logical")
	samplePostgres(p)
	before, files := postgresState(p), len(p.Rows("postgres", "SELECT pg_ls_dir('pg_wal')"))
	w := databasesOf(t, schema.Layout{PostgreSQL: []string{"/nowhere", p.Dir}}, nil, "shop")
	if after := postgresState(p); after != before || len(p.Rows("postgres", "SELECT pg_ls_dir('pg_wal')")) != files {
		t.Errorf("the survey changed the server:\n%s\nwas\n%s", after, before)
	}
	e := w.server.System.Engine("postgresql")
	if e == nil || !e.Running || e.Error != "" || e.Version == "" || e.Data != p.Data || e.Socket != p.Socket() {
		t.Fatalf("engine %+v", e)
	}
	for k, want := range map[string]string{"wal_level": "logical", "lc_collate": "C.UTF-8", "server_encoding": "UTF8", "password_encryption": "scram-sha-256", "data_checksums": "off", "shared_preload_libraries": ""} {
		if got, ok := e.Settings[k]; e.Settings["server_version_num"] < "160000" && (!ok || got != want) {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	has := func(name string) bool {
		return slices.ContainsFunc(e.Extensions, func(s schema.Software) bool { return s.Name == name && s.Version != "" })
	}
	if !has("pg_trgm") || has("postgis_nowhere") || !slices.ContainsFunc(e.Collations, func(c schema.Collation) bool { return c.Name == "de-x-icu" && c.Provider == "icu" && c.Version != "" }) {
		t.Errorf("extensions %v, collations %v", e.Extensions, e.Collations)
	}
	shop := w.byName["shop"]
	if len(shop.Databases) != 4 || len(e.Databases) != 1 || e.Databases[0].Name != "wp" || len(w.server.Findings) != 1 || !strings.Contains(w.server.Findings[0].Summary, "closed") {
		t.Errorf("%+v\n%+v\n%+v", shop.Databases, e.Databases, w.server.Findings)
	}
	t.Run("inside", func(t *testing.T) { postgresInside(t, database(t, shop, "shop_app")) })
	t.Run("databases", func(t *testing.T) {
		if d := database(t, shop, "german"); d.Provider != "icu" || !strings.EqualFold(d.Collation, "de-DE") || d.CollVersion == "" || d.Owner != "shop" || d.Tables != nil || d.Error != "" {
			t.Errorf("%+v", d)
		}
		if d := database(t, shop, "shop-ü 'x"); d.Provider != "libc" || d.Charset != "UTF8" || d.Owner != "postgres" || d.LargeObjects != 0 || d.Unlogged != nil || d.Extensions != nil || d.Routines != nil || d.Collations != nil {
			t.Errorf("%+v", d)
		}
		if d := database(t, shop, "closed"); !strings.Contains(d.Error, "datallowconn") {
			t.Errorf("%+v", d)
		}
		want := p.Rows("postgres", "SELECT pg_database_size('shop_app')")
		for _, d := range shop.Databases {
			if d.Name == "shop_app" && (d.Bytes < 1<<20 || want[0] == "") {
				t.Errorf("%+v, the server says %v", d, want)
			}
		}
	})
	t.Run("roles", func(t *testing.T) { postgresRoles(t, shop, e) })
}

func postgresInside(t *testing.T, d *schema.ObjectDetail) {
	for name, want := range map[string]string{"public.keyed": "primary", "public.bare": "", "public.uniq": "unique", "public.entire": "full", "public.none": "nothing"} {
		if x := table(t, d, name); x.Key != want || x.Estimated || x.Engine != "heap" {
			t.Errorf("%+v, want key %q, and a count", x, want)
		}
	}
	if x := table(t, d, "public.keyed"); x.Rows != 321 || x.Bytes == 0 || d.Rows != 321 || d.Error != "" {
		t.Errorf("%+v of %d rows; %s", x, d.Rows, d.Error)
	}
	if d.Owner != "shop" || d.LargeObjects != 2 || d.Sequences != 1 || !slices.Equal(d.Unlogged, []string{"own.fast"}) || len(d.OldTypes) != 0 || len(d.Extensions) != 1 || d.Extensions[0].Name != "pg_trgm" {
		t.Errorf("%+v", d)
	}
	if len(d.Collations) != 1 || d.Collations[0].Name != "de-x-icu" || d.Collations[0].Version == "" || d.Collations[0].Objects != 1 {
		t.Errorf("%+v", d.Collations)
	}
	var got []string
	for _, r := range d.Routines {
		got = append(got, r.Kind+" "+r.Name+" of "+r.Definer)
	}
	if want := []string{"function public.count of postgres", "function public.f of shop", "procedure public.p of postgres", "trigger public.bare.tr of postgres", "view public.v of postgres"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func postgresRoles(t *testing.T, shop *account, e *schema.Engine) {
	var names []string
	for _, u := range shop.DatabaseUsers {
		names = append(names, u.Name)
		if s := strings.Join(u.Grants, " ") + strings.Join(u.Attributes, " ") + u.Plugin; strings.Contains(s, "secret") || strings.Contains(s, "SCRAM-SHA-256$") {
			t.Errorf("a secret in %+v", u)
		}
	}
	if !slices.Equal(names, []string{"shop", "shop_ro"}) {
		t.Fatalf("%v", names)
	}
	if u := shop.DatabaseUsers[0]; u.Plugin != "scram-sha-256" || !slices.Equal(u.Attributes, []string{"createdb", "login", "connection limit 7"}) || !slices.Contains(u.Grants, "ALTER ROLE shop SET work_mem=1MB") {
		t.Errorf("%+v", u)
	}
	if u := shop.DatabaseUsers[1]; !slices.Equal(u.Grants, []string{"GRANT webdev TO shop_ro"}) || u.Plugin != "" {
		t.Errorf("%+v", u)
	}
	if i := slices.IndexFunc(e.Users, func(u schema.DatabaseUser) bool { return u.Name == "postgres" }); i < 0 || !slices.Contains(e.Users[i].Attributes, "superuser") {
		t.Errorf("%+v", e.Users)
	}
}

// What no supported version has cannot be made in a test: the same query finds
// a type that there is.
func TestOldTypes(t *testing.T) {
	p := enginetest.StartPostgres(t)
	samplePostgres(p)
	w := newWorld(&Machine{}, agent.LookRequest{}, nil)
	x := &pgInside{p: &postgres{w: w, at: p.Postgres, number: 150000}, d: &schema.ObjectDetail{}}
	var err error
	if x.c, err = p.Open(t.Context(), "shop_app", pgReadOnly()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.c.Close(t.Context()) }()
	if err := x.oldTypes(t.Context(), []string{"abstime", "money"}); err != nil || !slices.Equal(x.d.OldTypes, []string{"public.money.m money", "public.money.ms money"}) {
		t.Errorf("%q %v", x.d.OldTypes, err)
	}
	if _, err := x.c.Exec(t.Context(), "CREATE TABLE never (a int)"); pgCode(err) != "25006" {
		t.Errorf("a survey's session can write: %v", err)
	}
}

// A server without rights for us, or that does not run, is named with its
// remedy; what it does tell is kept.
func TestPostgresSilent(t *testing.T) {
	p := enginetest.StartPostgres(t)
	samplePostgres(p)
	p.Exec("postgres", "CREATE ROLE poor LOGIN PASSWORD 'poor-word'", "REVOKE CONNECT ON DATABASE wp FROM public")
	conf := filepath.Join(p.Data, "pg_hba.conf")
	if err := os.WriteFile(conf, []byte("local all postgres peer\nlocal all all scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Exec("postgres", "SELECT pg_reload_conf()")
	l := schema.Layout{PostgreSQL: []string{p.Dir}}
	login := func(user, password string) map[string]agent.EngineLogin {
		return map[string]agent.EngineLogin{"postgresql": {User: user, Password: password}}
	}
	w := databasesOf(t, l, login("poor", "wrong-word"), "shop")
	if e := w.server.System.Engine("postgresql"); e == nil || !e.Running || !strings.Contains(e.Error, "password authentication failed") || !strings.Contains(e.Error, "pg_hba.conf") || strings.Contains(e.Error, "wrong-word") || len(w.server.Findings) != 1 {
		t.Errorf("%+v %+v", e, w.server.Findings)
	}
	w = databasesOf(t, l, login("poor", "poor-word"), "shop")
	e := w.server.System.Engine("postgresql")
	if e == nil || e.Error != "" || len(w.byName["shop"].Databases) != 4 || e.Databases[0].Name != "wp" || !strings.Contains(e.Databases[0].Detail.Error, "GRANT CONNECT") {
		t.Errorf("%+v %+v", e, w.byName["shop"].Databases)
	}
	if d := database(t, w.byName["shop"], "shop_app"); !table(t, d, "public.keyed").Estimated || len(d.Tables) != 7 {
		t.Errorf("%+v", d)
	}
	p.Stop()
	if err := os.WriteFile(p.Socket(), nil, 0o600); err == nil { // no socket: not asked at all
		if w = databasesOf(t, l, nil, "shop"); w.server.System.Engine("postgresql") != nil && w.server.System.Engine("postgresql").Running {
			t.Errorf("%+v", w.server.System.Engines)
		}
	}
	if !pgHolds(p.Data) || pgHolds(filepath.Join(p.Data, "nowhere")) {
		t.Error("a data directory with databases, and one that is not there")
	}
}

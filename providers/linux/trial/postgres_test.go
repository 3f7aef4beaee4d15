//go:build linux

package trial

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine/enginetest"
	"github.com/stopover/stopover/schema"
)

func pgRequest(to *enginetest.Postgres, name string) agent.LoadRequest {
	return agent.LoadRequest{Engine: "postgresql", Database: name, Scratch: Scratch("shop", "postgresql", name), Layout: schema.Layout{PostgreSQL: []string{to.Dir}}}
}

func tryPostgres(t *testing.T, from, to *enginetest.Postgres, name string) (agent.Dumped, schema.TriedDatabase) {
	t.Helper()
	var b bytes.Buffer
	d, err := Dump(t.Context(), agent.DumpRequest{Engine: "postgresql", Database: name, Layout: schema.Layout{PostgreSQL: []string{from.Dir}}}, &b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Load(t.Context(), pgRequest(to, name), &b)
	if err != nil {
		t.Fatal(err)
	}
	return d, out
}

func pgState(p *enginetest.Postgres) string {
	out := p.Rows("postgres", "SELECT rolname, rolpassword, rolsuper FROM pg_authid ORDER BY 1")
	out = append(out, p.Rows("postgres", "SELECT datname, datacl, datdba FROM pg_database ORDER BY 1")...)
	out = append(out, p.Rows("postgres", "SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2")...)
	out = append(out, p.Rows("postgres", "SELECT name, setting FROM pg_file_settings UNION ALL SELECT name, boot_val FROM pg_settings WHERE source = 'configuration file' ORDER BY 1")...)
	return strings.Join(append(out, p.Rows("victim", "SELECT a FROM ticks")...), "\n")
}

func samplePg(p *enginetest.Postgres, name string) {
	q := pgIdent(name)
	p.Exec("postgres", "CREATE ROLE shop LOGIN", "CREATE ROLE locals", "CREATE DATABASE "+q+" OWNER shop", "CREATE DATABASE victim")
	p.Exec("victim", "CREATE TABLE ticks (a int)", "INSERT INTO ticks VALUES (1)")
	p.Exec(name, "CREATE SCHEMA ext", "CREATE EXTENSION pg_trgm SCHEMA ext", "CREATE EXTENSION pageinspect", "CREATE TABLE posts (id serial PRIMARY KEY, t text, b bytea)", "ALTER TABLE posts OWNER TO shop",
		"INSERT INTO posts (t, b) SELECT E'it''s \\\\! \\n\\\\.\\n ü€' || g, '\\x00ff' FROM generate_series(1, 4000) g", "CREATE INDEX ON posts USING gin (t ext.gin_trgm_ops)",
		`CREATE TABLE "odd ""name" (a int)`, `INSERT INTO "odd ""name" VALUES (1), (2)`, "CREATE TABLE empty (a int)", "SELECT lo_from_bytea(0, 'large')",
		"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'", "ALTER FUNCTION f() OWNER TO locals", "CREATE TRIGGER tr BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION f()",
		"CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM posts", "CREATE VIEW v AS SELECT 1 AS one", "COMMENT ON DATABASE "+q+" IS 'x'", "GRANT SELECT ON posts TO locals")
}

func TestPostgres(t *testing.T) {
	p := enginetest.StartPostgres(t)
	const name = `host=elsewhere user='x' \`
	samplePg(p, name)
	before := pgState(p)
	d, out := tryPostgres(t, p, p, name)
	if after := pgState(p); after != before {
		t.Errorf("the trial changed the server:\n%s\nwas\n%s", after, before)
	}
	if len(out.Errors) > 0 || out.Rows != 4002 || out.Bytes < 1<<20 || out.Name != name || out.Objects < 10 || len(out.Warnings) > 0 {
		t.Errorf("%+v", out)
	}
	if d.Tables["public.posts"] != 4000 || d.Tables[`public.odd "name`] != 2 || d.Tables["public.empty"] != 0 || len(d.Tables) != 3 || len(d.Warnings) > 0 {
		t.Errorf("%+v", d)
	}
	t.Run("what is missing", func(t *testing.T) { pgMissing(t, p, name) })
	t.Run("leftovers", func(t *testing.T) { pgLeftovers(t, p, name) })
	t.Run("hostile", func(t *testing.T) { pgHostile(t, p) })
	t.Run("cancelled", func(t *testing.T) { pgCancelled(t, p, name) })
	if after := pgState(p); after != before {
		t.Errorf("the trials changed the server:\n%s\nwas\n%s", after, before)
	}
}

// dumped is a dump with another header.
func dumped(t *testing.T, p *enginetest.Postgres, name string, change func(*header)) io.Reader {
	t.Helper()
	var b, out bytes.Buffer
	if _, err := Dump(t.Context(), agent.DumpRequest{Engine: "postgresql", Database: name, Layout: schema.Layout{PostgreSQL: []string{p.Dir}}}, &b); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(&b)
	h, err := readHeader(in)
	if err != nil {
		t.Fatal(err)
	}
	change(&h)
	if err := writeHeader(&out, h); err != nil {
		t.Fatal(err)
	}
	return io.MultiReader(&out, in)
}

func pgMissing(t *testing.T, p *enginetest.Postgres, name string) {
	out, err := Load(t.Context(), pgRequest(p, name), dumped(t, p, name, func(h *header) {
		h.Collation, h.Ctype = "xx_YY.UTF-8", "xx_YY.UTF-8"
		h.Owners = append(h.Owners, "stranger")
		h.Extensions = append(h.Extensions, extension{"timetravel", "1.0", "public"})
		h.Tables["public.posts"]--
		h.Tables["public.gone"] = 3
	}))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(out.Errors, "\n")
	for _, want := range []string{"xx_YY.UTF-8", "extension timetravel 1.0 is not available", "table public.posts has 4000 rows here, and 3999 at the origin", "table public.gone did not arrive"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not among\n%s", want, all)
		}
	}
	if len(out.Errors) != 4 || len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "role stranger") {
		t.Errorf("%q %q", out.Errors, out.Warnings)
	}
	if _, err := Load(t.Context(), pgRequest(p, name), dumped(t, p, name, func(h *header) { h.Bytes = 1 << 62 })); !errors.Is(err, providers.ErrRefused) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("no room: %v", err)
	}
	broken := errors.New("broken off")
	if _, err := Load(t.Context(), pgRequest(p, name), io.MultiReader(io.LimitReader(dumped(t, p, name, func(*header) {}), 5000), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("a dump that broke off: %v", err)
	}
	if out, err := Load(t.Context(), pgRequest(p, name), io.LimitReader(dumped(t, p, name, func(*header) {}), 5000)); err != nil || len(out.Errors) == 0 {
		t.Errorf("half a dump: %+v %v", out, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func pgLeftovers(t *testing.T, p *enginetest.Postgres, name string) {
	own, other := pgRequest(p, name).Scratch, Scratch("other", "postgresql", "x")
	for _, n := range []string{own, other} {
		p.Exec("postgres", "CREATE ROLE "+n+" LOGIN", "COMMENT ON ROLE "+n+" IS '"+mark+"'", "CREATE DATABASE "+n+" OWNER "+n)
	}
	if _, out := tryPostgres(t, p, p, name); len(out.Errors) > 0 {
		t.Errorf("%+v", out)
	}
	if r := p.Rows("postgres", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'stopover%' UNION ALL SELECT datname FROM pg_database WHERE datname LIKE 'stopover%'"); len(r) > 0 {
		t.Errorf("left: %v", r)
	}
	p.Exec("postgres", "CREATE DATABASE "+own)
	_, err := Load(t.Context(), pgRequest(p, name), dumped(t, p, name, func(*header) {}))
	if !errors.Is(err, providers.ErrRefused) || !strings.Contains(err.Error(), "no trial made") || len(p.Rows("postgres", "SELECT 1 FROM pg_database WHERE datname = '"+own+"'")) != 1 {
		t.Errorf("somebody's database of that name: %v", err)
	}
	p.Exec("postgres", "DROP DATABASE "+own)
}

// An archive that means harm does none: what it says is done by a role that may
// do nothing, and nobody with rights looks into what it made.
func pgHostile(t *testing.T, p *enginetest.Postgres) {
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // the server's user comes in
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	touch := filepath.Join(dir, "touched")
	// What a superuser had pg_dump write, with what a trial must not do in it.
	p.Exec("postgres", "CREATE DATABASE evil")
	p.Exec("evil", "CREATE TABLE t (a text)", "INSERT INTO t VALUES (E'x\\n\\\\.\\n\\\\! touch "+touch+"')", "CREATE EXTENSION dblink",
		"CREATE FUNCTION run() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; RESET SESSION AUTHORIZATION; COPY (SELECT 1) TO PROGRAM 'touch "+touch+"'; ALTER ROLE CURRENT_USER SUPERUSER; RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN 2; END $$",
		"CREATE FUNCTION trap() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$", "CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION trap()",
		"CREATE FUNCTION c_sleep(float8) RETURNS void LANGUAGE internal AS 'pg_sleep'", "CREATE TABLE d (a int DEFAULT run(), b int CHECK (run() > 0))", "INSERT INTO d VALUES (1, 1)",
		"CREATE MATERIALIZED VIEW mv AS SELECT run()", "CREATE INDEX ON d ((a + 1))", "CREATE PUBLICATION pub FOR ALL TABLES")
	defer p.Exec("postgres", "DROP DATABASE evil")
	if err := os.Remove(touch); err != nil { // making it ran it, as a superuser
		t.Fatal("what is to do harm does nothing: it tests nothing:", err)
	}
	_, out := tryPostgres(t, p, p, "evil")
	if _, err := os.Lstat(touch); err == nil {
		t.Error("the archive made a file")
	}
	if w := strings.Join(out.Warnings, "\n"); !strings.Contains(w, "EVENT TRIGGER") || !strings.Contains(w, "FUNCTION c_sleep") {
		t.Errorf("%q %q", out.Errors, out.Warnings)
	}
	if r := p.Rows("victim", "SELECT a FROM ticks"); !slices.Equal(r, []string{"1"}) {
		t.Errorf("%v", r)
	}
}

func pgCancelled(t *testing.T, p *enginetest.Postgres, name string) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe()
	go func() {
		_, _ = io.CopyN(w, dumped(t, p, name, func(*header) {}), 5000)
		cancel(errors.New("nobody waits any more"))
		_ = w.CloseWithError(context.Canceled)
	}()
	if _, err := Load(ctx, pgRequest(p, name), r); err == nil || !strings.Contains(err.Error(), "nobody waits") {
		t.Error(err)
	}
}

// Without a way in for a role without rights nothing is tried, and the server is
// as before.
func TestPostgresNoWayIn(t *testing.T) {
	p := enginetest.StartPostgres(t)
	samplePg(p, "shop")
	if err := os.WriteFile(filepath.Join(p.Data, "pg_hba.conf"), []byte("local all all peer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Exec("postgres", "SELECT pg_reload_conf()")
	before := pgState(p)
	_, err := Load(t.Context(), pgRequest(p, "shop"), dumped(t, p, "shop", func(*header) {}))
	if !errors.Is(err, providers.ErrRefused) || !strings.Contains(err.Error(), "pg_hba.conf") {
		t.Error(err)
	}
	if after := pgState(p); after != before {
		t.Errorf("%s\nwas\n%s", after, before)
	}
}

// The agent may die at any moment: what it has started dies with it, and the
// next trial drops what it left.
func TestAgentKilled(t *testing.T) {
	if dir := os.Getenv("STOPOVER_TEST_KILLED"); dir != "" {
		_, _ = Load(t.Context(), agent.LoadRequest{Engine: "postgresql", Database: "shop", Scratch: Scratch("shop", "postgresql", "shop"), Layout: schema.Layout{PostgreSQL: []string{dir}}}, os.Stdin)
		return
	}
	p := enginetest.StartPostgres(t)
	samplePg(p, "shop")
	before := pgState(p)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run=^TestAgentKilled$")
	c.Env = append(os.Environ(), "STOPOVER_TEST_KILLED="+p.Dir)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	dump, err := io.ReadAll(dumped(t, p, "shop", func(*header) {}))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = in.Write(dump[:len(dump)-500]) }() // pg_restore waits for the rest
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for len(p.Rows("postgres", "SELECT 1 FROM pg_stat_activity WHERE usename LIKE 'stopover%' AND datname LIKE 'stopover%'")) == 0 {
		select {
		case err := <-ended:
			t.Fatalf("it ended by itself: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	_ = c.Process.Signal(syscall.SIGKILL)
	<-ended
	if len(p.Rows("postgres", "SELECT 1 FROM pg_roles WHERE rolname LIKE 'stopover%'")) == 0 {
		t.Fatal("nothing was left behind: it was not killed in the middle")
	}
	if _, out := tryPostgres(t, p, p, "shop"); len(out.Errors) > 0 {
		t.Errorf("%+v", out)
	}
	if after := pgState(p); after != before {
		t.Errorf("%s\nwas\n%s", after, before)
	}
}

// What an account put into its tables is not run with a superuser's rights when
// they are counted and dumped.
func TestPostgresTrap(t *testing.T) {
	p := enginetest.StartPostgres(t)
	samplePg(p, "shop")
	p.Exec("shop", "CREATE TABLE nothing ()", "CREATE TABLE texts (t text)", "INSERT INTO texts VALUES (NULL), ('x')")
	sprung := p.Trap(t, "shop", "shop")
	d, err := Dump(t.Context(), agent.DumpRequest{Engine: "postgresql", Database: "shop", Layout: schema.Layout{PostgreSQL: []string{p.Dir}}}, io.Discard)
	if err != nil || sprung() {
		t.Fatalf("the account's code ran as a superuser: %t, %v", sprung(), err)
	}
	if d.Tables["trap.trap"] != 3 || d.Tables["public.posts"] != 4000 || d.Tables["public.texts"] != 2 || len(d.Tables) != 5 {
		t.Errorf("%+v", d.Tables)
	}
	if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "1 tables were not counted") {
		t.Errorf("%q", d.Warnings)
	}
}

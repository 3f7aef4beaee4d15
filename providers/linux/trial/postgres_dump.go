//go:build linux

package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// Bounds of counting at the origin: what is beyond them is dumped and not
// counted.
const (
	countBytes = 1 << 30
	countTime  = 10 * time.Minute
)

// servers are the PostgreSQL servers that have a socket here.
func servers(l schema.Layout, login agent.EngineLogin) []engine.Postgres {
	var out []engine.Postgres
	seen := map[string]bool{}
	for _, dir := range l.PostgreSQL {
		sockets, _ := filepath.Glob(filepath.Join(dir, ".s.PGSQL.*"))
		for _, s := range sockets {
			port, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(s), ".s.PGSQL."))
			real, errReal := filepath.EvalSymlinks(s)
			if i, errStat := os.Lstat(s); err != nil || errReal != nil || errStat != nil || i.Mode()&fs.ModeSocket == 0 || seen[real] {
				continue
			}
			seen[real] = true
			out = append(out, engine.Postgres{Dir: filepath.Dir(real), Port: port, OSUser: cmp.Or(l.PostgresUser, "postgres"), User: login.User, Password: login.Password})
		}
	}
	return out
}

// unhurried are the settings of sessions whose caller knows how long they may
// take.
func unhurried() map[string]string {
	return map[string]string{"statement_timeout": "0", "lc_messages": "C"}
}

// holder opens the first server's database of that name.
func holder(ctx context.Context, l schema.Layout, login agent.EngineLogin, database string) (*pgx.Conn, engine.Postgres, error) {
	var failed error
	for _, s := range servers(l, login) {
		settings := unhurried()
		if login.User != "" {
			delete(settings, "lc_messages") // superusers may
		}
		c, err := s.Open(ctx, database, settings)
		if err == nil {
			return c, s, nil
		}
		failed = errors.Join(failed, err)
	}
	if failed == nil {
		failed = fmt.Errorf("no socket in %s: is it installed, and does it run?", strings.Join(l.PostgreSQL, ", "))
	}
	return nil, engine.Postgres{}, fmt.Errorf("PostgreSQL does not let itself be asked: %w", failed)
}

func dumpPostgres(ctx context.Context, q agent.DumpRequest, w io.Writer) (agent.Dumped, error) {
	c, at, err := holder(ctx, q.Layout, q.Login, q.Database)
	if err != nil {
		return agent.Dumped{}, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	// What is counted and what is dumped is the same moment: pg_dump is given it.
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return agent.Dumped{}, err
	}
	var snapshot string
	if err := tx.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot()").Scan(&snapshot); err != nil {
		return agent.Dumped{}, err
	}
	h, number, err := aboutPostgres(ctx, tx)
	if err != nil {
		return agent.Dumped{}, fmt.Errorf("%s: %w", schema.QuoteName(q.Database), err)
	}
	warnings := []string{}
	if left := countTables(ctx, tx, number, h.Tables); left > 0 {
		warnings = append(warnings, fmt.Sprintf("%d tables were not counted at the origin: they are large, or may not be read", left))
	}
	counted := &counting{w: w}
	if err := writeHeader(counted, h); err != nil {
		return agent.Dumped{}, err
	}
	said := problems{}
	err = pgDump(ctx, at, number/10000, snapshot, q.Database, counted, &said)
	out := agent.Dumped{Bytes: counted.n, Tables: h.Tables, Warnings: append(warnings, said.list()...)}
	switch {
	case counted.err != nil:
		return out, counted.err
	case err != nil:
		return out, fmt.Errorf("pg_dump of %s: %w: %s", schema.QuoteName(q.Database), err, strings.Join(said.list(), "; "))
	}
	return out, nil
}

func pgDump(ctx context.Context, at engine.Postgres, major int, snapshot, database string, w io.Writer, said *problems) error {
	program, err := pgProgram(major, "pg_dump")
	if err != nil {
		return err
	}
	uid, gid, err := engine.IDs(at.OSUser)
	if err != nil {
		return err
	}
	c := child{program: program, uid: uid, gid: gid, out: w, secret: passLine(at.Password), env: []string{"PGPASSFILE=" + secretFile, "PGAPPNAME=stopover"},
		lines: func(l string) { said.add("%s", l) },
		args: []string{"--format=custom", "--compress=1", "--no-password", "--lock-wait-timeout=60000", "--snapshot=" + snapshot,
			"--dbname=" + conninfo(map[string]string{"host": at.Dir, "port": strconv.Itoa(at.Port), "user": at.Role(), "dbname": database})}}
	return c.run(ctx)
}

// pgProgram finds a client program of a major version, or of the newest one
// that is there.
func pgProgram(major int, name string) (string, error) {
	v := strconv.Itoa(major)
	paths := []string{"/usr/lib/postgresql/" + v + "/bin/" + name, "/usr/pgsql-" + v + "/bin/" + name}
	newest, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.SortFunc(newest, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(b, a)) })
	paths = append(append(paths, newest...), "/usr/bin/"+name)
	return firstProgram(paths...)
}

// conninfo writes connection settings so that a name stays a name: a database
// called "host=elsewhere" is one.
func conninfo(settings map[string]string) string {
	var out []string
	for k, v := range settings {
		out = append(out, k+"='"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v)+"'")
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// passLine is a password file that fits every server.
func passLine(password string) string {
	if password == "" {
		return ""
	}
	return "*:*:*:*:" + strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(password) + "\n"
}

// outside leaves out what every database has.
const outside = ` n.nspname NOT IN ('pg_catalog','information_schema','pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_'`

// aboutPostgres is what a database is made with, and the server's version as a
// number: 150018.
func aboutPostgres(ctx context.Context, tx pgx.Tx) (h header, number int, err error) {
	h = header{Engine: "postgresql", Tables: map[string]int64{}}
	if err := tx.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, split_part(current_setting('server_version'), ' ', 1)").Scan(&number, &h.Version); err != nil {
		return h, 0, err
	}
	provider, locale := "'c'::text", "''"
	switch {
	case number >= 170000:
		provider, locale = "datlocprovider::text", "coalesce(datlocale, '')"
	case number >= 150000:
		provider, locale = "datlocprovider::text", "coalesce(daticulocale, '')"
	}
	if err := tx.QueryRow(ctx, "SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype, "+provider+", "+locale+", pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database WHERE datname = current_database()").
		Scan(&h.Charset, &h.Collation, &h.Ctype, &h.Provider, &h.Locale, &h.Bytes); err != nil {
		return h, 0, err
	}
	rows, err := tx.Query(ctx, "SELECT extname::text, extversion, n.nspname::text FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY 1")
	if err != nil {
		return h, 0, err
	}
	if h.Extensions, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (x extension, err error) {
		return x, r.Scan(&x.Name, &x.Version, &x.Schema)
	}); err != nil {
		return h, 0, err
	}
	rows, err = tx.Query(ctx, `SELECT DISTINCT pg_catalog.pg_get_userbyid(o)::text FROM (SELECT c.relowner AS o FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE`+outside+`
UNION SELECT p.proowner FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE`+outside+`
UNION SELECT n.nspowner FROM pg_catalog.pg_namespace n WHERE`+outside+` AND n.nspname <> 'public' UNION SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()) x ORDER BY 1`)
	if err == nil {
		h.Owners, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	return h, number, err
}

// countTables counts what can be counted in the transaction's moment, and says
// how many tables it left out. Members of extensions come with them.
func countTables(ctx context.Context, tx pgx.Tx, number int, into map[string]int64) (left int) {
	rows, err := tx.Query(ctx, `SELECT n.nspname || '.' || c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname), pg_catalog.pg_relation_size(c.oid),
pg_catalog.has_table_privilege(c.oid, 'SELECT'), `+engine.CountColumn(number, countBytes)+` FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND`+outside+` AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.deptype = 'e' AND e.objid = c.oid) ORDER BY 3, 1`)
	if err != nil {
		return 0
	}
	type table struct {
		name, quoted, column string
		bytes                *int64
		read                 bool
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (t table, err error) {
		return t, r.Scan(&t.name, &t.quoted, &t.bytes, &t.read, &t.column)
	})
	if err != nil {
		return 0
	}
	small := slices.DeleteFunc(slices.Clone(all), func(t table) bool { return t.bytes == nil || *t.bytes > countBytes || !t.read || t.column == "" })
	until := time.Now().Add(countTime)
	for _, t := range small {
		if time.Now().After(until) || ctx.Err() != nil {
			break
		}
		if n, err := countTable(ctx, tx, t.quoted, t.column); err == nil {
			into[t.name] = n
		}
	}
	return len(all) - len(into)
}

// countTable counts by itself: an error would end the moment, and a lock stay.
// pgx's own nested transactions are not used, for each would stay in the others.
func countTable(ctx context.Context, tx pgx.Tx, table, column string) (int64, error) {
	if _, err := tx.Exec(ctx, "SAVEPOINT counting"); err != nil {
		return 0, err
	}
	n, err := engine.CountRows(ctx, tx.Conn().PgConn(), table, column)
	for _, back := range []string{"ROLLBACK TO SAVEPOINT counting", "RELEASE SAVEPOINT counting"} {
		if _, errBack := tx.Exec(ctx, back); errBack != nil {
			return 0, errors.Join(err, errBack)
		}
	}
	return n, err
}

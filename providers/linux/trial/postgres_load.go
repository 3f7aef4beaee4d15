//go:build linux

package trial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// pgTrial is one trial on a PostgreSQL server.
type pgTrial struct {
	q     agent.LoadRequest
	admin *pgx.Conn // of a superuser: it never runs what a dump says, nor looks into what it made
	at    engine.Postgres
	major int
	data  string
	errors,
	warnings problems
	password string
	scratch  engine.Postgres // how the scratch role logs in
	schemas  []string        // that were made for extensions
}

func loadPostgres(ctx context.Context, q agent.LoadRequest, h header, r *bufio.Reader, p *pace) (out schema.TriedDatabase, err error) {
	admin, at, err := holder(ctx, q.Layout, q.Login, "postgres")
	if err != nil {
		return out, err
	}
	defer func() { _ = admin.Close(context.WithoutCancel(ctx)) }()
	t := &pgTrial{q: q, admin: admin, at: at, password: secret()}
	if err := t.prepare(ctx, h); err != nil {
		return out, err
	}
	defer func() {
		out.Errors, out.Warnings = t.errors.list(), t.warnings.list()
		err = errors.Join(err, t.drop(ctx))
	}()
	if err := t.make(ctx, h); err != nil {
		return out, err
	}
	watched, stop := watchRoom(ctx, t.data)
	defer stop()
	from := &faults{r: r}
	err = t.restore(watched, from)
	if broken := from.broken(); broken != nil && ctx.Err() == nil && context.Cause(watched) == nil {
		err = broken // what came broke off: nothing can be said of the database
	}
	if err == nil {
		err = t.compare(watched, h, &out)
	}
	if c := context.Cause(watched); c != nil {
		err = c
	}
	return out, p.judge(err, &t.errors)
}

// faults remembers why a stream ended before its end.
type faults struct {
	r io.Reader

	mu  sync.Mutex
	err error
}

func (f *faults) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.mu.Lock()
		f.err = err
		f.mu.Unlock()
	}
	return n, err
}

func (f *faults) broken() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// restore has pg_restore do what the archive says, as the scratch role. It knows
// no commands beside SQL, and the role may do nothing beside its database; the
// user of the system that it runs as has nothing at all.
func (t *pgTrial) restore(ctx context.Context, r io.Reader) error {
	program, err := pgProgram(t.major, "pg_restore")
	if err != nil {
		return err
	}
	host := t.scratch.TCP
	if host == "" {
		host = t.scratch.Dir
	}
	as := stranger()
	said := &restoreReport{t: t}
	c := child{program: program, uid: as, gid: as, in: r, out: io.Discard, secret: passLine(t.password),
		env: []string{"PGPASSFILE=" + secretFile, "PGAPPNAME=stopover"}, lines: said.line,
		args: []string{"--verbose", "--no-owner", "--no-privileges", "--no-tablespaces", "--no-publications", "--no-subscriptions", "--no-security-labels", "--no-comments", "--no-password",
			"--dbname=" + conninfo(map[string]string{"host": host, "port": strconv.Itoa(t.at.Port), "user": t.q.Scratch, "dbname": t.q.Scratch, "sslmode": "prefer"})}}
	err = c.run(ctx)
	said.end()
	if err != nil && ctx.Err() == nil && !said.spoke {
		t.errors.add("pg_restore: %v", err)
	}
	if ctx.Err() != nil {
		return err
	}
	return nil
}

// restoreReport reads what pg_restore complains about.
type restoreReport struct {
	t      *pgTrial
	object string // of the archive, that it is about
	text   string // of the complaint
	query  bool   // the statement follows, which nobody needs to read
	spoke  bool   // it complained at all
}

func (p *restoreReport) line(l string) {
	l = strings.TrimRight(l, " ")
	rest, own := strings.CutPrefix(l, "pg_restore: ")
	switch {
	case own && strings.HasPrefix(rest, "from TOC entry "):
		p.end()
		p.object = tocObject(rest)
	case own && strings.HasPrefix(rest, "error: "):
		p.end()
		p.text = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(rest, "error: "), "could not execute query: "), "ERROR:  ")
	case own && strings.HasPrefix(rest, "warning: "):
		p.end()
		if w := strings.TrimPrefix(rest, "warning: "); !strings.HasPrefix(w, "errors ignored on restore") {
			p.t.warnings.add("%s", p.t.plain(w))
		}
	case own:
		p.end()
	case strings.HasPrefix(l, "Command was:"):
		p.query = true
	case p.text != "" && !p.query && (strings.HasPrefix(l, "DETAIL:") || strings.HasPrefix(l, "HINT:")):
		p.text += "; " + strings.TrimSpace(l[strings.IndexByte(l, ':')+1:])
	}
}

// end says what was complained about last.
func (p *restoreReport) end() {
	if p.text == "" {
		return
	}
	p.spoke = true
	what := p.object
	if what == "" {
		what = "the archive"
	}
	switch s := p.t.plain(p.text); {
	case strings.HasPrefix(what, "EXTENSION ") && strings.Contains(s, "is not available"): // said before
	case strings.HasPrefix(what, "SCHEMA ") && strings.Contains(s, "already exists") && slices.ContainsFunc(p.t.schemas, func(n string) bool { return strings.HasSuffix(what, " "+n) }):
	case strings.Contains(s, "permission denied") || strings.Contains(s, "must be superuser") || strings.Contains(s, "must be owner") || strings.Contains(s, "requires superuser") || strings.Contains(s, "Must be superuser"):
		p.t.warnings.add("%s could not be tried: it takes rights that a trial does not use: %s", what, s)
	default:
		p.t.errors.add("%s: %s", what, s)
	}
	p.text, p.query = "", false
}

// tocObject is the object of "from TOC entry 215; 1259 16403 TABLE public t owner".
func tocObject(s string) string {
	_, s, _ = strings.Cut(s, "; ")
	f := strings.Fields(s)
	if len(f) < 4 {
		return s
	}
	return strings.Join(f[2:len(f)-1], " ")
}

// plain says the origin's name of the database, which people know.
func (t *pgTrial) plain(s string) string { return strings.ReplaceAll(s, t.q.Scratch, t.q.Database) }

// compare looks at what came, as the scratch role: what a dump made may look
// like a table and be a trap for a superuser.
func (t *pgTrial) compare(ctx context.Context, h header, out *schema.TriedDatabase) error {
	c, err := t.scratch.Open(ctx, t.q.Scratch, map[string]string{"statement_timeout": "0"})
	if err != nil {
		return fmt.Errorf("look at what came: %w", err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	rows, err := c.Query(ctx, `SELECT n.nspname || '.' || c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND`+outside+` AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.deptype = 'e' AND e.objid = c.oid)`)
	if err != nil {
		return err
	}
	quoted := map[string]string{}
	var name, q string
	if _, err := pgx.ForEachRow(rows, []any{&name, &q}, func() error { quoted[name] = q; return nil }); err != nil {
		return err
	}
	for _, table := range slices.Sorted(maps.Keys(quoted)) {
		var n int64
		if err := c.QueryRow(ctx, "SELECT pg_catalog.count(*) FROM ONLY "+quoted[table]).Scan(&n); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			t.errors.add("table %s cannot be read: %s", table, pgMessage(err))
			continue
		}
		out.Rows += n
		if want, ok := h.Tables[table]; ok && n != want {
			t.errors.add("table %s has %d rows here, and %d at the origin in the moment of the dump", table, n, want)
		}
	}
	for _, table := range slices.Sorted(maps.Keys(h.Tables)) {
		if quoted[table] == "" {
			t.errors.add("table %s did not arrive", table)
		}
	}
	if err := c.QueryRow(ctx, `SELECT (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','i','S','v','m','p','I','f') AND`+outside+`)
+ (SELECT count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE`+outside+`) + (SELECT count(*) FROM pg_catalog.pg_trigger WHERE NOT tgisinternal)
+ (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata)`).Scan(&out.Objects); err != nil {
		return err
	}
	return t.missing(ctx, h, out)
}

// missing says which owners this server does not have.
func (t *pgTrial) missing(ctx context.Context, h header, out *schema.TriedDatabase) error {
	if err := t.admin.QueryRow(ctx, "SELECT pg_catalog.pg_database_size($1::name)", t.q.Scratch).Scan(&out.Bytes); err != nil {
		return err
	}
	for _, o := range h.Owners {
		var there bool
		if err := t.admin.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1)", o).Scan(&there); err != nil {
			return err
		}
		if !there {
			t.warnings.add("role %s, who owns objects of the database, is not on this server: it has to be made before the database comes", o)
		}
	}
	return nil
}

func pgMessage(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

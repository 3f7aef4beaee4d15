//go:build linux

package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// pgSessions is how many databases of a server are asked at the same time.
const pgSessions = 3

// postgres asks every PostgreSQL server that has a socket in the layout's
// directories, and names those that are configured and do not run.
func (w *world) postgres(ctx context.Context) []asked {
	var out []asked
	running := map[string]bool{} // by data directory
	seen := map[string]bool{}    // by socket: /var/run may be /run
	for _, dir := range w.layout.PostgreSQL {
		sockets, _ := filepath.Glob(filepath.Join(w.path(dir), ".s.PGSQL.*"))
		for _, s := range sockets {
			port, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(s), ".s.PGSQL."))
			real, errReal := filepath.EvalSymlinks(s)
			if i, errStat := os.Lstat(s); err != nil || errReal != nil || errStat != nil || i.Mode()&fs.ModeSocket == 0 || seen[real] {
				continue // .lock files, and leftovers
			}
			seen[real] = true
			p := &postgres{w: w, e: schema.Engine{Name: "postgresql", Socket: s}, at: engine.Postgres{
				Dir: filepath.Dir(real), Port: port, OSUser: cmp.Or(w.layout.PostgresUser, "postgres")}}
			if l, ok := w.login("postgresql"); ok {
				p.at.User, p.at.Password = l.User, l.Password
			}
			a := p.survey(ctx)
			running[a.engine.Data] = running[a.engine.Data] || a.engine.Data != ""
			out = append(out, a)
		}
	}
	for _, e := range w.pgClusters(len(out) > 0) {
		if !running[e.Data] && !slices.ContainsFunc(out, func(a asked) bool { return a.engine.Running && samePort(a.engine.Socket, e.Socket) }) {
			out = slices.DeleteFunc(out, func(a asked) bool { return samePort(a.engine.Socket, e.Socket) })
			out = append(out, w.silent(e, pgHolds(w.path(e.Data))))
		}
	}
	return out
}

func samePort(a, b string) bool { return a != "" && b != "" && filepath.Base(a) == filepath.Base(b) }

// pgClusters are the servers that the system's configuration knows of. any says
// that one was found already.
func (w *world) pgClusters(any bool) []schema.Engine {
	var out []schema.Engine
	files, _ := filepath.Glob(w.path("/etc/postgresql/*/*/postgresql.conf"))
	for _, f := range files {
		version := filepath.Base(filepath.Dir(filepath.Dir(f)))
		e := schema.Engine{Name: "postgresql", Version: version, Data: filepath.Join("/var/lib/postgresql", version, filepath.Base(filepath.Dir(f)))}
		b, err := os.ReadFile(f)
		if err == nil {
			if v := pgOption(b, "data_directory"); v != "" {
				e.Data = v
			}
			if v := pgOption(b, "port"); v != "" && len(w.layout.PostgreSQL) > 0 {
				e.Socket = filepath.Join(w.layout.PostgreSQL[0], ".s.PGSQL."+v)
			}
		}
		if _, err := os.Stat(filepath.Join(w.path("/usr/lib/postgresql"), version, "bin/postgres")); err != nil {
			e.Error = fmt.Sprintf("PostgreSQL %s is configured in %s, and its program is not installed: its databases cannot be read: install postgresql-%s, or remove the cluster if nobody needs it", version, filepath.Dir(f), version)
		} else {
			e.Error = fmt.Sprintf("PostgreSQL %s is installed and does not run: start it (pg_ctlcluster %s %s start) and survey again", version, version, filepath.Base(filepath.Dir(f)))
		}
		out = append(out, e)
	}
	if len(files) > 0 || any {
		return out
	}
	programs, _ := filepath.Glob(w.path("/usr/lib/postgresql/*/bin/postgres"))
	for _, p := range append(programs, w.path("/usr/bin/postgres")) {
		if _, err := os.Stat(p); err == nil {
			return []schema.Engine{{Name: "postgresql", Error: "PostgreSQL is installed (" + p + ") and no server of it runs: start it and survey again, if there should be one"}}
		}
	}
	return nil
}

// pgOption is the last value of an option in postgresql.conf.
func pgOption(conf []byte, name string) string {
	m := regexp.MustCompile(`(?m)^[ \t]*`+name+`[ \t]*[= \t][ \t]*'?([^'\n#]*)`).FindAllSubmatch(conf, -1)
	if len(m) == 0 {
		return ""
	}
	return strings.TrimSpace(string(m[len(m)-1][1]))
}

// pgHolds says whether a data directory has databases beside the three that
// every one has.
func pgHolds(dir string) bool {
	if dir == "/" || dir == "." {
		return false
	}
	entries, err := os.ReadDir(filepath.Join(dir, "base"))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	own := 0
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n < 16384 {
			own++ // template0, template1, postgres
		}
	}
	return len(entries) > own
}

// postgres is the survey of one server.
type postgres struct {
	w       *world
	at      engine.Postgres
	e       schema.Engine
	number  int   // version: 150018
	counter spent // of the time for counting
}

// settings of every session: it can change nothing and waits for nobody long.
func pgReadOnly() map[string]string {
	return map[string]string{"default_transaction_read_only": "on", "statement_timeout": engine.Timeout(queryTime), "lock_timeout": engine.Timeout(lockTime * 1e9)}
}

// survey asks everything. What one query could not tell does not stop the
// others.
func (p *postgres) survey(ctx context.Context) asked {
	c, err := p.at.Open(ctx, "postgres", pgReadOnly())
	if err != nil && pgCode(err) == "3D000" { // there is no database of that name
		c, err = p.at.Open(ctx, "template1", pgReadOnly())
	}
	if err != nil {
		return p.unable(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	p.e.Running = true
	p.counter.start(countTime)
	var users []schema.DatabaseUser
	var dbs []foundDatabase
	for _, ask := range []struct {
		what string
		do   func(context.Context, *pgx.Conn) error
	}{
		{"settings", p.settings}, {"available extensions", p.extensions}, {"collations", p.collations},
		{"roles", func(ctx context.Context, c *pgx.Conn) (err error) { users, err = p.roles(ctx, c); return err }},
		{"databases", func(ctx context.Context, c *pgx.Conn) (err error) { dbs, err = p.databases(ctx, c); return err }},
	} {
		if err := ask.do(ctx, c); err != nil {
			p.e.Error = fmt.Sprintf("its %s could not be read: %s", ask.what, reason(err))
			p.w.incomplete("databases in PostgreSQL", errors.New(p.e.Error))
		}
	}
	p.insides(ctx, dbs)
	dbs = slices.DeleteFunc(dbs, func(d foundDatabase) bool { // every server has it, and seldom anything in it
		x := d.found.Detail
		return d.found.Name == "postgres" && len(x.Tables) == 0 && len(x.Routines) == 0 && x.LargeObjects == 0 && x.Error == ""
	})
	return asked{engine: p.e, dbs: dbs, users: users}
}

// insides looks into each database by a session of its own.
func (p *postgres) insides(ctx context.Context, dbs []foundDatabase) {
	var wait sync.WaitGroup
	tickets := make(chan struct{}, pgSessions)
	for i := range dbs {
		d := &dbs[i]
		if d.found.Mode == pgClosed {
			d.found.Mode = ""
			detailError(d.found.Detail, "it allows no connections (datallowconn is off), and was not looked into")
			continue
		}
		wait.Go(func() {
			tickets <- struct{}{}
			defer func() { <-tickets }()
			if ctx.Err() != nil {
				return
			}
			p.inside(ctx, &d.found)
		})
	}
	wait.Wait()
	for i := range dbs {
		if e := dbs[i].found.Detail.Error; e != "" {
			p.w.incomplete("databases in PostgreSQL", fmt.Errorf("database %s: %s", schema.QuoteName(dbs[i].found.Name), e))
		}
	}
}

// unable is the server that does not let itself be asked.
func (p *postgres) unable(err error) asked {
	e := p.e
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused):
		e.Running = true
		e.Error = fmt.Sprintf("PostgreSQL at %s refuses role %s: %s: let the system's user %s in over the socket (\"local all %s peer\" in pg_hba.conf, and a superuser of that name), or give the server a login for engine \"postgresql\"",
			p.e.Socket, p.at.Role(), reason(refused), p.at.OSUser, p.at.OSUser)
	default:
		e.Error = fmt.Sprintf("PostgreSQL does not answer at %s: %s: start it and survey again", p.e.Socket, reason(err))
	}
	return p.w.silent(e, true)
}

// pgCode is the code of an error that a server gave.
func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

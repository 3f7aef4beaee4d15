//go:build linux

package look

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// Where MariaDB and MySQL put their programs, options and data.
func mariadbPrograms() []string {
	return []string{"/usr/sbin/mariadbd", "/usr/sbin/mysqld", "/usr/bin/mariadbd", "/usr/libexec/mariadbd", "/usr/libexec/mysqld", "/usr/local/sbin/mysqld", "/usr/local/mysql/bin/mysqld"}
}

func mariadbOptions() []string {
	return []string{"/etc/my.cnf", "/etc/mysql/my.cnf", "/etc/my.cnf.d/*.cnf", "/etc/mysql/conf.d/*.cnf", "/etc/mysql/mariadb.conf.d/*.cnf", "/etc/mysql/mysql.conf.d/*.cnf"}
}

const mariadbData = "/var/lib/mysql"

// mariadb asks the MariaDB or MySQL server behind the first of the layout's
// sockets that answers. Others are named.
func (w *world) mariadb(ctx context.Context) []asked {
	var out []asked
	var failed error
	socket := ""
	seen := map[string]bool{}
	for _, s := range w.layout.MariaDB {
		real, err := filepath.EvalSymlinks(w.path(s))
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		if socket == "" {
			socket = s
		}
		l, given := w.login("mariadb")
		if !given {
			l.User, l.Password = "", ""
		}
		c, err := engine.MariaDB{Socket: real, User: l.User, Password: l.Password}.Open(ctx)
		if err != nil {
			if failed == nil || engine.Denied(err) {
				failed, socket = err, s
			}
			continue
		}
		m := &mariadb{w: w, s: c, e: schema.Engine{Name: "mariadb", Running: true, Socket: s}}
		if len(out) == 0 {
			out = append(out, m.survey(ctx))
		} else {
			out = append(out, m.besides(ctx))
		}
		_ = c.Close()
	}
	switch {
	case len(out) > 0:
		return out
	case failed != nil && engine.Denied(failed):
		return []asked{w.silent(mariadbDenied(socket, failed), true)}
	}
	return w.mariadbStopped(ctx, socket, failed)
}

func mariadbDenied(socket string, err error) schema.Engine {
	return schema.Engine{Name: "mariadb", Running: true, Socket: socket,
		Error: fmt.Sprintf("MariaDB at %s refuses to be asked: %s: let the system's root in (ALTER USER root@localhost IDENTIFIED VIA unix_socket), or give the server a login for engine \"mariadb\" that may read everything", socket, reason(err))}
}

// mariadbStopped is the engine that is installed and does not answer.
func (w *world) mariadbStopped(ctx context.Context, socket string, failed error) []asked {
	program := ""
	for _, p := range mariadbPrograms() {
		if i, err := os.Stat(w.path(p)); err == nil && i.Mode().IsRegular() && i.Mode()&0o111 != 0 {
			program = p
			break
		}
	}
	if program == "" && failed == nil {
		return nil
	}
	e := schema.Engine{Name: "mariadb", Socket: socket, Data: w.mariadbDatadir()}
	if program != "" {
		e.Name, e.Version = versionOf(ctx, w.dir(), program)
	}
	e.Error = engineTitle(e.Name) + " is installed and does not run: start it (systemctl start mariadb) and survey again"
	if failed != nil {
		e.Error = fmt.Sprintf("%s does not answer at %s: %s: start it (systemctl start mariadb) and survey again", engineTitle(e.Name), socket, reason(failed))
	}
	return []asked{w.silent(e, mariadbHolds(w.path(e.Data)))}
}

// mariadbHolds says whether a data directory may have databases of anybody.
func mariadbHolds(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return !os.IsNotExist(err)
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return (e.IsDir() || e.Type()&os.ModeSymlink != 0) && !slices.Contains(mariadbOwn(), e.Name()) && e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), "#") && !strings.HasPrefix(e.Name(), ".")
	})
}

// mariadbOwn are the databases of the server itself.
func mariadbOwn() []string {
	return []string{"information_schema", "mysql", "performance_schema", "sys"}
}

func (w *world) mariadbDatadir() string {
	line := regexp.MustCompile(`(?m)^[ \t]*datadir[ \t]*=[ \t]*"?([^"\s#]+)`)
	dir := mariadbData
	for _, g := range mariadbOptions() {
		files, _ := filepath.Glob(w.path(g))
		for _, f := range files {
			i, err := os.Stat(f)
			if err != nil || !i.Mode().IsRegular() || i.Size() > 1<<20 {
				continue
			}
			b, err := os.ReadFile(f)
			if m := line.FindAllSubmatch(b, -1); err == nil && len(m) > 0 {
				dir = string(m[len(m)-1][1]) // the last one wins, as in the server
			}
		}
	}
	return dir
}

// versionOf asks a program that does not run for its version; it reads nothing
// and starts nothing.
func versionOf(ctx context.Context, r root, program string) (name, version string) {
	out, err := r.run(ctx, program, "--no-defaults", "--version")
	if err != nil {
		return "mariadb", ""
	}
	_, after, _ := strings.Cut(string(out), "Ver ")
	return mariadbVersion(strings.TrimSpace(after))
}

// mariadbVersion takes apart what VERSION() says: "10.11.19-MariaDB-0+deb12u1-log".
func mariadbVersion(s string) (name, version string) {
	name = "mysql"
	if strings.Contains(s, "MariaDB") {
		name = "mariadb"
		s = strings.TrimPrefix(s, "5.5.5-") // which old clients are told
	}
	end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		s = s[:end]
	}
	return name, strings.Trim(s, ".")
}

// mariadb is the survey of one server.
type mariadb struct {
	w  *world
	s  *engine.Session
	e  schema.Engine
	db map[string]*foundDatabase
	// tables by database and name; those of databases that are not listed are not in it.
	tables map[[2]string]*schema.Table
}

// besides names a second server.
func (m *mariadb) besides(ctx context.Context) asked {
	m.identify(ctx)
	m.e.Error = fmt.Sprintf("not looked into: it is a second server beside the one that was surveyed; its databases at %s are known to nobody here", m.e.Socket)
	return m.w.silent(m.e, true)
}

func (m *mariadb) identify(ctx context.Context) {
	var v string
	if m.s.QueryRowContext(ctx, "SELECT VERSION()").Scan(&v) == nil {
		m.e.Name, m.e.Version = mariadbVersion(v)
	}
}

// survey asks everything. What one query could not tell does not stop the
// others; what it was is in the engine's error, for its databases are not known
// completely then.
func (m *mariadb) survey(ctx context.Context) asked {
	m.db, m.tables = map[string]*foundDatabase{}, map[[2]string]*schema.Table{}
	m.identify(ctx)
	if err := m.guard(ctx); err != nil {
		m.e.Error = "it could not be made sure that a survey changes nothing: " + reason(err)
		return m.w.silent(m.e, true)
	}
	users := []schema.DatabaseUser{}
	for _, ask := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"settings", m.settings}, {"plugins", m.plugins}, {"collations", m.collations},
		{"databases", m.databases}, {"tables", m.listTables}, {"keys", m.keys}, {"routines", m.routines},
		{"triggers", m.triggers}, {"events", m.events}, {"views", m.views},
		{"users", func(ctx context.Context) (err error) { users, err = m.users(ctx); return err }},
		{"rights", m.rights}, {"rows", m.count}, {"sizes", m.sizes},
	} {
		if err := ask.do(ctx); err != nil {
			m.e.Error = fmt.Sprintf("its %s could not be read: %s: the login needs SELECT on everything, and the server has to answer within a minute", ask.what, reason(err))
			m.w.incomplete("databases in "+engineTitle(m.e.Name), fmt.Errorf("%s", m.e.Error))
		}
		if ctx.Err() != nil {
			break
		}
	}
	out := asked{engine: m.e, users: users}
	for _, d := range m.db {
		m.finish(d)
		out.dbs = append(out.dbs, *d)
	}
	slices.SortFunc(out.dbs, func(x, y foundDatabase) int { return strings.Compare(x.found.Name, y.found.Name) })
	return out
}

// guard makes the session one that cannot change anything and that waits for
// nobody for long.
func (m *mariadb) guard(ctx context.Context) error {
	if err := m.s.Exec(ctx, "SET SESSION TRANSACTION READ ONLY", "SET NAMES utf8mb4",
		fmt.Sprintf("SET SESSION lock_wait_timeout=%d, innodb_lock_wait_timeout=%d", lockTime, lockTime)); err != nil {
		return err
	}
	limit := fmt.Sprintf("SET SESSION max_statement_time=%d", int(queryTime.Seconds()))
	if m.e.Name == "mysql" {
		limit = fmt.Sprintf("SET SESSION max_execution_time=%d", queryTime.Milliseconds())
	}
	return m.s.Exec(ctx, limit)
}

// finish fills in what is known of a database's tables and puts its lists in
// order.
func (m *mariadb) finish(d *foundDatabase) {
	x := d.found.Detail
	for i := range x.Tables {
		x.Tables[i] = *m.tables[[2]string{d.found.Name, x.Tables[i].Name}]
		x.Rows += x.Tables[i].Rows
	}
	slices.SortFunc(x.Tables, func(a, b schema.Table) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(x.Routines, byRoutine)
	slices.Sort(x.Unlogged)
	slices.Sort(d.users)
	d.users = slices.Compact(d.users)
	d.found.Version, d.found.Engine = m.e.Version, m.e.Name
}

func byRoutine(a, b schema.Routine) int {
	if c := strings.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// each runs a query and reads every row of it as text; NULL is nothing.
func (m *mariadb) each(ctx context.Context, query string, row func(v []string) error, args ...any) error {
	rows, err := m.s.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	raw, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range raw {
		into[i] = &raw[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		v := make([]string, len(raw))
		for i := range raw {
			v[i] = string(raw[i])
		}
		if err := row(v); err != nil {
			return err
		}
	}
	return rows.Err()
}

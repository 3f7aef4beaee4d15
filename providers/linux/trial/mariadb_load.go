//go:build linux

package trial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// mariaTrial is one trial on a MariaDB server.
type mariaTrial struct {
	q      agent.LoadRequest
	root   *engine.Session // of an administrator: it never runs what a dump says
	s      *engine.Session // of the scratch user
	at     engine.MariaDB
	number int  // version: 101119
	binlog bool // the server writes a binary log
	data   string
	errors,
	warnings problems
	rows     map[string]int64           // that the dump has
	definers map[string]map[string]bool // and what they define
	inserts  int
}

func loadMariaDB(ctx context.Context, q agent.LoadRequest, h header, r *bufio.Reader, p *pace) (out schema.TriedDatabase, err error) {
	root, at, err := maria(ctx, q.Layout, q.Login)
	if err != nil {
		return out, err
	}
	defer func() { _ = root.Close() }()
	t := &mariaTrial{q: q, root: root, at: at, rows: map[string]int64{}, definers: map[string]map[string]bool{}}
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
	defer func() { _ = t.s.Close() }()
	watched, stop := watchRoom(ctx, t.data)
	defer stop()
	err = t.load(watched, r)
	if err == nil {
		err = t.compare(watched, &out)
	}
	if c := context.Cause(watched); c != nil && err != nil {
		err = c
	}
	return out, p.judge(err, &t.errors)
}

// make makes the scratch database and a user that may do everything in it, and
// nothing else.
func (t *mariaTrial) make(ctx context.Context, h header) error {
	name, who := engine.Ident(t.q.Scratch), engine.Ident(t.q.Scratch)+"@localhost"
	create := "CREATE DATABASE " + name + " COMMENT '" + mark + "'"
	if !regexp.MustCompile(`^\w{0,64}$`).MatchString(h.Charset) || !regexp.MustCompile(`^\w{0,64}$`).MatchString(h.Collation) {
		h.Charset, h.Collation = "", ""
	}
	with := ""
	if h.Charset != "" {
		with = " CHARACTER SET " + h.Charset + " COLLATE " + h.Collation
	}
	if err := t.root.Exec(ctx, create+with); err != nil {
		var e *mysql.MySQLError
		if !errors.As(err, &e) || e.Number != 1273 && e.Number != 1115 && e.Number != 1253 { // unknown collation or character set
			return fmt.Errorf("make a scratch database: %w", err)
		}
		t.errors.add("the database: %s", e.Message)
		if err := t.root.Exec(ctx, create); err != nil {
			return fmt.Errorf("make a scratch database: %w", err)
		}
	}
	password := secret()
	if err := t.root.Exec(ctx, "CREATE USER "+who+" IDENTIFIED BY PASSWORD '"+nativeHash(password)+"' WITH MAX_USER_CONNECTIONS 4",
		"GRANT ALL PRIVILEGES ON "+strings.ReplaceAll(name, "_", `\_`)+".* TO "+who); err != nil {
		return fmt.Errorf("make a scratch user: %w", err)
	}
	if t.binlog { // one right, for as long as it takes to use it
		if err := t.root.Exec(ctx, "CREATE ROLE "+name, "GRANT BINLOG ADMIN ON *.* TO "+name, "GRANT "+name+" TO "+who); err != nil {
			return fmt.Errorf("keep the trial out of the binary log: %w", err)
		}
	}
	s, err := engine.MariaDB{Socket: t.at.Socket, User: t.q.Scratch, Password: password, Database: t.q.Scratch}.Open(ctx)
	if err != nil {
		return fmt.Errorf("the scratch user cannot log in: %w", err)
	}
	t.s = s
	if t.binlog {
		if err := s.Exec(ctx, "SET ROLE "+name, "SET SESSION sql_log_bin=0", "SET ROLE NONE"); err != nil {
			return fmt.Errorf("keep the trial out of the binary log: %w", errors.Join(err, s.Close()))
		}
		if err := t.root.Exec(ctx, "DROP ROLE "+name); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Exec(ctx, "SET NAMES utf8mb4", "SET autocommit=0")
}

// load runs the dump.
func (t *mariaTrial) load(ctx context.Context, r io.Reader) error {
	in := newScanner(r)
	for {
		st, err := in.next()
		switch {
		case errors.Is(err, io.EOF) && !in.complete:
			return errors.New("the dump is not complete: it does not say that it has ended")
		case errors.Is(err, io.EOF):
			return t.s.Exec(ctx, "COMMIT")
		case errors.Is(err, errLargeRow):
			t.errors.add("%v", err)
			return nil
		case err != nil:
			return err
		}
		in.mind(st.text)
		m := understand(unwrap(st.text, t.number, in.plain), t.q.Scratch, in.plain)
		if err := t.statement(ctx, st, m); err != nil {
			return err
		}
	}
}

func (t *mariaTrial) statement(ctx context.Context, st statement, m meaning) error {
	if m.definer != "" {
		if t.definers[m.definer] == nil {
			t.definers[m.definer] = map[string]bool{}
		}
		t.definers[m.definer][m.what] = true
	}
	elsewhere := m.do == "create" && t.binlog && m.kind != "EVENT"
	var err error
	switch {
	case m.do == "skip":
		return nil
	case m.do == "refuse":
		t.errors.add("line %d: %s is nothing that a dump has, and was not run", st.line, m.what)
		return nil
	case elsewhere:
		err = t.program(ctx, m)
	default:
		_, err = t.s.ExecContext(ctx, string(m.text))
	}
	if m.table != "" {
		t.rows[m.table] += st.tuples
		if t.inserts++; t.inserts%32 == 0 && err == nil {
			_, err = t.s.ExecContext(ctx, "COMMIT")
		}
	} else if strings.HasPrefix(m.what, "table ") && err == nil {
		t.rows[strings.TrimPrefix(m.what, "table ")] += 0
	}
	if err != nil {
		return t.problem(ctx, st, m, err)
	}
	if m.what != "statement" && !elsewhere { // warnings are a session's own
		return t.listen(ctx, st, m)
	}
	if strings.Contains(strings.ToUpper(string(m.text)), "SQL_NOTES") { // dumps switch them off; one of them is wanted
		return t.s.Exec(ctx, "SET SQL_NOTES=1")
	}
	return nil
}

// program makes a stored program where the server writes a binary log, which
// only an administrator may then. Its own words begin after the name: the
// administrator's session says what is made, where and for whom, and runs
// nothing of it.
func (t *mariaTrial) program(ctx context.Context, m meaning) error {
	var mode, client, connection, body string
	if err := t.s.QueryRowContext(ctx, "SELECT @@sql_mode, @@character_set_client, @@collation_connection").Scan(&mode, &client, &connection); err != nil {
		return err
	}
	body = string(m.text[m.head:])
	if m.kind != "TRIGGER" && m.kind != "PACKAGE" && !strings.HasPrefix(strings.TrimSpace(body), "(") {
		return &mysql.MySQLError{Number: 1064, Message: "it has no list of arguments, as every function of a database has"}
	}
	s, err := engine.MariaDB{Socket: t.at.Socket, User: t.at.User, Password: t.at.Password, Database: t.q.Scratch}.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if err := s.Exec(ctx, "SET SESSION sql_log_bin=0", "SET NAMES utf8mb4", "SET sql_mode='"+strings.ReplaceAll(mode, "'", "")+"'"); err != nil {
		return err
	}
	kind := m.kind
	if kind == "PACKAGE" && strings.Contains(strings.ToUpper(string(m.text[:m.head])), "BODY") {
		kind = "PACKAGE BODY"
	}
	_, err = s.ExecContext(ctx, "CREATE DEFINER="+engine.Ident(t.q.Scratch)+"@localhost "+kind+" "+engine.Ident(t.q.Scratch)+"."+engine.Ident(m.name)+" "+body)
	return err
}

// problem sorts an error: the database's own, or one of the trial.
func (t *mariaTrial) problem(ctx context.Context, st statement, m meaning, err error) error {
	var e *mysql.MySQLError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, mysql.ErrPktTooLarge):
		t.errors.add("line %d: %s: a statement of %d bytes is more than this server's max_allowed_packet takes", st.line, m.what, len(m.text))
	case !errors.As(err, &e):
		return fmt.Errorf("line %d: %s: the server did not answer: %w", st.line, m.what, err)
	case slices.Contains([]uint16{1044, 1142, 1143, 1227, 1370, 1356}, e.Number): // rights, that a scratch user does not have
		t.warnings.add("%s could not be tried: it reaches beyond its own database: %s", m.what, t.plain(e.Message))
	case m.table != "":
		t.errors.add("%s: %s (error %d)", m.what, t.plain(e.Message), e.Number)
	default:
		t.errors.add("line %d: %s: %s (error %d)", st.line, m.what, t.plain(e.Message), e.Number)
	}
	return nil
}

// plain says the origin's name of the database, which people know, and nothing
// of a user that they do not.
func (t *mariaTrial) plain(s string) string {
	s = strings.ReplaceAll(s, " to user '"+t.q.Scratch+"'@'localhost'", "")
	return strings.ReplaceAll(s, t.q.Scratch, t.q.Database)
}

// listen asks what the server has to say of a statement that it did.
func (t *mariaTrial) listen(ctx context.Context, st statement, m meaning) error {
	rows, err := t.s.QueryContext(ctx, "SHOW WARNINGS LIMIT 20")
	if err != nil {
		return t.problem(ctx, st, m, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var level, message string
		var code int
		if err := rows.Scan(&level, &code, &message); err != nil {
			return err
		}
		// A note is wanted: an index that was made shorter than it was. And a warning
		// is not: that a generated column is generated, and not taken from the dump; nor that events do not happen here.
		if (level != "Note" || code == 1071) && code != 1906 && (m.kind != "EVENT" || code != 1105) {

			t.warnings.add("%s: %s (warning %d)", m.what, t.plain(message), code)
		}
	}
	return rows.Err()
}

// compare looks at what came.
func (t *mariaTrial) compare(ctx context.Context, out *schema.TriedDatabase) error {
	_ = t.s.Exec(ctx, "SET sql_mode=''")
	for _, table := range slices.Sorted(maps.Keys(t.rows)) {
		var n int64
		if err := t.s.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+engine.Ident(t.q.Scratch)+"."+engine.Ident(table)).Scan(&n); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			t.errors.add("table %s cannot be read: %s", table, t.plain(err.Error()))
			continue
		}
		out.Rows += n
		if want := t.rows[table]; n != want {
			t.errors.add("table %s has %d rows here, and its dump %d", table, n, want)
		}
	}
	for _, q := range []string{"TABLES WHERE TABLE_SCHEMA", "ROUTINES WHERE ROUTINE_SCHEMA", "TRIGGERS WHERE TRIGGER_SCHEMA", "EVENTS WHERE EVENT_SCHEMA",
		"STATISTICS WHERE SEQ_IN_INDEX=1 AND TABLE_SCHEMA"} {
		var n int64
		if err := t.root.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema."+q+"=?", t.q.Scratch).Scan(&n); err != nil {
			return err
		}
		out.Objects += n
	}
	if err := t.root.QueryRowContext(ctx, "SELECT IFNULL(SUM(IFNULL(DATA_LENGTH,0)+IFNULL(INDEX_LENGTH,0)),0) FROM information_schema.TABLES WHERE TABLE_TYPE<>'VIEW' AND TABLE_SCHEMA=?", t.q.Scratch).Scan(&out.Bytes); err != nil {
		return err
	}
	return t.missing(ctx)
}

// missing says which definers this server does not have.
func (t *mariaTrial) missing(ctx context.Context) error {
	for _, who := range slices.Sorted(maps.Keys(t.definers)) {
		i := strings.LastIndexByte(who, '@')
		var n int
		if err := t.root.QueryRowContext(ctx, "SELECT COUNT(*) FROM mysql.user WHERE User=? AND Host=?", who[:i], who[i+1:]).Scan(&n); err != nil {
			return err
		}
		if n == 0 && !strings.HasPrefix(strings.ToUpper(who), "CURRENT_USER") {
			what := slices.Sorted(maps.Keys(t.definers[who]))
			more := ""
			if len(what) > 1 {
				more = " and " + strconv.Itoa(len(what)-1) + " more"
			}
			t.warnings.add("definer %s of %s%s is no user of this server: it has to be made before the database comes, or what it defines fails when it is used", who, what[0], more)
		}
	}
	return nil
}

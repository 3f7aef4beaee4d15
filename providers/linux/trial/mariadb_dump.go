//go:build linux

package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine"
	"github.com/stopover/stopover/schema"
)

// maria reaches the server behind the first of the layout's sockets that
// answers.
func maria(ctx context.Context, l schema.Layout, login agent.EngineLogin) (*engine.Session, engine.MariaDB, error) {
	var failed error
	for _, socket := range l.MariaDB {
		if _, err := os.Stat(socket); err != nil {
			continue
		}
		m := engine.MariaDB{Socket: socket, User: login.User, Password: login.Password}
		s, err := m.Open(ctx)
		if err == nil {
			return s, m, nil
		}
		failed = errors.Join(failed, err)
	}
	if failed == nil {
		failed = fmt.Errorf("no socket at %s: is it installed, and does it run?", strings.Join(l.MariaDB, ", "))
	}
	return nil, engine.MariaDB{}, fmt.Errorf("MariaDB does not let itself be asked: %w", failed)
}

func dumpMariaDB(ctx context.Context, q agent.DumpRequest, w io.Writer) (agent.Dumped, error) {
	s, at, err := maria(ctx, q.Layout, q.Login)
	if err != nil {
		return agent.Dumped{}, err
	}
	defer func() { _ = s.Close() }()
	h, warnings, err := aboutMariaDB(ctx, s, q.Database)
	if err != nil {
		return agent.Dumped{}, err
	}
	h.Engine = q.Engine
	counted := &counting{w: w}
	if err := writeHeader(counted, h); err != nil {
		return agent.Dumped{}, err
	}
	out := agent.Dumped{Tables: map[string]int64{}}
	rows := tally(out.Tables)
	said := problems{}
	err = dumpProgram(ctx, at, q.Database, io.MultiWriter(counted, rows), &said)
	if lost := rows.close(); lost != nil {
		out.Tables = nil
		warnings = append(warnings, "its rows could not be counted on the way: "+clean(lost.Error()))
	}
	out.Bytes = counted.n
	if counted.err != nil { // of who reads: no fault of the dump
		return out, counted.err
	}
	if err != nil {
		return out, fmt.Errorf("mariadb-dump of %s: %w: %s", schema.QuoteName(q.Database), err, strings.Join(said.list(), "; "))
	}
	out.Warnings = append(warnings, said.list()...)
	return out, nil
}

func dumpProgram(ctx context.Context, at engine.MariaDB, database string, w io.Writer, said *problems) error {
	program, err := firstProgram("/usr/bin/mariadb-dump", "/usr/bin/mysqldump", "/usr/local/bin/mariadb-dump", "/usr/local/bin/mysqldump")
	if err != nil {
		return err
	}
	c := child{program: program, secret: clientOptions(at), uid: os.Geteuid(), gid: os.Getegid(), out: w, lines: func(l string) { said.add("%s", l) },
		args: []string{"--defaults-file=" + secretFile, "--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob", "--default-character-set=utf8mb4",
			"--skip-lock-tables", "--skip-add-locks", "--skip-add-drop-table", "--no-tablespaces", "--max-allowed-packet=1G", "--", database}}
	return c.run(ctx)
}

// clientOptions is an option file: the only one that the client reads.
func clientOptions(at engine.MariaDB) string {
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(s) + `"`
	}
	user := at.User
	if user == "" {
		user = "root"
	}
	out := "[client]\nsocket=" + quote(at.Socket) + "\nuser=" + quote(user) + "\n"
	if at.Password != "" {
		out += "password=" + quote(at.Password) + "\n"
	}
	return out
}

// aboutMariaDB is what a database is made with.
func aboutMariaDB(ctx context.Context, s *engine.Session, name string) (header, []string, error) {
	var h header
	err := s.QueryRowContext(ctx, "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, VERSION() FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=?", name).Scan(&h.Charset, &h.Collation, &h.Version)
	if err != nil {
		return h, nil, fmt.Errorf("%w: database %s is not there: survey the server again (%w)", providers.ErrRefused, schema.QuoteName(name), err)
	}
	rows, err := s.QueryContext(ctx, `SELECT TABLE_NAME, IFNULL(ENGINE,''), IFNULL(DATA_LENGTH,0)+IFNULL(INDEX_LENGTH,0) FROM information_schema.TABLES
WHERE TABLE_SCHEMA=? AND TABLE_TYPE NOT IN ('VIEW','SEQUENCE')`, name)
	if err != nil {
		return h, nil, err
	}
	defer func() { _ = rows.Close() }()
	var loose []string
	for rows.Next() {
		var table, kind string
		var bytes int64
		if err := rows.Scan(&table, &kind, &bytes); err != nil {
			return h, nil, err
		}
		h.Bytes += bytes
		if kind != "InnoDB" {
			loose = append(loose, table)
		}
	}
	slices.Sort(loose)
	var warnings []string
	if len(loose) > 0 {
		warnings = []string{clean(fmt.Sprintf("tables without transactions (%s) were dumped one after the other while they were in use: their rows are not of one moment", strings.Join(loose[:min(len(loose), 10)], ", ")))}
	}
	return h, warnings, rows.Err()
}

// counting counts bytes, and remembers why they could not be passed on.
type counting struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}

// rowTally counts the rows of tables in a dump that passes by: what is in the
// dump, and so of its own moment.
type rowTally struct {
	w    *io.PipeWriter
	done chan error
}

func tally(into map[string]int64) *rowTally {
	r, w := io.Pipe()
	t := &rowTally{w, make(chan error, 1)}
	go func() {
		err := tallyRows(r, into)
		_, _ = io.Copy(io.Discard, r) // the dump goes on without it
		t.done <- err
	}()
	return t
}

func tallyRows(r io.Reader, into map[string]int64) error {
	s := newScanner(r)
	for {
		st, err := s.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.mind(st.text)
		head := st.text[:min(len(st.text), 4096)]
		switch m := understand(unwrap(head, 999999, s.plain), "", s.plain); {
		case m.table != "":
			into[m.table] += st.tuples
		case strings.HasPrefix(m.what, "table ") && strings.HasPrefix(string(m.text), "CREATE"):
			into[strings.TrimPrefix(m.what, "table ")] += 0
		}
	}
}

func (t *rowTally) Write(p []byte) (int, error) { return t.w.Write(p) }

func (t *rowTally) close() error {
	_ = t.w.Close()
	return <-t.done
}

// mind follows what a statement says of how later ones are written.
func (s *scanner) mind(text []byte) {
	head := strings.ToUpper(string(text[:min(len(text), 400)]))
	if strings.Contains(head, "SET ") && strings.Contains(head, "SQL_MODE") {
		s.plain = strings.Contains(head, "NO_BACKSLASH_ESCAPES")
	}
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	sqlitedrv "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// How a database is opened.
const (
	openWrite     = "mode=rw"
	openRead      = "mode=ro"
	openImmutable = "mode=ro&immutable=1" // no locks, no files beside it; only for a file at rest
)

// Version is that of the SQLite library in this program.
func Version() string { return sqlitelib.SQLITE_VERSION }

// connection is one SQLite connection, not a pool.
type connection struct {
	as   identity
	pool *sql.DB
	c    *sql.Conn
}

// connect opens lazily, as SQLite does: an error may come from the first statement only.
func connect(ctx context.Context, p *place, as identity, how string) (*connection, error) {
	path, err := p.pathFor()
	if err != nil {
		return nil, err
	}
	pool, err := sql.Open("sqlite", "file:"+escape(path)+"?"+how)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	conn := &connection{as: as, pool: pool}
	err = conn.run(func() (err error) {
		conn.c, err = pool.Conn(ctx)
		return err
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	// The schema is the customer's, and what it names must not run here.
	for _, p := range []string{fmt.Sprintf("busy_timeout=%d", busyWait), "trusted_schema=0", "cell_size_check=1"} {
		if err := conn.exec(ctx, "PRAGMA "+p); err != nil {
			return nil, errors.Join(err, conn.close())
		}
	}
	return conn, nil
}

// run does everything that calls SQLite, with the rights of the account. SQLite
// works on the goroutine that calls it. (Memory that it maps can be cut under
// it by the account; the library turns that into an error.)
func (c *connection) run(do func() error) error { return c.as.run(do) }

func (c *connection) exec(ctx context.Context, statement string) error {
	return c.run(func() error {
		_, err := c.c.ExecContext(ctx, statement)
		return err
	})
}

// ask runs a statement that answers with one row.
func (c *connection) ask(ctx context.Context, statement string, to ...any) error {
	return c.run(func() error { return c.c.QueryRowContext(ctx, statement).Scan(to...) })
}

// touch reads the first page, which makes SQLite take a snapshot and recover
// what a killed writer left, without reading the schema.
func (c *connection) touch(ctx context.Context) error {
	var n int64
	return c.ask(ctx, "PRAGMA user_version", &n)
}

func (c *connection) close() error {
	return c.run(func() error { return errors.Join(c.c.Close(), c.pool.Close()) })
}

// escape writes a path so that it survives the driver and SQLite's URI parser whatever bytes it holds.
func escape(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/-_.~", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

// code is SQLite's primary result code, 0 if the error is not SQLite's.
func code(err error) int {
	var e *sqlitedrv.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

func isBusy(err error) bool {
	return code(err) == sqlitelib.SQLITE_BUSY || code(err) == sqlitelib.SQLITE_LOCKED
}

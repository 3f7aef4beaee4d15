//go:build linux

// Package engine opens sessions with the database engines of the machine that
// this program runs on, over their unix sockets, as root may: MariaDB knows the
// system's root, PostgreSQL knows the system's user postgres. Nothing is read
// from option files or the environment, and passwords go over the socket only.
package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// MariaDB says how a MariaDB or MySQL server is reached.
type MariaDB struct {
	Socket         string
	User, Password string // empty: the system's root, whom unix_socket lets in
	Database       string // may be empty
}

// connectTime bounds how long a daemon may take to greet: one that is stuck is
// one that does not answer.
const connectTime = 10 * time.Second

// Session is one session, and what it is a session of: settings made in it hold
// until it is closed.
type Session struct {
	*sql.Conn
	pool *sql.DB
}

// Open opens one session.
func (m MariaDB) Open(ctx context.Context) (*Session, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = m.User, m.Password, "unix", m.Socket, m.Database
	if c.User == "" {
		c.User = "root"
	}
	c.Timeout = connectTime
	c.MaxAllowedPacket = 0 // the server's own
	c.AllowFallbackToPlaintext, c.CheckConnLiveness = false, false
	c.Logger = &mysql.NopLogger{}
	c.Params = map[string]string{"sql_mode": "''"} // of this session: quotes mean what they mean by default
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(1)
	pool.SetMaxIdleConns(0)
	greet, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := pool.Conn(greet)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &Session{conn, pool}, nil
}

// Close ends the session.
func (s *Session) Close() error { return errors.Join(s.Conn.Close(), s.pool.Close()) }

// Exec runs statements that answer nothing, one after the other.
func (s *Session) Exec(ctx context.Context, statements ...string) error {
	for _, q := range statements {
		if _, err := s.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%.60s: %w", q, err)
		}
	}
	return nil
}

// Denied says whether a server answered and refused a user.
func Denied(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == 1045 || e.Number == 1698 || e.Number == 1044 || e.Number == 1130)
}

// Ident quotes a name for MariaDB.
func Ident(name string) string {
	out := make([]byte, 0, len(name)+2)
	out = append(out, '`')
	for i := range len(name) {
		if name[i] == '`' {
			out = append(out, '`')
		}
		out = append(out, name[i])
	}
	return string(append(out, '`'))
}

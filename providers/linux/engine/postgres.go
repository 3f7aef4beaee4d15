//go:build linux

package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"
)

// Postgres says how one PostgreSQL server is reached.
type Postgres struct {
	Dir  string // of its socket
	Port int
	// OSUser is the user of the system that the server takes the session to be
	// of. It is used where there is no password.
	OSUser         string
	User, Password string // User empty: OSUser
	// TCP is an address to use in place of the socket.
	TCP string
}

// Role is the role that sessions have.
func (p Postgres) Role() string {
	if p.User != "" {
		return p.User
	}
	return p.OSUser
}

// Socket is the path of the server's socket.
func (p Postgres) Socket() string { return p.Dir + "/.s.PGSQL." + strconv.Itoa(p.Port) }

// Open opens a session with a database. The search path is empty but for the
// system's own catalog: what a database's owner calls "count" is not called.
func (p Postgres) Open(ctx context.Context, database string, settings map[string]string) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig("host=/nowhere user=nobody dbname=none sslmode=disable passfile=/dev/null")
	if err != nil {
		return nil, err
	}
	c.Host, c.Port, c.User, c.Password, c.Database = p.Dir, uint16(p.Port), p.Role(), p.Password, database
	c.TLSConfig, c.Fallbacks = nil, nil
	c.ConnectTimeout = connectTime
	c.DialFunc = p.dial
	if p.TCP != "" {
		c.Host, c.DialFunc = p.TCP, (&net.Dialer{Timeout: connectTime}).DialContext
	}
	c.RuntimeParams = map[string]string{
		"application_name": "stopover", "client_encoding": "UTF8", "DateStyle": "ISO", "search_path": "",
		"jit": "off", "row_security": "off", "lock_timeout": "2s",
	}
	for k, v := range settings {
		c.RuntimeParams[k] = v
	}
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {}
	return pgx.ConnectConfig(ctx, c)
}

func (p Postgres) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	d := &net.Dialer{Timeout: connectTime}
	if p.OSUser == "" || p.Password != "" {
		return d.DialContext(ctx, "unix", p.Socket())
	}
	uid, gid, err := IDs(p.OSUser)
	if err != nil {
		return nil, err
	}
	if uid == os.Geteuid() {
		return d.DialContext(ctx, "unix", p.Socket())
	}
	return dialAs(ctx, d, p.Socket(), uid, gid)
}

// dialAs connects to a socket as another user of the system. The kernel tells
// the server whose thread connected, so that one thread changes its user, makes
// the connection and ends: the goroutine stays locked to it, and a thread whose
// goroutine ends locked is thrown away. A child process would have to be this
// program again and to hand the connection back; a thread does it without
// either, for the microseconds of one call.
func dialAs(ctx context.Context, d *net.Dialer, path string, uid, gid int) (net.Conn, error) {
	done := make(chan dialed, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// The first thread is never thrown away: this one is held while another
			// one does it.
			defer runtime.UnlockOSThread()
			conn, err := dialAs(ctx, d, path, uid, gid)
			done <- dialed{conn, err}
			return
		}
		if err := become(uid, gid); err != nil {
			done <- dialed{nil, err}
			return
		}
		conn, err := d.DialContext(ctx, "unix", path)
		done <- dialed{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

type dialed struct {
	conn net.Conn
	err  error
}

// become changes the user of the calling thread, straight by the kernel:
// package syscall would change all threads.
func become(uid, gid int) error {
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
		return fmt.Errorf("leave the groups of root: %w", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); e != 0 {
		return fmt.Errorf("become group %d: %w", gid, e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
		return fmt.Errorf("become user %d: %w", uid, e)
	}
	return nil
}

// IDs are the numbers of a user of the system.
func IDs(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, fmt.Errorf("the server's own user for PostgreSQL: %w", err)
	}
	uid, err = strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(err, errGID)
}

// Timeout is a duration as PostgreSQL reads it.
func Timeout(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

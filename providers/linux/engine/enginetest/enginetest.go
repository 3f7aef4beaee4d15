//go:build linux

// Package enginetest starts real database servers for tests: each in a
// directory of its own, with a socket of its own, gone when the test is over.
package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stopover/stopover/providers/linux/engine"
)

// need skips a test where it cannot be run, loudly; in CI that is a failure.
func need(t testing.TB, programs ...string) {
	t.Helper()
	why := ""
	if os.Geteuid() != 0 {
		why = "it needs root"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			why = p + " is not installed"
		}
	}
	switch {
	case why == "":
	case os.Getenv("CI") == "true":
		t.Fatalf("cannot run: %s", why)
	default:
		t.Skipf("SKIPPED, NOT TESTED: %s", why)
	}
}

// place makes a directory that other users of the system can reach.
func place(t testing.TB, owner string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "stopover-engine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	uid, gid, err := engine.IDs(owner)
	if err == nil {
		err = os.Chown(dir, uid, gid)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs a program as a user of the system.
func run(t testing.TB, owner, program string, args ...string) {
	t.Helper()
	c := exec.Command(program, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: credential(t, owner)}
	c.Dir = "/"
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

func credential(t testing.TB, owner string) *syscall.Credential {
	uid, gid, err := engine.IDs(owner)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// daemon is a server's process.
type daemon struct {
	cmd  *exec.Cmd
	done chan struct{}
	out  *bytes.Buffer
}

func start(t testing.TB, owner, program string, args ...string) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command(program, args...), done: make(chan struct{}), out: &bytes.Buffer{}}
	// It ends with this program, however that ends.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(t, owner), Pdeathsig: syscall.SIGQUIT}
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = "/", d.out, d.out
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // whose end is the daemon's
		defer runtime.UnlockOSThread()
		err := d.cmd.Start()
		started <- err
		if err == nil {
			_ = d.cmd.Wait()
		}
		close(d.done)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	return d
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGQUIT) // PostgreSQL: at once
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(10 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

// MariaDB is a running server.
type MariaDB struct {
	Socket, Data string
	t            testing.TB
	d            *daemon
}

// StartMariaDB starts the system's MariaDB with further options.
func StartMariaDB(t testing.TB, options ...string) *MariaDB {
	t.Helper()
	need(t, "mariadbd", "mariadb-install-db", "mariadb-dump")
	dir := place(t, "mysql")
	m := &MariaDB{t: t, Socket: filepath.Join(dir, "mysqld.sock"), Data: filepath.Join(dir, "data")}
	run(t, "root", "mariadb-install-db", "--no-defaults", "--datadir="+m.Data, "--user=mysql", "--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve")
	m.d = start(t, "root", "mariadbd", append([]string{"--no-defaults", "--user=mysql", "--datadir=" + m.Data, "--socket=" + m.Socket, "--skip-networking",
		"--pid-file=" + filepath.Join(dir, "pid"), "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"}, options...)...)
	m.await()
	return m
}

func (m *MariaDB) await() {
	m.t.Helper()
	for range 300 {
		c, err := engine.MariaDB{Socket: m.Socket}.Open(context.Background())
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-m.d.done:
			m.t.Fatalf("MariaDB ended: %s", m.d.out)
		case <-time.After(50 * time.Millisecond):
		}
	}
	m.t.Fatal("MariaDB does not answer")
}

// Stop ends the server; its data stay.
func (m *MariaDB) Stop() { m.d.stop() }

// Exec runs statements as root in a database; an empty name is none.
func (m *MariaDB) Exec(database string, statements ...string) {
	m.t.Helper()
	c, err := engine.MariaDB{Socket: m.Socket, Database: database}.Open(context.Background())
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for _, q := range statements {
		if _, err := c.ExecContext(context.Background(), q); err != nil {
			m.t.Fatalf("%.200s: %v", q, err)
		}
	}
}

// Rows are the rows of a query, columns joined by tabs.
func (m *MariaDB) Rows(query string) []string {
	m.t.Helper()
	c, err := engine.MariaDB{Socket: m.Socket}.Open(context.Background())
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	rows, err := c.QueryContext(context.Background(), query)
	if err != nil {
		m.t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, _ := rows.Columns()
	var out []string
	for rows.Next() {
		v, into := make([][]byte, len(columns)), make([]any, len(columns))
		for i := range v {
			into[i] = &v[i]
		}
		if err := rows.Scan(into...); err != nil {
			m.t.Fatal(err)
		}
		out = append(out, string(bytes.Join(v, []byte("\t"))))
	}
	return out
}

// Postgres is a running server.
type Postgres struct {
	engine.Postgres
	Data string
	t    testing.TB
	d    *daemon
}

// PostgresBin is the newest installed PostgreSQL, or nothing.
func PostgresBin() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// StartPostgres starts the system's PostgreSQL with further settings, "k=v". The
// system's user postgres comes in by peer over the socket, everybody else by
// password over TCP, as Debian has it.
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	bin := PostgresBin()
	need(t, filepath.Join(bin, "postgres"), filepath.Join(bin, "initdb"))
	dir := place(t, "postgres")
	p := &Postgres{t: t, Data: filepath.Join(dir, "data"), Postgres: engine.Postgres{Dir: dir, Port: freePort(t), OSUser: "postgres"}}
	run(t, "postgres", filepath.Join(bin, "initdb"), "-D", p.Data, "--auth-local=peer", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-N")
	args := []string{"-D", p.Data, "-k", dir, "-p", strconv.Itoa(p.Port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=16MB"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	p.d = start(t, "postgres", filepath.Join(bin, "postgres"), args...)
	for range 200 {
		if c, err := p.Open(context.Background(), "postgres", nil); err == nil {
			_ = c.Close(context.Background())
			return p
		}
		select {
		case <-p.d.done:
			t.Fatalf("PostgreSQL ended: %s", p.d.out)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatal("PostgreSQL does not answer")
	return nil
}

// Stop ends the server; its data stay.
func (p *Postgres) Stop() { p.d.stop() }

// Exec runs statements as the superuser.
func (p *Postgres) Exec(database string, statements ...string) {
	p.t.Helper()
	c := p.open(database)
	defer func() { _ = c.Close(context.Background()) }()
	for _, q := range statements {
		if _, err := c.Exec(context.Background(), q); err != nil {
			p.t.Fatalf("%.200s: %v", q, err)
		}
	}
}

// Rows are the rows of a query, columns joined by tabs.
func (p *Postgres) Rows(database, query string) []string {
	p.t.Helper()
	c := p.open(database)
	defer func() { _ = c.Close(context.Background()) }()
	rows, err := c.Query(context.Background(), query, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		out = append(out, string(bytes.Join(rows.RawValues(), []byte("\t"))))
	}
	if err := rows.Err(); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return out
}

func (p *Postgres) open(database string) *pgx.Conn {
	p.t.Helper()
	c, err := p.Open(context.Background(), database, map[string]string{"search_path": "public", "row_security": "on"})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(fmt.Errorf("port %s: %w", port, err))
	}
	return n
}

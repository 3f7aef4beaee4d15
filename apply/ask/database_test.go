//go:build linux

package ask

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// without skips a test on a machine that lacks something, and fails where all
// of it has to be there.
func without(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s: needed where CI=true", what)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s", what)
}

// engine is a database server of the test's own, in a directory of its own.
type engine struct {
	t    *testing.T
	dir  string
	port string
	user string // who runs it, if this is root
}

func newEngine(t *testing.T, unprivileged string) *engine {
	t.Helper()
	dir, err := os.MkdirTemp("", "stopover-probe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	return &engine{t, dir, port, unprivileged}
}

func (e *engine) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = e.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + e.dir}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		u, err := user.Lookup(e.user)
		if err != nil {
			without(e.t, err.Error())
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := filepath.Walk(e.dir, func(p string, _ os.FileInfo, err error) error { return errors.Join(err, os.Lchown(p, uid, gid)) }); err != nil {
			e.t.Fatal(err)
		}
	}
	return c
}

func (e *engine) do(input, name string, args ...string) {
	e.t.Helper()
	c := e.command(name, args...)
	c.Stdin = strings.NewReader(input)
	if out, err := c.CombinedOutput(); err != nil {
		e.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (e *engine) run(name string, args ...string) {
	e.t.Helper()
	log, err := os.Create(filepath.Join(e.dir, "log"))
	if err != nil {
		e.t.Fatal(err)
	}
	defer log.Close()
	c := e.command(name, args...)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
	})
	for range 600 {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+e.port); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b, _ := os.ReadFile(log.Name())
	e.t.Fatalf("%s does not come up:\n%s", name, b)
}

func (e *engine) write(name string, data []byte) string {
	e.t.Helper()
	path := filepath.Join(e.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		e.t.Fatal(err)
	}
	return path
}

// certificate writes what the engine shows when it speaks TLS.
func (e *engine) certificate(ca *authority) (cert, key string) {
	c := ca.issue(e.t, time.Now().Add(time.Hour), "db.example")
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})),
		e.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// tool finds a program of the engine's packages.
func tool(t *testing.T, name string, places ...string) string {
	t.Helper()
	for _, p := range places {
		found, _ := filepath.Glob(filepath.Join(p, name))
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		without(t, name+" is not installed")
	}
	return path
}

const rowsSQL = `create table orders (id int primary key, what varchar(300));
insert into orders values (1, 'tea'), (2, NULL), (3, 'a "quoted"
line');
`

func TestMariaDB(t *testing.T) {
	ca := newAuthority(t)
	daemon, install, client := tool(t, "mariadbd", "/usr/sbin"), tool(t, "mariadb-install-db"), tool(t, "mariadb")
	e := newEngine(t, "mysql")
	cert, key := e.certificate(ca)
	data, socket := filepath.Join(e.dir, "data"), filepath.Join(e.dir, "s")
	e.do("", install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	e.run(daemon, "--no-defaults", "--datadir="+data, "--port="+e.port, "--bind-address=127.0.0.1", "--socket="+socket,
		"--ssl-cert="+cert, "--ssl-key="+key, "--innodb-buffer-pool-size=16M", "--skip-name-resolve", "--pid-file="+filepath.Join(e.dir, "pid"))
	e.do("create database shop; use shop;"+rowsSQL+"create user shop@'127.0.0.1' identified by 'hunter2'; grant all on shop.* to shop@'127.0.0.1';",
		client, "--no-defaults", "--socket="+socket, "-u", "root")
	askEngine(t, "mariadb", e.port, ca, "drop table orders")
}

func TestPostgreSQL(t *testing.T) {
	ca := newAuthority(t)
	bin := "/usr/lib/postgresql/*/bin"
	initdb, daemon, client := tool(t, "initdb", bin), tool(t, "postgres", bin), tool(t, "psql")
	e := newEngine(t, "postgres")
	cert, key := e.certificate(ca)
	data := filepath.Join(e.dir, "data")
	e.do("", initdb, "-D", data, "-A", "scram-sha-256", "-U", "root", "--pwfile="+e.write("pw", []byte("rootpw")), "-N")
	e.run(daemon, "-D", data, "-p", e.port, "-c", "listen_addresses=127.0.0.1", "-k", e.dir, "-c", "fsync=off",
		"-c", "ssl=on", "-c", "ssl_cert_file="+cert, "-c", "ssl_key_file="+key)
	for range 100 { // it listens before it lets anybody in
		c := e.command(client, "-h", "127.0.0.1", "-p", e.port, "-U", "root", "-c", "select 1", "postgres")
		c.Env = append(c.Env, "PGPASSWORD=rootpw")
		if c.Run() == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	c := e.command(client, "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", e.port, "-U", "root", "postgres")
	c.Env = append(c.Env, "PGPASSWORD=rootpw")
	c.Stdin = strings.NewReader("create role shop login password 'hunter2';\ncreate database shop owner shop;\n\\c shop\nset role shop;\n" + rowsSQL)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, v := range []string{"PGHOST", "PGUSER", "PGPASSWORD", "PGOPTIONS", "PGDATABASE", "PGAPPNAME"} { // none of its business
		t.Setenv(v, "nonsense")
	}
	askEngine(t, "postgresql", e.port, ca, "drop table orders")
}

// askEngine is what holds for every engine.
func askEngine(t *testing.T, scheme, port string, ca *authority, change string) {
	t.Helper()
	at := Place{Server: "client", Secret: secretOf("hunter2"), Host: "127.0.0.1", Roots: ca.roots,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, strings.Replace(address, "localhost", "127.0.0.1", 1))
		}}
	p := schema.Probe{Name: "p", SQL: scheme + "://shop@localhost:" + port + "/shop", Password: "env:P", Query: "select id, what from orders order by id"}
	want := [][]string{{"1", "tea"}, {"2", "NULL"}, {"3", `a "quoted" line`}}
	if a := put(t, p, at); fmt.Sprint(a.Rows) != fmt.Sprint(want) || a.Certificate != nil || a.Refused != "" {
		t.Errorf("%+v", a)
	}
	outside := p
	outside.SQL, outside.Security, outside.Verify, outside.Host = strings.Replace(p.SQL, "localhost", "db.example", 1), schema.SecurityTLS, true, ""
	if a := put(t, outside, at); fmt.Sprint(a.Rows) != fmt.Sprint(want) || a.Certificate == nil || a.Certificate.Wrong != "" {
		t.Errorf("over TLS: %+v", a)
	}
	outside.Host = "other.example"
	if a := put(t, outside, at); !strings.Contains(a.Refused, "certificate is not valid") || len(a.Rows) > 0 {
		t.Errorf("another name: %+v", a)
	}
	for name, query := range map[string]string{"changes": change, "writes": "insert into orders values (9, 'x')", "no table": "select * from nothing", "two": "select 1; drop table orders"} {
		q := p
		q.Query = query
		if a := put(t, q, at); a.Refused == "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := put(t, p, at); len(a.Rows) != 3 {
		t.Errorf("a probe changed something: %+v", a)
	}
	many := p
	many.Query = "select a.id, b.what, repeat('x', 5000) from orders a, orders b, orders c, orders d, orders e"
	if a := put(t, many, at); !a.Cut || len(a.Rows) < 1 || len(a.Rows) > mostRows || len(a.Rows[0][2]) > mostLine {
		t.Errorf("%d rows, cut %v", len(a.Rows), a.Cut)
	}
	long := p
	long.Query, long.Timeout = map[string]string{"mariadb": "select sleep(60)", "postgresql": "select pg_sleep(60)"}[scheme], 200*time.Millisecond
	if _, err := Probe(context.Background(), long, at); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a query that takes long: %v", err)
	}
	at.Secret = secretOf("hunter3")
	if a := put(t, p, at); a.Refused == "" || strings.Contains(a.Refused, "hunter") {
		t.Errorf("a wrong password: %+v", a)
	}
}

// Servers that are no databases, or bad ones.
func TestHostileDatabases(t *testing.T) {
	garbage := serve(t, func(c net.Conn) {
		for {
			if _, err := c.Write([]byte(strings.Repeat("\xff\xff\xff\x00\x00", 4096))); err != nil {
				return
			}
		}
	})
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	huge := serve(t, func(c net.Conn) { // PostgreSQL: an error of 2 GB
		_, _ = c.Write([]byte("E\x7f\xff\xff\xffSERROR\x00"))
		_, _ = io.Copy(io.Discard, c)
	})
	echo := serve(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	tlsEcho := serve(t, func(c net.Conn) { _, _ = io.Copy(tls.Server(c, &tls.Config{}), c) })
	for name, address := range map[string]string{"garbage": garbage, "silent": silent, "huge": huge, "echo": echo, "no TLS": tlsEcho} {
		_, port, _ := net.SplitHostPort(address)
		for _, scheme := range []string{"mariadb", "postgresql"} {
			p := schema.Probe{Name: "p", SQL: scheme + "://shop@db.example:" + port + "/shop", Password: "env:P", Query: "select 1", Timeout: time.Second}
			if name == "no TLS" {
				p.Security = schema.SecurityTLS
			}
			a, err := Probe(context.Background(), p, Place{Host: "127.0.0.1", Secret: secretOf("hunter2")})
			if err == nil && a.Refused == "" {
				t.Errorf("%s, %s: %+v", name, scheme, a)
			}
			if s := fmt.Sprint(a, err); strings.Contains(s, "hunter2") || len(s) > 2000 {
				t.Errorf("%s, %s: %.3000s", name, scheme, s)
			}
		}
	}
}

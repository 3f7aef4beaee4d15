//go:build linux

package trial

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/engine/enginetest"
	"github.com/stopover/stopover/schema"
)

// spy looks, while bytes pass, at what every process of the machine shows of
// itself to others.
type spy struct {
	t       *testing.T
	program string // that has to have been seen
	secrets []string
	seen    bool
	looks   int
	w       io.Writer
	r       io.Reader
}

func (s *spy) look() {
	if s.looks++; s.looks > 3 {
		return
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		line, _ := os.ReadFile(dir + "/cmdline")
		env, _ := os.ReadFile(dir + "/environ")
		if pid := filepath.Base(dir); pid != "self" {
			for _, secret := range s.secrets {
				if bytes.Contains(line, []byte(secret)) || bytes.Contains(env, []byte(secret)) {
					s.t.Errorf("process %s shows a secret: %q", pid, line)
				}
			}
		}
		if program, _, _ := bytes.Cut(line, []byte{0}); filepath.Base(string(program)) == s.program {
			s.seen = true
			for _, e := range strings.Split(strings.TrimRight(string(env), "\x00"), "\x00") {
				if name, _, _ := strings.Cut(e, "="); e != "" && !slices.Contains([]string{"PATH", "LC_ALL", "PGPASSFILE", "PGAPPNAME"}, name) {
					s.t.Errorf("%s has %s in its environment", s.program, name)
				}
			}
			if strings.Contains(strings.ToLower(string(line)), "password=") {
				s.t.Errorf("%q", line)
			}
		}
	}
}

func (s *spy) Write(p []byte) (int, error) {
	s.look()
	return s.w.Write(p)
}

func (s *spy) Read(p []byte) (int, error) {
	if s.looks > 0 || len(p) < 1<<15 { // not the header
		s.look()
	}
	n, err := s.r.Read(p[:min(len(p), 20_000)])
	s.looks = max(s.looks, 1)
	return n, err
}

func TestSecretsMariaDB(t *testing.T) {
	m := enginetest.StartMariaDB(t)
	sampleMaria(m, "shop")
	m.Exec("", `CREATE USER mover@localhost IDENTIFIED BY 'very "secret\\ word#'`, "GRANT ALL ON *.* TO mover@localhost WITH GRANT OPTION")
	const password = `very "secret\ word#`
	login := agent.EngineLogin{User: "mover", Password: password}
	var b bytes.Buffer
	s := &spy{t: t, program: "mariadb-dump", secrets: []string{password}, w: &b}
	if _, err := Dump(t.Context(), agent.DumpRequest{Engine: "mariadb", Database: "shop", Layout: mariaLayout(m), Login: login}, s); err != nil {
		t.Fatal(err)
	}
	if !s.seen {
		t.Error("mariadb-dump was not seen")
	}
	q := mariaRequest(m, "shop")
	q.Login = login
	if out, err := Load(t.Context(), q, &spy{t: t, secrets: []string{password}, r: &b}); err != nil || len(out.Errors) > 0 || out.Rows != 5004 {
		t.Errorf("%+v %v", out, err)
	}
	login.Password = "wrong-word"
	if _, err := Dump(t.Context(), agent.DumpRequest{Engine: "mariadb", Database: "shop", Layout: mariaLayout(m), Login: login}, io.Discard); err == nil || strings.Contains(err.Error(), "wrong-word") || !strings.Contains(err.Error(), "Access denied") {
		t.Error(err)
	}
	// The server does not run: an error, not a wait.
	m.Stop()
	if _, err := Load(t.Context(), mariaRequest(m, "shop"), strings.NewReader(`{"stopover_dump":1,"engine":"mariadb"}`+"\n")); err == nil || !strings.Contains(err.Error(), "MariaDB") {
		t.Error(err)
	}
}

func TestSecretsPostgres(t *testing.T) {
	p := enginetest.StartPostgres(t)
	samplePg(p, "shop")
	p.Exec("shop", "CREATE TABLE big AS SELECT md5(g::text || random()) AS t FROM generate_series(1, 30000) g") // more than a pipe holds
	const password = `very:secret\word'`
	p.Exec("postgres", "CREATE ROLE mover LOGIN SUPERUSER PASSWORD E'very:secret\\\\word'''")
	if err := os.WriteFile(filepath.Join(p.Data, "pg_hba.conf"), []byte("local all postgres peer\nlocal all all scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Exec("postgres", "SELECT pg_reload_conf()")
	login := agent.EngineLogin{User: "mover", Password: password}
	layout := schema.Layout{PostgreSQL: []string{p.Dir}}
	var b bytes.Buffer
	s := &spy{t: t, program: "pg_dump", secrets: []string{password}, w: &b}
	if _, err := Dump(t.Context(), agent.DumpRequest{Engine: "postgresql", Database: "shop", Layout: layout, Login: login}, s); err != nil {
		t.Fatal(err)
	}
	q := pgRequest(p, "shop")
	q.Login = login
	r := &spy{t: t, program: "pg_restore", secrets: []string{password}, r: &b}
	if out, err := Load(t.Context(), q, r); err != nil || len(out.Errors) > 0 || out.Rows != 34002 { // over the socket, by password: TCP is closed
		t.Errorf("%+v %v", out, err)
	}
	if !s.seen || !r.seen {
		t.Errorf("pg_dump was seen: %v, pg_restore: %v", s.seen, r.seen)
	}
}

package description

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func server() *Server {
	return &Server{
		Name: "client", Architecture: "2021", HTTPPort: 8080, SMTPPort: 2525, Serves: []string{"127.0.1.10"},
		Runtimes:        []Runtime{{"php", "8.2", "bin/php"}, {"node", "20", "node"}},
		RemovedRuntimes: []Runtime{{"php", "7.4", "bin/php"}},
		Engines:         []Engine{{"sqlite", "3"}},
		Options:         map[string]string{"idle": "1h"},
	}
}

func account(name string) *Account {
	return &Account{
		Name: name, UID: 2001, Domains: []Domain{{"shop.example", DNSExternal}},
		Site:         &Site{Kind: SiteProgram, Runtime: "php", Command: []string{"runtime:php", "site.php"}},
		Programs:     []Program{{Name: "queue", Command: []string{"./bin/queue"}}},
		Tasks:        []Task{{Name: "nightly report", Schedule: "0 3 * * *", Command: []string{"report"}}},
		Mailboxes:    []Mailbox{{"shop.example", "ann", 1 << 20}},
		Databases:    []Database{{"main"}},
		RuntimesUsed: []RuntimeUse{{"php", "8.2"}},
	}
}

func TestServerRoundTrip(t *testing.T) {
	dir := t.TempDir()
	if err := WriteServer(dir, server()); err != nil {
		t.Fatal(err)
	}
	got, err := ReadServer(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(server(), got); d != "" {
		t.Error(d)
	}
}

func TestAccountRoundTrip(t *testing.T) {
	dir := t.TempDir()
	names := []string{"shop", "a/b", "..", "-rf", "two words", "new\nline", `qu"ote`, "é", "bad\xffutf8", "*"}
	for _, name := range names {
		at, err := AccountDir(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(at) != filepath.Join(dir, AccountsDir) {
			t.Fatalf("account %q lies in %s", name, at)
		}
		if err := WriteAccount(dir, account(name)); err != nil {
			t.Fatal(err)
		}
		got, err := ReadAccount(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(account(name), got); d != "" {
			t.Errorf("%q: %s", name, d)
		}
	}
	for _, stray := range []string{"lost+found", ".tmp", "a b"} {
		if err := os.Mkdir(filepath.Join(dir, AccountsDir, stray), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, strays, err := Accounts(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("accounts %q, want %q", got, names)
	}
	if len(strays) != 3 {
		t.Errorf("strays %q", strays)
	}
}

func TestAccountOfAnotherName(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"shop", "blog"} {
		if err := os.MkdirAll(filepath.Join(dir, AccountsDir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteAccount(dir, account("shop")); err != nil {
		t.Fatal(err)
	}
	from, to := filepath.Join(dir, AccountsDir, "shop", AccountFile), filepath.Join(dir, AccountsDir, "blog", AccountFile)
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAccount(dir, "blog"); err == nil || !strings.Contains(err.Error(), `of "shop"`) {
		t.Errorf("got %v", err)
	}
}

func TestStrictness(t *testing.T) {
	for text, want := range map[string]string{
		`{"nam": "x"}`:                `unknown field "nam"`,
		`{} {}`:                       "something follows",
		"{\n\n\"uid\": \"x\"}":        "line 3",
		"{\n":                         "line 2",
		"{\"name\": \"\xff\"}":        "not UTF-8",
		`{"uid": 33}`:                 "uid: 33 is not an account's own id",
		`{"uid": 65534}`:              "65534",
		`{"gid": 1000}`:               "gid: needs a uid",
		`{"domains":[{"name":".."}]}`: "domains[0].name",
		`{"domains":[{"name":"a.b"},{"name":"a.b"}]}`:                                  `domains[1]: "a.b" is there twice`,
		`{"domains":[{"name":"A.b"}]}`:                                                 "lower case",
		`{"domains":[{"name":"a.b","dns":"x"}]}`:                                       "domains[0].dns",
		`{"site":{"kind":"x"}}`:                                                        "site.kind",
		`{"site":{"kind":"static","root":"../x"}}`:                                     "site.root",
		`{"site":{"kind":"static","root":"/x"}}`:                                       "site.root",
		`{"site":{"kind":"static","command":["x"]}}`:                                   "site.command",
		`{"site":{"kind":"program"}}`:                                                  "site.command: is empty",
		`{"programs":[{"name":"","command":["x"]}]}`:                                   "programs[0].name: is empty",
		`{"programs":[{"name":"a","command":["runtime:../x"]}]}`:                       "programs[0].command[0]",
		`{"programs":[{"name":"a","runtime":"php","command":["runtime:node"]}]}`:       "programs[0].runtime",
		`{"tasks":[{"name":"a","schedule":"x","command":["x"]}]}`:                      "tasks[0].schedule",
		`{"domains":[{"name":"a.b"}],"mailboxes":[{"domain":"a.b","user":"../x"}]}`:    "mailboxes[0].user",
		`{"domains":[{"name":"a.b"}],"mailboxes":[{"domain":"a.b","user":"x\u0000"}]}`: "mailboxes[0].user",
		`{"mailboxes":[{"domain":"a.b","user":"x"}]}`:                                  "not one of the account's domains",
		`{"id":"../x"}`:                     "id: \"../x\"",
		`{"quota":-1}`:                      "quota: is negative",
		`{"certificates":[{"file":"a/b"}]}`: "certificates[0].file",
		`{"certificates":[{"file":"a.pem","renewed":"me"}]}`:                            "certificates[0].renewed",
		`{"site":{"kind":"static","also":["B.c"]}}`:                                     "site.also[0]",
		`{"domains":[{"name":"a.b"}],"site":{"kind":"static","also":["a.b"]}}`:          "site.also[0]: \"a.b\" is there twice",
		`{"databases":[{"name":"a/b"}]}`:                                                "databases[0].name",
		`{"databases":[{"name":".x"}]}`:                                                 "databases[0].name",
		`{"runtimes_used":[{"name":"php","version":"1"},{"name":"php","version":"2"}]}`: "runtimes_used[1]",
		`{"runtimes_used":[{"name":"php","version":"../1"}]}`:                           "runtimes_used[0].version",
	} {
		if _, err := ParseAccount([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestServerValidation(t *testing.T) {
	for want, change := range map[string]func(*Server){
		"name: is missing":                func(s *Server) { s.Name = "" },
		"architecture":                    func(s *Server) { s.Architecture = "" },
		"http_port":                       func(s *Server) { s.HTTPPort = 70000 },
		"smtp_port":                       func(s *Server) { s.SMTPPort = s.HTTPPort },
		"serves[0]: \"10.0.0.1\"":         func(s *Server) { s.Serves = []string{"10.0.0.1"} },
		"serves[1]: \"127.0.1.10\" is th": func(s *Server) { s.Serves = []string{"127.0.1.10", "127.0.1.10"} },
		"runtimes[0].path":                func(s *Server) { s.Runtimes[0].Path = "../../bin/sh" },
		"removed_runtimes[0]":             func(s *Server) { s.RemovedRuntimes[0] = s.Runtimes[0] },
		"engines[0].version":              func(s *Server) { s.Engines[0].Version = "../3" },
		"names[0]":                        func(s *Server) { s.Names = []string{"Web1.example"} },
		"names[1]":                        func(s *Server) { s.Names = []string{"a.example", "a.example"} },
		"outgoing[0]: \"web1\"":           func(s *Server) { s.Outgoing = []string{"web1"} },
		"outgoing[0]: \"::0001\"":         func(s *Server) { s.Outgoing = []string{"::0001"} },
		"disk_bytes":                      func(s *Server) { s.DiskBytes = -1 },
		"disk_inodes":                     func(s *Server) { s.DiskInodes = -1 },
	} {
		s := server()
		change(s)
		var p Problems
		if err := s.Validate(); !errors.As(err, &p) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	s := server()
	s.Name, s.HTTPPort = "", -1
	var p Problems
	if errors.As(s.Validate(), &p); len(p) != 2 && len(p) != 3 {
		t.Errorf("all problems at once: got %v", p)
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	s, a := server(), account("shop")
	php := filepath.Join(dir, RuntimesDir, "php", "8.2", "bin", "php")
	var missing *MissingRuntimeError
	if _, err := s.Command(dir, a, "php", []string{"runtime:php"}); !errors.As(err, &missing) {
		t.Errorf("not on disk: got %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(php), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(php, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Command(dir, a, "php", []string{"runtime:php"}); !errors.As(err, &missing) || !strings.Contains(err.Error(), "not an executable") {
		t.Errorf("not executable: got %v", err)
	}
	if err := os.Chmod(php, 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := s.Command(dir, a, "php", []string{"runtime:php", "x", "runtime:php"})
	if err != nil || !slices.Equal(got, []string{php, "x", "runtime:php"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := s.Command(dir, a, "php", []string{"/bin/other"}); err != nil || got[0] != "/bin/other" {
		t.Errorf("a runtime that is only needed: got %q, %v", got, err)
	}
	if _, err := s.Command(dir, a, "node", []string{"/bin/other"}); !errors.As(err, &missing) || !strings.Contains(err.Error(), "chosen no version") {
		t.Errorf("no version: got %v", err)
	}
	a.RuntimesUsed[0].Version = "7.4"
	if _, err := s.Command(dir, a, "php", []string{"/bin/other"}); !errors.As(err, &missing) || !strings.Contains(err.Error(), "can be put back") {
		t.Errorf("removed: got %v", err)
	}
	a.RuntimesUsed[0].Version = "5.6"
	if _, err := s.Command(dir, a, "", []string{"runtime:php"}); !errors.As(err, &missing) || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("never there: got %v", err)
	}
}

// A single version runs on the line that it is part of, the nearest one, where
// the server does not have it itself; and on nothing else.
func TestRuntimeLine(t *testing.T) {
	s := &Server{Runtimes: []Runtime{{Name: "php", Version: "8"}, {Name: "php", Version: "8.3"}, {Name: "php", Version: "8.2.1"}, {Name: "node", Version: "8.2"}}}
	for version, want := range map[string]string{"8.3": "8.3", "8.3.1": "8.3", "8.2.1": "8.2.1", "8.2.10": "8", "8.30": "8", "80": "", "7.4": "", "": ""} {
		if r, ok := s.Runtime("php", version); r.Version != want || ok != (want != "") {
			t.Errorf("%q runs on %q", version, r.Version)
		}
	}
}

func FuzzParseAccount(f *testing.F) {
	seed, err := json.Marshal(account("shop"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"mailboxes":[{"domain":"..","user":"/"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ParseAccount(data)
		if err != nil {
			return
		}
		for _, m := range a.Mailboxes { // whatever is accepted stays below mail/
			at := filepath.Join(m.Domain, m.User)
			if !filepath.IsLocal(at) || strings.Count(at, "/") != 1 {
				t.Fatalf("mailbox %q", at)
			}
		}
		again, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseAccount(again)
		if err != nil {
			t.Fatal(err)
		}
		if x, y := fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b); len(x) != len(y) {
			t.Fatalf("%s\n%s", x, y)
		}
	})
}

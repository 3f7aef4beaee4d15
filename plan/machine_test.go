package plan

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stopover/stopover/schema"
)

// drawMachines lets both servers tell of themselves, and accounts of what ties
// them to where they are, in ways that stop nothing: a journey has to end, and
// what a plan itself brings up must not make it stale.
func drawMachines(t *rapid.T, w *world) {
	if rapid.IntRange(0, 2).Draw(t, "no machines") > 0 {
		return
	}
	word := rapid.SampledFrom([]string{"", "a", "b", "new\nline", "\xff\xfe", "\x1b[31m", "$(id)", strings.Repeat("long", 300)})
	for _, s := range []*schema.FoundServer{w.s, w.t} {
		if rapid.IntRange(0, 4).Draw(t, "tells nothing") == 0 {
			continue
		}
		s.System = &schema.System{Timezone: word.Draw(t, "zone"), Locales: []string{word.Draw(t, "locale")}, Queue: rapid.Int64Range(0, 3).Draw(t, "queue"),
			Packages: []schema.Software{{Name: word.Draw(t, "package"), Version: word.Draw(t, "version")}, {Name: "git", Version: rapid.SampledFrom([]string{"1:1.2", "2.0", ""}).Draw(t, "git")}},
			Daemons:  []schema.Service{{Name: word.Draw(t, "daemon"), Running: true}},
			Firewall: []string{word.Draw(t, "rule")},
			PHP:      []schema.PHP{{Version: rapid.SampledFrom([]string{"8.2", "8.4", "x"}).Draw(t, "php"), Extensions: []string{word.Draw(t, "extension")}, Settings: map[string]string{"m": word.Draw(t, "ini")}}},
			Settings: []schema.Setting{{Service: word.Draw(t, "service"), Key: word.Draw(t, "key"), Value: word.Draw(t, "value"), File: word.Draw(t, "file")}, {Service: "nginx", Key: "k", Value: word.Draw(t, "nginx")}},
			Engines:  []schema.Engine{{Name: "mariadb", Running: true, Version: rapid.SampledFrom([]string{"10.11.1", "11.8"}).Draw(t, "mariadb"), Settings: map[string]string{"sql_mode": word.Draw(t, "mode"), "lower_case_table_names": rapid.SampledFrom([]string{"0", "1"}).Draw(t, "case"), "log_bin": "OFF"}}},
			Programs: []schema.Software{{Name: rapid.SampledFrom([]string{"python3.11", "python3.13"}).Draw(t, "python")}},
		}
	}
	for _, a := range w.s.Accounts {
		drawTies(t, a, word)
	}
}

// drawTies ties an account to where it is by what only warns.
func drawTies(t *rapid.T, a *schema.FoundAccount, word *rapid.Generator[string]) {
	kinds := []string{"shebang", "version-variable", "versioned-binary", "runtime-path", "htaccess", "apache-module", "php-ini", "tmp", "log-reader", "sql-mode", "composer", "drupal", "strange"}
	for range rapid.IntRange(0, 8).Draw(t, "lines") {
		a.Lines = append(a.Lines, schema.Line{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Path: word.Draw(t, "path"), Line: rapid.IntRange(-1, 3).Draw(t, "line"),
			What: rapid.OneOf(word, rapid.SampledFrom([]string{"python3.11", "/usr/bin/env -S python3.11", "PHP_VERSION=8.2", "://u:p@h", "env", "#!", "/"})).Draw(t, "what"), Note: word.Draw(t, "note")})
	}
	a.Environments = []schema.Environment{{Kind: "user-packages", Path: word.Draw(t, "env"), Runtime: "python", Version: word.Draw(t, "made")}}
	a.User = &schema.User{Home: rapid.SampledFrom([]string{"", "/", "/home/x", "/home/x/"}).Draw(t, "home"), Mode: 0o777, Shell: word.Draw(t, "shell"), Groups: []string{word.Draw(t, "group")}}
	a.Clients = []schema.Client{{Service: "imap", User: word.Draw(t, "user"), Address: word.Draw(t, "address"), Plain: true}}
	a.Timers = []schema.Timer{{Name: word.Draw(t, "timer"), Schedule: rapid.SampledFrom([]string{"@reboot", "*:0/1", "hourly", "nonsense\xff"}).Draw(t, "calendar")}}
	a.Other = []string{word.Draw(t, "other")}
	a.DatabaseUsers = []schema.DatabaseUser{{Engine: "mariadb", Name: word.Draw(t, "db user"), Host: word.Draw(t, "host"),
		Grants: []string{rapid.OneOf(word, rapid.SampledFrom([]string{"GRANT ALL ON *.* TO x", "GRANT X ON `", "GRANT X ON `a\\", " ON DATABASE ", `GRANT X ON "a""b".*`})).Draw(t, "grant")}}}
	a.Truncated = append(a.Truncated, word.Draw(t, "cut off"))
}

// TestHostileMachines: whatever machines tell, a plan keeps its laws, every
// finding is of a registered kind, and none holds more than it may.
func TestHostileMachines(t *testing.T) {
	processes := builtin(t)
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, processes)
		w.t.Presence = schema.Present
		drawTrouble(t, w)
		in := w.input()
		p, err := Compute(in)
		if err != nil {
			t.Fatal(err)
		}
		checkLaws(t, in, p)
		for _, f := range p.Findings {
			if kindIndex[f.Code] == nil && !strings.Contains(f.Code, ":") && f.Code != "strange" {
				t.Fatalf("no kind has %s", f.Code)
			}
			if len(f.Evidence) > maxEvidence {
				t.Fatalf("%s holds %d lines", f.Code, len(f.Evidence))
			}
			if i := strings.Index(f.Remedy, "apt-get"); i >= 0 && strings.ContainsAny(f.Remedy[i:], "$`;&|<>\"'\n\x1b\ufffd") {
				t.Fatalf("a command of %s is not safe: %q", f.Code, f.Remedy)
			}
		}
	})
}

// drawTrouble adds what stops accounts.
func drawTrouble(t *rapid.T, w *world) {
	word := rapid.SampledFrom([]string{"", "a", "b", "\xff", "0.0.0.0", "192.0.2.1", "::", "127.0.0.1"})
	number := rapid.SampledFrom([]int{-1, 0, 1, 33, 1 << 62})
	for _, s := range []*schema.FoundServer{w.s, w.t} {
		if s.System == nil {
			s.System = &schema.System{} // a world whose machines tell of nothing else
		}
		y := s.System
		y.OS, y.Arch, y.Libc = word.Draw(t, "os"), word.Draw(t, "arch"), rapid.SampledFrom([]string{"glibc 2.36", "glibc", "musl", ""}).Draw(t, "libc")
		y.Libraries = []string{word.Draw(t, "library")}
		y.Ports = []schema.Port{{Protocol: "tcp", Address: word.Draw(t, "listens"), Port: number.Draw(t, "port"), UID: number.Draw(t, "uid")}}
		y.Addresses = []schema.Address{{Address: word.Draw(t, "address"), Scope: "global"}}
		y.Users = []schema.SysUser{{Name: word.Draw(t, "user"), UID: number.Draw(t, "user id")}}
		y.Groups = []schema.SysGroup{{Name: word.Draw(t, "group"), GID: number.Draw(t, "group id")}}
		y.Mounts = []schema.Mount{{Path: "/", Free: int64(number.Draw(t, "free"))}, {Path: rapid.SampledFrom([]string{"", "/home", "x"}).Draw(t, "mount"), Free: 5}}
		y.Unknown = []schema.Unknown{{Kind: word.Draw(t, "unknown"), Name: word.Draw(t, "unknown name"), Path: word.Draw(t, "unknown path")}}
		y.Engines = append(y.Engines, schema.Engine{Name: "postgresql", Version: rapid.SampledFrom([]string{"", "11", "17", "x"}).Draw(t, "pg"), Running: rapid.Bool().Draw(t, "running"), Data: word.Draw(t, "data"),
			Extensions: []schema.Software{{Name: word.Draw(t, "offered"), Version: "1"}}, Collations: []schema.Collation{{Name: word.Draw(t, "collation"), Provider: "libc", Version: word.Draw(t, "library version")}},
			Databases: []schema.Database{{Engine: "postgresql", Name: word.Draw(t, "unowned")}}})
		if rapid.Bool().Draw(t, "found") {
			s.Findings = []schema.Finding{{Code: rapid.SampledFrom([]string{"strange", codeEngineUnread}).Draw(t, "code"), Severity: schema.Blocker, Object: "postgresql"}}
		}
	}
	for _, a := range w.s.Accounts {
		a.UID = max(0, number.Draw(t, "uid"))
		a.Ports = []schema.Port{{Protocol: "tcp", Address: word.Draw(t, "on"), Port: number.Draw(t, "own port")}}
		a.Binaries = []schema.Binary{{Path: "x", Arch: word.Draw(t, "for"), Needs: []string{word.Draw(t, "needs")}, Versions: []string{"GLIBC_2.99", "GLIBC_", "x"}, Module: "php", API: word.Draw(t, "api"), Interpreter: word.Draw(t, "interpreter")}}
		a.Environments = append(a.Environments, schema.Environment{Kind: "venv", Path: word.Draw(t, "venv"), Runtime: "python", Version: "3.11", Home: word.Draw(t, "venv home"), Needs: []string{word.Draw(t, "ext")}})
		a.Lines = append(a.Lines, schema.Line{Kind: "localhost-service", What: rapid.SampledFrom([]string{"redis://:p@h:99999999999", "://", ":", "@", "[::1]:6379"}).Draw(t, "service")}, schema.Line{Kind: "listen", What: word.Draw(t, "listen")})
		a.Sites = append(a.Sites, schema.Site{Listen: []string{"", word.Draw(t, "site listens")}, Pass: rapid.SampledFrom([]string{"", "unix:/x", "http://[::1]:33/", "localhost:x", ":"}).Draw(t, "pass")})
		a.Mail.Boxes = []schema.Mailbox{{Path: word.Draw(t, "box"), Sieve: []schema.Sieve{{Active: true, Requires: []string{word.Draw(t, "requires")}}}}}
		a.Databases = append(a.Databases, schema.Database{Engine: rapid.SampledFrom([]string{"postgresql", "mariadb"}).Draw(t, "engine"), Name: "q", Version: rapid.SampledFrom([]string{"", "9.6", "12.1", "99"}).Draw(t, "engine version"), Bytes: int64(number.Draw(t, "bytes")) >> 2,
			Detail: &schema.ObjectDetail{Collation: word.Draw(t, "uses"), Provider: word.Draw(t, "provider"), CollVersion: word.Draw(t, "recorded"), Error: word.Draw(t, "inside"), LargestRow: int64(number.Draw(t, "row")),
				OldTypes: []string{"t.c abstime"}, Extensions: []schema.Software{{Name: word.Draw(t, "used"), Version: word.Draw(t, "used version")}},
				Tables:   []schema.Table{{Name: "T", Engine: word.Draw(t, "table engine"), Collation: word.Draw(t, "table collation"), LongIndexes: []string{"i"}}, {Name: "t"}},
				Routines: []schema.Routine{{Kind: "event", Definer: word.Draw(t, "definer"), SQLMode: "ORACLE"}}}})
	}
}

// TestEvidenceIsCut: a long list keeps its beginning, and says how long it was.
func TestEvidenceIsCut(t *testing.T) {
	w := smallWorld()
	w.s.System = &schema.System{}
	a := &schema.FoundAccount{Name: "shop", Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true}}
	for i := range 500 {
		a.Lines = append(a.Lines, schema.Line{Kind: "tmp", Path: "f" + itoa(int64(1000+i)), What: "/tmp/x"})
	}
	w.s.Accounts = []*schema.FoundAccount{a}
	p, err := Compute(w.input())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Findings, func(f schema.Finding) bool { return f.Code == codeTemporary })
	if i < 0 {
		t.Fatal("it is not found")
	}
	if f := p.Findings[i]; len(f.Evidence) != maxEvidence || f.Evidence[maxEvidence-1] != "and 481 more" || f.Evidence[0] != "f1000: /tmp/x" || !strings.HasPrefix(f.Summary, "500 places") {
		t.Errorf("%q %q", f.Summary, f.Evidence)
	}
}

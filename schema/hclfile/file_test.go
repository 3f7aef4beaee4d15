package hclfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stopover/stopover/schema/hclfile"
)

const small = `server "client" {}
server "transit" {}
migration "spring" {
  process = "direct"
  source  = server.client
  transit = server.transit
  account "shop" {
    probe "home" { http = "http://shop.example.org/" }
  }
  accounts { include = ["*"] }
  stays "old" {
    action = "retire"
    reason = "gone"
  }
  residue "/opt/x" {
    action = "discard"
    reason = "gone"
  }
  approval "verify.accept[shop]" {
    by       = "ann"
    evidence = "sha256:01"
  }
}
`

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestParseDirectory reads the files that belong to a configuration and no
// others.
func TestParseDirectory(t *testing.T) {
	dir := t.TempDir()
	servers, rest, _ := strings.Cut(small, "migration")
	write(t, filepath.Join(dir, "b.stopover.hcl"), servers)
	write(t, filepath.Join(dir, "a.stopover.hcl"), "migration"+rest)
	write(t, filepath.Join(dir, ".#a.stopover.hcl"), "an editor's lock {")
	write(t, filepath.Join(dir, "a.stopover.hcl~"), "a backup {")
	write(t, filepath.Join(dir, "main.tf"), "something else {")
	if err := os.Mkdir(filepath.Join(dir, ".stopover"), 0o755); err != nil {
		t.Fatal(err)
	}
	cfg, diags := hclfile.Parse(dir, hclfile.Options{Kinds: kinds()})
	if len(diags) > 0 {
		t.Fatal(text(diags))
	}
	if got := len(cfg.Servers); got != 2 {
		t.Errorf("%d servers", got)
	}
	at := cfg.Migration.Accounts[0].Probes[0].Pos
	if at.File != filepath.Join(dir, "a.stopover.hcl") || at.Line != 6 || at.Column != 5 {
		t.Errorf("the probe is at %+v", at)
	}
}

// TestPositions: whatever the planner may complain of says where it was written.
func TestPositions(t *testing.T) {
	cfg, diags := hclfile.ParseFiles(map[string][]byte{"x.stopover.hcl": []byte("provider \"linux\" {}\narchitecture \"a\" {}\n" + small)}, hclfile.Options{})
	if len(diags) > 0 {
		t.Fatal(text(diags))
	}
	m := cfg.Migration
	for what, c := range map[string]struct{ got, want int }{
		"provider":     {cfg.Providers[0].Pos.Line, 1},
		"architecture": {cfg.Architectures[0].Pos.Line, 2},
		"server":       {cfg.Servers[1].Pos.Line, 4},
		"migration":    {m.Pos.Line, 5},
		"account":      {m.Accounts[0].Pos.Line, 9},
		"probe":        {m.Accounts[0].Probes[0].Pos.Line, 10},
		"accounts":     {m.Patterns[0].Pos.Line, 12},
		"stays":        {m.Stays[0].Pos.Line, 13},
		"residue":      {m.Residue[0].Pos.Line, 17},
		"approval":     {m.Approvals[0].Pos.Line, 21},
	} {
		if c.got != c.want {
			t.Errorf("the %s is at line %d, want %d", what, c.got, c.want)
		}
	}
	if p := cfg.Processes[0].Pos; p.File != "direct.hcl" || p.Line == 0 {
		t.Errorf("the process is at %+v", p)
	}
}

func TestUnreadable(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string) (path string)
		want string
	}{
		{"nothing in it", func(_ *testing.T, dir string) string { return dir },
			"error: No configuration\n  The directory DIR has no file whose name ends in .stopover.hcl. `stopover init` writes one to begin with; or run Stopover in the directory that has it, or name that with --chdir.\n"},
		{"no directory", func(_ *testing.T, dir string) string { return filepath.Join(dir, "x") },
			"error: Unreadable configuration directory\n  The directory DIR/x cannot be read: it does not exist. Name the directory that holds the .stopover.hcl files.\n"},
		{"a file as directory", func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "x"), "")
			return filepath.Join(dir, "x")
		}, "error: Unreadable configuration directory\n  The directory DIR/x cannot be read: not a directory. Name the directory that holds the .stopover.hcl files.\n"},
		{"a directory as file", func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "a.stopover.hcl"), small)
			if err := os.Mkdir(filepath.Join(dir, "b.stopover.hcl"), 0o755); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "DIR/b.stopover.hcl:0:0: error: Unreadable configuration file\n  DIR/b.stopover.hcl: is a directory. Every file whose name ends in .stopover.hcl belongs to the configuration; mend this one, or rename it.\n"},
		{"a named pipe", func(t *testing.T, dir string) string {
			if err := syscall.Mkfifo(filepath.Join(dir, "b.stopover.hcl"), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "DIR/b.stopover.hcl:0:0: error: Unreadable configuration file\n  DIR/b.stopover.hcl: is not a regular file. Every file whose name ends in .stopover.hcl belongs to the configuration; mend this one, or rename it.\n"},
		{"a link to nowhere", func(t *testing.T, dir string) string {
			if err := os.Symlink("nowhere", filepath.Join(dir, "b.stopover.hcl")); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "DIR/b.stopover.hcl:0:0: error: Unreadable configuration file\n  DIR/b.stopover.hcl: no such file or directory. Every file whose name ends in .stopover.hcl belongs to the configuration; mend this one, or rename it.\n"},
		{"too large", func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "b.stopover.hcl")
			write(t, path, "")
			if err := os.Truncate(path, 64<<20+1); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "DIR/b.stopover.hcl:0:0: error: Unreadable configuration file\n  DIR/b.stopover.hcl: is larger than 64 MiB. Every file whose name ends in .stopover.hcl belongs to the configuration; mend this one, or rename it.\n"},
		{"not allowed", func(t *testing.T, dir string) string {
			if os.Geteuid() == 0 {
				t.Skip("root may read everything")
			}
			path := filepath.Join(dir, "b.stopover.hcl")
			write(t, path, small)
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "DIR/b.stopover.hcl:0:0: error: Unreadable configuration file\n  DIR/b.stopover.hcl: permission denied. Every file whose name ends in .stopover.hcl belongs to the configuration; mend this one, or rename it.\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			cfg, diags := hclfile.Parse(c.make(t, dir), hclfile.Options{})
			if cfg != nil {
				t.Error("there is a configuration")
			}
			if got := strings.ReplaceAll(text(diags), dir, "DIR"); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

func TestParseProcess(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"empty", "", "x.hcl:0:0: error: No process\n  x.hcl holds no process block. Write process \"NAME\" { … } in it.\n"},
		{"something else", "server \"a\" {}\nprocess \"own\" {\n}\n",
			"x.hcl:1:1: error: Not a process\n  A process file holds one process block and nothing else, but here is a block of type \"server\".\n  in server.a\n  | server \"a\" {}\n"},
		{"two", "process \"a\" {\n}\nprocess \"b\" {\n}\n",
			"x.hcl:3:1: error: More than one process\n  A process file holds one process block; the first is \"a\".\n  in process.b\n  | process \"b\" {\n"},
		{"syntax", "process", "x.hcl:1:1: error: Argument or block definition required\n"},
	} {
		p, diags := hclfile.ParseProcess("x.hcl", []byte(c.src))
		if p != nil {
			t.Errorf("%s: there is a process", c.name)
		}
		if got := text(diags); !strings.Contains(got, c.want) {
			t.Errorf("%s: got\n%swant in it\n%s", c.name, got, c.want)
		}
	}
}

// TestDeep: nesting without end is refused before the parser's stack overflows,
// which nothing could recover from. What is just allowed is parsed.
func TestDeep(t *testing.T) {
	for _, s := range []string{"(", "[", "{a=", "!", "-", "\"${", "a{", "1?1:", "- \t"} {
		for _, n := range []int{9990, 1000000} {
			_, diags := hclfile.ParseFiles(map[string][]byte{"x.stopover.hcl": []byte("a = " + strings.Repeat(s, n))}, hclfile.Options{})
			deep := false
			for _, d := range diags {
				deep = deep || d.Summary == "Nested too deeply"
			}
			if !diags.HasErrors() || deep != (n > 10000) {
				t.Errorf("%d times %q: %v", n, s, deep)
			}
		}
	}
}

package setup

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// project is one with checks and two accounts.
func project(t *testing.T, checks ...schema.Condition) (*Project, *schema.Inventory) {
	t.Helper()
	p := &Project{Dir: t.TempDir(), Config: &schema.Config{Checks: checks}, trusted: checks}
	p.Config.Migration.Source, p.Config.Migration.Transit = "client", "transit"
	return p, &schema.Inventory{Servers: map[string]*schema.FoundServer{
		"client": {Name: "client", Presence: schema.Present, Known: true, Accounts: []*schema.FoundAccount{
			{Name: "blog", Quota: 7}, {Name: "shop $(id)\n", Quota: 8}}},
		"transit": {Name: "transit", Presence: schema.Present},
	}}
}

// script writes a program into the project's directory.
func script(t *testing.T, p *Project, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.Dir, "check.sh"), []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestCommands(t *testing.T) {
	t.Setenv("STOPOVER_TEST_SECRET", "hunter2")
	all := []string{"*"}
	argv := []string{"./check.sh", "a b", "$HOME", "-x"}
	for name, c := range map[string]struct {
		check  schema.Condition
		script string
		want   []schema.Finding
	}{
		"nothing wrong": {schema.Condition{Name: "x", Accounts: all, Command: argv}, "echo all well; exit 0", nil},
		"one of two": {schema.Condition{Name: "x", Severity: schema.Warning, Accounts: all, Command: argv, Remedy: "mend it"},
			"case \"$STOPOVER_ACCOUNT\" in blog) echo \"$1|$2|$3|$STOPOVER_SERVER|$STOPOVER_CHECK\"; echo; printf 'seen \\033[31mred\\n'; exit 1;; esac",
			[]schema.Finding{{Code: "check:x", Severity: schema.Warning, Account: "blog", Summary: "a b|$HOME|-x|client|x", Remedy: "mend it", Evidence: []string{"seen \ufffd[31mred"}}}},
		"reads the account": {schema.Condition{Name: "x", Accounts: []string{"blog"}, Command: argv}, "cat; exit 1",
			[]schema.Finding{{Code: "check:x", Severity: schema.Blocker, Account: "blog", Summary: `{"account":{"name":"blog"`}}},
		"reads everything": {schema.Condition{Name: "x", Command: argv}, "cat; exit 1",
			[]schema.Finding{{Code: "check:x", Severity: schema.Blocker, Summary: `{"servers":{"client":{"name":"client"`}}},
		"silent": {schema.Condition{Name: "x", Command: argv}, "exit 1",
			[]schema.Finding{{Code: "check:x", Severity: schema.Blocker, Summary: `the check "x" failed, and its command did not say why`}}},
		"sees no secrets": {schema.Condition{Name: "x", Command: argv}, "env | grep -c hunter2; exit 1",
			[]schema.Finding{{Code: "check:x", Severity: schema.Blocker, Summary: "0"}}},
		"another end": {schema.Condition{Name: "x", Severity: schema.Info, Accounts: []string{"blog"}, Command: argv}, "echo out; echo no database >&2; exit 3",
			[]schema.Finding{{Code: "check:x", Severity: schema.Blocker, Account: "blog", Summary: `the check "x" could not tell: its command ended with 3`, Evidence: []string{"no database"}}}},
		"a signal": {schema.Condition{Name: "x", Command: argv}, "kill -9 $$",
			[]schema.Finding{{Code: "check:x", Severity: schema.Blocker, Summary: `the check "x" could not tell: signal: killed`}}},
		"no such program": {schema.Condition{Name: "x", Command: []string{"./not-there"}}, "",
			[]schema.Finding{{Code: "check:x", Severity: schema.Blocker, Summary: `the check "x" could not tell: `}}},
		"no such account": {schema.Condition{Name: "x", Accounts: []string{"nobody"}, Command: argv}, "exit 1",
			[]schema.Finding{{Code: "check:x", Severity: schema.Warning, Summary: `the check "x" looks at no account for the pattern "nobody": none matches it`}}},
		"says a lot": {schema.Condition{Name: "x", Command: argv}, "yes line | head -c 10000000; exit 1",
			[]schema.Finding{{Code: "check:x", Severity: schema.Blocker, Summary: "line"}}},
		"does not read": {schema.Condition{Name: "x", Command: argv}, "exec <&-; echo closed; exit 1",
			[]schema.Finding{{Code: "check:x", Severity: schema.Blocker, Summary: "closed"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p, inv := project(t, c.check)
			script(t, p, c.script+"\n")
			got, err := p.commands(context.Background(), inv)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(c.want) {
				t.Fatalf("%d findings: %+v", len(got), got)
			}
			for i, w := range c.want {
				g := got[i]
				if g.Code != w.Code || g.Severity != w.Severity || g.Account != w.Account || !strings.HasPrefix(g.Summary, w.Summary) || w.Remedy != "" && g.Remedy != w.Remedy {
					t.Errorf("got %+v", g)
				}
				if strings.Join(g.Evidence[:min(len(g.Evidence), len(w.Evidence))], "\n") != strings.Join(w.Evidence, "\n") || len(g.Evidence) > 22 {
					t.Errorf("seen %q", g.Evidence)
				}
			}
		})
	}
}

// TestCommandInput: what a command reads is the account and its server, without
// its other accounts.
func TestCommandInput(t *testing.T) {
	p, inv := project(t, schema.Condition{Name: "x", Accounts: []string{"shop*"}, Command: []string{"sh", "-c", "cat > got.json"}})
	if got, err := p.commands(context.Background(), inv); err != nil || len(got) != 0 {
		t.Fatal(got, err)
	}
	src, err := os.ReadFile(filepath.Join(p.Dir, "got.json"))
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Account schema.FoundAccount
		Server  schema.FoundServer
	}
	if err := json.Unmarshal(src, &in); err != nil || in.Account.Quota != 8 || in.Server.Name != "client" || len(in.Server.Accounts) != 0 {
		t.Errorf("%+v %v", in, err)
	}
	if len(inv.Servers["client"].Accounts) != 2 {
		t.Error("the inventory was changed")
	}
}

// TestCommandTimeout: a command that does not end is ended, with what it started.
func TestCommandTimeout(t *testing.T) {
	for name, body := range map[string]string{
		"it waits":         "echo $$ > pid; sleep 1000 & echo $! >> pid; wait",
		"a child holds on": "sleep 1000 & echo $! > pid; exit 0",
	} {
		t.Run(name, func(t *testing.T) {
			p, inv := project(t, schema.Condition{Name: "x", Command: []string{"./check.sh"}, Timeout: 500 * time.Millisecond})
			script(t, p, body+"\n")
			got, err := p.commands(context.Background(), inv)
			if err != nil || len(got) != 1 || got[0].Severity != schema.Blocker || !strings.Contains(got[0].Summary, "could not tell") {
				t.Fatalf("%+v %v", got, err)
			}
			src, err := os.ReadFile(filepath.Join(p.Dir, "pid"))
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range strings.Fields(string(src)) {
				pid, err := strconv.Atoi(w)
				if err != nil {
					t.Fatal(err)
				}
				if !gone(pid) {
					t.Errorf("process %d still runs", pid)
				}
			}
		})
	}
}

// gone says whether a process has ended, or ends soon: whoever adopted it may
// not have looked yet.
func gone(pid int) bool {
	for range 100 {
		src, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(src), ") Z ") || syscall.Kill(pid, 0) != nil {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// TestCommandCalledOff: a run that is called off is no finding.
func TestCommandCalledOff(t *testing.T) {
	p, inv := project(t, schema.Condition{Name: "x", Command: []string{"sleep", "1000"}})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	if got, err := p.commands(ctx, inv); !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("%+v %v", got, err)
	}
}

// TestCommandOfSavedPlan: a plan is a file that anybody may have written. Its
// commands run only where the configuration in the directory has them too.
func TestCommandOfSavedPlan(t *testing.T) {
	dir := t.TempDir()
	config := `
server "client" { address = "c" }
server "transit" { address = "t" }
migration "spring" {
  process = "direct"
  source  = server.client
  transit = server.transit
  accounts { include = ["*"] }
}
check "mine" { command = ["touch", "mine"] }
`
	if err := os.WriteFile(filepath.Join(dir, "main.stopover.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, diags := Parse(dir)
	if diags.HasErrors() {
		t.Fatalf("%+v", diags)
	}
	saved := *cfg
	saved.Checks = append(saved.Checks, schema.Condition{Name: "foreign", Command: []string{"touch", "foreign"}},
		schema.Condition{Name: "mine2", Command: []string{"touch", "mine"}})
	for name, c := range map[string]*schema.Config{"saved": &saved, "own": cfg} {
		p, err := OpenConfig(context.Background(), dir, c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.commands(context.Background(), &schema.Inventory{})
		if err != nil {
			t.Fatal(err)
		}
		if want := len(c.Checks) - 1; len(got) != want {
			t.Errorf("%s: %+v", name, got)
		}
		for _, f := range got {
			if f.Severity != schema.Blocker || f.Code == "check:mine" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "mine")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "foreign")); err == nil {
		t.Error("a command of a file has run")
	}
}

// TestProbeOfSavedPlan: a probe's program is started only if the configuration in
// the directory has it too.
func TestProbeOfSavedPlan(t *testing.T) {
	dir := t.TempDir()
	config := `
server "client" { address = "c" }
server "transit" { address = "t" }
migration "spring" {
  process = "direct"
  source  = server.client
  transit = server.transit
  accounts {
    include = ["*"]
    probe "own" { command = ["true", "a"] }
  }
}
`
	if err := os.WriteFile(filepath.Join(dir, "main.stopover.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, diags := Parse(dir)
	if diags.HasErrors() {
		t.Fatalf("%+v", diags)
	}
	p, err := OpenConfig(t.Context(), dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	saved := *cfg
	saved.Migration.Accounts = []schema.Account{{Name: "shop", Probes: []schema.Probe{{Name: "own", Command: []string{"true", "b"}}}}}
	if p, err := OpenConfig(t.Context(), dir, &saved); err == nil || p != nil {
		t.Error("a saved plan brought its own program")
	}
}

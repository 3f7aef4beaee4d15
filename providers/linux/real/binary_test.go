//go:build linux

package real

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/schema"
)

const config = `
provider "linux" {
  user          = "root"
  identity_file = %q
  known_hosts   = %q
  ssh_config    = "none"
  use_agent     = false
  layout        = "debian-vmail"
}

server "client" {
  provider = "linux"
  address  = %q
}

server "transit" {
  provider = "linux"
  address  = %q
}

architecture "new" {
  os = "debian-13"
  database "mariadb" { version = "11.8" }
  database "postgresql" { version = "17" }
}

migration "spring" {
  process      = "self-managed"
  architecture = "new"
  source       = server.client
  transit      = server.transit
  trial        = server.transit
  accounts { include = ["*"] }
}

check "keys" {
  severity  = "warning"
  accounts  = ["*"]
  condition = alltrue([for d in account.databases : d.detail == null ? true : alltrue([for t in coalesce(d.detail.tables, []) : t.key != "" && t.key != null])])
  message   = "A table has no key."
}

check "by command" {
  severity = "warning"
  accounts = ["shop"]
  command  = ["sh", "-c", "cat >/dev/null; echo \"$STOPOVER_ACCOUNT was looked at\"; exit 1"]
}
`

// program is the shipped binary in a directory of its own, with a
// configuration for the bed.
type program struct {
	t         *testing.T
	exe, conf string
}

func build(t *testing.T, w *shared) *program {
	t.Helper()
	p := &program{t: t, exe: filepath.Join(t.TempDir(), "stopover"), conf: t.TempDir()}
	c := exec.CommandContext(t.Context(), "go", "build", "-o", p.exe, "github.com/stopover/stopover/cmd/stopover")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := fmt.Sprintf(config, w.bed.KeyFile(), w.bed.KnownHosts(), w.client.Address().String(), w.bed.Host("transit").Address().String())
	if err := os.WriteFile(filepath.Join(p.conf, "main.stopover.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a command and returns what it printed and its status.
func (p *program) run(args ...string) (string, int) {
	p.t.Helper()
	c := exec.CommandContext(p.t.Context(), p.exe, append([]string{"-C", p.conf, "--no-color"}, args...)...)
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	p.t.Logf("stopover %s: %d\n%s", strings.Join(args, " "), c.ProcessState.ExitCode(), errs.String())
	return string(out), c.ProcessState.ExitCode()
}

func (p *program) json(v any, args ...string) int {
	p.t.Helper()
	out, code := p.run(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		p.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return code
}

// TestShippedBinary: inventory, check, plan and apply of the shipped program on
// two real servers of different releases.
func TestShippedBinary(t *testing.T) {
	w := world(t)
	p := build(t, w)
	var inventory struct {
		Servers map[string]*schema.FoundServer `json:"servers"`
	}
	if code := p.json(&inventory, "inventory"); code != 0 {
		t.Errorf("inventory ended with %d", code)
	}
	shop := inventory.Servers["client"].Account("shop")
	if shop == nil || shop.Files.Bytes != w.truth.Accounts["shop"].Bytes || len(shop.Databases) != 1 || shop.Databases[0].Detail.Rows != 500+1200+40+7 {
		t.Fatalf("inventory: shop is %+v", shop)
	}

	checked := p.findings(4, "check")
	for _, want := range []string{
		"library-missing pyapp", "virtualenv-rebuild pyapp", "collation-version ledger", "definer-missing shop", "table-not-transactional shop",
		"table-without-key ledger", "large-objects ledger", "database-user-host shop", "apache-directives blog", "server-in-files shop",
		"settings-differ ", "unknown-thing ", "database-unowned ", "residue-unruled ", "task-at-boot shop", "database-events shop",
		"check:keys shop", "check:by command shop",
	} {
		if !slices.Contains(checked, want) {
			t.Errorf("check lacks %q", want)
		}
	}
	for _, never := range []string{"library-missing shop", "definer-missing blog", "table-not-transactional blog", "check:keys blog", "apache-directives shop", "collation-version shop"} {
		if slices.Contains(checked, never) {
			t.Errorf("check has %q", never)
		}
	}

	var plan struct {
		Steps []struct {
			ID string `json:"id"`
		} `json:"steps"`
	}
	p.json(&plan, "plan")
	var steps []string
	for _, s := range plan.Steps {
		steps = append(steps, s.ID)
	}
	if !slices.ContainsFunc(steps, func(s string) bool { return strings.HasPrefix(s, "prepare.try_databases[shop") }) {
		t.Errorf("the plan has no trial: %q", steps)
	}

	before, err := w.bed.Host("transit").Run(t.Context(), "mariadb", "-e", "SHOW DATABASES; SELECT user, host FROM mysql.user")
	if err != nil {
		t.Fatal(err)
	}
	if out, code := p.run("apply", "--auto-approve"); code != 4 {
		t.Errorf("apply ended with %d\n%s", code, out)
	}
	after, err := w.bed.Host("transit").Run(t.Context(), "mariadb", "-e", "SHOW DATABASES; SELECT user, host FROM mysql.user")
	if err != nil || before != after {
		t.Errorf("the trial left something: %v\n%s\n%s", err, before, after)
	}
	if tried := p.findings(4, "check"); !slices.Contains(tried, "trial-warned ledger") || slices.Contains(tried, "trial-failed shop") {
		t.Errorf("after the trial: %q", tried)
	}
	p.holds("cart-and-checkout")
}

// findings are "code account" of what a command finds.
func (p *program) findings(code int, args ...string) []string {
	p.t.Helper()
	var got struct {
		Findings []schema.Finding `json:"findings"`
	}
	if c := p.json(&got, args...); c != code {
		p.t.Errorf("%v ended with %d, want %d", args, c, code)
	}
	var out []string
	for _, f := range got.Findings {
		out = append(out, f.Code+" "+f.Account)
	}
	return out
}

// holds looks for passwords of the accounts' own databases in what the program
// keeps.
func (p *program) holds(secrets ...string) {
	p.t.Helper()
	err := filepath.WalkDir(p.conf, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, s := range secrets {
			if strings.Contains(string(data), s) {
				p.t.Errorf("%s has %q", path, s)
			}
		}
		return err
	})
	if err != nil {
		p.t.Error(err)
	}
}

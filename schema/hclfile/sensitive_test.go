package hclfile_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stopover/stopover/schema/hclfile"
)

// holders are expressions that hold a sensitive variable s, or something made
// of it.
var holders = []string{
	`var.s`, `"x${var.s}"`, `upper(var.s)`, `local.made`, `[var.s]`, `{ a = var.s }`, `var.s == "x" ? 1 : var.s`,
	`[for c in split("", var.s) : c]`, `jsondecode(var.s)`, `tonumber(var.s)`, `file(var.s)`, `local.made[0]`, `var.s.x`,
	`{ x = 1 }[var.s]`, `try(tonumber(var.s), var.s)`, `regex(var.s, "a")`, `csvdecode(var.s)`, `duration(var.s)`,
	`templatefile("t.tpl", { v = var.s })`, `timeadd(var.s, "1h")`, `setproduct([var.s], ["a"])`, `lookup({}, var.s, var.s)`,
	`formatdate("YYYY", var.s)`, `index(["a"], var.s)`, `env(var.s)`, `one([var.s, var.s])`, `format("%d", var.s)`, `yamldecode("- [${var.s}")`,
	`base64decode(var.s)`, `zipmap([var.s], [1, 2])`, `var.s + 1`, `!var.s`, `sensitive(var.s)`, `templatefile(var.s, {})`, `bytesize(var.s)`,
}

// places are where an expression can stand.
var places = []string{
	`locals { x = %s }`,
	"variable \"v\" {\n  default = 1\n  validation {\n    condition     = %s\n    error_message = \"x\"\n  }\n}",
	"variable \"v\" {\n  default = 1\n  validation {\n    condition     = false\n    error_message = %s\n  }\n}",
	"server \"third\" {\n  address = %s\n}", "server \"third\" {\n  serves = %s\n}", "server \"third\" {\n  price = %s\n}",
	"server \"third\" {\n  provider = %s\n}",
	"server \"third\" {\n  provider = \"linux\"\n  user = %s\n}", "server \"third\" {\n  provider = \"linux\"\n  user = \"u\"\n  port = %s\n}",
	"server \"third\" {\n  provider = \"linux\"\n  user = \"u\"\n  password = %s\n}",
	"window \"w\" {\n  from = %s\n  to = \"01:00\"\n  timezone = \"UTC\"\n}", "window \"w\" {\n  from = \"02:00\"\n  to = \"01:00\"\n  timezone = %s\n}",
	"policy \"p\" {\n  condition = %s\n  message = \"x\"\n}", "policy \"p\" {\n  condition = true\n  message = %s\n}",
	"check \"c\" {\n  accounts = %s\n  condition = true\n  message = \"m\"\n}",
	"dynamic \"server\" {\n  for_each = %s\n  labels = [\"a\"]\n  content {}\n}",
	"dynamic \"server\" {\n  for_each = [1]\n  labels = [%s]\n  content {}\n}",
	"dynamic \"server\" {\n  for_each = [%s]\n  labels = [server.value]\n  content {}\n}",
	"MIGRATION finish_by = %s", "MIGRATION size_band = %s", "MIGRATION trial = %s", "MIGRATION windows = %s", "MIGRATION timezone = %s",
	"MIGRATION account \"a\" {\n  contact = %s\n}", "MIGRATION account \"a\" {\n  after = %s\n}", "MIGRATION account \"a\" {\n  downtime_budget = %s\n}",
	"MIGRATION account \"a\" {\n  probe \"p\" {\n    http = %s\n  }\n}", "MIGRATION account \"a\" {\n  probe \"p\" {\n    smtp = %s\n  }\n}",
	"MIGRATION account \"a\" {\n  probe \"p\" {\n    imap = \"a@b\"\n    password = %s\n  }\n}", "MIGRATION account \"a\" {\n  probe \"p\" {\n    command = [\"x\", %s]\n  }\n}",
	"MIGRATION account \"a\" {\n  probe \"p\" {\n    sql = %s\n    query = %[1]s\n  }\n}", "MIGRATION account \"a\" {\n  probe \"p\" {\n    tcp = %s\n    host = \"x\"\n  }\n}",
	"MIGRATION accounts {\n  from = %s\n}", "MIGRATION accounts {\n  from = [{ name = %s }]\n}", "MIGRATION accounts {\n  from = [{ name = \"a\", after = %s }]\n}",
	"MIGRATION moved {\n  from = %s\n  to = \"b\"\n}", "MIGRATION waiver \"c\" {\n  reason = %s\n  by = \"a\"\n  expires = \"2026-01-01\"\n}",
	"stopover {\n  state \"http\" {\n    address = %s\n  }\n}", "stopover {\n  state \"http\" {\n    address = \"https://x.example\"\n    password = %s\n  }\n}",
}

// TestSensitiveIsNeverSaid: whatever is done with a sensitive value, no message
// and no configuration holds it.
func TestSensitiveIsNeverSaid(t *testing.T) {
	const secret = "hunter2\"} \\ ${x}"
	forms := []string{"hunter2", "HUNTER2", "68756e74657232", "aHVudGVyM"}
	rapid.Check(t, func(t *rapid.T) {
		holder := rapid.SampledFrom(holders).Draw(t, "holder")
		place := fmt.Sprintf(rapid.SampledFrom(places).Draw(t, "place"), holder)
		declaration := rapid.SampledFrom([]string{"sensitive = true", "sensitive = true\n  type = string", "sensitive = true\n  type = number",
			"sensitive = true\n  type = list(string)", "sensitive = true\n  nullable = false\n  type = object({ x = string })"}).Draw(t, "declaration")
		inside, outside := "", place
		if rest, ok := strings.CutPrefix(place, "MIGRATION "); ok {
			inside, outside = rest, ""
		}
		src := fmt.Sprintf("variable \"s\" {\n  %s\n}\nlocals { made = \"${var.s}y\" }\n%s\nserver \"client\" {}\nserver \"transit\" {}\nmigration \"m\" {\n  process = \"direct\"\n  source = server.client\n  transit = server.transit\n  account \"shop\" {}\n%s\n}\n",
			declaration, outside, inside)
		files := map[string][]byte{"x.stopover.hcl": []byte(src), "t.tpl": []byte("${v + 1}")}
		opts := hclfile.Options{Kinds: kinds()}
		switch rapid.IntRange(0, 3).Draw(t, "from") {
		case 0:
			opts.Vars = []hclfile.Assignment{{Name: "s", Text: secret}}
		case 1:
			opts.Env = func(string) (string, bool) { return secret, true }
		case 2:
			files["x.auto.vars.hcl"] = fmt.Appendf(nil, "s = %s\n", strings.ReplaceAll(fmt.Sprintf("%q", secret), "${", "$${"))
		case 3:
			files["x.auto.vars.hcl.json"] = fmt.Appendf(nil, "{\"s\": %q, \"other\": %q\n", secret, secret) // and never closed
		}
		cfg, diags := hclfile.ParseFiles(files, opts)
		if cfg == nil && !diags.HasErrors() {
			t.Fatal("no configuration and no error")
		}
		said := text(diags) + fmt.Sprintf("%+v", cfg)
		for _, form := range forms {
			if strings.Contains(said, form) {
				t.Fatalf("%s is said of\n%s\n%s", form, src, said)
			}
		}
	})
}

// TestSensitiveOnOneLine: a line that holds a sensitive value is not repeated
// for what else is wrong on it.
func TestSensitiveOnOneLine(t *testing.T) {
	_, diags := hclfile.ParseFiles(map[string][]byte{"x.stopover.hcl.json": []byte(
		`{"variable":{"s":{"sensitive":true,"default":{"a":["hunter2secret"]}}},"sever":{},"migration":{"m":{"colour":1}}}`)}, hclfile.Options{})
	if len(diags) < 2 || strings.Contains(text(diags), "hunter2") {
		t.Errorf("%s", text(diags))
	}
}

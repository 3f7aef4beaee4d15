package hclfile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stopover/stopover/schema/hclfile"
	"github.com/stopover/stopover/schema/process"
)

// FuzzParse: whatever is in a file, there is a configuration or an error, the
// same each time, and every error says where and what to do.
func FuzzParse(f *testing.F) {
	for _, src := range seeds(f, ".stopover.hcl") {
		f.Add(src)
	}
	for _, name := range process.Names() {
		src, _ := process.Builtin(name)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) { parsed(t, map[string][]byte{"x.stopover.hcl": src}) })
}

// FuzzParseJSON is FuzzParse for the language as JSON.
func FuzzParseJSON(f *testing.F) {
	for _, src := range seeds(f, ".stopover.hcl.json") {
		f.Add(src)
	}
	huge := regexp.MustCompile(`[0-9][eE][-+]?[0-9]{4}`) // nothing but the decoder refuses these in time
	for _, src := range seeds(f, ".stopover.hcl") {
		file, diags := hclsyntax.ParseConfig(src, "x", hcl.InitialPos)
		if !huge.Match(src) && !diags.HasErrors() && file != nil {
			f.Add(twin(f, src))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) { parsed(t, map[string][]byte{"x.stopover.hcl.json": src}) })
}

// FuzzValues: values of variables, from a file of either kind, a list of
// accounts and the command line.
func FuzzValues(f *testing.F) {
	for _, src := range append(seeds(f, ".vars.hcl"), seeds(f, ".csv")...) {
		f.Add(src, string(src))
	}
	f.Add([]byte(`{"s": "x", "l": ["a"], "o": {"x": 1}}`), `["a"]`)
	f.Fuzz(func(t *testing.T, src []byte, line string) {
		for _, name := range []string{"x.auto.vars.hcl", "x.auto.vars.hcl.json", "accounts.csv"} {
			parsed(t, map[string][]byte{name: src, "x.stopover.hcl": []byte(`
variable "s" { default = "x" }
variable "l" {
  type    = list(string)
  default = []
}
variable "o" {
  type    = object({ x = optional(number, 1), y = optional(string) })
  default = {}
}
server "client" {}
server "transit" {}
migration "m" {
  process = "direct"
  source  = server.client
  transit = server.transit
  account "shop" { after = concat(var.l, [var.s, "${var.o.x}${jsonencode(var.o.y)}."]) }
  accounts { from = try(csvdecode(file("accounts.csv")), []) }
}
`)}, hclfile.Assignment{Name: "l", Text: line})
		}
	})
}

// seeds are the files of the golden cases whose names end so.
func seeds(f *testing.F, suffix string) [][]byte {
	f.Helper()
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	var out [][]byte
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, suffix) {
				out = append(out, file.Data)
			}
		}
	}
	return out
}

// parsed checks what holds of every parsing.
func parsed(t *testing.T, files map[string][]byte, vars ...hclfile.Assignment) {
	t.Helper()
	opts := hclfile.Options{Kinds: kinds(), Version: "1.2.3", Vars: vars, Env: testEnv}
	cfg, diags := hclfile.ParseFiles(files, opts)
	if (cfg == nil) != diags.HasErrors() {
		t.Errorf("config is nil: %v, diagnostics:\n%s", cfg == nil, text(diags))
	}
	for _, d := range diags {
		if d.Summary == "" || d.Detail == "" || d.Pos.File != "" && d.Pos.Line < 1 {
			t.Errorf("a diagnostic says too little: %+v", d)
		}
		if strings.ContainsRune(d.Snippet, '\n') {
			t.Errorf("snippet of several lines: %q", d.Snippet)
		}
	}
	again, more := hclfile.ParseFiles(files, opts)
	one, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	two, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) || text(diags) != text(more) {
		t.Errorf("not the same twice:\n%s\n%s\n%s\n%s", one, two, text(diags), text(more))
	}
}

// BenchmarkParse reads accounts that are named one by one.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{100, 10000} {
		var src strings.Builder
		src.WriteString(strings.Split(small, "account")[0])
		for i := range n {
			fmt.Fprintf(&src, "  account \"cust-%d\" {\n    downtime_budget = \"10s\"\n    after           = [\"cust-%d\"]\n    probe \"home\" { http = \"http://cust-%d.example.org/\" }\n  }\n", i, i+1, i)
		}
		src.WriteString("}\n")
		files := map[string][]byte{"x.stopover.hcl": []byte(src.String())}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(src.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, diags := hclfile.ParseFiles(files, hclfile.Options{}); diags.HasErrors() {
					b.Fatal(text(diags))
				}
			}
		})
	}
}

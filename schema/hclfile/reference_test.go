package hclfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/schema/hclfile"
	"github.com/stopover/stopover/schema/process"
)

// TestDocs: the generated pages are what the tables and the processes say. To
// write them again: go test ./schema/hclfile -run TestDocs -update
func TestDocs(t *testing.T) {
	for name, got := range map[string][]byte{
		"language.md": hclfile.Reference(),
		"process.md":  hclfile.ProcessReference(),
	} {
		path := filepath.Join("..", "..", "docs", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("docs/%s is not up to date: run go test ./schema/hclfile -run TestDocs -update (-have +want):\n%s", name, diff)
		}
	}
}

// TestEveryRuleSaysWhereItComesFrom: a rule of a built-in process without a
// source is a guess that looks like a fact.
func TestEveryRuleSaysWhereItComesFrom(t *testing.T) {
	for _, name := range process.Names() {
		rules := hclfile.Rules(name)
		if len(rules) < 15 {
			t.Errorf("%s has only %d rules", name, len(rules))
		}
		for _, r := range rules {
			if r.Certainty() == "" {
				t.Errorf("%s: %s = %s has no comment that says documented, inferred or own: %q", name, r.Name, r.Value, r.From)
			}
			if strings.HasPrefix(name, "private-cloud") != (r.Certainty() != "own") && r.Certainty() == "documented" && !strings.Contains(r.From, "hosting provider") {
				t.Errorf("%s: %s cannot be documented: %q", name, r.Name, r.From)
			}
		}
	}
	if hclfile.Rules("nothing") != nil {
		t.Error("rules of a process that does not exist")
	}
}

// TestBlockExamples: the examples of whole blocks hold nothing that is wrong in
// itself.
func TestBlockExamples(t *testing.T) {
	walk(hclfile.Language(), nil, func(path []*hclfile.Block) {
		b := path[len(path)-1]
		if b.Example == "" {
			return
		}
		src := b.Example + "\n"
		switch {
		case len(path) == 2 && path[0].Name != "migration":
			src, _ = nested(path[:1], b.Example, nil)
		case len(path) == 2:
			src = strings.Replace(small, "  account", indent(b.Example)+"  account", 1)
			src = strings.Replace(src, "account \"shop\" {\n    probe", "account \"other\" {\n    probe", 1)
		}
		_, diags := hclfile.ParseFiles(map[string][]byte{"x.stopover.hcl": []byte(src)}, hclfile.Options{})
		for _, d := range diags {
			if d.Summary != "No migration" && d.Summary != "No value for a variable" && d.Summary != "Unknown server" {
				t.Errorf("example of %s: %s: %s", b.Name, d.Summary, d.Detail)
			}
		}
	})
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(s, "\n", "\n  ") + "\n"
}

package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/stopover/stopover/"

// imports says which packages of this module a package may import, by the
// longest prefix that matches. The arrows all point one way: schema is nouns,
// plan decides, providers speak, apply does, cmd shows.
var imports = map[string][]string{
	"schema":             {},
	"schema/process":     {},
	"schema/layout":      {},
	"schema/hclfile":     {"schema", "schema/process", "schema/layout"},
	"plan":               {"schema"},
	"providers":          {"schema"},
	"providers/all":      {"schema", "providers"},
	"providers/agent":    {"schema", "providers"},
	"providers/local":    {"schema", "providers"},
	"providers/linux":    {"schema", "providers"},
	"apply":              {"schema", "plan", "providers"},
	"apply/state":        {"schema", "plan", "apply/state"},
	"cmd":                {"schema", "plan", "providers", "apply", "cmd"},
	"cmd/stopover-agent": {"schema", "providers"},
	"examples":           {"examples"},
	// The torture harness stands outside: it builds configurations, runs the
	// shipped binary and composes faults around the agent.
	"providers/local/torture": {"schema", "providers", "examples"},
}

// closed packages are imported by nobody but the packages named.
var closed = map[string][]string{
	"github.com/hashicorp/hcl/v2":   {"schema/hclfile", "cmd/internal/tf", "cmd/internal/cli"},
	"github.com/zclconf/go-cty/":    {"schema/hclfile", "cmd/internal/tf"},
	module + "providers/all":        {"cmd"},
	"google.golang.org/grpc":        {"providers/agent"},
	"modernc.org/sqlite":            {"providers/local", "examples"},
	"github.com/spf13/cobra":        {"cmd"},
	"github.com/hashicorp/go-hclog": {"providers", "cmd"},
}

// strangers share no code: what declares a copy equal is not what copied it.
var strangers = [][2]string{
	{"providers/agent/files", "providers/agent/compare"},
	{"providers/local/sqlite", "providers/local/sqlite/sqlitecompare"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		rule, allowed := ruleOf(name)
		if rule == "" {
			t.Errorf("%s is not in the import table: add it, or move it", name)
			continue
		}
		for _, i := range p.Imports {
			checkImport(t, name, rule, allowed, i)
		}
	}
}

func checkImport(t *testing.T, name, rule string, allowed []string, imported string) {
	t.Helper()
	for prefix, who := range closed {
		if strings.HasPrefix(imported, prefix) && !slices.ContainsFunc(who, func(w string) bool { return under(name, w) }) {
			t.Errorf("%s imports %s, which only %v may", name, imported, who)
		}
	}
	own, ok := strings.CutPrefix(imported, module)
	for _, s := range strangers {
		if name == s[0] && own == s[1] || name == s[1] && own == s[0] {
			t.Errorf("%s imports %s: a copier and its comparer share no code", name, own)
		}
	}
	if !ok {
		if first, _, _ := strings.Cut(imported, "/"); rule == "schema" && strings.Contains(first, ".") {
			t.Errorf("%s imports %s: schema imports the standard library only", name, imported)
		}
		return
	}
	if under(own, rule) && rule != "schema" {
		return
	}
	for _, a := range allowed {
		if under(own, a) {
			return
		}
	}
	t.Errorf("%s imports %s: the table in arch_test.go allows %v", name, own, allowed)
}

func ruleOf(name string) (string, []string) {
	best := ""
	for prefix := range imports {
		if under(name, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	return best, imports[best]
}

func under(name, prefix string) bool { return name == prefix || strings.HasPrefix(name, prefix+"/") }

// TestZones: the program brings its time zones with it.
func TestZones(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"cmd/stopover").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if !slices.Contains(strings.Fields(string(out)), "time/tzdata") {
		t.Error("no package imports time/tzdata")
	}
	out, err = exec.Command("go", "list", "-json=ImportPath,Imports", module+"plan").Output()
	if err != nil || !strings.Contains(string(out), `"time/tzdata"`) {
		t.Errorf("plans depend on the machine's zone files: %v", err)
	}
}

package hclfile_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
	"github.com/stopover/stopover/schema/layout"
	"github.com/stopover/stopover/schema/process"
)

var update = flag.Bool("update", false, "write what the tests got as what they want")

// kinds are two providers as the registry would have them: one without
// options, one with an option of every type.
func kinds() []hclfile.Kind {
	return []hclfile.Kind{
		{Name: "local", Doc: "Pocket servers on this machine.", Options: []hclfile.Option{
			{Name: "machine", Type: "string", Doc: "What kind of machine it plays.", Example: "small"},
		}},
		{Name: "linux", Doc: "Real servers.", Options: []hclfile.Option{
			{Name: "user", Type: "string", Doc: "Who logs in.", Required: true, Example: `"root"`},
			{Name: "port", Type: "number", Doc: "Port of the SSH server.", Default: "22", Example: "22"},
			{Name: "compress", Type: "bool", Doc: "Compress what is sent.", Example: "true"},
			{Name: "timeout", Type: "duration", Doc: "How long to wait.", Example: `"10s"`},
			{Name: "buffer", Type: "bytes", Doc: "How much to hold.", Example: `"4 MiB"`},
			{Name: "password", Type: "string", Secret: true, Doc: "What opens it."},
			{Name: "layout", Type: "layout", Default: "debian", Doc: "Where things are on it.", Example: `"debian"`},
		}},
	}
}

// TestGolden runs testdata/*.txtar: files of a configuration, perhaps
// options.json, and in "want" what Parse says of them.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	wrong := 0
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, failed := run(t, archive)
			if failed {
				wrong++
			}
			compare(t, path, archive, got)
		})
	}
	if wrong < 145 && flag.Lookup("test.run").Value.String() == "" {
		t.Errorf("only %d wrong configurations", wrong)
	}
}

func run(t *testing.T, archive *txtar.Archive) (got string, failed bool) {
	t.Helper()
	opts := hclfile.Options{Kinds: kinds()}
	files := map[string][]byte{}
	for _, f := range archive.Files {
		switch {
		case f.Name == "options.json":
			var o struct {
				Version string
				AnyKind bool
				Vars    []hclfile.Assignment
				Env     map[string]string
			}
			if err := json.Unmarshal(f.Data, &o); err != nil {
				t.Fatal(err)
			}
			opts.Version, opts.Vars = o.Version, o.Vars
			if o.Env != nil {
				opts.Env = func(name string) (string, bool) { v, ok := o.Env[name]; return v, ok }
			}
			if o.AnyKind {
				opts.Kinds = nil
			}
		case f.Name != "want":
			files[f.Name] = f.Data
		}
	}
	cfg, diags := hclfile.ParseFiles(files, opts)
	if (cfg == nil) != diags.HasErrors() {
		t.Errorf("config is nil: %v, errors: %v", cfg == nil, diags.HasErrors())
	}
	if diags.HasErrors() {
		return text(diags), true
	}
	var own []schema.Process
	used := ""
	for _, p := range cfg.Processes {
		if _, ok := process.Builtin(p.Name); ok {
			used = "with the built-in process " + p.Name + "\n"
			continue
		}
		own = append(own, p)
	}
	cfg.Processes = own
	cfg.Layouts = slices.DeleteFunc(cfg.Layouts, func(l schema.Layout) bool {
		_, ok := layout.Builtin(l.Name)
		if ok {
			used += "with the built-in layout " + l.Name + "\n"
		}
		return ok
	})
	return text(diags) + used + asJSON(t, cfg), false
}

func compare(t *testing.T, path string, archive *txtar.Archive, got string) {
	t.Helper()
	for i, f := range archive.Files {
		if f.Name != "want" {
			continue
		}
		if *update {
			archive.Files[i].Data = []byte(got)
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		if diff := cmp.Diff(string(f.Data), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		return
	}
	t.Errorf("%s has no file \"want\"", path)
}

// text prints everything that a diagnostic holds.
func text(diags schema.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		if d.Pos.File != "" {
			fmt.Fprintf(&b, "%s:%d:%d: ", d.Pos.File, d.Pos.Line, d.Pos.Column)
		}
		fmt.Fprintf(&b, "%s: %s\n  %s\n", d.Severity, d.Summary, d.Detail)
		if d.Address != "" {
			fmt.Fprintf(&b, "  in %s\n", d.Address)
		}
		if d.Snippet != "" {
			fmt.Fprintf(&b, "  | %s\n", d.Snippet)
		}
	}
	return b.String()
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

// TestBuiltinLayouts holds each built-in layout to the JSON beside it.
func TestBuiltinLayouts(t *testing.T) {
	for i, l := range hclfile.Layouts() {
		if l.Name != layout.Names()[i] || l.Doc == "" {
			t.Errorf("%s.hcl holds %s, %q", layout.Names()[i], l.Name, l.Doc)
		}
		golden := filepath.Join("testdata", "layout", l.Name+".json")
		got := asJSON(t, l)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
	if _, ok := hclfile.Layout("../debian"); ok {
		t.Error("a layout of no name that there is")
	}
}

// TestBuiltinProcesses holds each built-in process to the JSON beside it.
func TestBuiltinProcesses(t *testing.T) {
	for _, name := range process.Names() {
		src, ok := process.Builtin(name)
		if !ok {
			t.Fatalf("no source of %s", name)
		}
		p, diags := hclfile.ParseProcess(name+".hcl", src)
		if len(diags) > 0 {
			t.Errorf("%s:\n%s", name, text(diags))
			continue
		}
		if p.Name != name {
			t.Errorf("%s.hcl holds %s", name, p.Name)
		}
		golden := filepath.Join("testdata", "process", name+".json")
		got := asJSON(t, p)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
}

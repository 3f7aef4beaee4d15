package hclfile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stopover/stopover/schema/hclfile"
	"github.com/stopover/stopover/schema/process"
)

// FuzzParse: whatever is in a file, there is a configuration or an error, the
// same each time, and every error says where and what to do.
func FuzzParse(f *testing.F) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".stopover.hcl") {
				f.Add(file.Data)
			}
		}
	}
	for _, name := range process.Names() {
		src, _ := process.Builtin(name)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		files := map[string][]byte{"x.stopover.hcl": src}
		opts := hclfile.Options{Kinds: kinds(), Version: "1.2.3"}
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
	})
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

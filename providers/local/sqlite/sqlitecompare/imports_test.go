package sqlitecompare

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// What declares a copy equal shares no code with what copied it.
func TestSharesNoCodeWithTheCopier(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			seen++
			if strings.Contains(i.Path.Value, "stopover") {
				t.Errorf("%s imports %s", e.Name(), i.Path.Value)
			}
		}
	}
	if seen == 0 {
		t.Error("no imports were seen")
	}
}

package linux

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestFindings holds the codes that this kind says to those that the agent's
// sources have: constants whose names begin with found.
func TestFindings(t *testing.T) {
	files, err := filepath.Glob("look/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	var codes []string
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range v.Names {
				if !strings.HasPrefix(name.Name, "found") || i >= len(v.Values) {
					continue
				}
				if l, ok := v.Values[i].(*ast.BasicLit); ok && l.Kind == token.STRING {
					code, err := strconv.Unquote(l.Value)
					if err != nil {
						t.Fatal(err)
					}
					codes = append(codes, code)
				}
			}
			return true
		})
	}
	known := findings()
	for _, c := range codes {
		if !slices.ContainsFunc(known, func(k string) bool { return k == c || strings.HasSuffix(c, "-") && strings.HasPrefix(k, c) }) {
			t.Errorf("the agent finds %s, which the kind does not say", c)
		}
	}
	for _, k := range known {
		if !slices.ContainsFunc(codes, func(c string) bool { return k == c || strings.HasSuffix(c, "-") && strings.HasPrefix(k, c) }) {
			t.Errorf("the kind says %s, which the agent does not find", k)
		}
	}
}

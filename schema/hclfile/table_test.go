package hclfile_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile"
)

// TestEveryAttributeIsRead gives every attribute of the tables a value that
// cannot be evaluated: whoever declares one and forgets to decode it is named.
func TestEveryAttributeIsRead(t *testing.T) {
	walk(hclfile.Language(), nil, func(path []*hclfile.Block) {
		for _, a := range path[len(path)-1].Attrs {
			name := path[len(path)-1].Name + "." + a.Name
			src, line := nested(path, a.Name+" = 1 + nothing_of_this_name", a.Labels)
			_, diags := hclfile.ParseFiles(map[string][]byte{"x.stopover.hcl": []byte(src)}, hclfile.Options{Version: "1.0.0"})
			found := 0
			for _, d := range diags {
				if d.Pos.Line == line && slices.Contains([]string{"Unknown name", "Not a reference to a server", "Not a reference to a window", "Not a list of references",
					"Reference in a default", "Not a type"}, d.Summary) {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s: a value that does not exist is reported %d times\n%s", name, found, text(diags))
			}
		}
	})
}

// TestEveryAttributeIsDocumented holds the tables to what the reference needs,
// and each example to what the decoder takes.
func TestEveryAttributeIsDocumented(t *testing.T) {
	walk(hclfile.Language(), nil, func(path []*hclfile.Block) {
		b := path[len(path)-1]
		if b.Doc == "" {
			t.Errorf("block %s has no doc", b.Name)
		}
		for _, a := range b.Attrs {
			name := b.Name + "." + a.Name
			switch {
			case a.Doc == "" || !strings.HasSuffix(a.Doc, "."):
				t.Errorf("%s: doc %q is no sentence", name, a.Doc)
			case a.Type == "":
				t.Errorf("%s has no type", name)
			case !strings.HasPrefix(a.Example, a.Name+" = "):
				t.Errorf("%s: example %q", name, a.Example)
			}
			src, line := nested(path, a.Example, a.Labels)
			_, diags := hclfile.ParseFiles(map[string][]byte{"x.stopover.hcl": []byte(src)}, hclfile.Options{})
			for _, d := range diags {
				missing := strings.HasPrefix(d.Summary, "Unknown server") || strings.HasPrefix(d.Summary, "Unknown architecture") ||
					d.Summary == "Unknown window" || d.Summary == "Nothing to exceed" ||
					d.Summary == "Argument in the wrong phase" || d.Summary == "Rollback without an end"
				if d.Pos.Line == line && !missing {
					t.Errorf("%s: the example is wrong:\n%s", name, text(schema.Diagnostics{d}))
				}
			}
		}
	})
}

// walk visits every block with the blocks around it, the root left out.
func walk(b *hclfile.Block, up []*hclfile.Block, visit func(path []*hclfile.Block)) {
	if b.Name != "" {
		up = append(up[:len(up):len(up)], b)
		visit(up)
	}
	for _, k := range b.Blocks {
		walk(k, up, visit)
	}
}

// nested writes a line into blocks, and says which line it is.
func nested(path []*hclfile.Block, content string, labels []string) (src string, line int) {
	var b strings.Builder
	for i, p := range path {
		b.WriteString(p.Name)
		if p.Label != "" {
			label := "local"
			if len(p.Labels) > 0 {
				label = p.Labels[0]
			}
			if i == len(path)-1 && len(labels) > 0 {
				label = labels[0]
			}
			fmt.Fprintf(&b, " %q", label)
		}
		b.WriteString(" {\n")
	}
	b.WriteString(content + "\n" + strings.Repeat("}\n", len(path)))
	return b.String(), len(path) + 1
}

// TestImports: what things are depends on nothing but the standard library,
// and so does the text of the built-in processes.
func TestImports(t *testing.T) {
	const module = "github.com/stopover/stopover/"
	for pkg, allowed := range map[string][]string{
		"schema":         nil,
		"schema/process": nil,
		"schema/layout":  nil,
		"schema/hclfile": {module + "schema", module + "schema/process", module + "schema/layout",
			"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty/cty", "github.com/dustin/go-humanize",
			"github.com/bmatcuk/doublestar/v4", "github.com/zclconf/go-cty-yaml"},
	} {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+pkg).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, i := range strings.Fields(string(out)) {
			ok := !strings.Contains(strings.SplitN(i, "/", 2)[0], ".")
			for _, a := range allowed {
				ok = ok || i == a || !strings.HasPrefix(a, module) && strings.HasPrefix(i, a+"/")
			}
			if !ok {
				t.Errorf("%s must not import %s", pkg, i)
			}
		}
	}
}

package plan

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestFormat holds the plan of every golden case against the JSON Schema that
// the program prints for plans. The schema is read strictly here: a field that
// it does not know is a mistake, for it was made from these types.
func TestFormat(t *testing.T) {
	schema := strictSchema(t, "../cmd/internal/format/schemas/plan.json")
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Compute(caseInput(t, archive))
			if err != nil {
				t.Fatal(err)
			}
			saved, err := Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			printed, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range [][]byte{saved, printed} {
				x, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				x.(map[string]any)["format_version"] = "1.1" // what a view adds
				if err := schema.Validate(x); err != nil {
					t.Errorf("%v\n%s", err, b)
				}
			}
		})
	}
}

func strictSchema(t *testing.T, path string) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(x)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("plan.json", x); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("plan.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closeObjects forbids what a schema does not name.
func closeObjects(x any) {
	switch x := x.(type) {
	case map[string]any:
		if _, ok := x["properties"].(map[string]any); ok && x["type"] == "object" {
			x["additionalProperties"] = false
		}
		for _, v := range x {
			closeObjects(v)
		}
	case []any:
		for _, v := range x {
			closeObjects(v)
		}
	}
}

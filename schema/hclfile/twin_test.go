package hclfile_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stopover/stopover/schema/hclfile"
)

// twin writes a file as JSON says it, with the tables for what is repeated.
func twin(t testing.TB, src []byte) []byte {
	t.Helper()
	file, diags := hclsyntax.ParseConfig(src, "x", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	out, err := json.MarshalIndent(twinBody(t, src, file.Body.(*hclsyntax.Body)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// object keeps the order of its properties: blocks have one.
type object struct {
	names  []string
	values map[string]any
}

func (o *object) set(name string, v any) {
	if o.values == nil {
		o.values = map[string]any{}
	}
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = v
}

func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(o.values[name])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func twinBody(t testing.TB, src []byte, body *hclsyntax.Body) *object {
	t.Helper()
	out := &object{}
	var attrs []*hclsyntax.Attribute
	for _, a := range body.Attributes {
		attrs = append(attrs, a)
	}
	slices.SortFunc(attrs, func(a, b *hclsyntax.Attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	for _, a := range attrs {
		out.set(a.Name, twinValue(t, src, a.Name, a.Expr))
	}
	for _, b := range body.Blocks {
		at, name := out, b.Type
		for _, label := range b.Labels {
			inner, ok := at.values[name].(*object)
			if !ok {
				inner = &object{}
				at.set(name, inner)
			}
			at, name = inner, label
		}
		one := any(twinBody(t, src, b.Body))
		if list, ok := at.values[name].([]any); ok {
			one = append(list, one)
		} else {
			one = []any{one}
		}
		at.set(name, one)
	}
	for name, v := range out.values { // one block needs no list
		out.values[name] = single(v)
	}
	return out
}

func single(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 1 {
			if o, ok := v[0].(*object); ok {
				return o
			}
		}
	case *object:
		for name, inner := range v.values {
			v.values[name] = single(inner)
		}
	}
	return v
}

func twinValue(t testing.TB, src []byte, name string, expr hclsyntax.Expression) any {
	t.Helper()
	text := string(expr.Range().SliceBytes(src))
	switch {
	case name == "type" || name == "iterator":
		return text
	case strings.HasPrefix(text, "<<"):
		return "JSON has no heredocs"
	}
	if _, diags := hcl.AbsTraversalForExpr(expr); !diags.HasErrors() && slices.Contains([]string{"source", "transit", "trial", "window", "windows"}, name) {
		return text
	}
	if tuple, ok := expr.(*hclsyntax.TupleConsExpr); ok {
		out := []any{}
		for _, e := range tuple.Exprs {
			out = append(out, twinValue(t, src, name, e))
		}
		return out
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return "${" + text + "}"
	}
	if v.Type() == cty.String && !v.IsNull() {
		return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(v.AsString())
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil { // an infinite number
		return "${" + text + "}"
	}
	return json.RawMessage(raw)
}

// good returns the configurations that are right: those of the golden cases
// and of the examples, with their files.
func good(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	out := map[string]map[string][]byte{}
	cases, err := filepath.Glob("testdata/ok_*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{}
		for _, f := range archive.Files {
			if f.Name != "want" && f.Name != "options.json" {
				files[f.Name] = f.Data
			}
		}
		out[path] = files
	}
	examples, err := filepath.Glob("../../examples/*/*.stopover.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range examples {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if out[filepath.Dir(path)] == nil {
			out[filepath.Dir(path)] = map[string][]byte{}
		}
		out[filepath.Dir(path)][filepath.Base(path)] = src
	}
	if len(out) < 10 {
		t.Fatalf("only %d configurations", len(out))
	}
	return out
}

// TestTwin: the same configuration as JSON is the same configuration, and the
// JSON Schema takes it.
func TestTwin(t *testing.T) {
	language := compiled(t)
	for name, files := range good(t) {
		t.Run(name, func(t *testing.T) {
			opts := hclfile.Options{Env: testEnv}
			want, diags := hclfile.ParseFiles(files, opts)
			if diags.HasErrors() {
				t.Skip("needs options")
			}
			twins := map[string][]byte{}
			for name, src := range files {
				if !strings.HasSuffix(name, ".stopover.hcl") {
					twins[name] = src
					continue
				}
				twins[name+".json"] = twin(t, src)
				valid(t, language, twins[name+".json"])
			}
			got, diags := hclfile.ParseFiles(twins, opts)
			if diags.HasErrors() {
				t.Fatal(text(diags))
			}
			plain := strings.NewReplacer(`\"`, `"`, `${`, ``, `}`, ``)
			for i := range got.Checks { // the same expression is written in another way
				got.Checks[i].Condition, got.Checks[i].Message = want.Checks[i].Condition, want.Checks[i].Message
			}
			for i := range got.Policies {
				a, b := got.Policies[i].Condition, want.Policies[i].Condition
				if !strings.Contains(plain.Replace(a), plain.Replace(b)) {
					t.Errorf("the condition %s became %s", b, a)
				}
				got.Policies[i].Condition, got.Policies[i].Message = want.Policies[i].Condition, want.Policies[i].Message
			}
			if diff := cmp.Diff(asJSON(t, want), asJSON(t, got)); diff != "" {
				t.Errorf("as JSON (-HCL +JSON):\n%s", diff)
			}
		})
	}
}

// testEnv gives values to variables of the golden cases that are right.
func testEnv(name string) (string, bool) {
	v, ok := map[string]string{"STOPOVER_VAR_token": "hunter2secret", "STOPOVER_VAR_region": "eu"}[name]
	return v, ok
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(hclfile.LanguageSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("language.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("language.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, src []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("the schema does not take it: %v\n%s", err, src)
	}
}

// TestLanguageSchemaRefuses: the schema tells what the decoder would.
func TestLanguageSchemaRefuses(t *testing.T) {
	s := compiled(t)
	for name, src := range map[string]string{
		"unknown block":     `{"servr": {"a": {}}}`,
		"unknown argument":  `{"migration": {"m": {"process": "direct", "source": "server.a", "transit": "server.b", "colour": "red"}}}`,
		"missing argument":  `{"migration": {"m": {"source": "server.a", "transit": "server.b"}}}`,
		"value":             `{"migration": {"m": {"process": "direct", "source": "server.a", "transit": "server.b", "stays": {"x": {"action": "burn", "reason": "r"}}}}}`,
		"type":              `{"migration": {"m": {"process": "direct", "source": "server.a", "transit": "server.b", "size_band": "much"}}}`,
		"dynamic singles":   `{"dynamic": {"stopover": {"for_each": [], "content": {}}}}`,
		"dynamic no labels": `{"dynamic": {"server": {"for_each": [], "content": {}}}}`,
		"label":             `{"stopover": {"state": {"s3": {}}}}`,
		"date":              `{"migration": {"m": {"process": "direct", "source": "server.a", "transit": "server.b", "finish_by": "soon"}}}`,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(src))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(doc) == nil {
			t.Errorf("%s: the schema takes %s", name, src)
		}
	}
}

// TestLanguageSchemaIsWhole: every block and argument of the tables is in the
// schema, and described.
func TestLanguageSchemaIsWhole(t *testing.T) {
	var root struct {
		Defs map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(hclfile.LanguageSchema(), &root); err != nil {
		t.Fatal(err)
	}
	walk(hclfile.Language(), nil, func(path []*hclfile.Block) {
		var names []string
		for _, b := range path {
			names = append(names, b.Name)
		}
		def, ok := root.Defs[strings.Join(names, ".")]
		if !ok {
			t.Fatalf("no schema of %v", names)
		}
		for _, a := range path[len(path)-1].Attrs {
			if def.Properties[a.Name].Description == "" {
				t.Errorf("no schema of %v.%s", names, a.Name)
			}
		}
	})
}

// TestFormat: a file that was laid out anew says the same, and laying it out
// again changes nothing.
func TestFormat(t *testing.T) {
	for name, files := range good(t) {
		formatted := map[string][]byte{}
		for file, src := range files {
			formatted[file] = src
			if !strings.HasSuffix(file, ".hcl") {
				continue
			}
			once, diags := hclfile.Format(file, src)
			if len(diags) > 0 {
				t.Errorf("%s: %s", name, text(diags))
			}
			twice, _ := hclfile.Format(file, once)
			if !bytes.Equal(once, twice) {
				t.Errorf("%s: %s is laid out in two ways:\n%s\n%s", name, file, once, twice)
			}
			formatted[file] = once
		}
		opts := hclfile.Options{Env: testEnv}
		a, one := hclfile.ParseFiles(files, opts)
		b, two := hclfile.ParseFiles(formatted, opts)
		if diff := cmp.Diff(asJSON(t, a), asJSON(t, b)); diff != "" || len(one) != len(two) {
			t.Errorf("%s means something else when laid out anew:\n%s", name, diff)
		}
	}
	for _, c := range []struct{ name, src, want, says string }{
		{"a.stopover.hcl", "server  \"a\" {\naddress=\"x\"\n  price   =   \"1 EUR/day\"\n}\n", "server \"a\" {\n  address = \"x\"\n  price   = \"1 EUR/day\"\n}\n", ""},
		{"a.stopover.hcl.json", "{ \"server\":1 }", "{ \"server\":1 }", ""},
		{"a.stopover.hcl", "server {", "server {", "Unclosed configuration block"},
		{"a.stopover.hcl", "x = \"\xff\"", "x = \"\xff\"", "Not UTF-8"},
		{"a.auto.vars.hcl", "a=\"hunter2\"\nlong   = 1\n", "a    = \"hunter2\"\nlong = 1\n", ""},
	} {
		got, diags := hclfile.Format(c.name, []byte(c.src))
		if string(got) != c.want || (c.says == "") != (len(diags) == 0) || len(diags) > 0 && diags[0].Summary != c.says {
			t.Errorf("Format(%q) = %q %s", c.src, got, text(diags))
		}
	}
}

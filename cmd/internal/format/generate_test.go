package format_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"github.com/stopover/stopover/cmd/internal/format"
)

var update = flag.Bool("update", false, "write the schemas")

const (
	module = "github.com/stopover/stopover"
	root   = "../../.."
)

// TestSchemas: the schemas are those of the Go types as they are now.
func TestSchemas(t *testing.T) {
	comments := commentsOf(t, "schema", "plan", "apply", "cmd/internal/view", "cmd/internal/report")
	for name, d := range documents() {
		t.Run(name, func(t *testing.T) {
			want := generate(t, name, d, comments)
			file := filepath.Join("schemas", name+".json")
			if *update {
				if err := os.WriteFile(file, want, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			got, err := format.Schema(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(got), "\n"), strings.Split(string(want), "\n")); diff != "" {
				t.Errorf("the types have changed; run go test ./cmd/internal/format -update and read what changed: "+
					"an addition needs a new second number of format.Version, anything else a new first one\n%s", diff)
			}
		})
	}
}

// document is what a schema is made of.
type document struct {
	typ   reflect.Type
	title string
}

func commentsOf(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range dirs {
		full := filepath.Join(root, dir)
		if _, err := os.Stat(full); err != nil {
			t.Fatal(err)
		}
		// The package path is the base joined with the directory as it is walked.
		r := new(jsonschema.Reflector)
		if err := r.AddGoComments(module, full); err != nil {
			t.Fatal(err)
		}
		for k, v := range r.CommentMap {
			name := path.Join(module, strings.TrimPrefix(k, path.Join(module, root)))
			out[name] = strings.Join(strings.Fields(v), " ")
		}
	}
	return out
}

func generate(t *testing.T, name string, d document, comments map[string]string) []byte {
	t.Helper()
	r := &jsonschema.Reflector{
		Anonymous:                 true,
		AllowAdditionalProperties: true, // what a later version adds is no mistake
		Namer:                     definitionName,
		LookupComment: func(t reflect.Type, field string) string {
			key := t.PkgPath() + "." + t.Name()
			if field != "" {
				key += "." + field
			}
			return comments[key]
		},
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[time.Duration]() {
				return &jsonschema.Schema{Type: "integer", Title: "nanoseconds"}
			}
			return nil
		},
	}
	s := r.ReflectFromType(d.typ)
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	m["$id"] = "urn:stopover:" + name + ":" + format.Version
	m["title"] = d.title
	nullable(m, d.typ)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// definitionName keeps schema.Account and report.Account apart.
func definitionName(t reflect.Type) string {
	if t.Name() == "" {
		return ""
	}
	return path.Base(t.PkgPath()) + "." + t.Name()
}

// nullable allows null where encoding/json writes it: for a list, a map or a
// pointer that is nil and is not left out.
func nullable(m map[string]any, t reflect.Type) {
	defs, _ := m["$defs"].(map[string]any)
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Array {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] || t == reflect.TypeFor[time.Time]() {
			return
		}
		seen[t] = true
		def, _ := defs[definitionName(t)].(map[string]any)
		properties, _ := def["properties"].(map[string]any)
		for _, f := range reflect.VisibleFields(t) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "-" || f.Anonymous || !f.IsExported() {
				if f.Anonymous {
					walk(f.Type)
				}
				continue
			}
			walk(f.Type)
			omits := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
			switch k := f.Type.Kind(); {
			case omits || properties[name] == nil || f.Type == reflect.TypeFor[json.RawMessage]():
			case k == reflect.Slice || k == reflect.Map || k == reflect.Pointer:
				p := properties[name].(map[string]any)
				about, described := p["description"]
				delete(p, "description")
				p = map[string]any{"anyOf": []any{p, map[string]any{"type": "null"}}}
				if described {
					p["description"] = about
				}
				properties[name] = p
			}
		}
	}
	walk(t)
}

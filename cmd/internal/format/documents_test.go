package format_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/stopover/stopover/cmd/internal/cli"
	"github.com/stopover/stopover/cmd/internal/format"
	"github.com/stopover/stopover/cmd/internal/report"
	"github.com/stopover/stopover/cmd/internal/view"
)

func documents() map[string]document {
	return map[string]document{
		format.Plan:      {reflect.TypeFor[view.PlanDocument](), "A plan of Stopover"},
		format.Inventory: {reflect.TypeFor[view.InventoryDocument](), "What Stopover found on the servers"},
		format.Report:    {reflect.TypeFor[report.Report](), "What became of a migration"},
		format.Events:    {reflect.TypeFor[view.Message](), "One line of the stream that a run of Stopover prints"},
		format.Status:    {reflect.TypeFor[view.StatusDocument](), "Where a migration is"},
		format.Check:     {reflect.TypeFor[view.CheckDocument](), "What checks found"},
		format.Validate:  {reflect.TypeFor[view.ValidationDocument](), "What is wrong with a configuration"},
	}
}

// TestMain: the processes of the tests' pocket servers are this very binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "pocket-server" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestDocuments goes the quickstart's journey and holds all that the program
// prints for programs against its schemas, read strictly.
func TestDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("moves accounts between pocket servers")
	}
	w := newWorld(t)
	look := func() {
		for _, name := range []string{format.Inventory, format.Plan, format.Status, format.Report, format.Check, format.Validate} {
			w.valid(strict(t, name), w.run(0, name))
		}
	}
	events := strict(t, format.Events)
	look()
	w.stream(events, w.run(3, "apply", "--auto-approve"))
	look()
	w.run(0, "approve", "verify.accept[blog]")
	w.stream(events, w.run(0, "apply", "--auto-approve", "--confirm-reinstall", "client"))
	look()
}

type world struct {
	*testing.T
	dir string
}

func newWorld(t *testing.T) *world {
	w := &world{t, t.TempDir()}
	if err := os.CopyFS(w.dir, os.DirFS(filepath.Join(root, "examples/quickstart"))); err != nil {
		t.Fatal(err)
	}
	address, port := freeAddress()
	for _, f := range []string{"main.stopover.hcl", "client/server.json"} {
		b, err := os.ReadFile(filepath.Join(w.dir, f))
		if err != nil {
			t.Fatal(err)
		}
		// The quickstart begins with a blocker that its README mends.
		text := strings.NewReplacer(`["couchdb", "sqlite"]`, `["couchdb"]`, "127.20.26", address, "8080", fmt.Sprint(port), "8025", fmt.Sprint(port+1),
			"address = \"", fmt.Sprintf("http_port = %d\n  smtp_port = %d\n  address = \"", port, port+1)).Replace(string(b))
		if err := os.WriteFile(filepath.Join(w.dir, f), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, s := range []string{"client", "transit"} {
			var errs bytes.Buffer
			if cli.Main([]string{"pocket-server", "--stop", "--dir=" + filepath.Join(w.dir, s)}, nil, &errs, &errs) != 0 {
				t.Errorf("stop %s: %s", s, &errs)
			}
		}
	})
	return w
}

// freeAddress chooses three bytes of a loopback address and two ports that are
// free on .1 and .2.
func freeAddress() (string, int) {
	free := func(address string, port int) bool {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, port))
		return err == nil && l.Close() == nil
	}
	for {
		a, p := fmt.Sprintf("127.%d.%d", 2+rand.IntN(250), rand.IntN(256)), 10000+2*rand.IntN(10000)
		if free(a+".1", p) && free(a+".1", p+1) && free(a+".2", p) && free(a+".2", p+1) {
			return a, p
		}
	}
}

func (w *world) run(status int, args ...string) []byte {
	w.Helper()
	var out, errs bytes.Buffer
	if got := cli.Main(append([]string{"-C", w.dir, "--json"}, args...), nil, &out, &errs); got != status {
		w.Fatalf("%v ends with %d, want %d\n%s%s", args, got, status, &out, &errs)
	}
	return out.Bytes()
}

// stream holds each line against a schema.
func (w *world) stream(s *jsonschema.Schema, lines []byte) {
	w.Helper()
	in := bufio.NewScanner(bytes.NewReader(lines))
	in.Buffer(nil, 1<<24)
	n := 0
	for ; in.Scan(); n++ {
		w.valid(s, in.Bytes())
	}
	if n < 10 {
		w.Errorf("a run prints %d lines", n)
	}
}

func (w *world) valid(s *jsonschema.Schema, b []byte) {
	w.Helper()
	x, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		w.Fatalf("%v\n%s", err, b)
	}
	if err := s.Validate(x); err != nil {
		w.Errorf("%v\n%s", err, b)
	}
}

// strict is a schema in which a field that it does not name is a mistake.
func strict(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	b, err := format.Schema(name)
	if err != nil {
		t.Fatal(err)
	}
	x, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(x)
	return compiled(t, x)
}

func compiled(t *testing.T, x any) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", x); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

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

// TestNames: every schema is one of draft 2020-12, and docs/formats.md names it.
func TestNames(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "docs/formats.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), "**"+format.Version+"**") {
		t.Errorf("docs/formats.md does not say that this is version %s", format.Version)
	}
	for _, name := range format.Names() {
		b, err := format.Schema(name)
		if err != nil {
			t.Error(err)
			continue
		}
		x, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if got := x.(map[string]any)["$schema"]; got != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s is of %v", name, got)
		}
		compiled(t, x)
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/formats.md does not name %s", name)
		}
	}
	if _, err := format.Schema("no/../such"); err == nil {
		t.Error("there is a schema that has no name")
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// conforms STATUS SCHEMAS ARGS... runs the program with --json, checks its exit
// status, and that all it prints is JSON: each value as one of the schemas says
// (names as "stopover schema" has them, with commas between), or, for "-", with
// its format's version. With --json-into it says the same.
func conforms(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: conforms STATUS SCHEMAS ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	c := exec.Command(ts.Getenv("STOPOVER"), append([]string{"--json"}, args[2:]...)...)
	c.Dir, c.Env = ts.MkAbs("."), environment(ts)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		ts.Fatalf("%v", err)
	}
	if got := c.ProcessState.ExitCode(); got != want {
		ts.Fatalf("stopover --json %q exits with %d, not %d\n%s%s", args[2:], got, want, &out, &said)
	}
	if said.Len() > 0 {
		ts.Fatalf("stopover --json %q says besides its JSON:\n%s", args[2:], &said)
	}
	checkValues(ts, strings.Split(args[1], ","), args[2:], out.Bytes())
	_, err = ts.Stdout().Write(out.Bytes())
	ts.Check(err)
}

// checkValues checks what was printed.
func checkValues(ts *testscript.TestScript, names, args []string, out []byte) {
	schemas := map[string]*jsonschema.Schema{}
	for _, n := range names {
		if n != "-" {
			schemas[n] = schemaOf(ts, n)
		}
	}
	d := json.NewDecoder(bytes.NewReader(out))
	for n := 0; ; n++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) && n > 0 {
			return
		} else if err != nil {
			ts.Fatalf("stopover --json %q prints no JSON: %v\n%s", args, err, out)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		ts.Check(err)
		if err := oneOf(schemas, names, v); err != nil {
			ts.Fatalf("stopover --json %q: %v\n%s", args, err, raw)
		}
	}
}

// oneOf says why a value is none of the schemas.
func oneOf(schemas map[string]*jsonschema.Schema, names []string, v any) error {
	var all error
	for _, n := range names {
		if n == "-" {
			if m, ok := v.(map[string]any); ok && m["format_version"] != nil {
				return nil
			}
			all = errors.Join(all, errors.New("no document with a version"))
			continue
		}
		err := schemas[n].Validate(v)
		if err == nil {
			return nil
		}
		all = errors.Join(all, err)
	}
	return all
}

func schemaOf(ts *testscript.TestScript, name string) *jsonschema.Schema {
	c := exec.Command(ts.Getenv("STOPOVER"), "schema", name)
	c.Env, c.Stderr = environment(ts), os.Stderr
	b, err := c.Output()
	ts.Check(err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	ts.Check(err)
	compiler := jsonschema.NewCompiler()
	ts.Check(compiler.AddResource(name+".json", doc))
	s, err := compiler.Compile(name + ".json")
	ts.Check(err)
	return s
}

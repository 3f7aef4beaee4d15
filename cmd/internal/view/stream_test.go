package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// everything is a run with everything in it.
func everything(v *View) {
	at := time.Unix(1e9, 0)
	v.Diagnostics(schema.Diagnostics{{Severity: "warning", Summary: nasty, Pos: schema.Pos{File: "a", Line: 1}}})
	v.Planned(dated(seed(2)), []string{"the state is new"})
	for _, what := range []apply.What{apply.Started, apply.Progress, apply.Finished, apply.Failed, apply.Skipped, apply.Waiting, apply.Measured, apply.Note} {
		e := apply.Event{What: what, At: at, Step: "a.b[c]", Phase: "migrate", Op: plan.OpPrecopy, Account: nasty, Part: "files", Server: "s", From: "f", To: "t",
			Text: nasty, Err: errors.New(nasty), Undone: what == apply.Failed, Overall: apply.Overall{Done: 1, Steps: 2, Left: time.Second}}
		if what != apply.Started && what != apply.Waiting {
			e.Bytes, e.Total, e.Items, e.ItemsTotal, e.Rate, e.Duration, e.Downtime = 1, 3, 1, 2, 1, time.Second, time.Second
		}
		v.Event(e)
	}
	for _, part := range []string{apply.PartDowntime, apply.PartOutside} {
		v.Event(apply.Event{What: apply.Measured, At: at, Account: "shop", Text: part, Duration: time.Second})
	}
	v.Event(apply.Event{What: apply.Waiting, At: at, Text: "window", Until: at})
	v.Event(apply.Event{What: apply.Countdown, At: at, Text: "window", Until: at, Left: time.Hour})
	v.Result(apply.Result{Accounts: []apply.AccountResult{{Account: "shop", State: apply.AccountDone, Cutovers: []apply.Cutover{{To: "transit", Downtime: time.Second, Outside: time.Second}}}}}, errors.New("x"))
	v.Concluded(dated(seed(2)))
	v.Error(&apply.WaitingError{Gates: seed(1).Gates, Windows: []apply.ClosedWindow{{Window: "night"}}})
	v.Error(&apply.RefusedError{Reason: "no", Details: []string{nasty}})
}

// Every message has a type and keys that are documented, and every documented
// type exists.
func TestStream(t *testing.T) {
	types := map[string]MessageType{}
	for _, m := range MessageTypes() {
		types[m.Name] = m
	}
	seen := map[string]bool{}
	text := show(Options{JSON: true, Version: "1.2.3"}, everything)
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		name, _ := m["type"].(string)
		if i == 0 && name != "version" {
			t.Errorf("the first message is %s", name)
		}
		kind, ok := types[name]
		if !ok {
			t.Errorf("type %q is not documented", name)
		}
		seen[name] = true
		for k := range m {
			if !slices.Contains(baseKeys(), k) && !slices.Contains(kind.Keys, k) {
				t.Errorf("%s: key %q is not documented", name, k)
			}
		}
		for _, k := range baseKeys() {
			if m[k] == nil {
				t.Errorf("%s: no %s", name, k)
			}
		}
	}
	for name := range types {
		if !seen[name] {
			t.Errorf("no message of type %s was seen", name)
		}
	}
}

// docs/events.md has every type. -update writes its table anew.
func TestStreamDocs(t *testing.T) {
	const path, begin, end = "../../../docs/events.md", "<!-- types: made by a test -->\n", "<!-- /types -->\n"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(b), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatal("docs/events.md has lost its marks")
	}
	var table strings.Builder
	table.WriteString("| type | what it says | keys |\n|---|---|---|\n")
	for _, m := range MessageTypes() {
		var keys []string
		for _, k := range m.Keys {
			keys = append(keys, "`"+k+"`")
		}
		table.WriteString("| `" + m.Name + "` | " + m.Doc + " | " + strings.Join(keys, " ") + " |\n")
	}
	want := before + begin + table.String() + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(b) {
		t.Error("docs/events.md is not what MessageTypes says; go test ./cmd/internal/view -update writes it anew")
	}
}

// Text for a person and JSON for a program at once.
func TestJSONInto(t *testing.T) {
	var text, into bytes.Buffer
	v := New(&text, &text, Options{JSONInto: &into, Version: "1.2.3"})
	v.Plan(dated(seed(2)), nil, "")
	fits(t, text.String())
	if !strings.HasPrefix(text.String(), "Can be applied in part") {
		t.Errorf("no text: %s", text.String())
	}
	var doc map[string]any
	if err := json.Unmarshal(into.Bytes(), &doc); err != nil || doc["format_version"] != FormatVersion || doc["steps"] == nil {
		t.Errorf("no document: %v", err)
	}
	text.Reset()
	into.Reset()
	everything(v)
	fits(t, text.String())
	for line := range strings.Lines(into.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

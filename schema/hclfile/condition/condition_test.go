package condition_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile/condition"
)

var update = flag.Bool("update", false, "write what the cases give")

// world is one case, read.
type world struct {
	cfg  *schema.Config
	inv  *schema.Inventory
	plan *plan.Plan
}

// TestCases: rules.hcl over inventory.json and plan.json gives want.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := read(t, a)
			got := w.told()
			for i := range a.Files {
				if a.Files[i].Name != "want" {
					continue
				}
				if *update {
					a.Files[i].Data = []byte(got)
					if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(string(a.Files[i].Data), got); diff != "" {
					t.Error(diff)
				}
			}
			w.laws(t)
		})
	}
}

func read(t *testing.T, a *txtar.Archive) *world {
	t.Helper()
	w := &world{cfg: &schema.Config{}, inv: &schema.Inventory{}, plan: &plan.Plan{}}
	w.cfg.Migration.Source, w.cfg.Migration.Transit = "client", "transit"
	for _, f := range a.Files {
		var err error
		switch f.Name {
		case "rules.hcl":
			w.rules(t, f.Data)
		case "inventory.json":
			err = json.Unmarshal(f.Data, w.inv)
		case "plan.json":
			err = json.Unmarshal(f.Data, w.plan)
		case "values.json":
			for i := range w.cfg.Checks {
				w.cfg.Checks[i].Values = f.Data
			}
			for i := range w.cfg.Policies {
				w.cfg.Policies[i].Values = f.Data
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	return w
}

// TestDocumented: the examples of docs/formats.md are right, and do what they say.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```hcl\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no example")
	}
	w := read(t, &txtar.Archive{Files: []txtar.File{{Name: "rules.hcl", Data: []byte(example)},
		{Name: "inventory.json", Data: []byte(`{"at":"2026-11-23T08:00:00Z","servers":{"client":{"known":true,"accounts":[
			{"name":"blog","certificates":[{"expires":"2026-12-01T00:00:00Z"}]},{"name":"shop"}]}}}`)}}})
	w.plan.Downtime.Max = 390 * time.Second
	if diags := condition.Validate(w.cfg, w.plan); len(diags) > 0 {
		t.Error(diags)
	}
	list, _ := w.evaluate()
	if len(list) != 2 || list[0].Summary != "A certificate of blog expires within 30 days." || list[1].Summary != "An account would be down for 6m30s." {
		t.Errorf("%+v", list)
	}
}

// rules takes conditions out of HCL as they are written.
func (w *world) rules(t *testing.T, src []byte) {
	t.Helper()
	f, diags := hclsyntax.ParseConfig(src, "rules.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, b := range f.Body.(*hclsyntax.Body).Blocks {
		c := schema.Condition{Name: b.Labels[0], Pos: schema.Pos{File: "rules.hcl", Line: b.DefRange().Start.Line, Column: 1}}
		for name, a := range b.Body.Attributes {
			text := string(a.Expr.Range().SliceBytes(src))
			v, _ := a.Expr.Value(nil)
			switch name {
			case "severity":
				c.Severity = v.AsString()
			case "remedy":
				c.Remedy = v.AsString()
			case "accounts":
				for _, g := range v.AsValueSlice() {
					c.Accounts = append(c.Accounts, g.AsString())
				}
			case "condition":
				c.Condition = text
			case "message":
				c.Message = text
			}
		}
		if b.Type == "policy" {
			w.cfg.Policies = append(w.cfg.Policies, c)
		} else {
			w.cfg.Checks = append(w.cfg.Checks, c)
		}
	}
}

func (w *world) evaluate() ([]schema.Finding, schema.Diagnostics) {
	a, ad := condition.Checks(w.cfg.Checks, w.inv, w.cfg)
	b, bd := condition.Policies(w.cfg.Policies, w.plan, w.inv)
	return append(a, b...), append(ad, bd...)
}

func (w *world) told() string {
	var b strings.Builder
	list, diags := w.evaluate()
	for _, f := range list {
		fmt.Fprintf(&b, "%s %s", f.Severity, f.Code)
		if f.Account != "" {
			fmt.Fprintf(&b, " [%q]", f.Account)
		}
		fmt.Fprintf(&b, "\n  %s\n", f.Summary)
		if f.Remedy != "" {
			fmt.Fprintf(&b, "  → %s\n", f.Remedy)
		}
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "  - %s\n", e)
		}
	}
	for _, d := range diags {
		fmt.Fprintf(&b, "%s %s:%d: %s: %s: %s\n", d.Severity, d.Pos.File, d.Pos.Line, d.Address, d.Summary, d.Detail)
	}
	return b.String()
}

// laws hold of every case.
func (w *world) laws(t *testing.T) {
	t.Helper()
	list, diags := w.evaluate()
	for _, f := range list {
		if f.Severity == "" || f.Summary == "" || f.Certainty != "own" || f.Source != "configuration" || strings.ContainsAny(f.Summary, "\n\x1b\u202e") {
			t.Errorf("not fit to print: %+v", f)
		}
	}
	again, _ := w.evaluate()
	if diff := cmp.Diff(list, again); diff != "" {
		t.Error("evaluated twice, found something else: ", diff)
	}

	turned := *w
	cfg := *w.cfg
	turned.cfg = &cfg
	cfg.Checks, cfg.Policies = turn(w.cfg.Checks), turn(w.cfg.Policies)
	other, _ := turned.evaluate()
	if diff := cmp.Diff(list, other); diff != "" {
		t.Error("the order of the conditions matters: ", diff)
	}

	saved := *w
	b, err := json.Marshal(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	saved.cfg = &schema.Config{}
	if err := json.Unmarshal(b, saved.cfg); err != nil {
		t.Fatal(err)
	}
	reread, rediags := saved.evaluate()
	if diff := cmp.Diff(placeless(list), placeless(reread)); diff != "" {
		t.Error("from a saved plan something else is found: ", diff)
	}
	if len(diags) != len(rediags) {
		t.Errorf("%d diagnostics, %d from a saved plan", len(diags), len(rediags))
	}

	yes := *w
	cfg2 := *w.cfg
	yes.cfg = &cfg2
	cfg2.Checks, cfg2.Policies = always(w.cfg.Checks), always(w.cfg.Policies)
	if list, _ := yes.evaluate(); len(list) != 0 {
		t.Errorf("what is always true found %v", list)
	}
}

func turn(list []schema.Condition) []schema.Condition {
	var out []schema.Condition
	for i := range list {
		out = append(out, list[len(list)-1-i])
	}
	return out
}

func always(list []schema.Condition) []schema.Condition {
	var out []schema.Condition
	for _, c := range list {
		out = append(out, schema.Condition{Name: c.Name, Severity: c.Severity, Condition: "true", Message: `"never"`})
	}
	return out
}

// placeless takes out the places: a saved plan does not keep them.
func placeless(list []schema.Finding) []schema.Finding {
	var out []schema.Finding
	for _, f := range list {
		var rest []string
		for _, e := range f.Evidence {
			if !strings.HasPrefix(e, "rules.hcl:") {
				rest = append(rest, e)
			}
		}
		f.Evidence = rest
		out = append(out, f)
	}
	return out
}

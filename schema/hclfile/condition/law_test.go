package condition_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/hclfile/condition"
)

// many are n accounts on two servers, every third one moved.
func many(n int) (*schema.Inventory, *schema.Config) {
	client := &schema.FoundServer{Name: "client", Presence: schema.Present, Known: true}
	transit := &schema.FoundServer{Name: "transit", Presence: schema.Present}
	for i := range n {
		a := &schema.FoundAccount{
			Name: fmt.Sprintf("cust-%05d", i), Owner: schema.Ownership{State: schema.StateActive},
			Domains: []schema.Domain{{Name: fmt.Sprintf("c%d.example", i)}}, Files: schema.Files{Bytes: int64(i), Entries: 3},
			Databases: []schema.Database{{Engine: "sqlite", Name: "a.sqlite", Bytes: 100, Mode: "wal"}}, Quota: int64(i % 7 * 1000),
			Sites: []schema.Site{{Domain: fmt.Sprintf("c%d.example", i)}}, Runtimes: []schema.RuntimeUse{{Name: "php", Version: "8.1", By: "site"}},
		}
		if i%3 == 0 {
			moved := *a
			moved.Owner = schema.Ownership{State: schema.StateMoved, Epoch: 1}
			client.Accounts = append(client.Accounts, &moved)
			a.Owner.Epoch = 1
			transit.Accounts = append(transit.Accounts, a)
			continue
		}
		client.Accounts = append(client.Accounts, a)
	}
	inv := &schema.Inventory{Servers: map[string]*schema.FoundServer{"client": client, "transit": transit}}
	return inv, &schema.Config{Migration: schema.Migration{Source: "client", Transit: "transit"}}
}

func each(expression string) []schema.Condition {
	return []schema.Condition{{Name: "c", Severity: schema.Warning, Accounts: []string{"*"}, Condition: expression, Message: `"${account.name} on ${account.server}"`}}
}

// TestEachAccountOnce: every account gets one answer, from the server that owns
// it.
func TestEachAccountOnce(t *testing.T) {
	inv, cfg := many(100)
	list, diags := condition.Checks(each("false"), inv, cfg)
	if len(list) != 100 || len(diags) != 0 {
		t.Fatalf("%d findings, %v", len(list), diags)
	}
	for i, f := range list {
		server := "client"
		if i%3 == 0 {
			server = "transit"
		}
		if want := fmt.Sprintf("cust-%05d on %s", i, server); f.Summary != want || f.Account != want[:10] {
			t.Errorf("%q of %q, want %q", f.Summary, f.Account, want)
		}
	}
}

// TestAgreesWithGo: what a condition says of accounts is what Go says of them.
func TestAgreesWithGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inv, cfg := &schema.Inventory{Servers: map[string]*schema.FoundServer{"client": {Name: "client"}}}, &schema.Config{}
		cfg.Migration.Source = "client"
		limit := rapid.Int64().Draw(t, "limit")
		glob := rapid.StringMatching(`[ab*?]{1,4}`).Draw(t, "glob")
		g, err := schema.ParseGlob(glob)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		names := rapid.SliceOfDistinct(rapid.OneOf(rapid.StringMatching(`[ab]{1,3}`), rapid.String()), rapid.ID[string]).Draw(t, "names")
		for _, name := range names {
			a := &schema.FoundAccount{Name: name, Files: schema.Files{Bytes: rapid.Int64().Draw(t, "bytes")}}
			inv.Servers["client"].Accounts = append(inv.Servers["client"].Accounts, a)
			if g.Match(name) && !(a.Files.Bytes < limit || len(a.Domains) > 0) {
				want[name] = true
			}
		}
		c := schema.Condition{Name: "c", Severity: schema.Info, Accounts: []string{glob}, Message: `"x"`,
			Condition: fmt.Sprintf("account.files.bytes < %d || length(account.domains) > 0", limit)}
		list, _ := condition.Checks([]schema.Condition{c}, inv, cfg)
		list = slices.DeleteFunc(list, func(f schema.Finding) bool { return f.Object == glob }) // matches none
		for _, f := range list {
			if !want[f.Account] || f.Severity != schema.Info {
				t.Fatalf("%q: %+v", f.Account, f)
			}
		}
		if len(list) != len(want) {
			t.Fatalf("%d findings, want %v", len(list), want)
		}
	})
}

// TestNothingFound: no servers, no accounts, no plan are no reason to panic.
func TestNothingFound(t *testing.T) {
	cfg := &schema.Config{}
	for _, inv := range []*schema.Inventory{nil, {}, {Servers: map[string]*schema.FoundServer{"": nil}}} {
		if list, diags := condition.Checks(each("false"), inv, cfg); len(list) != 0 || len(diags) != 0 {
			t.Errorf("%v %v", list, diags)
		}
	}
	p := []schema.Condition{{Name: "p", Condition: "plan.downtime.max > 0", Message: `"x"`}}
	for _, nothing := range []any{nil, (*plan.Plan)(nil), []byte(nil), []byte("{"), []byte(`{"downtime":{}}`), 7} {
		list, _ := condition.Policies(p, nothing, nil)
		if len(list) != 1 || list[0].Severity != schema.Blocker {
			t.Errorf("%v: %v", nothing, list)
		}
	}
	if list, diags := condition.Policies(p, []byte(`{"downtime":{"max":5}}`), nil); len(list)+len(diags) != 0 {
		t.Errorf("%v %v", list, diags)
	}
}

// TestBroken: whatever a saved plan holds as a condition, it has not passed.
func TestBroken(t *testing.T) {
	inv, cfg := many(2)
	for name, c := range map[string]schema.Condition{
		"nothing":          {},
		"no condition":     {Message: `"x"`},
		"no message":       {Condition: "true"},
		"syntax":           {Condition: "1 +", Message: `"x"`},
		"two":              {Condition: "true true", Message: `"x"`},
		"deep":             {Condition: strings.Repeat("(", 1<<20), Message: `"x"`},
		"deep enough":      {Condition: strings.Repeat("(", 16000) + "true", Message: `"x"`},
		"glob":             {Accounts: []string{"["}, Condition: "true", Message: `"x"`},
		"values":           {Condition: "true", Message: `"x"`, Values: json.RawMessage(`[]`)},
		"values of others": {Condition: "true", Message: `"x"`, Values: json.RawMessage(`{"env":{}}`)},
		"a value":          {Condition: "true", Message: `"x"`, Values: json.RawMessage(`{"var":{"a":{"type":"nonsense","value":1}}}`)},
		"bytes":            {Condition: "\xff", Message: `"x"`},
		"null":             {Condition: "null", Message: `"x"`},
		"infinite":         {Condition: "duration(1/0) > 0", Message: `"x"`},
		"too long":         {Condition: "duration(1e30) > 0", Message: `"x"`},
	} {
		c.Name, c.Severity = "c", schema.Info
		list, diags := condition.Checks([]schema.Condition{c}, inv, cfg)
		if len(list) != 1 || list[0].Severity != schema.Blocker || !diags.HasErrors() {
			t.Errorf("%s: %v %v", name, list, diags)
		}
		for _, d := range diags {
			if len(d.Detail) > 3000 || strings.Contains(d.Detail, "goroutine") {
				t.Errorf("%s: %s", name, d.Detail)
			}
		}
	}
}

// TestDurations: a duration reads as it was written and equals itself in every
// form.
func TestDurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(-math.MaxInt64/2, math.MaxInt64/2).Draw(t, "nanoseconds")).Round(time.Millisecond)
		e := time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "other"))
		p := &plan.Plan{Downtime: plan.Downtime{Max: d, Total: e}}
		ms, es := d.Milliseconds(), e.Nanoseconds()
		for expression, want := range map[string]bool{
			fmt.Sprintf("plan.downtime.max == %d / 1000", ms):                   true,
			fmt.Sprintf("plan.downtime.max == duration(%d / 1000)", ms):         true,
			fmt.Sprintf("plan.downtime.max == %q", d):                           true,
			fmt.Sprintf("plan.downtime.total == duration(%d / 1000000000)", es): true,
			`duration("${plan.downtime.max}") == plan.downtime.max`:             true,
			"plan.downtime.max < plan.downtime.total":                           d < e,
			"plan.downtime.max >= plan.downtime.total":                          d >= e,
			"plan.downtime.max - plan.downtime.max == 0":                        true,
			"max(plan.downtime.max, plan.downtime.total) == plan.downtime.max":  d >= e,
		} {
			list, diags := condition.Policies([]schema.Condition{{Name: "p", Severity: "info", Condition: expression, Message: `"x"`}}, p, nil)
			if len(diags) > 0 || (len(list) == 0) != want {
				t.Fatalf("%s of %s and %s: %v %v", expression, d, e, list, diags)
			}
		}
	})
}

func TestDurationsReadWell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 390 * time.Second: "6m30s", 5 * time.Minute: "5m", 2 * time.Hour: "2h", 48 * time.Hour: "48h",
		2*time.Hour + 5*time.Minute: "2h5m", 2*time.Hour + time.Second: "2h0m1s", 1500 * time.Millisecond: "1.5s", 1234567 * time.Microsecond: "1.235s",
		7 * time.Microsecond: "7µs", -5 * time.Minute: "-5m", 10 * time.Second: "10s", 20 * time.Minute: "20m",
	} {
		p := &plan.Plan{Downtime: plan.Downtime{Max: d}}
		list, _ := condition.Policies([]schema.Condition{{Name: "p", Condition: "false", Message: `"${plan.downtime.max}"`}}, p, nil)
		if len(list) != 1 || list[0].Summary != want {
			t.Errorf("%s is %v, want %q", d, list, want)
		}
	}
}

// TestPublicForm: what --json prints of a plan or an inventory is what a
// condition sees, by the same names.
func TestPublicForm(t *testing.T) {
	inv, _ := many(3)
	b, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(fmt.Sprintf("%s[%q]", at, k), e)
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s[%d]", at, i), e)
			}
		case nil:
		default:
			text, _ := json.Marshal(v)
			paths = append(paths, fmt.Sprintf("jsonencode(%s) == jsonencode(%s)", at, text))
		}
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	walk("inventory", v)
	if len(paths) < 50 {
		t.Fatalf("only %d values", len(paths))
	}
	for _, p := range paths {
		list, diags := condition.Checks([]schema.Condition{{Name: "c", Condition: p, Message: `"x"`}}, inv, nil)
		if len(list)+len(diags) != 0 {
			t.Errorf("%s: %v %v", p, list, diags)
		}
	}
}

func TestDated(t *testing.T) {
	for expression, want := range map[string]bool{
		"plan.downtime.max < 5":                       false,
		"plan.dates.ends == null":                     true,
		`plan["dates"] == null`:                       true,
		"length([for d in plan.dates.deadlines : 1])": true,
		"jsonencode(plan) != inventory":               true,
		"inventory.at == null && plan.blocked":        false,
		"syntax (":                                    false,
	} {
		if got := condition.Dated(schema.Condition{Condition: expression, Message: `"x"`}); got != want {
			t.Errorf("%s: %v", expression, got)
		}
	}
	if !condition.Dated(schema.Condition{Condition: "true", Message: `"${plan.dates.ends}"`}) {
		t.Error("a message with a date is not dated")
	}
}

func TestValidate(t *testing.T) {
	cfg := &schema.Config{
		Checks:   each("account.quota > 0 && server.free_byte > 0"),
		Policies: []schema.Condition{{Name: "p", Condition: "plan.downtime.mox > 0", Message: `"x"`}, {Name: "q", Condition: "plan.downtime.max > 0", Message: `"${plan.downtime.of}"`}},
	}
	diags := condition.Validate(cfg, (*plan.Plan)(nil))
	if len(diags) != 2 || !strings.Contains(diags[0].Detail, `"free_bytes"`) || !strings.Contains(diags[1].Detail, `"max"`) {
		t.Errorf("%+v", diags)
	}
}

// FuzzExpression: no expression and no name panics, passes silently when it is
// wrong, or puts something unprintable into a finding.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{
		"true", "false", "account.quota > 0", "account.quotas", `try(account.x, inventory.y[0])`, "[for a in inventory.servers : a.name]...",
		"{for k, v in server.can : k => v...}", "account.databases[*].bytes", "account.databases.*.bytes == 1", `"${account.name}" == "%{if true}x%{endif}"`,
		"<<E\nx\nE", "1/0", "-account.name", "!account", "inventory == inventory", "sum([])", "max()", "timeadd(inventory.at, duration(1))", `regex("(", account.name)`,
		"duration(duration(1)) + 1", "account < server", "null == account.owner", "jsonencode(inventory)", "inventory.servers[account.server].name", "one(account.domains).name == 1",
	} {
		f.Add(s, `"${account.name} ${server.free_bytes}"`, "blog")
		f.Add("false", s, "\xff${x}\n\x1b")
	}
	f.Fuzz(func(t *testing.T, expression, message, name string) {
		if costly(expression) || costly(message) {
			return
		}
		inv, cfg := many(2)
		inv.Servers["client"].Accounts[0].Name = name
		c := each(expression)
		c[0].Message = message
		list, diags := condition.Checks(c, inv, cfg)
		for _, x := range list {
			if x.Summary == "" || strings.ContainsAny(x.Summary, "\n\x1b") || !utf8.ValidString(x.Summary) || len(x.Summary) > 2100 {
				t.Errorf("not fit to print: %q", x.Summary)
			}
		}
		if diags.HasErrors() && len(list) == 0 {
			t.Errorf("wrong, and nothing found: %v", diags)
		}
		again, _ := condition.Checks(c, inv, cfg)
		if fmt.Sprint(list) != fmt.Sprint(again) {
			t.Errorf("found %v, then %v", list, again)
		}
	})
}

// costly expressions ask for much memory by their own wish: a width or an
// exponent of many digits.
func costly(s string) bool {
	digits := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			digits++
		} else {
			digits = 0
		}
		if digits > 3 {
			return true
		}
	}
	return strings.Count(s, "for") > 2 || strings.Contains(s, "pow") || strings.Contains(s, "indent") || strings.Contains(s, "format")
}

// BenchmarkChecks: accounts double, time doubles.
func BenchmarkChecks(b *testing.B) {
	list := append(each(`account.quota == 0 || account.quota > account.files.bytes`), each(`alltrue([for d in account.databases : d.mode == "wal"])`)...)
	list = append(list, each(`server.free_bytes >= 0 && inventory.at == null`)...)
	list = append(list, schema.Condition{Name: "once", Condition: `length([for a in inventory.servers.client.accounts : a if a.uid == 0]) > 0`, Message: `"x"`})
	for _, n := range []int{1000, 10000, 20000} {
		inv, cfg := many(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				condition.Checks(list, inv, cfg)
			}
		})
	}
}

func BenchmarkPolicies(b *testing.B) {
	p := &plan.Plan{Config: &schema.Config{}}
	for i := range 10000 {
		p.Accounts = append(p.Accounts, plan.AccountPlan{Name: fmt.Sprint(i), Downtime: time.Duration(i)})
		for j := range 25 {
			p.Steps = append(p.Steps, plan.Step{ID: plan.ID(fmt.Sprintf("migrate.x%d[%d]", j, i)), Phase: "migrate", Account: fmt.Sprint(i)})
		}
	}
	list := []schema.Condition{{Name: "p", Condition: `plan.downtime.max <= duration("5m") && length([for a in plan.accounts : a if a.downtime > 300]) == 0`, Message: `"x"`}}
	b.ReportAllocs()
	for b.Loop() {
		if list, _ := condition.Policies(list, p, nil); len(list) != 0 {
			b.Fatal(list)
		}
	}
}

package condition

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stopover/stopover/schema"
)

// maxSource is the longest expression in bytes. The parser goes as deep as
// parentheses do; a saved plan is a file that somebody may have written.
const maxSource = 16 << 10

// rule is a condition that was parsed.
type rule struct {
	schema.Condition
	kind      string // check | policy
	condition hclsyntax.Expression
	message   hclsyntax.Expression
	globs     []schema.Glob
	fixed     map[string]cty.Value // var and local
	functions map[string]function.Function
	needs     needs
}

// fault is why something cannot be evaluated, for the author.
type fault struct {
	summary string
	detail  string
	line    string // of the expression, as it was written; its place in the file is not known, only that of the block
}

func (f *fault) Error() string { return f.detail }

// prepare parses a condition and what belongs to it.
func prepare(c schema.Condition, kind string, functions map[string]function.Function) (*rule, *fault) {
	r := &rule{Condition: c, kind: kind, functions: functions}
	for _, g := range c.Accounts {
		glob, err := schema.ParseGlob(g)
		if err != nil {
			return nil, r.fault("Wrong pattern", err.Error())
		}
		r.globs = append(r.globs, glob)
	}
	var err *fault
	if r.condition, err = r.parse(c.Condition, "condition"); err != nil {
		return nil, err
	}
	if r.message, err = r.parse(c.Message, "message"); err != nil {
		return nil, err
	}
	r.needs = needs{}
	r.needs.add(r)
	if r.fixed, err = r.values(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *rule) parse(src, what string) (e hclsyntax.Expression, f *fault) {
	defer func() {
		if p := recover(); p != nil {
			e, f = nil, r.fault("Wrong "+what, fmt.Sprintf("The %s cannot be read: %v.", what, p))
		}
	}()
	if strings.TrimSpace(src) == "" {
		return nil, r.fault("Empty "+what, fmt.Sprintf("There is no %s.", what))
	}
	if len(src) > maxSource {
		return nil, r.fault("Wrong "+what, fmt.Sprintf("The %s has %d bytes, and at most %d are read.", what, len(src), maxSource))
	}
	// The newline ends a heredoc; elsewhere it is nothing.
	e, diags := hclsyntax.ParseExpression([]byte(src+"\n"), what, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, r.explain(diags, src)
	}
	withDurations(e)
	return e, nil
}

// values reads the variables and local values that go with a condition.
func (r *rule) values() (map[string]cty.Value, *fault) {
	out := map[string]cty.Value{}
	if len(r.Values) == 0 {
		return out, nil
	}
	var raw map[string]map[string]json.RawMessage
	if err := json.Unmarshal(r.Values, &raw); err != nil {
		return nil, r.fault("Wrong values", "The values that were stored with it cannot be read: "+err.Error()+".")
	}
	for root, list := range raw {
		if root != "var" && root != "local" {
			return nil, r.fault("Wrong values", fmt.Sprintf("The values that were stored with it are no %q.", root))
		}
		attrs := map[string]cty.Value{}
		for name, b := range list {
			x, err := ctyjson.Unmarshal(b, cty.DynamicPseudoType)
			if err != nil {
				return nil, r.fault("Wrong values", fmt.Sprintf("The value of %s.%s that was stored with it cannot be read: %v.", root, name, err))
			}
			attrs[name] = x
		}
		out[root] = cty.ObjectVal(attrs)
	}
	return out, nil
}

// needs are the attributes that expressions look at, by the name that they
// begin with: of account.quota, quota of account. Nil: all of them.
type needs map[string]map[string]bool

// add notes what a rule refers to.
func (n needs) add(r *rule) {
	for _, e := range []hclsyntax.Expression{r.condition, r.message} {
		for _, t := range e.Variables() {
			root := t.RootName()
			have, known := n[root]
			switch name, ok := attribute(t); {
			case known && have == nil:
			case !ok:
				n[root] = nil
			case known:
				have[name] = true
			default:
				n[root] = map[string]bool{name: true}
			}
		}
	}
}

// keeps says which attributes of a name are looked at.
func (n needs) keeps(root string) func(string) bool {
	have, known := n[root]
	return func(name string) bool { return known && have == nil || have[name] }
}

// attribute is the first step of a reference, if that is one to an attribute.
func attribute(t hcl.Traversal) (string, bool) {
	if len(t) < 2 {
		return "", false
	}
	switch s := t[1].(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

// scope is what an expression can refer to.
func (r *rule) scope(with map[string]cty.Value) *hcl.EvalContext {
	all := make(map[string]cty.Value, len(with)+len(r.fixed))
	for k, v := range r.fixed {
		all[k] = v
	}
	for k, v := range with {
		all[k] = v
	}
	return &hcl.EvalContext{Variables: all, Functions: r.functions}
}

// evaluate returns an expression's value in a type. Whatever a function or a
// value does, it is an answer.
func (r *rule) evaluate(e hclsyntax.Expression, ctx *hcl.EvalContext, want cty.Type) (v cty.Value, f *fault) {
	src, what := r.Condition.Condition, "condition"
	if e == r.message {
		src, what = r.Message, "message"
	}
	defer func() {
		if p := recover(); p != nil {
			v, f = cty.NilVal, r.fault("Wrong "+what, fmt.Sprintf("The %s cannot be evaluated: %v.", what, p))
		}
	}()
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		return cty.NilVal, r.explain(diags, src)
	}
	v, marks := v.UnmarkDeep()
	if len(marks) > 0 && e == r.message {
		return cty.NilVal, r.fault("Secret in an open place", "The message holds a sensitive value, and findings are printed and saved.")
	}
	if v.IsKnown() && v.IsNull() {
		return cty.NilVal, r.fault("No value", fmt.Sprintf("The %s is null.", what))
	}
	out, err := convert.Convert(v, want)
	if err != nil {
		needs := "true or false"
		if want == cty.String {
			needs = "a text"
		}
		return cty.NilVal, r.fault("Wrong type of value", fmt.Sprintf("The %s must be %s, but this is %s.", what, needs, described(v.Type())))
	}
	return out, nil
}

func (r *rule) fault(summary, detail string) *fault {
	return &fault{summary: summary, detail: oneLine(detail)}
}

// explain takes the first complaint: others mostly follow from it.
func (r *rule) explain(diags hcl.Diagnostics, src string) *fault {
	d := diags[slices.IndexFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagError })]
	detail := strings.TrimPrefix(d.Detail, "Error during operation: ")
	detail, _, _ = strings.Cut(detail, "\ngoroutine ") // a function's panic comes with its stack
	f := r.fault(d.Summary, detail)
	if f.detail == "" {
		f.detail = oneLine(d.Summary)
	}
	switch e := d.Expression.(type) { // HCL proposes any of the nearest names, each time another one
	case *hclsyntax.FunctionCallExpr:
		if d.Summary == "Call to unknown function" {
			f.detail = fmt.Sprintf("There is no function %q.", e.Name) + near(e.Name, slices.Sorted(maps.Keys(r.functions)))
		}
	case *hclsyntax.ScopeTraversalExpr:
		if d.Summary == "Unknown variable" {
			f.detail = fmt.Sprintf("There is nothing called %q here.", e.Traversal.RootName())
		}
	}
	f.detail += suggestion(d)
	if d.Subject != nil {
		f.line = lineAt(src, d.Subject.Start.Line)
	}
	return f
}

func lineAt(src string, n int) string {
	lines := strings.Split(src, "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return shortened(oneLine(strings.TrimSpace(lines[n-1])), 240)
}

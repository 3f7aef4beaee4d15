package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stopover/stopover/schema"
)

// Validate looks at a configuration's conditions without any data: syntax,
// names, attributes and types. Of plan only the Go type is looked at; it may be
// a nil pointer. What depends on data, such as an index out of range, shows when
// a condition is evaluated.
func Validate(cfg *schema.Config, plan any) schema.Diagnostics {
	w := newWorld(nil)
	var out results
	for _, c := range cfg.Checks {
		if len(c.Command) > 0 {
			continue // nothing is known of a program before it runs
		}
		out.prepare(c, "check", w.checkTypes(len(c.Accounts) > 0))
	}
	for _, c := range cfg.Policies {
		out.prepare(c, "policy", w.policyTypes(plan))
	}
	return out.diags
}

// Dated says whether a condition looks at a plan's dates. What it finds depends
// on the day on which the plan was computed, and belongs to its dates.
func Dated(c schema.Condition) bool {
	r, f := prepare(c, "policy", nil)
	if f != nil {
		return false
	}
	dates, whole := r.needs["plan"]
	return whole && (dates == nil || dates["dates"])
}

// look evaluates a rule over values that are not known. A mistake in it is one
// whatever the servers hold. A second time lists have an element, so that
// bodies of for expressions are looked at; only what is said of a misspelt
// attribute counts there.
func (r *rule) look(types map[string]cty.Type) *fault {
	known := slices.Sorted(maps.Keys(types))
	for _, name := range slices.Sorted(maps.Keys(r.needs)) {
		if _, ok := types[name]; !ok && name != "var" && name != "local" {
			return r.fault("Unknown name", fmt.Sprintf("There is nothing called %q in this %s. It can refer to %s, var and local.", name, r.kind, strings.Join(known, ", "))+r.about(name))
		}
	}
	for _, filled := range []bool{false, true} {
		with := map[string]cty.Value{}
		for name, t := range types {
			with[name] = sample(t, filled)
		}
		ctx := r.scope(with)
		for _, x := range []struct {
			e    hclsyntax.Expression
			want cty.Type
		}{{r.condition, cty.Bool}, {r.message, cty.String}} {
			_, f := r.evaluate(x.e, ctx, x.want)
			if f != nil && (!filled || f.summary == "Unsupported attribute") {
				return f
			}
			if f := r.lookAside(x.e, ctx, types); f != nil {
				return f
			}
		}
	}
	return nil
}

// lookAside looks at what evaluation leaves out, as the right side of && where
// the left one is not known.
func (r *rule) lookAside(e hclsyntax.Expression, ctx *hcl.EvalContext, types map[string]cty.Type) *fault {
	w := &walker{inner: map[string]int{}, see: func(t *hclsyntax.ScopeTraversalExpr) *fault {
		if _, ok := types[t.Traversal.RootName()]; !ok {
			return nil
		}
		_, diags := t.Value(ctx)
		if diags.HasErrors() && diags[0].Summary == "Unsupported attribute" {
			src := r.Condition.Condition
			if e == r.message {
				src = r.Message
			}
			return r.explain(diags, src)
		}
		return nil
	}}
	_ = hclsyntax.Walk(e, w)
	return w.first
}

// walker goes to every reference that is neither a variable of a for expression
// nor inside of try() or can(), whose business is what is not there.
type walker struct {
	inner map[string]int // names of for expressions around here
	tries int
	see   func(*hclsyntax.ScopeTraversalExpr) *fault
	first *fault
}

func (w *walker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		for name := range n.LocalNames {
			w.inner[name]++
		}
	case *hclsyntax.FunctionCallExpr:
		if n.Name == "try" || n.Name == "can" {
			w.tries++
		}
	case *hclsyntax.ScopeTraversalExpr:
		if w.tries == 0 && w.inner[n.Traversal.RootName()] == 0 && w.first == nil {
			w.first = w.see(n)
		}
	}
	return nil
}

func (w *walker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		for name := range n.LocalNames {
			w.inner[name]--
		}
	case *hclsyntax.FunctionCallExpr:
		if n.Name == "try" || n.Name == "can" {
			w.tries--
		}
	}
	return nil
}

// about adds what is mostly behind a name that is not there.
func (r *rule) about(name string) string {
	if r.kind == "check" && (name == "account" || name == "server") {
		return fmt.Sprintf(" With accounts = [\"*\"] the check looks at each account, and %s is there.", name)
	}
	if name == "plan" {
		return " What looks at the plan is a policy."
	}
	return ""
}

package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// suggestion is a sentence about an attribute that does not exist: the one that
// was probably meant, or all there are. HCL makes none for attributes.
func suggestion(d *hcl.Diagnostic) string {
	if d.EvalContext == nil {
		return ""
	}
	v, steps := cty.DynamicVal, hcl.Traversal(nil)
	switch e := d.Expression.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		v, steps = lookUp(d.EvalContext, e.Traversal.RootName()), e.Traversal[1:]
	case *hclsyntax.RelativeTraversalExpr:
		v, _ = e.Source.Value(d.EvalContext)
		steps = e.Traversal
	}
	for _, s := range steps {
		if a, ok := s.(hcl.TraverseAttr); ok && v.Type().IsObjectType() && !v.Type().HasAttribute(a.Name) {
			return meant(a.Name, v.Type())
		}
		next, diags := s.TraversalStep(v)
		if diags.HasErrors() {
			return ""
		}
		v = next
	}
	return ""
}

func lookUp(ctx *hcl.EvalContext, name string) cty.Value {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[name]; ok {
			return v
		}
	}
	return cty.DynamicVal
}

// meant names the attribute that was probably meant, or else all there are.
func meant(given string, t cty.Type) string {
	const many = 30
	names := slices.Sorted(maps.Keys(t.AttributeTypes()))
	if s := near(given, names); s != "" || len(names) == 0 || len(names) > many {
		return s
	}
	return " It has " + strings.Join(names, ", ") + "."
}

// near is the name that is fewest edits away, if these are few; of several the
// first one.
func near(given string, names []string) string {
	const tooLong = 100
	if len(given) > tooLong {
		return ""
	}
	best, found := min(len(given)/3+1, 3), ""
	for _, name := range names {
		if len(name) > tooLong {
			continue
		}
		if n := levenshtein.Distance(given, name, nil); n < best || n == best && found == "" {
			best, found = n, name
		}
	}
	if found == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", found)
}

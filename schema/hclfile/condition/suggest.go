package condition

import (
	"fmt"
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

// meant names the attribute that is fewest edits away, if these are few.
func meant(given string, t cty.Type) string {
	const tooLong, many = 100, 30
	names := make([]string, 0, len(t.AttributeTypes()))
	for name := range t.AttributeTypes() {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(given) <= tooLong {
		best, found := min(len(given)/3+1, 3), ""
		for _, name := range names {
			if len(name) > tooLong {
				continue
			}
			if n := levenshtein.Distance(given, name, nil); n < best || n == best && found == "" {
				best, found = n, name
			}
		}
		if found != "" {
			return fmt.Sprintf("Did you mean %q?", found)
		}
	}
	if len(names) == 0 || len(names) > many {
		return ""
	}
	return "It has " + strings.Join(names, ", ") + "."
}

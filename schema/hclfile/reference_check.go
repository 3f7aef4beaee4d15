package hclfile

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// refers checks that everything an expression refers to is there, before it is
// evaluated: try() and can() would not mind what is misspelt.
func (d *decoder) refers(n *node, name string, expr hcl.Expression, ctx *hcl.EvalContext) bool {
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return true
		}
	}
	for _, t := range expr.Variables() {
		if !d.exists(n, name, t, ctx) {
			return false
		}
	}
	return true
}

// exists checks one reference as far as its name goes.
func (d *decoder) exists(n *node, name string, t hcl.Traversal, ctx *hcl.EvalContext) bool {
	root, at := t.RootName(), t.SourceRange()
	if root == "var" || root == "local" {
		return d.declared(n, t, d.names(root))
	}
	roots := scope(ctx)
	if slices.Contains(roots, root) {
		return true
	}
	if to, ok := step(t, 1); ok && len(t) == 2 && slices.Contains(blockNames(d.lang), root) {
		d.wrong(at, n, "Reference where text is needed",
			"%q takes no reference. Write the name in quotes: %q.", name, to)
		return false
	}
	if near := nearest(root, roots); near != "" && len(t) > 1 {
		d.wrong(at, n, "Unknown name", "There is nothing called %q here. Did you mean %q?", root, near)
		return false
	}
	d.wrong(at, n, "Unknown name",
		"There is nothing called %q here. Where text is meant, write it in quotes.", root)
	return false
}

// scope lists what an expression can refer to.
func scope(ctx *hcl.EvalContext) []string {
	var out []string
	for ; ctx != nil; ctx = ctx.Parent() {
		out = append(out, slices.Collect(maps.Keys(ctx.Variables))...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// names of the variables or of the local values.
func (d *decoder) names(root string) []string {
	if root == "var" {
		return slices.Sorted(maps.Keys(d.vars))
	}
	return slices.Sorted(maps.Keys(d.locals))
}

// declared checks var.NAME and local.NAME.
func (d *decoder) declared(n *node, t hcl.Traversal, names []string) bool {
	root, at := t.RootName(), t.SourceRange()
	word, how := "variable", "variable %q { }"
	if root == "local" {
		word, how = "local value", "locals { %s = … }"
	}
	to, ok := step(t, 1)
	if !ok {
		d.wrong(at, n, "Incomplete reference", "%q must be followed by the name of a %s: %s.NAME. Where text is meant, write it in quotes.", root, word, root)
		return false
	}
	if slices.Contains(names, to) {
		return true
	}
	other := d.names("var")
	if root == "var" {
		other = d.names("local")
	}
	hint := known(to, names, fmt.Sprintf("Declare it: "+how, to))
	if slices.Contains(other, to) {
		hint = fmt.Sprintf("There is %s.%s.", map[string]string{"var": "local", "local": "var"}[root], to)
	}
	d.wrong(at, n, "Unknown "+word, "There is no %s %q. %s", word, to, hint)
	return false
}

// noFunction reports a call of a function that is not there.
func (d *decoder) noFunction(n *node, x hcl.Diagnostic, ctx *hcl.EvalContext) {
	_, name, _ := strings.Cut(x.Detail, `"`)
	name, _, _ = strings.Cut(name, `"`)
	var names []string
	for ; ctx != nil; ctx = ctx.Parent() {
		names = append(names, slices.Collect(maps.Keys(ctx.Functions))...)
	}
	slices.Sort(names)
	at := hcl.Range{}
	if x.Subject != nil {
		at = *x.Subject
	}
	d.wrong(at, n, "Unknown function", "There is no function %q. %s", name, known(name, names, "The reference of the language lists all."))
}

// noAttribute reports an attribute that an object does not have, with the one
// that was probably meant.
func (d *decoder) noAttribute(n *node, expr hcl.Expression, ctx *hcl.EvalContext) bool {
	for _, t := range expr.Variables() {
		for i := 2; i < len(t); i++ {
			to, ok := step(t, i)
			if !ok {
				break
			}
			v, diags := t[:i].TraverseAbs(ctx)
			if diags.HasErrors() {
				break
			}
			have := v.Type()
			if !have.IsObjectType() {
				break
			}
			if have.HasAttribute(to) {
				continue
			}
			names := slices.Sorted(maps.Keys(have.AttributeTypes()))
			all := "It has no attributes."
			if len(names) > 0 {
				all = "It has " + quoted(names, "and") + "."
			}
			d.wrong(t.SourceRange(), n, "Unknown attribute", "%s has no attribute %q. %s", spelt(t[:i]), to, known(to, names, all))
			return true
		}
	}
	return false
}

// spelt writes a reference as its author did.
func spelt(t hcl.Traversal) string {
	var b strings.Builder
	b.WriteString(t.RootName())
	for i := 1; i < len(t); i++ {
		switch s := t[i].(type) {
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			if name, ok := step(t, i); ok {
				fmt.Fprintf(&b, "[%q]", name)
			} else {
				b.WriteString("[…]")
			}
		}
	}
	return b.String()
}

// target is a block that others refer to by name: server.NAME, window.NAME.
type target struct{ kind, name string }

var targetType = cty.Capsule("reference", reflect.TypeFor[target]())

// referable is a kind of block that can be referred to, and the names there are.
type referable struct {
	kind  string
	names []string
}

func (r referable) unknown(name string) string {
	if len(r.names) == 0 {
		return fmt.Sprintf("Declare it: %s %q { … }", r.kind, name)
	}
	return known(name, r.names, fmt.Sprintf("The %ss are %s.", r.kind, quoted(r.names, "and")))
}

// server reads a reference to a declared server; "" if it is missing or wrong.
func (d *decoder) server(n *node, name string) string {
	return d.reference(n, name, referable{"server", d.servers})
}

func (d *decoder) reference(n *node, name string, to referable) string {
	attr := n.attrs[name]
	if attr == nil {
		return ""
	}
	out, ok := d.refersTo(n, name, attr.Expr, to)
	if ok && out == "" && n.spec.Attr(name).Required {
		d.missing(n, *n.spec.Attr(name))
	}
	return out
}

// refersTo reads one reference: written out, or computed such as
// window[account.value]. It is "" and true for null.
func (d *decoder) refersTo(n *node, name string, expr hcl.Expression, to referable) (string, bool) {
	t, diags := hcl.AbsTraversalForExpr(expr)
	if !diags.HasErrors() && t.RootName() == to.kind {
		word, ok := step(t, 1)
		if !ok || len(t) != 2 {
			d.notReference(n, name, expr, to, "")
			return "", false
		}
		if slices.Contains(to.names, word) {
			return word, true
		}
		d.noTarget(expr.Range(), n, word, to)
		return "", false
	}
	uses := slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool { return t.RootName() == to.kind })
	if v, diags := expr.Value(d.context(n)); !uses && !diags.HasErrors() {
		if v, _ = v.Unmark(); v.IsKnown() && v.IsNull() {
			return "", true
		}
		given := ""
		if v.IsKnown() && v.Type() == cty.String && slices.Contains(to.names, v.AsString()) {
			given = v.AsString()
		}
		d.notReference(n, name, expr, to, given)
		return "", false
	}
	if !uses {
		d.notReference(n, name, expr, to, "")
		return "", false
	}
	return d.computed(n, name, expr, to)
}

// noTarget reports a reference to a block that is not there, unless that block
// is one whose own mistake was reported.
func (d *decoder) noTarget(at hcl.Range, n *node, word string, to referable) {
	if d.root != nil && (d.root.meant[to.kind] || d.root.unread) && d.failed {
		return
	}
	d.wrong(at, n, "Unknown "+to.kind, "There is no %s %q. %s", to.kind, word, to.unknown(word))
}

func (d *decoder) notReference(n *node, name string, expr hcl.Expression, to referable, given string) {
	hint := ""
	if given != "" {
		hint = fmt.Sprintf(" Write %s.%s without quotes.", to.kind, given)
		if isJSON(expr.Range().Filename) {
			hint = fmt.Sprintf(" Write \"%s.%s\".", to.kind, given)
		}
	}
	d.wrong(expr.Range(), n, "Not a reference to a "+to.kind, "%q refers to a %s.%s For example: %s", name, to.kind, hint, n.spec.Attr(name).Example)
}

// computed evaluates a reference among what there is to refer to.
func (d *decoder) computed(n *node, name string, expr hcl.Expression, to referable) (string, bool) {
	all := map[string]cty.Value{}
	for _, word := range to.names {
		all[word] = cty.CapsuleVal(targetType, &target{to.kind, word})
	}
	ctx := d.context(n).NewChild()
	ctx.Variables = map[string]cty.Value{to.kind: cty.ObjectVal(all)}
	for _, t := range expr.Variables() {
		if word, ok := step(t, 1); ok && t.RootName() == to.kind && !slices.Contains(to.names, word) {
			d.noTarget(expr.Range(), n, word, to)
			return "", false
		}
	}
	if _, diags := expr.Value(ctx); diags.HasErrors() && diags[0].Summary == "Invalid index" && touches(expr, ctx) == nil {
		d.wrong(expr.Range(), n, "Unknown "+to.kind, "What is computed here is not the name of a %s. %s", to.kind, to.unknown("…"))
		return "", false
	}
	v, ok := d.evaluate(n, name, expr, ctx)
	if !ok || !d.open(n, expr.Range(), name, v) {
		return "", false
	}
	if v.IsNull() {
		return "", true
	}
	if v.Type() != targetType {
		d.notReference(n, name, expr, to, "")
		return "", false
	}
	return v.EncapsulatedValue().(*target).name, true
}

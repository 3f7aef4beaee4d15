package hclfile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// value evaluates an attribute. It is false if the attribute is not there, is
// null, or is wrong, which is reported then. A secret is wrong: whoever takes
// one evaluates it with secretValue.
func (d *decoder) value(n *node, name string) (cty.Value, bool) {
	if n.spec.Attr(name) == nil {
		panic(fmt.Sprintf("hclfile: block %q declares no attribute %q", n.spec.Name, name))
	}
	attr := n.attrs[name]
	if attr == nil {
		return cty.NilVal, false
	}
	v, ok := d.expression(n, attr)
	if !ok || !d.open(n, attr.Expr.Range(), name, v) {
		return cty.NilVal, false
	}
	if v.IsNull() {
		if a := n.spec.Attr(name); a.Required {
			d.missing(n, *a)
		}
		return cty.NilVal, false
	}
	return v, true
}

// expression evaluates what stands behind an attribute's name.
func (d *decoder) expression(n *node, attr *hcl.Attribute) (cty.Value, bool) {
	return d.evaluate(n, attr.Name, attr.Expr, d.context(n))
}

// evaluate computes an expression. It is false if that cannot be done, which is
// reported once: here, or where the value that it refers to is wrong.
func (d *decoder) evaluate(n *node, name string, expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	if !d.refers(n, name, expr, ctx) {
		return cty.NilVal, false
	}
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		d.failure(n, expr, ctx, diags)
		return cty.NilVal, false
	}
	if tooLarge(v) {
		d.wrong(expr.Range(), n, "Number out of range", "This is larger, or closer to zero, than any number that is needed.")
		return cty.NilVal, false
	}
	if !v.IsWhollyKnown() {
		if !d.failed {
			d.wrong(expr.Range(), n, "Unknown value", "The value of %q cannot be computed.", name)
		}
		return cty.NilVal, false
	}
	return v, true
}

// tooLarge finds numbers like 1e300000000, which take minutes to write or to
// compare. In a large list of objects only columns that can hold one are looked
// at.
func tooLarge(v cty.Value) bool {
	if !holdsNumbers(v.Type()) {
		return false
	}
	v, _ = v.UnmarkDeep()
	found := false
	err := cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.Number && v.IsKnown() && !v.IsNull() {
			exp := v.AsBigFloat().MantExp(nil)
			found = found || exp > maxExponent || exp < -maxExponent
		}
		return !found && holdsNumbers(v.Type()), nil
	})
	if err != nil {
		panic(err) // the callback gives none
	}
	return found
}

// maxExponent is of two; ten thousand times it would still be quick.
const maxExponent = 40000

func holdsNumbers(t cty.Type) bool {
	switch {
	case t == cty.Number || t == cty.DynamicPseudoType:
		return true
	case t.IsCollectionType():
		return holdsNumbers(t.ElementType())
	case t.IsTupleType():
		return slices.ContainsFunc(t.TupleElementTypes(), holdsNumbers)
	case t.IsObjectType():
		for _, a := range t.AttributeTypes() {
			if holdsNumbers(a) {
				return true
			}
		}
	}
	return false
}

// failure reports the first mistake in an expression; others mostly follow from
// it. It repeats nothing of an expression that refers to a sensitive value.
func (d *decoder) failure(n *node, expr hcl.Expression, ctx *hcl.EvalContext, diags hcl.Diagnostics) {
	first := *diags[0]
	switch first.Summary { // says nothing of values
	case "Call to unknown function":
		d.noFunction(n, first, ctx)
		return
	case "Not enough function arguments", "Too many function arguments":
		d.report(hcl.Diagnostics{&first}, n)
		return
	}
	if s := touches(expr, ctx); s != nil {
		at := expr.Range()
		if first.Subject != nil {
			at = *first.Subject
		}
		d.hidden(at, n, first.Summary, "This cannot be computed. It refers to %s, so what is wrong with it is not shown: it might hold the value.", s.of())
		return
	}
	if first.Summary == "Unsupported attribute" && d.noAttribute(n, expr, ctx) {
		return
	}
	d.report(hcl.Diagnostics{&first}, n)
}

// context is what expressions of a block can refer to: more, in a block that a
// dynamic block made.
func (d *decoder) context(n *node) *hcl.EvalContext {
	for ; n != nil; n = n.parent {
		if n.eval != nil {
			return n.eval
		}
	}
	return d.eval
}

// step returns the name that a traversal goes to at an index: .name or ["name"].
func step(t hcl.Traversal, i int) (string, bool) {
	if i >= len(t) {
		return "", false
	}
	switch s := t[i].(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

// at is where an attribute's value stands.
func (n *node) at(name string) hcl.Range {
	if a := n.attrs[name]; a != nil {
		return a.Expr.Range()
	}
	return n.defRange
}

// mistyped reports a value of another type than the table's.
func (d *decoder) mistyped(n *node, name string, v cty.Value) {
	a := n.spec.Attr(name)
	hint := ""
	switch {
	case a.Type == TypeString && v.Type() == cty.Number, a.Type == TypeDuration && v.Type() == cty.Number:
		hint = " Write it in quotes."
	case a.Type == TypeStrings && v.Type() == cty.String:
		hint = " Write it in brackets, even if it is one."
	}
	d.wrong(n.at(name), n, "Wrong type of value", "%q takes %s, but this is %s.%s For example: %s",
		name, a.Type.one(), described(v), hint, a.Example)
}

// described names a value's type for people.
func described(v cty.Value) string {
	switch t := v.Type(); {
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool && v.True():
		return "true"
	case t == cty.Bool:
		return "false"
	case t.IsTupleType(), t.IsListType(), t.IsSetType():
		return "a list"
	case t.IsObjectType(), t.IsMapType():
		return "an object"
	}
	return "something else"
}

// text reads a string; "" if there is none. Strings that a table enumerates are
// checked against it.
func (d *decoder) text(n *node, name string) string {
	s, _ := d.given(n, name)
	return s
}

// given is text that also says whether there was a good one.
func (d *decoder) given(n *node, name string) (string, bool) {
	v, ok := d.value(n, name)
	if !ok {
		return "", false
	}
	if v.Type() != cty.String {
		d.mistyped(n, name, v)
		return "", false
	}
	s := v.AsString()
	return s, d.allowed(n, name, s)
}

// words reads a string that must hold more than spaces if it is there.
func (d *decoder) words(n *node, name string) string {
	s, ok := d.given(n, name)
	if ok && strings.TrimSpace(s) == "" {
		d.wrong(n.at(name), n, "Empty "+name, "%q is empty. %s For example: %s", name, n.spec.Attr(name).Doc, n.spec.Attr(name).Example)
		return ""
	}
	return s
}

func (d *decoder) allowed(n *node, name, s string) bool {
	a := n.spec.Attr(name)
	if len(a.Values) == 0 || slices.Contains(a.Values, s) {
		return true
	}
	d.wrong(n.at(name), n, "Unknown value", "%q is none of the values of %q. %s",
		s, name, known(s, a.Values, "It can be "+quoted(a.Values, "or")+"."))
	return false
}

// texts reads a list of strings; nil if there is none. Each string is there
// once and is not empty.
func (d *decoder) texts(n *node, name string) []string {
	v, ok := d.value(n, name)
	if !ok {
		return nil
	}
	out, ok := d.stringList(n, name, v)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for _, s := range out {
		switch {
		case s == "":
			d.wrong(n.at(name), n, "Empty string in a list", "%q holds an empty string. Take it out.", name)
			return nil
		case seen[s]:
			d.wrong(n.at(name), n, "Named twice", "%q holds %q twice. Take one out.", name, s)
			return nil
		case !d.allowed(n, name, s):
			return nil
		}
		seen[s] = true
	}
	return out
}

func (d *decoder) stringList(n *node, name string, v cty.Value) ([]string, bool) {
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		d.mistyped(n, name, v)
		return nil, false
	}
	var out []string
	for _, e := range v.Elements() {
		if e.IsNull() || e.Type() != cty.String {
			what := "null"
			if !e.IsNull() {
				what = described(e)
			}
			d.wrong(n.at(name), n, "Wrong type of value", "%q takes %s, but one of its elements is %s. Write each in quotes. For example: %s",
				name, n.spec.Attr(name).Type.one(), what, n.spec.Attr(name).Example)
			return nil, false
		}
		out = append(out, e.AsString())
	}
	return out, true
}

// number reads a whole number between two bounds; false if there is none.
func (d *decoder) number(n *node, name string, low, high int) (int, bool) {
	v, ok := d.value(n, name)
	if !ok {
		return 0, false
	}
	if v.Type() != cty.Number {
		d.mistyped(n, name, v)
		return 0, false
	}
	f := v.AsBigFloat()
	i, _ := f.Int64()
	if !f.IsInt() || i < int64(low) || i > int64(high) {
		d.wrong(n.at(name), n, "Number out of range", "%q takes a whole number from %d to %d.", name, low, high)
		return 0, false
	}
	return int(i), true
}

// flag reads true or false; false if there is none.
func (d *decoder) flag(n *node, name string) bool {
	v, ok := d.value(n, name)
	if !ok {
		return false
	}
	if v.Type() != cty.Bool {
		d.mistyped(n, name, v)
		return false
	}
	return v.True()
}

// duration reads a duration that is longer than zero; 0 if there is none.
func (d *decoder) duration(n *node, name string) time.Duration {
	v, ok := d.value(n, name)
	if !ok {
		return 0
	}
	if v.Type() != cty.String {
		d.mistyped(n, name, v)
		return 0
	}
	out, ok := d.parseDuration(n, name, v.AsString())
	if !ok {
		return 0
	}
	return out
}

func (d *decoder) parseDuration(n *node, name, s string) (time.Duration, bool) {
	out, err := time.ParseDuration(strings.TrimSpace(s))
	if err != nil {
		d.wrong(n.at(name), n, "Not a duration", "%q is not a duration. Write numbers with the units h, m, s or ms: \"90s\", \"1h30m\".", s)
		return 0, false
	}
	if out <= 0 {
		d.wrong(n.at(name), n, "Not a duration", "%q must be longer than zero. Leave the argument out where there is none.", name)
		return 0, false
	}
	return out, true
}

// span reads two durations, the first not longer than the second.
func (d *decoder) span(n *node, name string) []time.Duration {
	v, ok := d.value(n, name)
	if !ok {
		return nil
	}
	list, ok := d.stringList(n, name, v)
	if !ok {
		return nil
	}
	if len(list) != 2 {
		d.wrong(n.at(name), n, "Wrong number of durations", "%q takes two durations, from and to, but this is a list of %d. For example: %s",
			name, len(list), n.spec.Attr(name).Example)
		return nil
	}
	from, ok := d.parseDuration(n, name, list[0])
	if !ok {
		return nil
	}
	to, ok := d.parseDuration(n, name, list[1])
	if !ok {
		return nil
	}
	if to < from {
		d.wrong(n.at(name), n, "Durations in the wrong order", "%q goes from %s to %s. Write the shorter one first.", name, list[0], list[1])
		return nil
	}
	return []time.Duration{from, to}
}

// date reads a day; "" if there is none.
func (d *decoder) date(n *node, name string) string {
	s := d.text(n, name)
	if s == "" {
		return ""
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		d.wrong(n.at(name), n, "Not a date", "%q is not a date. Write year, month and day: %s", s, n.spec.Attr(name).Example)
		return ""
	}
	return s
}

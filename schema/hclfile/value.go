package hclfile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
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
	if !ok {
		return cty.NilVal, false
	}
	if hasSecret(v) {
		d.wrong(attr.Expr.Range(), n, "Secret in an open place",
			"%q is written to plans and messages, so it cannot hold what env() refers to. Write the value itself.", name)
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
	v, diags := attr.Expr.Value(d.eval)
	if diags.HasErrors() {
		// One mistake in an expression is enough, others mostly follow from it.
		if e, ok := diags[0].Expression.(*hclsyntax.ScopeTraversalExpr); ok && diags[0].Summary == "Unknown variable" {
			d.notAVariable(n, attr, e)
		} else {
			d.report(diags[:1], n)
		}
		return cty.NilVal, false
	}
	if !v.IsWhollyKnown() {
		d.wrong(attr.Expr.Range(), n, "Unknown value", "The value of %q cannot be computed.", attr.Name)
		return cty.NilVal, false
	}
	return v, true
}

// notAVariable reports a bare name, which is mostly a string without quotes.
func (d *decoder) notAVariable(n *node, attr *hcl.Attribute, e *hclsyntax.ScopeTraversalExpr) {
	root := e.Traversal.RootName()
	if name, ok := step(e.Traversal, 1); ok && slices.Contains(blockNames(d.lang), root) && len(e.Traversal) == 2 {
		d.wrong(e.Range(), n, "Reference where text is needed",
			"%q takes no reference. Write the name in quotes: %q.", attr.Name, name)
		return
	}
	d.wrong(e.Range(), n, "Unknown name",
		"There is nothing called %q here. Where text is meant, write it in quotes.", root)
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

// server reads a reference to a declared server; "" if it is missing or wrong.
func (d *decoder) server(n *node, name string) string {
	attr := n.attrs[name]
	if attr == nil {
		return ""
	}
	if v, diags := attr.Expr.Value(nil); !diags.HasErrors() && v.IsNull() {
		d.missing(n, *n.spec.Attr(name))
		return ""
	}
	example := n.spec.Attr(name).Example
	t, diags := hcl.AbsTraversalForExpr(attr.Expr)
	if diags.HasErrors() || t.RootName() != "server" || len(t) != 2 {
		given := ""
		if v, diags := attr.Expr.Value(nil); !diags.HasErrors() && v.IsWhollyKnown() && !v.IsNull() && v.Type() == cty.String && slices.Contains(d.servers, v.AsString()) {
			given = fmt.Sprintf(" Write server.%s without quotes.", v.AsString())
		}
		d.wrong(attr.Expr.Range(), n, "Not a reference to a server", "%q refers to a server.%s For example: %s", name, given, example)
		return ""
	}
	to, ok := step(t, 1)
	if ok && slices.Contains(d.servers, to) {
		return to
	}
	if !ok {
		d.wrong(attr.Expr.Range(), n, "Not a reference to a server", "%q refers to a server. For example: %s", name, example)
		return ""
	}
	d.wrong(attr.Expr.Range(), n, "Unknown server", "There is no server %q. %s", to, d.knownServers(to))
	return ""
}

func (d *decoder) knownServers(given string) string {
	if len(d.servers) == 0 {
		return fmt.Sprintf("Declare it: server %q { … }", given)
	}
	return known(given, d.servers, fmt.Sprintf("The servers are %s.", quoted(d.servers, "and")))
}

package hclfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stopover/stopover/schema"
)

// check decodes a rule over what a survey found.
func (d *decoder) check(n *node) schema.Condition {
	roots := []string{"inventory"}
	if n.attrs["accounts"] != nil {
		roots = []string{"account", "inventory", "server"}
	}
	out := d.rule(n, roots)
	d.verdict(n, &out)
	out.Accounts = d.globs(n, "accounts", d.someTexts(n, "accounts"))
	out.Remedy = d.words(n, "remedy")
	return out
}

// mostArguments is how many words a command may have.
const mostArguments = 100

// longestCheck is how long a command may take for one account.
const longestCheck = time.Hour

// verdict reads the command that decides instead of a condition. A check has one
// of the two.
func (d *decoder) verdict(n *node, out *schema.Condition) {
	out.Timeout = d.duration(n, "timeout")
	if out.Timeout > longestCheck {
		d.wrong(n.at("timeout"), n, "Too long", "A command may take an hour at most.")
	}
	before := len(d.diags)
	v, ok := d.value(n, "command")
	if !ok && len(d.diags) == before { // it is not there, or null
		for _, name := range []string{"condition", "message"} {
			if n.attrs[name] == nil && !n.meant[name] && !n.meant["command"] && !n.unread {
				d.missing(n, *n.spec.Attr(name))
			}
		}
		if a := n.attrs["timeout"]; a != nil && n.attrs["condition"] != nil {
			d.wrong(a.NameRange, n, "Nothing to wait for", "%q is of a command, and this check has a condition. Take it out.", "timeout")
		}
		return
	}
	for _, name := range []string{"condition", "message"} {
		if a := n.attrs[name]; a != nil {
			d.wrong(a.NameRange, n, "Two checks in one", "A check has a condition and its message, or a command, which prints what is wrong itself. Write two check blocks.")
		}
	}
	if !ok {
		return
	}
	words, ok := d.stringList(n, "command", v)
	switch {
	case !ok:
		return
	case len(words) == 0 || strings.TrimSpace(words[0]) == "":
		d.wrong(n.at("command"), n, "No command", "%q begins with the name or the path of a program. For example: %s", "command", n.spec.Attr("command").Example)
		return
	case len(words) > mostArguments:
		d.wrong(n.at("command"), n, "Too many arguments", "%q has %d elements, and may have %d.", "command", len(words), mostArguments)
		return
	}
	for _, w := range words {
		if strings.ContainsRune(w, 0) {
			d.wrong(n.at("command"), n, "Bad argument", "An argument cannot hold the character NUL.")
			return
		}
	}
	out.Command = words
}

// policy decodes a rule over plans.
func (d *decoder) policy(n *node) schema.Condition { return d.rule(n, []string{"inventory", "plan"}) }

// rule reads what checks and policies have in common. Its expressions are kept
// as they were written, with the values they refer to; they are evaluated
// whenever a plan is computed.
func (d *decoder) rule(n *node, roots []string) schema.Condition {
	d.printable(n)
	out := schema.Condition{Name: n.label, Severity: d.text(n, "severity"), Pos: pos(n.defRange)}
	if out.Severity == "" {
		out.Severity = schema.Blocker
	}
	values := map[string]map[string]cty.Value{"var": {}, "local": {}}
	out.Condition = d.kept(n, "condition", roots, values)
	out.Message = d.kept(n, "message", roots, values)
	out.Values = keptValues(values)
	return out
}

// kept returns the source text of an expression, checked as far as that goes
// without an inventory and a plan.
func (d *decoder) kept(n *node, name string, roots []string, values map[string]map[string]cty.Value) string {
	attr := n.attrs[name]
	if attr == nil {
		return ""
	}
	expr, src, ok := d.source(n, attr)
	if !ok {
		return ""
	}
	if v, diags := expr.Value(nil); !diags.HasErrors() && v.IsKnown() {
		if v.IsNull() {
			d.missing(n, *n.spec.Attr(name))
			return ""
		}
		if name == "condition" && v.Type() != cty.Bool {
			d.wrong(attr.Expr.Range(), n, "Not a condition", "A condition is true or false, but this is %s.", described(v))
			return ""
		}
		if name == "message" && (v.Type() != cty.String || strings.TrimSpace(v.AsString()) == "") {
			d.wrong(attr.Expr.Range(), n, "Not a message", "%q takes text that says what is wrong and what to do.", name)
			return ""
		}
	}
	if !d.calls(n, expr) {
		return ""
	}
	for _, t := range expr.Variables() {
		if !d.keep(n, t, roots, values) {
			return ""
		}
	}
	return src
}

// source is the native expression behind an attribute, and its text. A template
// in JSON is one in quotes here.
func (d *decoder) source(n *node, attr *hcl.Attribute) (hclsyntax.Expression, string, bool) {
	at := attr.Expr.Range()
	if expr, ok := attr.Expr.(hclsyntax.Expression); ok {
		return expr, string(at.SliceBytes(d.files[at.Filename])), true
	}
	v, diags := attr.Expr.Value(nil)
	src := ""
	switch {
	case diags.HasErrors() || v.IsNull():
		src = "null"
	case v.Type() == cty.String:
		src = quotedTemplate(v.AsString())
	case v.Type() == cty.Bool:
		src = fmt.Sprint(v.True())
	default:
		d.wrong(at, n, "Wrong type of value", "%q takes an expression, in JSON a string such as \"${…}\", but this is %s.", attr.Name, described(v))
		return nil, "", false
	}
	start := hcl.Pos{Line: at.Start.Line, Column: at.Start.Column, Byte: at.Start.Byte}
	expr, diags := hclsyntax.ParseExpression([]byte(src), at.Filename, start)
	if diags.HasErrors() {
		d.wrong(at, n, diags[0].Summary, "%s", diags[0].Detail)
		return nil, "", false
	}
	return expr, src, true
}

// quotedTemplate writes a template as an expression in quotes: what is text in
// it is escaped, what is in ${ } stays.
func quotedTemplate(s string) string {
	src := []byte(s)
	tokens, _ := hclsyntax.LexTemplate(src, "template", hcl.Pos{})
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	var b strings.Builder
	b.WriteByte('"')
	depth, last := 0, 0
	for _, t := range tokens {
		b.Write(src[last:t.Range.Start.Byte])
		last = t.Range.End.Byte
		switch t.Type {
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenTemplateSeqEnd:
			depth--
		}
		if depth == 0 && (t.Type == hclsyntax.TokenStringLit || t.Type == hclsyntax.TokenQuotedLit) {
			b.WriteString(escape.Replace(string(t.Bytes)))
			continue
		}
		b.Write(t.Bytes)
	}
	b.Write(src[last:])
	b.WriteByte('"')
	return b.String()
}

// calls refuses functions that do not exist, and those that read more than
// their arguments: a condition has to mean the same in a saved plan.
func (d *decoder) calls(n *node, expr hclsyntax.Expression) bool {
	pure, reading := PureFunctions(), map[string]bool{}
	for _, f := range readingFunctions(&source{}) {
		reading[f.Name] = true
	}
	good := true
	diags := hclsyntax.VisitAll(expr, func(x hclsyntax.Node) hcl.Diagnostics {
		call, ok := x.(*hclsyntax.FunctionCallExpr)
		if !ok || !good {
			return nil
		}
		_, known1 := pure[call.Name]
		switch {
		case reading[call.Name]:
			d.wrong(call.NameRange, n, "Function that reads", "%s() cannot be called here: this is evaluated with every plan, and reads nothing but what it refers to. Put the call into a local value and refer to that.", call.Name)
			good = false
		case !known1:
			names := slices.Sorted(maps.Keys(pure))
			d.wrong(call.NameRange, n, "Unknown function", "There is no function %q. %s", call.Name, known(call.Name, names, "The reference of the language lists all."))
			good = false
		}
		return nil
	})
	return good && !diags.HasErrors()
}

// keep checks one reference of a rule, and takes the value along if it is that
// of a variable or a local value.
func (d *decoder) keep(n *node, t hcl.Traversal, roots []string, values map[string]map[string]cty.Value) bool {
	root := t.RootName()
	if slices.Contains(roots, root) {
		return true
	}
	if root != "var" && root != "local" {
		all := append([]string{"local", "var"}, roots...)
		slices.Sort(all)
		hint := known(root, all, fmt.Sprintf("It can refer to %s.", quoted(all, "and")))
		switch {
		case n.spec.Name == "check" && (root == "account" || root == "server"):
			hint = fmt.Sprintf("With accounts = [\"*\"] the check looks at one account after the other, and %q is there.", root)
		case root == "plan":
			hint = "What looks at the plan is a policy."
		case n.spec.Name == "policy" && (root == "account" || root == "server"):
			hint = "What looks at one account after the other is a check."
		}
		d.wrong(t.SourceRange(), n, "Unknown name", "There is nothing called %q in a %s. %s", root, n.spec.Name, hint)
		return false
	}
	if !d.declared(n, t, d.names(root)) {
		return false
	}
	name, _ := step(t, 1)
	v := d.eval.Variables[root].GetAttr(name)
	if s := sensitiveIn(v); s != nil {
		d.wrong(t.SourceRange(), n, "Sensitive value in an open place", "The values that a %s refers to are written to plans, so it cannot refer to %s.", n.spec.Name, s.of())
		return false
	}
	if !d.open(n, t.SourceRange(), spelt(t[:2]), v) {
		return false
	}
	if v.IsWhollyKnown() {
		values[root][name] = v
	}
	return true
}

// keptValues writes values with their types.
func keptValues(values map[string]map[string]cty.Value) json.RawMessage {
	out := map[string]map[string]json.RawMessage{}
	for root, list := range values {
		for name, v := range list {
			src, err := ctyjson.Marshal(v, cty.DynamicPseudoType)
			if err != nil {
				panic("hclfile: value of " + root + "." + name + ": " + err.Error()) // known and unmarked: cannot fail
			}
			if out[root] == nil {
				out[root] = map[string]json.RawMessage{}
			}
			out[root][name] = src
		}
	}
	if len(out) == 0 {
		return nil
	}
	src, err := json.Marshal(out)
	if err != nil {
		panic("hclfile: values: " + err.Error())
	}
	return src
}

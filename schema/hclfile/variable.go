package hclfile

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variable is one that is declared.
type variable struct {
	node      *node
	name      string
	kind      cty.Type // what its value is converted to
	untyped   bool     // no type was written
	optional  *typeexpr.Defaults
	sensitive bool
	nullable  bool
	standard  cty.Value // the default; cty.NilVal: there is none, or it is wrong
	broken    bool      // its declaration is wrong: it has no value, and nobody complains of that
	given     given
}

// given is the value that a variable was given last.
type given struct {
	value cty.Value
	from  string    // in words: what was given with --var
	at    hcl.Range // in a file; of the declaration otherwise
	ref   string    // env:STOPOVER_VAR_x, of text from the environment
	bad   bool      // it cannot be read, which is reported
}

// envPrefix begins the names of variables of the environment that give values.
const envPrefix = "STOPOVER_VAR_"

// envName is where the environment has the value of var.x.
func envName(reference string) string { return envPrefix + strings.TrimPrefix(reference, "var.") }

// variables declares them, finds their values and makes these available to
// expressions.
func (d *decoder) variables(root *node) {
	d.vars = map[string]*variable{}
	for n := range root.each("variable") {
		if v := d.variable(n); v != nil {
			d.vars[v.name] = v
		}
	}
	d.assign()
	values := map[string]cty.Value{}
	for _, name := range d.names("var") {
		values[name] = d.settle(d.vars[name])
	}
	d.eval.Variables["var"] = cty.ObjectVal(values)
	for n := range root.each("variable") {
		for rule := range n.each("validation") {
			d.validation(rule, d.vars[n.label])
		}
	}
}

func (d *decoder) variable(n *node) *variable {
	if !hclsyntax.ValidIdentifier(n.label) {
		d.wrong(n.labelRange, n, "Bad name", "The name %q cannot be used for a variable, because it could not be referred to as var.NAME. Take letters, digits, \"-\" and \"_\", and begin with a letter.", n.label)
		return nil
	}
	v := &variable{node: n, name: n.label, kind: cty.DynamicPseudoType, untyped: true, nullable: true}
	before := len(d.diags)
	d.text(n, "description")
	v.sensitive = d.flag(n, "sensitive")
	if n.attrs["nullable"] != nil && !d.isNull(n, "nullable") {
		v.nullable = d.flag(n, "nullable")
	}
	d.kindOf(v)
	if attr := n.attrs["default"]; attr != nil && len(d.diags) == before {
		d.standardOf(v, attr)
	}
	v.broken = len(d.diags) != before || n.meant["default"]
	return v
}

func (d *decoder) kindOf(v *variable) {
	attr := v.node.attrs["type"]
	if attr == nil {
		return
	}
	kind, optional, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
	if diags.HasErrors() {
		at := attr.Expr.Range()
		if diags[0].Subject != nil {
			at = *diags[0].Subject
		}
		d.wrong(at, v.node, "Not a type", "%s %s", diags[0].Detail, "Types are string, number, bool, any, list(…), set(…), map(…), tuple([…]) and object({…}).")
		return
	}
	v.kind, v.optional, v.untyped = kind, optional, false
}

func (d *decoder) standardOf(v *variable, attr *hcl.Attribute) {
	for _, t := range attr.Expr.Variables() {
		d.wrong(t.SourceRange(), v.node, "Reference in a default", "The default of a variable refers to nothing: it is a value. Compute in a local value: local.%s = …", v.name)
		return
	}
	value, diags := attr.Expr.Value(d.eval)
	if diags.HasErrors() {
		if v.sensitive {
			d.hidden(attr.Expr.Range(), v.node, diags[0].Summary, "The default of this sensitive variable cannot be computed.")
			return
		}
		d.report(diags[:1], v.node)
		return
	}
	if v.sensitive {
		d.remember(value)
	}
	value, err := v.converted(value)
	if err != nil {
		d.mistypedValue(v, given{from: "its default", at: attr.Expr.Range()}, err)
		return
	}
	v.standard = value
}

func (v *variable) converted(value cty.Value) (cty.Value, error) {
	if v.optional != nil && !value.IsNull() {
		value = v.optional.Apply(value)
	}
	return convert.Convert(value, v.kind)
}

func (d *decoder) mistypedValue(v *variable, g given, err error) {
	kind := typeexpr.TypeString(v.kind)
	if v.sensitive {
		d.hidden(g.at, v.node, "Wrong type of value", "var.%s has the type %s, and %s is not of it. It is sensitive, so no more is said.", v.name, kind, g.from)
		return
	}
	d.wrong(g.at, v.node, "Wrong type of value", "var.%s has the type %s, and %s is not of it: %s.", v.name, kind, g.from, err)
}

// settle turns what was given into the variable's value. It is unknown where
// something is wrong, so that nobody complains of what follows from that.
func (d *decoder) settle(v *variable) cty.Value {
	unknown := cty.UnknownVal(v.kind)
	if v.broken || v.given.bad {
		return unknown
	}
	value, g := v.given.value, v.given
	if value == cty.NilVal {
		value, g = v.standard, given{from: "its default", at: v.node.defRange}
		if value == cty.NilVal {
			d.wrong(v.node.defRange, v.node, "No value for a variable",
				"var.%s has no default and was given no value. Give one with --var '%s=…', in a file with --var-file FILE, in stopover%s, or in the environment as %s.",
				v.name, v.name, valuesSuffix, envName(v.name))
			return unknown
		}
	} else {
		var err error
		if value, err = v.converted(value); err != nil {
			d.mistypedValue(v, g, err)
			return unknown
		}
	}
	if tooLarge(value) {
		d.hidden(g.at, v.node, "Number out of range", "var.%s is larger, or closer to zero, than any number that is needed.", v.name)
		return unknown
	}
	if plain, _ := value.Unmark(); plain.IsNull() && !v.nullable {
		if v.standard == cty.NilVal || v.standard.IsNull() {
			d.wrong(g.at, v.node, "No value for a variable", "var.%s must not be null, says its declaration, and %s is. Give it a value.", v.name, g.from)
			return unknown
		}
		value = v.standard
	}
	if !v.sensitive {
		return value
	}
	d.remember(value)
	mark := &sensitive{name: "var." + v.name}
	if g.ref != "" && value.Type() == cty.String && !value.IsNull() {
		mark.ref, mark.text = g.ref, value.AsString()
	}
	return value.Mark(mark)
}

// validation evaluates one rule of a variable.
func (d *decoder) validation(n *node, v *variable) {
	condition, message := n.attrs["condition"], n.attrs["error_message"]
	ctx := d.eval
	for _, attr := range []*hcl.Attribute{condition, message} {
		if attr == nil {
			continue
		}
		for _, t := range attr.Expr.Variables() {
			if t.RootName() == "local" {
				d.wrong(t.SourceRange(), n, "Local value in a validation", "A validation refers to variables only: local values are made of them, and come later. Write out what %s is.", spelt(t))
				return
			}
		}
		if !d.refers(n, attr.Name, attr.Expr, ctx) {
			return
		}
	}
	if condition == nil || message == nil || v == nil {
		return
	}
	ok, diags := condition.Expr.Value(ctx)
	if diags.HasErrors() {
		d.failure(n, condition.Expr, ctx, diags)
		return
	}
	ok, _ = ok.Unmark()
	if !ok.IsKnown() {
		return
	}
	if ok.IsNull() || ok.Type() != cty.Bool {
		d.wrong(condition.Expr.Range(), n, "Not a condition", "A condition is true or false, but this is %s.", described(ok))
		return
	}
	words, said := d.complaint(n, message, ctx)
	if said && ok.False() {
		d.wrong(condition.Expr.Range(), n, "Invalid value of a variable", "var.%s does not pass this rule: %s", v.name, words)
	}
}

// complaint evaluates the message of a validation, whether it is needed or not:
// a mistake in it should not wait for a bad day.
func (d *decoder) complaint(n *node, attr *hcl.Attribute, ctx *hcl.EvalContext) (string, bool) {
	v, diags := attr.Expr.Value(ctx)
	if diags.HasErrors() {
		d.failure(n, attr.Expr, ctx, diags)
		return "", false
	}
	if v.ContainsMarked() {
		return "its message holds a " + strings.Trim(hiddenText, "()") + ", and is not shown.", true
	}
	if !v.IsKnown() {
		return "", false
	}
	if v.IsNull() || v.Type() != cty.String || strings.TrimSpace(v.AsString()) == "" {
		d.wrong(attr.Expr.Range(), n, "Not a message", "%q takes text that says how to mend the value.", attr.Name)
		return "", false
	}
	return v.AsString(), true
}

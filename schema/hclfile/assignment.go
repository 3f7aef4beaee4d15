package hclfile

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// Assignment gives values to variables on the command line: one by name and
// text, or all that are in a file.
type Assignment struct {
	Name string // of the variable
	Text string // its value: text as it is for a string, number, bool or untyped variable, an HCL expression for others
	File string // instead of Name and Text: NAME = VALUE lines as HCL, or an object as JSON if the name ends in .json
}

// assign takes values from all places, in the order in which they beat each
// other.
func (d *decoder) assign() {
	for _, name := range d.names("var") {
		v := d.vars[name]
		if d.opts.Env == nil {
			break
		}
		if text, ok := d.opts.Env(envName(name)); ok {
			d.give(v, text, "what "+envName(name)+" holds")
			if !v.given.bad && (v.untyped || v.kind == cty.String) {
				v.given.ref = secretPrefix + envName(name)
			}
		}
	}
	for _, name := range d.valuesFiles() {
		d.valuesFile(name)
	}
	for _, a := range d.opts.Vars {
		if a.File != "" {
			if d.readValues(a.File) {
				d.valuesFile(a.File)
			}
			continue
		}
		v := d.vars[a.Name]
		if v == nil {
			d.wrong(hcl.Range{}, nil, "Value for an undeclared variable", "--var gives a value to %q, but there is no such variable. %s",
				a.Name, known(a.Name, d.names("var"), fmt.Sprintf("Declare it: variable %q { }", a.Name)))
			continue
		}
		d.give(v, a.Text, "what --var gives")
	}
}

// valuesFiles are those that are read by themselves, in order: the one named
// after the program first.
func (d *decoder) valuesFiles() []string {
	names := slices.Sorted(maps.Keys(d.values))
	first := func(name string) int {
		if base := filepath.Base(name); base == "stopover"+valuesSuffix || base == "stopover"+valuesSuffix+".json" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(names, func(a, b string) int { return first(a) - first(b) })
	return names
}

// give reads a text as a value of the variable.
func (d *decoder) give(v *variable, text, from string) {
	v.given = given{from: from, at: v.node.defRange}
	if v.sensitive && len(text) >= shortest {
		d.hide = append(d.hide, text)
	}
	if v.untyped || v.kind.IsPrimitiveType() {
		if v.kind == cty.Number && longExponent([]byte(text)) {
			d.wrong(v.given.at, v.node, "Number out of range", "var.%s has the type number, and %s is larger, or closer to zero, than any that is needed.", v.name, from)
			v.given.bad = true
			return
		}
		v.given.value = cty.StringVal(text)
		return
	}
	value, ok := expressionText(text)
	if !ok {
		d.wrong(v.given.at, v.node, "Unreadable value", "var.%s has the type %s, and %s is no expression of HCL. Mind the quotes of the shell. For example: --var 'x=[\"a\", \"b\"]'",
			v.name, typeexpr.TypeString(v.kind), from)
		v.given.bad = true
		return
	}
	v.given.value = value
}

func expressionText(text string) (cty.Value, bool) {
	src := []byte(text)
	if tooDeep(src) >= 0 || longExponent(src) {
		return cty.NilVal, false
	}
	expr, diags := hclsyntax.ParseExpression(src, "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	v, diags := expr.Value(nil)
	return v, !diags.HasErrors() && v.IsWhollyKnown()
}

// readValues reads a file that the command line names.
func (d *decoder) readValues(name string) bool {
	if d.values[name] {
		return true
	}
	if _, ok := d.files[name]; !ok {
		src, err := readFile(name)
		if err != nil {
			d.wrong(hcl.Range{}, nil, "Unreadable file of values", "The file %s that --var-file names cannot be read: %v.", path(name), err)
			return false
		}
		d.files[name] = src
	}
	d.values[name] = true
	return true
}

// valuesFile reads values of variables. What is in such a file is never shown.
func (d *decoder) valuesFile(name string) {
	if !d.isText(name) || !d.sane(name) {
		return
	}
	body, diags := d.parseValues(name)
	var attrs hcl.Attributes
	if !diags.HasErrors() {
		attrs, diags = body.JustAttributes()
	}
	if diags.HasErrors() {
		at := hcl.Range{Filename: name, Start: hcl.InitialPos}
		if diags[0].Subject != nil {
			at = *diags[0].Subject
		}
		d.wrong(at, nil, "Unreadable file of values", "%s. Such a file holds lines like name = \"value\", or one JSON object if its name ends in .json. What it holds is not shown.", diags[0].Summary)
		return
	}
	for _, attr := range byPlace(attrs) {
		d.valueInFile(name, attr)
	}
}

func (d *decoder) valueInFile(name string, attr *hcl.Attribute) {
	v := d.vars[attr.Name]
	if v == nil {
		d.odd(attr.NameRange, nil, "Value for an undeclared variable", "There is no variable %q, so this value is not used. %s",
			attr.Name, known(attr.Name, d.names("var"), fmt.Sprintf("Declare it, variable %q { }, or take it out.", attr.Name)))
		return
	}
	v.given = given{from: "what " + path(name) + " gives", at: attr.Expr.Range()}
	value, diags := attr.Expr.Value(nil) // no references, no functions
	if diags.HasErrors() || !value.IsWhollyKnown() {
		d.wrong(attr.Expr.Range(), v.node, "Unreadable value", "The value of var.%s cannot be computed: in a file of values there are no references and no functions. Text stands in quotes.", v.name)
		v.given.bad = true
		return
	}
	if v.sensitive {
		d.remember(value)
	}
	v.given.value = value
}

func (d *decoder) parseValues(name string) (hcl.Body, hcl.Diagnostics) {
	if strings.HasSuffix(name, ".json") {
		file, diags := hcljson.Parse(d.files[name], name)
		if diags.HasErrors() {
			return nil, diags
		}
		return file.Body, nil
	}
	file, diags := hclsyntax.ParseConfig(d.files[name], name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	return file.Body, nil
}

// byPlace lists attributes as they were written.
func byPlace(attrs hcl.Attributes) []*hcl.Attribute {
	return slices.SortedFunc(maps.Values(attrs), func(a, b *hcl.Attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
}

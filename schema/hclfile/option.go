package hclfile

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stopover/stopover/schema"
)

// kind looks a provider up. Without a registry every kind is good.
func (d *decoder) kind(name string) (Kind, bool) {
	for _, k := range d.opts.Kinds {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{Name: name}, d.anyKind
}

func (d *decoder) unknownKind(n *node, at hcl.Range, name string) {
	var names []string
	for _, k := range d.opts.Kinds {
		names = append(names, k.Name)
	}
	d.wrong(at, n, "Unknown provider", "There is no provider %q. %s", name, known(name, names, "This version has "+quoted(names, "and")+"."))
}

// providerOf reads which kind a server is of, before anything else of it: the
// rest of its table depends on it.
func (d *decoder) providerOf(n *node, s *schema.Server) (Kind, bool) {
	content, _, _ := n.body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "provider"}}})
	n.attrs = content.Attributes
	if n.attrs["provider"] != nil {
		name, ok := d.given(n, "provider")
		if !ok && !d.isNull(n, "provider") {
			return Kind{}, false
		}
		if ok {
			s.Provider = name
		}
	}
	kind, ok := d.kind(s.Provider)
	if !ok {
		d.unknownKind(n, n.at("provider"), s.Provider)
	}
	return kind, ok
}

func (d *decoder) isNull(n *node, name string) bool {
	v, diags := n.attrs[name].Expr.Value(d.context(n))
	if diags.HasErrors() {
		return false
	}
	v, _ = v.Unmark()
	return v.IsKnown() && v.IsNull()
}

// plainAttrs reads the arguments that do not depend on the provider.
func (d *decoder) plainAttrs(n *node) {
	content, _, _ := n.body.PartialContent(n.spec.body)
	n.attrs = content.Attributes
}

// options reads a body whose table is the block's own and the provider's
// options together. Values are written in one way: numbers in digits, sizes in
// bytes, durations as Go writes them, secrets as references.
func (d *decoder) options(n *node, kind Kind) map[string]string {
	if d.anyKind {
		return d.anyOptions(n)
	}
	table := &Block{Name: n.spec.Name, Attrs: n.spec.Attrs[:len(n.spec.Attrs):len(n.spec.Attrs)]}
	for _, o := range kind.Options {
		table.Attrs = append(table.Attrs, o.attr())
	}
	table.compile()
	content, diags := n.body.Content(table.body)
	d.reportShape(diags, n, table, n.body)
	n.attrs = content.Attributes
	var out map[string]string
	for _, o := range kind.Options {
		attr := n.attrs[o.Name]
		if attr == nil {
			continue
		}
		if s, ok := d.option(n, attr, o); ok {
			if out == nil {
				out = map[string]string{}
			}
			out[o.Name] = s
		}
	}
	return out
}

// anyOptions takes whatever stands beside the block's own arguments.
func (d *decoder) anyOptions(n *node) map[string]string {
	attrs, diags := n.body.JustAttributes()
	d.report(diags, n)
	n.attrs = attrs
	var out map[string]string
	for name, attr := range attrs {
		if n.spec.Attr(name) != nil {
			continue
		}
		v, ok := d.expression(n, attr)
		if !ok {
			continue
		}
		if s, ok := d.anyOption(n, attr, v); ok {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = s
		}
	}
	return out
}

// anyOption writes an option whose type nobody knows.
func (d *decoder) anyOption(n *node, attr *hcl.Attribute, v cty.Value) (string, bool) {
	if v.ContainsMarked() {
		if plain, _ := v.Unmark(); plain.IsNull() {
			return "", false
		}
		return d.secret(n, attr, v)
	}
	if v.IsNull() {
		return "", false
	}
	switch v.Type() {
	case cty.String:
		return v.AsString(), true
	case cty.Number:
		return numberText(v), true
	case cty.Bool:
		return fmt.Sprint(v.True()), true
	}
	d.wrong(attr.Expr.Range(), n, "Wrong type of value", "%q takes a string, a number, true or false, but this is %s.", attr.Name, described(v))
	return "", false
}

// option evaluates one option by its declaration.
func (d *decoder) option(n *node, attr *hcl.Attribute, o Option) (string, bool) {
	v, ok := d.expression(n, attr)
	if !ok {
		return "", false
	}
	if plain, _ := v.Unmark(); plain.IsNull() {
		return "", false
	}
	if o.Secret {
		return d.secret(n, attr, v)
	}
	if !d.open(n, attr.Expr.Range(), attr.Name, v) {
		return "", false
	}
	s, ok := o.text(v)
	if !ok {
		d.wrong(attr.Expr.Range(), n, "Wrong type of value", "%q takes %s, but this is %s.%s",
			o.Name, o.attr().Type.one(), shownValue(v), o.forExample())
	}
	if ok && o.Type == optionLayout && !d.isLayout(s) {
		d.unknownLayout(n, attr.Expr.Range(), s, d.layoutNames)
		return "", false
	}
	return s, ok
}

// shownValue names a wrong value: a string by its text, others by their type.
func shownValue(v cty.Value) string {
	if v.Type() == cty.String {
		return fmt.Sprintf("%q", v.AsString())
	}
	return described(v)
}

func (o Option) forExample() string {
	if o.Example == "" {
		return ""
	}
	return fmt.Sprintf(" For example: %s", o.attr().Example)
}

// text writes a value of the option's type in the one way.
func (o Option) text(v cty.Value) (string, bool) {
	switch o.Type {
	case "number":
		if v.Type() != cty.Number {
			return "", false
		}
		return numberText(v), true
	case "bool":
		if v.Type() != cty.Bool {
			return "", false
		}
		return fmt.Sprint(v.True()), true
	case "duration":
		if v.Type() != cty.String {
			return "", false
		}
		x, err := time.ParseDuration(v.AsString())
		return x.String(), err == nil && x >= 0
	case "bytes":
		return bytesText(v)
	}
	if v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// numberText writes whole numbers in digits as long as that is short.
func numberText(v cty.Value) string {
	f := v.AsBigFloat()
	if f.IsInt() && f.MantExp(nil) < 64 {
		return f.Text('f', 0)
	}
	return f.Text('g', -1)
}

// bytesText reads a size: "10 MB", "1 GiB", or a number of bytes.
func bytesText(v cty.Value) (string, bool) {
	if v.Type() == cty.Number {
		f := v.AsBigFloat()
		return numberText(v), f.IsInt() && f.Sign() >= 0 && f.Cmp(big.NewFloat(1<<62)) < 0
	}
	if v.Type() != cty.String {
		return "", false
	}
	n, err := humanize.ParseBytes(v.AsString())
	return fmt.Sprint(n), err == nil && n < 1<<62
}

// attr is the option as the tables have it.
func (o Option) attr() Attr {
	a := Attr{Name: o.Name, Doc: o.Doc, Default: o.Default, Required: o.Required, Example: o.Example, Type: TypeString}
	switch o.Type {
	case "number":
		a.Type = "number"
	case "bool":
		a.Type = TypeBool
	case "duration":
		a.Type = TypeDuration
	case "bytes":
		a.Type = TypeBytes
	case optionLayout:
		a.Type = TypeLayout
	}
	if o.Secret && a.Example == "" {
		a.Example = `env("NAME")`
	}
	if a.Example != "" && !strings.Contains(a.Example, "=") {
		a.Example = o.Name + " = " + a.Example
	}
	return a
}

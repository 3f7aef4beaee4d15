package hclfile

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// dynamic makes the blocks of a dynamic block, as if they had been written out.
func (d *decoder) dynamic(n *node, b *hcl.Block) {
	m := &node{spec: dynamicBlock(), parent: n, label: b.Labels[0], labelRange: b.LabelRanges[0], defRange: b.DefRange}
	before := len(d.diags)
	defer func() {
		if len(d.diags) != before || d.failed {
			n.mean(m.label) // what it would have made is not missing
		}
	}()
	made := n.spec.Block(m.label)
	if made == nil || made.Once || made.Static {
		names := n.spec.repeatable()
		d.wrong(m.labelRange, m, "Unknown dynamic block", "There is no block %q here that dynamic could make. %s", m.label, known(m.label, names, takes("block", n.spec, names)))
		return
	}
	d.load(m, b.Body)
	d.shape(m)
	content := m.first("content")
	if content == nil {
		if !m.broken && !m.meant["content"] {
			d.wrong(m.defRange, m, "Missing content", "This dynamic block has no content { … }: what stands in each %q block.", m.label)
		}
		return
	}
	iterator, ok := d.iterator(m)
	if len(d.diags) != before || !ok {
		return
	}
	elements, ok := d.forEach(m)
	if !ok {
		return
	}
	if len(elements) == 0 { // what is wrong with the content is wrong without elements too
		kid := &node{spec: made, parent: n, defRange: m.defRange, label: m.label}
		if !made.Options {
			d.load(kid, content.body)
		}
		return
	}
	for _, e := range elements {
		d.oneOf(m, content, made, iterator, e)
	}
}

// element is a key and a value to make a block for.
type element struct{ key, value cty.Value }

func (d *decoder) oneOf(m, content *node, made *Block, iterator string, e element) {
	n := m.parent
	ctx := d.context(n).NewChild()
	ctx.Variables = map[string]cty.Value{iterator: cty.ObjectVal(map[string]cty.Value{"key": e.key, "value": e.value})}
	kid := &node{spec: made, parent: n, defRange: m.defRange, labelRange: m.defRange, eval: ctx}
	label, ok := d.dynamicLabel(m, made, ctx)
	if !ok {
		n.broken = true
		return
	}
	if made.Label != "" {
		kid.label, kid.labelRange = label, m.at("labels")
		if !d.labelled(kid) {
			n.broken = true
			return
		}
	}
	n.kids = append(n.kids, kid)
	d.load(kid, content.body)
}

// dynamicLabel evaluates the label of one block.
func (d *decoder) dynamicLabel(m *node, made *Block, ctx *hcl.EvalContext) (string, bool) {
	attr := m.attrs["labels"]
	if made.Label == "" {
		if attr != nil {
			d.wrong(attr.Expr.Range(), m, "Wrong number of labels", "A block of type %q has no label. Take \"labels\" out.", made.Name)
		}
		return "", attr == nil
	}
	if attr == nil {
		d.wrong(m.defRange, m, "Wrong number of labels", "A block of type %q has one label, its %s. Say what it is: labels = [%s.value]", made.Name, made.Label, made.Name)
		return "", false
	}
	v, ok := d.evaluate(m, "labels", attr.Expr, ctx)
	if !ok || !d.open(m, attr.Expr.Range(), "labels", v) {
		return "", false
	}
	if v.IsNull() || !v.CanIterateElements() || v.LengthInt() != 1 {
		d.wrong(attr.Expr.Range(), m, "Wrong number of labels", "A block of type %q has one label, its %s. Write it in brackets: labels = [%s.value]", made.Name, made.Label, made.Name)
		return "", false
	}
	it := v.ElementIterator()
	it.Next()
	_, label := it.Element()
	if label.IsNull() || label.Type() != cty.String {
		what := "null"
		if !label.IsNull() {
			what = described(label)
		}
		d.wrong(attr.Expr.Range(), m, "Wrong type of value", "The label of a block is text, but this is %s.", what)
		return "", false
	}
	return label.AsString(), true
}

// iterator is the name of the element in the content.
func (d *decoder) iterator(m *node) (string, bool) {
	attr := m.attrs["iterator"]
	if attr == nil {
		return m.label, true
	}
	name := hcl.ExprAsKeyword(attr.Expr)
	if name == "" {
		if v, diags := attr.Expr.Value(nil); !diags.HasErrors() && v.Type() == cty.String && !v.IsNull() && v.IsKnown() {
			name = v.AsString()
		}
	}
	if !hclsyntax.ValidIdentifier(name) {
		d.wrong(attr.Expr.Range(), m, "Bad name", "\"iterator\" takes a name without quotes. For example: iterator = each")
		return "", false
	}
	if slices.Contains([]string{"var", "local"}, name) {
		d.wrong(attr.Expr.Range(), m, "Bad name", "%q means something else in every expression. Take another name. For example: iterator = each", name)
		return "", false
	}
	return name, true
}

// forEach evaluates what there is a block for.
func (d *decoder) forEach(m *node) ([]element, bool) {
	attr := m.attrs["for_each"]
	v, ok := d.evaluate(m.parent, "for_each", attr.Expr, d.context(m.parent))
	if !ok {
		return nil, false
	}
	v, marks := v.Unmark() // of the elements, each says so where it is used
	if len(marks) > 0 && !d.open(m, attr.Expr.Range(), "for_each", v.WithMarks(marks)) {
		return nil, false
	}
	if v.IsNull() {
		d.missing(m, *m.spec.Attr("for_each"))
		return nil, false
	}
	if t := v.Type(); !v.CanIterateElements() || t == cty.String {
		d.wrong(attr.Expr.Range(), m, "Wrong type of value", "\"for_each\" takes a list, a set, a map or an object, but this is %s. For example: for_each = [\"blog\", \"shop\"]", described(v))
		return nil, false
	}
	out := make([]element, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if v.Type().IsSetType() {
			key = value
		}
		out = append(out, element{key, value})
	}
	return out, true
}

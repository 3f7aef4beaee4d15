package hclfile

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// local is one local value.
type local struct {
	node  *node
	attr  *hcl.Attribute
	order int // of declaration
	needs []string
	state int
	value cty.Value
}

// states of a local value while it is computed.
const (
	localUnseen = iota
	localOpen
	localDone
)

// localValues declares the local values and computes them, each after those
// that it refers to.
func (d *decoder) localValues(root *node) {
	d.locals = map[string]*local{}
	for n := range root.each("locals") {
		for _, attr := range byPlace(n.attrs) {
			if first := d.locals[attr.Name]; first != nil {
				d.wrong(attr.NameRange, n, "Duplicate local value", "local.%s is declared at %s already. Take one out.", attr.Name, place(first.attr.NameRange))
				continue
			}
			if !hclsyntax.ValidIdentifier(attr.Name) {
				d.wrong(attr.NameRange, n, "Bad name", "The name %q cannot be used for a local value, because it could not be referred to as local.NAME. Take letters, digits, \"-\" and \"_\", and begin with a letter.", attr.Name)
				continue
			}
			d.locals[attr.Name] = &local{node: n, attr: attr, order: len(d.locals)}
		}
	}
	names := d.names("local")
	slices.SortFunc(names, func(a, b string) int { return d.locals[a].order - d.locals[b].order })
	for _, name := range names {
		for _, t := range d.locals[name].attr.Expr.Variables() {
			if to, ok := step(t, 1); ok && t.RootName() == "local" && d.locals[to] != nil && !slices.Contains(d.locals[name].needs, to) {
				d.locals[name].needs = append(d.locals[name].needs, to)
			}
		}
	}
	values := map[string]cty.Value{}
	for _, name := range names {
		d.localValue(name, nil, values)
	}
	d.eval.Variables["local"] = cty.ObjectVal(values)
}

// localValue computes one, and first those that it needs. Path are the names on
// the way to it.
func (d *decoder) localValue(name string, path []string, values map[string]cty.Value) {
	l := d.locals[name]
	switch l.state {
	case localDone:
		return
	case localOpen:
		d.localCircle(path[slices.Index(path, name):])
		return
	}
	l.state = localOpen
	for _, to := range l.needs {
		d.localValue(to, append(path, name), values)
	}
	l.state = localDone
	if _, ok := values[name]; ok {
		return // in a circle
	}
	ctx := d.eval.NewChild()
	ctx.Variables = map[string]cty.Value{"local": cty.ObjectVal(d.needed(l, values))}
	v, ok := d.evaluate(l.node, name, l.attr.Expr, ctx)
	if !ok {
		v = cty.DynamicVal
	}
	values[name] = v
	l.value = v
}

func (d *decoder) needed(l *local, values map[string]cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{}
	for _, to := range l.needs {
		v, ok := values[to]
		if !ok {
			v = cty.DynamicVal
			values[l.attr.Name] = cty.DynamicVal
		}
		out[to] = v
	}
	return out
}

// localCircle reports local values that are made of each other, in the order of
// reference and at the one that was declared first.
func (d *decoder) localCircle(names []string) {
	first := 0
	for i, name := range names {
		if d.locals[name].order < d.locals[names[first]].order {
			first = i
		}
	}
	names = append(slices.Clone(names[first:]), names[:first]...)
	l := d.locals[names[0]]
	if len(names) == 1 {
		d.wrong(l.attr.Expr.Range(), l.node, "Local value of itself", "local.%s refers to itself. Write its value, or refer to another one.", names[0])
		return
	}
	words := make([]string, len(names)+1)
	for i := range words {
		words[i] = "local." + names[i%len(names)]
	}
	d.wrong(l.attr.Expr.Range(), l.node, "Local values of each other",
		"None of these could be computed first: %s. Take one of these references out.", strings.Join(words, " refers to "))
}

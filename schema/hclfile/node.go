package hclfile

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// node is a block as it was written, with its table. Values are not evaluated
// yet: references need all blocks to be known.
type node struct {
	spec       *Block
	parent     *node
	label      string
	labelRange hcl.Range
	defRange   hcl.Range
	body       hcl.Body
	attrs      hcl.Attributes
	kids       []*node
	meant      map[string]bool  // arguments and blocks that a misspelt name probably stands for
	broken     bool             // a nested block was dropped for its label
	unread     bool             // something in its body was dropped
	eval       *hcl.EvalContext // of a block that a dynamic block made; nil: as its parent's
	row        int              // of an account that a list made, from 1
}

// each yields the nested blocks of a type, in order.
func (n *node) each(name string) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for _, k := range n.kids {
			if k.spec.Name == name && !yield(k) {
				return
			}
		}
	}
}

// first returns the first nested block of a type, or nil.
func (n *node) first(name string) *node {
	for k := range n.each(name) {
		return k
	}
	return nil
}

// address says in which block something is: migration.spring.account[shop].
func (n *node) address() string {
	if n == nil || n.parent == nil {
		return ""
	}
	up := n.parent.address()
	switch {
	case up == "" && plainName(n.label):
		return n.spec.Name + "." + n.label
	case up != "":
		up += "."
	}
	switch {
	case n.spec.Label == "":
		return up + n.spec.Name
	case plainName(n.label):
		return up + n.spec.Name + "[" + n.label + "]"
	}
	return fmt.Sprintf("%s%s[%.80q]", up, n.spec.Name, n.label)
}

// title names a block at the begin of a sentence: Account "shop".
func (n *node) title() string {
	if n.spec.Label == "" {
		return fmt.Sprintf("The %q block", n.spec.Name)
	}
	return fmt.Sprintf("%s %q", sentence(n.spec.Name), n.label)
}

// load reads a body by its table and appends what it holds to the node.
func (d *decoder) load(n *node, body hcl.Body) {
	switch {
	case n.spec.Options, n.spec.Later:
		n.body = body // its table depends on the provider, see options
		return
	case n.spec.AnyName:
		n.body = body
		attrs, diags := body.JustAttributes()
		d.report(diags, n)
		n.attrs = attrs
		return
	}
	content, diags := body.Content(n.spec.body)
	d.reportShape(diags, n, n.spec, body)
	d.take(n, content)
}

func (d *decoder) take(n *node, content *hcl.BodyContent) {
	if n.attrs == nil {
		n.attrs = content.Attributes
	}
	for _, b := range content.Blocks {
		if b.Type == dynamicName {
			d.dynamic(n, b)
			continue
		}
		d.block(n, b)
	}
}

func (d *decoder) block(n *node, b *hcl.Block) {
	kid := &node{spec: n.spec.Block(b.Type), parent: n, defRange: b.DefRange}
	if len(b.Labels) > 0 {
		kid.label, kid.labelRange = b.Labels[0], b.LabelRanges[0]
	}
	if !d.labelled(kid) {
		n.broken = true
		return
	}
	n.kids = append(n.kids, kid)
	d.load(kid, b.Body)
}

// reportShape says what hcl found wrong with a body's shape, in words that tell
// what the block does take. It remembers what a misspelt name was meant to be,
// so that this is not reported as missing.
func (d *decoder) reportShape(diags hcl.Diagnostics, n *node, table *Block, body hcl.Body) {
	if len(diags) == 0 {
		return
	}
	syntax, ok := body.(*hclsyntax.Body)
	if !ok {
		d.reportJSON(diags, n, table)
		return
	}
	for name, attr := range syntax.Attributes {
		if table.Attr(name) == nil {
			d.unknown(attr.NameRange, n, table, "argument", name)
		}
	}
	for _, b := range syntax.Blocks {
		kid := table.Block(b.Type)
		if b.Type == dynamicName && len(table.repeatable()) > 0 {
			kid = dynamicBlock()
		}
		switch {
		case kid == nil:
			d.unknown(b.TypeRange, n, table, "block", b.Type)
		case kid.Label == "" && len(b.Labels) > 0:
			d.labels(b, n, kid, fmt.Sprintf("no label: %s { … }", b.Type))
		case kid.Label != "" && len(b.Labels) != 1:
			d.labels(b, n, kid, fmt.Sprintf("one label, its %s: %s %q { … }", kid.Label, b.Type, strings.ToUpper(kid.Label)))
		}
	}
}

// labels reports a block that has more or fewer labels than its table says.
func (d *decoder) labels(b *hclsyntax.Block, n *node, kid *Block, want string) {
	d.wrong(b.DefRange(), n, "Wrong number of labels", "A block of type %q takes %s", kid.Name, want)
	n.mean(kid.Name)
}

// mean remembers a name as not missing.
func (n *node) mean(name string) {
	if n.meant == nil {
		n.meant = map[string]bool{}
	}
	n.meant[name] = true
}

// unknown reports the name of an argument or block that is not in the table.
func (d *decoder) unknown(at hcl.Range, n *node, table *Block, what, name string) {
	names, other := attrNames(table), table.Block(name) != nil
	hint := fmt.Sprintf("It is a block: write %s { … }", name)
	if what == "block" {
		names, other = blockNames(table), table.Attr(name) != nil
		hint = fmt.Sprintf("It is an argument: write %s = …", name)
	}
	meant := name
	if !other {
		meant = nearest(name, names)
		hint = known(name, names, takes(what, table, names))
	}
	n.mean(meant)
	where := "in a configuration"
	if table.Name != "" {
		where = fmt.Sprintf("in a %q block", table.Name)
	}
	d.wrong(at, n, "Unknown "+what, "There is no %s %q %s. %s", what, name, where, hint)
}

func takes(what string, table *Block, names []string) string {
	where := "A configuration"
	if table.Name != "" {
		where = "It"
	}
	switch len(names) {
	case 0:
		return fmt.Sprintf("%s takes no %ss.", where, what)
	case 1:
		return fmt.Sprintf("%s takes the %s %q.", where, what, names[0])
	}
	return fmt.Sprintf("%s takes the %ss %s.", where, what, quoted(names, "and"))
}

func attrNames(b *Block) []string {
	var names []string
	for _, a := range b.Attrs {
		names = append(names, a.Name)
	}
	return names
}

func blockNames(b *Block) []string {
	var names []string
	for _, k := range b.Blocks {
		names = append(names, k.Name)
	}
	return names
}

// shape checks a node and all below it against their tables: labels, blocks
// that stand twice, arguments that are missing. Nested blocks whose label says
// no more than another's are dropped, so that only one complaint follows.
func (d *decoder) shape(n *node) {
	type key struct{ name, label string }
	seen := map[key]*node{}
	kept := n.kids[:0]
	for _, k := range n.kids {
		id := key{k.spec.Name, k.label}
		if k.spec.Once {
			id.label = ""
		}
		first := seen[id]
		unique := k.spec.Once || k.spec.Label != "" && !k.spec.Repeats
		if first != nil && unique {
			d.twice(k, first)
			continue
		}
		seen[id] = k
		kept = append(kept, k)
		d.shape(k)
	}
	n.kids = kept
	for _, a := range n.spec.Attrs {
		if a.Required && n.attrs[a.Name] == nil && !n.meant[a.Name] && !n.unread {
			d.missing(n, a)
		}
	}
}

func (d *decoder) twice(n, first *node) {
	if n.spec.Once {
		where := "a configuration"
		if up := n.parent.spec.Name; up != "" {
			where = fmt.Sprintf("a %q block", up)
		}
		d.wrong(n.defRange, n, fmt.Sprintf("Second %s block", n.spec.Name),
			"There can be one %q block in %s, and the first is at %s. Join the two, or take one out.",
			n.spec.Name, where, place(first.defRange))
		return
	}
	d.wrong(n.defRange, n, fmt.Sprintf("Duplicate %s block", n.spec.Name),
		"%s is declared at %s already. Join the two, or take one out.", n.title(), place(first.defRange))
}

// labelled checks the label as far as the table says.
func (d *decoder) labelled(n *node) bool {
	if n.spec.Label == "" {
		return true
	}
	if n.label == "" {
		d.wrong(n.labelRange, n, fmt.Sprintf("Empty %s %s", n.spec.Name, n.spec.Label),
			"This %q block has an empty %s. Write one between the quotes.", n.spec.Name, n.spec.Label)
		return false
	}
	if len(n.spec.Labels) > 0 && !slices.Contains(n.spec.Labels, n.label) {
		d.wrong(n.labelRange, n, fmt.Sprintf("Unknown %s %s", n.spec.Name, n.spec.Label),
			"There is no %s %q. %s", n.spec.Name, n.label, known(n.label, n.spec.Labels, "It can be "+quoted(n.spec.Labels, "or")+"."))
		return false
	}
	return true
}

func (d *decoder) missing(n *node, a Attr) {
	at := n.defRange
	if null := n.attrs[a.Name]; null != nil {
		at = null.Range
	}
	d.wrong(at, n, "Missing argument",
		"%s needs the argument %q: %s For example: %s", n.title(), a.Name, lower(a.Doc), a.Example)
}

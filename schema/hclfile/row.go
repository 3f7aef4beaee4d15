package hclfile

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stopover/stopover/schema"
)

// maxRows is how many wrong rows of a list are named: a wrong column is wrong in
// all of them.
const maxRows = 25

// lists are the accounts that come from lists of data.
type lists struct {
	written map[string]*node // account blocks
	named   map[string]*node // rows, by the account's name
	of      map[*node]schema.AccountsPattern
}

func newLists(written []*node) *lists {
	l := &lists{written: map[string]*node{}, named: map[string]*node{}, of: map[*node]schema.AccountsPattern{}}
	for _, n := range written {
		l.written[cty.NormalizeString(n.label)] = n
	}
	return l
}

// standard fills in what the accounts block says for all its rows.
func (l *lists) standard(n *node, a *schema.Account) {
	p := l.of[n.parent]
	if a.DowntimeBudget == 0 {
		a.DowntimeBudget = p.DowntimeBudget
	}
	if a.OnExceed == "" {
		a.OnExceed = p.OnExceed
	}
	if len(a.Windows) == 0 {
		a.Windows = p.Windows
	}
	if a.Language == "" {
		a.Language = p.Language
	}
	a.Probes = p.Probes
}

// rows turns the list of an accounts block into account blocks, as if they had
// been written out. Those that "exclude" matches or that are written out are
// left out.
func (d *decoder) rows(n *node, p schema.AccountsPattern, l *lists) []*node {
	v, ok := d.value(n, "from")
	if !ok {
		return nil
	}
	l.of[n] = p
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		d.mistyped(n, "from", v)
		return nil
	}
	var exclude []schema.Glob
	for _, s := range p.Exclude {
		if g, err := schema.ParseGlob(s); err == nil {
			exclude = append(exclude, g)
		}
	}
	columns := map[string]bool{} // that are unknown and reported
	var out []*node
	row := 0
	for it := v.ElementIterator(); it.Next(); {
		row++
		_, element := it.Element()
		k := d.row(n, row, element, columns)
		if k != nil && l.add(d, k, exclude) {
			out = append(out, k)
		}
	}
	return out
}

// tooMany tells whether a row is one too many to complain of, and counts it.
func (d *decoder) tooMany(list *node, row int) bool {
	if d.wrongRows == nil {
		d.wrongRows = map[*node]map[int]bool{}
	}
	rows := d.wrongRows[list]
	if rows == nil {
		rows = map[int]bool{}
		d.wrongRows[list] = rows
	}
	rows[row] = true
	return len(rows) > maxRows
}

// moreRows says of how many wrong rows nothing was said.
func (d *decoder) moreRows(n *node) {
	if more := len(d.wrongRows[n]) - maxRows; more > 0 {
		d.wrong(n.at("from"), n, "Too many wrong rows", "%d more rows of the list are wrong. Mend these first.", more)
	}
}

// add tells whether a row is an account of its own.
func (l *lists) add(d *decoder, k *node, exclude []schema.Glob) bool {
	if slices.ContainsFunc(exclude, func(g schema.Glob) bool { return g.Match(k.label) }) {
		return false
	}
	if l.written[k.label] != nil {
		return false
	}
	if first := l.named[k.label]; first != nil {
		if first.parent == k.parent {
			d.wrong(k.defRange, k, "Account in a list twice", "%q is in row %d already. Take one out.", k.label, first.row)
		} else {
			d.wrong(k.defRange, k, "Account in two lists", "%q is in row %d of the list at %s already. Take one out.", k.label, first.row, place(first.defRange))
		}
		return false
	}
	l.named[k.label] = k
	return true
}

// row makes an account block of one element of a list; nil if it has no name.
func (d *decoder) row(n *node, row int, element cty.Value, columns map[string]bool) *node {
	at := n.at("from")
	k := &node{spec: n.parent.spec.Block("account"), parent: n, defRange: at, labelRange: at, row: row}
	if t := element.Type(); element.IsNull() || !t.IsObjectType() && !t.IsMapType() {
		what := "null"
		if !element.IsNull() {
			what = described(element)
		}
		d.wrong(at, k, "Wrong type of value", "An account is an object with a name, such as { name = \"shop\" }, but this is %s.", what)
		return nil
	}
	named := false
	k.attrs = make(hcl.Attributes, 4)
	for it := element.ElementIterator(); it.Next(); {
		key, cell := it.Element()
		column := key.AsString()
		if column == "name" {
			k.label, named = d.rowName(k, cell)
			continue
		}
		if !d.column(n, k, column, columns) || empty(cell) {
			continue
		}
		a := k.spec.Attr(column)
		if a.Type == TypeStrings || a.Type == TypeWindows {
			cell = listCell(cell)
		}
		k.attrs[column] = &hcl.Attribute{Name: column, Expr: hcl.StaticExpr(cell, at), Range: at, NameRange: at}
	}
	if k.label == "" {
		if !named && !columns["name"] {
			d.wrong(at, k, "Account without a name", "It has no \"name\". Every account of a list needs one.")
		}
		return nil
	}
	return k
}

// rowName reads the column of names; true if there was something in it, good or
// bad.
func (d *decoder) rowName(k *node, cell cty.Value) (string, bool) {
	if empty(cell) {
		return "", false
	}
	if cell.Type() != cty.String {
		d.wrong(k.defRange, k, "Wrong type of value", "The name of an account is a string, but this is %s.", described(cell))
		return "", true
	}
	return cell.AsString(), true
}

// column checks the name of a column, once for all rows.
func (d *decoder) column(n, k *node, name string, columns map[string]bool) bool {
	if k.spec.Attr(name) != nil {
		return true
	}
	if columns[name] {
		return false
	}
	columns[name] = true
	names := append([]string{"name"}, attrNames(k.spec)...)
	near := nearest(name, names)
	if near == "name" {
		columns["name"] = true
	}
	hint := "A list takes the columns " + quoted(names, "and") + "."
	if near != "" {
		hint = known(name, names, hint)
	}
	d.wrong(n.at("from"), n, "Unknown column", "There is no column %q in a list of accounts. %s", name, hint)
	return false
}

func empty(cell cty.Value) bool {
	return cell.IsNull() || cell.Type() == cty.String && strings.TrimSpace(cell.AsString()) == ""
}

// listCell splits the text of a cell into a list.
func listCell(cell cty.Value) cty.Value {
	if cell.Type() != cty.String {
		return cell
	}
	var out []cty.Value
	for part := range strings.SplitSeq(cell.AsString(), ";") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, cty.StringVal(part))
		}
	}
	return cty.TupleVal(out)
}

// rowWindows reads windows by name, as data has them.
func (d *decoder) rowWindows(n *node) []string {
	if n.attrs["window"] != nil && n.attrs["windows"] != nil {
		d.wrong(n.defRange, n, "Both window and windows", "\"window\" and \"windows\" say the same thing. Fill in one of them.")
		return nil
	}
	names := d.texts(n, "windows")
	if s := d.text(n, "window"); s != "" {
		names = []string{s}
	}
	to := referable{"window", d.windows}
	for _, name := range names {
		if !slices.Contains(d.windows, name) {
			d.wrong(n.defRange, n, "Unknown window", "There is no window %q. %s", name, to.unknown(name))
			return nil
		}
	}
	return names
}

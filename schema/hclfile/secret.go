package hclfile

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// secretMark travels with a value that env() gave, whatever is made of it.
type secretMark struct {
	ref string // env:NAME
}

// secretPrefix begins a reference in a server's options.
const secretPrefix = "env:"

// secret reads an option that holds a secret: what env("NAME") or a sensitive
// variable gives and nothing made of it, because that would have to be written
// down. What is kept is the name of the variable of the environment.
func (d *decoder) secret(n *node, attr *hcl.Attribute, v cty.Value) (string, bool) {
	example := fmt.Sprintf("%s = env(\"NAME\")", attr.Name)
	if !v.ContainsMarked() {
		d.hidden(attr.Expr.Range(), n, "Secret in the configuration",
			"%q holds a secret, which does not belong in a file. Put it in a variable of the environment and write %s.", attr.Name, example)
		return "", false
	}
	plain, marks := v.Unmark()
	if len(marks) == 1 && plain.Type() == cty.String && plain.IsKnown() && !plain.IsNull() {
		for m := range marks {
			switch m := m.(type) {
			case secretMark:
				if m.ref == plain.AsString() {
					return m.ref, true
				}
			case *sensitive:
				if m.ref != "" && m.text == plain.AsString() {
					return m.ref, true
				}
				if m.ref == "" && m.name != "" {
					d.hidden(attr.Expr.Range(), n, "Secret that nobody can look up again",
						"%q takes the name of a variable of the environment, and %s has its value from elsewhere. Give it as %s, or write %s.", attr.Name, m.name, envName(m.name), example)
					return "", false
				}
			}
		}
	}
	d.wrong(attr.Expr.Range(), n, "Secret inside of another value",
		"%q takes a secret as it is: a reference cannot be part of a string or of anything else. Write %s.", attr.Name, example)
	return "", false
}

package hclfile

import (
	"fmt"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// secretMark travels with a value that env() gave, whatever is made of it.
type secretMark struct{}

// secretPrefix begins a reference in a server's options.
const secretPrefix = "env:"

func evalContext() *hcl.EvalContext {
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{},
		Functions: map[string]function.Function{"env": envFunction()},
	}
}

// envFunction makes env("NAME"): a reference to a variable of the environment.
// The variable is read when a provider opens, not here.
func envFunction() function.Function {
	name := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	return function.New(&function.Spec{
		Description: "A secret in a variable of the environment; read when a server is opened, never written down.",
		Params:      []function.Parameter{{Name: "name", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s := args[0].AsString()
			if !name.MatchString(s) {
				return cty.NilVal, function.NewArgErrorf(0, "%q cannot be the name of a variable of the environment", s)
			}
			return cty.StringVal(secretPrefix + s).Mark(secretMark{}), nil
		},
	})
}

func hasSecret(v cty.Value) bool {
	_, marks := v.UnmarkDeep()
	_, ok := marks[secretMark{}]
	return ok
}

// secret reads an option that holds a secret: env("NAME") and nothing around
// it, because what is made of a secret would have to be written down.
func (d *decoder) secret(n *node, attr *hcl.Attribute, v cty.Value) (string, bool) {
	example := fmt.Sprintf("%s = env(\"NAME\")", attr.Name)
	if !hasSecret(v) {
		d.hidden(attr.Expr.Range(), n, "Secret in the configuration",
			"%q holds a secret, which does not belong in a file. Put it in a variable of the environment and write %s.", attr.Name, example)
		return "", false
	}
	call, diags := hcl.ExprCall(attr.Expr)
	plain, _ := v.Unmark()
	if diags.HasErrors() || call.Name != "env" || plain.Type() != cty.String || !plain.IsKnown() || plain.IsNull() {
		d.wrong(attr.Expr.Range(), n, "Secret inside of another value",
			"%q takes a secret as it is: a reference cannot be part of a string or of anything else. Write %s.", attr.Name, example)
		return "", false
	}
	return plain.AsString(), true
}

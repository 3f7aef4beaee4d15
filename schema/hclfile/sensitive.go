package hclfile

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/stopover/stopover/schema"
)

// sensitive travels with a value that must not be printed, whatever is made of
// it. There is one for each sensitive variable, and one for what the function
// of that name marks.
type sensitive struct {
	name string // var.password; empty: of the function
	ref  string // env:STOPOVER_VAR_password, if the value is text that the environment holds; else empty
	text string // that text
}

// hiddenText stands for what is not printed.
const hiddenText = "(sensitive value)"

// sensitiveIn returns a sensitive mark within a value, or nil; of several the
// one whose name is first.
func sensitiveIn(v cty.Value) *sensitive {
	_, marks := v.UnmarkDeep()
	var found *sensitive
	for m := range marks {
		if s, ok := m.(*sensitive); ok && (found == nil || s.name < found.name) {
			found = s
		}
	}
	return found
}

// of names the mark in a sentence.
func (s *sensitive) of() string {
	if s.name == "" {
		return "what sensitive() marks"
	}
	return s.name + ", which is sensitive"
}

// open tells whether a value may be written down, and reports it if not.
func (d *decoder) open(n *node, at hcl.Range, name string, v cty.Value) bool {
	if !v.ContainsMarked() {
		return true
	}
	if s := sensitiveIn(v); s != nil {
		d.wrong(at, n, "Sensitive value in an open place",
			"%q is written to plans and messages, so it cannot hold %s. Write another value, or let nonsensitive() say that this one may be seen.", name, s.of())
		return false
	}
	d.wrong(at, n, "Secret in an open place",
		"%q is written to plans and messages, so it cannot hold what env() refers to. Write the value itself.", name)
	return false
}

// touches returns the sensitive mark of a value that an expression refers to,
// or nil. What such an expression did wrong might show the value.
func touches(expr hcl.Expression, ctx *hcl.EvalContext) *sensitive {
	for _, t := range expr.Variables() {
		if len(t) > 2 {
			t = t[:2] // var.x: the rest may be what is wrong
		}
		v, diags := t.TraverseAbs(ctx)
		if diags.HasErrors() {
			continue
		}
		if s := sensitiveIn(v); s != nil {
			return s
		}
	}
	return nil
}

// shortest is the length from which a sensitive text is looked for in messages:
// shorter ones are part of ordinary words.
const shortest = 4

// remember keeps the texts of a sensitive value, for redact.
func (d *decoder) remember(v cty.Value) {
	v, _ = v.UnmarkDeep()
	err := cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			if s := v.AsString(); len(s) >= shortest {
				d.hide = append(d.hide, s)
			}
		}
		return true, nil
	})
	if err != nil {
		panic(err) // the callback gives none
	}
}

// redact is the last line of defence: a message that repeats what somebody
// wrote on the line of a sensitive value, as minified JSON has it.
func (d *decoder) redact(diags schema.Diagnostics) {
	for i := range diags {
		for _, s := range d.hide {
			if strings.Contains(diags[i].Snippet, printable([]byte(s))) {
				diags[i].Snippet = ""
			}
			for _, form := range []string{s, strings.Trim(fmt.Sprintf("%q", s), `"`)} {
				diags[i].Detail = strings.ReplaceAll(diags[i].Detail, form, hiddenText)
				diags[i].Address = strings.ReplaceAll(diags[i].Address, form, hiddenText)
			}
		}
	}
}

func sensitiveFunction() function.Function {
	mark := &sensitive{}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return args[0].Mark(mark), nil
		},
	})
}

// nonsensitiveFunction takes off what makes a value sensitive, and nothing
// else: what env() refers to stays a secret.
func nonsensitiveFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			plain, paths := args[0].UnmarkDeepWithPaths()
			var kept []cty.PathValueMarks
			for _, p := range paths {
				left := cty.ValueMarks{}
				for m := range p.Marks {
					if _, ok := m.(*sensitive); !ok {
						left[m] = struct{}{}
					}
				}
				if len(left) > 0 {
					kept = append(kept, cty.PathValueMarks{Path: p.Path, Marks: left})
				}
			}
			return plain.MarkWithPaths(kept), nil
		},
	})
}

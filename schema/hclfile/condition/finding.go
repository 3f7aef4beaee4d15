package condition

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stopover/stopover/schema"
)

// base is what all findings of a condition have.
func (r *rule) base(account string) schema.Finding {
	return schema.Finding{Code: r.kind + ":" + r.Name, Account: account, Source: "configuration", Certainty: "own"}
}

// where is the place of the condition; nothing when it comes from a saved plan,
// which keeps no places.
func (r *rule) where() []string {
	if r.Pos.File == "" {
		return nil
	}
	return []string{oneLine(fmt.Sprintf("%s:%d", r.Pos.File, r.Pos.Line))}
}

// failed is the finding of a condition that is false. That its message cannot
// be evaluated changes nothing about that.
func (r *rule) failed(account string, ctx *hcl.EvalContext) schema.Finding {
	f := r.base(account)
	f.Severity, f.Remedy = r.Severity, oneLine(r.Remedy)
	if f.Severity == "" {
		f.Severity = schema.Blocker
	}
	v, why := r.evaluate(r.message, ctx, cty.String)
	switch {
	case why != nil:
		f.Summary = fmt.Sprintf("the %s %q failed, and its message cannot be evaluated: %s", r.kind, r.Name, why.detail)
	case !v.IsKnown() || strings.TrimSpace(v.AsString()) == "":
		f.Summary = fmt.Sprintf("the %s %q failed", r.kind, r.Name)
	default:
		f.Summary = v.AsString()
	}
	f.Summary = oneLine(f.Summary)
	f.Evidence = append(seen(r.condition, ctx), r.where()...)
	return f
}

// broken is the finding of a condition that cannot be evaluated: it has not
// passed, whatever severity it has.
func (r *rule) broken(account string, why *fault) schema.Finding {
	f := r.base(account)
	f.Severity = schema.Blocker
	f.Summary = oneLine(fmt.Sprintf("the %s %q cannot be evaluated: %s", r.kind, r.Name, why.detail))
	f.Remedy = "change its condition, or guard what may be missing with try(…)"
	if why.line != "" {
		f.Evidence = append(f.Evidence, why.line)
	}
	f.Evidence = append(f.Evidence, r.where()...)
	return f
}

// idle is the finding of a pattern that no account matches: a check that looks
// at nothing looks like one that passed.
func (r *rule) idle(pattern string) schema.Finding {
	f := r.base("")
	f.Severity, f.Object = schema.Warning, pattern
	if r.Severity == schema.Info {
		f.Severity = schema.Info
	}
	f.Summary = oneLine(fmt.Sprintf("the check %q looks at no account for the pattern %q: none matches it", r.Name, pattern))
	f.Remedy = "correct the pattern, or take it out"
	f.Evidence = r.where()
	return f
}

func (f *fault) diagnostic(r *rule) schema.Diagnostic {
	detail := f.detail
	if f.line != "" {
		detail += "\nThe line is: " + f.line
	}
	return schema.Diagnostic{Severity: "error", Summary: f.summary, Detail: detail, Address: address(r), Pos: r.Pos}
}

func address(r *rule) string { return r.kind + "." + r.Name }

// seen is what the condition looked at: "account.quota = 0". Variables and local
// values are left out, for they may be long and somebody's secret.
func seen(e hclsyntax.Expression, ctx *hcl.EvalContext) []string {
	const most, longest = 5, 120
	var out []string
	had := map[string]bool{}
	for _, t := range e.Variables() {
		if root := t.RootName(); root == "var" || root == "local" || len(t) < 2 || len(out) == most {
			continue
		}
		v, diags := t.TraverseAbs(ctx)
		name := written(t)
		if diags.HasErrors() || name == "" || had[name] {
			continue
		}
		if text := shown(v); text != "" {
			had[name] = true
			out = append(out, shortened(oneLine(name+" = "+text), longest))
		}
	}
	return out
}

// shown is a single value for people; "" for a list or an object.
func shown(v cty.Value) string {
	t := v.Type()
	switch {
	case !v.IsKnown() || t != durationType && !t.IsPrimitiveType() && !v.IsNull():
		return ""
	case v.IsNull():
		return "null"
	case t == cty.String:
		return strconv.Quote(v.AsString())
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil {
		return ""
	}
	return s.AsString()
}

// written is a traversal as it stands in an expression; "" if it has a splat.
func written(t hcl.Traversal) string {
	var b strings.Builder
	for _, s := range t {
		switch s := s.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			k := shown(s.Key)
			if k == "" {
				return ""
			}
			b.WriteString("[" + k + "]")
		default:
			return ""
		}
	}
	return b.String()
}

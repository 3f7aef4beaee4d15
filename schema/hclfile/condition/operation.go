package condition

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// operations stand in for HCL's own where one side may be a duration. HCL would
// say of a duration and a number only that they are never equal.
var operations = map[*hclsyntax.Operation]*hclsyntax.Operation{
	hclsyntax.OpEqual:              {Impl: comparing(stdlib.EqualFunc, false), Type: cty.Bool},
	hclsyntax.OpNotEqual:           {Impl: comparing(stdlib.NotEqualFunc, false), Type: cty.Bool},
	hclsyntax.OpLessThan:           {Impl: comparing(stdlib.LessThanFunc, true), Type: cty.Bool},
	hclsyntax.OpLessThanOrEqual:    {Impl: comparing(stdlib.LessThanOrEqualToFunc, true), Type: cty.Bool},
	hclsyntax.OpGreaterThan:        {Impl: comparing(stdlib.GreaterThanFunc, true), Type: cty.Bool},
	hclsyntax.OpGreaterThanOrEqual: {Impl: comparing(stdlib.GreaterThanOrEqualToFunc, true), Type: cty.Bool},
	hclsyntax.OpAdd:                {Impl: plusFunc, Type: cty.DynamicPseudoType},
	hclsyntax.OpSubtract:           {Impl: keepDuration(stdlib.SubtractFunc, pair, nil), Type: cty.DynamicPseudoType},
}

var plusFunc = keepDuration(stdlib.AddFunc, pair, nil)

var pair = []function.Parameter{
	{Name: "a", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true},
	{Name: "b", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true},
}

// nullable is pair where null is a value like others: x == null.
var nullable = []function.Parameter{
	{Name: "a", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
	{Name: "b", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
}

// withDurations puts these operations into an expression.
func withDurations(e hclsyntax.Expression) {
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		if b, ok := n.(*hclsyntax.BinaryOpExpr); ok {
			if own := operations[b.Op]; own != nil {
				b.Op = own
			}
		}
		return nil
	})
}

// comparing is a comparison that takes a duration with another one, a number of
// seconds, or a text such as "5m".
func comparing(of function.Function, ordered bool) function.Function {
	params := nullable
	if ordered {
		params = pair
	}
	return function.New(&function.Spec{
		Params: params,
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			a, b := args[0], args[1]
			if !a.IsKnown() || !b.IsKnown() {
				return cty.UnknownVal(cty.Bool), unordered(ordered, a, b)
			}
			timed := a.Type() == durationType || b.Type() == durationType
			if timed && !a.IsNull() && !b.IsNull() {
				x, err := asDuration(a)
				if err != nil {
					return cty.NilVal, err
				}
				y, err := asDuration(b)
				if err != nil {
					return cty.NilVal, err
				}
				return of.Call([]cty.Value{cty.NumberIntVal(int64(x)), cty.NumberIntVal(int64(y))})
			}
			if !ordered {
				return of.Call(args)
			}
			if err := unordered(true, a, b); err != nil {
				return cty.NilVal, err
			}
			x, _ := convert.Convert(a, cty.Number)
			y, _ := convert.Convert(b, cty.Number)
			return of.Call([]cty.Value{x, y})
		},
	})
}

// unordered says why two values have no order; their types are enough to know
// most of it.
func unordered(ordered bool, a, b cty.Value) error {
	if !ordered || a.Type() == durationType || b.Type() == durationType {
		return nil
	}
	for _, v := range []cty.Value{a, b} {
		if _, err := convert.Convert(v, cty.Number); err != nil {
			return fmt.Errorf("only numbers and durations have an order, and this is %s; compare times with timecmp()", described(v.Type()))
		}
	}
	return nil
}

package hclfile

import (
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// Functions that are mostly for conditions: what holds of all, of one, and what
// is earlier.

// truthFunction looks for the first element that is what is wanted: true for
// anytrue, false for alltrue. Null is not true.
func truthFunction(wanted bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if t := args[0].Type(); !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
				return cty.NilVal, function.NewArgErrorf(0, "it takes a list, but this is %s", described(args[0]))
			}
			known := true
			for it := args[0].ElementIterator(); it.Next(); {
				_, e := it.Element()
				v, err := convert.Convert(e, cty.Bool)
				if err != nil {
					return cty.NilVal, function.NewArgErrorf(0, "one of the elements is neither true nor false")
				}
				if !v.IsKnown() {
					known = false
					continue
				}
				if (!v.IsNull() && v.True()) == wanted {
					return cty.BoolVal(wanted), nil
				}
			}
			if !known {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(!wanted), nil
		},
	})
}

func timecmpFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "a", Type: cty.String}, {Name: "b", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			var at [2]time.Time
			for i, a := range args {
				t, err := time.Parse(time.RFC3339Nano, a.AsString())
				if err != nil {
					return cty.NilVal, function.NewArgErrorf(i, "%q is not a time: write it like \"2026-12-20T18:00:00Z\"", a.AsString())
				}
				at[i] = t
			}
			return cty.NumberIntVal(int64(at[0].Compare(at[1]))), nil
		},
	})
}

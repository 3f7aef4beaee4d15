package condition

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/stopover/stopover/schema/hclfile"
)

// Functions is what conditions may call: of the language's functions those that
// need no file, no environment and no clock, some of them changed so that they
// know durations. The map is the caller's own.
func Functions() map[string]function.Function {
	number := function.Parameter{Name: "numbers", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true}
	out := hclfile.PureFunctions()
	out["abs"] = keepDuration(stdlib.AbsoluteFunc, []function.Parameter{number}, nil)
	out["max"] = keepDuration(stdlib.MaxFunc, nil, &number)
	out["min"] = keepDuration(stdlib.MinFunc, nil, &number)
	out["sum"] = sumFunc
	out["duration"] = durationFunc
	for _, name := range []string{"format", "formatlist", "jsonencode", "yamlencode"} {
		out[name] = textual(out[name])
	}
	return out
}

// textual hands a function its durations as the texts that people read.
func textual(of function.Function) function.Function {
	spec := &function.Spec{Description: of.Description()}
	open := func(p function.Parameter) function.Parameter {
		p.AllowUnknown, p.AllowDynamicType = true, true
		return p
	}
	for _, p := range of.Params() {
		spec.Params = append(spec.Params, open(p))
	}
	if p := of.VarParam(); p != nil {
		q := open(*p)
		spec.VarParam = &q
	}
	spec.Type = func(args []cty.Value) (cty.Type, error) {
		list, err := durationsAsText(args)
		if err != nil {
			return cty.NilType, err
		}
		return of.ReturnTypeForValues(list)
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		list, err := durationsAsText(args)
		if err != nil {
			return cty.NilVal, err
		}
		return of.Call(list)
	}
	return function.New(spec)
}

func durationsAsText(args []cty.Value) ([]cty.Value, error) {
	out := make([]cty.Value, len(args))
	for i, a := range args {
		v, err := durationsIn(a)
		if err != nil {
			return nil, function.NewArgError(i, err)
		}
		out[i] = v
	}
	return out, nil
}

func durationsIn(v cty.Value) (cty.Value, error) {
	t := v.Type()
	switch {
	case t == durationType:
		return convert.Convert(v, cty.String)
	case !v.IsKnown() || v.IsNull() || t.IsPrimitiveType():
		if t.IsPrimitiveType() || t == cty.DynamicPseudoType {
			return v, nil
		}
		return cty.DynamicVal, nil
	case t.IsObjectType() || t.IsMapType():
		out := map[string]cty.Value{}
		for k, e := range v.AsValueMap() {
			x, err := durationsIn(e)
			if err != nil {
				return cty.NilVal, err
			}
			out[k] = x
		}
		return cty.ObjectVal(out), nil
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
		var out []cty.Value
		for _, e := range v.AsValueSlice() {
			x, err := durationsIn(e)
			if err != nil {
				return cty.NilVal, err
			}
			out = append(out, x)
		}
		return cty.TupleVal(out), nil
	}
	return v, nil
}

// sumFunc of durations is a duration; of nothing it is 0.
var sumFunc = function.New(&function.Spec{
	Description: "The sum of a list of numbers or durations.",
	Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		if !args[0].IsKnown() {
			return cty.DynamicPseudoType, nil
		}
		v, err := sumOf(args[0])
		return v.Type(), err
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return sumOf(args[0]) },
})

func sumOf(v cty.Value) (cty.Value, error) {
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		return cty.DynamicVal, function.NewArgErrorf(0, "it takes a list of numbers or durations, but this is %s", described(t))
	}
	list := v.AsValueSlice()
	if len(list) == 0 {
		return cty.Zero, nil
	}
	sum := list[0]
	for _, x := range list[1:] {
		var err error
		if sum, err = plusFunc.Call([]cty.Value{sum, x}); err != nil {
			return cty.DynamicVal, err
		}
	}
	if sum.Type() == durationType {
		return sum, nil
	}
	return convert.Convert(sum, cty.Number)
}

package condition

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Functions is what conditions may call: of the language's functions those that
// need no file, no environment and no clock, and a few over times. The map is
// the caller's own.
func Functions() map[string]function.Function {
	number := function.Parameter{Name: "numbers", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true}
	return map[string]function.Function{
		"abs":             keepDuration(stdlib.AbsoluteFunc, []function.Parameter{number}, nil),
		"alltrue":         allTrue,
		"anytrue":         anyTrue,
		"can":             tryfunc.CanFunc,
		"ceil":            stdlib.CeilFunc,
		"chomp":           stdlib.ChompFunc,
		"chunklist":       stdlib.ChunklistFunc,
		"coalesce":        stdlib.CoalesceFunc,
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         stdlib.CompactFunc,
		"concat":          stdlib.ConcatFunc,
		"contains":        stdlib.ContainsFunc,
		"csvdecode":       stdlib.CSVDecodeFunc,
		"distinct":        stdlib.DistinctFunc,
		"duration":        durationFunc,
		"element":         stdlib.ElementFunc,
		"endswith":        suffixed,
		"flatten":         stdlib.FlattenFunc,
		"floor":           stdlib.FloorFunc,
		"format":          textual(stdlib.FormatFunc),
		"formatdate":      stdlib.FormatDateFunc,
		"formatlist":      textual(stdlib.FormatListFunc),
		"indent":          stdlib.IndentFunc,
		"join":            stdlib.JoinFunc,
		"jsondecode":      stdlib.JSONDecodeFunc,
		"jsonencode":      textual(stdlib.JSONEncodeFunc),
		"keys":            stdlib.KeysFunc,
		"length":          lengthFunc,
		"lookup":          stdlib.LookupFunc,
		"lower":           stdlib.LowerFunc,
		"max":             keepDuration(stdlib.MaxFunc, nil, &number),
		"merge":           stdlib.MergeFunc,
		"min":             keepDuration(stdlib.MinFunc, nil, &number),
		"one":             oneFunc,
		"parseint":        stdlib.ParseIntFunc,
		"range":           stdlib.RangeFunc,
		"regex":           stdlib.RegexFunc,
		"regexall":        stdlib.RegexAllFunc,
		"replace":         stdlib.ReplaceFunc,
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setsubtract":     stdlib.SetSubtractFunc,
		"setunion":        stdlib.SetUnionFunc,
		"signum":          stdlib.SignumFunc,
		"slice":           stdlib.SliceFunc,
		"sort":            stdlib.SortFunc,
		"split":           stdlib.SplitFunc,
		"startswith":      prefixed,
		"strcontains":     containing,
		"strrev":          stdlib.ReverseFunc,
		"substr":          stdlib.SubstrFunc,
		"sum":             sumFunc,
		"timeadd":         stdlib.TimeAddFunc,
		"timecmp":         timeCmp,
		"title":           stdlib.TitleFunc,
		"tobool":          stdlib.MakeToFunc(cty.Bool),
		"tolist":          stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":           stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":        stdlib.MakeToFunc(cty.Number),
		"toset":           stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":        stdlib.MakeToFunc(cty.String),
		"trim":            stdlib.TrimFunc,
		"trimprefix":      stdlib.TrimPrefixFunc,
		"trimspace":       stdlib.TrimSpaceFunc,
		"trimsuffix":      stdlib.TrimSuffixFunc,
		"try":             tryfunc.TryFunc,
		"upper":           stdlib.UpperFunc,
		"values":          stdlib.ValuesFunc,
		"yamldecode":      ctyyaml.YAMLDecodeFunc,
		"zipmap":          stdlib.ZipmapFunc,
	}
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

// over is a function over all elements of one list.
func over(description string, result func([]cty.Value) (cty.Type, error), of func([]cty.Value) (cty.Value, error)) function.Function {
	elements := func(v cty.Value) ([]cty.Value, error) {
		if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
			return nil, function.NewArgErrorf(0, "a list is needed, and this is %s", described(t))
		}
		return v.AsValueSlice(), nil
	}
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			list, err := elements(args[0])
			if err != nil {
				return cty.NilType, err
			}
			return result(list)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			list, err := elements(args[0])
			if err != nil {
				return cty.NilVal, err
			}
			return of(list)
		},
	})
}

func always(t cty.Type) func([]cty.Value) (cty.Type, error) {
	return func([]cty.Value) (cty.Type, error) { return t, nil }
}

// sumFunc of durations is a duration; of nothing it is 0.
var sumFunc = over("The sum of a list of numbers or durations.",
	func(list []cty.Value) (cty.Type, error) {
		if len(list) == 0 {
			return cty.Number, nil
		}
		v, err := sumOf(list)
		return v.Type(), err
	}, sumOf)

func sumOf(list []cty.Value) (cty.Value, error) {
	if len(list) == 0 {
		return cty.Zero, nil
	}
	add, sum := plusFunc, list[0]
	for _, v := range list[1:] {
		var err error
		if sum, err = add.Call([]cty.Value{sum, v}); err != nil {
			return cty.DynamicVal, err
		}
	}
	if sum.Type() == durationType {
		return sum, nil
	}
	return convert.Convert(sum, cty.Number)
}

var oneFunc = over("The only element of a list, or null if it is empty.",
	func(list []cty.Value) (cty.Type, error) {
		if len(list) == 1 {
			return list[0].Type(), nil
		}
		return cty.DynamicPseudoType, nil
	},
	func(list []cty.Value) (cty.Value, error) {
		switch len(list) {
		case 0:
			return cty.NullVal(cty.DynamicPseudoType), nil
		case 1:
			return list[0], nil
		}
		return cty.NilVal, fmt.Errorf("the list has %d elements, not one", len(list))
	})

var (
	allTrue = over("Whether every element is true; of an empty list they all are.", always(cty.Bool), truth(false))
	anyTrue = over("Whether one of the elements is true.", always(cty.Bool), truth(true))
)

// truth ends at the first element that is what is looked for.
func truth(wanted bool) func([]cty.Value) (cty.Value, error) {
	return func(list []cty.Value) (cty.Value, error) {
		for _, v := range list {
			b, err := convert.Convert(v, cty.Bool)
			if err != nil {
				return cty.NilVal, err
			}
			if !b.IsKnown() {
				return cty.UnknownVal(cty.Bool), nil
			}
			if !b.IsNull() && b.True() == wanted {
				return cty.BoolVal(wanted), nil
			}
			if b.IsNull() && !wanted { // nothing is not true
				return cty.False, nil
			}
		}
		return cty.BoolVal(!wanted), nil
	}
}

// lengthFunc counts elements, or the characters of a text.
var lengthFunc = function.New(&function.Spec{
	Description: "How many elements a list, set, map or object has, or characters a text.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		switch t := args[0].Type(); {
		case t == cty.String:
			return stdlib.StrlenFunc.Call(args)
		case t.IsObjectType():
			return cty.NumberIntVal(int64(len(t.AttributeTypes()))), nil
		}
		return stdlib.LengthFunc.Call(args)
	},
})

// twoTexts is a function that tells something of two texts.
func twoTexts(description string, of func(a, b string) bool) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: "text", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(of(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

var (
	prefixed   = twoTexts("Whether a text begins with another.", strings.HasPrefix)
	suffixed   = twoTexts("Whether a text ends with another.", strings.HasSuffix)
	containing = twoTexts("Whether a text holds another.", strings.Contains)
)

var timeCmp = function.New(&function.Spec{
	Description: "-1, 0 or 1: the first time is before the second, the same, or after it.",
	Params:      []function.Parameter{{Name: "a", Type: cty.String}, {Name: "b", Type: cty.String}},
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var at [2]time.Time
		for i, a := range args {
			t, err := time.Parse(time.RFC3339Nano, a.AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(i, "%q is no time; write it like 2026-12-20T18:00:00Z", a.AsString())
			}
			at[i] = t
		}
		return cty.NumberIntVal(int64(at[0].Compare(at[1]))), nil
	},
})

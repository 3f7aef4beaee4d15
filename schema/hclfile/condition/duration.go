package condition

import (
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// durationType is a length of time. Where a number is needed it is one, of
// seconds; where a text is needed it is written as people write it. Of two
// representations that were weighed against it, a plain number prints as
// "390000000000" and a plain string compares as text.
var durationType = cty.CapsuleWithOps("duration", reflect.TypeFor[time.Duration](), &cty.CapsuleOps{
	GoString:     func(v any) string { return fmt.Sprintf("condition.duration(%q)", durationText(*v.(*time.Duration))) },
	TypeGoString: func(reflect.Type) string { return "condition.durationType" },
	RawEquals:    func(a, b any) bool { return *a.(*time.Duration) == *b.(*time.Duration) },
	Equals: func(a, b any) cty.Value {
		return cty.BoolVal(*a.(*time.Duration) == *b.(*time.Duration))
	},
	HashKey: func(v any) string { return strconv.FormatInt(int64(*v.(*time.Duration)), 10) },
	ConversionFrom: func(to cty.Type) func(any, cty.Path) (cty.Value, error) {
		switch to {
		case cty.Number:
			return func(v any, _ cty.Path) (cty.Value, error) { return secondsOf(*v.(*time.Duration)), nil }
		case cty.String:
			return func(v any, _ cty.Path) (cty.Value, error) {
				return cty.StringVal(durationText(*v.(*time.Duration))), nil
			}
		}
		return nil
	},
})

func durationVal(d time.Duration) cty.Value { return cty.CapsuleVal(durationType, &d) }

// precision is that of numbers written in a configuration, so that
// duration("0.3s") equals 0.3.
const precision = 512

// secondsOf is exact where a decimal number is: no float64 comes between.
func secondsOf(d time.Duration) cty.Value {
	n := new(big.Float).SetPrec(precision).SetInt64(int64(d))
	return cty.NumberVal(n.Quo(n, new(big.Float).SetPrec(precision).SetInt64(int64(time.Second))))
}

// fromSeconds is the nearest nanosecond.
func fromSeconds(v cty.Value) (time.Duration, error) {
	n := new(big.Float).SetPrec(precision).Set(v.AsBigFloat())
	if n.IsInf() {
		return 0, fmt.Errorf("an infinite number is no duration")
	}
	n.Mul(n, new(big.Float).SetInt64(int64(time.Second)))
	half := big.NewFloat(0.5)
	if n.Sign() < 0 {
		half.Neg(half)
	}
	i, _ := n.Add(n, half).Int(nil)
	if !i.IsInt64() {
		return 0, fmt.Errorf("%s seconds are too long for a duration", v.AsBigFloat().Text('g', 6))
	}
	return time.Duration(i.Int64()), nil
}

// durationText writes a duration so that it reads well and can be parsed again:
// "6m30s", "5m" rather than "5m0s"; fractions of seconds to the millisecond.
func durationText(d time.Duration) string {
	if r := d.Round(time.Millisecond); r != 0 {
		d = r
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// asDuration reads what stands where a duration is meant: one, a number of
// seconds, or a text.
func asDuration(v cty.Value) (time.Duration, error) {
	switch {
	case v.IsNull():
		return 0, fmt.Errorf("null is no duration")
	case v.Type() == durationType:
		return *v.EncapsulatedValue().(*time.Duration), nil
	case v.Type() == cty.Number:
		return fromSeconds(v)
	case v.Type() == cty.String:
		d, err := time.ParseDuration(strings.TrimSpace(v.AsString()))
		if err != nil {
			return 0, fmt.Errorf("%q is no duration; write numbers with the units h, m, s or ms, as in \"1h30m\"", v.AsString())
		}
		return d, nil
	}
	return 0, fmt.Errorf("%s is no duration", described(v.Type()))
}

// durationFunc makes a duration of a text or of a number of seconds.
var durationFunc = function.New(&function.Spec{
	Description: "A length of time: duration(\"1h30m\"), or of a number of seconds.",
	Params:      []function.Parameter{{Name: "length", Type: cty.DynamicPseudoType}},
	Type:        function.StaticReturnType(durationType),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		d, err := asDuration(args[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return durationVal(d), nil
	},
})

// keepDuration is a function over numbers (max, min, sum, abs, + and -) that
// gives a duration where all that it was given are durations.
func keepDuration(of function.Function, params []function.Parameter, rest *function.Parameter) function.Function {
	numbers := func(args []cty.Value) ([]cty.Value, error) {
		out := make([]cty.Value, len(args))
		for i, a := range args {
			n, err := convert.Convert(a, cty.Number)
			if err != nil {
				return nil, function.NewArgError(i, err)
			}
			if n.IsKnown() && n.IsNull() {
				return nil, function.NewArgErrorf(i, "null is no number")
			}
			out[i] = n
		}
		return out, nil
	}
	return function.New(&function.Spec{
		Params: params, VarParam: rest,
		Type: func(args []cty.Value) (cty.Type, error) {
			all := len(args) > 0
			for _, a := range args {
				if a.Type() == cty.DynamicPseudoType {
					return cty.DynamicPseudoType, nil
				}
				all = all && a.Type() == durationType
			}
			if all {
				return durationType, nil
			}
			_, err := numbers(args)
			return cty.Number, err
		},
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			list, err := numbers(args)
			if err != nil {
				return cty.NilVal, err
			}
			n, err := of.Call(list)
			if err == nil && !n.IsKnown() {
				return cty.UnknownVal(want), nil
			}
			if err != nil || want != durationType {
				return n, err
			}
			d, err := fromSeconds(n)
			return durationVal(d), err
		},
	})
}

package hclfile

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Function is one function of expressions, for the reference.
type Function struct {
	Name  string
	Usage string // how it is called
	Doc   string
	call  function.Function
}

// PureFunctions returns the functions that read nothing but their arguments,
// by name: those that conditions of checks and policies can call.
func PureFunctions() map[string]function.Function {
	out := map[string]function.Function{}
	for _, f := range pureFunctions() {
		out[f.Name] = f.call
	}
	return out
}

// pureFunctions are declared in the order of the reference.
func pureFunctions() []Function {
	all := append(textFunctions(), collectionFunctions()...)
	return append(append(all, numberFunctions()...), otherFunctions()...)
}

func textFunctions() []Function {
	return []Function{
		{"format", "format(text, values…)", "Text with values in it: `%s`, `%d`, `%q`, `%05.1f`.", bounded(stdlib.FormatFunc)},
		{"formatlist", "formatlist(text, lists…)", "The same for each element of lists.", bounded(stdlib.FormatListFunc)},
		{"formatdate", "formatdate(form, time)", "A time as in RFC 3339 in another form: `YYYY-MM-DD`.", stdlib.FormatDateFunc},
		{"timeadd", "timeadd(time, duration)", "A time as in RFC 3339, and a duration later.", stdlib.TimeAddFunc},
		{"timecmp", "timecmp(time, other)", "-1, 0 or 1: it is before the other time, the same, or after it.", timecmpFunction()},
		{"lower", "lower(text)", "In small letters.", stdlib.LowerFunc},
		{"upper", "upper(text)", "In capital letters.", stdlib.UpperFunc},
		{"title", "title(text)", "Each word with a capital letter.", stdlib.TitleFunc},
		{"trimspace", "trimspace(text)", "Without space around it.", stdlib.TrimSpaceFunc},
		{"trim", "trim(text, characters)", "Without these characters at both ends.", stdlib.TrimFunc},
		{"trimprefix", "trimprefix(text, begin)", "Without this begin.", stdlib.TrimPrefixFunc},
		{"trimsuffix", "trimsuffix(text, end)", "Without this end.", stdlib.TrimSuffixFunc},
		{"chomp", "chomp(text)", "Without line ends behind it.", stdlib.ChompFunc},
		{"indent", "indent(spaces, text)", "Lines after the first begin with so many spaces.", stdlib.IndentFunc},
		{"replace", "replace(text, old, new)", "Each `old` replaced; `/old/` is a regular expression.", replaceFunction()},
		{"regex", "regex(expression, text)", "What a regular expression matches first; an error if nothing.", stdlib.RegexFunc},
		{"regexall", "regexall(expression, text)", "All that it matches.", stdlib.RegexAllFunc},
		{"split", "split(separator, text)", "A list of the parts.", stdlib.SplitFunc},
		{"join", "join(separator, list…)", "The elements in one text.", stdlib.JoinFunc},
		{"substr", "substr(text, offset, length)", "A part; a negative offset counts from the end.", stdlib.SubstrFunc},
		{"strlen", "strlen(text)", "How many characters it has.", stdlib.StrlenFunc},
		{"strrev", "strrev(text)", "Backwards.", stdlib.ReverseFunc},
		{"startswith", "startswith(text, begin)", "Whether it begins so.", testFunction("begin", strings.HasPrefix)},
		{"endswith", "endswith(text, end)", "Whether it ends so.", testFunction("end", strings.HasSuffix)},
		{"strcontains", "strcontains(text, part)", "Whether the part is in it.", testFunction("part", strings.Contains)},
	}
}

func collectionFunctions() []Function {
	return []Function{
		{"alltrue", "alltrue(list)", "Whether each element is true; of an empty list they all are.", truthFunction(false)},
		{"anytrue", "anytrue(list)", "Whether one element is true.", truthFunction(true)},
		{"length", "length(collection)", "How many elements it has, or characters.", lengthFunction()},
		{"concat", "concat(lists…)", "One list of all.", stdlib.ConcatFunc},
		{"contains", "contains(list, value)", "Whether the value is in it.", stdlib.ContainsFunc},
		{"distinct", "distinct(list)", "Each element once.", stdlib.DistinctFunc},
		{"flatten", "flatten(list)", "The elements of the lists in it.", stdlib.FlattenFunc},
		{"compact", "compact(list)", "Without empty texts.", stdlib.CompactFunc},
		{"coalesce", "coalesce(values…)", "The first that is not null.", stdlib.CoalesceFunc},
		{"coalescelist", "coalescelist(lists…)", "The first that is not empty.", stdlib.CoalesceListFunc},
		{"chunklist", "chunklist(list, size)", "Lists of so many elements.", stdlib.ChunklistFunc},
		{"element", "element(list, index)", "An element; behind the end it begins again.", stdlib.ElementFunc},
		{"index", "index(list, value)", "Where the value is, from 0.", indexFunction()},
		{"keys", "keys(map)", "Its keys, sorted.", stdlib.KeysFunc},
		{"values", "values(map)", "Its values, in the order of the keys.", stdlib.ValuesFunc},
		{"lookup", "lookup(map, key, otherwise)", "The value of a key, or another one.", stdlib.LookupFunc},
		{"merge", "merge(maps…)", "One map of all; later ones win.", stdlib.MergeFunc},
		{"zipmap", "zipmap(keys, values)", "A map of two lists.", stdlib.ZipmapFunc},
		{"one", "one(list)", "Its only element, or null.", oneFunction()},
		{"range", "range(first, end, step)", "A list of numbers, 1024 at most.", stdlib.RangeFunc},
		{"reverse", "reverse(list)", "Backwards.", stdlib.ReverseListFunc},
		{"slice", "slice(list, first, end)", "A part; `end` is not in it.", stdlib.SliceFunc},
		{"sort", "sort(list)", "Texts in order.", stdlib.SortFunc},
		{"setunion", "setunion(sets…)", "What is in any.", stdlib.SetUnionFunc},
		{"setintersection", "setintersection(sets…)", "What is in all.", stdlib.SetIntersectionFunc},
		{"setsubtract", "setsubtract(set, other)", "What is in the first only.", stdlib.SetSubtractFunc},
		{"setproduct", "setproduct(lists…)", "All combinations.", stdlib.SetProductFunc},
	}
}

func numberFunctions() []Function {
	return []Function{
		{"abs", "abs(number)", "Without its sign.", stdlib.AbsoluteFunc},
		{"ceil", "ceil(number)", "The next whole number.", stdlib.CeilFunc},
		{"floor", "floor(number)", "The whole number before.", stdlib.FloorFunc},
		{"max", "max(numbers…)", "The largest.", stdlib.MaxFunc},
		{"min", "min(numbers…)", "The smallest.", stdlib.MinFunc},
		{"sum", "sum(list)", "All together.", sumFunction()},
		{"parseint", "parseint(text, base)", "A whole number in another base.", stdlib.ParseIntFunc},
		{"signum", "signum(number)", "-1, 0 or 1.", stdlib.SignumFunc},
		{"duration", "duration(text)", "How many seconds a duration such as `\"1h30m\"` has; for comparing in conditions. Arguments take the text itself.", durationFunction()},
		{"bytesize", "bytesize(text)", "How many bytes a size such as `\"10 MB\"` or `\"1 GiB\"` has.", bytesizeFunction()},
	}
}

func otherFunctions() []Function {
	return []Function{
		{"csvdecode", "csvdecode(text)", "A list of objects, one for each line below the first, which names the columns.", csvdecodeFunction()},
		{"jsondecode", "jsondecode(text)", "What a text in JSON says.", guarded(stdlib.JSONDecodeFunc)},
		{"jsonencode", "jsonencode(value)", "A value as JSON.", stdlib.JSONEncodeFunc},
		{"yamldecode", "yamldecode(text)", "What a text in YAML says.", guarded(yaml.YAMLDecodeFunc)},
		{"yamlencode", "yamlencode(value)", "A value as YAML.", yaml.YAMLEncodeFunc},
		{"base64decode", "base64decode(text)", "Text that was written in Base64.", base64decodeFunction()},
		{"base64encode", "base64encode(text)", "A text in Base64.", textFunction("text", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
		{"sha256", "sha256(text)", "Its SHA-256, in hexadecimal digits.", textFunction("text", func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) })},
		{"tobool", "tobool(value)", "As true or false.", stdlib.MakeToFunc(cty.Bool)},
		{"tolist", "tolist(value)", "As a list, all elements of one type.", stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType))},
		{"tomap", "tomap(value)", "As a map.", stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType))},
		{"tonumber", "tonumber(value)", "As a number.", guarded(stdlib.MakeToFunc(cty.Number))},
		{"toset", "toset(value)", "As a set: each element once, sorted.", stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType))},
		{"tostring", "tostring(value)", "As text.", stdlib.MakeToFunc(cty.String)},
		{"try", "try(expressions…)", "The first that can be computed.", tryfunc.TryFunc},
		{"can", "can(expression)", "Whether it can be computed.", tryfunc.CanFunc},
		{"sensitive", "sensitive(value)", "The value, marked as one that is never printed.", sensitiveFunction()},
		{"nonsensitive", "nonsensitive(value)", "A sensitive value that may be printed all the same, such as the length of one.", nonsensitiveFunction()},
	}
}

// textFunction makes one text of another.
func textFunction(name string, f func(string) string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: name, Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.StringVal(f(args[0].AsString())), nil
		},
	})
}

// testFunction compares two texts.
func testFunction(second string, f func(s, t string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: second, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func numberOf(f func(string) (float64, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			n, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.NumberFloatVal(n), nil
		},
	})
}

func durationFunction() function.Function {
	return numberOf(func(s string) (float64, error) {
		d, err := time.ParseDuration(strings.TrimSpace(s))
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration: write numbers with the units h, m, s or ms, as in \"1h30m\"", s)
		}
		return d.Seconds(), nil
	})
}

func bytesizeFunction() function.Function {
	return numberOf(func(s string) (float64, error) {
		n, err := humanize.ParseBytes(s)
		if err != nil || n >= 1<<62 || strings.ContainsAny(s, "nN") {
			return 0, fmt.Errorf("%q is not a size: write a number and a unit, as in \"10 MB\" or \"1 GiB\"", s)
		}
		return float64(n), nil
	})
}

func base64decodeFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			out, err := base64.StdEncoding.DecodeString(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "this is not Base64")
			}
			return validText(out, "what it holds")
		},
	})
}

// replaceFunction takes a regular expression between slashes too.
func replaceFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "old", Type: cty.String}, {Name: "new", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			old := args[1].AsString()
			if len(old) > 1 && strings.HasPrefix(old, "/") && strings.HasSuffix(old, "/") {
				return stdlib.RegexReplace(args[0], cty.StringVal(old[1:len(old)-1]), args[2])
			}
			if old == "" {
				return cty.NilVal, function.NewArgErrorf(1, "there is nothing to replace: it is empty")
			}
			return stdlib.Replace(args[0], args[1], args[2])
		},
	})
}

// lengthFunction takes texts too, unlike that of cty.
func lengthFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			t := args[0].Type()
			if t == cty.String || t == cty.DynamicPseudoType || t.IsCollectionType() || t.IsTupleType() || t.IsObjectType() {
				return cty.Number, nil
			}
			return cty.Number, function.NewArgErrorf(0, "it takes a list, a set, a map, an object or text, but this is %s", described(args[0]))
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch t := args[0].Type(); {
			case t == cty.String:
				return stdlib.Strlen(args[0])
			case t.IsObjectType():
				return cty.NumberIntVal(int64(len(t.AttributeTypes()))), nil
			}
			return args[0].Length(), nil
		},
	})
}

func indexFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
				return cty.NilVal, function.NewArgErrorf(0, "it takes a list, but this is %s", described(args[0]))
			}
			for it, i := args[0].ElementIterator(), int64(0); it.Next(); i++ {
				if _, v := it.Element(); v.Type().Equals(args[1].Type()) && v.RawEquals(args[1]) {
					return cty.NumberIntVal(i), nil
				}
			}
			return cty.NilVal, function.NewArgErrorf(1, "the value is not in the list")
		},
	})
}

func oneFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			switch t := args[0].Type(); {
			case t.IsListType() || t.IsSetType():
				return t.ElementType(), nil
			case t.IsTupleType() && t.Length() == 1:
				return t.TupleElementType(0), nil
			}
			return cty.DynamicPseudoType, nil
		},
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			if t := args[0].Type(); !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
				return cty.NilVal, function.NewArgErrorf(0, "it takes a list or a set, but this is %s", described(args[0]))
			}
			switch n := args[0].LengthInt(); n {
			case 0:
				return cty.NullVal(want), nil
			case 1:
				it := args[0].ElementIterator()
				it.Next()
				_, v := it.Element()
				return v, nil
			default:
				return cty.NilVal, function.NewArgErrorf(0, "there are %d elements; it takes one or none", n)
			}
		},
	})
}

func sumFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].CanIterateElements() {
				return cty.NilVal, function.NewArgErrorf(0, "it takes a list of numbers, but this is %s", described(args[0]))
			}
			out := cty.Zero
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				n, err := convert.Convert(v, cty.Number)
				if err != nil || n.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "one of the elements is not a number")
				}
				out = out.Add(n)
			}
			return out, nil
		},
	})
}

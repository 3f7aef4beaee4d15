package hclfile

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Functions returns the functions of expressions, for the reference.
func Functions() []Function { return append(pureFunctions(), readingFunctions(&source{})...) }

// functions by name, those that read files from a source.
func functions(s *source) map[string]function.Function {
	out := PureFunctions()
	for _, f := range readingFunctions(s) {
		out[f.Name] = f.call
	}
	return out
}

// readingFunctions read more than their arguments.
func readingFunctions(s *source) []Function {
	return []Function{
		{"file", "file(path)", "The text of a file. Paths are relative to the directory of the configuration and cannot leave it; a file has 64 MiB at most.", fileFunction(s)},
		{"filebase64", "filebase64(path)", "The bytes of a file, in Base64.", base64Function(s)},
		{"fileexists", "fileexists(path)", "Whether a file can be read.", existsFunction(s)},
		{"fileset", "fileset(directory, pattern)", "The paths below a directory that match: `*.csv`, `**/*.json`.", filesetFunction(s)},
		{"templatefile", "templatefile(path, values)", "The text of a file with `${…}` and `%{…}` in it, which may refer to these values.", templateFunction(s)},
		{"env", "env(name)", "A reference to a secret in a variable of the environment. It stands alone, in options that take a secret; its value is read only when a server is opened.", envFunction()},
	}
}

func pathFunction(t cty.Type, f func(name string) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(t),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return v, nil
		},
	})
}

func fileFunction(s *source) function.Function {
	return pathFunction(cty.String, func(name string) (cty.Value, error) {
		src, err := s.file(name)
		if err != nil {
			return cty.NilVal, err
		}
		return validText(src, shownPath(name))
	})
}

func base64Function(s *source) function.Function {
	return pathFunction(cty.String, func(name string) (cty.Value, error) {
		src, err := s.file(name)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(base64.StdEncoding.EncodeToString(src)), nil
	})
}

func existsFunction(s *source) function.Function {
	return pathFunction(cty.Bool, func(name string) (cty.Value, error) {
		if _, err := clean(name); err != nil {
			return cty.NilVal, err
		}
		_, err := s.file(name)
		return cty.BoolVal(err == nil), nil
	})
}

func filesetFunction(s *source) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "directory", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			names, err := s.glob(args[0].AsString(), args[1].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			if len(names) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			out := make([]cty.Value, len(names))
			for i, name := range names {
				out[i] = cty.StringVal(name)
			}
			return cty.SetVal(out), nil
		},
	})
}

// templateFunction renders a file. A template cannot render others, so that it
// cannot render itself.
func templateFunction(s *source) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "values", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			t := args[1].Type()
			if !t.IsObjectType() && !t.IsMapType() || args[1].IsNull() {
				return cty.NilVal, function.NewArgErrorf(1, "it takes an object, but this is %s", described(args[1]))
			}
			src, err := s.file(name)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			v, err := render(name, src, args[1].AsValueMap())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return v, nil
		},
	})
}

func render(name string, src []byte, values map[string]cty.Value) (cty.Value, error) {
	text, err := validText(src, shownPath(name))
	if err != nil {
		return cty.NilVal, err
	}
	src = []byte(text.AsString())
	if tooDeep(src) >= 0 || longExponent(src) {
		return cty.NilVal, fmt.Errorf("%s is nested too deeply, or holds a number that is too large", shownPath(name))
	}
	expr, diags := hclsyntax.ParseTemplate(src, name, hcl.InitialPos)
	if !diags.HasErrors() {
		for _, t := range expr.Variables() {
			if _, ok := values[t.RootName()]; !ok {
				return cty.NilVal, fmt.Errorf("line %d of %s refers to %q, which is not among the values it is given", t.SourceRange().Start.Line, shownPath(name), t.RootName())
			}
		}
		vars := maps.Clone(values)
		var out cty.Value
		out, diags = expr.Value(&hcl.EvalContext{Variables: vars, Functions: PureFunctions()})
		if !diags.HasErrors() {
			if out.Type() != cty.String || out.IsNull() {
				return cty.NilVal, fmt.Errorf("%s makes %s instead of text", shownPath(name), described(out))
			}
			return out, nil
		}
	}
	d := diags[0]
	if d.Subject == nil {
		return cty.NilVal, errors.New(strings.TrimSuffix(d.Detail, "."))
	}
	return cty.NilVal, fmt.Errorf("line %d of %s: %s: %s", d.Subject.Start.Line, shownPath(name), d.Summary, strings.TrimSuffix(d.Detail, "."))
}

// envFunction makes env("NAME"): a reference to a variable of the environment.
// The variable is read when a provider opens, not here.
func envFunction() function.Function {
	name := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s := args[0].AsString()
			if !name.MatchString(s) {
				return cty.NilVal, function.NewArgErrorf(0, "%q cannot be the name of a variable of the environment", s)
			}
			ref := secretPrefix + s
			return cty.StringVal(ref).Mark(secretMark{ref}), nil
		},
	})
}

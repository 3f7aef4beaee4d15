package hclfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// guarded refuses texts that hold numbers like 1e300000000, which would be
// computed exactly for minutes, and nesting that overflows the stack.
func guarded(f function.Function) function.Function {
	return before(f, func(s string) error {
		switch {
		case longExponent([]byte(s)):
			return errors.New("a number in it is larger, or closer to zero, than any that is needed")
		case tooDeep([]byte(s)) >= 0:
			return fmt.Errorf("it is nested more than %d times", maxDepth)
		}
		return nil
	})
}

// maxWidth is the widest that format may make one value.
const maxWidth = 1000

// bounded refuses widths that would fill the memory.
func bounded(f function.Function) function.Function {
	digits := regexp.MustCompile(`[0-9]+`)
	return before(f, func(s string) error {
		for _, one := range strings.Split(s, "%")[1:] {
			head := one
			if end := strings.IndexFunc(one, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }); end >= 0 {
				head = one[:end]
			}
			for _, n := range digits.FindAllString(head, -1) {
				if v, err := strconv.Atoi(n); err != nil || v > maxWidth {
					return fmt.Errorf("a width of more than %d", maxWidth)
				}
			}
		}
		return nil
	})
}

// before looks at the first argument before a function does.
func before(f function.Function, look func(string) error) function.Function {
	check := func(args []cty.Value) error {
		if len(args) == 0 {
			return nil
		}
		v, _ := args[0].Unmark()
		if v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
			return nil
		}
		if err := look(v.AsString()); err != nil {
			return function.NewArgError(0, err)
		}
		return nil
	}
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args); err != nil {
				return cty.NilType, err
			}
			t, err := f.ReturnTypeForValues(args)
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the text ends too early")
			}
			return t, err
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// csvdecodeFunction reads what spreadsheets write: with a byte order mark at
// the begin, and with line numbers in its complaints.
func csvdecodeFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type: func(args []cty.Value) (cty.Type, error) {
			columns, err := csvReader(args[0].AsString()).columns()
			if err != nil {
				return cty.NilType, function.NewArgError(0, err)
			}
			return cty.List(rowType(columns)), nil
		},
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			rows, err := csvReader(args[0].AsString()).rows()
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			if len(rows) == 0 {
				return cty.ListValEmpty(want.ElementType()), nil
			}
			return cty.ListVal(rows), nil
		},
	})
}

func rowType(columns []string) cty.Type {
	types := make(map[string]cty.Type, len(columns))
	for _, c := range columns {
		types[c] = cty.String
	}
	return cty.Object(types)
}

type table struct{ *csv.Reader }

func csvReader(s string) table {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(s, "\ufeff")))
	r.ReuseRecord = true
	return table{r}
}

func (t table) columns() ([]string, error) {
	head, err := t.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("there is no line that names the columns")
	}
	if err != nil {
		return nil, csvError(err)
	}
	seen := map[string]bool{}
	for _, name := range head {
		switch {
		case len(head) == 1 && strings.Contains(name, ";"):
			return nil, fmt.Errorf("the columns are separated by \";\": separate them by commas")
		case name == "":
			return nil, errors.New("a column has no name")
		case seen[name]:
			return nil, fmt.Errorf("two columns are named %q", name)
		}
		seen[name] = true
	}
	return append([]string(nil), head...), nil
}

func (t table) rows() ([]cty.Value, error) {
	columns, err := t.columns()
	if err != nil {
		return nil, err
	}
	var out []cty.Value
	for {
		cells, err := t.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, csvError(err)
		}
		row := make(map[string]cty.Value, len(columns))
		for i, c := range cells {
			row[columns[i]] = cty.StringVal(c)
		}
		out = append(out, cty.ObjectVal(row))
	}
}

func csvError(err error) error {
	var at *csv.ParseError
	if !errors.As(err, &at) {
		return err
	}
	if errors.Is(at.Err, csv.ErrFieldCount) {
		return fmt.Errorf("line %d has more or fewer cells than the first line has columns", at.Line)
	}
	return fmt.Errorf("line %d: %w", at.Line, at.Err)
}

// validText is text that was read as bytes.
func validText(src []byte, what string) (cty.Value, error) {
	if !utf8.Valid(src) {
		return cty.NilVal, fmt.Errorf("%s is not UTF-8; filebase64 reads bytes", what)
	}
	return cty.StringVal(string(bytes.TrimPrefix(src, []byte("\ufeff")))), nil
}

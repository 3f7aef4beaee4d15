package condition

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

var (
	goDuration = reflect.TypeFor[time.Duration]()
	goTime     = reflect.TypeFor[time.Time]()
	goRaw      = reflect.TypeFor[json.RawMessage]()
	goJSON     = reflect.TypeFor[json.Marshaler]()
	goText     = reflect.TypeFor[encoding.TextMarshaler]()
)

// converter turns Go values into values of the language, by the names that
// their JSON has. The types come from the Go types, never from the data: so a
// list of ten thousand accounts has one element type, and a misspelt attribute
// is found without any data.
type converter struct {
	shapes map[reflect.Type]*shape
}

func newConverter() *converter { return &converter{shapes: map[reflect.Type]*shape{}} }

// shape is what a Go struct looks like as an object.
type shape struct {
	fields []field
	typ    cty.Type
	ready  bool // false while its fields are being looked at: a type that contains itself
}

type field struct {
	name  string
	index []int
	typ   cty.Type
}

// typeOf returns the type that all values of a Go type have, or
// cty.DynamicPseudoType where they differ: JSON of somebody else, and lists and
// maps of what holds such.
func (c *converter) typeOf(t reflect.Type) cty.Type {
	switch {
	case t == goDuration:
		return durationType
	case t == goTime:
		return cty.String
	case t == goRaw || t.Implements(goJSON):
		return cty.DynamicPseudoType
	case t.Implements(goText):
		return cty.String
	}
	switch t.Kind() {
	case reflect.Bool:
		return cty.Bool
	case reflect.String:
		return cty.String
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return cty.Number
	case reflect.Pointer:
		return c.typeOf(t.Elem())
	case reflect.Struct:
		s := c.shape(t)
		if !s.ready {
			return cty.DynamicPseudoType
		}
		return s.typ
	case reflect.Slice, reflect.Array:
		if e := c.typeOf(t.Elem()); !e.HasDynamicTypes() {
			return cty.List(e)
		}
	case reflect.Map:
		if e := c.typeOf(t.Elem()); t.Key().Kind() == reflect.String && !e.HasDynamicTypes() {
			return cty.Map(e)
		}
	}
	return cty.DynamicPseudoType
}

func (c *converter) shape(t reflect.Type) *shape {
	if s := c.shapes[t]; s != nil {
		return s
	}
	s := &shape{}
	c.shapes[t] = s
	types := map[string]cty.Type{}
	for _, f := range reflect.VisibleFields(t) {
		tag, given := f.Tag.Lookup("json")
		name, _, _ := strings.Cut(tag, ",")
		if tag == "-" || !f.IsExported() || f.Anonymous && name == "" {
			continue // what an embedded struct has is visible itself
		}
		if name == "" || !given {
			name = f.Name
		}
		types[name] = c.typeOf(f.Type)
		s.fields = append(s.fields, field{name, f.Index, types[name]})
	}
	s.typ, s.ready = cty.Object(types), true
	return s
}

// value converts. What is hostile in it stays data: a string is never read as a
// template.
func (c *converter) value(v reflect.Value) (cty.Value, error) {
	if !v.IsValid() {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	t := v.Type()
	switch {
	case t == goDuration:
		return durationVal(time.Duration(v.Int())), nil
	case t == goTime:
		return timeVal(v.Interface().(time.Time)), nil
	case t == goRaw:
		return jsonVal(v.Bytes())
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface:
		if v.IsNil() {
			return cty.NullVal(c.typeOf(t)), nil
		}
		if t.Kind() == reflect.Interface || !t.Implements(goJSON) && !t.Implements(goText) {
			return c.value(v.Elem())
		}
		return marshaled(v)
	case t.Implements(goJSON) || t.Implements(goText):
		return marshaled(v)
	}
	switch t.Kind() {
	case reflect.Struct:
		attrs, err := c.attributes(v, nil)
		return cty.ObjectVal(attrs), err
	case reflect.Slice, reflect.Array:
		return c.list(v)
	case reflect.Map:
		return c.table(v)
	}
	return scalar(v)
}

func scalar(v reflect.Value) (cty.Value, error) {
	switch v.Kind() {
	case reflect.Bool:
		return cty.BoolVal(v.Bool()), nil
	case reflect.String:
		return stringVal(v.String()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return cty.NumberIntVal(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return cty.NumberUIntVal(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		if math.IsNaN(v.Float()) {
			return cty.NullVal(cty.Number), nil
		}
		return cty.NumberFloatVal(v.Float()), nil
	}
	return cty.NilVal, fmt.Errorf("a %s has no public form", v.Type())
}

// attributes converts the fields of a struct: those that are kept, or all.
func (c *converter) attributes(v reflect.Value, keeps func(string) bool) (map[string]cty.Value, error) {
	s := c.shape(v.Type())
	out := make(map[string]cty.Value, len(s.fields)+1)
	for _, f := range s.fields {
		if keeps != nil && !keeps(f.name) {
			continue
		}
		inner, err := v.FieldByIndexErr(f.index)
		if err != nil { // of an embedded pointer that is nil
			out[f.name] = cty.NullVal(f.typ)
			continue
		}
		x, err := c.value(inner)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		out[f.name] = x
	}
	return out, nil
}

func (c *converter) list(v reflect.Value) (cty.Value, error) {
	list := make([]cty.Value, v.Len())
	for i := range list {
		x, err := c.value(v.Index(i))
		if err != nil {
			return cty.NilVal, err
		}
		list[i] = x
	}
	t := c.typeOf(v.Type())
	switch {
	case t == cty.DynamicPseudoType:
		return cty.TupleVal(list), nil
	case len(list) == 0:
		return cty.ListValEmpty(t.ElementType()), nil
	}
	return cty.ListVal(list), nil
}

func (c *converter) table(v reflect.Value) (cty.Value, error) {
	if v.Type().Key().Kind() != reflect.String {
		return marshaled(v)
	}
	out := make(map[string]cty.Value, v.Len())
	keys := v.MapKeys()
	// Sorted, so that of two keys that look the same in JSON the same one wins.
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		x, err := c.value(v.MapIndex(k))
		if err != nil {
			return cty.NilVal, fmt.Errorf("%q: %w", k.String(), err)
		}
		out[strings.ToValidUTF8(k.String(), "\ufffd")] = x
	}
	t := c.typeOf(v.Type())
	switch {
	case t == cty.DynamicPseudoType:
		return cty.ObjectVal(out), nil
	case len(out) == 0:
		return cty.MapValEmpty(t.ElementType()), nil
	}
	return cty.MapVal(out), nil
}

// stringVal is a string as its JSON would hold it.
func stringVal(s string) cty.Value { return cty.StringVal(strings.ToValidUTF8(s, "\ufffd")) }

// timeVal is null where nothing is known.
func timeVal(t time.Time) cty.Value {
	if t.IsZero() {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(t.UTC().Format(time.RFC3339Nano))
}

func marshaled(v reflect.Value) (cty.Value, error) {
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return cty.NilVal, err
	}
	return jsonVal(b)
}

func jsonVal(b []byte) (cty.Value, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	t, err := ctyjson.ImpliedType(b)
	if err != nil {
		return cty.NilVal, err
	}
	return ctyjson.Unmarshal(b, t)
}

// sample is a value that stands for every value of a type: unknown, or, filled,
// with one element in each of its lists, so that what is done with elements is
// looked at too.
func sample(t cty.Type, filled bool) cty.Value {
	switch {
	case t == cty.DynamicPseudoType:
		return cty.DynamicVal
	case t.IsObjectType():
		attrs := map[string]cty.Value{}
		for name, at := range t.AttributeTypes() {
			attrs[name] = sample(at, filled)
		}
		return cty.ObjectVal(attrs)
	case filled && t.IsListType():
		return cty.ListVal([]cty.Value{sample(t.ElementType(), filled)})
	}
	return cty.UnknownVal(t)
}

package condition

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/zclconf/go-cty/cty"

	"github.com/stopover/stopover/schema"
)

// Policies evaluates conditions over a plan, once each, with plan and inventory
// in scope. Pass the plan itself: from its types come the durations and the
// fields that its JSON leaves out. Bytes of JSON are taken as they are, with
// durations as nanoseconds. What the results are is said at Checks.
//
// A policy that looks at plan.dates depends on the date; see Dated.
func Policies(list []schema.Condition, plan any, inv *schema.Inventory) ([]schema.Finding, schema.Diagnostics) {
	w := newWorld(inv)
	types := w.policyTypes(plan)
	var out results
	var rules []*rule
	for _, c := range list {
		if r := out.prepare(c, "policy", types); r != nil {
			rules = append(rules, r)
			w.needs.add(r)
		}
	}
	var whole cty.Value
	for _, r := range rules {
		out.judge(r, "", func() (map[string]cty.Value, error) {
			with, err := w.scope(r, nil)
			if _, needed := r.needs["plan"]; err != nil || !needed {
				return with, err
			}
			if whole == cty.NilVal {
				if whole, err = w.plan(plan); err != nil {
					return nil, fmt.Errorf("plan: %w", err)
				}
			}
			with["plan"] = whole
			return with, nil
		})
	}
	return out.sorted(), out.diags
}

func (w *world) policyTypes(plan any) map[string]cty.Type {
	types := w.checkTypes(false)
	types["plan"] = cty.DynamicPseudoType
	if _, raw := plan.([]byte); !raw && plan != nil {
		types["plan"] = w.typeOf(reflect.TypeOf(plan))
	}
	return types
}

// plan converts as much of a plan as policies look at: mostly no step.
func (w *world) plan(plan any) (cty.Value, error) {
	if b, ok := plan.([]byte); ok {
		plan = json.RawMessage(b)
	}
	v := reflect.ValueOf(plan)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return w.value(v)
	}
	attrs, err := w.attributes(v.Elem(), w.needs.keeps("plan"))
	return cty.ObjectVal(attrs), err
}

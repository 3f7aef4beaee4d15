package condition

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stopover/stopover/schema"
)

// Checks evaluates conditions over what a survey found. One without accounts is
// evaluated once, with inventory in scope; one with accounts once for each
// account on the source or the transit server that a pattern matches, with
// account (as found on the server that owns it, and its server's name in
// account.server), server (that server, without its accounts) and inventory.
//
// What is false is a finding. What cannot be evaluated is a blocker. A check
// that is wrong whatever the servers hold is one diagnostic, and one blocker
// besides, so that nobody passes it by not looking at diagnostics. A pattern that
// no account matches is a warning. Checks that are commands are left to Targets
// and whoever may start programs. Findings are sorted and depend on nothing but
// the arguments.
func Checks(list []schema.Condition, inv *schema.Inventory, cfg *schema.Config) ([]schema.Finding, schema.Diagnostics) {
	w := newWorld(inv)
	var out results
	rules := make([]*rule, 0, len(list))
	for _, c := range list {
		if len(c.Command) > 0 {
			continue // whoever may start programs runs it, and says what it said
		}
		if r := out.prepare(c, "check", w.checkTypes(len(c.Accounts) > 0)); r != nil {
			rules = append(rules, r)
			w.needs.add(r)
		}
	}
	for _, r := range rules {
		if len(r.globs) == 0 {
			out.judge(r, "", func() (map[string]cty.Value, error) { return w.scope(r, nil) })
			continue
		}
		w.each(r, cfg, &out)
	}
	return out.sorted(), out.diags
}

// each evaluates a check for every account that it is about.
func (w *world) each(r *rule, cfg *schema.Config, out *results) {
	for _, f := range w.matching(r, cfg, out) {
		out.judge(r, f.account.Name, func() (map[string]cty.Value, error) { return w.scope(r, f) })
	}
}

// matching are the accounts that a rule's patterns match, by name.
func (w *world) matching(r *rule, cfg *schema.Config, out *results) (list []*found) {
	all := w.accounts(cfg)
	hit := make([]bool, len(r.globs))
	for i := range all {
		name, any := all[i].account.Name, false
		for _, n := range append([]string{name}, w.former(cfg, name)...) {
			any = matches(r.globs, n, hit) || any
		}
		if any {
			list = append(list, &all[i])
		}
	}
	for i, h := range hit {
		if !h && len(all) > 0 {
			out.findings = append(out.findings, r.idle(r.Accounts[i]))
		}
	}
	return list
}

// former are the names that an account had before it was renamed: a check that
// stops it does so under its new name too. A name that is still on a server is
// another account's.
func (w *world) former(cfg *schema.Config, name string) (out []string) {
	if cfg == nil || len(cfg.Migration.Moved) == 0 {
		return nil
	}
	seen := map[string]bool{name: true}
	for todo := []string{name}; len(todo) > 0; todo = todo[1:] {
		for _, m := range cfg.Migration.Moved {
			if m.To == todo[0] && !seen[m.From] && !slices.ContainsFunc(w.list, func(f found) bool { return f.account.Name == m.From }) {
				seen[m.From] = true
				out, todo = append(out, m.From), append(todo, m.From)
			}
		}
	}
	return out
}

// matches notes which globs match, all of them.
func matches(globs []schema.Glob, name string, hit []bool) bool {
	any := false
	for i := range globs {
		if globs[i].Match(name) {
			hit[i], any = true, true
		}
	}
	return any
}

// found is an account at its owner.
type found struct {
	account *schema.FoundAccount
	server  *schema.FoundServer
}

// world holds what was converted, so that each thing is converted once however
// many conditions and accounts there are, and only as much as some condition
// looks at.
type world struct {
	*converter
	needs     needs
	inv       *schema.Inventory
	inventory cty.Value
	servers   map[*schema.FoundServer]cty.Value
	objects   map[*schema.FoundAccount]cty.Value
	list      []found
	listed    bool
}

func newWorld(inv *schema.Inventory) *world {
	if inv == nil {
		inv = &schema.Inventory{}
	}
	return &world{converter: newConverter(), needs: needs{}, inv: inv,
		servers: map[*schema.FoundServer]cty.Value{}, objects: map[*schema.FoundAccount]cty.Value{}}
}

// checkTypes is what a check can refer to, by type.
func (w *world) checkTypes(accounts bool) map[string]cty.Type {
	out := map[string]cty.Type{"inventory": w.typeOf(reflect.TypeFor[schema.Inventory]())}
	if !accounts {
		return out
	}
	account := attributeTypes(w.typeOf(reflect.TypeFor[schema.FoundAccount]()))
	account["server"] = cty.String
	server := attributeTypes(w.typeOf(reflect.TypeFor[schema.FoundServer]()))
	delete(server, "accounts")
	out["account"], out["server"] = cty.Object(account), cty.Object(server)
	return out
}

func attributeTypes(t cty.Type) map[string]cty.Type {
	out := map[string]cty.Type{}
	for k, v := range t.AttributeTypes() {
		out[k] = v
	}
	return out
}

// scope gives a condition what it refers to and nothing else: most never look
// at the inventory as a whole.
func (w *world) scope(r *rule, of *found) (map[string]cty.Value, error) {
	out := map[string]cty.Value{}
	for root, get := range map[string]func() (cty.Value, error){
		"inventory": w.all,
		"server":    func() (cty.Value, error) { return w.server(of.server) },
		"account":   func() (cty.Value, error) { return w.account(of) },
	} {
		if _, needed := r.needs[root]; !needed || of == nil && root != "inventory" {
			continue
		}
		v, err := get()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", root, err)
		}
		out[root] = v
	}
	return out, nil
}

func (w *world) all() (cty.Value, error) {
	if w.inventory == cty.NilVal {
		attrs, err := w.attributes(reflect.ValueOf(w.inv).Elem(), w.needs.keeps("inventory"))
		if err != nil {
			return cty.NilVal, err
		}
		w.inventory = cty.ObjectVal(attrs)
	}
	return w.inventory, nil
}

func (w *world) server(s *schema.FoundServer) (cty.Value, error) {
	if v, ok := w.servers[s]; ok {
		return v, nil
	}
	keeps := w.needs.keeps("server")
	attrs, err := w.attributes(reflect.ValueOf(s).Elem(), func(name string) bool { return name != "accounts" && keeps(name) })
	if err != nil {
		return cty.NilVal, err
	}
	v := cty.ObjectVal(attrs)
	w.servers[s] = v
	return v, nil
}

func (w *world) account(f *found) (cty.Value, error) {
	if v, ok := w.objects[f.account]; ok {
		return v, nil
	}
	attrs, err := w.attributes(reflect.ValueOf(f.account).Elem(), w.needs.keeps("account"))
	if err != nil {
		return cty.NilVal, err
	}
	attrs["server"] = stringVal(f.server.Name)
	v := cty.ObjectVal(attrs)
	w.objects[f.account] = v
	return v, nil
}

// accounts are all that are on the source or on the transit server, once each,
// by name.
func (w *world) accounts(cfg *schema.Config) []found {
	if w.listed || cfg == nil {
		return w.list
	}
	w.listed = true
	at := map[string]int{}
	for _, name := range []string{cfg.Migration.Source, cfg.Migration.Transit} {
		s := w.inv.Servers[name]
		if s == nil {
			continue
		}
		for _, a := range s.Accounts {
			if a == nil {
				continue
			}
			f := found{a, s}
			i, twice := at[a.Name]
			switch {
			case !twice:
				at[a.Name] = len(w.list)
				w.list = append(w.list, f)
			case before(f, w.list[i]):
				w.list[i] = f
			}
		}
	}
	slices.SortFunc(w.list, func(a, b found) int { return strings.Compare(a.account.Name, b.account.Name) })
	return w.list
}

// before says that a server's record makes it the owner rather than the other:
// the one that is active or frozen; else the one that is about to be, which a
// moved one names; else the source.
func before(a, b found) bool {
	if x, y := standing(a), standing(b); x != y {
		return x > y
	}
	return a.account.Owner.Epoch > b.account.Owner.Epoch
}

func standing(f found) int {
	switch f.account.Owner.State {
	case schema.StateActive, schema.StateFrozen:
		return 4
	case schema.StateUnmanaged, "":
		if f.server.Known {
			return 3
		}
	case schema.StatePrepared:
		return 2
	case schema.StateRetired, schema.StateUnknown:
		return 1
	}
	return 0
}

// results are what was found so far.
type results struct {
	findings []schema.Finding
	diags    schema.Diagnostics
}

// prepare parses a condition and looks at it without any data. Nil if it is
// wrong, which is reported then.
func (o *results) prepare(c schema.Condition, kind string, types map[string]cty.Type) *rule {
	r, f := prepare(c, kind, Functions())
	if f == nil {
		f = r.look(types)
	}
	if f == nil {
		return r
	}
	r = &rule{Condition: c, kind: kind}
	o.diags = append(o.diags, f.diagnostic(r))
	o.findings = append(o.findings, r.broken("", f))
	return nil
}

// judge evaluates one condition once.
func (o *results) judge(r *rule, account string, values func() (map[string]cty.Value, error)) {
	with, err := values()
	if err != nil {
		o.findings = append(o.findings, r.broken(account, r.fault("No public form", err.Error())))
		return
	}
	ctx := r.scope(with)
	v, f := r.evaluate(r.condition, ctx, cty.Bool)
	switch {
	case f != nil:
		o.findings = append(o.findings, r.broken(account, f))
	case !v.IsKnown():
		o.findings = append(o.findings, r.broken(account, r.fault("Unknown value", "The condition's value cannot be known.")))
	case v.False():
		o.findings = append(o.findings, r.failed(account, ctx))
	}
}

func (o *results) sorted() []schema.Finding {
	slices.SortStableFunc(o.findings, func(a, b schema.Finding) int {
		return cmp.Or(strings.Compare(a.Code, b.Code), strings.Compare(a.Account, b.Account), strings.Compare(a.Summary, b.Summary))
	})
	return o.findings
}

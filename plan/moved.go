package plan

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// renames are the accounts that have another name than before. What is
// remembered, approved and configured under an old name is the new one's.
type renames struct {
	to   map[string]string   // old name → the name of now; nil without any
	from map[string][]string // name of now → old names, sorted
	next map[string]string   // old name → the one right after it
}

// current is the name that an account has now.
func (r *renames) current(name string) string {
	if to, ok := r.to[name]; ok {
		return to
	}
	return name
}

// picks says whether one of the patterns names the account, as it is called now
// or as it was called before.
func (r *renames) picks(patterns []string, name, esc string) bool {
	if picks(patterns, name, esc) {
		return true
	}
	for _, old := range r.from[name] {
		if picks(patterns, old, escape(old)) {
			return true
		}
	}
	return false
}

// match is picks for the patterns of the configuration, which are globs over
// names as they are.
func (r *renames) match(globs []string, name string) bool {
	return schema.MatchAny(globs, name) || slices.ContainsFunc(r.from[name], func(old string) bool { return schema.MatchAny(globs, old) })
}

// follow takes what is known under old names to the new ones. A block whose old
// name is still on a server does nothing.
func (b *builder) follow() {
	if len(b.mig.Moved) == 0 {
		return
	}
	next := map[string]string{}
	for i := range b.mig.Moved {
		m := &b.mig.Moved[i]
		if m.From != m.To && next[m.From] == "" {
			next[m.From] = m.To
		}
	}
	for i := range b.mig.Moved {
		if m := &b.mig.Moved[i]; next[m.From] == m.To && !b.mayFollow(m.From, lastOf(next, m.To)) {
			delete(next, m.From)
		}
	}
	b.renamed = renames{to: map[string]string{}, from: map[string][]string{}, next: next}
	for old, to := range next {
		if to = lastOf(next, to); to != old {
			b.renamed.to[old] = to
			b.renamed.from[to] = append(b.renamed.from[to], old)
		}
	}
	for _, list := range b.renamed.from {
		slices.Sort(list)
	}
	b.waivers.names = b.renamed
	b.past = remember(b.renamed.facts(b.in.Past.Facts))
	approvals := map[string][]schema.Approval{}
	for gate, list := range b.configApprovals {
		gate = b.renamed.gate(gate)
		approvals[gate] = append(approvals[gate], list...)
	}
	b.configApprovals = approvals
}

// lastOf is the end of a chain of names; a circle ends somewhere.
func lastOf(next map[string]string, name string) string {
	for n := 0; next[name] != "" && n < len(next); n++ {
		name = next[name]
	}
	return name
}

// mayFollow refuses what would tear an account apart: a record under the old
// name stays where it is.
func (b *builder) mayFollow(from, to string) bool {
	newName := b.s.index[to] != nil || b.t.index[to] != nil
	for _, p := range []*place{b.s, b.t} {
		f := p.index[from]
		switch {
		case f == nil:
		case newName && b.holds(f.Owner):
			b.torn = append(b.torn, to)
			b.report(codeMovedRecord, to, "", from, p.name+" has a record of it under its old name "+from)
			return false
		default:
			b.report(codeMovedStill, from, "", to, from+" is still on "+p.name+"; what is remembered of it is not "+to+"'s")
			return false
		}
	}
	if !newName && b.surveyed() {
		b.report(codeMovedUnused, to, "", from, to+", which was "+from+", is on no server")
		return false
	}
	return true
}

// surveyed says whether what is on neither server is nowhere: both answer, or
// transit has never been there.
func (b *builder) surveyed() bool {
	return b.s.present && (b.t.present || b.t.found.Presence == schema.Absent && !b.past.has(schema.FactHandover))
}

// facts are the facts with the names of now. What is remembered under the new
// name itself comes last, so that it counts.
func (r *renames) facts(list []schema.Fact) []schema.Fact {
	var old, own []schema.Fact
	for _, f := range list {
		if g, ok := r.fact(f); ok {
			old = append(old, g)
		} else {
			own = append(own, f)
		}
	}
	return append(old, own...)
}

// fact renames one fact; false if it is about no account of another name.
func (r *renames) fact(f schema.Fact) (schema.Fact, bool) {
	if f.Kind == schema.FactApproval {
		return r.approvalFact(f)
	}
	parts := strings.Split(f.ID, "/")
	at := 1
	switch {
	case accountOf(&f) != "":
	case f.Kind == schema.FactDisposed && len(parts) == 3 && (parts[1] == "account" || parts[1] == "retired"):
		at = 2
	default:
		return f, false
	}
	if len(parts) <= at {
		return f, false
	}
	name, err := schema.UnescapeName(parts[at])
	to := r.to[name]
	if err != nil || to == "" {
		return f, false
	}
	parts[at] = escape(to)
	f.ID = strings.Join(parts, "/")
	f.Account = to
	return f, true
}

func (r *renames) approvalFact(f schema.Fact) (schema.Fact, bool) {
	var v schema.Approval
	if json.Unmarshal(f.Value, &v) != nil {
		return f, false
	}
	gate := r.gate(v.Gate)
	if gate == v.Gate {
		return f, false
	}
	v.Gate = gate
	raw, err := json.Marshal(v)
	if err != nil {
		return f, false
	}
	f.ID, f.Value = ApprovalID(ID(gate), v.Evidence), raw
	return f, true
}

// gate is a gate's id with the name of now.
func (r *renames) gate(id string) string {
	what, object, ok := cutGate(id)
	name, err := schema.UnescapeName(object)
	if to := r.to[name]; ok && err == nil && to != "" {
		return what + "[" + escape(to) + "]"
	}
	return id
}

// first is a gate's id with the oldest name of its account. Evidence holds that,
// so that approvals given under the old name are of the same evidence.
func (r *renames) first(id ID) ID {
	if len(r.from) == 0 {
		return id
	}
	what, object, ok := cutGate(string(id))
	name, err := schema.UnescapeName(object)
	if old := r.oldest(name); ok && err == nil && old != name {
		return ID(what + "[" + escape(old) + "]")
	}
	return id
}

// oldest is a name that an account had before, always the same one; its own if
// it was never renamed.
func (r *renames) oldest(name string) string {
	list := r.from[name]
	for _, old := range list {
		if !slices.ContainsFunc(list, func(x string) bool { return r.next[x] == old }) {
			return old
		}
	}
	return name
}

package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// gateKind is one kind of gate: what stands before the brackets of its id.
type gateKind struct {
	what string // phase.what
	of   gateOf
}

// gateOf says what the brackets of a gate's id name.
type gateOf int

const (
	ofAccount gateOf = iota
	ofStay
	ofSource
	ofTransit
)

// gateKinds is never written to.
var gateKinds = []gateKind{
	{"request.transit", ofTransit},
	{"request.remove_runtimes", ofSource},
	{"install.handover", ofTransit},
	{"verify.accept", ofAccount},
	{"reinstall.confirm", ofSource},
	{"reinstall.retire", ofStay},
	{"reinstall.residue", ofSource},
	{"reinstall.reroute", ofSource},
	{"reinstall.done", ofSource},
	{"reinstall.return", ofSource},
	{"relocate.accept", ofAccount},
	{"finish.release", ofTransit},
}

// strayApprovals reports approvals, given by configuration or by command, for
// gates that no plan of this migration ever has. They are mistakes in a name:
// whoever gave them believes that something was approved.
func (b *builder) strayApprovals() {
	ids := map[string]bool{} // by command?
	for id := range b.past.approvals {
		ids[id] = true
	}
	for id := range b.configApprovals {
		ids[id] = false
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		what, object, ok := cutGate(id)
		kind := b.gateKind(what)
		if ok && kind != nil && (b.isObject(kind.of, object) || ids[id] && kind.of == ofAccount && b.wasAccount(object)) {
			continue
		}
		summary := "no gate is called " + id
		if near := b.nearestGate(what, object); near != "" {
			summary += "; did you mean " + near + "?"
		}
		b.report(codeApprovalGate, "", "", id, summary)
	}
}

// cutGate takes a gate's id apart: phase.what[object].
func cutGate(id string) (what, object string, ok bool) {
	inner, closed := strings.CutSuffix(id, "]")
	what, object, open := strings.Cut(inner, "[")
	return what, object, open && closed
}

// gateKind returns the kind of gate of that name, if the process of this
// migration ever has one.
func (b *builder) gateKind(what string) *gateKind {
	for i := range gateKinds {
		if k := &gateKinds[i]; k.what == what && b.makes(k) {
			return k
		}
	}
	return nil
}

// makes says whether the process has what a kind of gate belongs to.
func (b *builder) makes(k *gateKind) bool {
	phase, what, _ := strings.Cut(k.what, ".")
	switch {
	case what == "remove_runtimes":
		return b.phaseRule(phase).RemovesRuntimes
	case k.what == "finish.release":
		return !b.proc.OneWay()
	}
	return b.proc.Phase(phase) != nil
}

// isObject says whether the brackets of a gate's id name something of this
// migration.
func (b *builder) isObject(of gateOf, object string) bool {
	switch of {
	case ofSource:
		return object == escape(b.s.name)
	case ofTransit:
		return object == escape(b.t.name)
	}
	name, err := schema.UnescapeName(object)
	if err != nil {
		return false
	}
	if of == ofStay {
		return b.stay[name] != nil
	}
	return b.byName[name] != nil
}

// wasAccount says whether anything is remembered of an account: it took part
// once, and an approval of then is history.
func (b *builder) wasAccount(object string) bool {
	name, err := schema.UnescapeName(object)
	if err != nil {
		return false
	}
	_, known := slices.BinarySearch(b.past.accounts, name)
	return known || b.stay[name] != nil
}

// nearestGate is the id that was probably meant; empty if none is near.
func (b *builder) nearestGate(what, object string) string {
	var kinds []string
	for i := range gateKinds {
		if b.makes(&gateKinds[i]) {
			kinds = append(kinds, gateKinds[i].what)
		}
	}
	kind := b.gateKind(nearest(what, kinds))
	if kind == nil {
		return ""
	}
	if !b.isObject(kind.of, object) {
		object = nearest(object, b.objects(kind.of))
	}
	if object == "" {
		return ""
	}
	return kind.what + "[" + object + "]"
}

// objects are the names, escaped, that the brackets of a gate's id may hold.
func (b *builder) objects(of gateOf) []string {
	var out []string
	switch of {
	case ofSource:
		return []string{escape(b.s.name)}
	case ofTransit:
		return []string{escape(b.t.name)}
	case ofStay:
		for i := range b.mig.Stays {
			out = append(out, escape(b.mig.Stays[i].Account))
		}
	case ofAccount:
		for _, a := range b.accounts {
			out = append(out, a.esc)
		}
	}
	return out
}

// nearest returns the one of a list that a word was probably to be: the one
// with the fewest changes, the first of those that are alike, and none if more
// than every third letter would have to change.
func nearest(word string, list []string) string {
	best, least := "", (len(word)+2)/3+1
	if e := escape(word); slices.Contains(list, e) {
		return e // it was written as it is, not as ids have it
	}
	for _, x := range list {
		if d := len(x) - len(word); d >= least || -d >= least {
			continue
		}
		if n := changes(word, x); n < least {
			best, least = x, n
		}
	}
	return best
}

// changes counts the bytes to insert, remove or replace to make one word the
// other.
func changes(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			n := diagonal
			if a[i] != b[j] {
				n = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], n
		}
	}
	return row[len(b)]
}

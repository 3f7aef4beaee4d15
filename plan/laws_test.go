package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// failer is what a law needs of a test, ordinary or random.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkLaws holds one plan against the laws of every plan.
func checkLaws(t failer, in Input, p *Plan) {
	t.Helper()
	lawSameBytes(t, in, p)
	lawEdges(t, p)
	lawGroups(t, p)
	lawBlocked(t, p)
	lawSource(t, p)
	lawNoReturn(t, in, p)
	lawRollback(t, in, p)
	lawGates(t, p)
	lawProjected(t, p)
	lawSaved(t, p)
}

// lawSameBytes: same input, same bytes; another clock changes dates only, as
// long as no rollback is asked for, whose days end, and no waiver expires.
func lawSameBytes(t failer, in Input, p *Plan) {
	t.Helper()
	again, err := Compute(in)
	if err != nil {
		t.Fatalf("%v", err)
	}
	a, b := encoded(t, p), encoded(t, again)
	if !bytes.Equal(a, b) {
		t.Fatalf("the same input gives other bytes")
	}
	if len(in.Goal.Rollback) > 0 {
		return
	}
	m := &in.Config.Migration
	for i := range m.Waivers { // a waiver that ends lets its finding count again
		if w := &m.Waivers[i]; hasExpired(m, w, in.Now) != hasExpired(m, w, in.Now.AddDate(1, 0, 0)) {
			return
		}
	}
	in.Now = in.Now.AddDate(1, 0, 0)
	later, err := Compute(in)
	if err != nil {
		t.Fatalf("%v", err)
	}
	encoded(t, later)
	if later.Digest != p.Digest {
		t.Fatalf("another clock gives another digest")
	}
}

func encoded(t failer, p *Plan) []byte {
	t.Helper()
	b, err := Encode(p)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}

// lawEdges: ids are unique, edges point to earlier steps.
func lawEdges(t failer, p *Plan) {
	t.Helper()
	seen := map[ID]bool{}
	for _, s := range p.Steps {
		if seen[s.ID] {
			t.Fatalf("step %s twice", s.ID)
		}
		for _, id := range s.After {
			if !seen[id] {
				t.Fatalf("step %s comes after %s, which is not before it", s.ID, id)
			}
		}
		seen[s.ID] = true
	}
}

// lawGroups: a cutover is contiguous, has its undo, begins with the freeze, and
// everything that it reads comes after the freeze.
func lawGroups(t failer, p *Plan) {
	t.Helper()
	ended := map[string]bool{}
	for i := 0; i < len(p.Steps); i++ {
		g := p.Steps[i].Group
		if g == "" {
			if p.Steps[i].Undo || p.Steps[i].Op == OpFinalSync || p.Steps[i].Op == OpFreeze || p.Steps[i].Op == OpPrepareCopy {
				t.Fatalf("%s is in no group", p.Steps[i].ID)
			}
			continue
		}
		if ended[g] {
			t.Fatalf("group %s is not contiguous", g)
		}
		ended[g] = true
		from := i
		for i+1 < len(p.Steps) && p.Steps[i+1].Group == g {
			i++
		}
		lawCutover(t, p.Steps[from:i+1])
	}
}

func lawCutover(t failer, steps []Step) {
	t.Helper()
	first := steps[0]
	if first.Op != OpFreeze {
		t.Fatalf("group %s begins with %s", first.Group, first.Op)
	}
	behind := map[ID]bool{first.ID: true}
	var ops []Op
	undo := 0
	for _, s := range steps {
		if s.Account != first.Account || s.Projected != first.Projected || s.Epoch != first.Epoch {
			t.Fatalf("group %s mixes %s", first.Group, s.ID)
		}
		if s.Undo {
			undo++
			continue
		}
		ops = append(ops, s.Op)
		if s.ID != first.ID && !slices.ContainsFunc(s.After, func(id ID) bool { return behind[id] }) {
			t.Fatalf("%s does not come after the freeze", s.ID)
		}
		behind[s.ID] = true
	}
	ops = slices.DeleteFunc(ops, func(op Op) bool { return op == OpFinalSync })
	if !slices.Equal(ops, []Op{OpFreeze, OpCompare, OpPrepareCopy, OpSwitch}) || undo != 1 {
		t.Fatalf("group %s is %v with %d undo steps", first.Group, ops, undo)
	}
}

// lawBlocked: an account that is stopped has no step at or behind where it is
// stopped. One that is between two servers is brought to its end all the same.
func lawBlocked(t failer, p *Plan) {
	t.Helper()
	stopped, inCut, atRequest, finishing, onMachine := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, a := range p.Accounts {
		stopped[a.Name] = a.Stage == StageBlocked && a.Blocked != codeTrialFailed && a.Blocked != codeRuntime
		finishing[a.Name] = a.Stage == StageInCutover
	}
	for _, f := range p.Findings {
		if !f.Blocks() || f.Account == "" {
			continue
		}
		switch f.Code {
		case codeBudget, codeAfterUnknown, codeAfterCycle, codeRuntimeGone:
			inCut[f.Account] = true
		case codeTrialFailed, codeRuntime:
			atRequest[f.Account] = true
		case codeUnnamed:
		case codeVirtualenv, codeLibrary, codeSymbols, codeBinaryArch, codePHPExtension, codePHPNeeds, codeListen, codePort, codeLocalService,
			codeEngineAbsent, codeCollation, codeRowLarge, codeCase, codeRoutineMode, codeExtension, codeTypeRemoved:
			onMachine[f.Account] = true // what the next machine lacks: copied ahead, and neither out nor home
		default:
			if kindIndex[f.Code] == nil && finishing[f.Account] {
				atRequest[f.Account] = true
			} else {
				stopped[f.Account] = true
			}
		}
	}
	out := map[string]bool{}
	for _, s := range p.Steps {
		if stopped[s.Account] {
			t.Fatalf("%s has a blocker and step %s", s.Account, s.ID)
		}
		if atRequest[s.Account] && s.Phase != schema.PhasePrepare && s.Op != OpConfirm && (s.Op != OpSwitch || s.Method != MethodFinish) {
			t.Fatalf("%s has a blocker for the request and step %s", s.Account, s.ID)
		}
		if s.Op == OpFreeze && onMachine[s.Account] && (s.Phase == schema.PhaseMigrate || s.Phase == schema.PhaseRelocate) {
			t.Fatalf("%s has a blocker for its next machine and step %s", s.Account, s.ID)
		}
		if s.Op == OpFreeze && inCut[s.Account] && !out[s.Account] && s.Phase == schema.PhaseMigrate {
			t.Fatalf("%s has a blocker for its cutover and step %s", s.Account, s.ID)
		}
	}
}

// lawSource: nothing writes to what users see on the source before the freeze,
// except steps that are typed so, and those can be put back, or are behind the
// point of no return.
func lawSource(t failer, p *Plan) {
	t.Helper()
	for _, s := range p.Steps {
		switch s.Op {
		case OpRemoveRuntime, OpRestoreRuntime:
			if !s.Source || !s.Reversible {
				t.Fatalf("%s is not marked", s.ID)
			}
		case OpRetire:
			if !s.Source || s.Phase != schema.PhaseReinstall {
				t.Fatalf("%s is not marked", s.ID)
			}
		default:
			if s.Source {
				t.Fatalf("%s touches the source", s.ID)
			}
		}
	}
}

// lawNoReturn: nothing that cannot be taken back runs without the confirmation,
// and no step of the reinstallation is there unless everything before it is
// accepted or laid out to be.
func lawNoReturn(t failer, in Input, p *Plan) {
	t.Helper()
	source := in.Inventory.Servers[in.Config.Migration.Source] // one that is not there says nothing of itself
	reinstalled := source != nil && source.Presence == schema.Present && !source.Known
	for _, s := range p.Steps {
		if s.Phase != schema.PhaseReinstall {
			continue
		}
		final := slices.Contains([]Op{OpArchive, OpRetire, OpResidue, OpSeal, OpReroute, OpReinstall}, s.Op)
		if final && !s.Projected && in.Confirmed != in.Config.Migration.Source {
			t.Fatalf("%s runs without the typed name", s.ID)
		}
		if !final {
			continue
		}
		for _, a := range p.Accounts {
			if a.Stage == StageStays || a.Stage == StageAccepted {
				continue
			}
			if !s.Projected || a.Stage == StageBlocked || a.Stage == StageUnknown {
				t.Fatalf("%s while %s is %s", s.ID, a.Name, a.Stage)
			}
		}
		if reinstalled {
			t.Fatalf("%s on a machine that is new", s.ID)
		}
	}
}

// lawRollback: a rollback plan has steps of its accounts only.
func lawRollback(t failer, in Input, p *Plan) {
	t.Helper()
	if len(in.Goal.Rollback) == 0 {
		return
	}
	for _, s := range p.Steps {
		if !picks(in.Goal.Rollback, s.Account, escape(s.Account)) {
			t.Fatalf("a rollback plan has %s", s.ID)
		}
	}
}

// lawGates: an open gate waits for nothing in the plan, only an open gate has
// evidence, each gate that is not closed has its step.
func lawGates(t failer, p *Plan) {
	t.Helper()
	steps := map[ID]*Step{}
	for i := range p.Steps {
		if p.Steps[i].Op == OpGate {
			steps[p.Steps[i].ID] = &p.Steps[i]
		}
	}
	for _, g := range p.Gates {
		what, _, ok := cutGate(string(g.ID))
		if !ok || !slices.ContainsFunc(gateKinds, func(k gateKind) bool { return k.what == what }) {
			t.Fatalf("an approval of gate %s would be a stray one", g.ID)
		}
		s := steps[g.ID]
		delete(steps, g.ID)
		switch {
		case g.Closed != "" && (g.Open || s != nil):
			t.Fatalf("gate %s is closed and open", g.ID)
		case g.Closed != "":
		case s == nil:
			t.Fatalf("gate %s has no step", g.ID)
		case g.Open != (len(s.After) == 0):
			t.Fatalf("gate %s is open=%v after %v", g.ID, g.Open, s.After)
		case !g.Open && g.Evidence != "":
			t.Fatalf("gate %s is not open and has evidence", g.ID)
		case g.Open && g.Closes == closesApproval && g.Evidence == "":
			t.Fatalf("gate %s is open and has no evidence", g.ID)
		case g.Who == "" || g.What == "":
			t.Fatalf("gate %s does not say who does what", g.ID)
		}
	}
	if len(steps) > 0 {
		t.Fatalf("gate steps without a gate: %v", steps)
	}
}

// lawProjected: what comes after a gate, or after what is projected, is
// projected; nothing else is.
func lawProjected(t failer, p *Plan) {
	t.Helper()
	held := map[ID]bool{}
	for _, s := range p.Steps {
		behind := slices.ContainsFunc(s.After, func(id ID) bool { return held[id] })
		if s.Projected != behind {
			t.Fatalf("%s is projected=%v, its edges say %v", s.ID, s.Projected, behind)
		}
		held[s.ID] = s.Projected || s.Op == OpGate
	}
}

// lawSaved: saved is loaded, and the hand-written encoder writes what
// encoding/json would.
func lawSaved(t failer, p *Plan) {
	t.Helper()
	b := encoded(t, p)
	loaded, err := Decode(b)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if again := encoded(t, loaded); !bytes.Equal(again, b) {
		t.Fatalf("saved is not loaded:\n%s\n%s", b, again)
	}
	if s := Stale(loaded, p); len(s) > 0 {
		t.Fatalf("a plan is stale beside itself: %v", s)
	}
	if bytes.Contains(b, []byte(`\u0000`)) {
		return
	}
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		t.Fatalf("%v", err)
	}
	got := strings.ReplaceAll(string(b), ":[]", ":null")
	if w := strings.ReplaceAll(want.String(), ":[]", ":null"); got != w {
		t.Fatalf("encoding/json writes\n%s\nthe encoder\n%s", w, got)
	}
}

package plan

import "github.com/stopover/stopover/schema"

// way is one direction in which accounts cross: which phase its steps are in,
// from where to where, and what its atomic group is called.
type way struct {
	phase    string
	group    string // migrate | rollback | relocate
	from, to *place
	back     bool // it can be taken back afterwards
	why      wayWhy
}

// wayWhy are the reasons of a way's steps. They are constant, so that a plan of
// millions of steps does not hold as many sentences.
type wayWhy struct{ warm, freeze, confirm string }

func (b *builder) wayOut() way {
	return way{schema.PhaseMigrate, "migrate", b.s, b.t, b.proc.Rollback.Until != "", wayWhy{
		"last copy and full compare while in use",
		"held still from here to the switch, to move to transit",
		"the source learns that transit serves it",
	}}
}

func (b *builder) wayHome() way {
	return way{schema.PhaseRelocate, "relocate", b.t, b.s, false, wayWhy{
		"last copy and full compare while in use",
		"held still from here to the switch, to move home",
		"transit learns that the source serves it",
	}}
}

func (b *builder) wayBack() way {
	return way{schema.PhaseVerify, "rollback", b.t, b.s, true, wayWhy{
		"last copy and full compare while in use",
		"held still from here to the switch, to go back",
		"transit learns that the source serves it again",
	}}
}

// step is the frame of one step of a crossing.
func (w *way) step(a *account, op Op, part string, epoch uint64, on *place) Step {
	return Step{ID: stepID(w.phase, op, a.esc, part, epoch), Phase: w.phase, Op: op, Account: a.name, Part: part,
		Server: on.name, From: w.from.name, To: w.to.name, Epoch: epoch, Reversible: true}
}

// cross lays out the crossing of one account: a last warm pass while it is in
// use, the atomic cutover with its undo, and what has to be told afterwards.
func (b *builder) cross(a *account, w *way, arrived side, after ...node) {
	s := w.step(a, OpWarm, "", a.epoch, w.to)
	s.Method, s.Why, s.Estimate = "warm", w.why.warm, b.est.of(OpWarm, bytesOfAll(a))
	warm := b.add(&s, after...)
	last := b.cutover(a, w, warm)
	a.epoch++
	a.outage += a.cut
	a.last = b.confirm(a, w, last)
	a.crossed = a.last
	a.side, a.moved, a.settled = arrived, true, true
	a.copies, a.staged, a.probed, a.accepted = nil, false, false, false
}

// cutover is the atomic group: nothing comes between its steps. Everything
// that it relies on is read after the freeze.
func (b *builder) cutover(a *account, w *way, warm node) node {
	first := len(b.steps)
	s := w.step(a, OpFreeze, "", a.epoch, w.from)
	s.Why, s.Estimate = w.why.freeze, a.cutOf(OpFreeze)
	if w.group != "rollback" { // somebody asked for that one now
		s.Windows = b.windowsOf(a, s.Phase)
	}
	freeze := b.add(&s, warm)
	last := freeze
	for _, part := range a.parts {
		s := w.step(a, OpFinalSync, part, a.epoch, w.to)
		s.Method, s.OnNew = finalMethod(a.live, part), onNew(part)
		s.Why, s.Estimate = "what changed since the warm pass", a.cutPart(part)
		if !last.held {
			s.Objects = objectsOf(a.live, part)
		}
		last = b.add(&s, last)
	}
	s = w.step(a, OpCompare, "", a.epoch, w.to)
	s.Why, s.Estimate = "equal, or the cutover is undone", a.cutOf(OpCompare)
	last = b.add(&s, last)
	s = w.step(a, OpPrepareCopy, "", a.epoch, w.to)
	s.Why, s.Estimate = "complete and safe on disk, it waits for the origin's word", a.cutOf(OpPrepareCopy)
	last = b.add(&s, last)
	s = w.step(a, OpSwitch, "", a.epoch, w.from)
	s.Method, s.Reversible = MethodCommit, w.back
	s.Why, s.Estimate = "one record changes the owner; the old place redirects", a.cutOf(OpSwitch)
	last = b.add(&s, last)
	s = w.step(a, OpThaw, "", a.epoch, w.from)
	s.Undo = true
	s.Why, s.Estimate = "only if given up before the switch: it goes on where it was", Estimate{Confidence: confidenceUnknown}
	b.add(&s, freeze)
	group := w.group + "[" + a.esc + "]" + epochSuffix(a.epoch)
	for i := first; i < len(b.steps); i++ {
		b.steps[i].Group = group
	}
	return last
}

// confirm tells the old owner, which may then become a copy again.
func (b *builder) confirm(a *account, w *way, after node) node {
	s := w.step(a, OpConfirm, "", a.epoch, w.from)
	s.Why, s.Estimate = w.why.confirm, b.est.of(OpConfirm, 0)
	return b.add(&s, after)
}

// migrate moves accounts to transit, one after the other in the order of the
// list; how many at once is the process's to say.
func (b *builder) migrate() {
	w := b.wayOut()
	for _, a := range b.accounts {
		if a.side != sideSource || !a.staged || !b.goes(iMigrate) || !b.takes(a, iMigrate) {
			continue
		}
		after, ok := b.dependencies(a, sideSource)
		if !ok {
			continue
		}
		b.cross(a, &w, sideTransit, append(after, a.ahead()...)...)
	}
}

// dependencies are the crossings that an account's own has to wait for; false
// if one of them is not going to happen in this plan.
func (b *builder) dependencies(a *account, still side) ([]node, bool) {
	var after []node
	for _, name := range a.conf.After {
		o := b.accountOf(name)
		if o == nil || o.side == still || o.side == sideNowhere || o.side == sideUnknown {
			b.report(codeAfterWaits, a.name, "", name, "waits for "+name+", which does not move in this plan")
			return nil, false
		}
		if o.crossed.id != "" {
			after = append(after, o.crossed)
		}
	}
	return after, true
}

// ahead is what an account's next step comes after.
func (a *account) ahead() []node {
	if len(a.copies) > 0 {
		return a.copies
	}
	return []node{a.last}
}

// leftovers finishes what an interrupted run has begun and cannot be taken
// back: an account between commit and activation is down, so this comes first.
func (b *builder) leftovers() {
	if !b.s.present || !b.t.present {
		return
	}
	out, back := b.wayOut(), b.wayBack()
	if b.reinstalled {
		back = b.wayHome()
	}
	for _, a := range b.accounts {
		if !b.takes(a, iPrepare) {
			continue
		}
		switch {
		case a.side == sideToTransit:
			b.finishSwitch(a, &out, sideTransit)
		case a.side == sideToSource && b.reinstalled:
			b.finishSwitch(a, &back, sideHome)
		case a.side == sideToSource:
			b.finishSwitch(a, &back, sideSource)
		case a.settled:
		case a.side == sideTransit:
			a.last = b.confirm(a, &out, a.last)
		default:
			a.last = b.confirm(a, &back, a.last)
		}
	}
}

// finishSwitch is what is left of a switch whose commit is on disk.
func (b *builder) finishSwitch(a *account, w *way, arrived side) {
	s := w.step(a, OpSwitch, "", a.epoch-1, w.from)
	s.Method, s.Reversible = MethodFinish, w.back
	s.Why, s.Estimate = "the switch is committed: the new place has to be told", a.cutOf(OpSwitch)
	last := b.add(&s, a.last)
	a.last = b.confirm(a, w, last)
	a.crossed = a.last
	a.side, a.settled = arrived, true
}

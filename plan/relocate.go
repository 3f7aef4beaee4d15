package plan

import (
	"github.com/stopover/stopover/schema"
)

// relocate moves accounts home to the reinstalled source, probes them there,
// and waits for their acceptance, which equal probes give by themselves.
func (b *builder) relocate() {
	if b.back || b.proc.Phase(schema.PhaseRelocate) == nil {
		return
	}
	w := b.wayHome()
	for _, a := range b.accounts {
		if a.side == sideTransit && a.staged && a.accepted && b.goes(iRelocate) && b.takes(a, iRelocate) {
			if after, ok := b.dependencies(a, sideTransit); ok {
				after = append(after, a.ahead()...)
				b.cross(a, &w, sideHome, append(after, b.barrier)...)
			}
		}
		if a.side == sideHome {
			b.arriveHome(a)
		}
	}
}

// arriveHome lays out probes and acceptance of an account that is home.
func (b *builder) arriveHome(a *account) {
	if b.past.has(schema.FactReleased) {
		a.home = true // the journey was closed with it
		return
	}
	wanted := b.goes(iRelocate) && b.takes(a, iRelocate) && b.s.ready
	probe := b.probe(a, schema.PhaseRelocate, b.s, wanted)
	if !a.probed {
		return
	}
	g := Gate{ID: gateID(schema.PhaseRelocate, "accept", a.esc), Phase: schema.PhaseRelocate, Account: a.name, Who: b.asker(),
		What: "look at the account at home; equal probes close this by themselves", Closes: closesEither}
	if probe.id == "" && a.epoch == a.real {
		g.Evidence = b.evidence(g.ID, a.epoch, b.answers(a))
		if p := b.past.probed[accountEpoch{a.name, a.epoch}]; p != nil && p.ok {
			a.home = true
			b.closed(g, "observed: the probes equal the baseline")
			return
		}
	}
	if by, ok := b.approval(g.ID, g.Evidence); ok {
		a.home = true
		b.closed(g, "approved by "+by)
		return
	}
	if wanted {
		a.last = b.gate(g, b.s.name, a.last)
		a.home = true
	}
}

// finish closes the journey when nothing of this migration is active on
// transit, or where there is no way home, when every account was accepted.
func (b *builder) finish() {
	if !b.goes(iFinish) || len(b.accounts) == 0 || !b.allArrived() || !b.proc.OneWay() && !b.returned {
		return
	}
	after := make([]node, 0, len(b.accounts)+1)
	for _, a := range b.accounts {
		after = append(after, a.last)
	}
	if !b.comesHome() {
		after = append(after, b.barrier) // the addresses, when nobody has waited for them
	}
	if !b.proc.OneWay() {
		after = b.release(after)
	}
	b.add(&Step{ID: serverID(schema.PhaseFinish, OpFinish, escape(b.mig.Name)), Phase: schema.PhaseFinish, Op: OpFinish,
		Why: "the journey is over", Estimate: b.est.of(OpFinish, 0)}, after...)
}

// allArrived says whether every account is where it ends, and was accepted.
func (b *builder) allArrived() bool {
	if len(b.dropped) > 0 {
		return false
	}
	for _, a := range b.accounts {
		switch {
		case a.stop <= iFinish, !b.proc.OneWay() && !a.home, b.proc.OneWay() && !(a.side == sideTransit && a.accepted):
			return false
		}
	}
	return true
}

// checkPeer looks for accounts that have arrived and still know a server that is
// not there. The journey is not closed over them: after the next reboot they
// would wait for its word for ever.
func (b *builder) checkPeer(a *account) {
	end, from := sideHome, b.t
	if b.proc.OneWay() {
		end, from = sideTransit, b.s
	}
	if a.found != end || from.present || record(a.live).Peer == "" || b.past.has(schema.FactReleased) {
		return
	}
	b.block(a, codePeerGone, iFinish, "", "asks "+from.name+" after a reboot before it opens, and "+from.name+" is not there")
}

// release drops the inactive copies on transit. They have outlived their
// accounts' acceptance at home.
func (b *builder) release(after []node) []node {
	switch {
	case !b.t.ready:
		return after
	case b.t.present && !b.holdsCopies() && !b.comesHome():
		return after
	case !b.t.can(schema.CanRelease):
		b.cannot(b.t, schema.CanRelease, "finish.release")
		return []node{b.gate(Gate{ID: gateID(schema.PhaseFinish, "release", escape(b.t.name)), Phase: schema.PhaseFinish,
			Who: b.who(schema.PhaseFinish), What: "remove the copies of this migration from " + b.t.name + ", and give it away",
			Closes: closesObservation}, b.t.name, after...)}
	}
	return []node{b.add(&Step{ID: serverID(schema.PhaseFinish, OpRelease, escape(b.t.name)), Phase: schema.PhaseFinish, Op: OpRelease,
		Server: b.t.name, Why: "every account was accepted at home: the copies on transit are not needed any more",
		Estimate: b.est.of(OpRelease, 0)}, after...)}
}

// holdsCopies says whether transit has a record of this migration.
func (b *builder) holdsCopies() bool {
	for _, f := range b.t.found.Accounts {
		if b.holds(f.Owner) {
			return true
		}
	}
	return false
}

// comesHome says whether an account is still to come home in this plan.
func (b *builder) comesHome() bool {
	for _, a := range b.accounts {
		if a.found != sideHome {
			return true
		}
	}
	return false
}

package plan

import "github.com/stopover/stopover/schema"

// install brings the transit server up, writes down when it was handed over,
// and copies ahead.
func (b *builder) install() {
	if !b.goes(iInstall) || !b.anybody() {
		return
	}
	if !b.underway && b.needs(schema.PhaseRequest, "prepared") && !b.allReady() {
		return // the barrier before the request is one before this phase too
	}
	b.arrive()
	if !b.t.ready || !b.s.ready {
		return
	}
	for _, a := range b.accounts {
		if a.side == sideSource && b.takes(a, iInstall) && a.ready {
			b.stage(a)
		}
	}
}

// arrive lays out how the transit server comes to be there.
func (b *builder) arrive() {
	if b.t.found.Presence == schema.Absent && !b.past.has(schema.FactHandover) {
		if b.t.can(schema.CanProvision) && !b.byHand(schema.PhaseInstall) {
			b.barrier = b.add(&Step{ID: serverID(schema.PhaseInstall, OpProvision, escape(b.t.name)), Phase: schema.PhaseInstall,
				Op: OpProvision, Server: b.t.name, Reversible: true, Method: b.mig.Architecture,
				Why: "accounts need a place to stop over", Estimate: b.est.server(OpProvision, b.phaseRule(schema.PhaseInstall))}, b.before()...)
		} else {
			b.barrier = b.gate(Gate{ID: gateID(schema.PhaseInstall, "handover", escape(b.t.name)), Phase: schema.PhaseInstall,
				Who: b.who(schema.PhaseInstall), What: b.handoverWhat(),
				Closes: closesObservation}, b.t.name, b.before()...)
		}
		b.joined = nil
		b.t.ready = true
	}
	if b.t.ready && !b.past.has(schema.FactHandover) {
		b.barrier = b.add(&Step{ID: serverID(schema.PhaseInstall, OpHandover, escape(b.t.name)), Phase: schema.PhaseInstall,
			Op: OpHandover, Server: b.t.name, Reversible: true,
			Why: "the clock of the process runs from here", Estimate: b.est.of(OpHandover, 0)}, b.before()...)
		b.joined = nil
	}
}

// handoverWhat says what is waited for, and what its customer has to do then: a
// server whose address is not in the configuration is never seen.
func (b *builder) handoverWhat() string {
	what := "hand over a transit server that is like " + b.s.name
	if s := b.in.Config.Server(b.t.name); s != nil && s.Address == "" {
		return what + "; when it is there, its address has to be written into the configuration"
	}
	return what + "; the wait has no limit"
}

// before is what the next step on a server comes after: the barrier, or each
// account where the process has one.
func (b *builder) before() []node {
	if b.barrier.id != "" {
		return []node{b.barrier}
	}
	if b.needs(schema.PhaseRequest, "prepared") {
		return b.joined
	}
	return nil
}

// stage lays out the pairing and the bulk copies of one account that leaves.
func (b *builder) stage(a *account) {
	after := []node{a.last, b.barrier}
	if b.barrier.id != "" && a.joins && b.needs(schema.PhaseRequest, "prepared") {
		after = after[1:] // the barrier comes after it
	}
	b.pair(a, schema.PhaseInstall, b.s, b.t, after...)
	b.precopy(a, schema.PhaseInstall, b.s, b.t)
}

// pair makes the two servers know each other for one account, and the receiver
// ready for its data.
func (b *builder) pair(a *account, phase string, from, to *place, after ...node) {
	a.staged = true
	a.copies = nil
	if a.epoch == a.real && b.paired(a, from, to) {
		return
	}
	a.last = b.add(&Step{ID: stepID(phase, OpPair, a.esc, "", a.epoch), Phase: phase, Op: OpPair, Account: a.name,
		Server: to.name, From: from.name, To: to.name, Epoch: a.epoch, Reversible: true,
		Why: "the receiver may take the copy", Estimate: b.est.of(OpPair, 0)}, after...)
}

// paired says whether both records, as surveyed, say that the receiver takes a
// copy from the owner as it is now. The receiver alone is not enough: it is
// staged first, so that a run that died there has left an owner that does not
// know it yet, or knows the machine that was there before.
func (b *builder) paired(a *account, from, to *place) bool {
	owner, r := record(from.index[a.name]), record(to.index[a.name])
	if !b.holds(r) || to.found.Machine != "" && owner.Peer != to.found.Machine || owner.Pairing != r.Pairing {
		return false
	}
	return r.State == schema.StateStaged && r.Epoch == a.real || r.State == schema.StatePrepared && r.Epoch == a.real+1
}

// precopy lays out the bulk copies that the process lists for a phase.
func (b *builder) precopy(a *account, phase string, from, to *place) {
	for _, part := range a.parts {
		if !contains(b.phaseRule(phase).Precopy, part) || a.epoch == a.real && copied(to.index[a.name], part, a.epoch) {
			continue
		}
		a.copies = append(a.copies, b.add(&Step{ID: stepID(phase, OpPrecopy, a.esc, part, a.epoch), Phase: phase, Op: OpPrecopy,
			Account: a.name, Part: part, Server: to.name, From: from.name, To: to.name, Epoch: a.epoch, Reversible: true,
			Method: "bulk", Why: "copied ahead while in use",
			Estimate: b.est.copying(OpPrecopy, part, bytesOf(a.live, part), entriesOf(a.live, part))}, a.last))
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

package plan

import (
	"slices"
	"strconv"

	"github.com/stopover/stopover/schema"
)

// reinstall is the point of no return: it needs that no account is active on
// the source and nothing unowned is left, and the typed name of the server.
func (b *builder) reinstall() {
	if b.back || b.proc.Phase(schema.PhaseReinstall) == nil {
		return
	}
	if !b.reinstalled {
		if !b.wipeBarrier() || !b.goes(iReinstall) || !b.t.ready || !b.s.ready && !b.sealed {
			return
		}
		b.wipe()
	}
	b.returned = b.reinstalled && b.addressesHome()
	if b.goes(iReinstall) && b.s.ready && b.t.ready {
		b.comeBack()
	}
}

// wipeBarrier says whether every account is accepted on transit, or will be
// when the plan so far is done, and whatever else is on the source has its
// disposition. What is only a warning before is a blocker as soon as all
// accounts are there.
func (b *builder) wipeBarrier() bool {
	laidOut, real := true, true
	for _, a := range b.accounts {
		ok := a.side == sideTransit && a.accepted && a.stop > iReinstall
		laidOut = laidOut && ok
		real = real && ok && a.found == sideTransit && a.last.id == ""
	}
	severity := schema.Warning
	if real {
		severity = schema.Blocker
	}
	for _, name := range b.unnamed {
		b.reportAs(severity, codeUnnamed, name, b.s.name, "", name+" on "+b.s.name+" is named by nothing; the reinstallation would delete it")
	}
	ruled := b.residueRuled(severity)
	ruled = b.unknownRuled(severity) && ruled
	return laidOut && ruled && len(b.unnamed) == 0 && len(b.dropped) == 0 && (len(b.accounts) > 0 || len(b.stay) > 0)
}

// wipe lays out everything from the confirmation to the new machine.
func (b *builder) wipe() {
	last := []node{b.confirmation()}
	if b.s.ready {
		last = b.reroute(b.seal(b.dispose(last[0])))
	}
	b.barrier = b.newMachine(last)
	b.s.ready = true
}

// confirmation is the gate before anything that cannot be taken back. What is
// left to others after the seal needs none any more.
func (b *builder) confirmation() node {
	var after []node
	for _, a := range b.accounts {
		after = append(after, a.last)
	}
	g := Gate{ID: gateID(schema.PhaseReinstall, "confirm", escape(b.s.name)), Phase: schema.PhaseReinstall, Who: b.asker(),
		What:   "type the name of the server that will be wiped: --confirm-reinstall " + b.s.name,
		Closes: closesConfirmation}
	waits := slices.ContainsFunc(after, func(n node) bool { return n.id != "" })
	switch {
	case waits: // a confirmation counts only when nothing comes before it
	case b.confirmed:
		b.closed(g, "confirmed by typing "+b.s.name)
		return node{}
	case b.sealed && !b.reinstalls() && b.rerouted():
		return node{} // what is left is not Stopover's
	}
	return b.gate(g, b.s.name, after...)
}

func held(list []node) bool {
	return slices.ContainsFunc(list, func(n node) bool { return n.held })
}

// reinstalls says whether Stopover gives the order itself.
func (b *builder) reinstalls() bool {
	return b.s.can(schema.CanReinstall) && !b.byHand(schema.PhaseReinstall)
}

// seal closes the source for good; everything that reinstalls or reroutes
// names its number.
func (b *builder) seal(after []node) []node {
	if b.sealed {
		return after
	}
	s := Step{ID: serverID(schema.PhaseReinstall, OpSeal, escape(b.s.name)), Phase: schema.PhaseReinstall, Op: OpSeal,
		Server: b.s.name, From: b.s.name, To: b.t.name, Reversible: true,
		Why: "from here on nothing starts on the source, and it may be wiped", Estimate: b.est.of(OpSeal, 0)}
	if !held(after) {
		s.Objects = b.epochs()
	}
	return []node{b.add(&s, after...)}
}

// epochs lists every account of the source with the epoch that the seal
// expects of it.
func (b *builder) epochs() []string {
	out := make([]string, 0, len(b.accounts)+len(b.stay))
	for _, a := range b.accounts {
		out = append(out, a.esc+"@"+strconv.FormatUint(a.epoch, 10))
	}
	for _, st := range b.stays() {
		out = append(out, escape(st.Account)+"@"+strconv.FormatUint(record(b.s.index[st.Account]).Epoch, 10))
	}
	return out
}

func (b *builder) rerouted() bool {
	addresses := b.serves()
	return len(addresses) == 0 || b.t.listens(addresses)
}

// reroute lets transit answer on the source's service addresses.
func (b *builder) reroute(after []node) []node {
	addresses := b.serves()
	if b.rerouted() {
		return after
	}
	if !b.t.can(schema.CanReroute) {
		b.cannot(b.t, schema.CanReroute, "reinstall.reroute")
		return []node{b.gate(Gate{ID: gateID(schema.PhaseReinstall, "reroute", escape(b.s.name)), Phase: schema.PhaseReinstall,
			Who: b.who(schema.PhaseReinstall), What: "point the service addresses of " + b.s.name + " to " + b.t.name,
			Closes: closesObservation}, b.s.name, after...)}
	}
	e := b.est.of(OpReroute, 0)
	if e.Confidence == confidenceUnknown && b.proc.Downtime.Reroute > 0 {
		e = Estimate{Duration: b.proc.Downtime.Reroute, Downtime: b.proc.Downtime.Reroute, Confidence: confidenceRule}
	}
	return []node{b.add(&Step{ID: serverID(schema.PhaseReinstall, OpReroute, escape(b.s.name)), Phase: schema.PhaseReinstall, Op: OpReroute,
		Server: b.t.name, From: b.s.name, To: b.t.name, Reversible: true, Objects: addresses,
		Why: "transit answers on the service addresses while the source is away", Estimate: e}, after...)}
}

// newMachine is the reinstallation itself, by the provider or by somebody.
func (b *builder) newMachine(after []node) node {
	if b.reinstalls() {
		return b.add(&Step{ID: serverID(schema.PhaseReinstall, OpReinstall, escape(b.s.name)), Phase: schema.PhaseReinstall, Op: OpReinstall,
			Server: b.s.name, Method: b.mig.Architecture, Why: "point of no return: what was on the source is gone",
			Estimate: b.est.server(OpReinstall, b.phaseRule(schema.PhaseReinstall))}, after...)
	}
	b.cannot(b.s, schema.CanReinstall, "reinstall.done")
	what := "reinstall " + b.s.name
	if b.mig.Architecture != "" {
		what += " on architecture " + b.mig.Architecture
	}
	return b.gate(Gate{ID: gateID(schema.PhaseReinstall, "done", escape(b.s.name)), Phase: schema.PhaseReinstall,
		Who: b.who(schema.PhaseReinstall), What: what + "; noticed when it answers as another machine",
		Closes: closesObservation}, b.s.name, after...)
}

// comeBack lays out what happens on the new machine before accounts come home:
// redirects first, then data ahead, then the addresses.
func (b *builder) comeBack() {
	redirects := []node{b.barrier}
	all := true
	for _, a := range b.accounts {
		switch {
		case a.side == sideHome:
		case a.side != sideTransit || a.stop == iPrepare:
			all = false // the new machine would not know where it is
		default:
			if n := b.stub(a); n.id != "" {
				redirects = append(redirects, n)
			}
			if b.takes(a, iReinstall) {
				b.pair(a, schema.PhaseReinstall, b.t, b.s, a.last)
				b.precopy(a, schema.PhaseReinstall, b.t, b.s)
			}
		}
	}
	redirects = b.carryBack(redirects)
	if all && len(b.dropped) == 0 {
		b.barrier, b.returned = b.returnAddresses(redirects), true
	}
}

// stub makes the new machine redirect an account to transit. Every account has
// one before the addresses come home, also those that are not picked or are
// stopped before their cutover.
func (b *builder) stub(a *account) node {
	a.last = b.barrier
	if !b.needsStub(a) {
		return node{}
	}
	a.last = b.add(&Step{ID: stepID(schema.PhaseReinstall, OpStub, a.esc, "", a.epoch), Phase: schema.PhaseReinstall, Op: OpStub,
		Account: a.name, Server: b.s.name, From: b.s.name, To: b.t.name, Epoch: a.epoch, Reversible: true, Objects: a.redirected(),
		Why: "the new machine redirects the account to transit", Estimate: b.est.of(OpStub, 0)}, b.barrier)
	return a.last
}

// redirected are the names that the new machine's front passes on, as transit
// has them: nothing else there knows of the account. They are told once it is
// on transit; no stub can run from a plan that was made before.
func (a *account) redirected() []string {
	if a.found != sideTransit {
		return nil
	}
	var names []string
	for _, d := range a.t.Domains {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// needsStub says whether the source still needs a stub for an account: a
// reinstalled machine knows nothing of it.
func (b *builder) needsStub(a *account) bool {
	if !b.reinstalled {
		return true
	}
	switch record(a.s).State {
	case schema.StateMoved, schema.StateStaged, schema.StatePrepared:
		return false
	}
	return true
}

// returnAddresses brings the service addresses home; the source redirects what
// is still on transit.
func (b *builder) returnAddresses(after []node) node {
	addresses := b.serves()
	if len(addresses) == 0 || b.reinstalled && b.s.listens(addresses) && !b.t.listensAny(addresses) {
		return b.barrier
	}
	if !b.t.can(schema.CanReroute) {
		b.cannot(b.t, schema.CanReroute, "reinstall.return")
		return b.gate(Gate{ID: gateID(schema.PhaseReinstall, "return", escape(b.s.name)), Phase: schema.PhaseReinstall,
			Who: b.who(schema.PhaseReinstall), What: "point the service addresses of " + b.s.name + " back to it",
			Closes: closesObservation}, b.s.name, after...)
	}
	return b.add(&Step{ID: serverID(schema.PhaseReinstall, OpReturnAddresses, escape(b.s.name)), Phase: schema.PhaseReinstall,
		Op: OpReturnAddresses, Server: b.s.name, From: b.t.name, To: b.s.name, Reversible: true, Objects: addresses,
		Why: "users reach the source again, which redirects what is still on transit", Estimate: b.est.of(OpReturnAddresses, 0)}, after...)
}

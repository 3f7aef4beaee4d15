package plan

import "github.com/stopover/stopover/schema"

// verify probes each account on transit, and waits until somebody accepts it.
func (b *builder) verify() {
	for _, a := range b.accounts {
		if a.side == sideTransit {
			b.accept(a)
		}
	}
}

// accept lays out the probes and the acceptance of one account on transit.
// Once the source was reinstalled there is nothing left to accept.
func (b *builder) accept(a *account) {
	if b.reinstalled {
		a.accepted = true
		return
	}
	wanted := b.goes(iVerify) && b.takes(a, iVerify) && b.t.ready
	probe := b.probe(a, schema.PhaseVerify, b.t, wanted)
	if !a.probed {
		return
	}
	g := Gate{ID: gateID(schema.PhaseVerify, "accept", a.esc), Phase: schema.PhaseVerify, Account: a.name,
		Who: b.who(schema.PhaseVerify), What: acceptWhat(a), Closes: closesApproval}
	if probe.id == "" && a.epoch == a.real {
		g.Evidence = b.evidence(g.ID, a.epoch, b.answers(a))
	}
	if by, ok := b.approval(g.ID, g.Evidence); ok {
		a.accepted = true
		b.closed(g, "approved by "+by)
		return
	}
	if wanted {
		a.last = b.gate(g, b.t.name, a.last)
		a.accepted = true
	}
}

func acceptWhat(a *account) string {
	if len(a.probes()) == 0 {
		return "look at the account on transit, which has no probes, and approve it or roll it back"
	}
	return "look at the account on transit, and approve it or roll it back"
}

// answers is what the probes found, as evidence.
func (b *builder) answers(a *account) string {
	if p := b.past.probed[accountEpoch{a.name, a.epoch}]; p != nil {
		return p.value
	}
	return "no probes"
}

// probe lays out an account's probes after a crossing; a.probed says whether
// they are done or laid out.
func (b *builder) probe(a *account, phase string, on *place, wanted bool) node {
	if len(a.probes()) == 0 {
		a.probed = true
		return node{}
	}
	if a.epoch == a.real && b.past.probed[accountEpoch{a.name, a.epoch}] != nil {
		a.probed = true
		return node{}
	}
	if !wanted {
		return node{}
	}
	a.probed = true
	a.last = b.add(&Step{ID: stepID(phase, OpProbe, a.esc, "", a.epoch), Phase: phase, Op: OpProbe, Account: a.name,
		Server: on.name, Epoch: a.epoch, Reversible: true, Why: "compared with the baseline",
		Estimate: b.est.of(OpProbe, 0)}, a.last)
	return a.last
}

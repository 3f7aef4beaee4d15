package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// request asks for the transit server once every account is prepared, and where
// the process says so removes what vanishes from the source, so that it shows
// whether the accounts are really ready.
func (b *builder) request() {
	b.restoreRuntimes()
	if b.underway || !b.goes(iRequest) || !b.s.ready {
		return
	}
	if b.needs(schema.PhaseRequest, "prepared") && !b.allReady() {
		b.stop = min(b.stop, iRequest)
		return
	}
	if b.phaseRule(schema.PhaseRequest).RemovesRuntimes {
		b.removeRuntimes()
	}
	if b.t.found.Presence != schema.Absent || b.t.can(schema.CanProvision) && !b.byHand(schema.PhaseInstall) {
		return
	}
	b.askForTransit()
}

// askForTransit is the gate of whoever has to ask.
func (b *builder) askForTransit() {
	g := Gate{ID: gateID(schema.PhaseRequest, "transit", escape(b.t.name)), Phase: schema.PhaseRequest, Who: b.asker(),
		What: "ask for a transit server like " + b.s.name, Closes: closesEither}
	if b.mig.Architecture != "" {
		g.What += ", with architecture " + b.mig.Architecture
	}
	g.What += "; approve when it was asked for"
	g.Evidence = b.evidence(g.ID, 0, b.everybody())
	if by, ok := b.approval(g.ID, g.Evidence); ok && len(b.joined) == 0 {
		b.closed(g, "approved by "+by)
		b.asked = true
		return
	}
	b.barrier = b.gate(g, b.t.name, b.joined...)
	b.joined = nil
}

// asker is who asks for what support does: the customer, or the operator
// where there is no support.
func (b *builder) asker() string {
	if b.who(schema.PhaseRequest) == ActorSupport {
		return ActorCustomer
	}
	return b.who(schema.PhaseRequest)
}

// everybody lists the accounts, as evidence of what a request is for.
func (b *builder) everybody() string {
	names := make([]string, len(b.accounts))
	for i, a := range b.accounts {
		names[i] = b.renamed.oldest(a.name)
	}
	slices.Sort(names) // neither a new name nor another order is news to whoever asked
	var s strings.Builder
	for _, name := range names {
		s.WriteString(escape(name))
		s.WriteByte('\n')
	}
	return s.String()
}

package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// stays are the dispositions of accounts, by name.
func (b *builder) stays() []*schema.Stay {
	out := make([]*schema.Stay, 0, len(b.stay))
	for _, st := range b.stay {
		if b.s.index[st.Account] != nil && b.byName[st.Account] == nil {
			out = append(out, st)
		}
	}
	slices.SortFunc(out, func(x, y *schema.Stay) int { return strings.Compare(x.Account, y.Account) })
	return out
}

// dispose carries out what was written down for everything that stays: it is
// the last thing before the seal, behind the confirmation.
func (b *builder) dispose(last node) []node {
	var done []node
	for _, st := range b.stays() {
		if n := b.disposeAccount(st, last); n.id != "" {
			done = append(done, n)
		}
	}
	done = append(done, b.disposeResidue(last)...)
	if len(done) == 0 {
		return []node{last}
	}
	return done
}

// disposeAccount retires, which stops every writer, and then archives where
// that was asked for: an archive of an account in use would lack what was
// written meanwhile. An account that is to be archived needs both.
func (b *builder) disposeAccount(st *schema.Stay, last node) node {
	o := record(b.s.index[st.Account])
	retired, archives := o.State == schema.StateRetired, st.Action == "archive"
	if retired && (!archives || b.archived(st.Account)) {
		return node{}
	}
	esc := escape(st.Account)
	if !b.s.can(schema.CanRetire) {
		return b.retireByHand(st, esc, last)
	}
	if !retired {
		last = b.add(&Step{ID: stepID(schema.PhaseReinstall, OpRetire, esc, "", o.Epoch), Phase: schema.PhaseReinstall, Op: OpRetire,
			Account: st.Account, Server: b.s.name, Epoch: o.Epoch, Source: true, Method: st.Action, Why: st.Reason,
			Estimate: b.est.of(OpRetire, 0)}, last)
	}
	if archives {
		last = b.add(&Step{ID: stepID(schema.PhaseReinstall, OpArchive, esc, "", o.Epoch), Phase: schema.PhaseReinstall, Op: OpArchive,
			Account: st.Account, Server: b.s.name, Epoch: o.Epoch, Reversible: true, Method: st.Action, Why: st.Reason,
			Estimate: b.est.of(OpArchive, b.s.index[st.Account].Bytes())}, last)
	}
	return last
}

// archived says whether a verified archive of an account is remembered.
func (b *builder) archived(account string) bool {
	var v DisposedFact
	return b.past.read(DisposedAccountID(account), &v) && v.Action == "archive"
}

// retireByHand is the gate where the provider can neither archive nor retire.
// That an account is retired can be observed, that it was archived cannot.
func (b *builder) retireByHand(st *schema.Stay, esc string, last node) node {
	b.cannot(b.s, schema.CanRetire, "reinstall.retire")
	g := Gate{ID: gateID(schema.PhaseReinstall, "retire", esc), Phase: schema.PhaseReinstall, Account: st.Account,
		Who: b.asker(), What: st.Action + " the account on " + b.s.name + " and stop it: " + st.Reason, Closes: closesEither}
	if st.Action == "archive" {
		g.What = "stop the account on " + b.s.name + ", then archive it: " + st.Reason
		g.Closes = closesApproval
	}
	g.Evidence = b.evidence(g.ID, record(b.s.index[st.Account]).Epoch, st.Action)
	if by, ok := b.approval(g.ID, g.Evidence); ok && !last.held {
		b.closed(g, "approved by "+by)
		return node{}
	}
	return b.gate(g, b.s.name, last)
}

// residueRule is what was written down for a path.
func (b *builder) residueRule(path string) *schema.ResidueRule {
	for i := range b.mig.Residue {
		if b.mig.Residue[i].Path == path {
			return &b.mig.Residue[i]
		}
	}
	return nil
}

// residueRuled reports what has no rule, and rules that match nothing.
func (b *builder) residueRuled(severity string) bool {
	ok := true
	for _, r := range b.s.found.Residue {
		if b.residueRule(r.Path) == nil {
			ok = false
			b.reportAs(severity, codeResidue, "", b.s.name, r.Path, r.Path+" belongs to no account; the reinstallation would delete it")
		}
	}
	return ok
}

// disposeResidue carries, archives or discards what no account owns.
func (b *builder) disposeResidue(last node) []node {
	if !b.s.can(schema.CanListResidue) {
		return b.residueByHand(last)
	}
	var out []node
	for _, r := range sortedResidue(b.s.found.Residue) {
		rule := b.residueRule(r.Path)
		if rule == nil || b.past.has(DisposedResidueID(r.Path)) {
			continue
		}
		out = append(out, b.add(&Step{ID: serverID(schema.PhaseReinstall, OpResidue, escape(b.s.name)+"/"+escape(r.Path)),
			Phase: schema.PhaseReinstall, Op: OpResidue, Server: b.s.name, Reversible: rule.Action != "discard", Method: rule.Action,
			Objects: []string{r.Path}, Why: rule.Reason, Estimate: b.est.of(OpResidue, r.Bytes)}, last))
	}
	return out
}

// residueByHand asks somebody to look, where the provider cannot.
func (b *builder) residueByHand(last node) []node {
	b.cannot(b.s, schema.CanListResidue, "reinstall.residue")
	g := Gate{ID: gateID(schema.PhaseReinstall, "residue", escape(b.s.name)), Phase: schema.PhaseReinstall, Who: b.asker(),
		What: "look on " + b.s.name + " for anything that no account owns, save it, and approve", Closes: closesApproval}
	g.Evidence = b.evidence(g.ID, 0, b.machine0)
	if by, ok := b.approval(g.ID, g.Evidence); ok {
		b.closed(g, "approved by "+by)
		return nil
	}
	return []node{b.gate(g, b.s.name, last)}
}

func sortedResidue(list []schema.Residue) []schema.Residue {
	out := slices.Clone(list)
	slices.SortFunc(out, func(x, y schema.Residue) int { return strings.Compare(x.Path, y.Path) })
	return out
}

// carryBack puts carried things on the new machine, before users come back.
func (b *builder) carryBack(after []node) []node {
	for i := range b.mig.Residue {
		r := &b.mig.Residue[i]
		if r.Action != "carry" || b.past.has(PlacedResidueID(r.Path)) {
			continue
		}
		if !b.past.has(DisposedResidueID(r.Path)) && !b.willCarry(r.Path) {
			continue
		}
		after = append(after, b.add(&Step{ID: serverID(schema.PhaseReinstall, OpCarryBack, escape(b.s.name)+"/"+escape(r.Path)),
			Phase: schema.PhaseReinstall, Op: OpCarryBack, Server: b.s.name, Reversible: true, Method: r.Action, Objects: []string{r.Path},
			Why: r.Reason, Estimate: b.est.of(OpCarryBack, 0)}, b.barrier))
	}
	return after
}

// willCarry says whether this plan takes a thing away from the old machine.
func (b *builder) willCarry(path string) bool {
	return !b.reinstalled && slices.ContainsFunc(b.s.found.Residue, func(r schema.Residue) bool { return r.Path == path })
}

// checkStays looks for dispositions that mean nothing.
func (b *builder) checkStays() {
	if !b.s.present || b.reinstalled {
		return
	}
	for i := range b.mig.Stays {
		if name := b.mig.Stays[i].Account; b.s.index[name] == nil {
			b.report(codeStaysNowhere, name, b.s.name, "", name+" was not found on "+b.s.name)
		}
	}
}

// checkResidueRules looks for rules that match nothing.
func (b *builder) checkResidueRules() {
	if !b.s.present || b.reinstalled || !b.s.can(schema.CanListResidue) {
		return
	}
	for i := range b.mig.Residue {
		path := b.mig.Residue[i].Path
		if !b.willCarry(path) && !b.past.has(DisposedResidueID(path)) {
			b.report(codeResidueUnused, "", b.s.name, path, "nothing at "+path+" on "+b.s.name)
		}
	}
}

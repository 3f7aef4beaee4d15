package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// Methods of a probe that somebody asks for, beside the journey's own ones. The
// answers of one are new evidence of an account that waits for its acceptance;
// those of the other are only shown.
const (
	MethodRecord = "record"
	MethodLook   = "look"
)

// layout are the rules of a plan: those of the journey, or only the one that
// probes where Goal.Verify asks for no more.
func (b *builder) layout() []func(*builder) {
	if len(b.in.Goal.Verify) > 0 {
		return []func(*builder){(*builder).lookAgain}
	}
	return rules
}

// lookAgain probes the accounts that the goal names where they are now. With
// Goal.Baseline what they answer becomes their baseline first: a change that was
// meant. It replaces the one before, and with it the evidence on which an
// account on transit was accepted.
func (b *builder) lookAgain() {
	for _, a := range b.accounts {
		on := b.home(a)
		if on == nil || !on.present || len(a.probes()) == 0 || !picks(b.in.Goal.Verify, a.name, a.esc) {
			continue
		}
		if b.in.Goal.Baseline {
			a.last = b.add(&Step{ID: stepID(schema.PhaseVerify, OpBaseline, a.esc, "", a.real), Phase: schema.PhaseVerify, Op: OpBaseline,
				Account: a.name, Server: on.name, Epoch: a.real, Reversible: true, Method: MethodRecord, Objects: a.probes(),
				Why: "what it answers now is right from now on", Estimate: b.est.of(OpBaseline, 0)}, a.last)
		}
		method := MethodLook
		if a.found != sideSource && (b.in.Goal.Baseline || !b.accepted(a)) {
			method = MethodRecord
		}
		a.last = b.add(&Step{ID: stepID(schema.PhaseVerify, OpProbe, a.esc, "", a.real), Phase: schema.PhaseVerify, Op: OpProbe,
			Account: a.name, Server: on.name, Epoch: a.real, Reversible: true, Method: method,
			Why: "compared with the baseline", Estimate: b.est.of(OpProbe, 0)}, a.last)
	}
}

// home is the server that an account is active on; nil while that is not clear,
// or while it is held still.
func (b *builder) home(a *account) *place {
	if record(a.live).State == schema.StateFrozen {
		return nil
	}
	switch a.found {
	case sideSource, sideHome:
		return b.s
	case sideTransit:
		return b.t
	}
	return nil
}

// accepted says whether the acceptance of an account where it is now was given,
// so that what a probe finds later must not take it away.
func (b *builder) accepted(a *account) bool {
	if a.found != sideHome {
		return b.reinstalled || b.acceptedNow(a)
	}
	p := b.past.probed[accountEpoch{a.name, a.real}]
	id := gateID(schema.PhaseRelocate, "accept", a.esc)
	_, ok := b.approval(id, b.evidence(id, a.real, b.answersAt(a, a.real)))
	return ok || p != nil && p.ok
}

// BaselineAgainID is the id of the fact that remembers one probe's baseline when
// it was recorded for the nth time, from 2: facts only ever add up, and the one
// with the highest number counts.
func BaselineAgainID(account, probe string, n int) string {
	return BaselineID(account, probe) + "/" + strconv.Itoa(n)
}

// ProbedAgainID is the id of the fact that remembers the probes of an epoch when
// they were asked for the nth time, from 2.
func ProbedAgainID(account string, epoch uint64, n int) string {
	return ProbedID(account, epoch) + "/" + strconv.Itoa(n)
}

// generation is the number at the end of an id that has one more part than the
// first of its kind; 1 for that.
func generation(id string) int {
	parts := strings.Split(id, "/")
	if len(parts) != 4 {
		return 1
	}
	if n, err := strconv.Atoi(parts[3]); err == nil && n > 1 {
		return n
	}
	return 1
}

func (m *memory) addBaseline(account, probe, id string) {
	if !slices.Contains(m.baseline[account], probe) {
		m.baseline[account] = append(m.baseline[account], probe)
	}
	if n := generation(id); n > 1 {
		m.changed[account] = append(m.changed[account], escape(probe)+"/"+strconv.Itoa(n))
	}
}

// addProbed keeps the newest answers of an epoch.
func (m *memory) addProbed(at accountEpoch, p *probed) {
	if have := m.probed[at]; have == nil || have.n < p.n {
		m.probed[at] = p
	}
}

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
		Who: b.who(schema.PhaseVerify), What: b.acceptWhat(a), Closes: closesApproval}
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

func (b *builder) acceptWhat(a *account) string {
	text := "look at the account on transit"
	if len(a.probes()) == 0 {
		text += ", which has no probes"
	}
	if !b.wayBackOpen() {
		return text + ", and approve it"
	}
	return text + ", and approve it or roll it back"
}

// answers is what the probes found, as evidence.
func (b *builder) answers(a *account) string { return b.answersAt(a, a.epoch) }

// answersAt is what the newest probes of an epoch found, and which baseline they
// were compared with: whoever accepted an account before its baseline was
// changed has not seen what is right now.
func (b *builder) answersAt(a *account, epoch uint64) string {
	p := b.past.probed[accountEpoch{a.name, epoch}]
	if p == nil {
		return "no probes"
	}
	if c := b.past.changed[a.name]; len(c) > 0 {
		return p.value + "\nbaselines recorded anew: " + strings.Join(slices.Sorted(slices.Values(c)), " ")
	}
	return p.value
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

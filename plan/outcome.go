package plan

import (
	"time"

	"github.com/stopover/stopover/schema"
)

// outcome is where each account is, and what it will cost.
func (b *builder) outcome() ([]AccountPlan, Downtime) {
	var sum Downtime
	out := make([]AccountPlan, 0, len(b.accounts)+len(b.stay))
	for _, a := range b.accounts {
		out = append(out, b.accountPlan(a))
		if a.outage == 0 {
			continue
		}
		sum.Total += a.outage
		if a.cut > sum.Max {
			sum.Max, sum.Of = a.cut, a.name
		}
	}
	for _, st := range b.stays() {
		f := b.s.index[st.Account]
		out = append(out, AccountPlan{Name: st.Account, Where: b.s.name, Stage: StageStays, Epoch: f.Owner.Epoch, Bytes: f.Bytes()})
	}
	return out, sum
}

func (b *builder) accountPlan(a *account) AccountPlan {
	p := AccountPlan{Name: a.name, Epoch: a.real, Bytes: bytesOfAll(a), Downtime: a.outage, Stage: b.stage0(a), Where: b.where(a)}
	if a.stop != iNever {
		p.Blocked = a.code
	}
	if a.found == sideTransit && b.wayBackOpen() && a.stop > iPrepare {
		p.RollbackOK, p.RollbackBy = true, b.rollbackBy(a)
	}
	return p
}

func (b *builder) where(a *account) string {
	switch a.found {
	case sideTransit, sideToTransit:
		return b.t.name
	case sideSource, sideToSource, sideHome, sideRetired:
		return b.s.name
	}
	return ""
}

// stage0 is an account's stage as surveyed.
func (b *builder) stage0(a *account) string {
	if a.stop == iPrepare {
		return StageBlocked
	}
	switch a.found {
	case sideToTransit, sideToSource:
		return StageInCutover
	case sideSource, sideTransit, sideHome:
		if record(a.live).State == schema.StateFrozen {
			return StageInCutover
		}
	}
	switch a.found {
	case sideSource:
		if a.stop <= iRequest {
			return StageBlocked
		}
		if b.recorded(a) && b.tried(a) {
			return StagePrepared
		}
		return StageAtSource
	case sideTransit:
		if b.reinstalled || b.acceptedNow(a) {
			return StageAccepted
		}
		return StageOnTransit
	case sideHome:
		return StageHome
	}
	return StageUnknown
}

// acceptedNow says whether the acceptance of what is on transit now is given.
func (b *builder) acceptedNow(a *account) bool {
	if len(a.probes()) > 0 && b.past.probed[accountEpoch{a.name, a.real}] == nil {
		return false
	}
	id := gateID(schema.PhaseVerify, "accept", a.esc)
	_, ok := b.approval(id, b.evidence(id, a.real, b.answersAt(a, a.real)))
	return ok
}

// phases says how far the journey is, by what was found, and how much of each
// phase is left in this plan.
func (b *builder) phases() []PhaseState {
	left := map[string]int{}
	for i := range b.steps {
		if !b.steps[i].Undo {
			left[b.steps[i].Phase]++
		}
	}
	out := make([]PhaseState, 0, iNever)
	current := false
	for i, name := range schema.Phases() {
		s := PhaseState{Name: name, State: PhaseAhead, Left: left[name]}
		switch {
		case b.proc.Phase(name) == nil:
			s.State = PhaseAbsent
		case b.phaseDone(i):
			s.State = PhaseDone
		case current:
		default:
			s.State, current = PhaseCurrent, true
		}
		out = append(out, s)
	}
	return out
}

// phaseDone says whether nothing of a phase is left, whatever this plan covers.
func (b *builder) phaseDone(i int) bool {
	switch i {
	case iRequest:
		return b.underway || b.t.present && !b.removesLeft() || b.asked
	case iReinstall:
		return b.reinstalled && b.every(func(a *account) bool { return a.found == sideHome || a.found == sideToSource || !b.needsStub(a) }) && b.addressesHome()
	case iFinish:
		return b.past.has(schema.FactReleased)
	}
	return b.every(func(a *account) bool { return b.accountDone(a, i) })
}

func (b *builder) accountDone(a *account, phase int) bool {
	gone := a.found == sideTransit || a.found == sideHome || b.reinstalled && a.found == sideToSource
	switch phase {
	case iPrepare:
		return gone || a.found == sideToTransit || a.found == sideSource && b.recorded(a) && b.tried(a) && a.stop > iRequest
	case iInstall:
		return gone || a.found == sideToTransit || b.paired0(a)
	case iMigrate:
		return gone
	case iVerify:
		return gone && (b.reinstalled || b.acceptedNow(a))
	case iRelocate:
		return a.found == sideHome && (a.home && a.last.id == "")
	}
	return false
}

// paired0 is paired as surveyed, with all that is copied ahead.
func (b *builder) paired0(a *account) bool {
	if !b.paired(a, b.s, b.t) {
		return false
	}
	for _, part := range a.parts {
		if contains(b.phaseRule(schema.PhaseInstall).Precopy, part) && !copied(a.t, part, a.real) {
			return false
		}
	}
	return true
}

func (b *builder) every(ok func(*account) bool) bool {
	for _, a := range b.accounts {
		if !ok(a) {
			return false
		}
	}
	return len(b.accounts) > 0
}

func (b *builder) addressesHome() bool {
	addresses := b.serves()
	return len(addresses) == 0 || b.s.listens(addresses) && !b.t.listensAny(addresses)
}

func (b *builder) removesLeft() bool {
	return b.phaseRule(schema.PhaseRequest).RemovesRuntimes && len(b.vanishing()) > 0
}

// budget is what an account may be down for in one cutover; 0: no limit.
func (a *account) budget() time.Duration { return a.conf.DowntimeBudget }

package plan

import (
	"fmt"
	"time"

	"github.com/stopover/stopover/schema"
)

// rollback lays out the way back of the accounts that the goal names, and
// nothing else.
func (b *builder) rollback() {
	if !b.back {
		return
	}
	b.namedRollbacks()
	w := b.wayBack()
	for _, a := range b.accounts {
		if !a.picked || !b.mayGoBack(a) || !b.takes(a, iVerify) || !b.s.ready || !b.t.ready {
			continue
		}
		b.pair(a, schema.PhaseVerify, b.t, b.s, a.last)
		b.cross(a, &w, sideSource, a.last)
	}
}

// namedRollbacks reports names that match no account.
func (b *builder) namedRollbacks() {
	for _, p := range b.in.Goal.Rollback {
		hit := false
		for _, a := range b.accounts {
			hit = hit || picks([]string{p}, a.name, a.esc)
		}
		if !hit {
			b.report(codeRollbackAway, "", "", p, p+" is no account of this migration")
		}
	}
}

// mayGoBack refuses what the process or the records do not allow. An account
// that is back already needs nothing.
func (b *builder) mayGoBack(a *account) bool {
	switch {
	case a.stop == iPrepare:
		return false
	case a.side == sideSource && (a.real > 0 || a.found == sideToSource):
		return false
	case a.side != sideTransit:
		b.block(a, codeRollbackAway, iPrepare, "", "the account is not on "+b.t.name)
		return false
	case !b.wayBackOpen():
		b.block(a, codeNoRollback, iPrepare, "", b.whyNoWayBack())
		return false
	}
	if by := b.rollbackBy(a); !by.IsZero() && b.in.Now.After(by) {
		b.block(a, codeRollbackLate, iPrepare, "",
			fmt.Sprintf("it could go back until %s, %d days after it moved", by.UTC().Format("2006-01-02 15:04 MST"), b.proc.Rollback.Days))
		return false
	}
	return true
}

// wayBackOpen says whether process and source allow any account to go back.
func (b *builder) wayBackOpen() bool {
	return b.proc.Rollback.Until != "" && !b.sealed && !b.reinstalled
}

func (b *builder) whyNoWayBack() string {
	switch {
	case b.proc.Rollback.Until == "":
		return "the process " + b.proc.Name + " promises no way back for an account that has moved"
	case b.reinstalled:
		return b.s.name + " was reinstalled: there is no way back, only on"
	}
	return b.s.name + " is sealed for its reinstallation: there is no way back"
}

// rollbackBy is until when an account may go back; zero when there is no limit
// in days, or when the time of its move is not remembered.
func (b *builder) rollbackBy(a *account) time.Time {
	at, ok := b.past.migrated[accountEpoch{a.name, a.real}]
	if !ok || b.proc.Rollback.Days == 0 {
		return time.Time{}
	}
	return at.Add(time.Duration(b.proc.Rollback.Days) * 24 * time.Hour)
}

package plan

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stopover/stopover/schema"
)

// read finds out from the two records who owns the account.
func (b *builder) read(a *account) {
	s, t := record(a.s), record(a.t)
	if !b.holds(t) {
		t = schema.Ownership{} // not ours: a conflict if we come, never an owner
	}
	a.found, a.real = b.owner(a, s, t)
	a.side, a.epoch = a.found, a.real
	a.moved = a.found == sideTransit || a.found == sideToTransit || a.found == sideHome || a.epoch > 0 && !b.foreign(s)
	a.settled = true
	switch a.found {
	case sideTransit:
		a.live = a.t
		a.settled = b.reinstalled || s.State != schema.StateMoved || s.Confirmed
	case sideSource, sideHome:
		a.live = a.s
		a.settled = t.State != schema.StateMoved || t.Confirmed
	case sideToTransit:
		a.live = a.t
	case sideToSource:
		a.live = a.s
	}
	if a.live == nil {
		a.live = firstFound(a.s, a.t)
	}
	a.parts = partsOf(a)
}

// owner is the table of who owns an account: the active or frozen record with
// the highest epoch, or the prepared one that a moved one names.
func (b *builder) owner(a *account, s, t schema.Ownership) (side, uint64) {
	onS := owns(s) || s.State == schema.StateUnmanaged && b.s.present && b.s.found.Known
	onT := owns(t)
	switch {
	case onS && onT:
		b.block(a, codeTwice, iPrepare, "", "active on "+b.s.name+" and on "+b.t.name+" at once")
		if t.Epoch > s.Epoch {
			return sideNowhere, t.Epoch
		}
		return sideNowhere, s.Epoch
	case onT:
		return sideTransit, t.Epoch
	case onS && b.reinstalled:
		return sideHome, s.Epoch
	case onS:
		return sideSource, s.Epoch
	case s.State == schema.StateRetired:
		b.block(a, codeRetired, iPrepare, "", "")
		return sideRetired, s.Epoch
	}
	return b.pending(a, s, t)
}

// pending is owner where no record is active: one that moved names the other,
// or a server that would know does not answer.
func (b *builder) pending(a *account, s, t schema.Ownership) (side, uint64) {
	switch {
	case s.State == schema.StateMoved && t.State == schema.StatePrepared && s.Epoch == t.Epoch:
		return sideToTransit, s.Epoch
	case t.State == schema.StateMoved && s.State == schema.StatePrepared && s.Epoch == t.Epoch:
		return sideToSource, t.Epoch
	case !b.s.present, !b.t.present && (s.State == schema.StateMoved || s.State == schema.StateStaged || s.State == schema.StatePrepared):
		return sideUnknown, max(s.Epoch, t.Epoch)
	case b.foreign(s): // checkRecords says whose it is
	case s.State == schema.StateMoved, t.State == schema.StateMoved,
		s.State == schema.StateStaged, s.State == schema.StatePrepared:
		b.blockRecord(a, codeOwnerMissing)
	case s.State == schema.StateUnknown, s.State == schema.StateUnmanaged, t.State == schema.StateStaged, t.State == schema.StatePrepared:
		b.blockRecord(a, codeRecordUnknown)
	default:
		if a.named || a.s != nil || a.t != nil {
			b.block(a, codeNotFound, iPrepare, "", "")
		}
	}
	return sideNowhere, max(s.Epoch, t.Epoch)
}

func owns(o schema.Ownership) bool {
	return o.State == schema.StateActive || o.State == schema.StateFrozen
}

func record(f *schema.FoundAccount) schema.Ownership {
	if f == nil {
		return schema.Ownership{}
	}
	return f.Owner
}

func firstFound(list ...*schema.FoundAccount) *schema.FoundAccount {
	i := slices.IndexFunc(list, func(f *schema.FoundAccount) bool { return f != nil })
	if i < 0 {
		return nil
	}
	return list[i]
}

// checkRecords stops what an agent has fenced, and what another migration holds.
func (b *builder) checkRecords(a *account) {
	for _, x := range []struct {
		p *place
		f *schema.FoundAccount
	}{{b.s, a.s}, {b.t, a.t}} {
		o := record(x.f)
		if o.Blocker != "" {
			f := b.finding(codeRecordBlocked, a.name, x.p.name, "", o.Blocker)
			f.Remedy = recovery(a.name)
			b.put(f)
			a.halt(codeRecordBlocked, iPrepare)
		}
		if x.p == b.s && b.foreign(o) && !free(o) {
			b.report(codeHeld, a.name, x.p.name, "", "held by migration "+o.Migration)
			a.halt(codeHeld, iPrepare)
		}
	}
}

// blockRecord stops an account that nobody may serve, and names the command that
// says what can be done.
func (b *builder) blockRecord(a *account, code string) {
	f := b.finding(code, a.name, "", "", "")
	f.Remedy = recovery(a.name)
	if b.put(f) {
		a.halt(code, iPrepare)
	}
}

// recovery is the remedy for a record that only a person can decide about. A
// name that holds what no line for people may is left to be typed.
func recovery(account string) string {
	word := account
	switch plain := schema.QuoteName(account) == account; {
	case plain && !strings.HasPrefix(account, "-"):
	case plain:
		word = "-- " + account
	case !utf8.ValidString(account) || strings.ContainsFunc(account, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "Run `stopover recover` with the account's name: it says what is wrong, what can be done, and what that means."
	default:
		word = "-- '" + strings.ReplaceAll(account, "'", `'\''`) + "'"
	}
	return "Run `stopover recover " + word + "`: it says what is wrong, what can be done, and what that means."
}

// foreign says whether a record belongs to another migration.
func (b *builder) foreign(o schema.Ownership) bool { return o.Migration != "" && o.Migration != b.id }

// free says whether a record that another migration left may be taken over: it
// owns its account and has forgotten the server that had it. The agent pairs no
// other.
func free(o schema.Ownership) bool { return o.State == schema.StateActive && o.Peer == "" }

// checkConflict refuses to come to a place where the name is somebody else's.
func (b *builder) checkConflict(a *account) {
	if a.found == sideSource && a.t != nil && !b.holds(a.t.Owner) && occupied(a.t) {
		b.report(codeNameConflict, a.name, b.t.name, "", "an account called "+a.name+" that is not of this migration is on "+b.t.name)
		a.halt(codeNameConflict, iPrepare)
	}
	if b.reinstalled && a.found == sideTransit && a.s != nil && (b.foreign(a.s.Owner) || a.s.Owner.State == schema.StateUnknown && occupied(a.s)) {
		b.report(codeNameConflict, a.name, b.s.name, "", "an account called "+a.name+" that is not of this migration is on "+b.s.name)
		a.halt(codeNameConflict, iPrepare)
	}
}

// occupied says whether something is there that a copy would overwrite. A
// given-up copy leaves no record and nothing else.
func occupied(f *schema.FoundAccount) bool {
	return f.Owner.State != schema.StateUnknown || f.Files.Entries > 0 || f.Bytes() > 0
}

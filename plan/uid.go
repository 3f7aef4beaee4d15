package plan

import (
	"strconv"

	"github.com/stopover/stopover/schema"
)

// strangers are the accounts on a server that are not of this migration, by the
// user of the system that they run as. It is asked for once for each server.
func (b *builder) strangers(p *place) map[int]string {
	if p.users != nil {
		return p.users
	}
	p.users = map[int]string{}
	for _, f := range p.found.Accounts {
		if f.UID != 0 && !b.holds(f.Owner) && p.users[f.UID] == "" {
			p.users[f.UID] = f.Name
		}
	}
	return p.users
}

// checkUID refuses to come to a server on which another account runs as the
// same user, unless that server gives an account another one by itself.
func (b *builder) checkUID(a *account) {
	to := b.t
	switch {
	case b.goesOut(a) && b.t.present:
	case a.found == sideTransit && b.reinstalled:
		to = b.s
	default:
		return
	}
	if a.live == nil || a.live.UID == 0 {
		return
	}
	other := b.strangers(to)[a.live.UID]
	if other == "" || other == a.name {
		return
	}
	uid := strconv.Itoa(a.live.UID)
	if to.can(schema.CanMapUsers) {
		b.altered = append(b.altered, Altered{Account: a.name, Object: "user id", From: uid, To: "a free one",
			Why: other + " on " + to.name + " has it"})
		return
	}
	b.block(a, codeUID, iPrepare, uid, other+" on "+to.name+" has the user id "+uid+" too")
}

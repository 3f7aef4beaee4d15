package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// codeVanished is what an agent finds where its record gives it an account that
// is not there.
const codeVanished = "account-vanished"

// gone says whether the configuration knows that an account was closed.
func (b *builder) gone(name string) bool {
	return slices.ContainsFunc(b.mig.Removed, func(r schema.Removed) bool { return r.Account == name })
}

// checkRemoved looks for accounts that were said to be closed and are there.
func (b *builder) checkRemoved() {
	for i := range b.mig.Removed {
		name := b.mig.Removed[i].Account
		for _, p := range []*place{b.s, b.t} {
			if p.index[name] != nil {
				b.report(codeRemovedHere, name, "", "", name+" was said to be closed, and is on "+p.name)
				break
			}
		}
	}
}

// checkVanished looks for accounts that took part and are on no server.
func (b *builder) checkVanished() {
	if !b.surveyed() || b.past.has(schema.FactReleased) {
		return
	}
	for _, name := range b.past.accounts {
		if b.byName[name] != nil || b.stay[name] != nil || b.s.index[name] != nil || b.t.index[name] != nil || b.gone(name) {
			continue
		}
		if b.past.has(DisposedAccountID(name)) || b.past.has(RetiredAccountID(name)) || b.newName(name) != "" || b.pattern(name) == nil {
			continue
		}
		b.report(codeAccountClosed, name, "", "", name+" took part and is on no server; write removed { account = "+quoteHCL(name)+" } if it was closed on purpose")
	}
}

// newName is the account that has the id of one that is gone; empty if none has.
func (b *builder) newName(name string) string {
	id := b.past.named[name].ID
	if id == "" {
		return ""
	}
	for _, a := range b.accounts {
		if a.live != nil && a.live.ID == id {
			return a.name
		}
	}
	return ""
}

// checkNew looks for accounts that the journey has not seen from its beginning:
// renamed ones, and those that were created since.
func (b *builder) checkNew(a *account) {
	if !b.goesOut(a) || b.past.began.IsZero() {
		return
	}
	if a.s.ID != "" && b.surveyed() {
		for _, old := range b.past.namedAs[a.s.ID] {
			if old == a.name || !b.left(old) {
				continue
			}
			if b.s.index[old] != nil { // its record is there
				b.block(a, codeMovedRecord, iPrepare, old, a.name+" has the id of "+old+", whose move has begun under that name; rename it back until its journey is over")
			} else {
				b.block(a, codeRenamed, iPrepare, old, a.name+" has the id of "+old+", which is gone; write a moved block with from = "+quoteHCL(old)+" and to = "+quoteHCL(a.name))
			}
			return
		}
	}
	if _, seen := b.past.named[a.name]; seen || a.named {
		return
	}
	switch created := a.s.Created; {
	case created.After(b.past.began):
		b.report(codeCreated, a.name, "", "", "created on "+created.UTC().Format("2006-01-02 15:04 MST")+", after the migration had begun")
	case created.IsZero() && a.s.ID != "" && len(b.past.named) > 0: // else nobody would have remembered it
		b.report(codeCreated, a.name, "", "", "it was not there when the migration was last applied")
	}
}

// left says whether an account is on neither server any more: that the source
// keeps its record under this name changes nothing, nor does a copy ahead of a
// move that never came.
func (b *builder) left(name string) bool {
	s, t := b.s.index[name], b.t.index[name]
	if s == nil {
		return t == nil
	}
	vanished := slices.ContainsFunc(s.Findings, func(f schema.Finding) bool { return f.Code == codeVanished })
	return vanished && (t == nil || !owns(t.Owner))
}

// quoteHCL is a name as a person would write it in a configuration.
func quoteHCL(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "${", "$${", "%{", "%%{").Replace(s) + `"`
}

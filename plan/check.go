package plan

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// check looks for everything that stops an account or a server, before any
// step is laid out.
func (b *builder) check() {
	b.underway = b.underway || slices.ContainsFunc(b.accounts, func(a *account) bool { return a.moved || b.holds(record(a.t)) })
	b.checkServers()
	b.checkMachines()
	for _, a := range b.accounts {
		for _, rule := range accountChecks {
			rule(b, a)
		}
	}
	b.checkCapacity()
	b.checkQuotas()
	b.checkAddresses()
	b.checkRemoved()
	b.checkVanished()
	b.checkTorn()
	b.checkOwn()
	b.checkStays()
	b.checkResidueRules()
	for _, a := range b.cycle {
		b.block(a, codeAfterCycle, iMigrate, "", "waits for itself: after = "+strings.Join(a.conf.After, ", "))
	}
	b.checkClosed()
	if len(b.accounts) == 0 && b.s.present {
		b.report(codeNoAccounts, "", b.s.name, "", "")
	}
	for _, a := range b.accounts {
		a.share = b.est.shares(a)
		a.cut = a.share.sum()
		b.checkBudget(a)
		b.checkWindows(a)
		b.checkTasks(a)
	}
}

// accountChecks is the list of what is looked at in each account.
var accountChecks = []func(*builder, *account){
	(*builder).checkName,
	(*builder).checkRecords,
	(*builder).checkConflict,
	(*builder).checkPeer,
	(*builder).checkUID,
	(*builder).checkNew,
	(*builder).checkAfter,
	(*builder).checkRuntimes,
	(*builder).checkEngines,
	(*builder).checkModes,
	(*builder).checkTrial,
	(*builder).checkLinks,
	(*builder).checkMentions,
	(*builder).checkSites,
	(*builder).checkFiles,
	(*builder).checkQuota,
	(*builder).checkDNS,
	(*builder).checkPassage,
	(*builder).checkHistory,
	(*builder).checkFound,
}

func (b *builder) checkName(a *account) {
	if _, err := schema.EscapeName(a.name); err != nil {
		b.block(a, codeNameUnusable, iPrepare, "", "")
	}
	if a.named && b.stay[a.name] != nil {
		b.block(a, codeStaysNamed, iPrepare, "", "")
	}
}

func (b *builder) checkAfter(a *account) {
	for _, name := range a.conf.After {
		if b.accountOf(name) == nil {
			b.block(a, codeAfterUnknown, iMigrate, name, "waits for "+name+", which does not take part")
		}
	}
}

// checkHistory reports what the past makes worth knowing.
func (b *builder) checkHistory(a *account) {
	switch {
	case a.found == sideSource && b.wasOut(a) && !b.back:
		b.report(codeRolledBack, a.name, "", "", "")
	case a.found == sideTransit && !b.recorded(a) && !b.reinstalled:
		b.report(codeNoBaseline, a.name, "", "", "")
	}
}

// wasOut says whether an account on the source was on transit before, in this
// migration: its epoch alone may be what an earlier one left.
func (b *builder) wasOut(a *account) bool {
	if a.real == 0 {
		return false
	}
	before := accountEpoch{a.name, a.real - 1}
	_, switched := b.past.migrated[before]
	return switched || b.past.probed[before] != nil || b.past.has(RolledBackID(a.name, a.real))
}

// checkFound passes on what the survey found in an account.
func (b *builder) checkFound(a *account) {
	for _, f := range []*schema.FoundAccount{a.s, a.t} {
		if f == nil {
			continue
		}
		for _, x := range f.Findings {
			x.Account = a.name
			if b.put(x) {
				a.haltByRule(x.Code)
			}
		}
	}
}

// haltByRule stops an account for what was found in it. One that is between two
// servers is down: its switch is finished, and nothing after it.
func (a *account) haltByRule(code string) {
	from := iPrepare
	if a.found == sideToTransit || a.found == sideToSource {
		from = iRequest
	}
	a.halt(code, from)
}

// checkOwn adds what the configuration's own checks have found. A blocker of an
// account stops it like one of Stopover's; one of no account stops all.
func (b *builder) checkOwn() {
	for _, f := range b.in.Checked {
		if !b.put(f) {
			continue
		}
		if f.Account != "" {
			if a := b.byName[f.Account]; a != nil {
				a.haltByRule(f.Code)
			}
			continue
		}
		for _, a := range b.accounts {
			a.haltByRule(f.Code)
		}
		b.stop = iPrepare
	}
}

// checkTorn stops accounts that were renamed in the middle of their move.
func (b *builder) checkTorn() {
	for _, name := range b.torn {
		if a := b.byName[name]; a != nil {
			a.halt(codeMovedRecord, iPrepare)
		}
	}
}

// checkClosed stops everything when the journey was closed before.
func (b *builder) checkClosed() {
	if !b.past.has(schema.FactReleased) {
		return
	}
	b.stop = iPrepare
	for _, a := range b.accounts {
		if a.found == sideSource || !b.proc.OneWay() && a.found == sideTransit {
			b.report(codeClosed, a.name, "", "", "")
		}
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return itoa(int64(n)) + " " + noun + "s"
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

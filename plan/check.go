package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// check looks for everything that stops an account or a server, before any
// step is laid out.
func (b *builder) check() {
	b.underway = b.underway || slices.ContainsFunc(b.accounts, func(a *account) bool { return a.moved || b.holds(record(a.t)) })
	b.checkServers()
	for _, a := range b.accounts {
		for _, rule := range accountChecks {
			rule(b, a)
		}
	}
	b.checkCapacity()
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
		a.cut = b.est.outage(a)
		b.checkBudget(a)
	}
}

// accountChecks is the list of what is looked at in each account.
var accountChecks = []func(*builder, *account){
	(*builder).checkName,
	(*builder).checkRecords,
	(*builder).checkConflict,
	(*builder).checkAfter,
	(*builder).checkRuntimes,
	(*builder).checkEngines,
	(*builder).checkModes,
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

// checkRecords stops what an agent has fenced, and what another migration holds.
func (b *builder) checkRecords(a *account) {
	for _, x := range []struct {
		p *place
		f *schema.FoundAccount
	}{{b.s, a.s}, {b.t, a.t}} {
		o := record(x.f)
		if o.Blocker != "" {
			b.report(codeRecordBlocked, a.name, x.p.name, "", o.Blocker)
			a.halt(codeRecordBlocked, iPrepare)
		}
		if x.p == b.s && b.foreign(o) {
			b.report(codeHeld, a.name, x.p.name, "", "held by migration "+o.Migration)
			a.halt(codeHeld, iPrepare)
		}
	}
}

// foreign says whether a record belongs to another migration.
func (b *builder) foreign(o schema.Ownership) bool { return o.Migration != "" && o.Migration != b.id }

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

func (b *builder) checkAfter(a *account) {
	for _, name := range a.conf.After {
		if b.byName[name] == nil {
			b.block(a, codeAfterUnknown, iMigrate, name, "waits for "+name+", which does not take part")
		}
	}
}

// checkRuntimes looks at what an account on the source runs on.
func (b *builder) checkRuntimes(a *account) {
	if a.found != sideSource || a.s == nil {
		return
	}
	for _, u := range a.s.Runtimes {
		as, ok := b.offer(u.Name, u.Version)
		what := u.Name + " " + u.Version
		switch {
		case !ok:
			summary := what + " of " + u.By + " is not offered by the target"
			if v, _ := b.offered(u.Name); len(v) > 0 {
				summary += ", which has " + strings.Join(v, ", ")
			}
			b.block(a, codeRuntime, iPrepare, what, summary)
		case as != u.Version:
			b.altered = append(b.altered, Altered{Account: a.name, Object: u.Name + " of " + u.By, From: u.Version, To: as,
				Why: "the target offers the line, not the single version"})
		}
		if ok && b.t.present && len(b.t.found.Runtimes) > 0 && !slices.Contains(b.t.found.Runtimes, schema.Runtime{Name: u.Name, Version: as}) {
			b.block(a, codeRuntimeGone, iMigrate, what, b.t.name+" does not have "+u.Name+" "+as)
		}
	}
}

// checkEngines looks at the databases of an account on the source.
func (b *builder) checkEngines(a *account) {
	if a.found != sideSource || a.s == nil {
		return
	}
	for _, d := range a.s.Databases {
		b.checkEngine(a, d, d.Engine+"/"+d.Name)
	}
}

// checkModes looks for what makes the cutovers that are left long.
func (b *builder) checkModes(a *account) {
	if a.live == nil || a.found == sideHome || a.found == sideTransit && b.proc.OneWay() {
		return
	}
	for _, d := range a.live.Databases {
		if d.Engine != "sqlite" || strings.EqualFold(d.Mode, "wal") {
			continue
		}
		mode := d.Mode
		if mode == "" {
			mode = "unknown"
		}
		object := d.Engine + "/" + d.Name
		b.report(codeNotWAL, a.name, "", object, object+" has journal_mode "+mode+": it is compared whole within the cut")
	}
}

func (b *builder) checkEngine(a *account, d schema.Database, object string) {
	if b.arch == nil {
		return
	}
	if slices.Contains(b.arch.Removed, d.Engine) {
		b.block(a, codeEngineRemoved, iPrepare, object, "architecture "+b.arch.Name+" has no "+d.Engine+" any more")
		return
	}
	i := slices.IndexFunc(b.arch.Engines, func(e schema.EngineOffer) bool { return e.Name == d.Engine })
	switch {
	case i < 0 && len(b.arch.Engines) > 0 && d.Engine != "sqlite": // SQLite is a file, not a service
		b.block(a, codeEngineMissing, iPrepare, object, "architecture "+b.arch.Name+" does not list "+d.Engine)
	case i >= 0 && d.Version != "" && b.arch.Engines[i].Version != "" && d.Version != b.arch.Engines[i].Version:
		b.altered = append(b.altered, Altered{Account: a.name, Object: object, From: d.Engine + " " + d.Version,
			To: d.Engine + " " + b.arch.Engines[i].Version, Why: "the target has another version of the engine"})
	}
}

// checkHistory reports what the past makes worth knowing.
func (b *builder) checkHistory(a *account) {
	switch {
	case a.found == sideSource && a.real > 0 && !b.back:
		b.report(codeRolledBack, a.name, "", "", "")
	case a.found == sideTransit && !b.recorded(a) && !b.reinstalled:
		b.report(codeNoBaseline, a.name, "", "", "")
	}
}

// checkFound passes on what the survey found in an account.
func (b *builder) checkFound(a *account) {
	for _, f := range []*schema.FoundAccount{a.s, a.t} {
		if f == nil {
			continue
		}
		for _, x := range f.Findings {
			x.Account = a.name
			b.findings = append(b.findings, x)
			if x.Severity == schema.Blocker {
				a.halt(x.Code, iPrepare)
			}
		}
	}
}

// checkServers looks at what each phase needs of the two servers.
func (b *builder) checkServers() {
	b.checkSource()
	b.checkTransit()
	for _, p := range []*place{b.s, b.t} {
		for _, c := range []schema.Capability{schema.CanOwn, schema.CanCopy} {
			if !p.can(c) {
				b.report(codeCannot, "", p.name, string(c), p.name+" cannot "+string(c)+": "+p.why(c))
				b.haltAll(codeCannot, iInstall)
			}
		}
		if !p.can(schema.CanKeepFacts) {
			b.report(codeFactsNotKept, "", p.name, "", p.name+" keeps no facts: "+p.why(schema.CanKeepFacts))
		}
	}
}

func (b *builder) checkSource() {
	switch {
	case b.past.has(schema.FactReleased):
	case !b.s.present && b.sealed:
		b.report(codeReinstalling, "", b.s.name, "", b.s.name+" was sealed for its reinstallation and does not answer"+because(b.s.found.Error))
	case b.s.found.Presence == schema.Unreachable:
		b.report(codeUnreachable, "", b.s.name, "", b.s.name+" does not answer"+because(b.s.found.Error)+"; only what is on "+b.t.name+" already goes on")
	case !b.s.present:
		b.report(codeAbsent, "", b.s.name, "", b.s.name+" is not there")
	case b.s.found.Known && b.machine0 != b.s.found.Machine:
		b.report(codeMachine, "", b.s.name, "", b.s.name+" was machine "+b.machine0+" and is "+b.s.found.Machine)
		b.haltAll(codeMachine, iPrepare)
	case !b.s.found.Known && !b.reinstalled:
		b.report(codeMachine, "", b.s.name, "", b.s.name+" is a machine that nobody remembers: neither the one of the beginning nor one that took its place")
		b.haltAll(codeMachine, iReinstall)
	case b.s.found.Seal == nil && slices.Contains(b.t.found.Lineage, b.s.found.Machine):
		b.report(codeSealed, "", b.s.name, "", b.t.name+" took over the accounts of "+b.s.name+", which is not sealed any more: an old copy of it came back")
		b.haltAll(codeSealed, iPrepare)
	case b.s.found.Seal != nil && b.foreignClaim(b.s):
		b.report(codeSealed, "", b.s.name, "", b.s.name+" was sealed by migration "+b.s.found.Claim.Migration)
		b.haltAll(codeSealed, iPrepare)
	}
}

// foreignClaim says whether a server is steered by another migration.
func (b *builder) foreignClaim(p *place) bool {
	c := p.found.Claim
	return c.Migration != "" && c.Migration != b.id
}

func (b *builder) checkTransit() {
	switch {
	case b.past.has(schema.FactReleased):
	case b.t.found.Presence == schema.Unreachable:
		b.report(codeUnreachable, "", b.t.name, "", b.t.name+" does not answer"+because(b.t.found.Error)+"; nothing moves, and what is there is not known")
	case !b.t.present && b.past.has(schema.FactHandover):
		b.report(codeAbsent, "", b.t.name, "", b.t.name+" was handed over and is not there any more")
	case b.t.present:
		n := 0
		for _, f := range b.t.found.Accounts {
			if !b.holds(f.Owner) && f.Owner.State != schema.StateUnknown {
				n++
			}
		}
		if n > 0 {
			b.report(codeShared, "", b.t.name, "", fmt.Sprintf("%s that %s not of this migration on %s", count(n, "account"), isAre(n), b.t.name))
		}
	case !b.t.can(schema.CanProvision):
		b.cannot(b.t, schema.CanProvision, "install.handover")
	}
	if !b.t.present && (b.t.found.Presence != schema.Absent || b.past.has(schema.FactHandover)) {
		b.t.ready = false
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

// cannot tells why a step is a gate.
func (b *builder) cannot(p *place, c schema.Capability, gate string) {
	if p.can(c) {
		return // the process wants it by hand
	}
	b.report(codeCannotGate, "", p.name, string(c), p.name+" cannot "+string(c)+" by itself ("+p.why(c)+"): "+gate+" is a gate")
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

// checkCapacity stops the accounts that do not fit on the server that they go
// to next, in the order of their moves.
func (b *builder) checkCapacity() {
	from, to := sideSource, b.t
	if b.reinstalled {
		from, to = sideTransit, b.s
	}
	if !to.present || to.found.FreeBytes == 0 && to.found.FreeInodes == 0 {
		return // nobody said
	}
	bytes, inodes := to.found.FreeBytes, to.found.FreeInodes
	var needBytes, needInodes int64
	var out []*account
	for _, a := range b.accounts {
		if a.found != from || a.stop <= iInstall || a.live == nil {
			continue
		}
		n, i := needs(a, to)
		needBytes, needInodes = needBytes+n, needInodes+i
		if n > bytes || to.found.FreeInodes > 0 && i > inodes {
			out = append(out, a)
			continue
		}
		bytes, inodes = bytes-n, inodes-i
	}
	phase := iInstall
	if b.reinstalled {
		phase = iReinstall
	}
	for _, a := range out {
		a.halt(codeCapacity, phase)
	}
	if len(out) > 0 {
		b.report(codeCapacity, "", to.name, "", fmt.Sprintf("%s has %s and %d inodes free, %s and %d inodes are still to come: %s not fit, first %s",
			to.name, size(to.found.FreeBytes), to.found.FreeInodes, size(needBytes), needInodes, doDoes(len(out)), out[0].name))
	}
}

// needs is what a copy of the account still takes on a server.
func needs(a *account, to *place) (bytes, inodes int64) {
	bytes, inodes = a.live.Bytes(), a.live.Files.Entries+a.live.Mail.Messages
	if have := to.index[a.name]; have != nil && have != a.live {
		bytes -= have.Bytes()
		inodes -= have.Files.Entries + have.Mail.Messages
	}
	return max(bytes, 0), max(inodes, 0)
}

// checkBudget stops an account before a cutover that would take too long.
func (b *builder) checkBudget(a *account) {
	if a.budget() == 0 || a.cut <= a.budget() || a.stop <= iMigrate {
		return
	}
	from := iMigrate
	if a.found == sideTransit {
		from = iRelocate
	}
	if a.found == sideHome || a.found == sideToSource || b.back && a.found == sideTransit {
		return
	}
	b.block(a, codeBudget, from, "", fmt.Sprintf("the cutover is predicted to take %s, the budget is %s", a.cut, a.budget()))
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

func doDoes(n int) string {
	if n == 1 {
		return "1 account does"
	}
	return itoa(int64(n)) + " accounts do"
}

// size is a number of bytes for people, in powers of 1024.
func size(n int64) string {
	units := []string{"bytes", "KB", "MB", "GB", "TB", "PB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v /= 1024
		u++
	}
	if u == 0 {
		return fmt.Sprintf("%d %s", n, units[0])
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}

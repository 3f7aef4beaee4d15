package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// passage is the next move of one account between two machines, as far as these
// tell of themselves. Servers whose providers tell nothing have no system, and
// nothing is concluded from that.
type passage struct {
	*account
	live  *schema.FoundAccount
	from  *place
	here  *schema.System // of the server that the account is on; nil: not told
	to    *place         // nil: which machine it will be is not known yet
	there *schema.System // nil: not told, or not known
	phase int            // of the cutover
}

// passageChecks is what is looked at in each account of a whole machine.
var passageChecks = []func(*builder, *passage){
	(*builder).checkUserThere,
	(*builder).checkGroups,
	(*builder).checkHome,
	(*builder).checkShell,
	(*builder).checkEnvironments,
	(*builder).checkVersionsWritten,
	(*builder).checkOldApplications,
	(*builder).checkBinaries,
	(*builder).checkExtensions,
	(*builder).checkPHPSettings,
	(*builder).checkApache,
	(*builder).checkLogReaders,
	(*builder).checkListens,
	(*builder).checkPorts,
	(*builder).checkLocalServices,
	(*builder).checkCoupling,
	(*builder).checkClients,
	(*builder).checkServices,
	(*builder).checkOutside,
	(*builder).checkTemporary,
	(*builder).checkCertificates,
	(*builder).checkSieve,
	(*builder).checkDatabasesThere,
	(*builder).checkMariaDB,
	(*builder).checkPostgreSQL,
	(*builder).checkDatabaseUsers,
	(*builder).checkTruncated,
}

// checkPassage looks at an account that has a move before it.
func (b *builder) checkPassage(a *account) {
	if !b.leaves(a) {
		return
	}
	p := &passage{account: a, live: a.live, from: b.s, phase: iMigrate}
	if a.found == sideTransit || a.found == sideToTransit {
		p.from, p.phase = b.t, iRelocate
	}
	if b.between(p) {
		p.there = p.to.found.System
	}
	p.here = p.from.found.System
	if p.here == nil {
		return // not a whole machine, or one whose provider does not tell
	}
	for _, rule := range passageChecks {
		rule(b, p)
	}
}

// between finds the machine that the account goes to next, if it is there. The
// source is none as long as it is the one to be reinstalled, and an account that
// goes back in this plan goes to where it came from.
func (b *builder) between(p *passage) bool {
	switch {
	case b.goesOut(p.account) && b.t.present:
		p.to = b.t
	case !b.back && p.found == sideTransit && b.reinstalled && b.s.present:
		p.to = b.s
	default:
		return false
	}
	return true
}

// stopSeen reports what stops an account before its next cutover, with what was
// seen. The kind's severity decides whether it does.
func (b *builder) stopSeen(p *passage, code, object, summary string, seen []string) {
	if b.reportSeen(code, p.name, "", object, summary, seen) {
		p.halt(code, p.phase)
	}
}

// refuseSeen is stopSeen for what stops an account altogether: not even a copy
// ahead of its move may be made.
func (b *builder) refuseSeen(p *passage, code, object, summary string, seen []string) {
	if b.reportSeen(code, p.name, "", object, summary, seen) {
		p.halt(code, iPrepare)
	}
}

// legs are the two machines that are compared as a whole: the one that accounts
// leave and the one that they go to. Nil where there is nothing to compare.
func (b *builder) legs() (from, to *place, phase int) {
	if b.back || b.past.has(schema.FactReleased) || !b.s.present || !b.t.present {
		return nil, nil, 0
	}
	from, to, phase = b.s, b.t, iMigrate
	if b.reinstalled {
		from, to, phase = b.t, b.s, iRelocate
	}
	if from.found.System == nil || to.found.System == nil {
		return nil, nil, 0
	}
	return from, to, phase
}

// checkMachines looks at whole machines: what each says of itself, and what
// differs between the one that accounts leave and the one that they go to.
func (b *builder) checkMachines() {
	for _, p := range []*place{b.s, b.t} {
		b.passOn(p)
	}
	b.checkEnginesRead()
	b.checkQueue()
	b.checkExtraAddresses()
	b.checkReplication()
	b.checkUnownedUsers()
	if b.proc.Phase(schema.PhaseReinstall) == nil && b.s.present && !b.past.has(schema.FactReleased) {
		b.unknownRuled(schema.Warning) // nothing is deleted here by a plan, and it does not move either
	}
	from, to, phase := b.legs()
	if to == nil {
		return
	}
	b.checkArchitecture(to, phase)
	b.checkSettings(from, to)
	b.checkPHPLines(from, to)
	b.checkPackages(from, to)
	b.checkDaemons(from, to)
	b.checkZone(from, to)
	b.checkLocales(from, to)
	b.checkTools(from, to)
	b.checkReverse(from, to)
	b.checkQuotaThere(from, to)
	b.checkMounts(from, to, phase)
	b.checkEngineSettings(from, to)
}

// passOn passes on what the survey found in a server itself.
func (b *builder) passOn(p *place) {
	for _, x := range p.found.Findings {
		x.Server = p.name
		if b.put(x) {
			b.haltAll(x.Code, iMigrate)
		}
	}
}

// checkArchitecture holds the target against what the configuration says that
// it is: every other comparison rests on it.
func (b *builder) checkArchitecture(to *place, phase int) {
	if b.arch == nil {
		return
	}
	sys := to.found.System
	var seen []string
	if b.arch.OS != "" && sys.OS != "" && !strings.EqualFold(b.arch.OS, sys.OS) {
		seen = append(seen, "os: "+b.arch.OS+" was declared, "+to.name+" is "+sys.OS)
	}
	for _, e := range b.arch.Engines {
		have := sys.Engine(e.Name)
		if have == nil || have.Version == "" || e.Version == "" || majorOf(e.Name, e.Version) == majorOf(e.Name, have.Version) {
			continue
		}
		seen = append(seen, e.Name+": "+e.Version+" was declared, "+to.name+" has "+have.Version)
	}
	if len(seen) == 0 {
		return
	}
	if b.reportSeen(codeArchitecture, "", to.name, b.arch.Name, to.name+" is not what architecture "+b.arch.Name+" declares: "+seen[0], seen) {
		b.haltAll(codeArchitecture, phase)
	}
}

// lines are what an account's files say of some kinds, in the order of their
// places.
func (p *passage) lines(kinds ...string) []schema.Line {
	var out []schema.Line
	for _, l := range p.live.Lines {
		if slices.Contains(kinds, l.Kind) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(x, y schema.Line) int {
		if c := strings.Compare(x.Path, y.Path); c != 0 {
			return c
		}
		if x.Line != y.Line {
			return x.Line - y.Line
		}
		return strings.Compare(x.What, y.What)
	})
	return out
}

// lineText is a line for people, with its place.
func lineText(l *schema.Line) string {
	s := l.Path
	if l.Line > 0 {
		s += ":" + itoa(int64(l.Line))
	}
	return s + ": " + open(l.What)
}

// open is what may be shown of an address: not the user and password before the
// host, which settings often have there.
func open(s string) string {
	i := strings.Index(s, "://")
	if i < 0 {
		return s
	}
	at := strings.LastIndexByte(s, '@')
	if at < i {
		return s
	}
	return s[:i+3] + "…" + s[at:]
}

// unique sorts lines and leaves out those that are said already.
func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// home is the account's home directory with a slash behind it; empty: not known.
func (p *passage) home() string {
	if p.live.User == nil || p.live.User.Home == "" || p.live.User.Home == "/" {
		return ""
	}
	return strings.TrimRight(p.live.User.Home, "/") + "/"
}

// isHome says whether a path lies in the account's home, and so moves with it.
// Paths that are not absolute are told below the home.
func (p *passage) isHome(path string) bool {
	if !strings.HasPrefix(path, "/") {
		return true
	}
	h := p.home()
	return h != "" && (strings.HasPrefix(path, h) || path+"/" == h)
}

// software finds a package or program by its name.
func software(list []schema.Software, name string) *schema.Software {
	i := slices.IndexFunc(list, func(s schema.Software) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// sortedKeys are the keys of a map in their order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// place is one of the two servers while steps are laid out.
type place struct {
	name      string
	conf      *schema.Server
	found     *schema.FoundServer // never nil
	present   bool                // it answers
	ready     bool                // it answers, or will when the steps so far are done
	index     map[string]*schema.FoundAccount
	addresses []string       // that users reach it by, in one spelling; nil: not asked yet
	users     map[int]string // users of the system that accounts of others run as; nil: not asked yet
	catalogue *catalogue     // nil: not asked yet
}

// can says whether the server's provider has a capability. Where it says
// nothing because the server does not answer, what the server itself does is
// taken for granted until it is there, and what must be done to it from outside
// is not.
func (p *place) can(c schema.Capability) bool {
	if !p.present && p.found.Can == nil {
		return c != schema.CanProvision && c != schema.CanReinstall
	}
	return p.found.Can[c]
}

// why is the reason for an absent capability.
func (p *place) why(c schema.Capability) string {
	if r := p.found.Cannot[c]; r != "" {
		return r
	}
	return "its provider cannot"
}

func (b *builder) place(name string) *place {
	p := &place{name: name, conf: b.in.Config.Server(name), found: b.in.Inventory.Servers[name]}
	if p.found == nil {
		p.found = &schema.FoundServer{Name: name, Presence: schema.Absent}
	}
	p.present = p.found.Presence == schema.Present
	p.ready = p.present
	return p
}

// survey reads what the servers say of themselves: which migration this is,
// whether the source is still the machine it was, whether it is sealed.
func (b *builder) survey() {
	b.s, b.t = b.place(b.mig.Source), b.place(b.mig.Transit)
	b.id = b.migrationID()
	var m schema.MachineFact
	if b.past.read(MachineID(b.s.name), &m) {
		b.machine0 = m.Machine
	} else if b.s.present && (b.s.found.Known || schema.LeftBy(b.mig.Name, b.s.found.Machine, b.s.found.Facts)) {
		b.machine0 = b.s.found.Machine
	}
	b.reinstalled = b.s.present && !b.s.found.Known && b.isNewMachine()
	b.sealed = !b.reinstalled && (b.s.found.Seal != nil || b.machine0 != "" && slices.Contains(b.t.found.Lineage, b.machine0))
	b.underway = b.past.has(schema.FactHandover) || b.reinstalled
	b.confirmed = b.in.Confirmed == b.s.name
}

// isNewMachine says whether the source is another machine than the one that
// was sealed. Where no fact remembers the first one, the transit server's
// lineage does.
func (b *builder) isNewMachine() bool {
	if b.machine0 != "" {
		return b.s.found.Machine != b.machine0
	}
	lineage := b.t.found.Lineage
	return len(lineage) > 0 && !slices.Contains(lineage, b.s.found.Machine)
}

// migrationID is the random id behind the migration's name: from the facts, or
// from what the servers remember of a migration of this name.
func (b *builder) migrationID() string {
	var v schema.MigrationFact
	if b.past.read(schema.FactMigration, &v) && v.ID != "" {
		return v.ID
	}
	for _, p := range []*place{b.s, b.t} {
		if c := p.found.Claim; c.Name == b.mig.Name && c.Migration != "" {
			return c.Migration
		}
	}
	return ""
}

// serves are the source's service addresses: what users reach, and what moves
// when the server is rerouted.
func (b *builder) serves() []string {
	if len(b.s.conf.Serves) > 0 {
		return b.s.conf.Serves
	}
	var list []string
	if b.past.read(AddressesID(b.s.name), &list) {
		return list
	}
	if b.s.present && !b.reinstalled {
		return b.s.found.Addresses
	}
	return nil
}

// listens says whether a server answers on all of the addresses.
func (p *place) listens(addresses []string) bool {
	for _, a := range addresses {
		if !slices.Contains(p.found.Listening, a) {
			return false
		}
	}
	return true
}

// listensAny says whether a server answers on one of the addresses.
func (p *place) listensAny(addresses []string) bool {
	return slices.ContainsFunc(addresses, func(a string) bool { return slices.Contains(p.found.Listening, a) })
}

// phaseRule is what the process says of a phase; never nil.
func (b *builder) phaseRule(phase string) *schema.ProcessPhase {
	if r := b.proc.Phase(phase); r != nil {
		return r
	}
	return &schema.ProcessPhase{Name: phase, By: ActorOperator}
}

// byHand says whether the process wants somebody to act in a phase even where
// the provider could.
func (b *builder) byHand(phase string) bool { return b.phaseRule(phase).Gate == "always" }

// who acts in a phase, as the process says.
func (b *builder) who(phase string) string {
	if by := b.phaseRule(phase).By; by != "" {
		return by
	}
	return ActorOperator
}

// checkServers looks at what each phase needs of the two servers.
func (b *builder) checkServers() {
	b.checkSource()
	b.checkTransit()
	b.checkAnswers()
	b.surveyTrial()
	for _, p := range []*place{b.s, b.t} {
		b.checkMoves(p)
		if !p.can(schema.CanKeepFacts) {
			b.report(codeFactsNotKept, "", p.name, "", p.name+" keeps no facts: "+p.why(schema.CanKeepFacts))
		}
	}
}

// checkMoves looks for what every move needs of a server. What lacks for one
// reason is one finding.
func (b *builder) checkMoves(p *place) {
	var missing []string
	for _, c := range []schema.Capability{schema.CanOwn, schema.CanCopy} {
		if !p.can(c) {
			missing = append(missing, string(c))
		}
	}
	if len(missing) == 0 {
		return
	}
	b.haltAll(codeCannot, iInstall)
	if len(missing) == 2 && p.why(schema.CanOwn) == p.why(schema.CanCopy) {
		b.report(codeCannot, "", p.name, strings.Join(missing, ", "), p.name+" cannot move accounts: "+p.why(schema.CanOwn))
		return
	}
	for _, c := range missing {
		b.report(codeCannot, "", p.name, c, p.name+" cannot "+c+": "+p.why(schema.Capability(c)))
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
		b.report(codeAbsent, "", b.s.name, "", b.s.name+" is not there"+reachedAt(b.s.conf))
	case b.s.found.Known && b.machine0 != b.s.found.Machine:
		b.report(codeMachine, "", b.s.name, "", b.s.name+" was machine "+b.machine0+" and is "+b.s.found.Machine)
		b.haltAll(codeMachine, iPrepare)
	case !b.s.found.Known && !b.reinstalled && b.machine0 != b.s.found.Machine:
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

// reachedAt is where a server was looked for: a server that is missing is mostly
// an address that is wrong.
func reachedAt(conf *schema.Server) string {
	if conf == nil || conf.Address == "" {
		return ""
	}
	return " (address " + strconv.Quote(conf.Address) + ")"
}

// checkAnswers reports addresses on which neither server answers, though one
// of them should: what users see of that is not known here.
func (b *builder) checkAnswers() {
	if b.s.present && !b.sealed && !b.reinstalled && !b.past.has(schema.FactReleased) {
		b.unanswered(b.s, b.serves())
	}
	if b.t.present && b.t.conf != nil && !b.past.has(schema.FactReleased) {
		b.unanswered(b.t, b.t.conf.Serves)
	}
}

// answersOn says whether a server answers on an address, however it is written.
func (p *place) answersOn(a string) bool {
	return slices.ContainsFunc(p.found.Listening, func(l string) bool { return bare(l) == bare(a) })
}

// bare is an address without its port, in one spelling.
func bare(a string) string {
	if at, err := netip.ParseAddrPort(a); err == nil {
		return at.Addr().Unmap().String()
	}
	return address(a)
}

func (b *builder) unanswered(p *place, addresses []string) {
	for _, a := range addresses {
		if !b.s.answersOn(a) && !b.t.answersOn(a) {
			b.report(codeUnanswered, "", p.name, a, p.name+" does not answer on "+a)
		}
	}
}

func (b *builder) checkTransit() {
	switch {
	case b.past.has(schema.FactReleased):
	case b.t.found.Presence == schema.Unreachable:
		b.report(codeUnreachable, "", b.t.name, "", b.t.name+" does not answer"+because(b.t.found.Error)+"; nothing moves, and what is there is not known")
	case !b.t.present && b.past.has(schema.FactHandover) && b.allHome():
	case !b.t.present && b.past.has(schema.FactHandover):
		b.report(codeAbsent, "", b.t.name, "", b.t.name+" was handed over and is not there any more"+reachedAt(b.t.conf))
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

// foreignClaim says whether a server is steered by another migration.
func (b *builder) foreignClaim(p *place) bool {
	c := p.found.Claim
	return c.Migration != "" && c.Migration != b.id
}

// allHome says whether every account is home: the transit server is not needed
// any more.
func (b *builder) allHome() bool {
	return b.every(func(a *account) bool { return a.found == sideHome })
}

// checkAddresses says what others may have written down of the source, and will
// be another on transit.
func (b *builder) checkAddresses() {
	if !b.s.present || !b.t.present || b.reinstalled || b.past.has(schema.FactReleased) {
		return
	}
	s, t := b.s.found, b.t.found
	if out, next := outgoing(s), outgoing(t); len(out) > 0 && len(next) > 0 && !sameSet(out, next) {
		b.report(codeOutgoing, "", b.t.name, "", "connections come from "+strings.Join(sorted(out), ", ")+" on "+b.s.name+", and from "+
			strings.Join(sorted(next), ", ")+" on "+b.t.name)
	}
	if keys, next := hostKeys(s), hostKeys(t); len(keys) > 0 && len(next) > 0 && !sameSet(keys, next) {
		b.reportSeen(codeHostKeys, "", b.t.name, "", b.t.name+" has other SSH host keys than "+b.s.name, sorted(next))
	}
}

// outgoing are the addresses that connections of a server come from: as its
// provider says, or as the survey of the machine does.
func outgoing(f *schema.FoundServer) []string {
	if len(f.Outgoing) > 0 || f.System == nil {
		return f.Outgoing
	}
	var out []string
	for _, p := range f.System.Outgoing {
		out = append(out, p.Address)
	}
	return out
}

// hostKeys are the fingerprints of a server, from the same two.
func hostKeys(f *schema.FoundServer) []string {
	if len(f.HostKeys) > 0 || f.System == nil {
		return f.HostKeys
	}
	return f.System.HostKeys
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

func sameSet(x, y []string) bool { return slices.Equal(sorted(x), sorted(y)) }

// cannot tells why a step is a gate; once for gates of a kind that follow each
// other.
func (b *builder) cannot(p *place, c schema.Capability, gate string) {
	if p.can(c) {
		return // the process wants it by hand
	}
	if n := len(b.findings); n > 0 {
		if f := &b.findings[n-1]; f.Code == codeCannotGate && f.Server == p.name && f.Object == string(c) {
			return
		}
	}
	b.report(codeCannotGate, "", p.name, string(c), p.name+" cannot "+string(c)+" by itself ("+p.why(c)+"): "+gate+" is a gate")
}

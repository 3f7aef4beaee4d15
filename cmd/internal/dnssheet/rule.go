package dnssheet

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Actions of a process's rules.
const (
	ruleKeep   = "keep"
	ruleReport = "report"
	ruleRemove = "remove_before_migrate"
	ruleChange = "change_before_finish"
)

// ownPrefix begins the names of rules about records that users added on the
// provider's DNS; all others are about names on DNS elsewhere.
const ownPrefix = "own-"

// action is what a rule asks for a name. False: the rule is not about it.
func (m *maker) action(r *schema.DNSRule, d domain) (Action, bool) {
	if strings.HasPrefix(r.Name, ownPrefix) != (d.managed == ByProvider) {
		return Action{}, false
	}
	want := parseRecord(r.Record)
	if slices.Contains(want.types, "MX") && !d.mail && !m.mailsHere(d) {
		return Action{}, false // mail for the name goes elsewhere: nothing of it changes
	}
	a := Action{Domain: d.name, Account: d.account, Rule: r.Name, Record: r.Record, Managed: d.managed, Why: r.Doc}
	m.look(&a, want)
	switch r.Action {
	case ruleReport, ruleRemove:
		if m.over() {
			return Action{}, false
		}
	}
	switch r.Action {
	case ruleReport:
		m.report(&a)
	case ruleRemove:
		m.remove(&a, want)
	case ruleChange:
		m.change(&a)
	default:
		a.Do = Keep
	}
	if a.Needed || a.Do != Keep {
		a.Who = whoOf(d.managed)
	}
	return a, true
}

// whoOf is who can change the records of a name. What users added on the
// provider's DNS is theirs to change too.
func whoOf(managed string) string {
	if managed == ByProvider {
		return "customer, in the provider's administration"
	}
	return "customer, where the domain's DNS is kept"
}

// mailsHere says whether mail for a name is sent to the source, mailboxes or
// not: an account may only pass it on.
func (m *maker) mailsHere(d domain) bool {
	n := m.inv.DNS.Name(d.name)
	return n != nil && slices.ContainsFunc(n.Records, func(r schema.DNSRecord) bool { return r.Type == "MX" && m.isOurs(r.Value) })
}

// record is which records a rule names: "A, AAAA" or "MX 5".
type record struct {
	types []string
	pref  int // of MX; -1: any
}

func parseRecord(s string) record {
	out := record{pref: -1}
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		if n, err := strconv.Atoi(f); err == nil {
			out.pref = n
			continue
		}
		out.types = append(out.types, strings.ToUpper(f))
	}
	return out
}

// look finds the records of a name that a rule is about: of its types, and
// naming the source server.
func (m *maker) look(a *Action, want record) {
	n := m.inv.DNS.Name(a.Domain)
	switch {
	case n == nil:
		a.State = Unknown
		return
	case n.Error != "":
		a.State, a.Error = Unknown, n.Error
		return
	}
	a.State = None
	for _, r := range n.Records {
		if !slices.Contains(want.types, r.Type) || want.pref >= 0 && int(r.Pref) != want.pref || !m.isOurs(r.Value) {
			continue
		}
		a.State = Found
		a.Records = append(a.Records, r)
		a.TTL = max(a.TTL, r.TTL)
	}
}

// isOurs says whether a record's value is, or may be, the source server: one of
// its addresses, or one of its names.
func (m *maker) isOurs(value string) bool {
	s := m.source
	if s == nil {
		return false
	}
	if ip, err := netip.ParseAddr(value); err == nil {
		return slices.ContainsFunc(m.addresses(s), func(a netip.Addr) bool { return a == ip.Unmap() })
	}
	if len(s.Names) == 0 {
		return true // nobody knows what it is called: somebody has to look at the record
	}
	value = strings.ToLower(strings.TrimSuffix(value, "."))
	return slices.ContainsFunc(s.Names, func(n string) bool { return strings.EqualFold(strings.TrimSuffix(n, "."), value) })
}

// addresses are a server's own, from what was found and what the configuration
// says, without ports.
func (m *maker) addresses(s *schema.FoundServer) []netip.Addr {
	texts := slices.Clone(s.Addresses)
	if c := m.plan.Config.Server(s.Name); c != nil {
		texts = append(texts, c.Serves...)
	}
	var out []netip.Addr
	for _, t := range texts {
		ip, err := netip.ParseAddr(t)
		if err != nil {
			ap, err := netip.ParseAddrPort(t)
			if err != nil {
				continue
			}
			ip = ap.Addr()
		}
		if ip = ip.Unmap(); !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	return out
}

// report: records that somebody has to look at before the account moves.
func (m *maker) report(a *Action) {
	a.Do, a.Needed = Look, a.State != None
	if a.State == None {
		a.Do = Keep
		return
	}
	m.before(a)
}

// remove: the records go before the account moves, and the time that resolvers
// keep them is taken off. Others have to take the mail first.
func (m *maker) remove(a *Action, want record) {
	if a.State == None {
		a.Do = Keep
		return
	}
	a.Do, a.Needed = Remove, true
	if n := m.inv.DNS.Name(a.Domain); a.State == Found && n != nil {
		others := slices.ContainsFunc(n.Records, func(r schema.DNSRecord) bool {
			return r.Type == "MX" && int(r.Pref) != want.pref
		})
		if !others {
			a.Do = AddFirst
		}
	}
	m.before(a)
}

// over says that what had to be done before accounts moved out has lost its
// sense: they are on their way home, or arrived.
func (m *maker) over() bool {
	ph := m.plan.Phase(schema.PhaseReinstall)
	return ph != nil && ph.State == plan.PhaseDone
}

// before: it has to be done before the account moves out, or, where that is too
// late, now.
func (m *maker) before(a *Action) {
	a.When, a.Phase = "before", schema.PhaseMigrate
	if !m.leaves[a.Account] {
		a.When = "now"
		return
	}
	if begins := m.moves[a.Account]; !begins.IsZero() {
		a.By = begins.Add(-a.TTL)
	}
}

// change: the records have to name the destination once the account is there,
// and before the source is switched off.
func (m *maker) change(a *Action) {
	if a.State == None {
		a.Do = Keep
		return
	}
	a.Do, a.Needed, a.When, a.Phase = Change, true, "before", schema.PhaseFinish
	if m.transit != nil {
		for _, ip := range m.addresses(m.transit) {
			a.To = append(a.To, ip.String())
		}
	}
	for _, x := range m.plan.Dates.Timetable {
		if x.Phase == schema.PhaseFinish && !x.Relative && !x.Begins.IsZero() {
			a.By = x.Begins.Add(-a.TTL)
		}
	}
}

// Package dnssheet makes the action sheet of a migration's DNS: for every name
// that the accounts have what has to be done with its records, by whom, before
// or after which phase, and until when. Stopover changes no record itself.
//
// The rules are those of the process; what was found in DNS, where it was
// asked, says which of them concern a name. Without that the sheet says what
// each rule asks for, and that nobody looked.
package dnssheet

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// What has to be done with the records of a name.
const (
	Keep     = "keep"      // they stay as they are
	Look     = "look"      // somebody has to look at them: they may name the old server
	Remove   = "remove"    // they have to go
	AddFirst = "add_first" // others have to exist before these may go
	Change   = "change"    // they have to name the destination
)

// How sure a line is.
const (
	Found   = "found"   // the records were seen
	None    = "none"    // DNS was asked and has no such record
	Unknown = "unknown" // DNS was not asked, or did not answer
)

// Who keeps the zone of a name.
const (
	ByProvider = "provider" // the hosting company
	ByOwner    = "external" // somebody else: the owner of the account changes it
)

// Sheet is the action sheet.
type Sheet struct {
	Migration string   `json:"migration"`
	Process   string   `json:"process"`
	Asked     bool     `json:"dns_asked"`
	Resolver  string   `json:"resolver,omitempty"` // who was asked
	Actions   []Action `json:"actions"`            // sorted by domain
	// Reroute is how long names may not answer while addresses are rerouted.
	Reroute  time.Duration    `json:"reroute,omitempty"`
	Findings []schema.Finding `json:"findings,omitempty"` // about DNS
}

// Action is one line of the sheet.
type Action struct {
	Domain  string             `json:"domain"`
	Account string             `json:"account"`
	Rule    string             `json:"rule"`
	Record  string             `json:"record"`            // which records, as the rule has it
	Records []schema.DNSRecord `json:"records,omitempty"` // that were found
	Do      string             `json:"do"`
	Needed  bool               `json:"needed"` // somebody has to act
	State   string             `json:"state"`
	Managed string             `json:"managed"` // provider | external | unknown
	Who     string             `json:"who,omitempty"`
	When    string             `json:"when,omitempty"` // before the phase | now, because it is late // before | after
	Phase   string             `json:"phase,omitempty"`
	By      time.Time          `json:"by,omitzero"`   // at the latest, the time that resolvers keep the old answer taken off; zero: not known yet
	TTL     time.Duration      `json:"ttl,omitempty"` // how long resolvers keep the old answer
	To      []string           `json:"to,omitempty"`  // addresses of the destination, with change
	Why     string             `json:"why,omitempty"` // the rule, for people
	Error   string             `json:"error,omitempty"`
}

// domain is a name that an account has.
type domain struct {
	name, account string
	managed       string
	mail          bool
}

// Make makes the sheet of what a plan was computed from.
func Make(p *plan.Plan, inv *schema.Inventory) *Sheet {
	s := &Sheet{Migration: p.Migration, Process: p.Config.Migration.Process, Asked: inv.DNS != nil, Actions: []Action{}}
	if inv.DNS != nil {
		s.Resolver = inv.DNS.Resolver
	}
	process := p.Config.Process()
	if process == nil {
		return s
	}
	m := maker{plan: p, inv: inv, process: process, source: inv.Servers[p.Config.Migration.Source], transit: inv.Servers[p.Config.Migration.Transit], moves: moves(p), leaves: leaves(p)}
	if process.Phase(schema.PhaseReinstall) != nil {
		s.Reroute = process.Downtime.Reroute
	}
	for _, d := range m.domains() {
		for i := range process.DNS {
			if a, ok := m.action(&process.DNS[i], d); ok {
				s.Actions = append(s.Actions, a)
			}
		}
	}
	for _, f := range p.Findings {
		if aboutDNS(f.Code) {
			s.Findings = append(s.Findings, f)
		}
	}
	return s
}

// aboutDNS says whether a finding belongs on the sheet: what is about records
// and is not said by a line of the sheet already.
func aboutDNS(code string) bool {
	switch code {
	case "dns-kept", "dns-change", "dns-own-address", "mx-remove", "mx-kept":
		return false
	}
	return strings.HasPrefix(code, "dns-") || strings.HasPrefix(code, "mx-") || strings.HasPrefix(code, "spf-")
}

// Of returns the lines of one account.
func (s *Sheet) Of(account string) []Action {
	var out []Action
	for _, a := range s.Actions {
		if a.Account == account {
			out = append(out, a)
		}
	}
	return out
}

// Needed counts the lines on which somebody has to act.
func (s *Sheet) Needed() int {
	n := 0
	for i := range s.Actions {
		if s.Actions[i].Needed {
			n++
		}
	}
	return n
}

// maker holds what all lines are made from.
type maker struct {
	plan            *plan.Plan
	inv             *schema.Inventory
	process         *schema.Process
	source, transit *schema.FoundServer
	moves           map[string]time.Time
	leaves          map[string]bool // accounts that are still to move out
}

// leaves are the accounts that are still to move out: those whose move is
// planned, and those that are at the source and do not move as long as something
// stops or delays them.
func leaves(p *plan.Plan) map[string]bool {
	out := map[string]bool{}
	for i := range p.Accounts {
		if a := &p.Accounts[i]; a.Where == p.Config.Migration.Source && a.Stage != plan.StageHome {
			out[a.Name] = true
		}
	}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Phase == schema.PhaseMigrate && s.Group != "" {
			out[s.Account] = true
		}
	}
	return out
}

// moves are the beginnings of the accounts' moves out, as far as they are known.
func moves(p *plan.Plan) map[string]time.Time {
	out := map[string]time.Time{}
	for _, a := range p.Dates.Timetable {
		if a.Account != "" && a.Phase == schema.PhaseMigrate && !a.Relative && !a.Begins.IsZero() && out[a.Account].IsZero() {
			out[a.Account] = a.Begins
		}
	}
	return out
}

// domains are the names of all accounts that take part, each once, sorted. A
// mailbox may be on a domain that no site has.
func (m *maker) domains() []domain {
	here, there := index(m.source), index(m.transit)
	var out []domain
	seen := map[[2]string]int{}
	add := func(account, name, managed string, mail bool) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if name == "" {
			return
		}
		if i, ok := seen[[2]string{account, name}]; ok {
			out[i].mail = out[i].mail || mail
			return
		}
		seen[[2]string{account, name}] = len(out)
		if n := m.inv.DNS.Name(name); n != nil && n.Managed != "" {
			managed = n.Managed
		}
		out = append(out, domain{name: name, account: account, managed: cmp.Or(managed, Unknown), mail: mail})
	}
	for i := range m.plan.Accounts {
		account := m.plan.Accounts[i].Name
		for _, f := range []*schema.FoundAccount{here[account], there[account]} {
			if f == nil {
				continue
			}
			for _, d := range f.Domains {
				add(account, d.Name, d.DNS, false)
			}
			for _, box := range f.Mail.Mailboxes {
				if _, d, ok := strings.Cut(box, "@"); ok {
					add(account, d, "", true)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b domain) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.account, b.account))
	})
	return out
}

func index(s *schema.FoundServer) map[string]*schema.FoundAccount {
	out := map[string]*schema.FoundAccount{}
	if s != nil {
		for _, a := range s.Accounts {
			out[a.Name] = a
		}
	}
	return out
}

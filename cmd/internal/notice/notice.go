// Package notice makes the texts that tell the owners of accounts what happens
// to them: when their account moves, how long it will not answer, and what
// changes for them. Whoever reads them knows nothing of migrations.
//
// It computes and formats; writing files and mailing is others' business.
package notice

import (
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/cmd/internal/dnssheet"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// Notice is what the owner of one account has to know. Its fields are what
// templates are given.
type Notice struct {
	Migration string   `json:"migration"`
	Account   string   `json:"account"`
	Language  string   `json:"language"`
	Contact   string   `json:"contact,omitempty"`
	Timezone  string   `json:"timezone"` // IANA name, of all times in the text
	Domains   []string `json:"domains,omitempty"`
	OneWay    bool     `json:"one_way"` // the account stays where it moves to
	Moves     []Move   `json:"moves"`   // in the order in which they take place

	HostKeys []string          `json:"host_keys,omitempty"` // fingerprints of the new place
	OldKeys  []string          `json:"old_host_keys,omitempty"`
	SSH      bool              `json:"ssh"`                // host keys change; those of the new place may not be known yet
	Outgoing []string          `json:"outgoing,omitempty"` // addresses that its connections come from, at the new place
	Calls    bool              `json:"outgoing_changes"`   // they change; the new ones may not be known yet
	DNS      []dnssheet.Action `json:"dns,omitempty"`      // what the owner has to do
	Keeps    bool              `json:"dns_keeps"`          // names on DNS of the owner's stay as they are
	Altered  []plan.Altered    `json:"altered,omitempty"`
	Reroute  time.Duration     `json:"reroute,omitempty"` // how long names on DNS of the owner's may not answer, besides the moves

	location *time.Location
}

// Move is one move of an account.
type Move struct {
	Phase string    `json:"phase"` // migrate: away; relocate: back home
	Home  bool      `json:"home"`  // it is the way back
	Known bool      `json:"known"` // the date is known
	Begin time.Time `json:"begin,omitzero"`
	End   time.Time `json:"end,omitzero"`
	// After is the time from the hand-over of the transit server, where the date
	// depends on it.
	After    time.Duration `json:"after,omitempty"`
	Relative bool          `json:"relative,omitempty"`
	Outage   time.Duration `json:"outage"` // predicted; 0: not known
	Window   string        `json:"window,omitempty"`
}

// Input is what notices are made from.
type Input struct {
	Plan      *plan.Plan
	Inventory *schema.Inventory
	Language  string              // of accounts that name none; empty: en
	Pick      func(a string) bool // which accounts; nil: all
}

// Notices are those of a migration, and the accounts that get none.
type Notices struct {
	List []Notice `json:"notices"`
	Done []string `json:"done"` // accounts that do not move any more, or not at all: nothing is left to tell
}

// Make makes the notices of all accounts that still move, in the plan's order.
func Make(in Input) (*Notices, error) {
	zone := in.Plan.Config.Migration.Timezone
	if zone == "" {
		zone = "UTC"
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return nil, err
	}
	m := newMaker(in)
	out := &Notices{List: []Notice{}, Done: []string{}}
	for i := range in.Plan.Accounts {
		name := in.Plan.Accounts[i].Name
		if in.Pick != nil && !in.Pick(name) {
			continue
		}
		moves := m.moves[name]
		if len(moves) == 0 {
			out.Done = append(out.Done, name)
			continue
		}
		n := m.notice(name, moves)
		n.Timezone, n.location = zone, location
		out.List = append(out.List, n)
	}
	return out, nil
}

// maker holds what all notices are made from, by account.
type maker struct {
	in              Input
	source, transit *schema.FoundServer
	here, there     map[string]*schema.FoundAccount
	settings        settings
	moves           map[string][]Move
	dns             map[string][]dnssheet.Action
	altered         map[string][]plan.Altered
	reroute         time.Duration
	oneWay          bool
}

func newMaker(in Input) *maker {
	m := &maker{in: in, moves: movesOf(in.Plan), dns: map[string][]dnssheet.Action{}, altered: map[string][]plan.Altered{}}
	c := in.Plan.Config
	m.source, m.transit = in.Inventory.Servers[c.Migration.Source], in.Inventory.Servers[c.Migration.Transit]
	m.here, m.there = byName(m.source), byName(m.transit)
	m.settings = newSettings(c, in.Language)
	sheet := dnssheet.Make(in.Plan, in.Inventory)
	m.reroute = sheet.Reroute
	for _, a := range sheet.Actions {
		m.dns[a.Account] = append(m.dns[a.Account], a)
	}
	for _, a := range in.Plan.Altered {
		m.altered[a.Account] = append(m.altered[a.Account], a)
	}
	if p := c.Process(); p != nil {
		m.oneWay = p.OneWay()
	}
	return m
}

func byName(s *schema.FoundServer) map[string]*schema.FoundAccount {
	out := map[string]*schema.FoundAccount{}
	if s != nil {
		for _, a := range s.Accounts {
			out[a.Name] = a
		}
	}
	return out
}

func (m *maker) notice(name string, moves []Move) Notice {
	conf := m.settings.of(name)
	n := Notice{Migration: m.in.Plan.Migration, Account: name, Language: conf.Language, Contact: conf.Contact,
		OneWay: m.oneWay, Moves: moves, Altered: m.altered[name]}
	external := false
	for _, a := range m.dns[name] {
		external = external || a.Managed != dnssheet.ByProvider
		switch {
		case a.Needed:
			n.DNS = append(n.DNS, a)
		case a.Managed != dnssheet.ByProvider && strings.HasPrefix(a.Record, "A"):
			n.Keeps = true
		}
	}
	n.Domains = domains(m.here[name], m.there[name])
	if external && !m.rerouted() {
		n.Reroute = m.reroute
	}
	m.places(&n)
	return n
}

// rerouted says whether the source was reinstalled already, or is not to be.
func (m *maker) rerouted() bool {
	ph := m.in.Plan.Phase(schema.PhaseReinstall)
	return ph == nil || ph.State == plan.PhaseDone || ph.State == plan.PhaseAbsent
}

// places says what is different at the place that the account moves to next.
func (m *maker) places(n *Notice) {
	from, to := m.source, m.transit
	if n.Moves[0].Home {
		from, to = m.transit, m.source
	}
	if from == nil {
		return
	}
	known := to != nil && to.Presence == schema.Present
	if len(from.HostKeys) > 0 && !(known && slices.Equal(from.HostKeys, to.HostKeys)) {
		n.SSH, n.OldKeys = true, from.HostKeys
		if known {
			n.HostKeys = to.HostKeys
		}
	}
	if len(from.Outgoing) > 0 && !(known && slices.Equal(from.Outgoing, to.Outgoing)) {
		n.Calls = true
		if known {
			n.Outgoing = to.Outgoing
		}
	}
}

func domains(found ...*schema.FoundAccount) []string {
	var out []string
	for _, f := range found {
		if f == nil {
			continue
		}
		for _, d := range f.Domains {
			out = append(out, d.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

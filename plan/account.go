package plan

import (
	"container/heap"
	"slices"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// side says who owns an account, as the two records tell it.
type side int

const (
	sideUnknown   side = iota // a server that would know does not answer
	sideSource                // on the source, before it is reinstalled
	sideToTransit             // the source has committed, transit has not activated yet
	sideTransit
	sideToSource // transit has committed, the source has not activated yet
	sideHome     // on the reinstalled source
	sideRetired
	sideNowhere // nothing was found, or what was found contradicts itself
)

// account is one account of the migration while its steps are laid out. The
// fields from side on move along the journey as steps are emitted.
type account struct {
	name    string
	esc     string
	conf    *schema.Account // explicit, or made of a pattern
	named   bool            // by an account block
	picked  bool            // by the goal
	s, t    *schema.FoundAccount
	live    *schema.FoundAccount // the owner's side: what is in use
	stop    int                  // index of the first phase that it may not enter
	code    string               // of the finding that stops it
	found   side                 // as surveyed; side moves on
	moved   bool                 // has left the source at least once
	settled bool                 // the side that is not owner knows it (or there is none)
	real    uint64               // epoch as surveyed
	parts   []string
	cut     time.Duration // predicted outage of one cutover
	share   share         // the same, by its steps
	outage  time.Duration // of all cutovers that are left

	side     side
	epoch    uint64
	last     node   // what the account's next step comes after
	joins    bool   // last is one of those that the barrier before the request comes after
	crossed  node   // the end of its latest crossing, for accounts that wait for it
	staged   bool   // the receiver takes its data, or will
	copies   []node // precopies, which run beside each other
	probed   bool   // probes are done or laid out
	accepted bool   // acceptance on transit is closed, or laid out
	home     bool   // acceptance at home is closed, or laid out
	ready    bool   // prepared, or laid out

	trialWaived bool // all databases that failed their trial may move nevertheless
}

// node is a step, or a gate, that another one comes after. held: nothing behind
// it runs from this plan.
type node struct {
	id   ID
	held bool
}

// collect finds the accounts that take part: those that are named, those that a
// pattern matches on either server or in what is remembered, and sorts them.
func (b *builder) collect() {
	b.s.index, b.t.index = indexAccounts(b.s.found), indexAccounts(b.t.found)
	b.follow()
	b.stay = map[string]*schema.Stay{}
	for i := range b.mig.Stays {
		b.stay[b.renamed.current(b.mig.Stays[i].Account)] = &b.mig.Stays[i]
	}
	b.byName = make(map[string]*account, len(b.s.index)+len(b.mig.Accounts))
	for i := range b.mig.Accounts {
		c := &b.mig.Accounts[i]
		name := b.renamed.current(c.Name)
		if b.byName[name] != nil || b.closed0(name) {
			continue
		}
		b.join(name, escape(name), c, true)
	}
	b.matchPatterns()
	b.order()
}

// matchPatterns adds the accounts that only patterns name.
func (b *builder) matchPatterns() {
	for _, name := range b.names() {
		if b.byName[name] != nil {
			continue
		}
		esc := escape(name)
		p := b.pattern(name)
		switch f := b.s.index[name]; {
		case b.stay[name] != nil:
			if p != nil {
				b.report(codeStaysMatched, name, "", "", "")
			}
			if b.onTransit(name) {
				b.dropped = append(b.dropped, name)
				b.report(codeStaysAway, name, b.t.name, "", "")
			}
		case p != nil:
			b.join(name, esc, p, false)
		case b.onTransit(name):
			b.dropped = append(b.dropped, name)
			b.report(codeDropped, name, b.t.name, "", "")
		case f != nil && !b.reinstalled: // also one that was retired: it may have to be archived
			b.unnamed = append(b.unnamed, name)
		}
	}
}

// onTransit says whether this migration has moved an account to transit, or is
// about to.
func (b *builder) onTransit(name string) bool {
	s, t := record(b.s.index[name]), record(b.t.index[name])
	return b.holds(t) && (owns(t) || t.State == schema.StatePrepared && s.State == schema.StateMoved)
}

// closed0 says whether an account was closed on purpose and is really nowhere.
func (b *builder) closed0(name string) bool {
	return b.s.index[name] == nil && b.t.index[name] == nil && b.gone(name)
}

// pattern returns what the first pattern that matches says of an account.
func (b *builder) pattern(name string) *schema.Account {
	for i := range b.mig.Patterns {
		p := &b.mig.Patterns[i]
		if b.renamed.match(p.Include, name) && !b.renamed.match(p.Exclude, name) {
			return &b.patternConf[i]
		}
	}
	return nil
}

func (b *builder) join(name, esc string, conf *schema.Account, named bool) {
	a := &account{name: name, esc: esc, conf: conf, named: named, stop: iNever, s: b.s.index[name]}
	if f := b.t.index[name]; f != nil {
		a.t = f
	}
	a.picked = len(b.in.Goal.Accounts) == 0 || b.renamed.picks(b.in.Goal.Accounts, name, esc)
	if b.back {
		a.picked = b.renamed.picks(b.in.Goal.Rollback, name, esc)
	}
	b.byName[name] = a
	b.accounts = append(b.accounts, a)
}

// names are those of all accounts that could take part, sorted: what lives on
// the source, what is ours on transit, what facts name.
func (b *builder) names() []string {
	out := make([]string, 0, len(b.s.index)+8)
	if b.s.found != nil {
		for _, f := range b.s.found.Accounts {
			out = append(out, f.Name)
		}
	}
	if b.t.found != nil {
		for _, f := range b.t.found.Accounts {
			if b.s.index[f.Name] == nil && b.holds(f.Owner) {
				out = append(out, f.Name)
			}
		}
	}
	if !b.s.present {
		out = append(out, b.past.accounts...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(b.mig.Removed) > 0 {
		out = slices.DeleteFunc(out, b.closed0)
	}
	return out
}

// holds says whether a record is this migration's own.
func (b *builder) holds(o schema.Ownership) bool {
	switch o.State {
	case "", schema.StateUnmanaged:
		return false
	case schema.StateUnknown:
		return o.Migration != "" && o.Migration == b.id
	}
	return o.Migration == "" || o.Migration == b.id
}

func indexAccounts(s *schema.FoundServer) map[string]*schema.FoundAccount {
	if s == nil {
		return nil
	}
	m := make(map[string]*schema.FoundAccount, len(s.Accounts))
	for _, a := range s.Accounts {
		m[a.Name] = a
	}
	return m
}

// order sorts the accounts by name, each after those that it waits for. What is
// in a cycle comes last and is stopped.
func (b *builder) order() {
	slices.SortFunc(b.accounts, func(x, y *account) int { return strings.Compare(x.name, y.name) })
	if !slices.ContainsFunc(b.accounts, func(a *account) bool { return len(a.conf.After) > 0 }) {
		return
	}
	waits := make(map[*account]int, len(b.accounts))
	before := map[*account][]*account{}
	var ready byName
	for _, a := range b.accounts {
		for _, name := range a.conf.After {
			if o := b.accountOf(name); o != nil {
				waits[a]++
				before[o] = append(before[o], a)
			}
		}
		if waits[a] == 0 {
			ready = append(ready, a)
		}
	}
	heap.Init(&ready)
	out := make([]*account, 0, len(b.accounts))
	for ready.Len() > 0 {
		a := heap.Pop(&ready).(*account)
		out = append(out, a)
		for _, o := range before[a] {
			if waits[o]--; waits[o] == 0 {
				heap.Push(&ready, o)
			}
		}
	}
	for _, a := range b.accounts {
		if waits[a] > 0 {
			b.cycle = append(b.cycle, a)
			out = append(out, a)
		}
	}
	b.accounts = out
}

// byName is a heap of accounts by name, which makes the order of those that
// could come next the same each time.
type byName []*account

func (h byName) Len() int           { return len(h) }
func (h byName) Less(i, j int) bool { return h[i].name < h[j].name }
func (h byName) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byName) Push(x any)        { *h = append(*h, x.(*account)) }
func (h *byName) Pop() any {
	old := *h
	a := old[len(old)-1]
	*h = old[:len(old)-1]
	return a
}

package apply

import (
	"context"
	"time"

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// How often the size of an account is written down. Two sizes make a rate; after
// that an account that changes is of interest once an hour, and one that does
// not once a day: a timer may run apply every minute on ten thousand accounts.
const (
	sizeFirst   = time.Minute
	sizeChanged = time.Hour
	sizeSame    = 24 * time.Hour
)

// recordSizes writes down how large the accounts are now, as surveyed for the
// plan, so that later plans know how fast they change.
func (x *run) recordSizes(ctx context.Context) error {
	if x.Inventory == nil {
		return nil
	}
	log, err := x.State.Load(ctx)
	if err != nil {
		return err
	}
	at := x.Inventory.At
	if at.IsZero() {
		at = x.clock.Now()
	}
	m := newSizes(log.Past().Surveys, x.plan, x.Inventory, at.UTC())
	if len(m.Accounts) == 0 {
		return nil
	}
	return x.journal(state.Event{What: state.Surveyed, Survey: &m})
}

// newSizes are the sizes worth remembering, by escaped name: that of each
// account on the server that owns it.
func newSizes(known []plan.Measured, p *plan.Plan, inv *schema.Inventory, at time.Time) plan.Measured {
	type last struct {
		at   time.Time
		size plan.Size
		n    int
	}
	seen := map[string]last{}
	for _, m := range known { // oldest first
		for name, size := range m.Accounts {
			seen[name] = last{m.At, size, seen[name].n + 1}
		}
	}
	found := accountsOf(inv)
	out := plan.Measured{At: at, Accounts: map[string]plan.Size{}}
	for i := range p.Accounts {
		name := p.Accounts[i].Name
		a := found[p.Accounts[i].Where][name]
		escaped, err := schema.EscapeName(name)
		if a == nil || err != nil {
			continue
		}
		size := plan.Size{Bytes: a.Bytes(), Databases: a.DatabaseBytes(), Entries: a.Files.Entries + a.Mail.Messages}
		l := seen[name]
		pause := sizeSame
		switch {
		case l.n < 2:
			pause = sizeFirst
		case l.size != size:
			pause = sizeChanged
		}
		if l.n == 0 || at.Sub(l.at) >= pause {
			out.Accounts[escaped] = size
		}
	}
	return out
}

// accountsOf is what was found, by server and by name.
func accountsOf(inv *schema.Inventory) map[string]map[string]*schema.FoundAccount {
	found := make(map[string]map[string]*schema.FoundAccount, len(inv.Servers))
	for server, f := range inv.Servers {
		if f == nil {
			continue
		}
		found[server] = make(map[string]*schema.FoundAccount, len(f.Accounts))
		for _, a := range f.Accounts {
			found[server][a.Name] = a
		}
	}
	return found
}

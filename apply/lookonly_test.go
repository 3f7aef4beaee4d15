package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// looking is a server that is only looked at: it keeps no records and can do
// nothing to itself.
type looking struct{ providers.Server }

func (l looking) Abilities() providers.Abilities {
	can := providers.Abilities{Cannot: map[schema.Capability]string{}}
	for c := range l.Server.(*machine).found().Can {
		can.Cannot[c] = "this one is only looked at"
	}
	return can
}

// onlyLooks plans and runs on two such servers; a nil transit is not there yet.
func (j *trip) onlyLooks(transit bool) (*plan.Plan, Result, error) {
	j.t.Helper()
	s := j.store()
	defer s.Close()
	servers := map[string]providers.Server{"client": looking{j.w.source}, "transit": looking{j.w.transit}}
	j.w.transit.present, j.w.transit.known = transit, transit
	inv := j.inventory()
	for name, f := range inv.Servers {
		f.Cannot = servers[name].Abilities().Cannot
		for c := range f.Can {
			f.Can[c] = false
		}
		f.Claim, f.Facts = schema.Claim{}, nil
	}
	inv.Servers["client"].HTTP = j.w.source.frontHost
	log, err := s.Load(context.Background())
	if err != nil {
		j.t.Fatal(err)
	}
	p, err := plan.Compute(plan.Input{Config: j.config, Inventory: inv, Past: log.Past(), Goal: j.goal, Now: time.Now()})
	if err != nil {
		j.t.Fatal(err)
	}
	r := j.runner(s, inv)
	r.Servers = servers
	res, err := r.Run(context.Background(), p)
	return p, res, err
}

// On servers that are only looked at the journey is prepared: what accounts
// answer is recorded, the machines are remembered, and the rest is refused with
// its reason. Nothing is done to the servers.
func TestServersWithoutRecords(t *testing.T) {
	for name, transit := range map[string]bool{"two": true, "the transit server to come": false} {
		t.Run(name, func(t *testing.T) {
			j := newTrip(t, "shop", "blog")
			for round := range 2 {
				p, _, err := j.onlyLooks(transit)
				var refused *RefusedError
				if !errors.As(err, &refused) || !refused.Blocked || ExitCode(err) != ExitRefused || !strings.Contains(strings.Join(refused.Details, " "), "only looked at") {
					t.Errorf("round %d: %v", round, err)
				}
				if n := len(p.Runnable()); n != 2-2*round {
					t.Errorf("round %d: %d steps: %v", round, n, p.Runnable())
				}
			}
			for _, id := range []string{schema.FactBaseline + "/shop/home", schema.FactBaseline + "/blog/home", plan.MachineID("client"), schema.FactMigration} {
				if _, ok := j.fact(id); !ok {
					t.Errorf("no fact %s", id)
				}
			}
			if _, ok := j.fact(plan.MachineID("transit")); ok != transit {
				t.Errorf("the machine of the transit server is remembered: %v", ok)
			}
			if done := slices.DeleteFunc(j.w.calls, func(c string) bool { return strings.HasPrefix(c, "Survey") }); len(done) > 0 {
				t.Errorf("was done to the servers: %v", done)
			}
			// Another machine in its place is noticed, though it keeps no records.
			j.w.source.id = "m99"
			if p, _, _ := j.onlyLooks(transit); !slices.ContainsFunc(p.Findings, func(f schema.Finding) bool { return f.Code == "machine-changed" }) {
				t.Errorf("another machine: %v", p.Findings)
			}
		})
	}
}

package plan

import (
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// selfManaged is a round trip as package process describes it, in short.
func selfManaged() schema.Process {
	p := schema.Process{Name: "self-managed", Title: "Round trip", Source: "Stopover", Certainty: "own",
		Rollback: schema.Rollback{Until: schema.PhaseReinstall},
		Downtime: schema.DowntimeRule{PerGB: time.Minute, Base: 10 * time.Second, Reroute: time.Minute},
		Barriers: []schema.Barrier{{Before: "request", Needs: "prepared"}, {Before: "reinstall", Needs: "accepted_or_retired"}, {Before: "finish", Needs: "transit_empty"}},
	}
	for _, name := range schema.Phases() {
		ph := schema.ProcessPhase{Name: name, By: ActorOperator}
		if name == schema.PhaseInstall || name == schema.PhaseReinstall {
			ph.Precopy = []string{PartFiles, PartMail, PartDatabases}
		}
		p.Phases = append(p.Phases, ph)
	}
	return p
}

func smallWorld(names ...string) *world {
	w := &world{now: simStart, cfg: &schema.Config{
		Servers:       []schema.Server{{Name: "client", Serves: []string{"192.0.2.10"}}, {Name: "transit"}},
		Architectures: []schema.Architecture{{Name: "2024", Runtimes: []schema.RuntimeOffer{{Name: "php", Versions: []string{"8.2", "8.3"}}}}},
		Processes:     []schema.Process{selfManaged()},
		Migration: schema.Migration{Name: "spring", Process: "self-managed", Architecture: "2024", Source: "client", Transit: "transit", SizeBand: 20,
			Patterns: []schema.AccountsPattern{{Include: []string{"*"}}}},
	}}
	w.s = &schema.FoundServer{Name: "client", Presence: schema.Present, Machine: "machine-s0", Known: true,
		Addresses: []string{"192.0.2.10"}, Listening: []string{"192.0.2.10"}, Can: allCan()}
	w.t = &schema.FoundServer{Name: "transit", Presence: schema.Absent, Addresses: []string{"192.0.2.20"}, Can: allCan()}
	for _, n := range names {
		w.s.Accounts = append(w.s.Accounts, &schema.FoundAccount{Name: n, Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true},
			Domains: []schema.Domain{{Name: n + ".example.org"}}, Files: schema.Files{Bytes: 100 << 20, Entries: 2000},
			Mail:      schema.Mail{Mailboxes: []string{"ann@" + n + ".example.org"}, Messages: 500, Bytes: 5 << 20},
			Databases: []schema.Database{{Engine: "sqlite", Name: "site.sqlite", Bytes: 50 << 20, Mode: "wal"}}})
	}
	return w
}

// TestJourney goes out and home, closing each gate when it is open.
func TestJourney(t *testing.T) {
	w := smallWorld("blog", "shop")
	for round := 0; ; round++ {
		if round > 20 {
			t.Fatal("the journey does not end")
		}
		p, err := Compute(w.input())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range p.Findings {
			if f.Severity == schema.Blocker {
				t.Fatalf("round %d: %+v", round, f)
			}
		}
		if len(p.Steps) == 0 {
			t.Logf("%d rounds", round)
			break
		}
		if err := w.run(p, never); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, g := range p.Gates {
			if g.Open {
				t.Logf("round %d: %s", round, g.ID)
				if err := w.close(g); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
			}
		}
	}
	for _, a := range w.s.Accounts {
		if a.Owner.State != schema.StateActive || a.Owner.Epoch != 2 {
			t.Errorf("%s is %+v at home", a.Name, a.Owner)
		}
	}
	if len(w.t.Accounts) != 0 {
		t.Errorf("transit still has %d accounts", len(w.t.Accounts))
	}
}

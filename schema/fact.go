package schema

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Kinds of facts: what no survey can find out. They are mirrored on the
// servers and in the state store, so that losing the store loses timings only.
const (
	FactMigration  = "migration"  // value MigrationFact; id "migration"
	FactMachine    = "machine"    // original machine identity of a server; id "machine/SERVER"
	FactAddresses  = "addresses"  // original service addresses of a server; id "addresses/SERVER"
	FactHandover   = "handover"   // the transit server was handed over at At; id "handover"
	FactBaseline   = "baseline"   // probe baseline of an account; id "baseline/ACCOUNT/PROBE"
	FactApproval   = "approval"   // value Approval; id "approval/GATE/EVIDENCE"
	FactRuntime    = "runtime"    // a runtime was removed from the source; id "runtime/NAME/VERSION"
	FactMigrated   = "migrated"   // the account's switch; id "migrated/ACCOUNT/EPOCH"; value MigratedFact
	FactProbed     = "probed"     // probes passed after a switch; id "probed/ACCOUNT/EPOCH"
	FactReinstall  = "reinstall"  // the source was reinstalled; id "reinstall"; value {old,new machine}
	FactPrepared   = "prepared"   // the account was declared ready; id "prepared/ACCOUNT"
	FactDisposed   = "disposed"   // a disposition was carried out; id "disposed/account/NAME" or "disposed/residue/PATH"
	FactReleased   = "released"   // transit copies were released; id "released"
	FactRolledBack = "rolledback" // the account went back; id "rolledback/ACCOUNT/EPOCH"
	FactTrial      = "trial"      // databases of an account were tried; id "trial/ACCOUNT/SERVER/N"; value TrialFact
	FactRecovered  = "recovered"  // a person ordered a record mended; id "recovered/ACCOUNT/TERM"; value RecoveredFact
	FactNamed      = "named"      // the account as it was first seen; id "named/ACCOUNT"; value NamedFact
)

// Fact is one remembered thing. Facts form an add-only set keyed by migration
// and ID; Revoked is a tombstone and wins over any other copy of the same key.
type Fact struct {
	ID string `json:"id"`
	// Migration is the id of the migration that it belongs to. A server outlives
	// migrations and keeps the facts of each. Empty: it was learned before the
	// migration had an id, and belongs to whoever reads it.
	Migration string          `json:"migration,omitempty"`
	Kind      string          `json:"kind"`
	Account   string          `json:"account,omitempty"`
	Server    string          `json:"server,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	By        string          `json:"by,omitempty"`
	At        time.Time       `json:"at"`
	Revoked   bool            `json:"revoked,omitempty"`
}

// UnionFacts joins fact sets: by migration and id, a tombstone wins, else the
// oldest copy. The result is sorted by id.
func UnionFacts(sets ...[]Fact) []Fact {
	return union(func(f *Fact) [2]string { return [2]string{f.ID, f.Migration} }, sets...)
}

func union(key func(*Fact) [2]string, sets ...[]Fact) []Fact {
	byKey := map[[2]string]Fact{}
	for _, set := range sets {
		for i := range set {
			f := &set[i]
			k := key(f)
			have, ok := byKey[k]
			if !ok || (f.Revoked && !have.Revoked) || (f.Revoked == have.Revoked && f.At.Before(have.At)) {
				byKey[k] = *f
			}
		}
	}
	out := make([]Fact, 0, len(byKey))
	for _, f := range byKey {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Fact) int {
		if c := strings.Compare(a.ID, b.ID); c != 0 {
			return c
		}
		return strings.Compare(a.Migration, b.Migration)
	})
	return out
}

// FactsOf joins fact sets to what the migration of a name may know: its own
// facts, by id, and those of nobody. What migrations of other names left on a
// server is not in it.
func FactsOf(name string, sets ...[]Fact) []Fact {
	all := UnionFacts(sets...)
	others := map[string]bool{}
	for _, m := range migrationsIn(all) {
		others[m.ID] = m.Name != name
	}
	all = slices.DeleteFunc(all, func(f Fact) bool { return f.Migration != "" && others[f.Migration] })
	return union(func(f *Fact) [2]string { return [2]string{f.ID} }, all)
}

// OtherMigrations are the migrations of other names that facts tell of, with
// whether each was finished.
func OtherMigrations(name string, facts []Fact) (open, finished []MigrationFact) {
	for _, m := range migrationsIn(facts) {
		switch {
		case m.Name == name:
		case slices.ContainsFunc(facts, func(f Fact) bool { return f.Kind == FactReleased && f.Migration == m.ID && !f.Revoked }):
			finished = append(finished, m)
		default:
			open = append(open, m)
		}
	}
	return open, finished
}

// LeftBy says whether a machine is the one with which a finished migration of
// another name ended, or which it never changed. Only so is a machine that was
// reinstalled once the beginning of something else.
func LeftBy(name, machine string, facts []Fact) bool {
	_, finished := OtherMigrations(name, facts)
	for _, m := range finished {
		for _, f := range facts {
			var r ReinstallFact
			if f.Kind == FactReinstall && f.Migration == m.ID && !f.Revoked && json.Unmarshal(f.Value, &r) == nil && r.New == machine && machine != "" {
				return true
			}
		}
	}
	return false
}

// migrationsIn are the migrations that named themselves, by tag: a fact without
// one cannot say whose the others are.
func migrationsIn(facts []Fact) []MigrationFact {
	var out []MigrationFact
	for _, f := range facts {
		var m MigrationFact
		if f.Kind == FactMigration && f.Migration != "" && !f.Revoked && json.Unmarshal(f.Value, &m) == nil {
			out = append(out, MigrationFact{ID: f.Migration, Name: m.Name})
		}
	}
	return out
}

// MigrationFact names a migration beyond its name: two projects that both say
// "spring" do not meet.
type MigrationFact struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// MachineFact is a server's identity at the first claim.
type MachineFact struct {
	Machine string `json:"machine"`
}

// MigratedFact is one switch of an account.
type MigratedFact struct {
	Epoch    uint64        `json:"epoch"` // after the switch
	To       string        `json:"to"`    // server name
	Downtime time.Duration `json:"downtime"`
	Outside  time.Duration `json:"outside,omitempty"` // measured through the account's address
	// Predicted is what the plan said of Downtime right before; 0: nothing.
	Predicted  time.Duration `json:"predicted,omitempty"`
	Confidence string        `json:"confidence,omitempty"`
}

// TrialFact is the result of trying an account's databases on a trial server.
type TrialFact struct {
	Server    string          `json:"server"`
	Engine    string          `json:"engine"`
	Version   string          `json:"version"` // of the engine they were tried on
	Databases []TriedDatabase `json:"databases"`
	Took      time.Duration   `json:"took"`
}

// TriedDatabase is one database that was imported under a scratch name.
type TriedDatabase struct {
	Name     string   `json:"name"`
	Engine   string   `json:"engine"`
	Bytes    int64    `json:"bytes"`
	Objects  int64    `json:"objects"` // tables, views, indexes, triggers
	Rows     int64    `json:"rows"`
	Errors   []string `json:"errors,omitempty"` // it would not arrive
	Warnings []string `json:"warnings,omitempty"`
}

// NamedFact is what an account was when the migration first saw it.
type NamedFact struct {
	ID      string    `json:"id,omitempty"`
	Created time.Time `json:"created,omitzero"`
}

// RecoveredFact is what somebody ordered for an account that its agent kept
// closed. By and At of the fact say who, and when.
type RecoveredFact struct {
	Order  string `json:"order"`  // rebuild | surrender | accept
	Server string `json:"server"` // whose record was changed
	Term   uint64 `json:"term"`   // of the claim under which it was ordered
}

// ReinstallFact says that the source became another machine.
type ReinstallFact struct {
	Old string `json:"old"`
	New string `json:"new"`
}

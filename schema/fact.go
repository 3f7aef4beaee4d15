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

// Fact is one remembered thing. Facts form an add-only set keyed by ID;
// Revoked is a tombstone and wins over any other copy of the same id.
type Fact struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"`
	Account string          `json:"account,omitempty"`
	Server  string          `json:"server,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	By      string          `json:"by,omitempty"`
	At      time.Time       `json:"at"`
	Revoked bool            `json:"revoked,omitempty"`
}

// UnionFacts joins fact sets: by id, a tombstone wins, else the oldest copy.
// The result is sorted by id.
func UnionFacts(sets ...[]Fact) []Fact {
	byID := map[string]Fact{}
	for _, set := range sets {
		for _, f := range set {
			have, ok := byID[f.ID]
			if !ok || (f.Revoked && !have.Revoked) || (f.Revoked == have.Revoked && f.At.Before(have.At)) {
				byID[f.ID] = f
			}
		}
	}
	out := make([]Fact, 0, len(byID))
	for _, f := range byID {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Fact) int { return strings.Compare(a.ID, b.ID) })
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

// BaselineFact is what a probe answered before anything was moved.
type BaselineFact struct {
	Probe    string `json:"probe"`
	Status   int    `json:"status"`
	Title    string `json:"title,omitempty"`
	Contains bool   `json:"contains"`
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

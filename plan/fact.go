package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// ProbedFact is the value of a fact of kind schema.FactProbed: what the probes
// of an account answered after a switch.
type ProbedFact struct {
	Epoch  uint64          `json:"epoch"` // of the owner that was probed
	OK     bool            `json:"ok"`    // every answer equals its baseline
	Probes json.RawMessage `json:"probes,omitempty"`
}

// DisposedFact is the value of a fact of kind schema.FactDisposed.
type DisposedFact struct {
	Action string `json:"action"`        // archive | retire | elsewhere | carry | discard
	Ref    string `json:"ref,omitempty"` // digest of an archive, or where a carried thing is kept
}

// BaselineID is the id of the fact that remembers one probe's baseline.
func BaselineID(account, probe string) string {
	return schema.FactBaseline + "/" + escape(account) + "/" + escape(probe)
}

// MigratedID is the id of the fact that remembers a switch to an epoch.
func MigratedID(account string, epoch uint64) string {
	return schema.FactMigrated + "/" + escape(account) + "/" + strconv.FormatUint(epoch, 10)
}

// ProbedID is the id of the fact that remembers the probes after a switch.
func ProbedID(account string, epoch uint64) string {
	return schema.FactProbed + "/" + escape(account) + "/" + strconv.FormatUint(epoch, 10)
}

// RolledBackID is the id of the fact that remembers a rollback to an epoch.
func RolledBackID(account string, epoch uint64) string {
	return schema.FactRolledBack + "/" + escape(account) + "/" + strconv.FormatUint(epoch, 10)
}

// PreparedID is the id of the fact that an account was declared ready.
func PreparedID(account string) string { return schema.FactPrepared + "/" + escape(account) }

// TrialID is the id of the fact that remembers one try of an account's databases
// on a server; n counts the tries from 1.
func TrialID(account, server string, n int) string {
	return schema.FactTrial + "/" + escape(account) + "/" + escape(server) + "/" + strconv.Itoa(n)
}

// NamedID is the id of the fact that remembers what an account was when the
// migration first saw it.
func NamedID(account string) string { return schema.FactNamed + "/" + escape(account) }

// DisposedAccountID is the id of the fact that a verified archive of an account
// that stays was written.
func DisposedAccountID(account string) string {
	return schema.FactDisposed + "/account/" + escape(account)
}

// RetiredAccountID is the id of the fact that an account that stays was retired
// without an archive. It is not that of the archive, because of facts with one
// id the oldest counts, and an archive may be asked for later.
func RetiredAccountID(account string) string {
	return schema.FactDisposed + "/retired/" + escape(account)
}

// DisposedResidueID is the id of the fact that a residue's disposition was
// carried out.
func DisposedResidueID(path string) string { return schema.FactDisposed + "/residue/" + escape(path) }

// PlacedResidueID is the id of the fact that a carried thing was put on the
// new machine.
func PlacedResidueID(path string) string { return schema.FactDisposed + "/placed/" + escape(path) }

// MachineID is the id of the fact that remembers a server's first identity.
func MachineID(server string) string { return schema.FactMachine + "/" + escape(server) }

// AddressesID is the id of the fact that remembers a server's addresses; its
// value is a list of strings.
func AddressesID(server string) string { return schema.FactAddresses + "/" + escape(server) }

// ApprovalID is the id of the fact that keeps an approval.
func ApprovalID(gate ID, evidence string) string {
	return schema.FactApproval + "/" + escape(string(gate)) + "/" + strings.TrimPrefix(evidence, "sha256:")
}

// escape is schema.EscapeName without its limit of length, for ids that are no
// file names: a path that is too long is named by its digest, and "~", which no
// escaped name holds, keeps the two apart.
func escape(name string) string {
	e, err := schema.EscapeName(name)
	if err != nil {
		sum := sha256.Sum256([]byte(name))
		return "~" + hex.EncodeToString(sum[:])
	}
	return e
}

// memory is the facts, by what is asked of them.
type memory struct {
	byID      map[string]*schema.Fact
	baseline  map[string][]string        // account → probes that have one
	changed   map[string][]string        // account → probes whose baseline was recorded anew, with how often: "home/2"
	probed    map[accountEpoch]*probed   //
	migrated  map[accountEpoch]time.Time //
	accounts  []string                   // that any fact names, sorted
	approvals map[string][]schema.Approval
	named     map[string]schema.NamedFact // account → as it was first seen
	namedAs   map[string][]string         // id of an account → the names it was seen under
	trials    map[string][]trial          // account → tries of its databases
	began     time.Time                   // when the migration got its id; zero: not yet
}

type accountEpoch struct {
	account string
	epoch   uint64
}

type probed struct {
	ok    bool
	value string // compact JSON
	n     int    // of several for one epoch, the newest has the highest
}

// remember indexes the facts. Revoked ones are as good as gone.
func remember(facts []schema.Fact) memory {
	m := memory{
		byID:      make(map[string]*schema.Fact, len(facts)),
		baseline:  map[string][]string{},
		changed:   map[string][]string{},
		probed:    map[accountEpoch]*probed{},
		migrated:  map[accountEpoch]time.Time{},
		approvals: map[string][]schema.Approval{},
		named:     map[string]schema.NamedFact{},
		namedAs:   map[string][]string{},
		trials:    map[string][]trial{},
	}
	for i := range facts {
		f := &facts[i]
		if f.Revoked {
			continue
		}
		m.byID[f.ID] = f
		m.index(f)
	}
	slices.Sort(m.accounts)
	m.accounts = slices.Compact(m.accounts)
	return m
}

func (m *memory) index(f *schema.Fact) {
	account := accountOf(f)
	if account != "" {
		m.accounts = append(m.accounts, account)
	}
	switch f.Kind {
	case schema.FactBaseline:
		var v schema.BaselineFact
		if json.Unmarshal(f.Value, &v) == nil && v.Probe != "" {
			m.addBaseline(account, v.Probe, f.ID)
		}
	case schema.FactProbed:
		var v ProbedFact
		if json.Unmarshal(f.Value, &v) == nil {
			m.addProbed(accountEpoch{account, v.Epoch}, &probed{v.OK, compact(f.Value), generation(f.ID)})
		}
	case schema.FactMigrated:
		var v schema.MigratedFact
		if json.Unmarshal(f.Value, &v) == nil {
			m.migrated[accountEpoch{account, v.Epoch}] = f.At
		}
	case schema.FactMigration:
		m.began = f.At
	case schema.FactNamed:
		var v schema.NamedFact
		if json.Unmarshal(f.Value, &v) == nil {
			m.named[account] = v
			if v.ID != "" && !slices.Contains(m.namedAs[v.ID], account) {
				m.namedAs[v.ID] = append(m.namedAs[v.ID], account)
			}
		}
	case schema.FactTrial:
		m.addTrial(account, f)
	case schema.FactApproval:
		var v schema.Approval
		if json.Unmarshal(f.Value, &v) == nil && v.Gate != "" {
			m.approvals[v.Gate] = append(m.approvals[v.Gate], v)
		}
	}
}

// accountOf is the account that a fact is about. Ids hold it escaped, while the
// field may have been through JSON, which keeps no byte that is not UTF-8.
func accountOf(f *schema.Fact) string {
	switch f.Kind {
	case schema.FactBaseline, schema.FactProbed, schema.FactMigrated, schema.FactPrepared, schema.FactRolledBack, schema.FactTrial, schema.FactNamed:
	default:
		return ""
	}
	_, rest, _ := strings.Cut(f.ID, "/")
	escaped, _, _ := strings.Cut(rest, "/")
	if name, err := schema.UnescapeName(escaped); err == nil {
		return name
	}
	return f.Account
}

// has says whether there is a fact of that id.
func (m *memory) has(id string) bool { return m.byID[id] != nil }

// read decodes the value of a fact; false if there is none or it is not that.
func (m *memory) read(id string, v any) bool {
	f := m.byID[id]
	return f != nil && json.Unmarshal(f.Value, v) == nil
}

// compact is JSON in one canonical spelling: as it is with spaces gone.
func compact(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	out, err := json.Marshal(v) // map keys are sorted
	if err != nil {
		return string(raw)
	}
	return string(out)
}

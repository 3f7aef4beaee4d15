package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stopover/stopover/schema"
)

// machineText is what a case says of a whole machine, in the form that
// `stopover inventory --json` prints.
type machineText struct {
	System   *schema.System             `json:"system"`
	Findings []schema.Finding           `json:"findings"`
	Accounts map[string]json.RawMessage `json:"accounts"`
}

// parseMachines adds to the servers of an inventory what surveys of whole
// machines tell, and to their accounts.
func parseMachines(t *testing.T, text string, inv *schema.Inventory) {
	t.Helper()
	if text == "" {
		return
	}
	var all map[string]machineText
	strictly(t, []byte(text), &all)
	for name, m := range all {
		s := inv.Servers[name]
		if s == nil {
			t.Fatalf("machines: no server %s", name)
		}
		s.System, s.Findings = m.System, m.Findings
		for account, src := range m.Accounts {
			a := s.Account(account)
			if a == nil {
				t.Fatalf("machines: no account %s on %s", account, name)
			}
			strictly(t, src, a)
			slices.SortFunc(a.Databases, func(x, y schema.Database) int { return strings.Compare(x.Name, y.Name) })
		}
	}
}

func strictly(t *testing.T, src []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("machines: %v", err)
	}
}

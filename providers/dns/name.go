package dns

import (
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// Names are the names that the accounts of an inventory have: those of their
// sites and those of their mailboxes. Sorted, each once.
func Names(inv *schema.Inventory) []string {
	seen := map[string]bool{}
	for _, s := range inv.Servers {
		for _, a := range s.Accounts {
			for _, d := range a.Domains {
				seen[Fold(d.Name)] = true
			}
			for _, d := range a.Sites {
				seen[Fold(d.Domain)] = true
			}
			for _, box := range a.Mail.Mailboxes {
				if i := strings.LastIndexByte(box, '@'); i >= 0 {
					seen[Fold(box[i+1:])] = true
				}
			}
		}
	}
	delete(seen, "")
	out := make([]string, 0, len(seen))
	for name := range seen {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

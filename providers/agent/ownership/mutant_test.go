package ownership

import (
	"maps"
	"os"
	"slices"
	"testing"
)

func TestMutantMatrix(t *testing.T) {
	if os.Getenv("MATRIX") == "" {
		t.Skip()
	}
	_, states := limits(t)
	for _, g := range slices.Sorted(maps.Keys(guards)) {
		found := ""
		for _, sc := range scenarios() {
			if !slices.Contains([]string{"chaos", "there again", "wipe and relocation", "rollback and power", "old snapshot", "lost record, second move", "rollback"}, sc.name) {
				continue
			}
			sc.mutant.without = []Guard{g}
			out := explore(&sc, 1000, states)
			if out.broken != "" {
				found = sc.name + ": " + out.broken
				t.Logf("%-14s %-30s %d states", g, found, out.states)
				break
			}
		}
		if found == "" {
			t.Logf("%-14s -", g)
		}
	}
}

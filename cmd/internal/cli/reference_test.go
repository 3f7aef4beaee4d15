package cli

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReference holds docs/cli.md and the program together.
func TestReference(t *testing.T) {
	const page = "../../../docs/cli.md"
	if *update {
		if err := os.WriteFile(page, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(b), Reference()); d != "" {
		t.Errorf("docs/cli.md is old; go test ./cmd/internal/cli -update writes it anew\n%s", d)
	}
}

var update = flag.Bool("update", false, "write golden files")

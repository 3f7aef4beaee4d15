package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stopover/stopover/cmd/internal/format"
)

// TestSchemaHelp: the help names every schema, and each is JSON.
func TestSchemaHelp(t *testing.T) {
	help := new(program).schema().Long
	for _, name := range format.Names() {
		if !strings.Contains(help, "\n  "+name+" ") {
			t.Errorf("the help does not name %s", name)
		}
		b, err := format.Schema(name)
		if err != nil || !json.Valid(b) {
			t.Errorf("schema %s: %v", name, err)
		}
	}
}

// Package format says what the program's JSON looks like: its version, and a
// JSON Schema for each document. The schemas lie beside this file, made from
// the Go types and their comments by a test (go test ./cmd/internal/format
// -update), so that a change of a format is seen in review.
package format

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema/hclfile"
)

// Version is that of every JSON document and of the stream of events:
// format_version in a document, ui in the first line of a stream. The second
// number grows when something is added; readers leave out what they do not
// know. The first one grows when something is taken away or means something
// else; readers refuse one that they do not know. See docs/formats.md.
const Version = "1.1"

// Names of what has a schema.
const (
	Language  = "language"  // configurations in JSON, *.stopover.hcl.json
	Plan      = "plan"      // stopover plan --json, show --json
	Inventory = "inventory" // stopover inventory --json
	Report    = "report"    // stopover report --json
	Events    = "events"    // each line of stopover apply --json
	Status    = "status"    // stopover status --json
	Check     = "check"     // stopover check --json
	Validate  = "validate"  // stopover validate --json
)

// Names returns the names of all schemas, in the order of the documentation.
func Names() []string {
	return []string{Language, Plan, Inventory, Report, Events, Status, Check, Validate}
}

//go:embed schemas/*.json
var files embed.FS

// Schema returns a JSON Schema (draft 2020-12).
func Schema(name string) ([]byte, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("there is no schema %q; there are %s", name, strings.Join(Names(), ", "))
	}
	if name == Language {
		return hclfile.LanguageSchema(), nil
	}
	b, err := files.ReadFile("schemas/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("read schema %s: %w", name, err)
	}
	return b, nil
}

package linux

import (
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// later is the one place that says what this version leaves out.
const later = "this version of Stopover looks at Linux servers and tries their databases; moving accounts between them comes with a later one"

// can is what a Linux server can do in this version.
func can() []schema.Capability {
	return []schema.Capability{schema.CanListResidue, schema.CanDial}
}

// cannot says why everything else is absent.
func cannot() map[schema.Capability]string {
	return map[schema.Capability]string{
		schema.CanOwn:             later,
		schema.CanCopy:            later,
		schema.CanProvision:       "a Linux server is made by whoever rents it out; write its address into the configuration once it was handed over",
		schema.CanReinstall:       later,
		schema.CanReroute:         later,
		schema.CanRemoveRuntimes:  later,
		schema.CanRetire:          later,
		schema.CanRelease:         later,
		schema.CanKeepFacts:       later,
		schema.CanReplaceRuntimes: later,
		schema.CanMapUsers:        later,
	}
}

// Abilities says what the server can do, and of everything else why it cannot.
func (s *server) Abilities() providers.Abilities {
	return providers.Abilities{Dialer: s, Cannot: cannot()}
}

// findings are the codes of what a survey of this kind finds.
func findings() []string { return nil }

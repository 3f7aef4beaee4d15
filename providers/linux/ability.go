package linux

import (
	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// later is the one place that says what this version leaves out.
const later = "this version of Stopover looks at Linux servers and tries their databases; moving accounts between them comes with a later one"

// kept says where what would be mirrored on a server is instead.
const kept = "this version of Stopover leaves nothing on a Linux server but its agent; the state store has them"

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
		schema.CanKeepFacts:       kept,
		schema.CanReplaceRuntimes: later,
		schema.CanMapUsers:        later,
	}
}

// Abilities says what the server can do, and of everything else why it cannot.
func (s *server) Abilities() providers.Abilities {
	return providers.Abilities{Dialer: s, Cannot: cannot()}
}

// findings are the codes of what a survey of this kind finds. The agent's program
// runs on Linux only, so they are named here again; a test holds them to its own.
func findings() []string {
	return []string{"account-unreadable", "survey-incomplete", "server-unread", "server-configuration", "server-site-unowned", "server-no-machine-id", "server-unknown-release",
		"file-mount-point", "file-socket", "file-device", "file-long-path"}
}

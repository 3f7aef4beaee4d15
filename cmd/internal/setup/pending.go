package setup

import (
	"context"
	"maps"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// pending is a transit server that has no address yet: it was not handed over.
// It is absent, and can do what servers of its kind can, once it is there.
type pending struct {
	server schema.Server
	kind   providers.Kind
}

// Survey says that the server is not there.
func (s pending) Survey(context.Context, providers.SurveyOptions) (*schema.FoundServer, error) {
	found := &schema.FoundServer{Name: s.server.Name, Provider: s.server.Provider, Presence: schema.Absent, Addresses: s.server.Serves,
		Listening: []string{}, Accounts: []*schema.FoundAccount{}, Can: map[schema.Capability]bool{}}
	for _, c := range s.kind.Can {
		found.Can[c] = true
	}
	return found, nil // complete adds what it cannot
}

// Abilities are none: nothing can be asked of a server whose address nobody
// knows.
func (s pending) Abilities() providers.Abilities {
	cannot := maps.Clone(s.kind.Cannot)
	if cannot == nil {
		cannot = map[schema.Capability]string{}
	}
	cannot[schema.CanProvision] = "its address is not known yet; write it into the configuration once it was handed over"
	return providers.Abilities{Cannot: cannot}
}

// Close has nothing to close.
func (s pending) Close() error { return nil }

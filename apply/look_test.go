package apply

import (
	"context"
	"errors"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

type surveyed struct {
	providers.Server
	found schema.FoundServer
}

func (s surveyed) Survey(context.Context, providers.SurveyOptions) (*schema.FoundServer, error) {
	return &s.found, nil
}

// A server that is just being rebooted is in an inventory with its error and
// no account: to take that for an empty server once cost a transit server what
// it had inherited.
func TestAServerThatDoesNotAnswerIsNotEmpty(t *testing.T) {
	for presence, want := range map[string]bool{schema.Present: true, schema.Unreachable: false, schema.Absent: false} {
		s := &server{name: "transit", opened: surveyed{found: schema.FoundServer{Presence: presence, Error: "connection refused"}}}
		_, err := s.look(context.Background())
		if want != (err == nil) || err != nil && !errors.Is(err, providers.ErrUnreachable) {
			t.Errorf("%s: %v", presence, err)
		}
	}
}

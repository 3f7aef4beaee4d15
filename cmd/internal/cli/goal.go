package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/stopover/stopover/apply"
	"github.com/stopover/stopover/cmd/internal/setup"
	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// goalFlags are the flags of plan and apply that say how far to go.
type goalFlags struct {
	until     string
	accounts  []string
	confirmed string
}

func (g *goalFlags) add(f *pflag.FlagSet) {
	f.StringVar(&g.until, "until", "", "stop after this phase ("+strings.Join(schema.Phases(), ", ")+")")
	f.StringArrayVar(&g.accounts, "account", nil, "only these accounts; a glob as in 'shop-*' (repeatable)")
	f.StringVar(&g.confirmed, "confirm-reinstall", "", "name of the source server: confirms that it may be reinstalled, which cannot be undone")
}

// refuseWithSaved refuses what a saved plan says already: it would be left out in
// silence.
func (g *goalFlags) refuseWithSaved() error {
	switch {
	case len(g.accounts) > 0:
		return errors.New("--account: a saved plan is about its own accounts; save another one with plan --account")
	case g.until != "":
		return errors.New("--until: a saved plan goes as far as it says; save another one with plan --until")
	}
	return nil
}

// confirmedSource refuses a confirmation of something that is not the source: a
// spelling mistake must not look like no confirmation.
func confirmedSource(name string, m schema.Migration) error {
	if name == "" || name == m.Source {
		return nil
	}
	return &apply.RefusedError{Reason: fmt.Sprintf("--confirm-reinstall: the server that is reinstalled is %q, not %q; nothing was confirmed", m.Source, name)}
}

// chosen refuses patterns of accounts that match none, if the servers could be
// asked which accounts there are.
func (g *goalFlags) chosen(computed *setup.Computed) error {
	for _, s := range computed.Inventory.Servers {
		if s.Presence == schema.Unreachable {
			return nil
		}
	}
	return someMatch(g.accounts, computed)
}

func (g *goalFlags) request() (setup.Request, error) {
	if g.until != "" && !slices.Contains(schema.Phases(), g.until) {
		return setup.Request{}, fmt.Errorf("--until: there is no phase %q; phases are %s", g.until, strings.Join(schema.Phases(), ", "))
	}
	return setup.Request{Goal: plan.Goal{Until: g.until, Accounts: g.accounts}, Confirmed: g.confirmed, Now: time.Now()}, nil
}

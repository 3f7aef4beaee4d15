package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

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

func (g *goalFlags) request() (setup.Request, error) {
	if g.until != "" && !slices.Contains(schema.Phases(), g.until) {
		return setup.Request{}, fmt.Errorf("--until: there is no phase %q; phases are %s", g.until, strings.Join(schema.Phases(), ", "))
	}
	return setup.Request{Goal: plan.Goal{Until: g.until, Accounts: g.accounts}, Confirmed: g.confirmed, Now: time.Now()}, nil
}

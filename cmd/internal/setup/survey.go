package setup

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/dns"
	"github.com/stopover/stopover/schema"
)

// Survey reads the live state of all servers at once, and then DNS if the
// configuration says whom to ask. A server that does not answer is in the
// inventory with its error; that is not an error here. With refresh, nothing is
// taken from what a provider remembers.
func (p *Project) Survey(ctx context.Context, refresh bool) (*schema.Inventory, error) {
	inv := &schema.Inventory{Servers: map[string]*schema.FoundServer{}}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	for name, s := range p.Servers {
		g.Go(func() error {
			found, err := s.Survey(gctx, providers.SurveyOptions{Refresh: refresh})
			if err != nil {
				if gctx.Err() != nil {
					return gctx.Err()
				}
				found = &schema.FoundServer{Presence: schema.Unreachable, Error: err.Error()}
			}
			found.Name = name
			complete(found, s)
			mu.Lock()
			defer mu.Unlock()
			inv.Servers[name] = found
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if r := p.Config.DNS; len(r.Servers) > 0 || r.ZoneFile != "" {
		var err error
		if inv.DNS, err = dns.Survey(ctx, r, p.Dir, dns.Names(inv), time.Now); err != nil {
			return nil, err
		}
	}
	inv.At = time.Now().UTC()
	return inv, nil
}

// complete adds what the provider says it cannot do.
func complete(f *schema.FoundServer, s providers.Server) {
	if f.Can == nil {
		f.Can = map[schema.Capability]bool{}
	}
	for c, why := range s.Abilities().Cannot {
		if f.Cannot == nil {
			f.Cannot = map[schema.Capability]string{}
		}
		f.Can[c], f.Cannot[c] = false, why
	}
}

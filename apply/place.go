package apply

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"

	"github.com/stopover/stopover/apply/ask"
	"github.com/stopover/stopover/schema"
)

// place is where a probe of an account is asked on a server: at its own front,
// whoever holds the service addresses.
func (x *run) place(ctx context.Context, s *server, account string, p schema.Probe) (ask.Place, error) {
	at := ask.Place{Server: s.name, Account: account, Dir: x.Dir, Services: map[string]string{}, Cannot: s.can.Cannot[schema.CanDial]}
	if s.can.Dialer != nil {
		at.Dial = s.can.Dialer.Dial
	}
	if err := x.services(ctx, s, p, at.Services); err != nil {
		return at, err
	}
	if at.Host = x.hostOf(s, at.Services); at.Host == "" {
		return at, fmt.Errorf("nothing says at which address server %s answers: give it an address in the configuration", schema.QuoteName(s.name))
	}
	for _, name := range []string{x.plan.Config.Migration.Source, x.plan.Config.Migration.Transit} {
		if x.Inventory == nil {
			break
		}
		if f := x.Inventory.Servers[name].Account(account); f != nil {
			for _, d := range f.Domains {
				at.Domains = append(at.Domains, d.Name)
			}
		}
	}
	return at, nil
}

// services collects at which addresses a server answers itself.
func (x *run) services(ctx context.Context, s *server, p schema.Probe, out map[string]string) error {
	found, err := x.foundFor(ctx, s, p)
	if err != nil {
		return err
	}
	if found != nil {
		maps.Copy(out, found.Services)
		for _, service := range []string{schema.ServiceHTTP, schema.ServiceSMTP} {
			if a := found.Service(service); a != "" {
				out[service] = a
			}
		}
	}
	if s.can.Owner == nil {
		return nil
	}
	call, cancel := x.short(ctx)
	defer cancel()
	id, err := s.can.Owner.Identity(call)
	if err != nil {
		return fmt.Errorf("identity of server %s: %w", schema.QuoteName(s.name), err)
	}
	if id.HTTP != "" {
		out[schema.ServiceHTTP] = id.HTTP
	}
	return nil
}

// foundFor is what is known of a server for a probe. One that came up after the
// plan was made is surveyed for it, once; where its sites answer it says itself.
func (x *run) foundFor(ctx context.Context, s *server, p schema.Probe) (*schema.FoundServer, error) {
	found := s.found
	if s.fresh != nil {
		found = s.fresh
	}
	there := found != nil && found.Presence == schema.Present
	if there && (p.SMTP == "" || found.SMTP != "" || s.can.Owner == nil) || s.can.Owner != nil && strings.HasPrefix(p.HTTP, "http:") {
		return found, nil
	}
	found, err := s.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("look where server %s answers: %w", schema.QuoteName(s.name), err)
	}
	if p.SMTP != "" && found.SMTP == "" && s.can.Owner != nil {
		return nil, fmt.Errorf("nothing says at which address server %s takes mail: its provider cannot be probed for mail; remove the probe", schema.QuoteName(s.name))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if known := x.servers[s.name]; known != nil {
		known.fresh = found
	}
	return found, nil
}

// hostOf is the address that a server answers on itself: that of its front, else
// that by which Stopover reaches it, else the first one that users reach.
func (x *run) hostOf(s *server, services map[string]string) string {
	if host, _, err := net.SplitHostPort(services[schema.ServiceHTTP]); err == nil {
		return host
	}
	if c := x.plan.Config.Server(s.name); c != nil && c.Address != "" && !strings.ContainsRune(c.Address, '/') {
		return bareHost(c.Address)
	}
	addresses := x.addressesOf(s)
	if len(addresses) == 0 {
		return ""
	}
	if _, _, err := net.SplitHostPort(addresses[0]); err == nil && services[schema.ServiceHTTP] == "" {
		services[schema.ServiceHTTP] = addresses[0]
	}
	return bareHost(addresses[0])
}

// bareHost is an address without the user and the port that stand beside it.
func bareHost(address string) string {
	address = address[strings.LastIndexByte(address, '@')+1:]
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

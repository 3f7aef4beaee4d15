package front

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers/local/description"
)

// Options of a front. The zero value of each but the ports is usable.
type Options struct {
	HTTPPort        int           // 0: any free port, another one per address; for tests
	SMTPPort        int           // 0: the same
	Hostname        string        // said in the SMTP greeting and in Received lines; default "localhost"
	MaxHeld         int           // requests of one account that may wait; default 1000
	MaxHoldAge      time.Duration // how long one may wait; default 30 s
	CutLimit        time.Duration // how long Hold waits for requests whose connections were cut; default 5 s
	MaxMessageBytes int64         // of mail; default 64 MiB
	SpoolDir        string        // for mail that is being received; default the system's temporary folder
	Logger          hclog.Logger  // default none
}

// Front answers the users of one server. Its methods may be called by several
// goroutines at once.
type Front struct {
	options Options
	log     hclog.Logger
	reuse   *http.Transport // for requests that may be repeated
	once    *http.Transport // for all others

	mu        sync.RWMutex
	gates     map[string]*gate
	domains   map[string]*gate
	sites     map[string]*gate // names for HTTP alone, before domains
	listeners map[string]*listener
	closed    bool
}

// New returns a front that listens nowhere and knows no account.
func New(o Options) *Front {
	if o.Hostname == "" {
		o.Hostname = "localhost"
	}
	if o.MaxHeld == 0 {
		o.MaxHeld = 1000
	}
	if o.MaxHoldAge == 0 {
		o.MaxHoldAge = 30 * time.Second
	}
	if o.CutLimit == 0 {
		o.CutLimit = 5 * time.Second
	}
	if o.MaxMessageBytes == 0 {
		o.MaxMessageBytes = 64 << 20
	}
	if o.SpoolDir == "" {
		o.SpoolDir = os.TempDir()
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return &Front{
		options: o, log: o.Logger, reuse: newTransport(true), once: newTransport(false),
		gates: map[string]*gate{}, domains: map[string]*gate{}, sites: map[string]*gate{}, listeners: map[string]*listener{},
	}
}

// Set tells the front of an account, or that it has changed, with its mode. A
// domain that another account has already is an error, and nothing is changed.
func (f *Front) Set(name string, a Account, m Mode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range a.Domains {
		if err := description.CheckDomain(d); err != nil {
			return fmt.Errorf("set account %q: %w", name, err)
		}
		if other := f.domains[d]; other != nil && other.name != name {
			return fmt.Errorf("set account %q: domain %s is already one of account %q", name, d, other.name)
		}
	}
	for _, s := range a.Also {
		if err := description.CheckDomain(s); err != nil {
			return fmt.Errorf("set account %q: %w", name, err)
		}
		if other := f.sites[s]; other != nil && other.name != name {
			return fmt.Errorf("set account %q: the site %s is already one of account %q", name, s, other.name)
		}
	}
	g := f.gates[name]
	if g == nil {
		g = newGate(name)
		f.gates[name] = g
	}
	f.forgetDomains(g)
	for _, d := range a.Domains {
		f.domains[d] = g
	}
	for _, s := range a.Also {
		f.sites[s] = g
	}
	a.Domains, a.Also, a.Quotas = slices.Clone(a.Domains), slices.Clone(a.Also), maps.Clone(a.Quotas)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.account = a
	g.setLocked(m)
	f.log.Info("account set", "account", name, "mode", m.Kind, "epoch", m.Epoch, "domains", a.Domains)
	return nil
}

// Remove makes the front forget an account. What waits is answered as absent;
// requests in flight end by themselves (Hold first if they may not).
func (f *Front) Remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.gates[name]
	if g == nil {
		return
	}
	f.forgetDomains(g)
	delete(f.gates, name)
	g.set(Mode{Kind: Absent})
	f.log.Info("account removed", "account", name)
}

func (f *Front) forgetDomains(g *gate) {
	for d, other := range f.domains {
		if other == g {
			delete(f.domains, d)
		}
	}
	for s, other := range f.sites {
		if other == g {
			delete(f.sites, s)
		}
	}
}

// Mode returns the mode of an account; Absent if it is unknown.
func (f *Front) Mode(name string) Mode {
	g := f.gate(name)
	if g == nil {
		return Mode{}
	}
	_, m := g.peek()
	return m
}

// Hold closes the door of an account: from the call on its requests wait, from
// the return on none of them is in flight and no mail of it is delivered. Those
// in flight may end until ctx is done (upgraded connections may not), then
// their connections are cut. The errors are ErrReleased if somebody changed the
// mode meanwhile, ErrBusy if even cut requests did not end, and ErrUnknown.
// After an error other than ErrReleased the account is still held.
func (f *Front) Hold(ctx context.Context, name string) error {
	g := f.gate(name)
	if g == nil {
		return fmt.Errorf("hold %q: %w", name, ErrUnknown)
	}
	began := time.Now()
	err := g.hold(ctx, f.options.CutLimit)
	f.log.Info("account held", "account", name, "took", time.Since(began), "error", err)
	return err
}

// Release gives an account another mode; requests that wait go on by it.
func (f *Front) Release(name string, m Mode) error {
	g := f.gate(name)
	if g == nil {
		return fmt.Errorf("release %q: %w", name, ErrUnknown)
	}
	g.set(m)
	f.log.Info("account released", "account", name, "mode", m.Kind, "epoch", m.Epoch)
	return nil
}

func (f *Front) gate(name string) *gate {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.gates[name]
}

func (f *Front) byDomain(domain string) *gate {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.domains[domain]
}

// bySite finds the account that answers HTTP for a name.
func (f *Front) bySite(name string) *gate {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if g := f.sites[name]; g != nil {
		return g
	}
	return f.domains[name]
}

// Close gives up all addresses. Requests in flight may end until ctx is done,
// then their connections are cut.
func (f *Front) Close(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	var errs []error
	for _, l := range f.Listening() {
		errs = append(errs, f.Unlisten(ctx, l.Address))
	}
	f.mu.RLock()
	for _, g := range f.gates { // upgraded connections are nobody's but the handler's
		g.mu.Lock()
		g.cutLocked(func(*flight) bool { return true })
		g.mu.Unlock()
	}
	f.mu.RUnlock()
	f.reuse.CloseIdleConnections()
	f.once.CloseIdleConnections()
	return errors.Join(errs...)
}

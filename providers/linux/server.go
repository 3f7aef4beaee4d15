package linux

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// machine opens streams to the agent of one server. What goes wrong says what to
// do about it.
type machine interface {
	// Connect reaches the server, puts the agent there if it is not, and starts
	// it. The stream's end is the agent's.
	Connect(ctx context.Context, reveal func(option string) (string, error)) (net.Conn, error)
	// Dial connects as a program on the server would.
	Dial(ctx context.Context, network, address string, reveal func(option string) (string, error)) (net.Conn, error)
	// Host is where the server was reached the last time; "" if it was not.
	Host() string
	Close() error
}

// server is an opened Linux server. Nothing is connected until something is
// asked.
type server struct {
	config  schema.Server
	options settings
	env     providers.Env
	machine machine
	now     func() time.Time

	mu     sync.Mutex
	client *agent.LookClient // nil: not connected
}

func newServer(s schema.Server, o settings, env providers.Env, m machine, now func() time.Time) *server {
	return &server{config: s, options: o, env: env, machine: m, now: now}
}

// Survey says what is on the server: as remembered, if that is young enough and
// nobody wants it anew. A server that cannot be reached or looked at is said to
// be so; that is not an error. It is never said to be absent: that somebody
// rents a server and cannot reach it is not the same as having none.
func (s *server) Survey(ctx context.Context, opts providers.SurveyOptions) (*schema.FoundServer, error) {
	if !opts.Refresh {
		if found := s.remembered(); found != nil {
			return s.complete(found), nil
		}
	}
	limited, cancel := context.WithTimeoutCause(ctx, s.options.limit, fmt.Errorf("the survey did not end within %s (survey_timeout)", s.options.limit))
	defer cancel()
	found, err := s.look(limited, opts)
	if err != nil && limited.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(limited), err)
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return s.complete(&schema.FoundServer{Presence: schema.Unreachable, Error: err.Error()}), nil
	}
	found.Services = s.services()
	found.Presence, found.Error, found.At, found.Remembered = schema.Present, "", s.now().UTC(), false
	s.remember(found)
	return s.complete(found), nil
}

// look asks the agent.
func (s *server) look(ctx context.Context, opts providers.SurveyOptions) (*schema.FoundServer, error) {
	logins, err := s.options.logins(ctx, s.env)
	if err != nil {
		return nil, err
	}
	client, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	found, err := client.Look(ctx, agent.LookRequest{Layout: s.options.layout, Engines: logins, Names: s.options.names, Reads: s.options.reads}, told(opts))
	if err != nil {
		s.drop(client)
		return nil, fmt.Errorf("look at the server: %w", err)
	}
	return found, plausible(found)
}

// told passes progress on in accounts.
func told(opts providers.SurveyOptions) func(providers.Progress) {
	if opts.Progress == nil {
		return nil
	}
	return func(p providers.Progress) { opts.Progress(int(p.Items), int(p.ItemsTotal)) }
}

// connected returns the client to the server's agent, and connects it first if
// that was not done, or if its connection was lost. Connecting before the first
// call keeps what went wrong in the words of who noticed.
func (s *server) connected(ctx context.Context) (*agent.LookClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	conn, err := s.machine.Connect(ctx, s.reveal(ctx))
	if err != nil {
		return nil, err
	}
	c, err := agent.NewLookClient(s.config.Name, once(conn))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s.client = c
	return c, nil
}

// reveal looks up the secret that an option refers to.
func (s *server) reveal(ctx context.Context) func(option string) (string, error) {
	return func(option string) (string, error) { return s.options.reveal(ctx, s.env, option) }
}

// Dial connects as a program on the server would, over the connection that all
// of it goes through.
func (s *server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.machine.Dial(ctx, network, address, s.reveal(ctx))
}

// once dials what is connected already, one time: a connection that is lost is
// not silently made again, with another agent at its end.
func once(conn net.Conn) agent.Dialer {
	ready := make(chan net.Conn, 1)
	ready <- conn
	return func(context.Context, string) (net.Conn, error) {
		select {
		case c := <-ready:
			return c, nil
		default:
			return nil, fmt.Errorf("the connection was lost: %w", providers.ErrUnreachable)
		}
	}
}

// drop forgets a client whose call went wrong: the next call connects anew.
func (s *server) drop(c *agent.LookClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == c {
		s.client = nil
	}
	_ = c.Close() // its end is what is known already
}

// Close ends the connection, and with it the agent.
func (s *server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.client != nil {
		err = s.client.Close()
		s.client = nil
	}
	return errors.Join(err, s.machine.Close())
}

// complete fills in what the tool knows itself, and takes away what an agent
// that only looks cannot know: ownership, claims and facts are never a server's
// to invent.
func (s *server) complete(f *schema.FoundServer) *schema.FoundServer {
	f.Name, f.Provider, f.Layout, f.Known = s.config.Name, kindName, s.options.layout.Name, true
	f.Seal, f.Lineage, f.Claim, f.Facts, f.Removed = nil, nil, schema.Claim{}, nil, nil
	f.Can, f.Cannot = map[schema.Capability]bool{}, cannot()
	for _, c := range can() {
		f.Can[c] = true
	}
	for c := range f.Cannot {
		f.Can[c] = false
	}
	if len(s.config.Serves) > 0 || f.Addresses == nil {
		f.Addresses = slices.Clone(s.config.Serves)
	}
	f.Addresses = append([]string{}, f.Addresses...)
	f.Listening = s.listening(f)
	if f.Accounts == nil {
		f.Accounts = []*schema.FoundAccount{}
	}
	for _, a := range f.Accounts {
		a.Owner = schema.Ownership{State: schema.StateUnmanaged, Serves: true}
		a.Copied = nil
		named(a.Findings, s.config.Name, a.Name)
	}
	named(f.Findings, s.config.Name, "")
	return f
}

func named(list []schema.Finding, server, account string) {
	for i := range list {
		list[i].Server, list[i].Account = server, account
	}
}

// listening are the service addresses that the machine has, or that connections
// from it come from: behind a translation of addresses it has none of them.
func (s *server) listening(f *schema.FoundServer) []string {
	out := []string{}
	if f.System == nil {
		return out
	}
	has := func(a string) bool {
		return slices.ContainsFunc(f.System.Addresses, func(x schema.Address) bool { return same(x.Address, a) }) ||
			slices.ContainsFunc(f.System.Outgoing, func(x schema.PTR) bool { return same(x.Address, a) }) ||
			slices.ContainsFunc(f.Outgoing, func(x string) bool { return same(x, a) })
	}
	for _, a := range f.Addresses {
		if has(a) {
			out = append(out, a)
		}
	}
	return out
}

// plausible refuses what no agent says.
func plausible(f *schema.FoundServer) error {
	slices.SortFunc(f.Accounts, func(a, b *schema.FoundAccount) int { return cmp.Compare(a.Name, b.Name) })
	for i, a := range f.Accounts {
		if a.Name == "" {
			return errors.New("look at the server: it has an account without a name")
		}
		if i > 0 && f.Accounts[i-1].Name == a.Name {
			return fmt.Errorf("look at the server: it has two accounts %s", schema.QuoteName(a.Name))
		}
	}
	return nil
}

// services are where the server answers, if that is not the address of its
// configuration: that may be a name which only the SSH client knows.
func (s *server) services() map[string]string {
	host := s.machine.Host()
	if host == "" || host == strings.Trim(s.config.Address, "[]") {
		return nil
	}
	out := map[string]string{}
	for _, service := range []string{schema.ServiceHTTP, schema.ServiceHTTPS, schema.ServiceSMTP, schema.ServiceSMTPS, schema.ServiceIMAP, schema.ServiceIMAPS,
		schema.ServiceMariaDB, schema.ServicePostgreSQL} {
		out[service] = net.JoinHostPort(host, strconv.Itoa(schema.ServicePort(service)))
	}
	return out
}

// same says whether two texts are one address, ports aside.
func same(a, b string) bool {
	x, okX := bare(a)
	y, okY := bare(b)
	return okX && okY && x == y
}

func bare(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap().WithZone(""), err == nil
}

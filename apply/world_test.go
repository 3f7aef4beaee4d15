package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// world is two servers in memory: enough of the ownership protocol to show what
// the runner does to it, and content that is a counter for each part. It checks
// after every call that an account is owned once and served at most once.
type world struct {
	mu       sync.Mutex
	changed  *sync.Cond
	source   *machine
	transit  *machine
	machines int // made so far, for identities
	wrong    []string
	hook     func(when, server, call, account string) error // faults; may be nil
	look     func(ctx context.Context, when, call string)   // sees every call with its context; may be nil
	calls    []string
	writes   bool // accounts are written to whenever they are read while active
	public   *httptest.Server
}

type machine struct {
	w         *world
	name      string
	present   bool
	id        string
	known     bool
	term      uint64
	nonce     string
	lost      map[string]bool // nonces
	holder    string
	migration string
	migName   string
	seal      *schema.Seal
	seals     uint64
	lineage   []string
	inherited map[string]uint64
	records   map[string]*record
	content   map[string]map[string]int // account → part → version
	databases map[string][]schema.Database
	copied    map[string]map[string]uint64
	facts     []schema.Fact
	addresses []string
	listening []string
	runtimes  []schema.Runtime
	removed   []schema.Runtime
	residue   []schema.Residue
	front     *httptest.Server
	frontHost string
	smtp      string
	services  map[string]string // at which it answers, by their names
	dialer    providers.Dialer
	added     func(facts int)        // sees how many come at once; may be nil
	status    int                    // that sites answer with
	different int                    // comparisons that will still find a difference
	lateWord  int                    // polls that the origin does not answer yet
	tried     []schema.TriedDatabase // what a trial finds
}

type record struct {
	state     string
	epoch     uint64
	token     providers.Token
	void      providers.Token
	peer      string // machine identity
	paired    bool
	confirmed bool
	digest    string
}

func newWorld(t *testing.T, accounts ...string) *world {
	w := &world{}
	w.changed = sync.NewCond(&w.mu)
	w.source, w.transit = w.machine("client"), w.machine("transit")
	w.public = httptest.NewServer(http.HandlerFunc(w.servePublic))
	t.Cleanup(w.public.Close)
	address := strings.TrimPrefix(w.public.URL, "http://")
	for _, m := range []*machine{w.source, w.transit} {
		m.front = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.serve(m, rw, r) }))
		m.frontHost = strings.TrimPrefix(m.front.URL, "http://")
		t.Cleanup(m.front.Close)
	}
	w.source.addresses, w.source.listening = []string{address}, []string{address}
	w.source.present, w.source.known = true, true
	for _, a := range accounts {
		w.add(a)
	}
	return w
}

func (w *world) machine(name string) *machine {
	w.machines++
	return &machine{w: w, name: name, id: fmt.Sprintf("m%02d", w.machines), lost: map[string]bool{}, records: map[string]*record{},
		content: map[string]map[string]int{}, databases: map[string][]schema.Database{}, copied: map[string]map[string]uint64{}, status: 200}
}

func (w *world) add(account string) {
	w.source.content[account] = map[string]int{"files": 1, "mail": 1, "databases": 1}
	w.source.databases[account] = []schema.Database{{Engine: "sqlite", Name: "shop", Bytes: 4096, Mode: "wal"}}
}

func (w *world) other(m *machine) *machine {
	if m == w.source {
		return w.transit
	}
	return w.source
}

// rec is an account's record; what has none is unmanaged on a server known since
// the beginning, and unknown elsewhere.
func (m *machine) rec(account string) *record {
	if r := m.records[account]; r != nil {
		return r
	}
	if m.known && m.content[account] != nil {
		return &record{state: schema.StateUnmanaged}
	}
	return &record{state: schema.StateUnknown}
}

func (r *record) serves() bool {
	return r.state == schema.StateActive || r.state == schema.StateUnmanaged
}

// check holds the laws: one owner or pending owner, at most one that serves.
func (w *world) check(call string) {
	accounts := map[string]bool{}
	for _, m := range []*machine{w.source, w.transit} {
		for a := range m.content {
			accounts[a] = true
		}
	}
	for _, a := range slices.Sorted(maps.Keys(accounts)) {
		s, t := w.source.rec(a), w.transit.rec(a)
		owners, serving := 0, 0
		for _, r := range []*record{s, t} {
			if r.serves() || r.state == schema.StateFrozen {
				owners++
			}
			if r.serves() {
				serving++
			}
		}
		if (s.state == schema.StateMoved && t.state == schema.StatePrepared && s.token == t.token) ||
			(t.state == schema.StateMoved && s.state == schema.StatePrepared && s.token == t.token) {
			owners++
		}
		if s.state == schema.StateRetired {
			owners++
		}
		if owners != 1 || serving > 1 {
			w.wrong = append(w.wrong, fmt.Sprintf("after %s: %s is %s(%d) on the source and %s(%d) on transit", call, a, s.state, s.epoch, t.state, t.epoch))
		}
	}
}

// do is every call: faults before and after, the deed under the world's lock.
func (m *machine) do(ctx context.Context, call, account string, f func() error) error {
	if err := m.w.fault(ctx, "before", m, call, account); err != nil {
		return err
	}
	m.w.mu.Lock()
	m.w.calls = append(m.w.calls, call+" "+m.name+" "+account)
	var err error
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case !m.present && call != "Provision":
		err = fmt.Errorf("%s: %w", m.name, providers.ErrAbsent)
	default:
		err = f()
	}
	m.w.check(call + " on " + m.name)
	m.w.changed.Broadcast()
	m.w.mu.Unlock()
	if e := m.w.fault(ctx, "after", m, call, account); e != nil {
		return e
	}
	return err
}

func (w *world) fault(ctx context.Context, when string, m *machine, call, account string) error {
	w.mu.Lock()
	hook, look := w.hook, w.look
	w.mu.Unlock()
	if look != nil {
		look(ctx, when, call)
	}
	if hook == nil {
		return nil
	}
	return hook(when, m.name, call, account)
}

func (w *world) setHook(h func(when, server, call, account string) error) {
	w.mu.Lock()
	w.hook = h
	w.mu.Unlock()
}

func (w *world) setLook(l func(ctx context.Context, when, call string)) {
	w.mu.Lock()
	w.look = l
	w.mu.Unlock()
}

func (m *machine) current(term uint64) error {
	if term == 0 || term != m.term {
		return fmt.Errorf("term %d, it is %d of %s: %w", term, m.term, m.holder, providers.ErrSuperseded)
	}
	return nil
}

func no(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, providers.ErrRefused)...)
}

// lapse is the end of a lease: the origin thaws by itself.
func (m *machine) lapse(account string) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	m.thawLocked(account)
	m.w.changed.Broadcast()
}

func (m *machine) thawLocked(account string) {
	r := m.records[account]
	if r != nil && r.state == schema.StateFrozen {
		r.state, r.void = schema.StateActive, later(r.void, r.token)
	}
}

func later(a, b providers.Token) providers.Token {
	if a.Term > b.Term || a.Term == b.Term && a.N > b.N {
		return a
	}
	return b
}

func voided(r *record, t providers.Token) bool { return later(r.void, t) == r.void }

// ---- sites ----

func accountOf(host string) string {
	name, _, _ := strings.Cut(host, ".")
	return name
}

func (w *world) servePublic(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	var on *machine
	for _, m := range []*machine{w.source, w.transit} {
		if m.present && slices.Contains(m.listening, strings.TrimPrefix(w.public.URL, "http://")) {
			on = m
		}
	}
	w.mu.Unlock()
	if on == nil {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.serve(on, rw, r)
}

// serve answers for an account, holds the connection while it is frozen, and
// passes it on where it has moved.
func (w *world) serve(m *machine, rw http.ResponseWriter, r *http.Request) {
	account := accountOf(r.Host)
	stop := context.AfterFunc(r.Context(), w.changed.Broadcast)
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 2 {
		// Between commit and activation they wait too, as at a real front.
		for (m.rec(account).state == schema.StateFrozen || m.rec(account).state == schema.StatePrepared) && r.Context().Err() == nil {
			w.changed.Wait()
		}
		if m.rec(account).serves() {
			rw.WriteHeader(m.status)
			fmt.Fprintf(rw, "<title>%s</title> Cart", account)
			return
		}
		if m.rec(account).state != schema.StateMoved && m.rec(account).state != schema.StateStaged {
			break
		}
		m = w.other(m)
	}
	rw.WriteHeader(http.StatusBadGateway)
}

// ---- providers.Server ----

func (m *machine) Close() error { return nil }

func (m *machine) Abilities() providers.Abilities {
	return providers.Abilities{Owner: m, Copier: m, Machine: m, Runtimes: m, Keeper: m, Disposer: m, Trier: m, Operator: m, Dialer: m.dialer}
}

func (m *machine) Survey(ctx context.Context, _ providers.SurveyOptions) (*schema.FoundServer, error) {
	var f *schema.FoundServer
	err := m.do(ctx, "Survey", "", func() error { f = m.found(); return nil })
	return f, err
}

func (m *machine) found() *schema.FoundServer {
	f := &schema.FoundServer{Name: m.name, Presence: schema.Present, Provider: "memory", Machine: m.id, Known: m.known,
		Addresses: slices.Clone(m.addresses), Listening: slices.Clone(m.listening), Runtimes: slices.Clone(m.runtimes), Removed: slices.Clone(m.removed),
		Lineage: slices.Clone(m.lineage), Claim: schema.Claim{Term: m.term, Migration: m.migration, Name: m.migName, Holder: m.holder},
		Can: map[schema.Capability]bool{}, Residue: slices.Clone(m.residue), Facts: slices.Clone(m.facts), FreeBytes: 1 << 40, FreeInodes: 1 << 30, SMTP: m.smtp, Services: m.services}
	for _, c := range []schema.Capability{schema.CanOwn, schema.CanCopy, schema.CanProvision, schema.CanReinstall, schema.CanReroute,
		schema.CanRemoveRuntimes, schema.CanListResidue, schema.CanRetire, schema.CanRelease, schema.CanKeepFacts} {
		f.Can[c] = true
	}
	if m.seal != nil {
		f.Seal = &schema.Seal{Number: m.seal.Number, Epochs: m.seal.Epochs}
	}
	if !m.present {
		return &schema.FoundServer{Name: m.name, Presence: schema.Absent, Provider: "memory", Can: f.Can}
	}
	names := map[string]bool{}
	for a := range m.content {
		names[a] = true
	}
	for a := range m.records {
		names[a] = true
	}
	for _, a := range slices.Sorted(maps.Keys(names)) {
		r := m.rec(a)
		fa := &schema.FoundAccount{Name: a, Domains: []schema.Domain{{Name: a + ".example"}}, Files: schema.Files{Bytes: 1000, Entries: 10},
			Mail: schema.Mail{Mailboxes: []string{"me@" + a + ".example"}, Messages: 1, Bytes: 10}, Databases: slices.Clone(m.databases[a]),
			Owner: schema.Ownership{State: r.state, Epoch: r.epoch, Confirmed: r.confirmed, Serves: r.serves(), Migration: m.migration}}
		if r.token.Term > 0 {
			fa.Owner.Token = r.token.String()
		}
		fa.Owner.Peer = r.peer
		for _, p := range slices.Sorted(maps.Keys(m.copied[a])) {
			fa.Copied = append(fa.Copied, schema.CopiedPart{Part: p, Epoch: m.copied[a][p]})
		}
		f.Accounts = append(f.Accounts, fa)
	}
	return f
}

// ---- providers.Owner ----

func (m *machine) Identity(ctx context.Context) (id providers.Identity, err error) {
	err = m.do(ctx, "Identity", "", func() error {
		id = providers.Identity{Machine: m.id, Agent: "agent-" + m.name, Front: "opaque", HTTP: m.frontHost}
		return nil
	})
	return id, err
}

func (m *machine) Claim(ctx context.Context, r providers.ClaimRequest) (c providers.Claimed, err error) {
	err = m.do(ctx, "Claim", "", func() error {
		if m.lost[r.Nonce] {
			return fmt.Errorf("claim of %s: %w", m.holder, providers.ErrSuperseded)
		}
		if m.migration == "" || m.migName != r.Name {
			m.migration, m.migName = r.Migration, r.Name
		}
		if r.Nonce != m.nonce {
			m.lost[m.nonce] = m.nonce != ""
			for a := range m.records {
				m.thawLocked(a)
			}
			m.nonce, m.holder, m.term = r.Nonce, r.Holder, max(m.term+1, r.AtLeast)
		} else {
			m.term = max(m.term, r.AtLeast)
		}
		c = providers.Claimed{Term: m.term, Migration: m.migration, Machine: m.id}
		return nil
	})
	return c, err
}

func (m *machine) Pair(ctx context.Context, term uint64, account string, epoch uint64, peer providers.Peer) error {
	return m.do(ctx, "Pair", account, func() error {
		r := m.rec(account)
		switch {
		case m.current(term) != nil:
			return m.current(term)
		case !r.serves() || r.epoch != epoch:
			return no("pair %s in %s(%d)", account, r.state, r.epoch)
		}
		if o := m.w.other(m).rec(account); o.state != schema.StateStaged || o.peer != m.id {
			m.w.wrong = append(m.w.wrong, fmt.Sprintf("%s would ask %s about %s after a reboot, which is %s there", m.name, peer.Machine, account, o.state))
		}
		m.records[account] = &record{state: schema.StateActive, epoch: epoch, void: r.void, peer: peer.Machine, paired: true}
		return nil
	})
}

func (m *machine) Stage(ctx context.Context, term uint64, account string, epoch uint64, peer providers.Peer) error {
	return m.do(ctx, "Stage", account, func() error {
		r := m.rec(account)
		switch {
		case m.current(term) != nil:
			return m.current(term)
		case m.seal != nil:
			return no("sealed")
		case r.state == schema.StateUnknown, r.state == schema.StateStaged && r.epoch <= epoch, r.state == schema.StateMoved && r.confirmed:
		default:
			return no("stage %s in %s(%d)", account, r.state, r.epoch)
		}
		m.records[account] = &record{state: schema.StateStaged, epoch: epoch, void: r.void, peer: peer.Machine, paired: true, confirmed: r.confirmed}
		if m.content[account] == nil {
			m.content[account] = map[string]int{}
		}
		return nil
	})
}

func (m *machine) Freeze(ctx context.Context, q providers.FreezeRequest) (f providers.Frozen, err error) {
	err = m.do(ctx, "Freeze", q.Account, func() error {
		r := m.rec(q.Account)
		switch {
		case m.current(q.Term) != nil:
			return m.current(q.Term)
		case q.Machine != m.id || q.Token.Term != q.Term:
			return no("freeze for machine %s", q.Machine)
		case r.state == schema.StateFrozen && r.token == q.Token:
		case r.state != schema.StateActive || !r.paired || r.peer != m.w.other(m).id || r.epoch != q.Epoch || voided(r, q.Token):
			return no("freeze %s in %s(%d)", q.Account, r.state, r.epoch)
		}
		r.state, r.token = schema.StateFrozen, q.Token
		f = providers.Frozen{Databases: slices.Clone(m.databases[q.Account])}
		return nil
	})
	return f, err
}

func (m *machine) Renew(ctx context.Context, term uint64, account string, t providers.Token) error {
	return m.do(ctx, "Renew", account, func() error {
		r := m.rec(account)
		switch {
		case m.current(term) != nil:
			return m.current(term)
		case r.state != schema.StateFrozen || r.token != t:
			return no("renew %s in %s", account, r.state)
		}
		return nil
	})
}

func (m *machine) Thaw(ctx context.Context, account string, t providers.Token, _ string) error {
	return m.do(ctx, "Thaw", account, func() error {
		r := m.rec(account)
		switch {
		case r.state == schema.StateFrozen && r.token == t:
			m.thawLocked(account)
		case r.state == schema.StateActive:
			r.void = later(r.void, t)
		default:
			return no("thaw %s in %s", account, r.state)
		}
		return nil
	})
}

func (m *machine) PrepareCopy(ctx context.Context, term uint64, account string, t providers.Token, digest string) (rc providers.Receipt, err error) {
	err = m.do(ctx, "PrepareCopy", account, func() error {
		r := m.rec(account)
		switch {
		case m.current(term) != nil:
			return m.current(term)
		case r.state == schema.StatePrepared && r.token == t:
		case r.state != schema.StateStaged || voided(r, t) || m.seal != nil || t.Term != term:
			return no("prepare %s in %s", account, r.state)
		default:
			r.state, r.epoch, r.token, r.digest = schema.StatePrepared, r.epoch+1, t, digest
		}
		rc = providers.Receipt{Token: t, Machine: m.id, Epoch: r.epoch, Digest: r.digest}
		return nil
	})
	return rc, err
}

func (m *machine) Commit(ctx context.Context, term uint64, account string, t providers.Token, rc providers.Receipt) error {
	return m.do(ctx, "Commit", account, func() error {
		r := m.rec(account)
		switch {
		case r.state == schema.StateMoved && r.token == t:
			return nil
		case m.current(term) != nil:
			return m.current(term)
		case r.state != schema.StateFrozen || r.token != t || rc.Token != t || rc.Machine != m.w.other(m).id:
			return no("commit %s in %s", account, r.state)
		}
		r.state, r.epoch = schema.StateMoved, r.epoch+1
		return nil
	})
}

func (m *machine) Activate(ctx context.Context, account string, t providers.Token) (a providers.Activation, err error) {
	err = m.do(ctx, "Activate", account, func() error {
		r, o := m.rec(account), m.w.other(m).rec(account)
		switch {
		case r.state == schema.StateActive && r.token == t:
		case r.state == schema.StateStaged:
		case r.state != schema.StatePrepared || r.token != t:
			return no("activate %s in %s", account, r.state)
		case m.lateWord > 0:
			m.lateWord--
		case o.state == schema.StateMoved && o.token == t:
			r.state = schema.StateActive
		case voided(o, t):
			r.state, r.epoch, r.void = schema.StateStaged, r.epoch-1, later(r.void, t)
		}
		a = providers.Activation{State: r.state, Epoch: r.epoch}
		return nil
	})
	return a, err
}

func (m *machine) Confirm(ctx context.Context, account string, epoch uint64) error {
	return m.do(ctx, "Confirm", account, func() error {
		r, o := m.rec(account), m.w.other(m).rec(account)
		if o.state != schema.StateActive || o.epoch < epoch || r.state != schema.StateMoved && r.state != schema.StateStaged {
			return no("confirm %s in %s, peer %s(%d)", account, r.state, o.state, o.epoch)
		}
		r.confirmed = true
		return nil
	})
}

func (m *machine) Status(ctx context.Context, account string) (o schema.Ownership, err error) {
	err = m.do(ctx, "Status", account, func() error {
		r := m.rec(account)
		o = schema.Ownership{State: r.state, Epoch: r.epoch, Confirmed: r.confirmed, Serves: r.serves()}
		if r.token.Term > 0 {
			o.Token = r.token.String()
		}
		return nil
	})
	return o, err
}

func (m *machine) Seal(ctx context.Context, term uint64, id string, epochs map[string]uint64) (n uint64, err error) {
	err = m.do(ctx, "Seal", "", func() error {
		if err := m.current(term); err != nil {
			return err
		}
		if id != m.id {
			return no("seal for machine %s", id)
		}
		for a := range m.content {
			r := m.rec(a)
			gone := r.state == schema.StateRetired || (r.state == schema.StateMoved || r.state == schema.StateStaged) && r.confirmed
			if e, ok := epochs[a]; !gone || !ok || e != r.epoch {
				return no("seal with %s in %s(%d), order says %d", a, r.state, r.epoch, e)
			}
		}
		if m.seal == nil {
			m.seals++
			m.seal = &schema.Seal{Number: m.seals, Epochs: maps.Clone(epochs)}
		}
		n = m.seal.Number
		return nil
	})
	return n, err
}

func (m *machine) Unseal(context.Context, uint64, uint64) error { return errors.ErrUnsupported }
func (m *machine) DeclareLost(context.Context, uint64, string, string) error {
	return errors.ErrUnsupported
}

func (m *machine) Stub(ctx context.Context, term uint64, account string, epoch uint64, peer providers.Peer, domains []string) error {
	return m.do(ctx, "Stub", account, func() error {
		if err := m.current(term); err != nil {
			return err
		}
		if r := m.rec(account); r.state == schema.StateUnknown {
			if !slices.Equal(domains, []string{account + ".example"}) {
				return no("stub %s for %q", account, domains)
			}
			m.records[account] = &record{state: schema.StateMoved, epoch: epoch, peer: peer.Machine, paired: true, confirmed: true}
		} else if r.state != schema.StateMoved {
			return no("stub %s in %s", account, r.state)
		}
		return nil
	})
}

// ---- providers.Operator ----

func (m *machine) Unpair(ctx context.Context, term uint64, account string) error {
	return m.do(ctx, "Unpair", account, func() error {
		r, o := m.rec(account), m.w.other(m).rec(account)
		switch {
		case m.current(term) != nil:
			return m.current(term)
		case r.state != schema.StateActive:
			return no("unpair %s in %s", account, r.state)
		case !m.w.other(m).present:
			return fmt.Errorf("unpair %s: %w", account, providers.ErrUnreachable)
		case o.state != schema.StateUnknown && !(o.state == schema.StateMoved && o.confirmed):
			return no("unpair %s with a copy that is %s", account, o.state)
		}
		r.peer, r.paired = "", false
		return nil
	})
}

func (m *machine) Surrender(context.Context, uint64, string) error { return errors.ErrUnsupported }
func (m *machine) Accept(context.Context, uint64, string) error    { return errors.ErrUnsupported }
func (m *machine) Reintroduce(context.Context, uint64, string, providers.Peer) error {
	return errors.ErrUnsupported
}
func (m *machine) Rebuild(context.Context, uint64, string, providers.Peer) error {
	return errors.ErrUnsupported
}

// ---- providers.Copier ----

func (m *machine) Origin(ctx context.Context, term uint64, account string) (o providers.Origin, err error) {
	err = m.do(ctx, "Origin", account, func() error {
		o = providers.Origin{Machine: m.id, Account: account, Term: term}
		return m.current(term)
	})
	return o, err
}

func (m *machine) Pull(ctx context.Context, q providers.PullRequest, progress func(providers.Progress)) (p providers.Pulled, err error) {
	account := q.Origin.Account
	err = m.do(ctx, "Pull/"+string(q.Pass)+"/"+q.Part, account, func() error {
		r, from := m.rec(account), m.w.other(m)
		switch {
		case m.current(q.Term) != nil:
			return m.current(q.Term)
		case r.state != schema.StateStaged:
			return no("pull %s in %s", account, r.state)
		case q.Pass == providers.PassFinal && from.rec(account).state != schema.StateFrozen:
			return no("final pull of %s, which is %s", account, from.rec(account).state)
		}
		if m.content[account] == nil {
			m.content[account] = map[string]int{}
		}
		m.content[account][q.Part] = from.content[account][q.Part]
		if q.Part == "databases" {
			m.databases[account] = slices.Clone(from.databases[account])
		}
		if m.copied[account] == nil {
			m.copied[account] = map[string]uint64{}
		}
		m.copied[account][q.Part] = r.epoch
		if m.w.writes && from.rec(account).state == schema.StateActive {
			from.content[account][q.Part]++ // users go on
		}
		p = providers.Pulled{Bytes: 10, Total: 100, Items: 2}
		return nil
	})
	if err == nil && progress != nil {
		progress(providers.Progress{Bytes: 100, BytesTotal: 100})
	}
	return p, err
}

func (m *machine) Compare(ctx context.Context, o providers.Origin, term uint64, t providers.Token) (c providers.Compared, err error) {
	err = m.do(ctx, "Compare", o.Account, func() error { return m.current(term) })
	if err != nil || t == (providers.Token{}) {
		return c, err
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	if m.different > 0 {
		m.different--
		return providers.Compared{Differences: []string{"files home/x"}, Paths: map[string][]string{"files": {"home/x"}}}, nil
	}
	return providers.Compared{Equal: true, Digest: "d", Hashed: 5}, nil
}

func (m *machine) CloseOrigin(ctx context.Context, account string) error {
	return m.do(ctx, "CloseOrigin", account, func() error { return nil })
}

func (m *machine) Try(ctx context.Context, term uint64, o providers.Origin, progress func(providers.Progress)) (f schema.TrialFact, err error) {
	err = m.do(ctx, "Try", o.Account, func() error {
		f = schema.TrialFact{Server: m.id, Engine: "sqlite", Version: "3", Databases: slices.Clone(m.tried)}
		return m.current(term)
	})
	if err == nil {
		progress(providers.Progress{Bytes: 5, BytesTotal: 5})
	}
	return f, err
}

// ---- providers.Machine, Runtimes, FactKeeper, Disposer ----

func (m *machine) Provision(ctx context.Context, _ *schema.FoundServer, _ schema.Architecture) error {
	return m.do(ctx, "Provision", "", func() error { m.present = true; return nil })
}

func (m *machine) Reinstall(ctx context.Context, term uint64, seal uint64, id string, _ schema.Architecture) error {
	return m.do(ctx, "Reinstall", "", func() error {
		if err := m.current(term); err != nil {
			return err
		}
		if m.seal == nil || m.seal.Number != seal || m.id != id {
			return no("reinstall of machine %s with seal %d", id, seal)
		}
		n := m.w.machine(m.name)
		n.front, n.frontHost, n.addresses, n.present, n.smtp = m.front, m.frontHost, m.addresses, true, m.smtp
		n.services, n.dialer = m.services, m.dialer
		*m = *n
		return nil
	})
}

func (m *machine) TakeOver(ctx context.Context, term uint64, _ uint64, id string, addresses []string) error {
	return m.do(ctx, "TakeOver", "", func() error {
		if err := m.current(term); err != nil {
			return err
		}
		if o := m.w.other(m); o.id == id && len(o.listening) > 0 || !slices.Contains(m.lineage, id) {
			return no("take over from %s, which listens on %v; lineage %v", o.name, o.listening, m.lineage)
		}
		m.listening = slices.Clone(addresses)
		return nil
	})
}

func (m *machine) GiveBack(ctx context.Context, term uint64, _ []string) error {
	return m.do(ctx, "GiveBack", "", func() error { m.listening = nil; return m.current(term) })
}

func (m *machine) Serve(ctx context.Context, term uint64, addresses []string) error {
	return m.do(ctx, "Serve", "", func() error {
		if len(m.w.other(m).listening) > 0 {
			return no("serve while %s listens", m.w.other(m).name)
		}
		m.listening = slices.Clone(addresses)
		return m.current(term)
	})
}

func (m *machine) Silence(ctx context.Context, term uint64, seal uint64, _ []string) error {
	return m.do(ctx, "Silence", "", func() error {
		if m.seal == nil || m.seal.Number != seal {
			return no("silence without seal %d", seal)
		}
		m.listening = nil
		return m.current(term)
	})
}

func (m *machine) Inherit(ctx context.Context, term uint64, id string, epochs map[string]uint64) error {
	return m.do(ctx, "Inherit", "", func() error {
		for a, e := range epochs {
			if r := m.rec(a); r.state != schema.StateActive && r.state != schema.StateFrozen || r.peer != id || r.epoch < e {
				return no("inherit %s at %d, which is %s(%d) here", a, e, r.state, r.epoch)
			}
		}
		m.inherited = maps.Clone(epochs)
		if !slices.Contains(m.lineage, id) {
			m.lineage = append(m.lineage, id)
		}
		return m.current(term)
	})
}

func (m *machine) Release(ctx context.Context, term uint64, accounts []string) error {
	return m.do(ctx, "Release", "", func() error {
		if err := m.current(term); err != nil {
			return err
		}
		for _, a := range accounts {
			if r := m.rec(a); r.state != schema.StateMoved && r.state != schema.StateStaged && r.state != schema.StateUnknown {
				return no("release with %s in %s", a, r.state)
			}
			delete(m.records, a)
			delete(m.content, a)
			delete(m.copied, a)
		}
		return nil
	})
}

func (m *machine) RemoveRuntime(ctx context.Context, term uint64, r schema.Runtime) error {
	return m.do(ctx, "RemoveRuntime", "", func() error {
		if i := slices.Index(m.runtimes, r); i >= 0 {
			m.runtimes = slices.Delete(m.runtimes, i, i+1)
			m.removed = append(m.removed, r)
		}
		return m.current(term)
	})
}

func (m *machine) RestoreRuntime(ctx context.Context, term uint64, r schema.Runtime) error {
	return m.do(ctx, "RestoreRuntime", "", func() error {
		if i := slices.Index(m.removed, r); i >= 0 {
			m.removed = slices.Delete(m.removed, i, i+1)
			m.runtimes = append(m.runtimes, r)
		}
		return m.current(term)
	})
}

func (m *machine) AddFacts(ctx context.Context, facts []schema.Fact) error {
	return m.do(ctx, "AddFacts", "", func() error {
		if m.added != nil {
			m.added(len(facts))
		}
		m.facts = schema.UnionFacts(m.facts, facts)
		return nil
	})
}

func (m *machine) Facts(ctx context.Context) (facts []schema.Fact, err error) {
	err = m.do(ctx, "Facts", "", func() error { facts = slices.Clone(m.facts); return nil })
	return facts, err
}

func (m *machine) ArchiveAccount(ctx context.Context, term uint64, account string) (string, error) {
	return "sha256:archive", m.do(ctx, "ArchiveAccount", account, func() error {
		if m.rec(account).state != schema.StateRetired {
			return no("archive %s in %s", account, m.rec(account).state)
		}
		return m.current(term)
	})
}

func (m *machine) RetireAccount(ctx context.Context, term uint64, account string, epoch uint64) error {
	return m.do(ctx, "RetireAccount", account, func() error {
		if err := m.current(term); err != nil {
			return err
		}
		m.records[account] = &record{state: schema.StateRetired, epoch: epoch}
		return nil
	})
}

func (m *machine) DisposeResidue(ctx context.Context, term uint64, path, action string) (string, error) {
	return "blob:" + path, m.do(ctx, "DisposeResidue", "", func() error {
		m.residue = slices.DeleteFunc(m.residue, func(r schema.Residue) bool { return r.Path == path })
		return m.current(term)
	})
}

func (m *machine) PlaceResidue(ctx context.Context, term uint64, path, ref string) error {
	return m.do(ctx, "PlaceResidue", "", func() error {
		if ref != "blob:"+path {
			return no("no blob %s", ref)
		}
		m.residue = append(m.residue, schema.Residue{Path: path, Kind: "carried"})
		return m.current(term)
	})
}

package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/ownership"
	"github.com/stopover/stopover/schema"
)

// Options of an agent.
type Options struct {
	Keeper *ownership.Keeper // opened under the lock that lets only one agent run
	Host   Host
	Log    hclog.Logger
	Dial   Dialer // to the peers' agents; faults are put around it
	Facts  string // file that mirrors the facts
	Calls  Calls  // around every call to a peer; nil: none
}

// Calls decorates the calls that agents make to each other. It is where faults
// are put: a decorator may do the call not at all, late, or twice, and may lose
// its answer.
type Calls func(ctx context.Context, method string, do func(context.Context) error) error

// Agent is the program on a server that alone changes records. It calls its
// Host for everything that is not a record: doors, places, machine.
type Agent struct {
	keeper *ownership.Keeper
	host   Host
	log    hclog.Logger
	peers  *peers
	facts_ *factFile

	wiping atomic.Bool // the wipe was ordered: this machine answers nothing any more

	mu       sync.Mutex
	accounts map[string]*sync.Mutex // one change of record and doors at a time
	talks    map[string]*sync.Mutex // one conversation with the peer at a time: only its newest question counts
	origins  map[string]*originState
	copies   map[string]*copyState
	trials   map[*trialRun]bool     // under way, at either end
	trying   map[string]*sync.Mutex // accounts whose databases are tried here
	busy     map[string]bool        // work that the follower has under way
	stuck    map[string]time.Time   // accounts whose doors could not be set, and when
	asking   map[string]time.Time   // accounts whose peer is being asked, or when it may be asked again
	holder   string
	name     string // of the migration that holds the claim

	wake   chan struct{}
	ctx    context.Context // ends with the agent
	cancel context.CancelFunc
	work   sync.WaitGroup
	grpc   *grpc.Server
}

// New makes an agent. Start brings the doors in line with the records.
func New(o Options) (*Agent, error) {
	facts, err := openFacts(o.Facts)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		keeper: o.Keeper, host: o.Host, log: o.Log, peers: newPeers(o.Dial, o.Calls), facts_: facts,
		accounts: map[string]*sync.Mutex{}, talks: map[string]*sync.Mutex{}, origins: map[string]*originState{}, copies: map[string]*copyState{}, trials: map[*trialRun]bool{}, trying: map[string]*sync.Mutex{},
		busy: map[string]bool{}, stuck: map[string]time.Time{}, asking: map[string]time.Time{}, wake: make(chan struct{}, 1),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a, nil
}

// Start opens what the records say is open, and keeps asking peers where the
// records say that their word is needed.
func (a *Agent) Start() error {
	known, err := a.host.Accounts()
	if err != nil {
		return err
	}
	all := append(known, a.keeper.Accounts()...)
	slices.Sort(all)
	// Every account has its doors before users are let in; those that cannot be
	// set at once, because a program does not end, hold nobody else up.
	g := errgroup.Group{}
	g.SetLimit(16)
	for _, account := range slices.Compact(all) {
		g.Go(func() error {
			defer a.lock(account)()
			a.setDoors(account)
			return nil
		})
	}
	_ = g.Wait() // they return nothing
	a.work.Go(a.follow)
	return nil
}

// ServeListener answers calls until Stop. The listener hands out streams that
// are already trusted to come from this server's administrator.
func (a *Agent) ServeListener(l net.Listener) error {
	a.grpc = grpc.NewServer(
		grpc.ForceServerCodec(newCodec()),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window),
		grpc.MaxConcurrentStreams(256),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 15 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	a.grpc.RegisterService(service(), a)
	return a.grpc.Serve(l)
}

// answerLimit is how long calls may take to end by themselves when the agent stops.
const answerLimit = 300 * time.Millisecond

// Stop ends calls and background work. Records are as they are: the next
// instance goes on from them.
func (a *Agent) Stop() {
	a.cancel()
	if a.grpc != nil {
		// An answer that is about to go out, to the very order that ends this
		// process, shall arrive; whatever takes longer is cut.
		cut := time.AfterFunc(answerLimit, a.grpc.Stop)
		a.grpc.GracefulStop()
		cut.Stop()
	}
	a.work.Wait()
	a.closeSessions("")
	a.peers.close()
}

// lock serialises what changes one account's record and doors.
func (a *Agent) lock(account string) (unlock func()) { return a.lockIn(a.accounts, account) }

// talk serialises the questions about one account to its peer. It is held
// while the answer is awaited, so it is never taken under lock.
func (a *Agent) talk(account string) (unlock func()) { return a.lockIn(a.talks, account) }

func (a *Agent) lockIn(set map[string]*sync.Mutex, account string) (unlock func()) {
	m := a.mutex(set, account)
	m.Lock()
	return m.Unlock
}

func (a *Agent) mutex(set map[string]*sync.Mutex, account string) *sync.Mutex {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := set[account]
	if m == nil {
		m = &sync.Mutex{}
		set[account] = m
	}
	return m
}

// setDoors brings an account's doors in line with its record. It is the only
// place that opens anything; the record is durable before it is called.
func (a *Agent) setDoors(account string) {
	s := a.keeper.Status(account)
	doors, front := DoorsClosed, ""
	switch s.Record.State {
	case ownership.Frozen, ownership.Prepared:
		doors = DoorsHeld
	case ownership.Moved:
		// Until the peer is known to serve, front connections wait here rather
		// than meet a closed door there.
		doors = DoorsHeld
		if s.Record.Confirmed {
			doors, front = DoorsRedirect, s.Record.Peer.Front
		}
	case ownership.Staged:
		if s.Record.Peer.Front != "" {
			doors, front = DoorsRedirect, s.Record.Peer.Front
		}
	}
	if s.Serves {
		doors = DoorsServe
	}
	err := a.host.Open(account, doors, front, s.Record.Epoch)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.stuck, account)
	if err != nil {
		a.stuck[account] = time.Now()
		a.log.Error("doors", "account", account, "doors", doors, "error", err)
	}
}

// unstick sets doors again that could not be set before: a program that did
// not end, a disk that was full.
func (a *Agent) unstick() {
	a.mu.Lock()
	var again []string
	for account, since := range a.stuck {
		if time.Since(since) > time.Second {
			again = append(again, account)
		}
	}
	a.mu.Unlock()
	for _, account := range again {
		a.alone("doors "+account, func() {
			defer a.lock(account)()
			a.setDoors(account)
		})
	}
}

// Reopen tells the agent that an opening which the host had begun did not
// succeed, so that it orders it again.
func (a *Agent) Reopen(account string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stuck[account] = time.Now()
}

// refused makes a keeper's refusal recognisable on the other side.
func refused(err error) error {
	if err == nil {
		return nil
	}
	switch ownership.RefusedBy(err) {
	case "":
		return err
	case ownership.GuardTerm:
		return fmt.Errorf("%w: %w", providers.ErrSuperseded, err)
	}
	return fmt.Errorf("%w: %w", providers.ErrRefused, err)
}

func (a *Agent) identity(context.Context, *nothing) (*providers.Identity, error) {
	id := a.host.Identity()
	return &id, nil
}

// survey adds to what the host finds what the records say.
func (a *Agent) survey(ctx context.Context, _ *nothing) (*schema.FoundServer, error) {
	s, err := a.host.Survey(ctx)
	if err != nil {
		return nil, err
	}
	s.Agent = Version
	server, ok := a.keeper.Server()
	if !ok {
		s.Error = "the server's own record is unreadable"
	}
	s.Known = server.Known
	a.mu.Lock()
	s.Claim = schema.Claim{Term: server.Term, Migration: server.Migration, Name: a.name, Holder: a.holder}
	a.mu.Unlock()
	if server.Seal != nil {
		s.Seal = &schema.Seal{Number: server.Seal.Number, Epochs: server.Seal.Epochs}
	}
	for _, l := range server.Lineage {
		s.Lineage = append(s.Lineage, l.Machine)
	}
	s.Facts = a.facts_.all()
	byName, there := map[string]*schema.FoundAccount{}, map[string]bool{}
	for _, f := range s.Accounts {
		byName[f.Name], there[f.Name] = f, true
	}
	for _, name := range a.keeper.Accounts() {
		if byName[name] == nil {
			f := &schema.FoundAccount{Name: name}
			byName[name] = f
			s.Accounts = append(s.Accounts, f)
		}
	}
	for _, f := range s.Accounts {
		f.Owner = ownershipOf(a.keeper.Status(f.Name))
		if owns := f.Owner.State == schema.StateActive || f.Owner.State == schema.StateFrozen; owns && !there[f.Name] {
			f.Findings = append(f.Findings, vanished(f.Name, s.Name))
		}
	}
	slices.SortFunc(s.Accounts, func(x, y *schema.FoundAccount) int { return compareStrings(x.Name, y.Name) })
	return s, nil
}

// FoundVanished is the code of the finding that an account's record is there
// and nothing else of it.
const FoundVanished = "account-vanished"

// vanished is the finding of an account that the record gives to this server
// while nothing of it is there. A rename or a deletion by hand does that; the
// record keeps the old name.
func vanished(name, server string) schema.Finding {
	return schema.Finding{
		Code: FoundVanished, Severity: schema.Blocker, Account: name, Server: server,
		Summary: fmt.Sprintf("the record of this migration says that %s lives on %s, and nothing of it is there", schema.QuoteName(name), schema.QuoteName(server)),
		Remedy:  "if it was renamed, give it its old name until the journey is over; if it was deleted, put it back", Certainty: "observed",
	}
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func ownershipOf(s ownership.Status) schema.Ownership {
	o := schema.Ownership{
		State: s.Record.State.String(), Migration: s.Record.Migration, Epoch: s.Record.Epoch,
		Peer: s.Record.Peer.Machine, Confirmed: s.Record.Confirmed, Serves: s.Serves, Blocker: s.Record.Blocker,
		Pairing: s.Pairing,
	}
	if !s.Record.Paired {
		o.Peer = "" // declared lost: the record remembers it, and asks it nothing
	}
	if !s.Record.Token.IsZero() {
		o.Token = s.Record.Token.String()
	}
	switch {
	case s.Record.State == ownership.Unreadable:
		o.State, o.Blocker = schema.StateUnknown, "both copies of its ownership record are unreadable: "+s.Note
		o.Stopped = schema.StoppedUnreadable
	case s.Record.Blocker != "":
		o.Stopped = schema.StoppedFenced
	case s.Pending:
		o.Stopped = schema.StoppedWaits
		o.Blocker = "the server was started again and waits for the word of its peer before it opens the account: " + s.Note
	}
	return o
}

func (a *Agent) status(_ context.Context, q *accountRequest) (*schema.Ownership, error) {
	o := ownershipOf(a.keeper.Status(q.Account))
	return &o, nil
}

// stop ends the server's process once the answer is out.
func (a *Agent) stop(context.Context, *nothing) (*nothing, error) {
	a.work.Go(func() {
		time.Sleep(50 * time.Millisecond)
		a.host.Exit()
	})
	return &nothing{}, nil
}

// claim makes a run the one whose orders count here. What older runs have under
// way is ended, and what they froze is thawed, before it answers.
func (a *Agent) claim(ctx context.Context, q *providers.ClaimRequest) (*providers.Claimed, error) {
	migration := q.Migration
	if migration == "" {
		migration = a.knownMigration(q.Name)
		if s, ok := a.keeper.Server(); ok && s.Nonce == q.Nonce {
			migration = s.Migration // the same claim again: its answer was lost
		}
	}
	c, err := a.keeper.BeginClaim(migration, q.Nonce, q.AtLeast)
	if err != nil {
		return nil, a.nameHolder(refused(err))
	}
	a.mu.Lock()
	a.holder, a.name = q.Holder, q.Name
	a.mu.Unlock()
	a.endOlder(c.Term)
	for {
		err := a.keeper.FinishClaim(c.Term)
		if err == nil {
			break
		}
		if !errors.Is(err, ownership.ErrDraining) {
			return nil, a.nameHolder(refused(err))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("claim: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	a.poke()
	return &providers.Claimed{Term: c.Term, Migration: migration, Machine: a.host.Identity().Machine}, nil
}

// nameHolder adds who steers the server now, so that the loser can say it.
func (a *Agent) nameHolder(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil && a.holder != "" && errors.Is(err, providers.ErrSuperseded) {
		return fmt.Errorf("%w (held by %s)", err, a.holder)
	}
	return err
}

// knownMigration adopts the id that this server already knows for a name, or
// makes one: two projects that both say "spring" do not meet.
func (a *Agent) knownMigration(name string) string {
	if id := a.facts_.migration(name); id != "" {
		return id
	}
	return rand.Text()
}

// endOlder ends what runs of older terms left: sessions, and frozen accounts,
// which nobody could commit any more.
func (a *Agent) endOlder(term uint64) {
	a.closeSessionsBelow(term)
	a.endTrialsBelow(term)
	for _, account := range a.keeper.Accounts() {
		s := a.keeper.Status(account)
		if s.Record.State == ownership.Frozen && s.Record.Token.Term < term {
			if err := a.thawNow(account, s.Record.Token, "another run has claimed the server"); err != nil {
				a.log.Error("thaw", "account", account, "error", err)
			}
		}
	}
}

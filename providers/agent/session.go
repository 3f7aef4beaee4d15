package agent

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/compare"
	"github.com/stopover/stopover/providers/agent/files"
	"github.com/stopover/stopover/providers/agent/ownership"
	"github.com/stopover/stopover/schema"
)

// sessionIdle is how long an origin keeps what a warm pass left open when no
// cutover follows: an open database session lets its WAL grow.
const sessionIdle = 2 * time.Minute

// originState is what an origin keeps for one account while it is copied out:
// the credential, and sessions that make later passes cheap.
type originState struct {
	term       uint64
	credential string
	cancel     context.CancelFunc // ends sends under way
	ctx        context.Context

	mu        sync.Mutex // one send, digest or end at a time
	used      time.Time
	bases     map[string]base // by part
	caches    map[string]*compare.Cache
	databases map[string]DatabaseOrigin
	trees     map[string]*compare.Tree // of the last comparison, for naming what differs
	ended     bool
}

// base is what a receiver holds after a pass, under an id that the receiver
// names when it has really arrived.
type base struct {
	id      string
	listing *files.Listing
}

// copyState is what a receiver keeps for one staged copy.
type copyState struct {
	mu        sync.Mutex
	bases     map[string]string // part → id of the origin's listing that is true of the copy
	caches    map[string]*compare.Cache
	databases map[string]DatabaseCopy
	equal     map[providers.Token]string // digests of comparisons in the cut after which nothing was written
}

// origin opens one account for pulling under the claim of term.
func (a *Agent) origin(_ context.Context, q *accountRequest) (*providers.Origin, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	if r := a.keeper.Status(q.Account).Record; !r.State.Owner() {
		return nil, fmt.Errorf("%w: account %s is %s here, not its owner", providers.ErrRefused, schema.QuoteName(q.Account), r.State)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.origins[q.Account]
	if o == nil || o.term != q.Term {
		if o != nil {
			a.work.Go(o.end)
		}
		o = &originState{term: q.Term, credential: rand.Text(), used: time.Now(),
			bases: map[string]base{}, caches: map[string]*compare.Cache{}, databases: map[string]DatabaseOrigin{}, trees: map[string]*compare.Tree{}}
		o.ctx, o.cancel = context.WithCancel(a.ctx)
		a.origins[q.Account] = o
	}
	id := a.host.Identity()
	return &providers.Origin{Agent: id.Agent, Machine: id.Machine, Account: q.Account, Term: q.Term, Credential: o.credential}, nil
}

// session finds the origin state that a caller has the credential for.
func (a *Agent) session(ctx context.Context, account string, term uint64) (*originState, error) {
	a.mu.Lock()
	o := a.origins[account]
	a.mu.Unlock()
	if o == nil || o.term != term || subtle.ConstantTimeCompare([]byte(o.credential), []byte(credentialOf(ctx))) != 1 {
		return nil, fmt.Errorf("%w: account %s is not open for pulling with this credential; the agent may have been started again: begin the pass again",
			providers.ErrTemporary, schema.QuoteName(account))
	}
	if err := a.keeper.CheckTerm(term); err != nil {
		return nil, refused(err)
	}
	return o, nil
}

// use locks the session for one operation and ends that operation with the session.
func (o *originState) use(ctx context.Context) (context.Context, func(), error) {
	o.mu.Lock()
	if o.ended {
		o.mu.Unlock()
		return nil, nil, fmt.Errorf("%w: the origin's session has ended: begin the pass again", providers.ErrTemporary)
	}
	o.used = time.Now()
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(o.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
		o.used = time.Now()
		o.mu.Unlock()
	}, nil
}

// end stops what runs and closes what is open.
func (o *originState) end() {
	o.cancel()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	for name, d := range o.databases {
		_ = d.Close() // it only reads
		delete(o.databases, name)
	}
}

func (a *Agent) closeOrigin(_ context.Context, q *accountRequest) (*nothing, error) {
	a.endOriginSession(q.Account)
	return &nothing{}, nil
}

func (a *Agent) endOriginSession(account string) {
	a.mu.Lock()
	o := a.origins[account]
	delete(a.origins, account)
	a.mu.Unlock()
	if o != nil {
		o.end()
	}
}

// abandonSession ends a session without waiting for what it has under way.
func (a *Agent) abandonSession(account string) {
	a.mu.Lock()
	o := a.origins[account]
	delete(a.origins, account)
	a.mu.Unlock()
	if o != nil {
		o.cancel()
		a.work.Go(o.end)
	}
}

// closeSessions ends the session of one account, or all with "".
func (a *Agent) closeSessions(account string) {
	a.mu.Lock()
	var names []string
	for n := range a.origins {
		if account == "" || n == account {
			names = append(names, n)
		}
	}
	a.mu.Unlock()
	for _, n := range names {
		a.endOriginSession(n)
	}
}

// closeSessionsBelow ends the sessions of runs that lost their claim.
func (a *Agent) closeSessionsBelow(term uint64) {
	a.mu.Lock()
	var old []string
	for n, o := range a.origins {
		if o.term < term {
			old = append(old, n)
		}
	}
	a.mu.Unlock()
	for _, n := range old {
		a.endOriginSession(n)
	}
}

// expireSessions ends sessions that nobody uses, unless the account is frozen:
// then the lease decides.
func (a *Agent) expireSessions() {
	a.mu.Lock()
	var old []string
	for n, o := range a.origins {
		if o.mu.TryLock() {
			if time.Since(o.used) > sessionIdle && len(o.databases) > 0 && a.keeper.Status(n).Record.State != ownership.Frozen {
				old = append(old, n)
			}
			o.mu.Unlock()
		}
	}
	a.mu.Unlock()
	for _, n := range old {
		a.endOriginSession(n)
	}
}

// copyOf returns what is remembered of a staged copy.
func (a *Agent) copyOf(account string) *copyState {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.copies[account]
	if c == nil {
		c = &copyState{bases: map[string]string{}, caches: map[string]*compare.Cache{}, databases: map[string]DatabaseCopy{}, equal: map[providers.Token]string{}}
		a.copies[account] = c
	}
	return c
}

// forgetCopy drops what was remembered once the copy is no copy any more.
func (a *Agent) forgetCopy(account string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.copies, account)
}

// frozenFor checks that the account stands still for exactly this token.
func (a *Agent) frozenFor(account string, t providers.Token) error {
	s := a.keeper.Status(account)
	if s.Record.State != ownership.Frozen || s.Record.Token != tokenOf(t) || !s.DoorsClosed {
		return fmt.Errorf("%w: account %s is not frozen for token %s", providers.ErrRefused, schema.QuoteName(account), tokenOf(t))
	}
	return nil
}

// syncPlace makes a copy durable: the file systems that hold its parts.
func syncPlace(p Place) error {
	return errors.Join(files.Sync(p.Files), files.Sync(p.Mail), files.Sync(p.Databases))
}

package providertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// patience bounds how long anything is waited for; nothing asserts a speed.
const patience = 60 * time.Second

// lease is long enough for a slow machine: only one test lets it lapse.
const lease = time.Minute

// Driver drives two servers as a run does, and fails its test where something
// is not as it has to be.
type Driver struct {
	t       *testing.T
	Ctx     context.Context
	w       World
	kind    providers.Kind
	Servers map[Side]providers.Server
	ID      map[Side]providers.Identity
	Term    uint64
	nonce   string
	n       uint64
}

// migration is the id under which a world's runs claim.
const migration = "migration-of-the-suite"

// Start makes a world, brings the transit server up and claims both.
func Start(t *testing.T, h Harness, accounts ...Account) *Driver {
	t.Helper()
	p := &Driver{t: t, w: h.World(t, accounts...), kind: h.Kind(), Servers: map[Side]providers.Server{}, ID: map[Side]providers.Identity{}}
	var cancel context.CancelFunc
	p.Ctx, cancel = context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	for _, side := range []Side{Source, Transit} {
		p.Open(side)
	}
	p.OK("provision", p.Servers[Transit].Abilities().Machine.Provision(p.Ctx, nil, p.w.Architecture()))
	p.identify()
	p.Claim("first")
	return p
}

// Open opens a server anew, as another process would.
func (p *Driver) Open(side Side) providers.Server {
	p.t.Helper()
	s, err := p.kind.Open(p.Ctx, p.w.Config(side), p.w.Env())
	if err != nil {
		p.t.Fatalf("open %s: %v", side, err)
	}
	p.t.Cleanup(func() { _ = s.Close() })
	p.Servers[side] = s
	return s
}

func (p *Driver) identify() {
	p.t.Helper()
	for _, side := range []Side{Source, Transit} {
		id, err := p.Owner(side).Identity(p.Ctx)
		p.OK("identity of "+string(side), err)
		p.ID[side] = id
	}
}

// Owner is a server's ownership ability; Copier, below, its copying one.
func (p *Driver) Owner(side Side) providers.Owner { return p.Servers[side].Abilities().Owner }

// Copier is what a server does for copies.
func (p *Driver) Copier(side Side) providers.Copier     { return p.Servers[side].Abilities().Copier }
func (p *Driver) machine(side Side) providers.Machine   { return p.Servers[side].Abilities().Machine }
func (p *Driver) keeper(side Side) providers.FactKeeper { return p.Servers[side].Abilities().Keeper }

// Claim makes this run the one that counts on both servers, with one term.
func (p *Driver) Claim(nonce string) {
	p.t.Helper()
	p.nonce = nonce
	term := uint64(0)
	for range 3 {
		for _, side := range []Side{Source, Transit} {
			c, err := p.Owner(side).Claim(p.Ctx, p.claimRequest(nonce, term))
			p.OK("claim "+string(side), err)
			term = max(term, c.Term)
		}
	}
	p.Term = term
}

func (p *Driver) claimRequest(nonce string, least uint64) providers.ClaimRequest {
	return providers.ClaimRequest{Migration: migration, Name: "suite", Nonce: nonce, Holder: "suite (" + nonce + ")", AtLeast: least}
}

// OK ends the test if something failed.
func (p *Driver) OK(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// Refused checks that an order was refused, for the wanted reason.
func (p *Driver) Refused(what string, err, want error) {
	p.t.Helper()
	if !errors.Is(err, want) {
		p.t.Errorf("%s: error %v, want one that is %q", what, err, want)
	}
}

// Token makes a token that was never used.
func (p *Driver) Token() providers.Token {
	p.n++
	return providers.Token{Term: p.Term, N: p.n}
}

// Peer is what the other side has to know of a server.
func (p *Driver) Peer(side Side, credential string) providers.Peer {
	id := p.ID[side]
	return providers.Peer{Machine: id.Machine, Agent: id.Agent, Front: id.Front, Credential: credential}
}

// Join lets both servers know each other for an account that from owns.
func (p *Driver) Join(account string, from Side, epoch uint64) {
	p.t.Helper()
	secret := rand.Text()
	for range 2 {
		p.OK("pair", p.Owner(from).Pair(p.Ctx, p.Term, account, epoch, p.Peer(from.Other(), secret)))
		p.OK("stage", p.Owner(from.Other()).Stage(p.Ctx, p.Term, account, epoch, p.Peer(from, secret)))
	}
}

// Origin opens an account for pulling.
func (p *Driver) Origin(account string, from Side) providers.Origin {
	p.t.Helper()
	o, err := p.Copier(from).Origin(p.Ctx, p.Term, account)
	p.OK("origin", err)
	return o
}

func parts() []string { return []string{"files", "mail", "databases"} }

// Pull brings all parts of the copy up to date.
func (p *Driver) Pull(account string, from Side, pass providers.Pass, t providers.Token) {
	p.t.Helper()
	o := p.Origin(account, from)
	for _, part := range parts() {
		_, err := p.Copier(from.Other()).Pull(p.Ctx, providers.PullRequest{Origin: o, Term: p.Term, Part: part, Pass: pass, Token: t}, nil)
		p.OK(fmt.Sprintf("%s pull of %s", pass, part), err)
	}
}

// Freeze holds an account still for a token.
func (p *Driver) Freeze(account string, from Side, epoch uint64, t providers.Token) {
	p.t.Helper()
	_, err := p.Owner(from).Freeze(p.Ctx, p.FreezeRequest(account, from, epoch, t))
	p.OK("freeze", err)
}

// FreezeRequest is a freeze with a lease that outlasts the test.
func (p *Driver) FreezeRequest(account string, from Side, epoch uint64, t providers.Token) providers.FreezeRequest {
	return providers.FreezeRequest{Term: p.Term, Account: account, Token: t, Machine: p.ID[from].Machine, Epoch: epoch, Lease: lease}
}

// Prepare brings an account from staged to prepared and returns what a commit needs.
func (p *Driver) Prepare(account string, from Side, epoch uint64) (providers.Token, providers.Receipt) {
	p.t.Helper()
	t := p.Token()
	p.Pull(account, from, providers.PassWarm, providers.Token{})
	p.Freeze(account, from, epoch, t)
	p.Pull(account, from, providers.PassFinal, t)
	c, err := p.Copier(from.Other()).Compare(p.Ctx, p.Origin(account, from), p.Term, t)
	p.OK("compare", err)
	if !c.Equal {
		p.t.Fatalf("compare: the copy of %q differs: %q", account, c.Differences)
	}
	r, err := p.Owner(from.Other()).PrepareCopy(p.Ctx, p.Term, account, t, c.Digest)
	p.OK("prepare", err)
	return t, r
}

// Cut switches a paired account from a server to the other.
func (p *Driver) Cut(account string, from Side, epoch uint64) {
	p.t.Helper()
	t, r := p.Prepare(account, from, epoch)
	p.OK("commit", p.Owner(from).Commit(p.Ctx, p.Term, account, t, r))
	p.Settle(account, from, epoch+1, t)
}

// Settle activates what was committed and lets the origin know.
func (p *Driver) Settle(account string, from Side, epoch uint64, t providers.Token) {
	p.t.Helper()
	var a providers.Activation
	p.Eventually(func() bool {
		var err error
		a, err = p.Owner(from.Other()).Activate(p.Ctx, account, t)
		p.OK("activate", err)
		return a.State != schema.StatePrepared // the origin may just be coming up
	}, func() string { return fmt.Sprintf("activate %q: %+v", account, a) })
	if a.State != schema.StateActive || a.Epoch != epoch {
		p.t.Fatalf("activate %q: %+v, want active at epoch %d", account, a, epoch)
	}
	var err error
	p.Eventually(func() bool {
		err = p.Owner(from).Confirm(p.Ctx, account, epoch)
		return !errors.Is(err, providers.ErrUnreachable) && !errors.Is(err, providers.ErrTemporary)
	}, func() string { return fmt.Sprintf("confirm %q: %v", account, err) })
	p.OK("confirm", err)
	p.State(from, account, schema.StateMoved, epoch)
}

// Move joins and cuts.
func (p *Driver) Move(account string, from Side, epoch uint64) {
	p.t.Helper()
	p.Join(account, from, epoch)
	p.Cut(account, from, epoch)
}

// State checks what a server's record says.
func (p *Driver) State(side Side, account, state string, epoch uint64) schema.Ownership {
	p.t.Helper()
	o, err := p.Owner(side).Status(p.Ctx, account)
	p.OK("status", err)
	if o.State != state || o.Epoch != epoch {
		p.t.Errorf("%q on %s is %s(%d), want %s(%d); %s", account, side, o.State, o.Epoch, state, epoch, o.Blocker)
	}
	return o
}

// Await waits until a server's record says something.
func (p *Driver) Await(side Side, account, what string, is func(schema.Ownership) bool) {
	p.t.Helper()
	var o schema.Ownership
	var err error
	p.Eventually(func() bool {
		o, err = p.Owner(side).Status(p.Ctx, account)
		return err == nil && is(o)
	}, func() string { return fmt.Sprintf("%q on %s is %+v (%v), want %s", account, side, o, err, what) })
}

func (p *Driver) awaitState(side Side, account, state string) {
	p.t.Helper()
	p.Await(side, account, state, func(o schema.Ownership) bool { return o.State == state })
}

// Eventually waits until something is so; why says what is not.
func (p *Driver) Eventually(is func() bool, why func() string) {
	p.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal(why())
		}
	}
}

// Get asks a server's own front for the start page of a domain.
func (p *Driver) Get(side Side, domain string) (int, string, error) {
	ctx, cancel := context.WithTimeout(p.Ctx, 2*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.ID[side].HTTP+"/", nil)
	if err != nil {
		return 0, "", err
	}
	q.Host = domain
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := c.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, 1<<20))
	return a.StatusCode, string(b), err
}

// Answers waits until a server's front shows the account's start page, itself
// or through its peer.
func (p *Driver) Answers(side Side, domain string) {
	p.t.Helper()
	var status int
	var body string
	var err error
	p.Eventually(func() bool {
		status, body, err = p.Get(side, domain)
		return err == nil && status == http.StatusOK && strings.Contains(body, domain)
	}, func() string { return fmt.Sprintf("%s for %s: %d %q %v", side, domain, status, body, err) })
}

// same compares an account's files and mail on both sides, byte by byte, and
// the rows of its databases with those that are wanted.
func (p *Driver) same(account string, want, have [2]map[string]string) {
	p.t.Helper()
	for i, part := range []string{"files", "mail"} {
		for _, d := range TreeDiff(want[i], have[i]) {
			p.t.Errorf("%s of %q: %s", part, account, d)
		}
	}
}

// trees reads an account's files and mail.
func (p *Driver) trees(side Side, account string) (out [2]map[string]string) {
	p.t.Helper()
	home, mail := p.w.Place(side, account)
	for i, dir := range []string{home, mail} {
		tree, err := Tree(dir)
		p.OK("read "+dir, err)
		out[i] = tree
	}
	return out
}

// Restarted opens a side anew after a process died: what a new run does.
func (p *Driver) Restarted(side Side) {
	p.t.Helper()
	p.w.Start(side)
	_ = p.Servers[side].Close()
	p.Open(side)
}

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

// pair drives two servers as a run does.
type pair struct {
	t     *testing.T
	ctx   context.Context
	w     World
	kind  providers.Kind
	s     map[Side]providers.Server
	id    map[Side]providers.Identity
	term  uint64
	nonce string
	n     uint64
}

// migration is the id under which a world's runs claim.
const migration = "migration-of-the-suite"

// start makes a world, brings the transit server up and claims both.
func start(t *testing.T, h Harness, accounts ...Account) *pair {
	t.Helper()
	p := &pair{t: t, w: h.World(t, accounts...), kind: h.Kind(), s: map[Side]providers.Server{}, id: map[Side]providers.Identity{}}
	var cancel context.CancelFunc
	p.ctx, cancel = context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	for _, side := range []Side{Source, Transit} {
		p.open(side)
	}
	p.ok("provision", p.s[Transit].Abilities().Machine.Provision(p.ctx, nil, p.w.Architecture()))
	p.identify()
	p.claim("first")
	return p
}

// open opens a server anew, as another process would.
func (p *pair) open(side Side) providers.Server {
	p.t.Helper()
	s, err := p.kind.Open(p.ctx, p.w.Config(side), p.w.Env())
	if err != nil {
		p.t.Fatalf("open %s: %v", side, err)
	}
	p.t.Cleanup(func() { _ = s.Close() })
	p.s[side] = s
	return s
}

func (p *pair) identify() {
	p.t.Helper()
	for _, side := range []Side{Source, Transit} {
		id, err := p.owner(side).Identity(p.ctx)
		p.ok("identity of "+string(side), err)
		p.id[side] = id
	}
}

func (p *pair) owner(side Side) providers.Owner       { return p.s[side].Abilities().Owner }
func (p *pair) copier(side Side) providers.Copier     { return p.s[side].Abilities().Copier }
func (p *pair) machine(side Side) providers.Machine   { return p.s[side].Abilities().Machine }
func (p *pair) keeper(side Side) providers.FactKeeper { return p.s[side].Abilities().Keeper }

// claim makes this run the one that counts on both servers, with one term.
func (p *pair) claim(nonce string) {
	p.t.Helper()
	p.nonce = nonce
	term := uint64(0)
	for range 3 {
		for _, side := range []Side{Source, Transit} {
			c, err := p.owner(side).Claim(p.ctx, p.claimRequest(nonce, term))
			p.ok("claim "+string(side), err)
			term = max(term, c.Term)
		}
	}
	p.term = term
}

func (p *pair) claimRequest(nonce string, least uint64) providers.ClaimRequest {
	return providers.ClaimRequest{Migration: migration, Name: "suite", Nonce: nonce, Holder: "suite (" + nonce + ")", AtLeast: least}
}

func (p *pair) ok(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// refused checks that an order was refused, for the wanted reason.
func (p *pair) refused(what string, err, want error) {
	p.t.Helper()
	if !errors.Is(err, want) {
		p.t.Errorf("%s: error %v, want one that is %q", what, err, want)
	}
}

func (p *pair) token() providers.Token {
	p.n++
	return providers.Token{Term: p.term, N: p.n}
}

func (p *pair) peer(side Side, credential string) providers.Peer {
	id := p.id[side]
	return providers.Peer{Machine: id.Machine, Agent: id.Agent, Front: id.Front, Credential: credential}
}

// pair lets both servers know each other for an account that from owns.
func (p *pair) pair(account string, from Side, epoch uint64) {
	p.t.Helper()
	secret := rand.Text()
	for range 2 {
		p.ok("pair", p.owner(from).Pair(p.ctx, p.term, account, epoch, p.peer(from.Other(), secret)))
		p.ok("stage", p.owner(from.Other()).Stage(p.ctx, p.term, account, epoch, p.peer(from, secret)))
	}
}

func (p *pair) origin(account string, from Side) providers.Origin {
	p.t.Helper()
	o, err := p.copier(from).Origin(p.ctx, p.term, account)
	p.ok("origin", err)
	return o
}

func parts() []string { return []string{"files", "mail", "databases"} }

// pull brings all parts of the copy up to date.
func (p *pair) pull(account string, from Side, pass providers.Pass, t providers.Token) {
	p.t.Helper()
	o := p.origin(account, from)
	for _, part := range parts() {
		_, err := p.copier(from.Other()).Pull(p.ctx, providers.PullRequest{Origin: o, Term: p.term, Part: part, Pass: pass, Token: t}, nil)
		p.ok(fmt.Sprintf("%s pull of %s", pass, part), err)
	}
}

func (p *pair) freeze(account string, from Side, epoch uint64, t providers.Token) {
	p.t.Helper()
	_, err := p.owner(from).Freeze(p.ctx, p.freezeRequest(account, from, epoch, t))
	p.ok("freeze", err)
}

func (p *pair) freezeRequest(account string, from Side, epoch uint64, t providers.Token) providers.FreezeRequest {
	return providers.FreezeRequest{Term: p.term, Account: account, Token: t, Machine: p.id[from].Machine, Epoch: epoch, Lease: lease}
}

// prepare brings an account from staged to prepared and returns what a commit needs.
func (p *pair) prepare(account string, from Side, epoch uint64) (providers.Token, providers.Receipt) {
	p.t.Helper()
	t := p.token()
	p.pull(account, from, providers.PassWarm, providers.Token{})
	p.freeze(account, from, epoch, t)
	p.pull(account, from, providers.PassFinal, t)
	c, err := p.copier(from.Other()).Compare(p.ctx, p.origin(account, from), p.term, t)
	p.ok("compare", err)
	if !c.Equal {
		p.t.Fatalf("compare: the copy of %q differs: %q", account, c.Differences)
	}
	r, err := p.owner(from.Other()).PrepareCopy(p.ctx, p.term, account, t, c.Digest)
	p.ok("prepare", err)
	return t, r
}

// cut switches a paired account from a server to the other.
func (p *pair) cut(account string, from Side, epoch uint64) {
	p.t.Helper()
	t, r := p.prepare(account, from, epoch)
	p.ok("commit", p.owner(from).Commit(p.ctx, p.term, account, t, r))
	p.settle(account, from, epoch+1, t)
}

// settle activates what was committed and lets the origin know.
func (p *pair) settle(account string, from Side, epoch uint64, t providers.Token) {
	p.t.Helper()
	a, err := p.owner(from.Other()).Activate(p.ctx, account, t)
	p.ok("activate", err)
	if a.State != schema.StateActive || a.Epoch != epoch {
		p.t.Fatalf("activate %q: %+v, want active at epoch %d", account, a, epoch)
	}
	p.ok("confirm", p.owner(from).Confirm(p.ctx, account, epoch))
	p.state(from, account, schema.StateMoved, epoch)
}

// move pairs and cuts.
func (p *pair) move(account string, from Side, epoch uint64) {
	p.t.Helper()
	p.pair(account, from, epoch)
	p.cut(account, from, epoch)
}

// state checks what a server's record says.
func (p *pair) state(side Side, account, state string, epoch uint64) schema.Ownership {
	p.t.Helper()
	o, err := p.owner(side).Status(p.ctx, account)
	p.ok("status", err)
	if o.State != state || o.Epoch != epoch {
		p.t.Errorf("%q on %s is %s(%d), want %s(%d); %s", account, side, o.State, o.Epoch, state, epoch, o.Blocker)
	}
	return o
}

// await waits until a server's record says something.
func (p *pair) await(side Side, account, what string, is func(schema.Ownership) bool) {
	p.t.Helper()
	var o schema.Ownership
	var err error
	p.eventually(func() bool {
		o, err = p.owner(side).Status(p.ctx, account)
		return err == nil && is(o)
	}, func() string { return fmt.Sprintf("%q on %s is %+v (%v), want %s", account, side, o, err, what) })
}

func (p *pair) awaitState(side Side, account, state string) {
	p.t.Helper()
	p.await(side, account, state, func(o schema.Ownership) bool { return o.State == state })
}

func (p *pair) eventually(is func() bool, why func() string) {
	p.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal(why())
		}
	}
}

// get asks a server's own front for the start page of a domain.
func (p *pair) get(side Side, domain string) (int, string, error) {
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.id[side].HTTP+"/", nil)
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

// answers waits until a server's front shows the account's start page, itself
// or through its peer.
func (p *pair) answers(side Side, domain string) {
	p.t.Helper()
	var status int
	var body string
	var err error
	p.eventually(func() bool {
		status, body, err = p.get(side, domain)
		return err == nil && status == http.StatusOK && strings.Contains(body, domain)
	}, func() string { return fmt.Sprintf("%s for %s: %d %q %v", side, domain, status, body, err) })
}

// same compares an account's files and mail on both sides, byte by byte, and
// the rows of its databases with those that are wanted.
func (p *pair) same(account string, want, have [2]map[string]string) {
	p.t.Helper()
	for i, part := range []string{"files", "mail"} {
		for _, d := range TreeDiff(want[i], have[i]) {
			p.t.Errorf("%s of %q: %s", part, account, d)
		}
	}
}

// trees reads an account's files and mail.
func (p *pair) trees(side Side, account string) (out [2]map[string]string) {
	p.t.Helper()
	home, mail := p.w.Place(side, account)
	for i, dir := range []string{home, mail} {
		tree, err := Tree(dir)
		p.ok("read "+dir, err)
		out[i] = tree
	}
	return out
}

// restarted opens both sides anew after a process died: what a new run does.
func (p *pair) restarted(side Side) {
	p.t.Helper()
	p.w.Start(side)
	_ = p.s[side].Close()
	p.open(side)
}

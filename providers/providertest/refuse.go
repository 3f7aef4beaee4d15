package providertest

import (
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// testRefusals: orders meant for another token, epoch, machine or state do nothing.
func testRefusals(t *testing.T, h Harness) {
	p := start(t, h, Account{Name: "shop", Domain: "shop.example", Databases: []string{"main"}}, Account{Name: "calm"})
	p.pair("shop", Source, 0)
	p.refusedFreezes()
	p.refusedStages()
	o := p.origin("shop", Source)
	pull := func(part string, o providers.Origin, pass providers.Pass, token providers.Token) error {
		_, err := p.copier(Transit).Pull(p.ctx, providers.PullRequest{Origin: o, Term: p.term, Part: part, Pass: pass, Token: token}, nil)
		return err
	}
	p.refused("a final pass without a freeze", pull("files", o, providers.PassFinal, p.token()), providers.ErrRefused)
	wrong := o
	wrong.Credential = "guessed"
	if err := pull("files", wrong, providers.PassBulk, providers.Token{}); err == nil {
		t.Error("an origin gave data for a wrong credential")
	}
	if err := pull("nothing", o, providers.PassBulk, providers.Token{}); err == nil {
		t.Error("a part that does not exist was pulled")
	}
	unmanaged := o
	unmanaged.Account = "calm"
	p.refused("a pull into what is no staged copy", pull("files", unmanaged, providers.PassBulk, providers.Token{}), providers.ErrRefused)

	token, receipt := p.prepare("shop", Source, 0)
	p.refused("a pull into a prepared copy", pull("files", o, providers.PassBulk, providers.Token{}), providers.ErrRefused)
	_, err := p.owner(Transit).PrepareCopy(p.ctx, p.term, "shop", token, "sha256:another")
	p.refused("a second prepare with another digest", err, providers.ErrRefused)
	_, err = p.owner(Transit).PrepareCopy(p.ctx, p.term, "shop", p.token(), receipt.Digest)
	p.refused("a second prepare with another token", err, providers.ErrRefused)
	p.refusedCommits(token, receipt)
	p.voided(token, receipt)
	p.answers(Source, "shop.example")
	p.cut("shop", Source, 0) // and it all still works
	p.answers(Transit, "shop.example")
}

func (p *pair) refusedFreezes() {
	p.t.Helper()
	for name, edit := range map[string]func(*providers.FreezeRequest){
		"another machine":    func(r *providers.FreezeRequest) { r.Machine = p.id[Transit].Machine },
		"another epoch":      func(r *providers.FreezeRequest) { r.Epoch = 1 },
		"another term":       func(r *providers.FreezeRequest) { r.Token.Term++ },
		"no token":           func(r *providers.FreezeRequest) { r.Token = providers.Token{} },
		"no lease":           func(r *providers.FreezeRequest) { r.Lease = 0 },
		"an endless lease":   func(r *providers.FreezeRequest) { r.Lease = 1000 * time.Hour },
		"an unpaired one":    func(r *providers.FreezeRequest) { r.Account = "calm" },
		"one that is absent": func(r *providers.FreezeRequest) { r.Account = "nobody" },
	} {
		r := p.freezeRequest("shop", Source, 0, p.token())
		edit(&r)
		_, err := p.owner(Source).Freeze(p.ctx, r)
		p.refused("freeze for "+name, err, providers.ErrRefused)
	}
	p.state(Source, "shop", schema.StateActive, 0)
	p.answers(Source, "shop.example")
}

func (p *pair) refusedStages() {
	p.t.Helper()
	self, other := p.peer(Transit, "secret"), p.peer(Source, "secret")
	p.refused("stage with itself", p.owner(Transit).Stage(p.ctx, p.term, "calm", 0, self), providers.ErrRefused)
	p.refused("stage without a credential", p.owner(Transit).Stage(p.ctx, p.term, "calm", 0, p.peer(Source, "")), providers.ErrRefused)
	p.refused("stage over an account that lives there", p.owner(Source).Stage(p.ctx, p.term, "calm", 0, p.peer(Transit, "secret")), providers.ErrRefused)
	p.refused("pair at another epoch", p.owner(Source).Pair(p.ctx, p.term, "calm", 7, self), providers.ErrRefused)
	p.refused("pair of what is not there", p.owner(Source).Pair(p.ctx, p.term, "nobody", 0, self), providers.ErrRefused)
	p.refused("pair of a copy", p.owner(Transit).Pair(p.ctx, p.term, "shop", 0, other), providers.ErrRefused)
	_, err := p.copier(Transit).Origin(p.ctx, p.term, "shop")
	p.refused("a copy as origin", err, providers.ErrRefused)
	_, err = p.owner(Transit).PrepareCopy(p.ctx, p.term, "shop", providers.Token{Term: p.term - 1, N: 1}, "sha256:")
	p.refused("prepare with a token of another term", err, providers.ErrRefused)
}

// refusedCommits: everything but the receiver's own receipt.
func (p *pair) refusedCommits(token providers.Token, good providers.Receipt) {
	p.t.Helper()
	for name, edit := range map[string]func(*providers.Receipt, *providers.Token){
		"another token":         func(_ *providers.Receipt, t *providers.Token) { t.N += 100 },
		"another receipt token": func(r *providers.Receipt, _ *providers.Token) { r.Token.N += 100 },
		"another digest":        func(r *providers.Receipt, _ *providers.Token) { r.Digest = "sha256:forged" },
		"another epoch":         func(r *providers.Receipt, _ *providers.Token) { r.Epoch++ },
		"another machine":       func(r *providers.Receipt, _ *providers.Token) { r.Machine = p.id[Source].Machine },
		"another account":       func(r *providers.Receipt, _ *providers.Token) { r.Account = "calm" },
		"a forged signature":    func(r *providers.Receipt, _ *providers.Token) { r.MAC = make([]byte, 32) },
		"no signature":          func(r *providers.Receipt, _ *providers.Token) { r.MAC = nil },
		"an empty receipt":      func(r *providers.Receipt, _ *providers.Token) { *r = providers.Receipt{} },
		"no token at all":       func(_ *providers.Receipt, t *providers.Token) { *t = providers.Token{} },
	} {
		r, t := good, token
		edit(&r, &t)
		p.refused("commit with "+name, p.owner(Source).Commit(p.ctx, p.term, "shop", t, r), providers.ErrRefused)
	}
	p.state(Source, "shop", schema.StateFrozen, 0)
	p.state(Transit, "shop", schema.StatePrepared, 1)
	// While the origin is frozen it has said nothing: the copy stays closed.
	a, err := p.owner(Transit).Activate(p.ctx, "shop", token)
	p.ok("activate", err)
	if a.State != schema.StatePrepared {
		p.t.Errorf("activate before the commit: %+v", a)
	}
}

// voided: a token that was thawed is void for good, everywhere.
func (p *pair) voided(token providers.Token, receipt providers.Receipt) {
	p.t.Helper()
	other := token
	other.N += 100
	p.refused("thaw with another token", p.owner(Source).Thaw(p.ctx, "shop", other, "mistaken"), providers.ErrRefused)
	p.twice("thaw", func() error { return p.owner(Source).Thaw(p.ctx, "shop", token, "the test wants it") })
	p.refused("commit of a void token", p.owner(Source).Commit(p.ctx, p.term, "shop", token, receipt), providers.ErrRefused)
	p.refused("renew of a void token", p.owner(Source).Renew(p.ctx, p.term, "shop", token), providers.ErrRefused)
	_, err := p.owner(Source).Freeze(p.ctx, p.freezeRequest("shop", Source, 0, token))
	p.refused("freeze with a void token", err, providers.ErrRefused)
	a, err := p.owner(Transit).Activate(p.ctx, "shop", token)
	p.ok("activate", err)
	if a.State != schema.StateStaged {
		p.t.Errorf("activate of a void token: %+v", a)
	}
	_, err = p.owner(Transit).PrepareCopy(p.ctx, p.term, "shop", token, receipt.Digest)
	p.refused("prepare with a void token", err, providers.ErrRefused)
	p.state(Source, "shop", schema.StateActive, 0)
	p.state(Transit, "shop", schema.StateStaged, 0)
}

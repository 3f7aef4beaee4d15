package providertest

import (
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// testRefusals: orders meant for another token, epoch, machine or state do nothing.
func testRefusals(t *testing.T, h Harness) {
	p := Start(t, h, Account{Name: "shop", Domain: "shop.example", Databases: []string{"main"}}, Account{Name: "calm"})
	p.Join("shop", Source, 0)
	p.refusedFreezes()
	p.refusedStages()
	o := p.Origin("shop", Source)
	pull := func(part string, o providers.Origin, pass providers.Pass, token providers.Token) error {
		_, err := p.Copier(Transit).Pull(p.Ctx, providers.PullRequest{Origin: o, Term: p.Term, Part: part, Pass: pass, Token: token}, nil)
		return err
	}
	p.Refused("a final pass without a freeze", pull("files", o, providers.PassFinal, p.Token()), providers.ErrRefused)
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
	p.Refused("a pull into what is no staged copy", pull("files", unmanaged, providers.PassBulk, providers.Token{}), providers.ErrRefused)

	token, receipt := p.Prepare("shop", Source, 0)
	p.Refused("a pull into a prepared copy", pull("files", o, providers.PassBulk, providers.Token{}), providers.ErrRefused)
	_, err := p.Owner(Transit).PrepareCopy(p.Ctx, p.Term, "shop", token, "sha256:another")
	p.Refused("a second prepare with another digest", err, providers.ErrRefused)
	_, err = p.Owner(Transit).PrepareCopy(p.Ctx, p.Term, "shop", p.Token(), receipt.Digest)
	p.Refused("a second prepare with another token", err, providers.ErrRefused)
	p.refusedCommits(token, receipt)
	p.voided(token, receipt)
	p.Answers(Source, "shop.example")
	p.Cut("shop", Source, 0) // and it all still works
	p.Answers(Transit, "shop.example")
}

func (p *Driver) refusedFreezes() {
	p.t.Helper()
	for name, edit := range map[string]func(*providers.FreezeRequest){
		"another machine":    func(r *providers.FreezeRequest) { r.Machine = p.ID[Transit].Machine },
		"another epoch":      func(r *providers.FreezeRequest) { r.Epoch = 1 },
		"another term":       func(r *providers.FreezeRequest) { r.Token.Term++ },
		"no token":           func(r *providers.FreezeRequest) { r.Token = providers.Token{} },
		"no lease":           func(r *providers.FreezeRequest) { r.Lease = 0 },
		"an endless lease":   func(r *providers.FreezeRequest) { r.Lease = 1000 * time.Hour },
		"an unpaired one":    func(r *providers.FreezeRequest) { r.Account = "calm" },
		"one that is absent": func(r *providers.FreezeRequest) { r.Account = "nobody" },
	} {
		r := p.FreezeRequest("shop", Source, 0, p.Token())
		edit(&r)
		_, err := p.Owner(Source).Freeze(p.Ctx, r)
		p.Refused("freeze for "+name, err, providers.ErrRefused)
	}
	p.State(Source, "shop", schema.StateActive, 0)
	p.Answers(Source, "shop.example")
}

func (p *Driver) refusedStages() {
	p.t.Helper()
	self, other := p.Peer(Transit, "secret"), p.Peer(Source, "secret")
	p.Refused("stage with itself", p.Owner(Transit).Stage(p.Ctx, p.Term, "calm", 0, self), providers.ErrRefused)
	p.Refused("stage without a credential", p.Owner(Transit).Stage(p.Ctx, p.Term, "calm", 0, p.Peer(Source, "")), providers.ErrRefused)
	p.Refused("stage over an account that lives there", p.Owner(Source).Stage(p.Ctx, p.Term, "calm", 0, p.Peer(Transit, "secret")), providers.ErrRefused)
	p.Refused("pair at another epoch", p.Owner(Source).Pair(p.Ctx, p.Term, "calm", 7, self), providers.ErrRefused)
	p.Refused("pair of what is not there", p.Owner(Source).Pair(p.Ctx, p.Term, "nobody", 0, self), providers.ErrRefused)
	p.Refused("pair of a copy", p.Owner(Transit).Pair(p.Ctx, p.Term, "shop", 0, other), providers.ErrRefused)
	_, err := p.Copier(Transit).Origin(p.Ctx, p.Term, "shop")
	p.Refused("a copy as origin", err, providers.ErrRefused)
	_, err = p.Owner(Transit).PrepareCopy(p.Ctx, p.Term, "shop", providers.Token{Term: p.Term - 1, N: 1}, "sha256:")
	p.Refused("prepare with a token of another term", err, providers.ErrRefused)
}

// refusedCommits: everything but the receiver's own receipt.
func (p *Driver) refusedCommits(token providers.Token, good providers.Receipt) {
	p.t.Helper()
	for name, edit := range map[string]func(*providers.Receipt, *providers.Token){
		"another token":         func(_ *providers.Receipt, t *providers.Token) { t.N += 100 },
		"another receipt token": func(r *providers.Receipt, _ *providers.Token) { r.Token.N += 100 },
		"another digest":        func(r *providers.Receipt, _ *providers.Token) { r.Digest = "sha256:forged" },
		"another epoch":         func(r *providers.Receipt, _ *providers.Token) { r.Epoch++ },
		"another machine":       func(r *providers.Receipt, _ *providers.Token) { r.Machine = p.ID[Source].Machine },
		"another account":       func(r *providers.Receipt, _ *providers.Token) { r.Account = "calm" },
		"a forged signature":    func(r *providers.Receipt, _ *providers.Token) { r.MAC = make([]byte, 32) },
		"no signature":          func(r *providers.Receipt, _ *providers.Token) { r.MAC = nil },
		"an empty receipt":      func(r *providers.Receipt, _ *providers.Token) { *r = providers.Receipt{} },
		"no token at all":       func(_ *providers.Receipt, t *providers.Token) { *t = providers.Token{} },
	} {
		r, t := good, token
		edit(&r, &t)
		p.Refused("commit with "+name, p.Owner(Source).Commit(p.Ctx, p.Term, "shop", t, r), providers.ErrRefused)
	}
	p.State(Source, "shop", schema.StateFrozen, 0)
	p.State(Transit, "shop", schema.StatePrepared, 1)
	// While the origin is frozen it has said nothing: the copy stays closed.
	a, err := p.Owner(Transit).Activate(p.Ctx, "shop", token)
	p.OK("activate", err)
	if a.State != schema.StatePrepared {
		p.t.Errorf("activate before the commit: %+v", a)
	}
}

// voided: a token that was thawed is void for good, everywhere.
func (p *Driver) voided(token providers.Token, receipt providers.Receipt) {
	p.t.Helper()
	other := token
	other.N += 100
	p.Refused("thaw with another token", p.Owner(Source).Thaw(p.Ctx, "shop", other, "mistaken"), providers.ErrRefused)
	p.twice("thaw", func() error { return p.Owner(Source).Thaw(p.Ctx, "shop", token, "the test wants it") })
	p.Refused("commit of a void token", p.Owner(Source).Commit(p.Ctx, p.Term, "shop", token, receipt), providers.ErrRefused)
	p.Refused("renew of a void token", p.Owner(Source).Renew(p.Ctx, p.Term, "shop", token), providers.ErrRefused)
	_, err := p.Owner(Source).Freeze(p.Ctx, p.FreezeRequest("shop", Source, 0, token))
	p.Refused("freeze with a void token", err, providers.ErrRefused)
	a, err := p.Owner(Transit).Activate(p.Ctx, "shop", token)
	p.OK("activate", err)
	if a.State != schema.StateStaged {
		p.t.Errorf("activate of a void token: %+v", a)
	}
	_, err = p.Owner(Transit).PrepareCopy(p.Ctx, p.Term, "shop", token, receipt.Digest)
	p.Refused("prepare with a void token", err, providers.ErrRefused)
	p.State(Source, "shop", schema.StateActive, 0)
	p.State(Transit, "shop", schema.StateStaged, 0)
}

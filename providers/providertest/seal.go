package providertest

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

func (p *pair) seal(epochs map[string]uint64) (uint64, error) {
	return p.owner(Source).Seal(p.ctx, p.term, p.id[Source].Machine, epochs)
}

func (p *pair) noSeal(why string, epochs map[string]uint64) {
	p.t.Helper()
	_, err := p.seal(epochs)
	p.refused("seal with "+why, err, providers.ErrRefused)
}

// testSeal: a server is sealed only when nothing lives on it, for certain.
func testSeal(t *testing.T, h Harness) {
	p := start(t, h, shop(), Account{Name: "calm", Domain: "calm.example"})
	home, gone := map[string]uint64{"shop": 0, "calm": 0}, map[string]uint64{"shop": 1, "calm": 1}
	p.noSeal("unmanaged accounts", home)
	p.move("calm", Source, 0)
	p.noSeal("an unmanaged account", map[string]uint64{"shop": 0, "calm": 1})
	p.pair("shop", Source, 0)
	p.noSeal("an active account", map[string]uint64{"shop": 0, "calm": 1})
	token, receipt := p.prepare("shop", Source, 0)
	p.noSeal("a frozen account", map[string]uint64{"shop": 0, "calm": 1})
	p.w.Kill(Transit) // so that nobody can confirm
	p.ok("commit", p.owner(Source).Commit(p.ctx, p.term, "shop", token, receipt))
	p.noSeal("an unconfirmed account", gone)
	p.restarted(Transit)
	p.settle("shop", Source, 1, token)
	p.noSeal("a forgotten account", map[string]uint64{"shop": 1})
	p.noSeal("an old epoch", map[string]uint64{"shop": 0, "calm": 1})
	p.noSeal("an account that nobody knows", map[string]uint64{"shop": 1, "calm": 1, "nobody": 0})
	_, err := p.owner(Source).Seal(p.ctx, p.term, p.id[Transit].Machine, gone)
	p.refused("seal for another machine", err, providers.ErrRefused)
	litter := p.w.Litter(Source, "litter", "x")
	p.noSeal("residue", gone)
	_, err = p.s[Source].Abilities().Disposer.DisposeResidue(p.ctx, p.term, litter, "discard")
	p.ok("discard", err)
	n := twice(p, "seal", func() (uint64, error) { return p.seal(gone) })
	p.sealed(n)
	p.refused("unseal of another number", p.owner(Source).Unseal(p.ctx, p.term, n+1), providers.ErrRefused)
	p.twice("unseal", func() error { return p.owner(Source).Unseal(p.ctx, p.term, n) })
	p.move("shop", Transit, 1) // a rollback is possible again
	p.noSeal("an account that came back", map[string]uint64{"shop": 2, "calm": 1})
}

// sealed: what a sealed server refuses, and what orders against it do nothing.
func (p *pair) sealed(n uint64) {
	p.t.Helper()
	f, err := p.s[Source].Survey(p.ctx, providers.SurveyOptions{})
	p.ok("survey", err)
	if f.Seal == nil || f.Seal.Number != n {
		p.t.Errorf("the survey says seal %+v, want %d", f.Seal, n)
	}
	p.refused("stage on a sealed server", p.owner(Source).Stage(p.ctx, p.term, "shop", 1, p.peer(Transit, "secret")), providers.ErrRefused)
	src, dst, arch := p.machine(Source), p.machine(Transit), p.w.Architecture()
	before := p.snapshots()
	p.refused("reinstall under another seal", src.Reinstall(p.ctx, p.term, n+1, p.id[Source].Machine, arch), providers.ErrRefused)
	p.refused("reinstall without a seal", src.Reinstall(p.ctx, p.term, 0, p.id[Source].Machine, arch), providers.ErrRefused)
	p.refused("reinstall of another machine", src.Reinstall(p.ctx, p.term, n, p.id[Transit].Machine, arch), providers.ErrRefused)
	p.refused("reinstall of one that is not sealed", dst.Reinstall(p.ctx, p.term, n, p.id[Transit].Machine, arch), providers.ErrRefused)
	p.refused("silence under another seal", src.Silence(p.ctx, p.term, n+1, f.Addresses), providers.ErrRefused)
	p.refused("silence of one that is not sealed", dst.Silence(p.ctx, p.term, n, p.w.Config(Transit).Serves), providers.ErrRefused)
	p.refused("take over from a machine that was not inherited from", dst.TakeOver(p.ctx, p.term, n, p.id[Source].Machine, f.Addresses), providers.ErrRefused)
	if after := p.snapshots(); after != before {
		p.t.Errorf("refused orders changed something: %v, then %v", before, after)
	}
	if now, err := p.owner(Source).Identity(p.ctx); err != nil || now.Machine != p.id[Source].Machine {
		p.t.Errorf("after refused orders the source is %+v, %v", now, err)
	}
}

// testHome takes an account out, has the source reinstalled and brings it home.
func testHome(t *testing.T, h Harness) {
	a := shop()
	p := start(t, h, a)
	p.move("shop", Source, 0)
	addresses := p.w.Config(Source).Serves
	n, err := p.seal(map[string]uint64{"shop": 1})
	p.ok("seal", err)
	old := p.id[Source]
	p.twice("inherit", func() error {
		return p.machine(Transit).Inherit(p.ctx, p.term, old.Machine, map[string]uint64{"shop": 1})
	})
	p.refused("take over while it is answered", p.machine(Transit).TakeOver(p.ctx, p.term, n, old.Machine, addresses), providers.ErrRefused)
	p.twice("silence", func() error { return p.machine(Source).Silence(p.ctx, p.term, n, addresses) })
	p.twice("take over", func() error { return p.machine(Transit).TakeOver(p.ctx, p.term, n, old.Machine, addresses) })
	p.answers(Source, a.Domain) // the address, whoever has it
	p.ok("reinstall", p.machine(Source).Reinstall(p.ctx, p.term, n, old.Machine, p.w.Architecture()))
	p.eventually(func() bool {
		id, err := p.owner(Source).Identity(p.ctx)
		return err == nil && id.Machine != old.Machine
	}, func() string { return "the source did not become another machine" })
	p.identify()
	p.bare()
	p.claim("after the reinstallation")
	p.refused("a second reinstallation by the old order",
		p.machine(Source).Reinstall(p.ctx, p.term, n, old.Machine, p.w.Architecture()), providers.ErrRefused)
	p.stubbed(a, addresses)
	p.move("shop", Transit, 1)
	p.answers(Source, a.Domain)
	p.answers(Transit, a.Domain)
	p.rowsOf("shop", "main", Source, 0)
	p.twice("release", func() error { return p.machine(Transit).Release(p.ctx, p.term, []string{"shop"}) })
	p.answers(Source, a.Domain)
}

// bare: on a machine that was reinstalled nothing is known of any account.
func (p *pair) bare() {
	p.t.Helper()
	f, err := p.s[Source].Survey(p.ctx, providers.SurveyOptions{})
	p.ok("survey", err)
	arch := p.w.Architecture()
	if f.Known || len(f.Accounts) != 0 || f.Seal != nil || f.Architecture != arch.Name || !slices.Contains(f.Runtimes, Runtime()) {
		p.t.Errorf("the reinstalled source: known %v, accounts %q, seal %v, architecture %q, runtimes %v", f.Known, names(f), f.Seal, f.Architecture, f.Runtimes)
	}
	if o := p.state(Source, "shop", schema.StateUnknown, 0); o.Serves {
		p.t.Error("an account that nobody knows is served")
	}
}

// stubbed points the new machine to the accounts and gives it its addresses back.
func (p *pair) stubbed(a Account, addresses []string) {
	p.t.Helper()
	p.twice("stub", func() error {
		return p.owner(Source).Stub(p.ctx, p.term, a.Name, 1, p.peer(Transit, "a secret of the stub"))
	})
	p.state(Source, a.Name, schema.StateMoved, 1)
	p.refused("serve while the other one does", p.machine(Source).Serve(p.ctx, p.term, addresses), providers.ErrRefused)
	// The account is paired before its address comes home: the front of the new
	// machine then knows which names to pass on.
	p.pair(a.Name, Transit, 1)
	p.pull(a.Name, Transit, providers.PassBulk, providers.Token{})
	p.twice("give back", func() error { return p.machine(Transit).GiveBack(p.ctx, p.term, addresses) })
	p.twice("serve", func() error { return p.machine(Source).Serve(p.ctx, p.term, addresses) })
	p.identify()
	p.answers(Source, a.Domain) // redirected to transit
	if status, _, err := p.get(Transit, a.Domain); err != nil || status != http.StatusOK {
		p.t.Errorf("transit itself: %d, %v", status, err)
	}
}

package providertest

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

func (p *Driver) seal(epochs map[string]uint64) (uint64, error) {
	return p.Owner(Source).Seal(p.Ctx, p.Term, p.ID[Source].Machine, epochs)
}

func (p *Driver) noSeal(why string, epochs map[string]uint64) {
	p.t.Helper()
	_, err := p.seal(epochs)
	p.Refused("seal with "+why, err, providers.ErrRefused)
}

// testSeal: a server is sealed only when nothing lives on it, for certain.
func testSeal(t *testing.T, h Harness) {
	p := Start(t, h, shop(), Account{Name: "calm", Domain: "calm.example"})
	home, gone := map[string]uint64{"shop": 0, "calm": 0}, map[string]uint64{"shop": 1, "calm": 1}
	p.noSeal("unmanaged accounts", home)
	p.Move("calm", Source, 0)
	p.noSeal("an unmanaged account", map[string]uint64{"shop": 0, "calm": 1})
	p.Join("shop", Source, 0)
	p.noSeal("an active account", map[string]uint64{"shop": 0, "calm": 1})
	token, receipt := p.Prepare("shop", Source, 0)
	p.noSeal("a frozen account", map[string]uint64{"shop": 0, "calm": 1})
	p.w.Kill(Transit) // so that nobody can confirm
	p.OK("commit", p.Owner(Source).Commit(p.Ctx, p.Term, "shop", token, receipt))
	p.noSeal("an unconfirmed account", gone)
	p.Restarted(Transit)
	p.Settle("shop", Source, 1, token)
	p.noSeal("a forgotten account", map[string]uint64{"shop": 1})
	p.noSeal("an old epoch", map[string]uint64{"shop": 0, "calm": 1})
	p.noSeal("an account that nobody knows", map[string]uint64{"shop": 1, "calm": 1, "nobody": 0})
	_, err := p.Owner(Source).Seal(p.Ctx, p.Term, p.ID[Transit].Machine, gone)
	p.Refused("seal for another machine", err, providers.ErrRefused)
	litter := p.w.Litter(Source, "litter", "x")
	p.noSeal("residue", gone)
	_, err = p.Servers[Source].Abilities().Disposer.DisposeResidue(p.Ctx, p.Term, litter, "discard")
	p.OK("discard", err)
	n := twice(p, "seal", func() (uint64, error) { return p.seal(gone) })
	p.sealed(n)
	p.Refused("unseal of another number", p.Owner(Source).Unseal(p.Ctx, p.Term, n+1), providers.ErrRefused)
	p.twice("unseal", func() error { return p.Owner(Source).Unseal(p.Ctx, p.Term, n) })
	p.Move("shop", Transit, 1) // a rollback is possible again
	p.noSeal("an account that came back", map[string]uint64{"shop": 2, "calm": 1})
}

// sealed: what a sealed server refuses, and what orders against it do nothing.
func (p *Driver) sealed(n uint64) {
	p.t.Helper()
	f, err := p.Servers[Source].Survey(p.Ctx, providers.SurveyOptions{})
	p.OK("survey", err)
	if f.Seal == nil || f.Seal.Number != n {
		p.t.Errorf("the survey says seal %+v, want %d", f.Seal, n)
	}
	p.Refused("stage on a sealed server", p.Owner(Source).Stage(p.Ctx, p.Term, "shop", 1, p.Peer(Transit, "secret")), providers.ErrRefused)
	src, dst, arch := p.machine(Source), p.machine(Transit), p.w.Architecture()
	before := p.snapshots()
	p.Refused("reinstall under another seal", src.Reinstall(p.Ctx, p.Term, n+1, p.ID[Source].Machine, arch), providers.ErrRefused)
	p.Refused("reinstall without a seal", src.Reinstall(p.Ctx, p.Term, 0, p.ID[Source].Machine, arch), providers.ErrRefused)
	p.Refused("reinstall of another machine", src.Reinstall(p.Ctx, p.Term, n, p.ID[Transit].Machine, arch), providers.ErrRefused)
	p.Refused("reinstall of one that is not sealed", dst.Reinstall(p.Ctx, p.Term, n, p.ID[Transit].Machine, arch), providers.ErrRefused)
	p.Refused("silence under another seal", src.Silence(p.Ctx, p.Term, n+1, f.Addresses), providers.ErrRefused)
	p.Refused("silence of one that is not sealed", dst.Silence(p.Ctx, p.Term, n, p.w.Config(Transit).Serves), providers.ErrRefused)
	p.Refused("take over from a machine that was not inherited from", dst.TakeOver(p.Ctx, p.Term, n, p.ID[Source].Machine, f.Addresses), providers.ErrRefused)
	if after := p.snapshots(); after != before {
		p.t.Errorf("refused orders changed something: %v, then %v", before, after)
	}
	if now, err := p.Owner(Source).Identity(p.Ctx); err != nil || now.Machine != p.ID[Source].Machine {
		p.t.Errorf("after refused orders the source is %+v, %v", now, err)
	}
}

// testHome takes an account out, has the source reinstalled and brings it home.
func testHome(t *testing.T, h Harness) {
	a := shop()
	p := Start(t, h, a)
	p.Move("shop", Source, 0)
	addresses := p.w.Config(Source).Serves
	n, err := p.seal(map[string]uint64{"shop": 1})
	p.OK("seal", err)
	old := p.ID[Source]
	p.twice("inherit", func() error {
		return p.machine(Transit).Inherit(p.Ctx, p.Term, old.Machine, map[string]uint64{"shop": 1})
	})
	p.Refused("take over while it is answered", p.machine(Transit).TakeOver(p.Ctx, p.Term, n, old.Machine, addresses), providers.ErrRefused)
	p.twice("silence", func() error { return p.machine(Source).Silence(p.Ctx, p.Term, n, addresses) })
	p.twice("take over", func() error { return p.machine(Transit).TakeOver(p.Ctx, p.Term, n, old.Machine, addresses) })
	p.Answers(Source, a.Domain) // the address, whoever has it
	p.OK("reinstall", p.machine(Source).Reinstall(p.Ctx, p.Term, n, old.Machine, p.w.Architecture()))
	p.Eventually(func() bool {
		id, err := p.Owner(Source).Identity(p.Ctx)
		return err == nil && id.Machine != old.Machine
	}, func() string { return "the source did not become another machine" })
	p.identify()
	p.bare()
	p.Claim("after the reinstallation")
	p.Refused("a second reinstallation by the old order",
		p.machine(Source).Reinstall(p.Ctx, p.Term, n, old.Machine, p.w.Architecture()), providers.ErrRefused)
	p.stubbed(a, addresses)
	p.Move("shop", Transit, 1)
	p.Answers(Source, a.Domain)
	p.Answers(Transit, a.Domain)
	p.rowsOf("shop", "main", Source, 0)
	p.twice("release", func() error { return p.machine(Transit).Release(p.Ctx, p.Term, []string{"shop"}) })
	p.Answers(Source, a.Domain)
}

// bare: on a machine that was reinstalled nothing is known of any account.
func (p *Driver) bare() {
	p.t.Helper()
	f, err := p.Servers[Source].Survey(p.Ctx, providers.SurveyOptions{})
	p.OK("survey", err)
	arch := p.w.Architecture()
	if f.Known || len(f.Accounts) != 0 || f.Seal != nil || f.Architecture != arch.Name || !slices.Contains(f.Runtimes, Runtime()) {
		p.t.Errorf("the reinstalled source: known %v, accounts %q, seal %v, architecture %q, runtimes %v", f.Known, names(f), f.Seal, f.Architecture, f.Runtimes)
	}
	if o := p.State(Source, "shop", schema.StateUnknown, 0); o.Serves {
		p.t.Error("an account that nobody knows is served")
	}
}

// stubbed points the new machine to the accounts and gives it its addresses back.
func (p *Driver) stubbed(a Account, addresses []string) {
	p.t.Helper()
	p.twice("stub", func() error {
		return p.Owner(Source).Stub(p.Ctx, p.Term, a.Name, 1, p.Peer(Transit, "a secret of the stub"), []string{a.Domain})
	})
	p.State(Source, a.Name, schema.StateMoved, 1)
	p.Refused("serve while the other one does", p.machine(Source).Serve(p.Ctx, p.Term, addresses), providers.ErrRefused)
	p.twice("give back", func() error { return p.machine(Transit).GiveBack(p.Ctx, p.Term, addresses) })
	p.twice("serve", func() error { return p.machine(Source).Serve(p.Ctx, p.Term, addresses) })
	p.identify()
	p.Answers(Source, a.Domain) // redirected to transit
	if status, _, err := p.Get(Transit, a.Domain); err != nil || status != http.StatusOK {
		p.t.Errorf("transit itself: %d, %v", status, err)
	}
}

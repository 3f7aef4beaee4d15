package providertest

import (
	"errors"
	"sync"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// testClaims: terms only grow, a nonce has one term, and one that lost is lost.
func testClaims(t *testing.T, h Harness) {
	p := Start(t, h)
	again, err := p.Owner(Source).Claim(p.Ctx, p.claimRequest("first", 0))
	p.OK("claim again", err)
	if again.Term != p.Term || again.Migration != migration || again.Machine != p.ID[Source].Machine {
		t.Errorf("the same nonce got %+v, want term %d", again, p.Term)
	}
	other, err := p.Owner(Source).Claim(p.Ctx, p.claimRequest("second", 0))
	p.OK("second claim", err)
	if other.Term <= p.Term {
		t.Errorf("a second run got term %d after %d", other.Term, p.Term)
	}
	_, err = p.Owner(Source).Claim(p.Ctx, p.claimRequest("first", 0))
	p.Refused("a nonce that lost", err, providers.ErrSuperseded)
	least, err := p.Owner(Source).Claim(p.Ctx, p.claimRequest("second", other.Term+10))
	p.OK("claim with a least term", err)
	if least.Term < other.Term+10 {
		t.Errorf("term %d, asked for at least %d", least.Term, other.Term+10)
	}
	p.w.Kill(Source)
	p.Restarted(Source)
	kept, err := p.Owner(Source).Claim(p.Ctx, p.claimRequest("second", 0))
	p.OK("claim after a restart", err)
	if kept.Term != least.Term {
		t.Errorf("term %d after a restart, was %d", kept.Term, least.Term)
	}
	f, err := p.Servers[Source].Survey(p.Ctx, providers.SurveyOptions{})
	p.OK("survey", err)
	if f.Claim.Term != least.Term || f.Claim.Migration != migration {
		t.Errorf("the survey says %+v", f.Claim)
	}
	p.reads()
}

// testClaimDrains: when a claim is answered nothing of an older run writes any
// more, and what it had under way says why it ended.
func testClaimDrains(t *testing.T, h Harness) {
	p := Start(t, h, big())
	p.Join("shop", Source, 0)
	o, was := p.Origin("shop", Source), p.Term
	ended, moving := make(chan error, 1), make(chan struct{})
	var once sync.Once
	go func() {
		_, err := p.Copier(Transit).Pull(p.Ctx, providers.PullRequest{Origin: o, Term: was, Part: "files", Pass: providers.PassBulk},
			func(providers.Progress) { once.Do(func() { close(moving) }) })
		once.Do(func() { close(moving) })
		ended <- err
	}()
	<-moving
	p.Claim("second")
	before := p.w.Snapshot(Transit)
	// The origin may have ended it first; then it says that it may be repeated,
	// and the repetition learns why it may not.
	if err := <-ended; err != nil && !errors.Is(err, providers.ErrSuperseded) && !errors.Is(err, providers.ErrTemporary) {
		t.Errorf("the older run's pull ended with %v", err)
	}
	_, err := p.Copier(Transit).Pull(p.Ctx, providers.PullRequest{Origin: o, Term: was, Part: "files", Pass: providers.PassBulk}, nil)
	p.Refused("a repetition of the older run's pull", err, providers.ErrSuperseded)
	if after := p.w.Snapshot(Transit); before != after {
		t.Error("the older run's pull wrote after the claim was answered")
	}
	p.completed()
}

// reads: an old run may still look.
func (p *Driver) reads() {
	p.t.Helper()
	_, err := p.Owner(Source).Identity(p.Ctx)
	p.OK("identity", err)
	_, err = p.Owner(Source).Status(p.Ctx, "nobody")
	p.OK("status of an unknown account", err)
}

// testSuperseded: nothing that a run does after it lost its claim has effect.
func testSuperseded(t *testing.T, h Harness) {
	p := Start(t, h, Account{Name: "shop", Domain: "shop.example", Databases: []string{"main"}}, Account{Name: "calm", Domain: "calm.example"})
	litter := p.w.Litter(Source, "litter", "kept")
	p.Join("shop", Source, 0)
	old := p.Origin("shop", Source)
	was := p.Term
	p.Claim("second")
	// The second run's own freeze is what the first tries to disturb.
	token := p.Token()
	p.Pull("shop", Source, providers.PassWarm, providers.Token{})
	p.Freeze("shop", Source, 0, token)
	before := p.snapshots()
	for name, do := range p.orders(was, old, litter) {
		p.Refused(name, do(), providers.ErrSuperseded)
	}
	if after := p.snapshots(); after != before {
		t.Errorf("a superseded run changed something: %v, then %v", before, after)
	}
	p.State(Source, "shop", schema.StateFrozen, 0)
	p.State(Transit, "shop", schema.StateStaged, 0)
	p.OK("renew", p.Owner(Source).Renew(p.Ctx, p.Term, "shop", token))
	p.OK("thaw", p.Owner(Source).Thaw(p.Ctx, "shop", token, "the test is over"))
	p.Answers(Source, "shop.example")
}

func (p *Driver) snapshots() [2]string { return [2]string{p.w.Snapshot(Source), p.w.Snapshot(Transit)} }

// orders is every writing call there is, under a term.
func (p *Driver) orders(term uint64, o providers.Origin, litter string) map[string]func() error {
	src, dst, old := p.Servers[Source].Abilities(), p.Servers[Transit].Abilities(), providers.Token{Term: term, N: 1}
	f := p.FreezeRequest("shop", Source, 0, old)
	f.Term = term
	machine, arch := p.ID[Source].Machine, p.w.Architecture()
	serves := p.w.Config(Source).Serves
	epochs := map[string]uint64{"shop": 0, "calm": 0}
	out := map[string]func() error{
		"pair":  func() error { return src.Owner.Pair(p.Ctx, term, "calm", 0, p.Peer(Transit, "secret")) },
		"stage": func() error { return dst.Owner.Stage(p.Ctx, term, "calm", 0, p.Peer(Source, "secret")) },
		"freeze": func() error {
			_, err := src.Owner.Freeze(p.Ctx, f)
			return err
		},
		"renew": func() error { return src.Owner.Renew(p.Ctx, term, "shop", old) },
		"prepare": func() error {
			_, err := dst.Owner.PrepareCopy(p.Ctx, term, "shop", old, "sha256:")
			return err
		},
		"commit": func() error {
			return src.Owner.Commit(p.Ctx, term, "shop", old, providers.Receipt{Account: "shop", Token: old, Epoch: 1})
		},
		"unseal": func() error { return src.Owner.Unseal(p.Ctx, term, 1) },
		"stub":   func() error { return dst.Owner.Stub(p.Ctx, term, "nobody", 1, p.Peer(Source, "secret"), nil) },
		"origin": func() error {
			_, err := src.Copier.Origin(p.Ctx, term, "shop")
			return err
		},
		"pull": func() error {
			_, err := dst.Copier.Pull(p.Ctx, providers.PullRequest{Origin: o, Term: term, Part: "files", Pass: providers.PassBulk}, nil)
			return err
		},
		"compare": func() error {
			_, err := dst.Copier.Compare(p.Ctx, o, term, old)
			return err
		},
		"reinstall": func() error { return src.Machine.Reinstall(p.Ctx, term, 1, machine, arch) },
		"take over": func() error { return dst.Machine.TakeOver(p.Ctx, term, 1, machine, serves) },
		"give back": func() error { return dst.Machine.GiveBack(p.Ctx, term, serves) },
		"serve":     func() error { return src.Machine.Serve(p.Ctx, term, serves) },
		"silence":   func() error { return src.Machine.Silence(p.Ctx, term, 1, serves) },
		"inherit":   func() error { return dst.Machine.Inherit(p.Ctx, term, machine, epochs) },
		"release":   func() error { return dst.Machine.Release(p.Ctx, term, []string{"shop"}) },
	}
	if src.Runtimes != nil {
		out["remove runtime"] = func() error { return src.Runtimes.RemoveRuntime(p.Ctx, term, Runtime()) }
		out["restore runtime"] = func() error { return src.Runtimes.RestoreRuntime(p.Ctx, term, Runtime()) }
	}
	if src.Disposer != nil {
		out["archive"] = func() error {
			_, err := src.Disposer.ArchiveAccount(p.Ctx, term, "calm")
			return err
		}
		out["retire"] = func() error { return src.Disposer.RetireAccount(p.Ctx, term, "calm", 0) }
		out["dispose of residue"] = func() error {
			_, err := src.Disposer.DisposeResidue(p.Ctx, term, litter, "discard")
			return err
		}
		out["place residue"] = func() error { return src.Disposer.PlaceResidue(p.Ctx, term, litter, litter) }
	}
	out["declare lost"] = func() error { return dst.Owner.DeclareLost(p.Ctx, term, "shop", machine) }
	out["seal"] = func() error {
		_, err := src.Owner.Seal(p.Ctx, term, machine, epochs)
		return err
	}
	return out
}

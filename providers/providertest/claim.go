package providertest

import (
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// testClaims: terms only grow, a nonce has one term, and one that lost is lost.
func testClaims(t *testing.T, h Harness) {
	p := start(t, h)
	again, err := p.owner(Source).Claim(p.ctx, p.claimRequest("first", 0))
	p.ok("claim again", err)
	if again.Term != p.term || again.Migration != migration || again.Machine != p.id[Source].Machine {
		t.Errorf("the same nonce got %+v, want term %d", again, p.term)
	}
	other, err := p.owner(Source).Claim(p.ctx, p.claimRequest("second", 0))
	p.ok("second claim", err)
	if other.Term <= p.term {
		t.Errorf("a second run got term %d after %d", other.Term, p.term)
	}
	_, err = p.owner(Source).Claim(p.ctx, p.claimRequest("first", 0))
	p.refused("a nonce that lost", err, providers.ErrSuperseded)
	least, err := p.owner(Source).Claim(p.ctx, p.claimRequest("second", other.Term+10))
	p.ok("claim with a least term", err)
	if least.Term < other.Term+10 {
		t.Errorf("term %d, asked for at least %d", least.Term, other.Term+10)
	}
	p.w.Kill(Source)
	p.restarted(Source)
	kept, err := p.owner(Source).Claim(p.ctx, p.claimRequest("second", 0))
	p.ok("claim after a restart", err)
	if kept.Term != least.Term {
		t.Errorf("term %d after a restart, was %d", kept.Term, least.Term)
	}
	f, err := p.s[Source].Survey(p.ctx, providers.SurveyOptions{})
	p.ok("survey", err)
	if f.Claim.Term != least.Term || f.Claim.Migration != migration {
		t.Errorf("the survey says %+v", f.Claim)
	}
	p.reads()
}

// reads: an old run may still look.
func (p *pair) reads() {
	p.t.Helper()
	_, err := p.owner(Source).Identity(p.ctx)
	p.ok("identity", err)
	_, err = p.owner(Source).Status(p.ctx, "nobody")
	p.ok("status of an unknown account", err)
}

// testSuperseded: nothing that a run does after it lost its claim has effect.
func testSuperseded(t *testing.T, h Harness) {
	p := start(t, h, Account{Name: "shop", Domain: "shop.example", Databases: []string{"main"}}, Account{Name: "calm", Domain: "calm.example"})
	litter := p.w.Litter(Source, "litter", "kept")
	p.pair("shop", Source, 0)
	old := p.origin("shop", Source)
	was := p.term
	p.claim("second")
	// The second run's own freeze is what the first tries to disturb.
	token := p.token()
	p.pull("shop", Source, providers.PassWarm, providers.Token{})
	p.freeze("shop", Source, 0, token)
	before := p.snapshots()
	for name, do := range p.orders(was, old, litter) {
		p.refused(name, do(), providers.ErrSuperseded)
	}
	if after := p.snapshots(); after != before {
		t.Errorf("a superseded run changed something: %v, then %v", before, after)
	}
	p.state(Source, "shop", schema.StateFrozen, 0)
	p.state(Transit, "shop", schema.StateStaged, 0)
	p.ok("renew", p.owner(Source).Renew(p.ctx, p.term, "shop", token))
	p.ok("thaw", p.owner(Source).Thaw(p.ctx, "shop", token, "the test is over"))
	p.answers(Source, "shop.example")
}

func (p *pair) snapshots() [2]string { return [2]string{p.w.Snapshot(Source), p.w.Snapshot(Transit)} }

// orders is every writing call there is, under a term.
func (p *pair) orders(term uint64, o providers.Origin, litter string) map[string]func() error {
	src, dst, old := p.s[Source].Abilities(), p.s[Transit].Abilities(), providers.Token{Term: term, N: 1}
	f := p.freezeRequest("shop", Source, 0, old)
	f.Term = term
	machine, arch := p.id[Source].Machine, p.w.Architecture()
	serves := p.w.Config(Source).Serves
	epochs := map[string]uint64{"shop": 0, "calm": 0}
	out := map[string]func() error{
		"pair":  func() error { return src.Owner.Pair(p.ctx, term, "calm", 0, p.peer(Transit, "secret")) },
		"stage": func() error { return dst.Owner.Stage(p.ctx, term, "calm", 0, p.peer(Source, "secret")) },
		"freeze": func() error {
			_, err := src.Owner.Freeze(p.ctx, f)
			return err
		},
		"renew": func() error { return src.Owner.Renew(p.ctx, term, "shop", old) },
		"prepare": func() error {
			_, err := dst.Owner.PrepareCopy(p.ctx, term, "shop", old, "sha256:")
			return err
		},
		"commit": func() error {
			return src.Owner.Commit(p.ctx, term, "shop", old, providers.Receipt{Account: "shop", Token: old, Epoch: 1})
		},
		"unseal": func() error { return src.Owner.Unseal(p.ctx, term, 1) },
		"stub":   func() error { return dst.Owner.Stub(p.ctx, term, "nobody", 1, p.peer(Source, "secret")) },
		"origin": func() error {
			_, err := src.Copier.Origin(p.ctx, term, "shop")
			return err
		},
		"pull": func() error {
			_, err := dst.Copier.Pull(p.ctx, providers.PullRequest{Origin: o, Term: term, Part: "files", Pass: providers.PassBulk}, nil)
			return err
		},
		"compare": func() error {
			_, err := dst.Copier.Compare(p.ctx, o, term, old)
			return err
		},
		"reinstall": func() error { return src.Machine.Reinstall(p.ctx, term, 1, machine, arch) },
		"take over": func() error { return dst.Machine.TakeOver(p.ctx, term, 1, machine, serves) },
		"give back": func() error { return dst.Machine.GiveBack(p.ctx, term, serves) },
		"serve":     func() error { return src.Machine.Serve(p.ctx, term, serves) },
		"silence":   func() error { return src.Machine.Silence(p.ctx, term, 1, serves) },
		"inherit":   func() error { return dst.Machine.Inherit(p.ctx, term, machine, epochs) },
		"release":   func() error { return dst.Machine.Release(p.ctx, term, []string{"shop"}) },
	}
	if src.Runtimes != nil {
		out["remove runtime"] = func() error { return src.Runtimes.RemoveRuntime(p.ctx, term, Runtime()) }
		out["restore runtime"] = func() error { return src.Runtimes.RestoreRuntime(p.ctx, term, Runtime()) }
	}
	if src.Disposer != nil {
		out["archive"] = func() error {
			_, err := src.Disposer.ArchiveAccount(p.ctx, term, "calm")
			return err
		}
		out["retire"] = func() error { return src.Disposer.RetireAccount(p.ctx, term, "calm", 0) }
		out["dispose of residue"] = func() error {
			_, err := src.Disposer.DisposeResidue(p.ctx, term, litter, "discard")
			return err
		}
		out["place residue"] = func() error { return src.Disposer.PlaceResidue(p.ctx, term, litter, litter) }
	}
	out["seal"] = func() error {
		_, err := src.Owner.Seal(p.ctx, term, machine, epochs)
		return err
	}
	return out
}

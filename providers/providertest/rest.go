package providertest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// testFacts: facts are only added, a tombstone wins, and a kill loses none.
func testFacts(t *testing.T, h Harness) {
	p := Start(t, h)
	k := p.keeper(Source)
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	a := schema.Fact{ID: "approval/a\nb/☕", Kind: schema.FactApproval, Account: "sh'op", Value: json.RawMessage(`{"x":1}`), By: "ann", At: at}
	b := schema.Fact{ID: "handover", Kind: schema.FactHandover, Server: "transit", At: at.Add(time.Hour)}
	p.twice("add", func() error { return k.AddFacts(p.Ctx, []schema.Fact{a, b}) })
	p.facts(Source, a, b)
	later := b
	later.At, later.By = at.Add(2*time.Hour), "somebody else"
	p.OK("add another copy", k.AddFacts(p.Ctx, []schema.Fact{later}))
	p.OK("add nothing", k.AddFacts(p.Ctx, nil))
	p.facts(Source, a, b)
	gone := a
	gone.Revoked = true
	p.OK("revoke", k.AddFacts(p.Ctx, []schema.Fact{gone}))
	p.OK("add it again", k.AddFacts(p.Ctx, []schema.Fact{a}))
	p.facts(Source, gone, b)
	p.w.Kill(Source)
	p.Restarted(Source)
	p.facts(Source, gone, b)
	f, err := p.Servers[Source].Survey(p.Ctx, providers.SurveyOptions{})
	p.OK("survey", err)
	if len(f.Facts) != 2 {
		t.Errorf("the survey has facts %+v", f.Facts)
	}
}

func (p *Driver) facts(side Side, want ...schema.Fact) {
	p.t.Helper()
	have, err := p.keeper(side).Facts(p.Ctx)
	p.OK("facts", err)
	slices.SortFunc(have, func(a, b schema.Fact) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(want, func(a, b schema.Fact) int { return strings.Compare(a.ID, b.ID) })
	for i := range have {
		have[i].At = have[i].At.UTC()
	}
	if !reflect.DeepEqual(have, want) {
		p.t.Errorf("facts are %+v, want %+v", have, want)
	}
}

// testRelease: only what is inactive for certain is dropped.
func testRelease(t *testing.T, h Harness) {
	p := Start(t, h, shop(), Account{Name: "calm", Domain: "calm.example"}, Account{Name: "half", Domain: "half.example"})
	p.Move("shop", Source, 0)
	p.Join("calm", Source, 0)
	p.Pull("calm", Source, providers.PassBulk, providers.Token{})
	p.Join("half", Source, 0)
	token, receipt := p.Prepare("half", Source, 0)
	release := func(side Side, account string) error {
		return p.machine(side).Release(p.Ctx, p.Term, []string{account})
	}
	p.Refused("release of the owner", release(Transit, "shop"), providers.ErrRefused)
	p.Refused("release of an active account", release(Source, "calm"), providers.ErrRefused)
	p.Refused("release of a prepared copy", release(Transit, "half"), providers.ErrRefused)
	p.Refused("release of a frozen account", release(Source, "half"), providers.ErrRefused)
	p.OK("thaw", p.Owner(Source).Thaw(p.Ctx, "half", token, "enough"))
	_ = receipt
	p.twice("release of a staged copy", func() error { return release(Transit, "calm") })
	p.twice("release of what has moved", func() error { return release(Source, "shop") })
	for side, account := range map[Side]string{Transit: "calm", Source: "shop"} {
		home, _ := p.w.Place(side, account)
		if n, err := Tree(home); err == nil {
			t.Errorf("%s on %s is still there: %d entries", account, side, len(n))
		}
	}
	p.Answers(Transit, "shop.example")
	p.Answers(Source, "shop.example") // still passed on
	p.Answers(Source, "calm.example")
	p.Move("calm", Source, 0) // a copy that was released can be made again
	p.Answers(Transit, "calm.example")
}

// testRuntimes: a runtime is removed and put back, each twice.
func testRuntimes(t *testing.T, h Harness) {
	p := Start(t, h)
	r := p.Servers[Source].Abilities().Runtimes
	if r == nil {
		t.Skip("this provider removes no runtimes")
	}
	installed := func(want bool) {
		t.Helper()
		f, err := p.Servers[Source].Survey(p.Ctx, providers.SurveyOptions{})
		p.OK("survey", err)
		if is, was := slices.Contains(f.Runtimes, Runtime()), slices.Contains(f.Removed, Runtime()); is != want || was == want {
			t.Errorf("installed %v, removed %v; want installed %v", f.Runtimes, f.Removed, want)
		}
	}
	before := p.w.Snapshot(Source)
	for range 2 {
		p.twice("remove", func() error { return r.RemoveRuntime(p.Ctx, p.Term, Runtime()) })
		installed(false)
		p.w.Kill(Source)
		p.Restarted(Source)
		r = p.Servers[Source].Abilities().Runtimes
		installed(false)
		p.twice("restore", func() error { return r.RestoreRuntime(p.Ctx, p.Term, Runtime()) })
		installed(true)
	}
	if after := p.w.Snapshot(Source); before == after {
		t.Log("a restored runtime leaves no trace")
	}
	for _, x := range []schema.Runtime{{Name: "none", Version: "1"}, {Name: "..", Version: "accounts"}, {Name: "../..", Version: "x"}, {}} {
		if err := r.RemoveRuntime(p.Ctx, p.Term, x); err == nil {
			t.Errorf("runtime %+v was removed", x)
		}
	}
	installed(true)
}

// testResidue: what nobody owns is kept, archived or discarded, and nothing
// else is.
func testResidue(t *testing.T, h Harness) {
	p := Start(t, h, shop())
	d := p.Servers[Source].Abilities().Disposer
	if d == nil {
		t.Skip("this provider does not dispose of residue")
	}
	for _, action := range []string{"discard", "archive", "carry"} {
		path := p.w.Litter(Source, "it's "+action, "content of "+action)
		ref := twice(p, action, func() (string, error) { return d.DisposeResidue(p.Ctx, p.Term, path, action) })
		if _, there := p.w.Littered(Source, "it's "+action); there || (ref == "") != (action == "discard") {
			t.Errorf("%s: still there %v, reference %q", action, there, ref)
		}
		if action != "carry" {
			continue
		}
		p.twice("place", func() error { return d.PlaceResidue(p.Ctx, p.Term, path, ref) })
		if c, there := p.w.Littered(Source, "it's carry"); !there || c != "content of carry" {
			t.Errorf("what was carried is %q, %v", c, there)
		}
		if err := d.PlaceResidue(p.Ctx, p.Term, path+"/../elsewhere", ref); err == nil {
			t.Error("it was placed elsewhere")
		}
		_, err := d.DisposeResidue(p.Ctx, p.Term, path, "discard")
		p.OK("discard what was placed", err)
	}
	path := p.w.Litter(Source, "wrong action", "x")
	if _, err := d.DisposeResidue(p.Ctx, p.Term, path, "burn"); err == nil {
		t.Error("an action that does not exist was carried out")
	}
	if _, there := p.w.Littered(Source, "wrong action"); !there {
		t.Error("an action that does not exist took the thing away")
	}
	p.owned(d)
}

// owned: an order to dispose of what is owned, or lies outside, does nothing.
func (p *Driver) owned(d providers.Disposer) {
	p.t.Helper()
	home, _ := p.w.Place(Source, "shop")
	index := home + "/www/index.html"
	before := p.w.Snapshot(Source)
	base := p.w.Config(Source).Address
	for _, path := range []string{strings.TrimPrefix(index, base), index, "/../" + index, "/", "", ".", "/..", "/etc/passwd"} {
		for _, action := range []string{"discard", "archive", "carry"} {
			_, err := d.DisposeResidue(p.Ctx, p.Term, path, action)
			if after := p.w.Snapshot(Source); after != before {
				p.t.Fatalf("%s %q took away what is owned (%v)", action, path, err)
			}
		}
	}
	p.Answers(Source, "shop.example")
}

// testRetire: an account that does not move is archived, stopped and stays so.
func testRetire(t *testing.T, h Harness) {
	a := shop()
	a.Fill = FillHard
	p := Start(t, h, a, Account{Name: "calm", Domain: "calm.example"})
	d := p.Servers[Source].Abilities().Disposer
	if d == nil {
		t.Skip("this provider does not retire accounts")
	}
	for _, account := range []string{"shop", "nobody"} { // it could still be written to
		_, err := d.ArchiveAccount(p.Ctx, p.Term, account)
		p.Refused("archive of "+account, err, providers.ErrRefused)
	}
	p.Refused("retire at another epoch", d.RetireAccount(p.Ctx, p.Term, "shop", 3), providers.ErrRefused)
	p.Refused("retire of what is not there", d.RetireAccount(p.Ctx, p.Term, "nobody", 0), providers.ErrRefused)
	p.Answers(Source, "shop.example")
	p.twice("retire", func() error { return d.RetireAccount(p.Ctx, p.Term, "shop", 0) })
	p.w.Reboot(Source)
	p.Restarted(Source)
	d = p.Servers[Source].Abilities().Disposer
	if o := p.State(Source, "shop", schema.StateRetired, 0); o.Serves {
		t.Errorf("a retired account is served: %+v", o)
	}
	p.Answers(Source, "calm.example")
	if status, body, err := p.Get(Source, "shop.example"); err == nil && status == 200 {
		t.Errorf("a retired account answers: %q", body)
	}
	digest := twice(p, "archive", func() (string, error) { return d.ArchiveAccount(p.Ctx, p.Term, "shop") })
	if !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("digest %q", digest)
	}
	p.Refused("pair of a retired account", p.Owner(Source).Pair(p.Ctx, p.Term, "shop", 0, p.Peer(Transit, "secret")), providers.ErrRefused)
	p.Move("calm", Source, 0)
	_, err := p.seal(map[string]uint64{"shop": 0, "calm": 1})
	p.OK("seal", err)
}

// testDeclareLost: only the operator's word opens a copy whose origin is gone,
// and only if it names the right machine.
func testDeclareLost(t *testing.T, h Harness) {
	p := Start(t, h, shop())
	p.Join("shop", Source, 0)
	p.Prepare("shop", Source, 0)
	p.w.Kill(Source)
	p.Refused("another machine", p.Owner(Transit).DeclareLost(p.Ctx, p.Term, "shop", "somebody"), providers.ErrRefused)
	p.Refused("itself", p.Owner(Transit).DeclareLost(p.Ctx, p.Term, "shop", p.ID[Transit].Machine), providers.ErrRefused)
	p.State(Transit, "shop", schema.StatePrepared, 1)
	p.twice("declare lost", func() error { return p.Owner(Transit).DeclareLost(p.Ctx, p.Term, "shop", p.ID[Source].Machine) })
	p.State(Transit, "shop", schema.StateActive, 1)
	p.Answers(Transit, "shop.example")
}

package providertest

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// trials starts a world whose transit server can try databases, or skips.
func trials(t *testing.T, h Harness, accounts ...Account) (*Driver, providers.Trier, Trials) {
	t.Helper()
	p := Start(t, h, accounts...)
	w, ok := p.w.(Trials)
	if p.Servers[Transit].Abilities().Trier == nil || !ok {
		t.Skip("this kind of server cannot try databases")
	}
	return p, p.Servers[Transit].Abilities().Trier, w
}

func (p *Driver) tried(what string, tr providers.Trier, account string) schema.TrialFact {
	p.t.Helper()
	f, err := tr.Try(p.Ctx, p.Term, p.Origin(account, Source), nil)
	p.OK(what, err)
	return f
}

func withDatabases(names ...string) Account {
	return Account{Name: "shop", Domain: "shop.example", Databases: names}
}

// testTrial: a trial says what is wrong, and leaves nothing.
func testTrial(t *testing.T, h Harness) {
	p, tr, w := trials(t, h, withDatabases("good", "hurt", "old"))
	for range 3 {
		p.OK("insert", p.w.Insert(Source, "shop", "good", "a row"))
	}
	p.OK("damage", w.Damage(Source, "shop", "hurt", Corrupt))
	p.OK("damage", w.Damage(Source, "shop", "old", Dangling))
	before := [2]string{p.w.Snapshot(Source), p.w.Snapshot(Transit)}
	for range 2 {
		var heard []providers.Progress
		f, err := tr.Try(p.Ctx, p.Term, p.Origin("shop", Source), func(x providers.Progress) { heard = append(heard, x) })
		p.OK("trial", err)
		if f.Server != "transit" || f.Engine == "" || f.Version == "" || f.Took <= 0 || len(f.Databases) != 3 {
			t.Fatalf("%+v", f)
		}
		good, hurt, old := f.Databases[0], f.Databases[1], f.Databases[2]
		if good.Name != "good" || good.Engine != f.Engine || good.Rows != 3 || good.Objects != 1 || good.Bytes <= 0 || len(good.Errors)+len(good.Warnings) != 0 {
			t.Errorf("good: %+v", good)
		}
		if hurt.Name != "hurt" || len(hurt.Errors) == 0 {
			t.Errorf("corrupt: %+v", hurt)
		}
		if said := strings.Join(append(old.Errors, old.Warnings...), "\n"); old.Name != "old" || !strings.Contains(said, "gone") {
			t.Errorf("dangling: %+v", old)
		}
		if len(heard) == 0 || heard[0].ItemsTotal != 3 || heard[0].BytesTotal <= 0 {
			t.Errorf("progress %+v", heard)
		}
	}
	if after := [2]string{p.w.Snapshot(Source), p.w.Snapshot(Transit)}; before != after {
		t.Errorf("a trial changed a server: %q, then %q", before, after)
	}
	p.State(Source, "shop", schema.StateUnmanaged, 0)
	_, err := tr.Try(p.Ctx, p.Term-1, p.Origin("shop", Source), nil)
	p.Refused("trial by an older run", err, providers.ErrSuperseded)
	o := p.Origin("shop", Source)
	o.Credential = "guessed"
	if _, err := tr.Try(p.Ctx, p.Term, o, nil); err == nil {
		t.Error("a trial without the credential was done")
	}
	if f := p.tried("a trial after that", tr, "shop"); len(f.Databases) != 3 {
		t.Errorf("%+v", f)
	}
	p.Claim("second")
	p.Cut0("shop")
}

// Cut0 takes an account that was never moved to the transit server.
func (p *Driver) Cut0(account string) {
	p.t.Helper()
	p.Move(account, Source, 0)
	p.Answers(Transit, account+".example")
}

// fatten makes a database so large that something can happen while it is copied.
func (p *Driver) fatten(database string) {
	p.t.Helper()
	row := strings.Repeat("a row that is long ", 50_000)
	for range 8 {
		p.OK("insert", p.w.Insert(Source, "shop", database, row))
	}
}

// testTrialKilled: whatever dies in the middle, a repetition succeeds and
// nothing is left.
func testTrialKilled(t *testing.T, h Harness) {
	p, tr, w := trials(t, h, withDatabases("main"))
	p.fatten("main")
	p.tried("first", tr, "shop")
	before := p.w.Snapshot(Transit)
	p.w.Cut(Transit, 1<<20) // its streams to the source break
	if _, err := tr.Try(p.Ctx, p.Term, p.Origin("shop", Source), nil); err == nil {
		t.Error("a trial whose stream broke succeeded")
	}
	p.w.Cut(Transit, -1)
	if after := p.w.Snapshot(Transit); before != after {
		t.Errorf("a broken trial left something: %q, then %q", before, after)
	}
	for _, side := range []Side{Transit, Source} {
		o, once := p.Origin("shop", Source), sync.Once{}
		if _, err := tr.Try(p.Ctx, p.Term, o, func(providers.Progress) { once.Do(func() { p.w.Kill(side) }) }); err == nil {
			t.Logf("the trial had ended before %s was killed", side)
		}
		p.Restarted(side)
		tr = p.Servers[Transit].Abilities().Trier
		f := p.tried("after a kill of "+string(side), tr, "shop")
		if len(f.Databases) != 1 || f.Databases[0].Rows != 8 || len(f.Databases[0].Errors) != 0 {
			t.Errorf("after a kill of %s: %+v", side, f)
		}
		if left := w.Scratch(Transit); len(left) != 0 {
			t.Errorf("after a kill of %s: left are %q", side, left)
		}
	}
	once := sync.Once{}
	_, err := tr.Try(p.Ctx, p.Term, p.Origin("shop", Source), func(providers.Progress) { once.Do(func() { p.w.Kill(Transit) }) })
	if p.Restarted(Transit); err != nil && len(w.Scratch(Transit)) != 0 {
		t.Errorf("what was left when it was killed is there after the start: %q", w.Scratch(Transit))
	}
	p.State(Source, "shop", schema.StateUnmanaged, 0)
}

// testTrialFull: without room nothing is tried, and what is there is left alone.
func testTrialFull(t *testing.T, h Harness) {
	p, _, w := trials(t, h, withDatabases("main"))
	p.fatten("main")
	p.OK("shrink", w.Shrink(Transit, 1<<20))
	p.Restarted(Transit)
	tr := p.Servers[Transit].Abilities().Trier
	before := p.w.Snapshot(Transit)
	_, err := tr.Try(p.Ctx, p.Term, p.Origin("shop", Source), nil)
	p.Refused("trial without room", err, providers.ErrRefused)
	if err == nil || !strings.Contains(err.Error(), "space") {
		t.Errorf("trial without room: %v", err)
	}
	if after := p.w.Snapshot(Transit); before != after {
		t.Errorf("something was left: %q, then %q", before, after)
	}
	p.OK("shrink", w.Shrink(Transit, -1))
	p.Restarted(Transit)
	if f := p.tried("with room", p.Servers[Transit].Abilities().Trier, "shop"); f.Databases[0].Rows != 8 {
		t.Errorf("%+v", f)
	}
}

// testTrialCutover: a cutover at the same time goes through as if there were
// no trial; the trial is told to come again.
func testTrialCutover(t *testing.T, h Harness) {
	p, tr, _ := trials(t, h, withDatabases("main"))
	p.fatten("main")
	p.Join("shop", Source, 0)
	p.Pull("shop", Source, providers.PassWarm, providers.Token{})
	o := p.Origin("shop", Source)
	_, err := p.Copier(Transit).Compare(p.Ctx, o, p.Term, providers.Token{})
	p.OK("warm comparison", err)
	p.tried("beside what a warm pass holds", tr, "shop")
	p.OK("insert", p.w.Insert(Source, "shop", "main", "one more"))

	token, began, ended := p.Token(), make(chan struct{}), make(chan error, 1)
	go func() {
		once := sync.Once{}
		_, err := tr.Try(p.Ctx, p.Term, o, func(providers.Progress) { once.Do(func() { close(began) }) })
		ended <- err
	}()
	select {
	case <-began:
	case <-time.After(patience):
		t.Fatal("the trial does not begin")
	}
	p.Freeze("shop", Source, 0, token)
	_, err = tr.Try(p.Ctx, p.Term, o, nil)
	p.Refused("trial of a frozen account", err, providers.ErrTemporary)
	p.Pull("shop", Source, providers.PassFinal, token)
	c, err := p.Copier(Transit).Compare(p.Ctx, o, p.Term, token)
	p.OK("compare", err)
	if !c.Equal {
		t.Fatalf("after a trial in between the copy differs: %q", c.Differences)
	}
	if err := <-ended; err != nil && !errors.Is(err, providers.ErrTemporary) {
		t.Errorf("the trial that was interrupted: %v", err)
	}
	r, err := p.Owner(Transit).PrepareCopy(p.Ctx, p.Term, "shop", token, c.Digest)
	p.OK("prepare", err)
	p.OK("commit", p.Owner(Source).Commit(p.Ctx, p.Term, "shop", token, r))
	p.Settle("shop", Source, 1, token)
	rows, err := p.w.Rows(Transit, "shop", "main")
	p.OK("rows", err)
	if len(rows) != 9 || rows[8] != "one more" {
		t.Errorf("%d rows arrived", len(rows))
	}
	// The account lives on the transit server now: nothing is tried out of the old copy.
	if _, err := tr.Try(p.Ctx, p.Term, o, nil); err == nil {
		t.Error("a trial read what was left behind")
	}
}

package providertest

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// twice does an order two times: the second finds its work done and says so.
func twice[A any](p *Driver, what string, do func() (A, error)) (out A) {
	p.t.Helper()
	for n := range 2 {
		var err error
		out, err = do()
		p.OK(fmt.Sprintf("%s, time %d", what, n+1), err)
	}
	return out
}

func (p *Driver) twice(what string, do func() error) {
	p.t.Helper()
	twice(p, what, func() (struct{}, error) { return struct{}{}, do() })
}

// testJourney moves accounts there and back with every call done twice, while
// rows are written, and compares what arrives byte by byte.
func testJourney(t *testing.T, h Harness) {
	full := Account{Name: "full", Domain: "full.example", Mailboxes: []string{"info"}, Databases: []string{"main", "other"}, Fill: FillHard}
	empty := Account{Name: "empty"}
	p := Start(t, h, full, empty)
	for _, a := range []Account{full, empty} {
		p.there(a, Source, 0)
	}
	home, _ := p.w.Place(Transit, "full")
	if n, err := allocated(filepath.Join(home, "sparse")); err != nil || n >= sparseSize {
		t.Errorf("the sparse file takes %d bytes, %v", n, err)
	}
	p.Answers(Transit, full.Domain)
	p.Answers(Source, full.Domain) // redirected
	p.OK("insert on the new owner", p.w.Insert(Transit, "full", "main", "written on transit"))
	for _, a := range []Account{full, empty} { // a rollback is the same the other way
		p.there(a, Transit, 1)
	}
	p.Answers(Source, full.Domain)
	p.Answers(Transit, full.Domain)
}

// there moves one account with every call done twice.
func (p *Driver) there(a Account, from Side, epoch uint64) {
	p.t.Helper()
	to := from.Other()
	p.Join(a.Name, from, epoch) // twice itself
	insert := func(row string) {
		for _, d := range a.Databases {
			p.OK("insert", p.w.Insert(from, a.Name, d, fmt.Sprintf("%s at %d", row, epoch)))
		}
	}
	for _, pass := range []providers.Pass{providers.PassBulk, providers.PassWarm} {
		insert(string(pass))
		p.twice(string(pass), func() error { p.Pull(a.Name, from, pass, providers.Token{}); return nil })
	}
	o := twice(p, "origin", func() (providers.Origin, error) { return p.Copier(from).Origin(p.Ctx, p.Term, a.Name) })
	twice(p, "warm compare", func() (providers.Compared, error) { return p.Copier(to).Compare(p.Ctx, o, p.Term, providers.Token{}) })
	insert("after warm")
	p.twice("catch up", func() error { p.Pull(a.Name, from, providers.PassCatchUp, providers.Token{}); return nil })
	insert("after catch up")
	t := p.Token()
	frozen := twice(p, "freeze", func() (providers.Frozen, error) {
		return p.Owner(from).Freeze(p.Ctx, p.FreezeRequest(a.Name, from, epoch, t))
	})
	equal(p.t, "databases of the frozen account", a.Databases, each(frozen.Databases, func(d schema.Database) string { return d.Name }))
	p.twice("renew", func() error { return p.Owner(from).Renew(p.Ctx, p.Term, a.Name, t) })
	want := p.trees(from, a.Name)
	p.twice("final", func() error { p.Pull(a.Name, from, providers.PassFinal, t); return nil })
	c := twice(p, "compare", func() (providers.Compared, error) { return p.Copier(to).Compare(p.Ctx, o, p.Term, t) })
	if !c.Equal || c.Digest == "" {
		p.t.Fatalf("compare: %+v", c)
	}
	p.same(a.Name, want, p.trees(to, a.Name))
	p.switched(a, from, epoch, t, c.Digest)
	p.rows(a, from, to)
}

// switched goes from compared to confirmed.
func (p *Driver) switched(a Account, from Side, epoch uint64, t providers.Token, digest string) {
	p.t.Helper()
	to := from.Other()
	first, err := p.Owner(to).PrepareCopy(p.Ctx, p.Term, a.Name, t, digest)
	p.OK("prepare", err)
	second, err := p.Owner(to).PrepareCopy(p.Ctx, p.Term, a.Name, t, digest)
	p.OK("prepare again", err)
	if !reflect.DeepEqual(first, second) || first.Epoch != epoch+1 || first.Machine != p.ID[to].Machine {
		p.t.Errorf("receipts %+v and %+v", first, second)
	}
	p.State(to, a.Name, schema.StatePrepared, epoch+1)
	p.twice("commit", func() error { return p.Owner(from).Commit(p.Ctx, p.Term, a.Name, t, first) })
	twice(p, "activate", func() (providers.Activation, error) {
		got, err := p.Owner(to).Activate(p.Ctx, a.Name, t)
		if err == nil && (got.State != schema.StateActive || got.Epoch != epoch+1) {
			err = fmt.Errorf("it is %+v", got)
		}
		return got, err
	})
	p.twice("confirm", func() error { return p.Owner(from).Confirm(p.Ctx, a.Name, epoch+1) })
	p.twice("commit after all", func() error { return p.Owner(from).Commit(p.Ctx, p.Term, a.Name, t, first) })
	p.twice("close origin", func() error { return p.Copier(from).CloseOrigin(p.Ctx, a.Name) })
	if o := p.State(from, a.Name, schema.StateMoved, epoch+1); !o.Confirmed || o.Serves {
		p.t.Errorf("the origin's record is %+v", o)
	}
	if o := p.State(to, a.Name, schema.StateActive, epoch+1); !o.Serves {
		p.t.Errorf("the receiver's record is %+v", o)
	}
}

func (p *Driver) rows(a Account, from, to Side) {
	p.t.Helper()
	for _, d := range a.Databases {
		want, err := p.w.Rows(from, a.Name, d)
		p.OK("rows at the origin", err)
		have, err := p.w.Rows(to, a.Name, d)
		p.OK("rows of the copy", err)
		if len(want) < 4 || !slices.Equal(want, have) {
			p.t.Errorf("database %s of %q has rows %q, want %q", d, a.Name, have, want)
		}
	}
}

// awkward are names that shells, paths, patterns and JSON get wrong.
func awkward() []string {
	return []string{"a b", `q"u'o\te`, "new\nline", "grüße ☕", "-rf", "..", ".", "*", "a/b", "../../etc", "\xff\xfe", "%2F", "$(reboot)", "NUL", "0",
		"long " + string(make80())}
}

func make80() []byte {
	b := make([]byte, 80)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

// testNames takes accounts with awkward names through a whole cutover.
func testNames(t *testing.T, h Harness) {
	var accounts []Account
	for i, n := range awkward() {
		accounts = append(accounts, Account{Name: n, Domain: fmt.Sprintf("n%d.example", i)})
	}
	p := Start(t, h, accounts...)
	f, err := p.Servers[Source].Survey(p.Ctx, providers.SurveyOptions{})
	p.OK("survey", err)
	want := awkward()
	slices.Sort(want)
	if got := names(f); !slices.Equal(got, want) {
		t.Fatalf("survey found %q, want %q", got, want)
	}
	if len(f.Residue) > 0 {
		t.Errorf("residue %+v", f.Residue)
	}
	for _, a := range accounts {
		want := p.trees(Source, a.Name)
		p.Move(a.Name, Source, 0)
		p.same(a.Name, want, p.trees(Transit, a.Name))
		p.Answers(Transit, a.Domain)
	}
	f, err = p.Servers[Transit].Survey(p.Ctx, providers.SurveyOptions{})
	p.OK("survey", err)
	if got := names(f); !slices.Equal(got, want) {
		t.Errorf("transit has %q, want %q", got, want)
	}
}

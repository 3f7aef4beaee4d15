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
func twice[A any](p *pair, what string, do func() (A, error)) (out A) {
	p.t.Helper()
	for n := range 2 {
		var err error
		out, err = do()
		p.ok(fmt.Sprintf("%s, time %d", what, n+1), err)
	}
	return out
}

func (p *pair) twice(what string, do func() error) {
	p.t.Helper()
	twice(p, what, func() (struct{}, error) { return struct{}{}, do() })
}

// testJourney moves accounts there and back with every call done twice, while
// rows are written, and compares what arrives byte by byte.
func testJourney(t *testing.T, h Harness) {
	full := Account{Name: "full", Domain: "full.example", Mailboxes: []string{"info"}, Databases: []string{"main", "other"}, Fill: FillHard}
	empty := Account{Name: "empty"}
	p := start(t, h, full, empty)
	for _, a := range []Account{full, empty} {
		p.there(a, Source, 0)
	}
	home, _ := p.w.Place(Transit, "full")
	if n, err := allocated(filepath.Join(home, "sparse")); err != nil || n >= sparseSize {
		t.Errorf("the sparse file takes %d bytes, %v", n, err)
	}
	p.answers(Transit, full.Domain)
	p.answers(Source, full.Domain) // redirected
	p.ok("insert on the new owner", p.w.Insert(Transit, "full", "main", "written on transit"))
	for _, a := range []Account{full, empty} { // a rollback is the same the other way
		p.there(a, Transit, 1)
	}
	p.answers(Source, full.Domain)
	p.answers(Transit, full.Domain)
}

// there moves one account with every call done twice.
func (p *pair) there(a Account, from Side, epoch uint64) {
	p.t.Helper()
	to := from.Other()
	p.pair(a.Name, from, epoch) // twice itself
	insert := func(row string) {
		for _, d := range a.Databases {
			p.ok("insert", p.w.Insert(from, a.Name, d, fmt.Sprintf("%s at %d", row, epoch)))
		}
	}
	for _, pass := range []providers.Pass{providers.PassBulk, providers.PassWarm} {
		insert(string(pass))
		p.twice(string(pass), func() error { p.pull(a.Name, from, pass, providers.Token{}); return nil })
	}
	o := twice(p, "origin", func() (providers.Origin, error) { return p.copier(from).Origin(p.ctx, p.term, a.Name) })
	twice(p, "warm compare", func() (providers.Compared, error) { return p.copier(to).Compare(p.ctx, o, p.term, providers.Token{}) })
	insert("after warm")
	p.twice("catch up", func() error { p.pull(a.Name, from, providers.PassCatchUp, providers.Token{}); return nil })
	insert("after catch up")
	t := p.token()
	frozen := twice(p, "freeze", func() (providers.Frozen, error) {
		return p.owner(from).Freeze(p.ctx, p.freezeRequest(a.Name, from, epoch, t))
	})
	equal(p.t, "databases of the frozen account", a.Databases, each(frozen.Databases, func(d schema.Database) string { return d.Name }))
	p.twice("renew", func() error { return p.owner(from).Renew(p.ctx, p.term, a.Name, t) })
	want := p.trees(from, a.Name)
	p.twice("final", func() error { p.pull(a.Name, from, providers.PassFinal, t); return nil })
	c := twice(p, "compare", func() (providers.Compared, error) { return p.copier(to).Compare(p.ctx, o, p.term, t) })
	if !c.Equal || c.Digest == "" {
		p.t.Fatalf("compare: %+v", c)
	}
	p.same(a.Name, want, p.trees(to, a.Name))
	p.switched(a, from, epoch, t, c.Digest)
	p.rows(a, from, to)
}

// switched goes from compared to confirmed.
func (p *pair) switched(a Account, from Side, epoch uint64, t providers.Token, digest string) {
	p.t.Helper()
	to := from.Other()
	first, err := p.owner(to).PrepareCopy(p.ctx, p.term, a.Name, t, digest)
	p.ok("prepare", err)
	second, err := p.owner(to).PrepareCopy(p.ctx, p.term, a.Name, t, digest)
	p.ok("prepare again", err)
	if !reflect.DeepEqual(first, second) || first.Epoch != epoch+1 || first.Machine != p.id[to].Machine {
		p.t.Errorf("receipts %+v and %+v", first, second)
	}
	p.state(to, a.Name, schema.StatePrepared, epoch+1)
	p.twice("commit", func() error { return p.owner(from).Commit(p.ctx, p.term, a.Name, t, first) })
	twice(p, "activate", func() (providers.Activation, error) {
		got, err := p.owner(to).Activate(p.ctx, a.Name, t)
		if err == nil && (got.State != schema.StateActive || got.Epoch != epoch+1) {
			err = fmt.Errorf("it is %+v", got)
		}
		return got, err
	})
	p.twice("confirm", func() error { return p.owner(from).Confirm(p.ctx, a.Name, epoch+1) })
	p.twice("commit after all", func() error { return p.owner(from).Commit(p.ctx, p.term, a.Name, t, first) })
	p.twice("close origin", func() error { return p.copier(from).CloseOrigin(p.ctx, a.Name) })
	if o := p.state(from, a.Name, schema.StateMoved, epoch+1); !o.Confirmed || o.Serves {
		p.t.Errorf("the origin's record is %+v", o)
	}
	if o := p.state(to, a.Name, schema.StateActive, epoch+1); !o.Serves {
		p.t.Errorf("the receiver's record is %+v", o)
	}
}

func (p *pair) rows(a Account, from, to Side) {
	p.t.Helper()
	for _, d := range a.Databases {
		want, err := p.w.Rows(from, a.Name, d)
		p.ok("rows at the origin", err)
		have, err := p.w.Rows(to, a.Name, d)
		p.ok("rows of the copy", err)
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
	p := start(t, h, accounts...)
	f, err := p.s[Source].Survey(p.ctx, providers.SurveyOptions{})
	p.ok("survey", err)
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
		p.move(a.Name, Source, 0)
		p.same(a.Name, want, p.trees(Transit, a.Name))
		p.answers(Transit, a.Domain)
	}
	f, err = p.s[Transit].Survey(p.ctx, providers.SurveyOptions{})
	p.ok("survey", err)
	if got := names(f); !slices.Equal(got, want) {
		t.Errorf("transit has %q, want %q", got, want)
	}
}

package providertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

func shop() Account {
	return Account{Name: "shop", Domain: "shop.example", Mailboxes: []string{"info"}, Databases: []string{"main"}}
}

// testLease: a run that goes quiet holds nobody still for longer than its lease.
func testLease(t *testing.T, h Harness) {
	p := Start(t, h, shop())
	p.Join("shop", Source, 0)
	token := p.Token()
	r := p.FreezeRequest("shop", Source, 0, token)
	r.Lease = 500 * time.Millisecond
	_, err := p.Owner(Source).Freeze(p.Ctx, r)
	p.OK("freeze", err)
	p.awaitState(Source, "shop", schema.StateActive)
	p.Answers(Source, "shop.example")
	p.Refused("renew after the lease", p.Owner(Source).Renew(p.Ctx, p.Term, "shop", token), providers.ErrRefused)
	_, err = p.Owner(Source).Freeze(p.Ctx, r)
	p.Refused("freeze with the token that lapsed", err, providers.ErrRefused)
	p.OK("insert", p.w.Insert(Source, "shop", "main", "after the thaw"))
	p.Cut("shop", Source, 0)
	p.rowsOf("shop", "main", Transit, 1)
}

func (p *Driver) rowsOf(account, database string, side Side, want int) {
	p.t.Helper()
	rows, err := p.w.Rows(side, account, database)
	p.OK("rows", err)
	if len(rows) != want {
		p.t.Errorf("%s of %q on %s has rows %q, want %d", database, account, side, rows, want)
	}
}

// testOriginDies: the origin is killed while it holds the account still, and
// nobody comes back to finish.
func testOriginDies(t *testing.T, h Harness) {
	p := Start(t, h, shop())
	p.Join("shop", Source, 0)
	token, receipt := p.Prepare("shop", Source, 0)
	p.w.Kill(Source)
	p.w.Start(Source)
	p.Answers(Source, "shop.example")
	p.Restarted(Source)
	p.State(Source, "shop", schema.StateActive, 0)
	p.Refused("commit after the kill", p.Owner(Source).Commit(p.Ctx, p.Term, "shop", token, receipt), providers.ErrRefused)
	// The receiver asks the origin by itself and becomes a copy again.
	p.awaitState(Transit, "shop", schema.StateStaged)
	p.Cut("shop", Source, 0)
}

// testReceiverDies: the receiver is killed while it waits for the origin's
// word; the tool does not live to see the end.
func testReceiverDies(t *testing.T, h Harness) {
	p := Start(t, h, shop())
	p.Join("shop", Source, 0)
	p.OK("insert", p.w.Insert(Source, "shop", "main", "before"))
	token, receipt := p.Prepare("shop", Source, 0)
	p.w.Kill(Transit)
	p.OK("commit", p.Owner(Source).Commit(p.Ctx, p.Term, "shop", token, receipt))
	p.w.Kill(Source) // and then the origin too
	p.w.Start(Source)
	p.w.Start(Transit)
	p.Answers(Transit, "shop.example")
	p.Answers(Source, "shop.example")
	p.Restarted(Transit)
	p.Restarted(Source)
	p.State(Transit, "shop", schema.StateActive, 1)
	p.Await(Source, "shop", "moved and confirmed", func(o schema.Ownership) bool { return o.State == schema.StateMoved && o.Confirmed })
	p.rowsOf("shop", "main", Transit, 1)
}

// testCommitLost: whoever did not get the answer asks again, another process
// and another life of the agent too.
func testCommitLost(t *testing.T, h Harness) {
	p := Start(t, h, shop())
	p.Join("shop", Source, 0)
	token, receipt := p.Prepare("shop", Source, 0)
	ctx, cancel := context.WithCancel(p.Ctx)
	time.AfterFunc(time.Millisecond, cancel) // the answer is lost, or the order was
	lost := p.Owner(Source).Commit(ctx, p.Term, "shop", token, receipt)
	cancel()
	t.Logf("the first commit said: %v", lost)
	p.Open(Source)
	p.OK("commit again", p.Owner(Source).Commit(p.Ctx, p.Term, "shop", token, receipt))
	p.w.Kill(Source)
	p.Restarted(Source)
	p.OK("commit after a restart", p.Owner(Source).Commit(p.Ctx, p.Term, "shop", token, receipt))
	p.Refused("thaw after the commit", p.Owner(Source).Thaw(p.Ctx, "shop", token, "too late"), providers.ErrRefused)
	p.Settle("shop", Source, 1, token)
	p.OK("commit after the end", p.Owner(Source).Commit(p.Ctx, p.Term, "shop", token, receipt))
	p.State(Source, "shop", schema.StateMoved, 1)
	p.State(Transit, "shop", schema.StateActive, 1)
}

// testReboot: an owner with a peer opens after a reboot only when the peer has
// answered that it is the owner still.
func testReboot(t *testing.T, h Harness) {
	p := Start(t, h, shop(), Account{Name: "calm", Domain: "calm.example"})
	p.Join("shop", Source, 0)
	p.w.Kill(Transit)
	p.w.Reboot(Source)
	p.Restarted(Source)
	p.Answers(Source, "calm.example") // never paired: it needs nobody
	o := p.State(Source, "shop", schema.StateActive, 0)
	if o.Serves || o.Blocker == "" {
		t.Errorf("a paired account after a reboot without its peer: %+v", o)
	}
	if status, body, err := p.Get(Source, "shop.example"); err == nil && status == 200 {
		t.Errorf("it answers all the same: %q", body)
	}
	p.w.Start(Transit)
	p.Await(Source, "shop", "served", func(o schema.Ownership) bool { return o.Serves && o.Blocker == "" })
	p.Answers(Source, "shop.example")
	p.Restarted(Transit)
	p.Cut("shop", Source, 0)
	p.w.Reboot(Transit)
	p.Restarted(Transit)
	p.Await(Transit, "shop", "served", func(o schema.Ownership) bool { return o.Serves })
	p.Answers(Transit, "shop.example")
}

// big is an account whose first copy takes a while.
func big() Account {
	a := shop()
	a.Fill = func(home string) error {
		for i := range 60 {
			b := bytes.Repeat(fmt.Appendf(nil, "block %d of a file that takes its time\n", i), 12_000)
			if err := os.WriteFile(filepath.Join(home, fmt.Sprintf("big %d", i)), b, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	return a
}

// testCancelledPull: a pull that was given up leaves a copy that the next
// completes. What it told until then says how much there is to copy.
func testCancelledPull(t *testing.T, h Harness) {
	p := Start(t, h, big())
	p.Join("shop", Source, 0)
	o := p.Origin("shop", Source)
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
		ctx, cancel := context.WithCancel(p.Ctx)
		time.AfterFunc(after, cancel)
		_, err := p.Copier(Transit).Pull(ctx, providers.PullRequest{Origin: o, Term: p.Term, Part: "files", Pass: providers.PassBulk},
			func(x providers.Progress) {
				if x.BytesTotal < x.Bytes || x.ItemsTotal < x.Items || x.BytesTotal == 0 {
					t.Errorf("progress without totals: %+v", x)
				}
				cancel()
			})
		t.Logf("cancelled after %v: %v", after, err)
		cancel()
	}
	p.completed()
}

// testCutStream: a stream between the servers that breaks is an error that says
// so, and the next pull completes the copy.
func testCutStream(t *testing.T, h Harness) {
	p := Start(t, h, big())
	p.Join("shop", Source, 0)
	o := p.Origin("shop", Source)
	for _, after := range []int{0, 100, 5_000, 1_000_000} {
		p.w.Cut(Transit, after)
		_, err := p.Copier(Transit).Pull(p.Ctx, providers.PullRequest{Origin: o, Term: p.Term, Part: "files", Pass: providers.PassBulk}, nil)
		if err == nil {
			t.Errorf("a stream that broke after %d bytes was taken for a whole one", after)
		}
	}
	p.w.Cut(Transit, -1)
	p.Answers(Source, "shop.example")
	p.completed()
}

func (p *Driver) completed() {
	p.t.Helper()
	want := p.trees(Source, "shop")
	p.Cut("shop", Source, 0)
	p.same("shop", want, p.trees(Transit, "shop"))
	p.Answers(Transit, "shop.example")
}

// testRepair: a change that no look at the metadata shows is found by the
// comparison, named, and mended by force.
func testRepair(t *testing.T, h Harness) {
	a := shop()
	a.Fill = func(home string) error { // what was written just now is sent again in any case
		name := filepath.Join(home, "old")
		at := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
		return errors.Join(os.WriteFile(name, []byte("written long ago"), 0o644), os.Chtimes(name, at, at))
	}
	p := Start(t, h, a)
	p.Join("shop", Source, 0)
	p.Pull("shop", Source, providers.PassWarm, providers.Token{})
	home, _ := p.w.Place(Transit, "shop")
	p.OK("hurt the copy", behind(filepath.Join(home, "old")))
	token := p.Token()
	p.Freeze("shop", Source, 0, token)
	p.Pull("shop", Source, providers.PassFinal, token)
	o := p.Origin("shop", Source)
	c, err := p.Copier(Transit).Compare(p.Ctx, o, p.Term, token)
	p.OK("compare", err)
	if c.Equal || len(c.Paths["files"]) != 1 || c.Paths["files"][0] != "old" {
		t.Fatalf("compare: %+v", c)
	}
	_, err = p.Copier(Transit).Pull(p.Ctx, providers.PullRequest{Origin: o, Term: p.Term, Part: "files", Pass: providers.PassFinal,
		Token: token, Force: c.Paths["files"]}, nil)
	p.OK("repair", err)
	if c, err = p.Copier(Transit).Compare(p.Ctx, o, p.Term, token); err != nil || !c.Equal {
		t.Errorf("compare after the repair: %+v, %v", c, err)
	}
	p.same("shop", p.trees(Source, "shop"), p.trees(Transit, "shop"))
}

// behind changes a file's content and nothing else that ls would show.
func behind(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	b[0] ^= 1
	if err := os.WriteFile(name, b, 0); err != nil {
		return err
	}
	return os.Chtimes(name, time.Time{}, info.ModTime())
}

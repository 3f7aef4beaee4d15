package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/stopover/stopover/providers"
)

// endless is a database that never comes to its end. It knows whether it is
// open.
type endless struct {
	DatabaseOrigin // what a trial does not call

	mu   sync.Mutex
	open int
}

func (e *endless) Send(ctx context.Context, _ providers.Pass, _ []byte, w io.Writer, _ func(done, total int64)) (Sent, error) {
	e.add(1)
	for {
		if err := ctx.Err(); err != nil {
			return Sent{}, err
		}
		if _, err := w.Write(make([]byte, 64<<10)); err != nil {
			return Sent{}, err
		}
	}
}

func (e *endless) Close() error {
	e.add(-1)
	return nil
}

func (e *endless) add(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open += n
}

func (e *endless) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open
}

// trialRig is an owner whose one database is being tried by somebody who does
// not read.
func trialRig(t *testing.T) (r *rig, c *Client, term uint64, st grpc.ClientStream) {
	t.Helper()
	r = newRig(t)
	r.host.endless = &endless{}
	c = r.client(t)
	claimed, err := c.Claim(t.Context(), providers.ClaimRequest{Migration: "m", Nonce: "n", Name: "m", Holder: "h"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Pair(t.Context(), claimed.Term, "shop", 0, providers.Peer{Machine: "m2", Agent: "a2", Credential: "secret"}); err != nil {
		t.Fatal(err)
	}
	return r, c, claimed.Term, r.unread(t, c, claimed.Term)
}

// unread begins a trial at the origin and reads nothing of it.
func (r *rig) unread(t *testing.T, c *Client, term uint64) grpc.ClientStream {
	t.Helper()
	o, err := c.Origin(t.Context(), term, "shop")
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := dial("agent", func(ctx context.Context, _ string) (net.Conn, error) { return r.listener.DialContext(ctx) }, o.Credential)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = receiver.close() })
	st, err := receiver.open(t.Context(), "SendTrial")
	if err != nil {
		t.Fatal(err)
	}
	q := &sendRequest{Account: "shop", Term: term, Part: PartDatabases, Object: "main", Pass: providers.PassBulk}
	// EOF: the agent has answered already, and ends says what.
	if err := st.SendMsg(q); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := (&streamWriter{st: st}).Close(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return st
}

// reading waits until the trial holds the database.
func (r *rig) reading(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); r.host.endless.count() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the trial does not begin")
		}
	}
}

func ends(t *testing.T, st grpc.ClientStream) error {
	t.Helper()
	var err error
	for err == nil {
		var c chunk
		err = st.RecvMsg(&c)
	}
	return streamError(st, err)
}

// TestFreezeEndsTrial: when a freeze has answered, no trial has a database of
// the account open, even one that nobody reads; and none begins.
func TestFreezeEndsTrial(t *testing.T) {
	r, c, term, st := trialRig(t)
	r.reading(t)
	q := providers.FreezeRequest{Term: term, Account: "shop", Token: providers.Token{Term: term, N: 1}, Machine: "m1", Lease: time.Minute}
	if _, err := c.Freeze(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if n := r.host.endless.count(); n != 0 {
		t.Errorf("%d databases are open after the freeze", n)
	}
	err := ends(t, st)
	if !errors.Is(err, providers.ErrTemporary) {
		t.Errorf("the trial ends with %v", err)
	}
	holds(t, err.Error(), "is being switched")
	if err := ends(t, r.unread(t, c, term)); !errors.Is(err, providers.ErrTemporary) {
		t.Errorf("a trial of a frozen account: %v", err)
	}
	if err := c.Thaw(t.Context(), "shop", q.Token, "the test wants it"); err != nil {
		t.Fatal(err)
	}
	r.unread(t, c, term)
	r.reading(t)
}

// TestClaimEndsTrial: a trial ends with the claim that it belongs to.
func TestClaimEndsTrial(t *testing.T) {
	r, c, _, st := trialRig(t)
	r.reading(t)
	if _, err := c.Claim(t.Context(), providers.ClaimRequest{Migration: "m", Nonce: "newer", Name: "m", Holder: "h"}); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, st); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the trial ends with %v", err)
	}
	for end := time.Now().Add(time.Minute); r.host.endless.count() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the database stays open")
		}
	}
}

// TestTrialsOnlyWithCredential: whoever was not given an account does not read it.
func TestTrialsOnlyWithCredential(t *testing.T) {
	r, c, term, st := trialRig(t)
	r.reading(t)
	other, err := c.c.open(t.Context(), "SendTrial")
	if err != nil {
		t.Fatal(err)
	}
	if err := other.SendMsg(&sendRequest{Account: "shop", Term: term, Part: PartDatabases, Object: "main"}); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := ends(t, other); !errors.Is(err, providers.ErrTemporary) {
		t.Errorf("without a credential: %v", err)
	}
	if err := c.CloseOrigin(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, st); !errors.Is(err, providers.ErrTemporary) {
		t.Errorf("after its session: %v", err)
	}
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/ownership"
	"github.com/stopover/stopover/schema"
)

func tokenOf(t providers.Token) ownership.Token { return ownership.Token{Term: t.Term, N: t.N} }

func peerOf(p providers.Peer) ownership.Peer {
	return ownership.Peer{Machine: p.Machine, Agent: p.Agent, Front: p.Front, Credential: p.Credential}
}

func (a *Agent) pair(_ context.Context, q *accountRequest) (*nothing, error) {
	defer a.lock(q.Account)()
	if a.keeper.Status(q.Account).Record.State == ownership.Unmanaged {
		if err := a.present(q.Account); err != nil {
			return nil, err
		}
	}
	// A part that the account does not have is an empty one from here on.
	if _, err := a.host.Place(q.Account, true); err != nil {
		return nil, err
	}
	if err := a.keeper.Pair(q.Term, q.Account, q.Epoch, peerOf(q.Peer)); err != nil {
		return nil, refused(err)
	}
	a.setDoors(q.Account)
	return &nothing{}, nil
}

// present refuses to write a record about an account that is not here: on a
// server known since the beginning it would claim to own nothing.
func (a *Agent) present(account string) error {
	names, err := a.host.Accounts()
	if err != nil {
		return err
	}
	if slices.Contains(names, account) {
		return nil
	}
	return fmt.Errorf("%w: there is no account %s on this server", providers.ErrRefused, schema.QuoteName(account))
}

func (a *Agent) stage(_ context.Context, q *accountRequest) (*nothing, error) {
	defer a.lock(q.Account)()
	stage := a.keeper.Stage
	if a.keeper.Status(q.Account).Record.State == ownership.Unmanaged {
		names, err := a.host.Accounts()
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, q.Account) {
			stage = a.keeper.StageNew
		}
	}
	if err := stage(q.Term, q.Account, q.Epoch, peerOf(q.Peer)); err != nil {
		return nil, refused(err)
	}
	a.setDoors(q.Account) // closed, durably, before there is anything to open
	if _, err := a.host.Place(q.Account, true); err != nil {
		return nil, err
	}
	return &nothing{}, nil
}

// freeze holds an account still. The record is written first; the answer, and
// with it the final sync, comes only when closing is complete (F6).
func (a *Agent) freeze(ctx context.Context, q *providers.FreezeRequest) (*providers.Frozen, error) {
	defer a.lock(q.Account)()
	t, began := tokenOf(q.Token), time.Now()
	if err := a.keeper.Freeze(q.Term, q.Account, t, q.Machine, q.Epoch, q.Lease); err != nil {
		return nil, refused(err)
	}
	err := a.endTrialsOf(ctx, q.Account)
	if err == nil {
		err = a.host.Hold(ctx, q.Account)
	}
	if err == nil {
		err = refused(a.keeper.DoorsClosed(q.Account, t))
	}
	var dbs []schema.Database
	if err == nil {
		err = a.host.Movable(q.Account)
	}
	if err == nil {
		dbs, err = a.host.Databases(q.Account)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("close %s: %w", schema.QuoteName(q.Account), err), a.thawLocked(q.Account, t, "it could not be closed"))
	}
	return &providers.Frozen{Databases: dbs, Held: time.Since(began)}, nil
}

func (a *Agent) renew(_ context.Context, q *tokenRequest) (*nothing, error) {
	// No account lock: a freeze that is still closing wants to be renewed.
	return &nothing{}, refused(a.keeper.Renew(q.Term, q.Account, tokenOf(q.Token)))
}

func (a *Agent) thaw(_ context.Context, q *tokenRequest) (*nothing, error) {
	return &nothing{}, a.thawNow(q.Account, tokenOf(q.Token), q.Text)
}

func (a *Agent) thawNow(account string, t ownership.Token, reason string) error {
	defer a.lock(account)()
	return a.thawLocked(account, t, reason)
}

// thawLocked makes the owner active again, durably and with the token void,
// and only then opens its doors.
func (a *Agent) thawLocked(account string, t ownership.Token, reason string) error {
	if err := a.keeper.Thaw(account, t, reason); err != nil {
		return refused(err)
	}
	a.log.Info("thawed", "account", account, "token", t, "reason", reason)
	// The token is void, durably: what is still being read cannot count any
	// more, and nobody has to wait for it.
	a.abandonSession(account)
	a.setDoors(account)
	return nil
}

// prepareCopy closes and drains every stream into the copy, makes it durable,
// and writes the record that waits for the origin's word.
func (a *Agent) prepareCopy(ctx context.Context, q *tokenRequest) (*providers.Receipt, error) {
	defer a.lock(q.Account)()
	t := tokenOf(q.Token)
	if a.keeper.Status(q.Account).Record.State != ownership.Prepared {
		if err := a.drainForPrepare(ctx, q, t); err != nil {
			return nil, err
		}
	}
	r, err := a.keeper.Prepare(q.Term, q.Account, t, a.ownerEpoch(q.Account), q.Text)
	if err != nil {
		return nil, refused(err)
	}
	a.setDoors(q.Account)
	return &providers.Receipt{Account: r.Account, Token: q.Token, Machine: r.Machine, Epoch: r.Epoch, Digest: r.Digest, MAC: r.MAC}, nil
}

func (a *Agent) drainForPrepare(ctx context.Context, q *tokenRequest, t ownership.Token) error {
	if err := a.keeper.PrepareBegin(q.Term, q.Account, t, a.ownerEpoch(q.Account)); err != nil {
		return refused(err)
	}
	done := false
	defer func() {
		if !done {
			a.keeper.PrepareCancel(q.Account, t)
		}
	}()
	for a.keeper.Status(q.Account).Streams > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("prepare: streams into the copy have not ended: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
	// The digest must be that of a comparison after which nothing was written:
	// a late or doubled pull could have torn the copy since.
	c := a.copyOf(q.Account)
	c.mu.Lock()
	digest, compared := c.equal[q.Token]
	c.mu.Unlock()
	if !compared || digest != q.Text {
		return fmt.Errorf("%w: the copy of %s was not found equal for token %s, or was written to since: compare again",
			providers.ErrRefused, schema.QuoteName(q.Account), t)
	}
	p, err := a.host.Place(q.Account, false)
	if err != nil {
		return err
	}
	err = syncPlace(p)
	done = err == nil
	return err
}

// ownerEpoch is the epoch of the owner that a copy was read from; a prepared
// record is one above already.
func (a *Agent) ownerEpoch(account string) uint64 {
	r := a.keeper.Status(account).Record
	if r.State == ownership.Prepared {
		return r.Epoch - 1
	}
	return r.Epoch
}

// commit switches the owner. From here on this server's files and tables of
// the account are never opened for writing again.
func (a *Agent) commit(_ context.Context, q *tokenRequest) (*nothing, error) {
	defer a.lock(q.Account)()
	r := q.Receipt
	_, err := a.keeper.Commit(q.Term, q.Account, tokenOf(q.Token), ownership.Receipt{
		Account: r.Account, Machine: r.Machine, Token: tokenOf(r.Token), Epoch: r.Epoch, Digest: r.Digest, MAC: r.MAC,
	})
	if err != nil {
		return nil, refused(err)
	}
	a.abandonSession(q.Account)
	a.setDoors(q.Account)
	a.poke()
	return &nothing{}, nil
}

// activate asks the origin itself, whatever the tool says.
func (a *Agent) activate(ctx context.Context, q *tokenRequest) (*providers.Activation, error) {
	for {
		s := a.keeper.Status(q.Account)
		switch s.Record.State {
		case ownership.Prepared:
			if err := a.pollOrigin(ctx, q.Account); err != nil {
				return &providers.Activation{State: schema.StatePrepared, Epoch: s.Record.Epoch, Why: err.Error()}, nil
			}
			if now := a.keeper.Status(q.Account); now.Record.State == ownership.Prepared {
				return &providers.Activation{State: schema.StatePrepared, Epoch: s.Record.Epoch, Why: now.Note}, nil
			}
		default:
			return &providers.Activation{State: s.Record.State.String(), Epoch: s.Record.Epoch, Why: s.Note}, nil
		}
	}
}

// confirm asks the peer whether it has seen the account active there.
func (a *Agent) confirm(ctx context.Context, q *accountRequest) (*nothing, error) {
	if a.keeper.Status(q.Account).Record.Confirmed {
		return &nothing{}, nil
	}
	return &nothing{}, a.learnConfirmation(ctx, q.Account)
}

func (a *Agent) retire(ctx context.Context, q *accountRequest) (*nothing, error) {
	defer a.lock(q.Account)()
	if a.keeper.Status(q.Account).Record.State == ownership.Unmanaged {
		if err := a.present(q.Account); err != nil {
			return nil, err
		}
	}
	if err := a.keeper.Retire(q.Term, q.Account, q.Epoch); err != nil {
		return nil, refused(err)
	}
	err := a.host.Hold(ctx, q.Account) // it is retired when nothing of it can write
	a.setDoors(q.Account)
	return &nothing{}, err
}

func (a *Agent) stub(_ context.Context, q *accountRequest) (*nothing, error) {
	defer a.lock(q.Account)()
	s := a.keeper.Status(q.Account)
	if s.Record.State == ownership.Moved && s.Record.Peer.Machine == q.Peer.Machine && s.Record.Epoch >= q.Epoch ||
		s.Record.State == ownership.Staged && s.Record.Peer.Machine == q.Peer.Machine {
		return &nothing{}, nil // done before
	}
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	// The domains are durable before the record is: a redirect without names
	// would turn visitors and mail away for good.
	if err := a.host.Redirects(q.Account, q.Domains); err != nil {
		return nil, err
	}
	if err := a.keeper.Stub(q.Term, q.Account, q.Epoch, ownership.Token{}, peerOf(q.Peer)); err != nil {
		return nil, refused(err)
	}
	a.setDoors(q.Account)
	a.poke()
	return &nothing{}, nil
}

func (a *Agent) declareLost(ctx context.Context, q *accountRequest) (*nothing, error) {
	defer a.lock(q.Account)()
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	// Whoever answers is not lost, whatever the operator's tool could see.
	if c, err := a.peers.to(a.keeper.Status(q.Account).Record.Peer.Agent); err == nil {
		ask, cancel := context.WithTimeout(ctx, askTimeout)
		id, err := call[nothing, providers.Identity](ask, c, "Identity", &nothing{})
		cancel()
		if err == nil && id.Machine == q.Machine {
			return nil, fmt.Errorf("%w: machine %s answers: it is not lost", providers.ErrRefused, q.Machine)
		}
	}
	if err := a.keeper.DeclareLost(q.Term, q.Account, q.Machine); err != nil {
		return nil, refused(err)
	}
	a.setDoors(q.Account)
	return &nothing{}, nil
}

func (a *Agent) seal(ctx context.Context, q *sealRequest) (*sealAnswer, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	residue, err := a.host.Residue()
	if err != nil {
		return nil, err
	}
	if len(residue) > 0 {
		return nil, fmt.Errorf("%w: %s is owned by no account and has no disposition that was carried out (%d such things); a wipe would destroy it",
			providers.ErrRefused, schema.QuoteName(residue[0].Path), len(residue))
	}
	// The keeper cannot know of accounts that were never managed: it is told
	// what exists on the system.
	present, err := a.host.Accounts()
	if err != nil {
		return nil, err
	}
	n, err := a.keeper.Seal(q.Term, q.Machine, q.Epochs, present)
	if err != nil {
		return nil, refused(err)
	}
	return &sealAnswer{Number: n}, nil
}

func (a *Agent) unseal(_ context.Context, q *sealRequest) (*nothing, error) {
	return &nothing{}, refused(a.keeper.Unseal(q.Term, q.Seal))
}

func (a *Agent) inherit(_ context.Context, q *sealRequest) (*nothing, error) {
	return &nothing{}, refused(a.keeper.Inherit(q.Term, q.Machine, q.Epochs))
}

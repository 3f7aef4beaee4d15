package agent

import (
	"context"
	"fmt"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/ownership"
	"github.com/stopover/stopover/schema"
)

// What an operator orders for an account that the agent keeps closed, or that
// shall forget its peer. Each takes the peer's word, asked now; the keeper
// refuses what that word does not cover.

func (a *Agent) surrender(ctx context.Context, q *accountRequest) (*nothing, error) {
	return &nothing{}, a.byPeersWord(ctx, q, a.keeper.Surrender)
}

func (a *Agent) accept(ctx context.Context, q *accountRequest) (*nothing, error) {
	return &nothing{}, a.byPeersWord(ctx, q, a.keeper.Accept)
}

// unpair makes an owner forget its peer, for another migration to come.
func (a *Agent) unpair(ctx context.Context, q *accountRequest) (*nothing, error) {
	if s := a.keeper.Status(q.Account).Record; s.State == ownership.Active && !s.Paired {
		return &nothing{}, refused(a.keeper.CheckTerm(q.Term)) // done before: there is nobody to ask
	}
	return &nothing{}, a.byPeersWord(ctx, q, a.keeper.Unpair)
}

func (a *Agent) byPeersWord(ctx context.Context, q *accountRequest, act func(term uint64, account string, ans ownership.Answer) error) error {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return refused(err)
	}
	defer a.talk(q.Account)()
	ans, err := a.question(ctx, q.Account, "Tell")
	if err != nil {
		return refused(err)
	}
	defer a.lock(q.Account)()
	if err := act(q.Term, q.Account, ans); err != nil {
		return refused(err)
	}
	a.forgetCopy(q.Account)
	a.setDoors(q.Account)
	a.poke()
	return nil
}

// reintroduce tells this side's record a new credential or address of its peer.
func (a *Agent) reintroduce(_ context.Context, q *accountRequest) (*nothing, error) {
	defer a.lock(q.Account)()
	if err := a.keeper.Reintroduce(q.Term, q.Account, peerOf(q.Peer)); err != nil {
		return nil, refused(err)
	}
	a.setDoors(q.Account) // the peer's front may be another one
	a.poke()
	return &nothing{}, nil
}

// rebuild makes a lost record anew from what the peer says.
func (a *Agent) rebuild(ctx context.Context, q *accountRequest) (*nothing, error) {
	if err := a.keeper.CheckTerm(q.Term); err != nil {
		return nil, refused(err)
	}
	defer a.talk(q.Account)()
	ask, err := a.askRebuild(q)
	if err != nil {
		return nil, err
	}
	c, err := a.peers.to(q.Peer.Agent)
	if err != nil {
		return nil, err
	}
	var m *answerMessage
	err = a.peers.calls(ctx, "Assist", func(ctx context.Context) (err error) {
		m, err = call[questionMessage, answerMessage](ctx, c, "Assist", &questionMessage{ask})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask the peer %s: %w", schema.QuoteName(q.Peer.Machine), err)
	}
	defer a.lock(q.Account)()
	if err := a.keeper.Rebuild(q.Account, m.Answer); err != nil {
		return nil, refused(err)
	}
	a.forgetCopy(q.Account)
	a.setDoors(q.Account)
	a.poke()
	return &nothing{}, nil
}

func (a *Agent) askRebuild(q *accountRequest) (ownership.Question, error) {
	defer a.lock(q.Account)()
	ask, err := a.keeper.AskRebuild(q.Term, q.Account, peerOf(q.Peer))
	if err != nil {
		return ownership.Question{}, refused(err)
	}
	return ask, nil
}

// assist answers a peer that lost its record. What it thaws or voids is durable
// before it answers.
func (a *Agent) assist(_ context.Context, q *questionMessage) (*answerMessage, error) {
	account := q.Question.Account
	defer a.lock(account)()
	before := a.keeper.Status(account).Record.State
	ans, err := a.keeper.Assist(q.Question)
	if err != nil {
		return nil, refused(err)
	}
	if before == ownership.Frozen {
		a.abandonSession(account) // as after any thaw
	}
	a.setDoors(account)
	return &answerMessage{ans}, nil
}

var _ providers.Operator = (*Client)(nil)

// Surrender gives a fenced account in to its peer; see providers.Operator.
func (c *Client) Surrender(ctx context.Context, term uint64, account string) error {
	return c.account(ctx, "Surrender", accountRequest{Term: term, Account: account})
}

// Accept opens an account here although what its peer wrote since is lost.
func (c *Client) Accept(ctx context.Context, term uint64, account string) error {
	return c.account(ctx, "Accept", accountRequest{Term: term, Account: account})
}

// Reintroduce gives an account's peer another credential or address.
func (c *Client) Reintroduce(ctx context.Context, term uint64, account string, peer providers.Peer) error {
	return c.account(ctx, "Reintroduce", accountRequest{Term: term, Account: account, Peer: peer})
}

// Rebuild makes a lost record anew from what the peer says.
func (c *Client) Rebuild(ctx context.Context, term uint64, account string, peer providers.Peer) error {
	return c.account(ctx, "Rebuild", accountRequest{Term: term, Account: account, Peer: peer})
}

// Unpair makes an owner forget its peer, which holds nothing any more.
func (c *Client) Unpair(ctx context.Context, term uint64, account string) error {
	return c.account(ctx, "Unpair", accountRequest{Term: term, Account: account})
}

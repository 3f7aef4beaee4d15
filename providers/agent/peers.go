package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent/ownership"
)

// peers are connections to other agents, by address.
type peers struct {
	dial  Dialer
	calls Calls
	mu    sync.Mutex
	open  map[string]*connection
}

func newPeers(d Dialer, c Calls) *peers {
	if c == nil {
		c = func(ctx context.Context, _ string, do func(context.Context) error) error { return do(ctx) }
	}
	return &peers{dial: d, calls: c, open: map[string]*connection{}}
}

func (p *peers) to(address string) (*connection, error) {
	if address == "" {
		return nil, errors.New("the peer's address is not known here")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.open[address]; c != nil {
		return c, nil
	}
	c, err := dial(address, p.dial, "")
	if err != nil {
		return nil, err
	}
	p.open[address] = c
	return c, nil
}

func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.close()
	}
}

// Times of the agents' own conversation. askTimeout bounds one question;
// the pauses keep an unreachable peer from being asked all the time.
const (
	askTimeout  = 5 * time.Second
	askPause    = 500 * time.Millisecond
	followEvery = 100 * time.Millisecond
)

// poke makes the follower look at once.
func (a *Agent) poke() {
	a.mu.Lock()
	clear(a.asking)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// follow does what records ask for without any tool: it thaws what lapsed, asks
// peers whose word is needed, tells peers to ask.
func (a *Agent) follow() {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		for _, l := range a.keeper.Lapsed() {
			a.alone("thaw "+l.Account, func() {
				if err := a.thawNow(l.Account, l.Token, "its lease lapsed"); err != nil {
					a.log.Error("thaw after the lease", "account", l.Account, "error", err)
				}
			})
		}
		a.alone("expire", a.expireSessions)
		a.unstick()
		for _, account := range a.keeper.Accounts() {
			switch k := a.keeper.Next(account).Kind; k {
			case ownership.PollOrigin, ownership.RedirectPoke, ownership.AskPeer:
				a.ask(account, k)
			}
		}
		select {
		case <-a.ctx.Done():
			return
		case <-tick.C:
		case <-a.wake:
		}
	}
}

// alone does work beside the follower, unless the same work is under way: no
// account waits for another one's door, disk or peer.
func (a *Agent) alone(what string, do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy[what] {
		return
	}
	a.busy[what] = true
	a.work.Go(func() {
		do()
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.busy, what)
	})
}

// ask starts one conversation about an account unless one is under way.
func (a *Agent) ask(account string, kind ownership.ActionKind) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if next, ok := a.asking[account]; ok && now.Before(next) {
		return
	}
	a.asking[account] = now.Add(askTimeout + time.Second)
	a.work.Go(func() {
		ctx, cancel := context.WithTimeout(a.ctx, askTimeout)
		defer cancel()
		var err error
		switch kind {
		case ownership.PollOrigin:
			err = a.pollOrigin(ctx, account)
		case ownership.RedirectPoke:
			a.hintPeer(ctx, account)
			err = a.learnConfirmation(ctx, account)
		case ownership.AskPeer:
			err = a.askPeer(ctx, account)
		}
		if err != nil {
			a.log.Debug("peer", "account", account, "need", kind, "error", err)
		}
		a.mu.Lock()
		a.asking[account] = time.Now().Add(askPause)
		a.mu.Unlock()
	})
}

// question asks the peer in the way that method says and returns its answer.
func (a *Agent) question(ctx context.Context, account, method string) (ownership.Answer, error) {
	s := a.keeper.Status(account)
	q, err := a.keeper.Ask(account)
	if err != nil {
		return ownership.Answer{}, err
	}
	c, err := a.peers.to(s.Record.Peer.Agent)
	if err != nil {
		return ownership.Answer{}, err
	}
	var m *answerMessage
	err = a.peers.calls(ctx, method, func(ctx context.Context) (err error) {
		m, err = call[questionMessage, answerMessage](ctx, c, method, &questionMessage{q})
		return err
	})
	if err != nil {
		return ownership.Answer{}, fmt.Errorf("ask the peer %s: %w", s.Record.Peer.Machine, err)
	}
	return m.Answer, nil
}

// pollOrigin asks whether the token was committed, and acts by the answer.
func (a *Agent) pollOrigin(ctx context.Context, account string) error {
	defer a.talk(account)()
	if a.keeper.Next(account).Kind != ownership.PollOrigin {
		return nil // the conversation before this one has settled it
	}
	ans, err := a.question(ctx, account, "Poll")
	if err != nil {
		return err
	}
	defer a.lock(account)()
	defer a.setDoors(account)
	state, err := a.keeper.Learn(account, ans)
	if state == ownership.Active {
		a.forgetCopy(account)
	}
	return err
}

// learnConfirmation asks whether the peer owns the account.
func (a *Agent) learnConfirmation(ctx context.Context, account string) error {
	defer a.talk(account)()
	if a.keeper.Status(account).Record.Confirmed {
		return nil
	}
	ans, err := a.question(ctx, account, "Tell")
	if err != nil {
		return err
	}
	defer a.lock(account)()
	defer a.setDoors(account)
	if err := a.keeper.Confirm(account, ans); err != nil {
		return fmt.Errorf("%w: %w", providers.ErrTemporary, err)
	}
	return nil
}

// askPeer asks, after a reboot, whether the account may be opened here.
func (a *Agent) askPeer(ctx context.Context, account string) error {
	defer a.talk(account)()
	ans, err := a.question(ctx, account, "Tell")
	if err != nil {
		return err
	}
	defer a.lock(account)()
	defer a.setDoors(account)
	_, err = a.keeper.AnswerPeer(account, ans)
	return err
}

// hintPeer tells the receiver to poll. It carries no word on the token (F10).
func (a *Agent) hintPeer(ctx context.Context, account string) {
	c, err := a.peers.to(a.keeper.Status(account).Record.Peer.Agent)
	if err == nil {
		err = a.peers.calls(ctx, "Hint", func(ctx context.Context) error {
			_, err := call[accountRequest, nothing](ctx, c, "Hint", &accountRequest{Account: account})
			return err
		})
	}
	if err != nil {
		a.log.Debug("hint", "account", account, "error", err)
	}
}

func (a *Agent) hint(ctx context.Context, q *accountRequest) (*nothing, error) {
	if a.keeper.Next(q.Account).Kind == ownership.PollOrigin {
		return &nothing{}, a.pollOrigin(ctx, q.Account)
	}
	return &nothing{}, nil
}

// poll answers for the origin. What it says is durable before it is said.
func (a *Agent) poll(_ context.Context, q *questionMessage) (*answerMessage, error) {
	defer a.lock(q.Question.Account)()
	ans, err := a.keeper.Poll(q.Question)
	if err != nil {
		return nil, refused(err)
	}
	a.setDoors(q.Question.Account)
	return &answerMessage{ans}, nil
}

func (a *Agent) tell(_ context.Context, q *questionMessage) (*answerMessage, error) {
	ans, err := a.keeper.Tell(q.Question)
	if err != nil {
		return nil, refused(err)
	}
	return &answerMessage{ans}, nil
}

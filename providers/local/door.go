package local

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/front"
	"github.com/stopover/stopover/providers/local/program"
)

// door is what the host last did for an account.
type door struct {
	op         sync.Mutex // one opening or closing at a time
	generation int        // of orders; a later one makes an earlier one's remainder void
	state      agent.Doors
	front      string
	epoch      uint64
	stopped    bool // its programs were ended, and nothing has started them since
}

var _ agent.Host = (*Host)(nil)

func (h *Host) door(account string) *door {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.doors[account]
	if d == nil {
		d = &door{}
		h.doors[account] = d
	}
	return d
}

// order makes an order the newest for an account and says how to know later
// whether it still is.
func (h *Host) order(d *door) (current func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.generation++
	mine := d.generation
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return d.generation == mine
	}
}

// drainLimit is how long requests in flight may take to end when an account is
// closed; then their connections are cut.
const drainLimit = 3 * time.Second

// Hold closes an account: its requests wait, its programs are ended, its mail
// is deferred. When it returns nothing of the account can write.
func (h *Host) Hold(ctx context.Context, account string) error {
	d := h.door(account)
	h.order(d)
	d.op.Lock()
	defer d.op.Unlock()
	d.state = "" // half closed, until it is known better: any order that follows is carried out
	drain, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	if err := h.front.Hold(drain, account); err != nil && !errors.Is(err, front.ErrUnknown) {
		return err
	}
	if err := h.stop(ctx, account); err != nil {
		return err
	}
	d.state, d.stopped = agent.DoorsHeld, true
	return nil
}

func (h *Host) stop(ctx context.Context, account string) error {
	a, err := h.programsOf(account)
	if err != nil {
		// Nothing can be said about its programs but their marks.
		at, derr := description.AccountDir(h.dir, account)
		if derr != nil {
			return derr
		}
		a = program.Account{Name: account, Dir: at}
	}
	return h.programs.StopAll(ctx, a)
}

func (h *Host) programsOf(account string) (program.Account, error) {
	a, err := description.ReadAccount(h.dir, account)
	if err != nil {
		return program.Account{}, err
	}
	return program.Describe(h.dir, h.description(), a)
}

// Open sets the doors of an account; see agent.Host.
func (h *Host) Open(account string, doors agent.Doors, peer string, epoch uint64) error {
	d := h.door(account)
	d.op.Lock()
	defer d.op.Unlock()
	if d.state == doors && d.front == peer && d.epoch == epoch {
		return nil // and what an equal order has under way goes on
	}
	current := h.order(d)
	d.state = ""
	if doors == agent.DoorsServe {
		d.stopped = false
		err := h.openHere(account, epoch, current)
		d.set(err, doors, peer, epoch)
		return err
	}
	mode := front.Mode{Epoch: epoch}
	switch doors {
	case agent.DoorsHeld:
		mode.Kind = front.Hold
	case agent.DoorsRedirect:
		p, err := parseFront(peer)
		if err != nil {
			return err
		}
		mode.Kind, mode.Peer = front.Redirect, p
	default:
		mode.Kind = front.Closed
	}
	if err := h.set(account, mode); err != nil {
		return err
	}
	if !d.stopped {
		// What is not served here does not run here, whoever started it.
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := h.stop(ctx, account); err != nil {
			return err
		}
		d.stopped = true
	}
	d.set(nil, doors, peer, epoch)
	return nil
}

// set remembers an order that was carried out; one that was not is carried out
// again when it is repeated.
func (d *door) set(err error, doors agent.Doors, peer string, epoch uint64) {
	if err == nil {
		d.state, d.front, d.epoch = doors, peer, epoch
	}
}

// openHere starts the account's programs and lets requests in once its site
// answers. It does not wait: whoever comes meanwhile waits at the front.
func (h *Host) openHere(account string, epoch uint64, current func() bool) error {
	a, err := h.programsOf(account)
	if err != nil {
		return errors.Join(err, h.set(account, front.Mode{Kind: front.Closed}))
	}
	if err := h.keepDomains(account); err != nil { // a full disk must not keep the account closed
		h.log.Warn("note the names of its domains", "account", account, "error", err)
	}
	if err := h.set(account, front.Mode{Kind: front.Hold, Epoch: epoch}); err != nil {
		return err
	}
	h.opening.Go(func() { h.finishOpening(account, a, epoch, current) })
	return nil
}

// finishOpening is the part of an opening that takes time.
func (h *Host) finishOpening(account string, a program.Account, epoch uint64, current func() bool) {
	d := h.door(account)
	d.op.Lock()
	defer d.op.Unlock()
	if !current() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	err := h.programs.Start(ctx, a)
	if err != nil {
		h.log.Warn("programs", "account", account, "error", err)
	}
	err = errors.Join(others(err), h.front.Release(account, front.Mode{Kind: front.Serve, Epoch: epoch}))
	if err != nil {
		h.log.Error("open", "account", account, "error", err)
		d.state = "" // not done: the agent orders it again
		h.failed(account)
	}
}

// others is what of an error is not about single programs: those say at each
// request that they do not run, and are started again by themselves.
func others(err error) error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var rest []error
		for _, e := range j.Unwrap() {
			rest = append(rest, others(e))
		}
		return errors.Join(rest...)
	}
	var one *program.StartError
	if errors.As(err, &one) {
		return nil
	}
	return err
}

package ownership

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrOtherMachine is returned by Open for a disk whose records were written on
// another machine: it was copied or restored there, and nothing on it counts.
var ErrOtherMachine = errors.New("the records belong to another machine")

// Open reads all records, ends what an earlier instance left frozen, and
// returns a keeper whose StartActions say what the agent does next. The caller
// must hold the lock that lets only one agent run. Records that cannot be read
// do not fail Open: their accounts stay closed.
func Open(d Disk, o Options) (*Keeper, error) { return open(d, o, mutant{}) }

func open(d Disk, o Options, m mutant) (*Keeper, error) {
	if o.Now == nil {
		return nil, errors.New("open records: no clock")
	}
	for _, s := range []string{o.Machine, o.Boot, o.Instance} {
		if s == "" || len(s) > maxName {
			return nil, fmt.Errorf("open records: machine, boot and instance need 1 to %d bytes each", maxName)
		}
	}
	if o.Nonce == nil {
		o.Nonce = rand.Text
	}
	k := &Keeper{
		disk: d, options: o, mutant: m,
		accounts: map[string]*holding{}, streams: map[uint64]*streaming{},
	}
	names, err := d.List()
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	if err := k.openServer(slices.Contains(names, serverBlob)); err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if account, ok := strings.CutPrefix(name, "account/"); ok {
			k.actions = append(k.actions, k.openAccount(account))
		}
	}
	return k, nil
}

// openServer reads or makes the server's own record. One that is lost leaves
// serverReadable false: accounts that are open stay open, everything that
// needs a claim is refused until RebuildServer.
func (k *Keeper) openServer(exists bool) error {
	k.serverBlob = blob{name: serverBlob, size: ServerSlotSize}
	if !exists {
		k.server = ServerRecord{Machine: k.options.Machine, Known: k.options.Known}
		if err := k.serverBlob.create(k.disk, encodeServer(k.server)); err != nil {
			return fmt.Errorf("create the server's record: %w", err)
		}
		k.serverReadable, k.serverSettled = true, true
		return nil
	}
	payload, err := k.serverBlob.load(k.disk)
	if err != nil {
		return nil
	}
	s, err := decodeServer(payload)
	if err != nil {
		return nil
	}
	if s.Machine != k.options.Machine {
		return fmt.Errorf("open records of machine %q on %q: %w", s.Machine, k.options.Machine, ErrOtherMachine)
	}
	k.server, k.serverReadable = s, true
	_ = k.settleServer() // tried again before it is relied on; until then accounts must open
	return nil
}

// settleServer is settle for the server's own record.
func (k *Keeper) settleServer() error {
	if k.serverSettled || k.mutant.unsettled {
		return nil
	}
	if err := k.putServer(k.server); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}

// openAccount reads one account's record and applies the table "On start of an
// agent".
func (k *Keeper) openAccount(account string) Action {
	h := &holding{stored: true, blob: blob{name: accountBlob(account), size: SlotSize}}
	k.accounts[account] = h
	payload, err := h.blob.load(k.disk)
	if err == nil {
		h.rec, err = decodeRecord(payload)
	}
	if err == nil && h.rec.Account != account {
		err = fmt.Errorf("it is about %q", h.rec.Account)
	}
	if err != nil {
		h.rec = Record{Account: account, State: Unreadable}
		h.note = err.Error()
		return k.action(h)
	}
	if h.rec.State == Frozen {
		if err := k.thawAtStart(h); err != nil {
			h.note = err.Error()
		}
		h.thawed = h.rec.State == Active
		return k.action(h)
	}
	if err := k.settle(h); err != nil {
		h.note = err.Error()
	}
	return k.action(h)
}

// thawAtStart ends a cutover whose holder is gone. The record keeps the boot
// id it was frozen under, so that it stays closed after a reboot until the
// peer has answered.
func (k *Keeper) thawAtStart(h *holding) error {
	return k.put(h, thawed(h.rec, h.rec.Token))
}

// settle writes a record again that was read at start: its writer may have been
// killed between writing and syncing, and then a power loss would take back
// what this instance has told others.
func (k *Keeper) settle(h *holding) error {
	if h.settled || k.mutant.unsettled || !h.stored || h.rec.State == Unreadable {
		return nil
	}
	if err := h.blob.save(k.disk, encodeRecord(h.rec)); err != nil {
		return fmt.Errorf("write the record of %q again: %w", h.rec.Account, err)
	}
	h.settled = true
	return nil
}

// action tells what follows from a record.
func (k *Keeper) action(h *holding) Action {
	r := h.rec
	a := Action{Account: r.Account, Peer: r.Peer.public(), Token: r.Token, Reason: h.note}
	switch r.State {
	case Active:
		a.Kind = Serve
		switch {
		case r.Blocker != "":
			a.Kind, a.Reason = Fenced, r.Blocker
		case k.pending(r):
			a.Kind = AskPeer
		case h.thawed:
			a.Kind = Thawed
		}
	case Prepared:
		a.Kind = PollOrigin
	case Moved:
		a.Kind = RedirectPoke
		if r.Confirmed {
			a.Kind = Redirect
		}
	case Unreadable:
		a.Kind = Unread
	}
	return a
}

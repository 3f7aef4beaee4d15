package state

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// lockInfo is what Terraform's http backend sends to lock, and gets back from
// who holds the lock. All of it has to be there for GitLab, which answers with
// its own idea of Who and Created.
type lockInfo struct {
	ID        string
	Operation string
	Info      string // our Holder, as JSON
	Who       string
	Version   string
	Created   string
	Path      string
}

// holder is who holds a lock, as well as the server lets us know.
func (i *lockInfo) holder() Holder {
	var h Holder
	if json.Unmarshal([]byte(i.Info), &h) == nil && h.Who != "" {
		return h
	}
	h = Holder{Who: i.Who, Doing: i.Operation}
	if h.Who == "" {
		h.Who = "unknown"
	}
	if t, err := time.Parse(time.RFC3339, i.Created); err == nil {
		h.Started = t
	}
	return h
}

// tryLock takes a state's lock. If somebody else has it, it says who.
func (r *remote) tryLock(ctx context.Context, id string, h Holder) (*lockInfo, error) {
	info, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	body, err := json.Marshal(lockInfo{ID: id, Operation: "stopover", Info: string(info), Who: h.Who, Version: "1",
		Created: h.Started.UTC().Format(time.RFC3339Nano), Path: r.where()})
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	a, err := r.do(ctx, r.s.o.LockMethod, "lock", "", body)
	if err != nil {
		return nil, err
	}
	switch a.code {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return nil, nil
	case http.StatusConflict, http.StatusLocked:
		other := &lockInfo{}
		if json.Unmarshal(a.body, other) != nil || other.ID == "" {
			other.ID = "(unknown)"
		}
		if other.ID == id { // our request went through, and only its answer was lost
			return nil, nil
		}
		return other, nil
	case http.StatusNotFound:
		return nil, fmt.Errorf("state store %s: there is no such project, or these credentials may not see it", r.address)
	}
	return nil, r.strange("locking", a)
}

// unlock frees a state's lock if it is still the one named; errNotOurs if not.
func (r *remote) unlock(ctx context.Context, id string) error {
	body, err := json.Marshal(lockInfo{ID: id})
	if err != nil {
		return fmt.Errorf("unlock state: %w", err)
	}
	a, err := r.do(ctx, r.s.o.UnlockMethod, "lock", id, body)
	if err != nil {
		return err
	}
	switch a.code {
	case http.StatusOK, http.StatusNoContent, http.StatusNotFound:
		return nil
	case http.StatusConflict, http.StatusLocked, http.StatusBadRequest, http.StatusUnprocessableEntity:
		return fmt.Errorf("unlock state %s: %w", r.where(), errNotOurs)
	}
	return r.strange("unlocking", a)
}

// beatDocument is the content of the run's state: a heartbeat that others see.
type beatDocument struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Serial  uint64 `json:"serial"` // grows with every beat, whoever's
	Lineage string `json:"lineage"`
	Lock    string `json:"lock"`
	Holder  Holder `json:"holder"`
}

const beatFormat = "stopover run"

func (s *HTTP) readBeat(ctx context.Context) (*beatDocument, error) {
	body, err := s.run.get(ctx)
	if err != nil {
		return nil, err
	}
	d := &beatDocument{}
	if len(body) == 0 {
		return d, nil
	}
	if json.Unmarshal(body, d) != nil || d.Format != beatFormat {
		return nil, &CorruptError{Path: s.run.where(), Why: "it is not a heartbeat of Stopover: another tool keeps its state at this address"}
	}
	return d, nil
}

// httpLock is the lock of the run's state, and its heartbeat.
type httpLock struct {
	store *HTTP
	id    string
	doc   beatDocument
	first time.Time // when the first beat was sent

	once   sync.Once
	halted sync.Once
	stop   chan struct{}
	ended  chan struct{}
	lost   chan struct{}
}

// Lock implements Store.
func (s *HTTP) Lock(ctx context.Context, h Holder) (Lock, error) {
	s.mu.Lock()
	held := s.lock != nil
	s.mu.Unlock()
	if held {
		return nil, &LockedError{Holder: h, Where: s.run.where()}
	}
	id := rand.Text()
	if err := s.acquire(ctx, id, h); err != nil {
		return nil, err
	}
	k := &httpLock{store: s, id: id, stop: make(chan struct{}), ended: make(chan struct{}), lost: make(chan struct{})}
	if err := k.begin(ctx, h); err != nil {
		c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return nil, errors.Join(err, s.run.unlock(c, id))
	}
	s.mu.Lock()
	s.lock = k
	s.mu.Unlock()
	go k.beat()
	return k, nil
}

// acquire takes the run's lock: at once if it is free, after a lease if its
// holder's heartbeat has stopped. It returns a *LockedError as soon as it beats.
func (s *HTTP) acquire(ctx context.Context, id string, h Holder) error {
	var seen string
	var before *beatDocument
	var silent time.Time
	for refused := 0; ; {
		other, err := s.run.tryLock(ctx, id, h)
		if err != nil || other == nil {
			return err
		}
		now, err := s.readBeat(ctx)
		if err != nil {
			return err
		}
		switch {
		case other.ID != seen:
			seen, before, silent = other.ID, now, s.o.Clock.Now()
		case now.Serial != before.Serial:
			return &LockedError{Holder: holderOf(other, now), Where: s.run.where()}
		case s.o.Clock.Now().Sub(silent) > s.o.Lease:
			// Only this very lock: somebody else may have been faster.
			if err := s.run.unlock(ctx, other.ID); err != nil && !errors.Is(err, errNotOurs) {
				return err
			}
			if refused++; refused >= mostRefused {
				return &LockedError{Holder: holderOf(other, now), Where: s.run.where()}
			}
		}
		if err := s.pause(ctx, s.o.Beat/2); err != nil {
			return err
		}
	}
}

// holderOf says who holds a lock: the heartbeat knows better than the server,
// which puts the name of a token's owner there.
func holderOf(i *lockInfo, d *beatDocument) Holder {
	if d.Lock == i.ID {
		return d.Holder
	}
	return i.holder()
}

func (k *httpLock) begin(ctx context.Context, h Holder) error {
	last, err := k.store.readBeat(ctx)
	if err != nil {
		return err
	}
	k.doc = beatDocument{Format: beatFormat, Version: formatVersion, Serial: last.Serial, Lineage: last.Lineage, Lock: k.id, Holder: h}
	if k.doc.Lineage == "" {
		k.doc.Lineage = rand.Text()
	}
	k.first = k.store.o.Clock.Now()
	return k.write(ctx)
}

// write is one beat.
func (k *httpLock) write(ctx context.Context) error {
	k.doc.Serial++
	body, err := json.Marshal(k.doc)
	if err != nil {
		return fmt.Errorf("lock state: %w", err)
	}
	return k.store.run.put(ctx, k.id, body)
}

// beat writes the heartbeat until the lock is released or lost. A beat that
// cannot be written for half a lease is as good as none: others will take over.
func (k *httpLock) beat() {
	defer close(k.ended)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-k.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	good := k.first
	for {
		select {
		case <-k.stop:
			return
		case <-k.store.o.Clock.After(k.store.o.Beat):
		}
		// A beat counts from when it was sent: a slow server may have shown it to
		// others long before it answers.
		began := k.store.o.Clock.Now()
		c, end := context.WithTimeout(ctx, k.store.o.Lease/2)
		err := k.write(c)
		end()
		now := k.store.o.Clock.Now()
		switch {
		case err == nil:
			good = began
		case ctx.Err() != nil:
			return
		case errors.Is(err, errNotOurs) && !k.caughtUp(ctx), now.Sub(good) > k.store.o.Lease/2:
			close(k.lost)
			return
		}
	}
}

// caughtUp says whether a beat that was refused had only been written before,
// its answer being lost: the serial is taken, and it is ours.
func (k *httpLock) caughtUp(ctx context.Context) bool {
	d, err := k.store.readBeat(ctx)
	return err == nil && d.Lock == k.id && d.Serial >= k.doc.Serial
}

// halt ends the heartbeat.
func (k *httpLock) halt() {
	k.halted.Do(func() { close(k.stop) })
	<-k.ended
}

func (k *httpLock) isLost() bool {
	select {
	case <-k.lost:
		return true
	default:
		return false
	}
}

// Lost implements Lock.
func (k *httpLock) Lost() <-chan struct{} { return k.lost }

// Release implements Lock.
func (k *httpLock) Release() error {
	var err error
	k.once.Do(func() {
		k.halt()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if !k.isLost() {
			if e := k.store.run.unlock(ctx, k.id); e != nil && !errors.Is(e, errNotOurs) {
				err = fmt.Errorf("release the lock of the state: %w", e)
			}
		}
		k.store.mu.Lock()
		if k.store.lock == k {
			k.store.lock = nil
		}
		k.store.mu.Unlock()
	})
	return err
}

// Unlock implements Unlocker.
func (s *HTTP) Unlock(ctx context.Context) (Holder, error) {
	id := rand.Text()
	me := Holder{Who: "stopover", Doing: "looks whether somebody holds the lock", Started: s.o.Clock.Now()}
	other, err := s.run.tryLock(ctx, id, me)
	if err != nil {
		return Holder{}, err
	}
	if other == nil {
		return Holder{}, errors.Join(ErrNotLocked, s.run.unlock(ctx, id))
	}
	d, err := s.readBeat(ctx)
	if err != nil {
		return Holder{}, err
	}
	if err := s.acquire(ctx, id, me); err != nil {
		return Holder{}, err
	}
	return holderOf(other, d), s.run.unlock(ctx, id)
}

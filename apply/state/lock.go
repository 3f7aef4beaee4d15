package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The lock of a local store is the file lock.N with the highest N. To take it
// is to create the next one, which the kernel lets only one process do. Its
// holder keeps a kernel lock on it, so that whoever is killed frees it at once,
// and writes a counter into it, the heartbeat, so that one who is stopped, or
// was on another machine, frees it after a lease. Only changes of the counter
// count, on the waiter's own clock.

const (
	lockPrefix = "lock."
	beatLength = 20
	released   = "released            " // in place of the counter
)

// lockRecord is the first line of a lock's file. Where says on which running
// kernel the holder lives: only there the kernel lock means something.
type lockRecord struct {
	Holder Holder `json:"holder"`
	Nonce  string `json:"nonce"`
	Where  string `json:"where"`
}

type localLock struct {
	store  *Local
	n      uint64
	file   *os.File
	offset int64 // of the counter

	once  sync.Once
	stop  chan struct{}
	ended chan struct{}
	lost  chan struct{}
}

// Lock implements Store. A holder that was killed on this machine is no
// obstacle; one that beats is refused with a *LockedError; one that is silent
// for a whole lease is taken over.
func (l *Local) Lock(ctx context.Context, h Holder) (Lock, error) {
	l.mu.Lock()
	held := l.lock != nil
	l.mu.Unlock()
	if held {
		return nil, &LockedError{Holder: h, Where: l.dir}
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	for {
		n, err := l.highestLock()
		if err != nil {
			return nil, err
		}
		if n > 0 {
			if err := l.awaitFree(ctx, n); err != nil {
				return nil, err
			}
		}
		k, err := l.takeLock(n+1, h)
		if errors.Is(err, fs.ErrExist) {
			continue // somebody else was faster
		}
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		l.lock = k
		l.mu.Unlock()
		go k.beat()
		return k, nil
	}
}

func (l *Local) lockPath(n uint64) string {
	return filepath.Join(l.dir, lockPrefix+strconv.FormatUint(n, 10))
}

func (l *Local) highestLock() (uint64, error) {
	ns, err := l.locks()
	if err != nil || len(ns) == 0 {
		return 0, err
	}
	return slices.Max(ns), nil
}

func (l *Local) locks() ([]uint64, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	var ns []uint64
	for _, e := range entries {
		tail, ok := strings.CutPrefix(e.Name(), lockPrefix)
		// Forty bits are more locks than there can be: a higher number is not ours.
		if n, err := strconv.ParseUint(tail, 10, 40); ok && err == nil && n > 0 {
			ns = append(ns, n)
		}
	}
	return ns, nil
}

// awaitFree returns when lock n may be taken over.
func (l *Local) awaitFree(ctx context.Context, n uint64) error {
	before, free, err := l.look(n)
	if err != nil || free {
		return err
	}
	silent := l.opts.Clock.Now()
	for l.opts.Clock.Now().Sub(silent) < l.opts.Lease {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.opts.Clock.After(l.opts.Beat / 2):
		}
		now, free, err := l.look(n)
		if err != nil || free {
			return err
		}
		if now != before {
			return &LockedError{Holder: holderIn(now), Where: l.lockPath(n)}
		}
	}
	return nil
}

// look reads lock n and says whether its holder is known to be gone.
func (l *Local) look(n uint64) (content string, free bool, err error) {
	f, err := os.OpenFile(l.lockPath(n), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", true, nil // removed by a later holder; creating ours will tell
	}
	if err != nil {
		return "", false, fmt.Errorf("lock state: %w", err)
	}
	defer f.Close()
	b := make([]byte, 4096)
	k, err := f.Read(b)
	if err != nil && !errors.Is(err, io.EOF) { // an empty file is nobody's: it is taken over after a lease
		return "", false, fmt.Errorf("lock state: %w", err)
	}
	content = string(b[:k])
	if strings.HasSuffix(content, released) {
		return content, true, nil
	}
	var r lockRecord
	line, _, _ := strings.Cut(content, "\n")
	if json.Unmarshal([]byte(line), &r) != nil || r.Where != kernel() {
		return content, false, nil
	}
	// A shared lock, so that two who look do not take each other for the holder.
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return content, true, nil
	}
	return content, false, nil
}

// Unlock implements Unlocker. A holder on this machine is dead when the kernel
// has dropped its lock, and alive as long as it has not, even if it is stopped
// and beats no more: it may go on at any moment. One on another machine, or
// from before a reboot, is dead when it has not beaten for a whole lease.
func (l *Local) Unlock(ctx context.Context) (Holder, error) {
	if i, err := os.Stat(l.dir); errors.Is(err, fs.ErrNotExist) || err == nil && !i.IsDir() {
		return Holder{}, ErrNotLocked
	}
	n, err := l.highestLock()
	if err != nil {
		return Holder{}, err
	}
	if n == 0 {
		return Holder{}, ErrNotLocked
	}
	content, free, err := l.look(n)
	switch {
	case err != nil:
		return Holder{}, err
	case content == "" && free || strings.HasSuffix(content, released):
		return Holder{}, ErrNotLocked
	}
	was := holderIn(content)
	if !free && recordIn(content).Where == kernel() {
		return Holder{}, &LockedError{Holder: was, Where: l.lockPath(n)}
	}
	if err := l.awaitFree(ctx, n); err != nil {
		return Holder{}, err
	}
	// To take the next one and to let go of it is the only way that cannot hit
	// somebody who was faster.
	k, err := l.takeLock(n+1, Holder{Who: "unlock"})
	if errors.Is(err, fs.ErrExist) {
		return Holder{}, &LockedError{Holder: Holder{Who: "another run, which has just begun"}, Where: l.dir}
	}
	if err != nil {
		return Holder{}, err
	}
	close(k.ended) // it never beat
	return was, k.Release()
}

func recordIn(content string) lockRecord {
	var r lockRecord
	line, _, _ := strings.Cut(content, "\n")
	_ = json.Unmarshal([]byte(line), &r) // what is no record names nobody
	return r
}

func holderIn(content string) Holder {
	var r lockRecord
	line, _, _ := strings.Cut(content, "\n")
	if json.Unmarshal([]byte(line), &r) != nil {
		return Holder{Who: "unknown"}
	}
	return r.Holder
}

// takeLock creates lock n. It fails with fs.ErrExist when somebody else has it,
// or a later one.
func (l *Local) takeLock(n uint64, h Holder) (_ *localLock, err error) {
	line, err := json.Marshal(lockRecord{Holder: h, Nonce: random(8), Where: kernel()})
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	f, err := os.CreateTemp(l.dir, "new-lock-*")
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	defer func() {
		_ = os.Remove(f.Name())
		if err != nil {
			_ = f.Close()
		}
	}()
	k := &localLock{store: l, n: n, file: f, offset: int64(len(line)) + 1,
		stop: make(chan struct{}), ended: make(chan struct{}), lost: make(chan struct{})}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	if _, err := fmt.Fprintf(f, "%s\n%0*d", line, beatLength, 0); err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	if err := os.Link(f.Name(), l.lockPath(n)); err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	// The number may have been free only because a later holder had tidied up.
	highest, err := l.highestLock()
	if err == nil && highest != n {
		_ = os.Remove(l.lockPath(n))
		err = fs.ErrExist
	}
	if err != nil {
		return nil, err
	}
	l.tidyLocks(n)
	return k, nil
}

// tidyLocks removes what is left of earlier holders. The highest stays.
func (l *Local) tidyLocks(n uint64) {
	ns, err := l.locks()
	if err != nil {
		return
	}
	for _, m := range ns {
		if m < n {
			_ = os.Remove(l.lockPath(m))
		}
	}
}

// beat counts up until the lock is released or lost.
func (k *localLock) beat() {
	defer close(k.ended)
	good := k.store.opts.Clock.Now()
	for i := uint64(1); ; i++ {
		select {
		case <-k.stop:
			return
		case <-k.store.opts.Clock.After(k.store.opts.Beat):
		}
		highest, err := k.store.highestLock()
		if err == nil && highest != k.n {
			close(k.lost)
			return
		}
		now := k.store.opts.Clock.Now()
		if _, werr := fmt.Fprintf(offsetWriter{k.file, k.offset}, "%0*d", beatLength, i); err == nil && werr == nil {
			good = now
		}
		// Others take a heartbeat that they cannot see for a stopped one.
		if now.Sub(good) > k.store.opts.Lease/2 {
			close(k.lost)
			return
		}
	}
}

type offsetWriter struct {
	f  *os.File
	at int64
}

// Write implements io.Writer.
func (w offsetWriter) Write(p []byte) (int, error) { return w.f.WriteAt(p, w.at) }

func (k *localLock) isLost() bool {
	select {
	case <-k.lost:
		return true
	default:
		return false
	}
}

// Lost implements Lock.
func (k *localLock) Lost() <-chan struct{} { return k.lost }

// Release implements Lock.
func (k *localLock) Release() error {
	var err error
	k.once.Do(func() {
		close(k.stop)
		<-k.ended
		if _, e := k.file.WriteAt([]byte(released), k.offset); e != nil {
			err = fmt.Errorf("release the lock of the state: %w", e)
		}
		err = errors.Join(err, k.file.Close())
		k.store.mu.Lock()
		if k.store.lock == k {
			k.store.lock = nil
		}
		k.store.mu.Unlock()
	})
	return err
}

// kernel names the running kernel of this machine: kernel locks, and the
// processes that hold them, do not outlive it.
func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown " + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return strings.TrimSpace(string(b))
}

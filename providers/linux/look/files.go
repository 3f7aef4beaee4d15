//go:build linux

package look

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// trees reads the homes and mailboxes of all accounts in one walk: files and
// messages are counted, and what is worth reading is read as it is passed.
// Nothing is remembered of single files, so that memory does not grow with them.
func (w *world) trees(ctx context.Context) error {
	f := &walk{w: w, c: newContents(w)}
	f.wake = sync.NewCond(&f.mu)
	var all []*territory
	boxes := w.mailboxes(ctx)
	mounts := w.mountsBelow()
	for _, a := range slices.Backward(w.accounts) { // the last one that is put in is walked first
		all = append(all, w.territories(a, boxes[a], mounts)...)
	}
	for _, t := range all {
		t.left.Store(1)
		f.todo = append(f.todo, dirJob{in: t, box: t.box})
	}
	f.left.Store(int64(len(all)))
	f.total = int64(len(all))
	stop := context.AfterFunc(ctx, f.stop)
	defer stop()
	var workers sync.WaitGroup
	for range walkers() {
		workers.Go(f.work)
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, a := range w.accounts {
		w.gather(a, boxes[a])
	}
	return nil
}

// maxWaiting bounds the directories that wait to be read. A directory of
// millions of directories is nobody's work, and would fill the memory.
const maxWaiting = 2_000_000

// territory is one directory of an account that is walked with all that is
// below: its home, or a mailbox outside of it.
type territory struct {
	a      *account
	at     place
	box    *box            // all of it is a mailbox
	inner  map[string]*box // mailboxes in a home, by path below it
	mounts map[string]bool // what is mounted below, by path
	count  counts          // of files, without mail
	h      *harvest        // of the account

	left atomic.Int64 // directories still to be read
	once sync.Once
	t    *tree
	dev  uint64
	err  error
}

// territories are those of one account.
func (w *world) territories(a *account, boxes []*box, mounts []string) []*territory {
	h := newHarvest()
	home := &territory{a: a, at: place{base: a.home}, inner: map[string]*box{}, h: h}
	home.mounts = below(mounts, a.home)
	out := []*territory{home}
	for _, b := range boxes {
		if rel, ok := strings.CutPrefix(b.Path, a.home+"/"); ok {
			home.inner[rel] = b
			b.in, b.at = home, rel
			continue
		}
		t := &territory{a: a, at: b.place, box: b, h: h, mounts: below(mounts, b.Path)}
		b.in = t
		out = append(out, t)
	}
	a.walked = home
	return out
}

// mountsBelow lists what is mounted on the machine. It is known before the walk
// so that a mount whose server hangs is not even asked what it is.
func (w *world) mountsBelow() (out []string) {
	for _, m := range root("/").mountTable() { // the machine's, whatever directory is looked at
		if p, ok := strings.CutPrefix(m.path, strings.TrimSuffix(w.m.Root, "/")); ok {
			out = append(out, p)
		}
	}
	return out
}

func below(mounts []string, dir string) map[string]bool {
	out := map[string]bool{}
	for _, m := range mounts {
		if rel, ok := strings.CutPrefix(m, strings.TrimSuffix(dir, "/")+"/"); ok && rel != "" {
			out[rel] = true
		}
	}
	return out
}

// open opens the root of the territory, once.
func (t *territory) open(w *world) (*tree, error) {
	t.once.Do(func() {
		if t.t, t.err = w.openPlace(t.at); t.err != nil {
			return
		}
		var st unix.Stat_t
		if t.err = unix.Fstat(t.t.fd, &st); t.err == nil {
			t.dev = st.Dev
		}
	})
	return t.t, t.err
}

// name is how people find a path of the territory: below the home, or absolute.
func (t *territory) name(path string) string {
	if t.box == nil {
		return path
	}
	return joinPath(t.at.path(), path)
}

// dirJob is one directory to read.
type dirJob struct {
	in      *territory
	path    string // below the territory's root
	box     *box   // that it is part of
	foreign bool   // others wrote what is in it: libraries and history
	depth   int
}

// walk shares the directories that are still to be read. They are kept as
// paths, not as descriptors, so that a wide tree does not use up the process's.
type walk struct {
	w     *world
	c     *contents
	left  atomic.Int64 // territories
	total int64

	mu      sync.Mutex
	wake    *sync.Cond
	todo    []dirJob
	active  int
	stopped bool
}

func (f *walk) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	f.wake.Broadcast()
}

func (f *walk) halted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}

// work reads directories until there are none. It has a thread of its own, whose
// reads stand behind those of everybody else.
func (f *walk) work() {
	runtime.LockOSThread() // not unlocked: the thread ends with its priority
	yieldDisk()
	r := newReader(f)
	for {
		j, ok := f.next()
		if !ok {
			return
		}
		f.done(j, f.one(r, j))
	}
}

// one reads one directory. A fault of our own costs that directory alone.
func (f *walk) one(r *reader, j dirJob) (more []dirJob) {
	defer func() {
		if x := recover(); x != nil {
			f.w.m.Log.Error("panic", "directory", j.in.name(j.path), "value", fmt.Sprint(x))
			j.in.unreadable(j.path, fmt.Errorf("the agent met a fault of its own: %v", x))
			more = nil
		}
	}()
	return r.dir(j)
}

func (f *walk) next() (dirJob, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.todo) == 0 && f.active > 0 && !f.stopped {
		f.wake.Wait()
	}
	if len(f.todo) == 0 || f.stopped {
		return dirJob{}, false
	}
	last := len(f.todo) - 1
	j := f.todo[last]
	f.todo[last] = dirJob{}
	f.todo = f.todo[:last]
	f.active++
	return j, true
}

// done puts what was found below a directory in front of all else: a territory
// that was begun is finished before the next ones, so that few are open.
func (f *walk) done(j dirJob, more []dirJob) {
	t := j.in
	t.left.Add(int64(len(more)))
	f.mu.Lock()
	lost := 0
	if over := len(f.todo) + len(more) - maxWaiting; over > 0 {
		lost = min(over, len(more))
		more = more[lost:]
	}
	f.todo = append(f.todo, more...)
	f.active--
	if len(more) > 1 || f.active == 0 {
		f.wake.Broadcast()
	} else if len(more) == 1 {
		f.wake.Signal()
	}
	f.mu.Unlock()
	if lost > 0 {
		t.unreadable(j.path, fmt.Errorf("more than %d directories wait to be read; %d of those in it were left out", maxWaiting, lost))
	}
	if t.left.Add(-1-int64(lost)) == 0 {
		if t.t != nil {
			t.t.close()
		}
		f.finished(t)
	}
}

// finished forgets what was only needed during the walk of a territory, and says
// so now and then.
func (f *walk) finished(t *territory) {
	t.count.forget()
	for _, b := range t.inner {
		b.count.forget()
	}
	if t.box != nil {
		t.box.count.forget()
	}
	read := f.total - f.left.Add(-1)
	if read == f.total || read%max(1, f.total/100) == 0 {
		f.w.progress(providers.Progress{Items: read, ItemsTotal: f.total, Note: "homes and mailboxes"})
	}
}

// unreadable notes something of an account that could not be looked at.
func (t *territory) unreadable(path string, err error) {
	name := t.name(path)
	if name == "" {
		name = t.a.home
	}
	t.h.findings.add(schema.Finding{Code: foundUnreadable, Severity: schema.Blocker, Object: name,
		Summary: fmt.Sprintf("%s cannot be read: %v", schema.QuoteName(name), err),
		Remedy:  "mend what the message names; nothing of the account is moved before"})
}

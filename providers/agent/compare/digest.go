//go:build linux

package compare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Options of Digest. Both sides of a comparison use the same IgnoreOwners and IgnoreXattrs.
type Options struct {
	Frozen       bool                // the tree stands still: a change under the walk is ErrMoved
	Warm         bool                // sync the file system first and remember hashes in the cache; for walks outside the cut
	IgnoreOwners bool                // the receiver is not root and cannot hold them
	IgnoreXattrs bool                // the receiver's file system does not take them
	MapUID       func(uint32) uint32 // on the origin: its user ids to the receiver's. Called from several goroutines
	MapGID       func(uint32) uint32
	Workers      int // 0 chooses

	settle time.Duration // for tests; 0 is the constant
}

// ErrMoved: something changed in a tree that was said to be frozen.
var ErrMoved = errors.New("changed while it was compared")

// maxPath is as far as programs can name a file. What lies deeper cannot have been copied, and is an error here.
const maxPath = 4095

// Digest walks the tree at root and hashes what cache does not know. A nil cache hashes everything. It follows no
// symbolic link, crosses no mount point and leaves access times alone where it may.
func Digest(ctx context.Context, root string, cache *Cache, opts Options) (*Tree, error) {
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("compare %q: %w", root, err)
	}
	top := os.NewFile(uintptr(fd), root)
	defer top.Close()
	w := &walker{opts: opts, cache: cache, tree: &Tree{}}
	if opts.settle == 0 {
		w.opts.settle = settle
	}
	if err := w.prepare(fd); err != nil {
		return nil, fmt.Errorf("compare %q: %w", root, err)
	}
	if err := w.run(ctx, top); err != nil {
		return nil, fmt.Errorf("compare %q: %w", root, err)
	}
	w.tree.seal()
	w.remember()
	return w.tree, nil
}

// walker is one walk.
type walker struct {
	opts   Options
	cache  *Cache
	tree   *Tree
	synced time.Time // before the sync that came before all hashing; zero when hashes are not remembered
	all    *errgroup.Group

	mu    sync.Mutex
	fresh map[inode]record
}

// prepare makes hashes worth remembering.
func (w *walker) prepare(fd int) error {
	if w.cache == nil {
		return nil
	}
	if !trusted(fd) {
		w.cache = nil
		return nil
	}
	if !w.opts.Warm {
		return nil
	}
	w.synced, w.fresh = time.Now(), map[inode]record{}
	if err := unix.Syncfs(fd); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// remember replaces the cache by what this walk saw, so that it does not grow with files that are gone.
func (w *walker) remember() {
	if w.fresh == nil {
		return
	}
	w.cache.mu.Lock()
	defer w.cache.mu.Unlock()
	w.cache.records = w.fresh
}

func (w *walker) keep(id inode, r record) {
	if w.fresh == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh[id] = r
}

func (w *walker) run(ctx context.Context, top *os.File) error {
	var st unix.Statx_t
	if err := unix.Statx(int(top.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &st); err != nil {
		return err
	}
	workers := w.opts.Workers
	if workers <= 0 {
		workers = min(4, max(2, runtime.GOMAXPROCS(0)))
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(workers)
	w.all = all
	w.tree.root = w.node("", &st)
	all.Go(func() error { return w.directory(ctx, top, "", w.tree.root) })
	return all.Wait()
}

// count changes the summary.
func (w *walker) count(f func(*Summary)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.tree.Summary)
}

// moved forgives a change outside the cut, and names it inside.
func (w *walker) moved(path string, err error) error {
	gone := errors.Is(err, ErrMoved) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ESTALE) || errors.Is(err, unix.ENXIO)
	if !gone {
		return fmt.Errorf("read %q: %w", path, err)
	}
	if w.opts.Frozen {
		return fmt.Errorf("read %q: %w (%w)", path, ErrMoved, err)
	}
	w.count(func(s *Summary) { s.Moving++ })
	return nil
}

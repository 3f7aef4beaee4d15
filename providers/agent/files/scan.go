//go:build linux

package files

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ScanOptions of Scan and Send.
type ScanOptions struct {
	Workers int                 // directories read at the same time; 0 chooses
	Frozen  bool                // the tree stands still: what vanishes while it is read is ErrChanged
	MapUID  func(uint32) uint32 // the origin's user id to the receiver's; nil keeps it. Called from several goroutines
	MapGID  func(uint32) uint32
}

func (o ScanOptions) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return min(4, max(2, runtime.GOMAXPROCS(0)))
}

// Scan lists the tree at root. It follows no symbolic link, crosses no mount point, and does not touch access times
// where it may avoid it. What cannot be carried is left out and reported; what cannot be read is an error.
func Scan(ctx context.Context, root string, opts ScanOptions) (*Listing, []Finding, error) {
	t, err := openTree(root)
	if err != nil {
		return nil, nil, err
	}
	defer t.close()
	var found findings
	l, err := scan(ctx, t, opts, &found)
	if err != nil {
		return nil, found.list, fmt.Errorf("scan %q: %w", root, err)
	}
	return l, found.list, nil
}

// scanner shares the directories that are still to be read. They are kept as paths, not as descriptors, so that a
// wide tree does not use up the descriptors of the process.
type scanner struct {
	t    *tree
	opts ScanOptions
	ids  idMap
	*findings

	mu     sync.Mutex
	wake   *sync.Cond
	todo   []string
	active int
	dirs   map[string][]Entry
	err    error
}

func scan(ctx context.Context, t *tree, opts ScanOptions, found *findings) (*Listing, error) {
	s := &scanner{t: t, opts: opts, ids: idMap{opts.MapUID, opts.MapGID}, findings: found, todo: []string{""}, dirs: map[string][]Entry{}}
	s.wake = sync.NewCond(&s.mu)
	root, err := newReader(s).root()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { s.stop(context.Cause(ctx)) })
	defer stop()
	var all sync.WaitGroup
	for range opts.workers() {
		all.Go(func() { s.work() })
	}
	all.Wait()
	if s.err != nil {
		return nil, s.err
	}
	sortFindings(found.list)
	return &Listing{root: root, dirs: s.dirs}, nil
}

func sortFindings(list []Finding) {
	slices.SortFunc(list, func(a, b Finding) int {
		return strings.Compare(a.Path+"\x00"+string(a.Code), b.Path+"\x00"+string(b.Code))
	})
}

func (s *scanner) stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.wake.Broadcast()
}

func (s *scanner) stopped() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *scanner) work() {
	r := newReader(s)
	for {
		path, ok := s.next()
		if !ok {
			return
		}
		list, err := r.read(path)
		if err != nil {
			s.stop(err)
		}
		s.done(path, list)
	}
}

func (s *scanner) next() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.todo) == 0 && s.active > 0 && s.err == nil {
		s.wake.Wait()
	}
	if len(s.todo) == 0 || s.err != nil {
		return "", false
	}
	path := s.todo[len(s.todo)-1]
	s.todo = s.todo[:len(s.todo)-1]
	s.active++
	return path, true
}

func (s *scanner) done(path string, list []Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirs[path] = list
	for i := range list {
		if list[i].isDir() {
			s.todo = append(s.todo, join(path, list[i].Name))
		}
	}
	s.active--
	s.wake.Broadcast()
}

// gone turns "vanished" into nothing, or into an error when nothing may vanish.
func (s *scanner) gone(op, path string, err error) error {
	if !vanished(err) {
		return fail(op, path, err)
	}
	if s.opts.Frozen {
		return fail(op, path, fmt.Errorf("%w (%w)", ErrChanged, err))
	}
	return nil
}

func (s *scanner) xattrs(h holder, path string) ([]Xattr, error) {
	list, left, err := readXattrs(h, s.ids)
	if errors.Is(err, errXattrs) || errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ERANGE) {
		s.add(XattrSize, path, err.Error())
		return nil, nil
	}
	for _, name := range left {
		s.add(XattrName, path, name)
	}
	return list, err
}

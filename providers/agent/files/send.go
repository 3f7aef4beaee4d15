//go:build linux

package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// SendOptions of Send.
type SendOptions struct {
	ScanOptions          // Frozen makes this the final pass: whatever changes under us is ErrChanged
	Force       []string // paths to send in whole though they look the same; a directory means itself, not what is in it
	Progress    func(Progress)
}

// Progress of a pass. Totals are those of the plan made after the scan.
type Progress struct {
	Files, TotalFiles int64 // regular files whose content is sent
	Bytes, TotalBytes int64 // their content, holes not counted in Bytes
}

// Stats of a pass. Send and Receive count the same things, except as noted.
type Stats struct {
	Entries  int   // in the origin's tree (Send only)
	Files    int   // regular files sent in whole
	Bytes    int64 // their content, without holes
	Stream   int64 // bytes of the stream
	Dirs     int   // directories made
	Symlinks int
	Fifos    int
	Links    int // hard links made
	Renames  int // files that moved without their content being sent
	Metas    int // files and directories whose metadata was set
	Removed  int // names removed with what was below them
	Skipped  int // files that changed while they were read; the receiver keeps what it had (Send only)
	Findings []Finding
}

// racy is how close to now an mtime has to be for a later write to leave it as it is: timestamps are as coarse as a
// tick of the kernel, or a second or two on some file systems.
const racy = 2 * time.Second

// Send walks root, writes to w what turns base into it, and returns the listing of what the receiver holds once its
// Receive has returned without error. A nil base means an empty receiver. If Send or Receive fails, the base is no
// longer true: scan the receiver again.
//
// Send does not close w. It ends early only when w does: whoever stops it, or sees Receive fail, closes the stream.
func Send(ctx context.Context, root string, base *Listing, w io.Writer, opts SendOptions) (*Listing, Stats, error) {
	t, err := openTree(root)
	if err != nil {
		return nil, Stats{}, err
	}
	defer t.close()
	if base == nil {
		base = &Listing{dirs: map[string][]Entry{}}
	}
	var found findings
	now, err := scan(ctx, t, opts.ScanOptions, &found)
	if err != nil {
		return nil, Stats{Findings: found.list}, fmt.Errorf("send %q: %w", root, err)
	}
	s := &sender{
		t: t, now: now, base: base, plan: diff(now, base, opts.Force), opts: opts,
		ids: idMap{opts.MapUID, opts.MapGID}, found: &found, w: newFrameWriter(w), lost: map[string]struct{}{},
	}
	s.stats.Entries = now.Len()
	err = s.run(ctx)
	s.stats.Stream, s.stats.Findings = s.w.bytes, found.list
	if err != nil {
		return nil, s.stats, fmt.Errorf("send %q: %w", root, err)
	}
	return s.held(), s.stats, nil
}

// sender carries out a plan. The mutex guards the stream, the counters and the listing's entries.
type sender struct {
	t         *tree
	now, base *Listing
	*plan
	opts  SendOptions
	ids   idMap
	found *findings

	mu    sync.Mutex
	w     *frameWriter
	stats Stats
	prog  Progress
	links [][2]ref            // to groups that were sent
	lost  map[string]struct{} // paths that the receiver will not hold
}

func (s *sender) run(ctx context.Context) error {
	if err := s.w.value(frameHello, hello{Version: version, Stage: s.stage()}); err != nil {
		return err
	}
	s.prog.TotalFiles, s.prog.TotalBytes = s.totals()
	if s.prog.TotalFiles > 0 {
		if err := s.w.value(frameTotals, totals{Files: s.prog.TotalFiles, Bytes: s.prog.TotalBytes}); err != nil {
			return err
		}
	}
	steps := []func(context.Context) error{s.names, s.contents, s.hardlinks, s.metadata}
	for _, step := range steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := s.w.parts(frameEnd); err != nil {
		return err
	}
	return s.w.flush()
}

// totals are of the files whose content is sent.
func (s *sender) totals() (files, bytes int64) {
	for _, g := range s.send {
		if regular(g[0].e) {
			files++
			bytes += min(g[0].e.Size, math.MaxInt64-bytes) // holes cost nothing: a user may have any number of exabytes
		}
	}
	return files, bytes
}

// stage chooses a reserved name for the receiver's root that no file on either side has. What an interrupted pass left
// under such a name is in the base by now, and removed like everything else that the origin does not have.
func (s *sender) stage() string {
	for i := 0; ; i++ {
		name := stagePrefix + strconv.Itoa(i)
		if s.now.find("", name) == nil && s.base.find("", name) == nil {
			return name
		}
	}
}

// names sends everything that needs no content, in the order that keeps moved files safe.
func (s *sender) names(context.Context) error {
	for _, m := range s.stash {
		if err := s.w.value(frameStash, m); err != nil {
			return err
		}
	}
	for _, p := range s.remove {
		s.stats.Removed++
		if err := s.w.value(frameRemove, one{Path: p}); err != nil {
			return err
		}
	}
	for _, p := range s.mkdir {
		s.stats.Dirs++
		if err := s.w.value(frameMkdir, one{Path: p}); err != nil {
			return err
		}
	}
	for _, m := range s.rename {
		s.stats.Renames++
		if err := s.w.value(frameRename, m); err != nil {
			return err
		}
	}
	for _, m := range s.place {
		s.stats.Renames++
		if err := s.w.value(framePlace, m); err != nil {
			return err
		}
	}
	return nil
}

// contents sends files. Several workers read small ones at the same time; who sends a large one keeps the stream.
func (s *sender) contents(ctx context.Context) error {
	jobs := make(chan []ref, 64)
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		defer close(jobs)
		for _, g := range s.send {
			select {
			case jobs <- g:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range s.opts.workers() {
		all.Go(func() error {
			f := &fileSender{sender: s, dir: dirCache{t: s.t}}
			defer f.dir.close()
			for g := range jobs {
				if err := f.group(ctx, g); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

func (s *sender) hardlinks(context.Context) error {
	for _, l := range append(s.link, s.links...) {
		s.stats.Links++
		if err := s.w.value(frameLink, move{From: l[0].path(), To: l[1].path()}); err != nil {
			return err
		}
	}
	return nil
}

// metadata of files first, then of directories, the root last.
func (s *sender) metadata(ctx context.Context) error {
	d := dirCache{t: s.t}
	defer d.close()
	for _, r := range s.meta {
		m, err := s.metaOf(&d, r.dir, r.e)
		if err != nil {
			return err
		}
		s.stats.Metas++
		if err := s.w.value(frameMeta, file{Path: r.path(), Meta: m}); err != nil {
			return err
		}
	}
	for _, p := range s.dirOrder() {
		e, dir := &s.now.root, ""
		if p != "" {
			var name string
			dir, name = split(p)
			e = s.now.find(dir, name)
		}
		m, err := s.metaOf(&d, dir, e)
		if err != nil {
			return err
		}
		s.stats.Metas++
		if err := s.w.value(frameDirMeta, file{Path: p, Meta: m}); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// metaOf is what the scan saw; only attributes have to be read again. Where they are not those of the scan any more,
// the listing shall say so, and the next pass mends it.
func (s *sender) metaOf(d *dirCache, dir string, e *Entry) (meta, error) {
	m := metaFor(e)
	if e.Xattrs == [16]byte{} {
		return m, nil
	}
	path := join(dir, e.Name)
	fd, err := d.get(dir, 0)
	if err == nil {
		h := holder{path: procPath(fd) + "/" + e.Name}
		if e.Name == "" {
			h = holder{fd: fd}
		}
		m.Xattrs, _, err = readXattrs(h, s.ids)
	}
	sum := hashXattrs(m.Xattrs)
	if err != nil && !vanished(err) && !errors.Is(err, errXattrs) {
		return m, fail("read attributes of", path, err)
	}
	if sum != e.Xattrs && s.opts.Frozen {
		return m, fail("read attributes of", path, ErrChanged)
	}
	e.Xattrs = sum
	return m, nil
}

func metaFor(e *Entry) meta {
	return meta{Mode: e.Mode & 0o7777, UID: e.UID, GID: e.GID, Sec: e.Sec, Nsec: e.Nsec}
}

// skip leaves a group as the receiver has it, for the next pass.
func (s *sender) skip(g []ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Skipped++
	for _, r := range g {
		s.forget(r)
	}
}

// forget lets the listing say what the receiver goes on to hold at a name.
func (s *sender) forget(r ref) {
	b := s.base.find(r.dir, r.e.Name)
	if _, moved := s.moved[r.path()]; b == nil || b.isDir() || moved {
		s.lost[r.path()] = struct{}{}
		return
	}
	*r.e = *b
	r.e.Dirty, r.e.Nlink, r.e.Dev, r.e.Ino = true, 1, 0, 0
}

func (s *sender) held() *Listing {
	for path := range s.lost {
		dir, name := split(path)
		s.now.dirs[dir] = slices.DeleteFunc(s.now.dirs[dir], func(e Entry) bool { return e.Name == name })
	}
	s.now.origin = true
	return s.now
}

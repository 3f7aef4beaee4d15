//go:build linux

package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ReceiveOptions of Receive.
type ReceiveOptions struct {
	Workers int // small files written at the same time; 0 chooses
	// MayOwn limits owners: false refuses the stream. A compromised origin could otherwise make a setuid file of root.
	// Nil allows all. Called from several goroutines; not asked when we are not root and owners are not set.
	MayOwn   func(uid, gid uint32) bool
	Progress func(Progress) // totals as the origin says, zero until it has
}

// stagePrefix begins the name of the reserved directory in the receiver's root; the origin chooses the number that
// follows so that no file of a user has the same name.
const stagePrefix = ".stopover-stage-"

// Receive makes the tree at root what the other end's Send describes. The root is made if it is missing. Nothing
// outside it is touched, and no file appears under its final name before it is whole. When it returns an error, all
// that was finished is kept: scan the tree and start another pass from there.
//
// It ends early only when r does; when it fails, close the stream, so that the other end does not wait.
// It stops reading r after the last frame. If r is an io.ByteReader, nothing beyond that is consumed.
func Receive(ctx context.Context, root string, r io.Reader, opts ReceiveOptions) (Stats, error) {
	if err := unix.Mkdir(root, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return Stats{}, fmt.Errorf("make %q: %w", root, err)
	}
	t, err := openTree(root)
	if err != nil {
		return Stats{}, err
	}
	defer t.close()
	v := newReceiver(t, opts)
	err = v.run(ctx, newFrameReader(r))
	if e := v.clear(); err == nil {
		err = e
	}
	v.stats.Findings = v.found.list
	sortFindings(v.stats.Findings)
	if err != nil {
		return v.stats, fmt.Errorf("receive %q: %w", root, err)
	}
	return v.stats, nil
}

// receiver handles frames in order. Only small files that come whole are written by workers; every other kind of frame
// waits until they are done.
type receiver struct {
	t     *tree
	opts  ReceiveOptions
	root  bool // we are root: owners are set, permissions do not stop us
	found findings
	name  string // of the stage
	stage int    // descriptor, -1 before it is made
	temp  atomic.Uint64
	gen   atomic.Uint64 // grows when directories may have changed, so that cached ones are opened again
	dir   dirCache
	into  dirCache  // of the new name, while dir has that of the old one
	large *incoming // the file whose data comes now
	pool  *pool

	mu    sync.Mutex
	stats Stats
	prog  Progress
}

func newReceiver(t *tree, opts ReceiveOptions) *receiver {
	if opts.Workers <= 0 {
		opts.Workers = min(4, max(2, runtime.GOMAXPROCS(0)))
	}
	return &receiver{t: t, opts: opts, root: os.Geteuid() == 0, stage: -1, dir: dirCache{t: t}, into: dirCache{t: t}}
}

func (v *receiver) run(ctx context.Context, f *frameReader) error {
	v.pool = newPool(v.opts.Workers, func(dir *dirCache, body []byte) error { return v.whole(f, dir, body) }, v.t)
	defer v.pool.close()
	defer v.dir.close()
	defer v.into.close()
	if err := v.hello(f); err != nil {
		return err
	}
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		buf := <-v.pool.free
		k, body, err := f.next(buf)
		if err == nil && k == frameWhole && v.large == nil {
			if err := v.submit(buf, body); err != nil {
				return err
			}
			continue
		}
		if err == nil && k != frameFile && k != frameData && k != frameDone {
			err = v.pool.drain()
		}
		last := false
		if err == nil {
			v.count(func(s *Stats) { s.Stream += int64(headSize + len(body)) })
			last, err = v.handle(f, k, body)
		}
		v.pool.free <- buf
		if err != nil || last {
			return err
		}
	}
}

// submit hands a small file to the workers. The stage is made before, since they do not.
func (v *receiver) submit(buf, body []byte) error {
	v.count(func(s *Stats) { s.Stream += int64(headSize + len(body)) })
	if _, err := v.reserve(); err != nil {
		v.pool.free <- buf
		return err
	}
	return v.pool.submit(buf, body)
}

func (v *receiver) hello(f *frameReader) error {
	buf := <-v.pool.free
	defer func() { v.pool.free <- buf }()
	k, body, err := f.next(buf)
	if err != nil {
		return err
	}
	v.count(func(s *Stats) { s.Stream += int64(headSize + len(body)) })
	var h hello
	if k != frameHello {
		return fmt.Errorf("%w: it does not begin with a greeting", ErrStream)
	}
	if err := f.decode(body, &h); err != nil {
		return err
	}
	number, reserved := strings.CutPrefix(h.Stage, stagePrefix)
	if _, err := strconv.ParseUint(number, 10, 32); err != nil || !reserved || h.Version != version {
		return fmt.Errorf("%w: version %d, reserved name %q", ErrStream, h.Version, h.Stage)
	}
	v.name = h.Stage
	return nil
}

func (v *receiver) count(f func(*Stats)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f(&v.stats)
}

func (v *receiver) wrote(bytes, files int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stats.Bytes += bytes
	v.stats.Files += int(files)
	v.prog.Bytes += bytes
	v.prog.Files += files
	if v.opts.Progress != nil {
		v.opts.Progress(v.prog)
	}
}

func (v *receiver) totals(t totals) error {
	if t.Files < 0 || t.Bytes < 0 {
		return fmt.Errorf("%w: %d files of %d bytes are to come", ErrStream, t.Files, t.Bytes)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.prog.TotalFiles, v.prog.TotalBytes = t.Files, t.Bytes
	return nil
}

// handle does what a frame says.
func (v *receiver) handle(f *frameReader, k kind, body []byte) (last bool, err error) {
	if v.large != nil && k != frameData && k != frameDone {
		return false, fmt.Errorf("%w: frame %d inside a file", ErrStream, k)
	}
	switch k {
	case frameStash, frameRename, framePlace, frameLink:
		var m move
		if err := f.decode(body, &m); err != nil {
			return false, err
		}
		return false, v.move(k, m)
	case frameRemove, frameMkdir:
		var o one
		if err := f.decode(body, &o); err != nil {
			return false, err
		}
		return false, v.one(k, o.Path)
	case frameFile, frameSymlink, frameFifo, frameMeta, frameDirMeta:
		var h file
		if err := f.decode(body, &h); err != nil {
			return false, err
		}
		return false, v.file(k, h)
	case frameTotals:
		var t totals
		if err := f.decode(body, &t); err != nil {
			return false, err
		}
		return false, v.totals(t)
	case frameData:
		return false, v.data(body)
	case frameDone:
		var d done
		if err := f.decode(body, &d); err != nil {
			return false, err
		}
		return false, v.finish(d.Keep)
	case frameEnd:
		return true, nil
	}
	return false, fmt.Errorf("%w: frame of kind %d", ErrStream, k)
}

// check refuses paths that no honest origin sends.
func (v *receiver) check(path string) error {
	first, _, _ := strings.Cut(path, "/")
	if !validPath(path) || first == v.name {
		return fmt.Errorf("%w: path %q", ErrStream, path)
	}
	return nil
}

// parent opens the directory of a path; it stays open until the next call.
func (v *receiver) parent(d *dirCache, path string) (fd int, name string, err error) {
	if err := v.check(path); err != nil {
		return -1, "", err
	}
	dir, name := split(path)
	fd, err = d.get(dir, v.gen.Load())
	if vanished(err) {
		err = fmt.Errorf("%w (%w)", ErrBase, err)
	}
	if err == nil && !v.root {
		err = writable(fd)
	}
	return fd, name, err
}

// writable lets us make changes in a directory that is read-only for its owner; its own mode is set again at the end.
func writable(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&0o700 == 0o700 {
		return err
	}
	return unix.Fchmod(fd, st.Mode&0o7777|0o700)
}

// reserve makes the stage when it is first needed. Whatever has its name is left over from an interrupted pass. The
// default ACL that it may inherit would pass on to every file made in it.
func (v *receiver) reserve() (int, error) {
	if v.stage >= 0 {
		return v.stage, nil
	}
	if err := v.t.remove(v.name); err != nil {
		return -1, err
	}
	if err := unix.Mkdirat(v.t.fd, v.name, 0o700); err != nil {
		return -1, fail("make", v.name, err)
	}
	fd, err := v.t.dir(v.name)
	if err != nil {
		return -1, fail("open", v.name, err)
	}
	unix.Fremovexattr(fd, aclDefault) // most have none
	if err := unix.Fchmod(fd, 0o700); err != nil {
		unix.Close(fd)
		return -1, fail("set the mode of", v.name, err)
	}
	v.stage = fd
	return fd, nil
}

// clear takes the stage away.
func (v *receiver) clear() error {
	if v.large != nil {
		unix.Close(v.large.fd)
		v.large = nil
	}
	if v.stage < 0 {
		return nil
	}
	unix.Close(v.stage)
	v.stage = -1
	return v.t.remove(v.name)
}

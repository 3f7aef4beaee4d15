package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Names inside the directory of a local store.
const (
	journalDir    = "journal"
	lineageFile   = "lineage"
	segmentSuffix = ".jsonl"
)

// Options of a local store. The zero value is right outside tests.
type Options struct {
	Clock Clock         // default: System
	Lease time.Duration // how long a heartbeat may be silent before the lock is taken over; default 30 s
	Beat  time.Duration // how often it beats; default 1 s
}

// Local is a store in a directory: journal/ with a segment for each process
// that appended, and the lock. Nothing is created before the first Append or
// Lock, so that reading works without permission to write.
type Local struct {
	dir  string
	opts Options

	mu   sync.Mutex
	own  *os.File // our segment; nil before the first Append and after a failed one
	size int64    // of what is good in it
	sum  string   // of its last line
	lock *localLock
}

var (
	_ Store    = (*Local)(nil)
	_ Unlocker = (*Local)(nil)
)

// OpenLocal returns the store in dir, which need not exist yet. It reads
// nothing; Load says what is wrong with what is there.
func OpenLocal(dir string, opts Options) *Local {
	if opts.Clock == nil {
		opts.Clock = System{}
	}
	if opts.Lease <= 0 {
		opts.Lease = 30 * time.Second
	}
	if opts.Beat <= 0 {
		opts.Beat = time.Second
	}
	return &Local{dir: dir, opts: opts}
}

// Load implements Store.
func (l *Local) Load(ctx context.Context) (*Log, error) {
	log, _, err := l.read(ctx)
	return log, err
}

// read also returns the ends of the segments that no later one names.
func (l *Local) read(ctx context.Context) (*Log, map[string]head, error) {
	names, err := l.segments()
	if err != nil {
		return nil, nil, err
	}
	log := &Log{}
	ends := map[string]head{} // of each segment
	seen := map[string]head{} // what later segments say of earlier ones, and is not there
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		s, err := l.segment(name)
		if err != nil {
			return nil, nil, err
		}
		if s.cut {
			log.Notes = append(log.Notes, fmt.Sprintf("the last line of journal %s was cut short by a crash and is left out", l.path(name)))
		}
		if err := log.take(l.path(name), s); err != nil {
			return nil, nil, err
		}
		if len(s.heads) > 0 {
			ends[name] = head{Lines: len(s.heads), Sum: s.heads[len(s.heads)-1]}
		}
		maps.Copy(seen, s.header.Seen)
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		// A segment may have grown since another one saw it, but not shrunk.
		if ends[name].Lines < seen[name].Lines {
			log.Notes = append(log.Notes, fmt.Sprintf("journal %s had %d lines once; some are gone, and with them timings", l.path(name), seen[name].Lines))
		}
	}
	maps.DeleteFunc(ends, func(name string, h head) bool { return seen[name] == h })
	log.Serial = uint64(len(log.Events))
	return log, ends, nil
}

// take adds the events of one segment.
func (log *Log) take(path string, s *segment) error {
	if len(s.heads) == 0 {
		return nil
	}
	if log.Lineage == "" {
		log.Lineage = s.header.Lineage
	}
	if s.header.Lineage != log.Lineage {
		return &CorruptError{Path: path, Line: 1, Why: "it comes from another state store"}
	}
	log.Events = append(log.Events, s.events...)
	return nil
}

func (l *Local) path(segment string) string { return filepath.Join(l.dir, journalDir, segment) }

// segments lists the journal's files in the order in which they began.
func (l *Local) segments() ([]string, error) {
	dir := filepath.Join(l.dir, journalDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if i, err := os.Lstat(l.dir); err == nil && !i.IsDir() {
			return nil, notDirectory(l.dir)
		}
		return nil, nil
	}
	if errors.Is(err, unix.ENOTDIR) {
		if i, err := os.Lstat(l.dir); err == nil && !i.IsDir() {
			return nil, notDirectory(l.dir)
		}
		return nil, notDirectory(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), segmentSuffix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func notDirectory(path string) error {
	return fmt.Errorf("read state: %s is not a directory; move it away, Stopover keeps its journal there", path)
}

// segment reads one file. What is not a regular file is refused, and a name
// that was put there as a pipe does not block.
func (l *Local) segment(name string) (*segment, error) {
	path := l.path(name)
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		if errors.Is(err, unix.ELOOP) {
			return nil, &CorruptError{Path: path, Why: "it is a symbolic link"}
		}
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	switch {
	case !i.Mode().IsRegular():
		return nil, &CorruptError{Path: path, Why: "it is not a file"}
	case i.Size() > maxSegment:
		return nil, &CorruptError{Path: path, Why: fmt.Sprintf("it has %d bytes, more than any journal", i.Size())}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSegment))
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return readSegment(path, data)
}

// Append implements Store. When it returns, the events are on disk.
func (l *Local) Append(ctx context.Context, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock != nil && l.lock.isLost() {
		return ErrLockLost
	}
	if l.own == nil {
		return l.begin(ctx, events)
	}
	return l.write(events)
}

// begin makes our segment, with the first events in it.
func (l *Local) begin(ctx context.Context, events []Event) error {
	log, ends, err := l.read(ctx)
	if err != nil {
		return err
	}
	dir := filepath.Join(l.dir, journalDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	lineage := log.Lineage
	if lineage == "" {
		if lineage, err = l.firstLineage(); err != nil {
			return err
		}
	}
	names, err := l.segments()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%08d-%s%s", next(names), random(4), segmentSuffix)
	line, sum, err := seal("", header{Format: formatName, Version: formatVersion, Lineage: lineage, Seen: ends})
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	f, err := os.OpenFile(l.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	l.own, l.size, l.sum = f, 0, ""
	err = l.put(line, sum, events)
	if err == nil {
		err = syncDirs(dir, l.dir, filepath.Dir(l.dir))
	}
	if err != nil {
		_ = os.Remove(l.path(name)) // nobody was told that anything is in it
		l.drop()
		return err
	}
	return nil
}

// firstLineage names a store in which nothing was written yet. Of several
// processes that begin at once the first one names it for all.
func (l *Local) firstLineage() (string, error) {
	path := filepath.Join(l.dir, lineageFile)
	f, err := os.CreateTemp(l.dir, "new-lineage-*")
	if err != nil {
		return "", fmt.Errorf("write journal: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintln(f, random(16))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("write journal: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("write journal: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("write journal: %w", err)
	}
	lineage := strings.TrimSpace(string(data))
	if b, err := hex.DecodeString(lineage); err != nil || len(b) != 16 {
		return "", &CorruptError{Path: path, Line: 1, Why: "it does not name a store"}
	}
	return lineage, nil
}

// write adds events to our segment; after a failure the segment is as before,
// or is given up and the next Append begins another.
func (l *Local) write(events []Event) error {
	if err := l.put(nil, l.sum, events); err != nil {
		if l.own.Truncate(l.size) != nil || l.own.Sync() != nil {
			l.drop()
		}
		return err
	}
	return nil
}

func (l *Local) drop() {
	_ = l.own.Close()
	l.own = nil
}

func (l *Local) put(data []byte, sum string, events []Event) error {
	for i := range events {
		line, s, err := seal(sum, &events[i])
		if err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
		data, sum = append(data, line...), s
	}
	if l.size+int64(len(data)) > maxSegment {
		return fmt.Errorf("write journal: %s is full, which no run of normal length makes it; run again to begin another one", l.own.Name())
	}
	if _, err := l.own.WriteAt(data, l.size); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := l.own.Sync(); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	l.size, l.sum = l.size+int64(len(data)), sum
	return nil
}

// next is one more than the highest number that a segment's name begins with.
func next(names []string) uint64 {
	var highest uint64
	for _, name := range names {
		var n uint64
		if _, err := fmt.Sscanf(name, "%8d-", &n); err == nil {
			highest = max(highest, n)
		}
	}
	return highest + 1
}

// Flush implements Store: a local journal needs none.
func (l *Local) Flush(ctx context.Context) error { return ctx.Err() }

// Close implements Store.
func (l *Local) Close() error {
	l.mu.Lock()
	lock, own := l.lock, l.own
	l.lock, l.own = nil, nil
	l.mu.Unlock()
	var errs []error
	if lock != nil {
		errs = append(errs, lock.Release())
	}
	if own != nil {
		errs = append(errs, own.Close())
	}
	return errors.Join(errs...)
}

// syncDirs makes names in directories durable, so that a power cut after the
// first Append does not take the new file away.
func syncDirs(dirs ...string) error {
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
		err = d.Sync()
		_ = d.Close()
		// Some network file systems cannot sync a directory and say so.
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	return nil
}

// random returns n random bytes in hexadecimal.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

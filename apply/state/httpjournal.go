package state

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// document is the journal as the server keeps it. Serial, which GitLab makes
// the version of, grows with every write. Lines holds one segment, compressed.
type document struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Serial  uint64 `json:"serial"`
	Lineage string `json:"lineage"`
	Lines   []byte `json:"lines"` // gzip of the segment's bytes
}

// maxLines bounds the segment inside a document, in bytes.
const maxLines = 512 << 20

// remoteJournal is a document, opened.
type remoteJournal struct {
	serial  uint64
	raw     []byte // the segment's bytes
	segment *segment
}

// Load implements Store. What was appended here and not flushed yet is in it.
func (s *HTTP) Load(ctx context.Context) (*Log, error) {
	j, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pending := s.pending[s.written.in(j):] // less what a write has brought there whose answer was lost
	log := &Log{Lineage: j.segment.header.Lineage, Events: append(slices.Clone(j.segment.events), pending...)}
	log.Serial = uint64(len(log.Events))
	return log, nil
}

func (s *HTTP) read(ctx context.Context) (*remoteJournal, error) {
	body, err := s.journal.get(ctx)
	if err != nil {
		return nil, err
	}
	j, err := openDocument(s.journal.where(), body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	was, is := s.lineage, j.segment.header.Lineage
	if was != "" && is != was {
		return nil, &CorruptError{Path: s.journal.where(), Why: "somebody has put another journal in its place"}
	}
	s.lineage = is
	return j, nil
}

// openDocument checks everything: the server may be anybody's.
func openDocument(where string, body []byte) (*remoteJournal, error) {
	j := &remoteJournal{segment: &segment{}}
	if len(body) == 0 {
		return j, nil
	}
	damaged := func(why string) error { return &CorruptError{Path: where, Why: why} }
	var d document
	if err := json.Unmarshal(body, &d); err != nil || d.Format != formatName {
		return nil, damaged("it is not a journal of Stopover: another tool keeps its state at this address")
	}
	if d.Version > formatVersion {
		return nil, fmt.Errorf("read journal %s: it was written by a newer Stopover (format %d, this one knows %d); use that version", where, d.Version, formatVersion)
	}
	z, err := gzip.NewReader(bytes.NewReader(d.Lines))
	if err != nil {
		return nil, damaged("its lines cannot be unpacked")
	}
	if j.raw, err = io.ReadAll(io.LimitReader(z, maxLines+1)); err != nil || len(j.raw) > maxLines {
		return nil, damaged("its lines cannot be unpacked")
	}
	if j.segment, err = readSegment(where, j.raw); err != nil {
		return nil, err
	}
	switch {
	case j.segment.cut:
		return nil, damaged("its last line is cut short")
	case len(j.segment.heads) == 0 || j.segment.header.Lineage != d.Lineage:
		return nil, damaged("it does not say which journal it is")
	}
	j.serial = d.Serial
	return j, nil
}

// with returns the document that has more events at its end, and the checksum
// of its last line.
func (j *remoteJournal) with(events []Event) (body []byte, sum string, err error) {
	raw := bytes.NewBuffer(bytes.Clone(j.raw))
	lineage := j.segment.header.Lineage
	if n := len(j.segment.heads); n > 0 {
		sum = j.segment.heads[n-1]
	} else {
		lineage = rand.Text()
		var line []byte
		if line, sum, err = seal("", header{Format: formatName, Version: formatVersion, Lineage: lineage}); err != nil {
			return nil, "", err
		}
		raw.Write(line)
	}
	for _, e := range events {
		var line []byte
		if line, sum, err = seal(sum, e); err != nil {
			return nil, "", err
		}
		raw.Write(line)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(raw.Bytes()); err != nil {
		return nil, "", err
	}
	if err := z.Close(); err != nil {
		return nil, "", err
	}
	body, err = json.Marshal(document{Format: formatName, Version: formatVersion, Serial: j.serial + 1, Lineage: lineage, Lines: packed.Bytes()})
	return body, sum, err
}

// Append implements Store: the events are kept here until Flush.
func (s *HTTP) Append(ctx context.Context, events ...Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock != nil && s.lock.isLost() {
		return ErrLockLost
	}
	s.pending = append(s.pending, events...)
	return nil
}

// Flush implements Store.
func (s *HTTP) Flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	events := slices.Clone(s.pending)
	s.mu.Unlock()
	if len(events) == 0 {
		return ctx.Err()
	}
	for refused := 0; len(events) > 0; {
		n, err := s.write(ctx, events)
		switch {
		case err == nil:
			s.mu.Lock()
			s.pending, s.written = slices.Delete(s.pending, 0, n), attempt{}
			s.mu.Unlock()
			events = events[n:]
			continue
		case !errors.Is(err, errNotOurs):
			return err
		}
		// Somebody took the lock for one that was left behind, or was faster. That
		// does not happen again and again: a server that refuses every write has
		// another reason.
		if refused++; refused >= mostRefused {
			return fmt.Errorf("it refuses every write, although it gives the lock: look at what it says of this state itself: %w", err)
		}
		if err := s.pause(ctx, s.o.Beat/8); err != nil {
			return err
		}
	}
	return nil
}

// mostRefused is how often a write, or the removal of a lock that was left
// behind, is refused before that is believed.
const mostRefused = 10

// attempt is a write whose answer is not known: the first n of what is pending
// end with sum.
type attempt struct {
	sum string // empty: there is none
	n   int
}

// in is how many events a journal has of the attempt: all of them, or none.
func (a attempt) in(j *remoteJournal) int {
	if a.sum == "" || !slices.Contains(j.segment.heads, a.sum) {
		return 0
	}
	return a.n
}

// write extends the journal once and says how many of the events it has now. It
// holds the journal's lock for as long as that takes.
func (s *HTTP) write(ctx context.Context, events []Event) (n int, err error) {
	id, err := s.brief(ctx)
	if err != nil {
		return 0, err
	}
	defer func() {
		// Also when ctx has ended. If it fails others wait out the lease: what was
		// written is written all the same.
		c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = s.journal.unlock(c, id)
	}()
	j, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	n = s.written.in(j)
	s.mu.Unlock()
	if n > 0 {
		return n, nil // an earlier write went through, only its answer was lost; more may have come since
	}
	body, sum, err := j.with(events)
	if err != nil {
		return 0, fmt.Errorf("write journal %s: %w", s.journal.where(), err)
	}
	s.mu.Lock()
	s.written = attempt{sum, len(events)}
	s.mu.Unlock()
	if err := s.journal.put(ctx, id, body); err != nil {
		return 0, err
	}
	return len(events), nil
}

// brief takes the journal's own lock. Nobody holds it for longer than a write
// takes, so that one that stays for a lease was left behind.
func (s *HTTP) brief(ctx context.Context) (id string, err error) {
	id = rand.Text()
	seen, since := "", s.o.Clock.Now()
	for refused := 0; ; {
		other, err := s.journal.tryLock(ctx, id, Holder{Who: "stopover", Doing: "writes the journal", Started: s.o.Clock.Now()})
		if err != nil || other == nil {
			return id, err
		}
		now := s.o.Clock.Now()
		if other.ID != seen {
			seen, since = other.ID, now
		}
		if now.Sub(since) > s.o.Lease {
			if err := s.journal.unlock(ctx, other.ID); err != nil && !errors.Is(err, errNotOurs) {
				return "", err
			}
			if refused++; refused >= mostRefused {
				return "", &LockedError{Holder: other.holder(), Where: s.journal.where()}
			}
		}
		if err := s.pause(ctx, s.o.Beat/16); err != nil {
			return "", err
		}
	}
}

func (s *HTTP) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.o.Clock.After(d):
		return nil
	}
}

// Close implements Store. What was appended and never flushed is written, for
// as long as the server lets.
func (s *HTTP) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s.mu.Lock()
	k := s.lock
	s.mu.Unlock()
	var errs []error
	if k == nil || !k.isLost() {
		errs = append(errs, s.Flush(ctx))
	}
	if k != nil {
		errs = append(errs, k.Release())
	}
	return errors.Join(errs...)
}

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/zeebo/blake3"
)

const progressStep = 1 << 20

// Pass starts a new hold and sends the blocks of the database and of the WAL
// in which the receiver's copy differs. It may be repeated; the last one
// before the cut should be recent, because the WAL that the cut has to move
// starts there.
func (s *Session) Pass(ctx context.Context, base Manifest, w io.Writer) (Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Result{}, ErrClosed
	}
	s.frozen = false
	began := time.Now()
	if err := errors.Join(s.reopen(), s.look()); err != nil {
		return Result{}, err
	}
	s.begin(ctx)
	r := s.result()
	r.Stats.Begin = time.Since(began)
	err := s.stream(w, &r, streamPass, base, func(out *sender) error {
		st, settled := s.quietStamp()
		sent, err := s.sendDB(ctx, out, &r, base.DB)
		if err != nil {
			return err
		}
		after, _ := s.quietStamp()
		s.sent, s.read, s.quiet = sent, st, settled && after == st
		return s.sendCompanions(ctx, out, &r, base)
	})
	if err != nil {
		s.sent, s.quiet = nil, false
		return r, s.wrap("send", err)
	}
	r.Whole = s.hold != nil || s.quiet
	return r, nil
}

// CatchUp sends only what the WAL has gained since the last pass, without a
// new hold. Right before the cut it leaves the least to do inside. On a file
// that is not held it sends nothing.
func (s *Session) CatchUp(ctx context.Context, base Manifest, w io.Writer) (Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Result{}, ErrClosed
	}
	r := s.result()
	err := s.stream(w, &r, streamCatchUp, base, func(out *sender) error {
		if s.hold == nil {
			return nil
		}
		return s.sendCompanions(ctx, out, &r, base)
	})
	return r, s.wrap("send", err)
}

func (s *Session) wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", verb, s.place.file, err)
}

// result describes the session as it is now.
func (s *Session) result() Result {
	r := Result{Kind: s.kind, Held: s.hold != nil}
	size := s.place.size("")
	switch {
	case s.kind == KindWAL && s.hold == nil:
		r.Notes = append(r.Notes, fmt.Sprintf("the database is in WAL mode but could not be held (%s): the whole file of %d bytes is compared in the cut", s.reason, size))
	case s.kind == KindRollback:
		r.Notes = append(r.Notes, fmt.Sprintf("the database uses a rollback journal: the whole file of %d bytes is compared in the cut unless nothing writes to it from now on; journal_mode=WAL would avoid that", size))
	case s.kind == KindOpaque:
		r.Notes = append(r.Notes, fmt.Sprintf("the file is not a readable SQLite database (damaged, encrypted or something else): it is moved as it is, and all %d bytes are compared in the cut unless nothing writes to it from now on", size))
	}
	return r
}

// stream frames what send sends.
func (s *Session) stream(w io.Writer, r *Result, kind byte, base Manifest, send func(*sender) error) error {
	out := newSender(w)
	err := out.send(msgHead, head{kind: kind, stamp: base.Stamp, wal: base.WAL.Root}.encode())
	if err == nil {
		err = send(out)
	}
	if err == nil {
		err = out.finish()
	}
	r.Stats.BytesSent = out.sent
	return err
}

// sendDB sends the whole database file as far as it differs from base, and returns what it read.
func (s *Session) sendDB(ctx context.Context, out *sender, r *Result, base Blocks) (*Blocks, error) {
	began := time.Now()
	st, err := stampOf(s.db)
	if err != nil {
		return nil, err
	}
	sent, err := s.sendFile(ctx, out, r, partDB, s.db, st.Size, base)
	r.Stats.Database = time.Since(began)
	return sent, err
}

// sendCompanions sends the WAL of a database, or both companions of what
// nobody here can read, which may be an encrypted database with its own.
func (s *Session) sendCompanions(ctx context.Context, out *sender, r *Result, base Manifest) error {
	began := time.Now()
	defer func() { r.Stats.WAL = time.Since(began) }()
	if s.kind == KindEmpty { // SQLite deletes the WAL of a database without pages
		return nil
	}
	if err := s.sendCompanion(ctx, out, r, partWAL, base.WAL); err != nil {
		return err
	}
	if s.kind != KindOpaque {
		return nil
	}
	return s.sendCompanion(ctx, out, r, partJournal, Blocks{})
}

func (s *Session) sendCompanion(ctx context.Context, out *sender, r *Result, part byte, base Blocks) error {
	var f *os.File
	if part == partWAL && s.hold != nil {
		f = s.hold.wal
	} else {
		var err error
		if f, err = s.place.open(suffixOf(part), os.O_RDONLY, 0); errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		defer f.Close()
	}
	st, err := stampOf(f)
	if err != nil {
		return err
	}
	size := st.Size
	if part == partWAL && s.kind != KindOpaque {
		if size, err = walExtent(f, size); err != nil {
			return err
		}
		r.Stats.WALBytes = size
	}
	_, err = s.sendFile(ctx, out, r, part, f, size, base)
	return err
}

// sendFile sends up to size bytes of a file in blocks that base has not got.
func (s *Session) sendFile(ctx context.Context, out *sender, r *Result, part byte, f *os.File, size int64, base Blocks) (*Blocks, error) {
	if err := out.send(msgPart, []byte{part}); err != nil {
		return nil, err
	}
	var b Blocks
	err := eachBlock(ctx, f, size, func(i int64, data []byte) error {
		sum := blake3.Sum256(data)
		b.Size += int64(len(data))
		b.add(sum)
		r.Stats.BlocksCompared++
		if s.opts.Progress != nil && (i+1)*BlockSize%progressStep == 0 {
			s.opts.Progress(Progress{Done: b.Size, Total: max(size, b.Size)})
		}
		if string(base.sum(i)) == string(sum[:]) {
			return nil
		}
		r.Stats.BlocksSent++
		return out.block(i, sum, data)
	})
	if err != nil {
		return nil, err
	}
	b.seal()
	return &b, out.end(part, &b)
}

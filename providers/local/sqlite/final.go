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

// Final sends what is left. All programs that could write to the database must
// have ended. base is the receiver's manifest, taken after the last pass (or
// the last catch-up); [Manifest.Brief] of it is enough. It may be repeated.
//
// A database that is still in use, as far as that shows, gives [ErrBusy].
func (s *Session) Final(ctx context.Context, base Manifest, w io.Writer) (Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Result{}, ErrClosed
	}
	s.frozen = true
	began := time.Now()
	r := Result{}
	send, err := s.choose(ctx, base, &r)
	if err != nil {
		return r, s.wrap("finish", err)
	}
	r.Kind, r.Held, r.Stats.Begin = s.kind, s.hold != nil, time.Since(began)
	err = s.stream(w, &r, streamFinal, base, func(out *sender) error {
		if err := send(out); err != nil {
			return err
		}
		if err := s.sendCompanions(ctx, out, &r, base); err != nil {
			return err
		}
		return s.sendMeta(out)
	})
	return r, s.wrap("finish", err)
}

// choose finds the cheapest way to a database file that is certain.
func (s *Session) choose(ctx context.Context, base Manifest, r *Result) (func(*sender) error, error) {
	whole := func(out *sender) error {
		sent, err := s.sendDB(ctx, out, r, base.DB)
		if err == nil {
			s.sent = sent
		}
		return err
	}
	if s.hold != nil && s.hold.guard.writing() {
		return nil, ErrBusy
	}
	if s.sent != nil && s.intact() {
		return s.confirm(ctx, base, r), nil
	}
	wasHeld := s.hold != nil
	if err := errors.Join(s.reopen(), s.recover(ctx), s.look()); err != nil {
		return nil, err
	}
	if st, _ := s.quietStamp(); s.sent != nil && s.quiet && st == s.read && s.place.size(walSuffix) == 0 {
		return s.confirm(ctx, base, r), nil
	}
	why := "its journal mode is not WAL, and it was written to since the last pass"
	switch {
	case wasHeld && s.sent != nil:
		why = "its files were replaced since the last pass"
	case s.sent == nil:
		why = "no pass was completed since it was opened or replaced"
	case s.kind == KindOpaque:
		why = "it is not a readable database, and it was written to since the last pass"
	case s.kind == KindWAL:
		why = "it could not be held: " + s.reason
	}
	r.Notes = append(r.Notes, fmt.Sprintf("the whole file of %d bytes is compared in the cut: %s", s.place.size(""), why))
	return whole, nil
}

// confirm sends nothing of a database file that is known to have arrived, and
// otherwise what is missing of the state that the last pass read. Blocks may
// have changed since by checkpoints; then they are in the WAL as well.
func (s *Session) confirm(ctx context.Context, base Manifest, r *Result) func(*sender) error {
	return func(out *sender) error {
		began := time.Now()
		defer func() { r.Stats.Database = time.Since(began) }()
		if err := out.send(msgPart, []byte{partDB}); err != nil {
			return err
		}
		if base.DB.same(s.sent) {
			return out.end(partDB, s.sent)
		}
		r.Notes = append(r.Notes, "the copy is not what the last pass sent: what differs is sent in the cut")
		if err := s.sendMissing(ctx, out, r, base.DB); err != nil {
			return err
		}
		return out.end(partDB, &Blocks{Size: s.sent.Size})
	}
}

func (s *Session) sendMissing(ctx context.Context, out *sender, r *Result, base Blocks) error {
	buf := make([]byte, BlockSize)
	for i := int64(0); i*BlockSize < s.sent.Size; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Stats.BlocksCompared++
		if string(base.sum(i)) == string(s.sent.sum(i)) {
			continue
		}
		data := buf[:min(BlockSize, s.sent.Size-i*BlockSize)]
		n, err := s.db.ReadAt(data, i*BlockSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		// A checkpoint may have cut the file: what it cut off is no longer part of the database.
		clear(data[n:])
		r.Stats.BlocksSent++
		if err := out.block(i, blake3.Sum256(data), data); err != nil {
			return err
		}
	}
	return nil
}

// recover lets SQLite roll back what a killed writer left half done in a
// database with a rollback journal. A WAL needs nothing here: it is replayed
// at the receiver.
func (s *Session) recover(ctx context.Context) error {
	id, err := stampOf(s.db)
	if err != nil {
		return err
	}
	defer s.keeper.lock(id)()
	s.drop(false)
	if err := s.look(); err != nil {
		return err
	}
	if s.kind == KindOpaque || s.kind == KindEmpty || s.place.size(journalSuffix) == 0 {
		return nil
	}
	if _, err := s.place.stamp(journalSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	as, err := s.place.owner()
	if err != nil {
		return err
	}
	c, err := connect(ctx, s.place, as, openWrite)
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	err = errors.Join(c.touch(ctx), c.close())
	switch {
	case isBusy(err):
		return ErrBusy
	case err != nil:
		return fmt.Errorf("recover: %w", err)
	}
	return nil
}

func (s *Session) sendMeta(out *sender) error {
	st, err := s.db.Stat()
	if err != nil {
		return err
	}
	m := meta{
		mode:   uint32(st.Mode().Perm()),
		mtime:  st.ModTime().UnixNano(),
		replay: s.kind != KindOpaque,
	}
	return out.send(msgMeta, m.encode())
}

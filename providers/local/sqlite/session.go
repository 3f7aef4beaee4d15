package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// busyWait is how long SQLite waits for a lock of the account's programs, in milliseconds.
const busyWait = 500

// Options of a session or of a receiver. The zero value is fine.
type Options struct {
	// Progress is called from the calling goroutine, at most every MiB.
	Progress func(Progress)
}

// Session reads one database at the origin. Its methods may be called from
// several goroutines, one after the other.
type Session struct {
	mu     sync.Mutex
	keeper *Keeper
	opts   Options
	place  *place
	closed bool
	frozen bool // Final was called: nothing may be written here any more

	kind Kind
	db   *os.File // what passes read; the inode that all statements are about
	// While held:
	hold *hold
	// What the last complete pass read, and whether it may be relied upon.
	sent   *Blocks
	read   Stamp  // of the file when that pass began, if quiet
	quiet  bool   // nothing wrote during that pass, and the stamp would show a write since
	reason string // why it is not held although its header says WAL
}

// hold is an open read transaction with everything that makes it last.
type hold struct {
	conn     *connection
	wal, shm *os.File
	guard    guard
}

// OpenOrigin opens a file at the origin and, if it is a database in WAL mode
// that can be held, begins to hold it. A file that is no database is moved as
// it is. It refuses links and what is no regular file ([ErrSymlink],
// [ErrNotRegular]).
//
// While a session is open, checkpoints of the account's programs do not empty
// the WAL: it grows until the next [Session.Pass], which starts a new hold.
func OpenOrigin(ctx context.Context, k *Keeper, f File, opts Options) (*Session, error) {
	p, err := openPlace(f)
	if err != nil {
		return nil, err
	}
	s := &Session{keeper: k, opts: opts, place: p}
	if s.db, err = p.open("", os.O_RDONLY, 0); err != nil {
		p.close()
		return nil, err
	}
	if err := s.look(); err != nil {
		s.Close()
		return nil, err
	}
	s.begin(ctx)
	if err := ctx.Err(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Kind is what the file was found to be when it was last looked at.
func (s *Session) Kind() Kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kind
}

// WALBytes is the present size of the WAL file, to decide whether another pass
// is due before the cut or before the account's disk fills.
func (s *Session) WALBytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0
	}
	return s.place.size(walSuffix)
}

// look finds out what the file is.
func (s *Session) look() error {
	h, err := readHeader(s.db)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.place.file, err)
	}
	s.kind = h.kind
	if h.kind == KindRollback && s.place.size(walSuffix) > walHeader {
		s.kind = KindWAL
	}
	return nil
}

// begin holds the database if it can be held; if not, reason says why, and the cut compares the whole file.
func (s *Session) begin(ctx context.Context) {
	s.sent, s.quiet, s.reason = nil, false, ""
	if s.kind != KindWAL {
		return
	}
	id, err := stampOf(s.db)
	if err == nil {
		defer s.keeper.lock(id)()
		if s.hold == nil {
			err = s.start(ctx)
		} else {
			err = s.restart(ctx)
		}
	}
	if err != nil {
		s.drop(true)
		s.reason = err.Error()
	}
}

// start opens the database and takes the first hold. The caller has the keeper's lock.
func (s *Session) start(ctx context.Context) error {
	as, err := s.place.owner()
	if err != nil {
		return err
	}
	conn, err := connect(ctx, s.place, as, openWrite)
	if err != nil {
		return err
	}
	s.hold = &hold{conn: conn}
	if err := s.snapshot(ctx); err != nil {
		return err
	}
	if s.hold.wal, err = s.place.open(walSuffix, os.O_RDONLY, 0); err != nil {
		return err
	}
	if s.hold.shm, err = s.place.open(shmSuffix, os.O_RDONLY, 0); err != nil {
		return err
	}
	s.hold.guard = guard{db: s.db, shm: s.hold.shm}
	return s.hold.guard.place()
}

// restart lets the hold go for a moment, so that the WAL can be written back and started over.
func (s *Session) restart(ctx context.Context) error {
	if err := s.hold.conn.exec(ctx, "COMMIT"); err != nil {
		return err
	}
	if err := s.hold.guard.free(); err != nil {
		return err
	}
	if err := s.snapshot(ctx); err != nil {
		return err
	}
	return s.hold.guard.place()
}

// snapshot writes back what the WAL holds, without waiting for anyone, and begins to read.
func (s *Session) snapshot(ctx context.Context) error {
	c := s.hold.conn
	// It needs the schema, so it cannot be done where the schema is damaged, and it may
	// find a reader in its way. Then more stays in the WAL, and nothing else is different.
	var busy, log, done int64
	_ = c.ask(ctx, "PRAGMA wal_checkpoint(PASSIVE)", &busy, &log, &done)
	if err := c.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	return c.touch(ctx)
}

// drop ends the hold. In a live account SQLite may tidy up as it does for
// every last user; in a frozen one the doubled locks keep it from writing.
func (s *Session) drop(live bool) {
	h := s.hold
	if h == nil {
		return
	}
	s.hold = nil
	if h.shm != nil && live {
		h.guard.release()
	}
	_ = h.conn.close()
	if h.shm != nil {
		h.guard.release() // s.db stays open, and its lock would stand in the way of a recovery
	}
	for _, f := range []*os.File{h.wal, h.shm} {
		if f != nil {
			f.Close()
		}
	}
}

// intact says that what a hold promises still concerns the file under the name.
func (s *Session) intact() bool {
	if s.hold == nil {
		return false
	}
	for _, f := range []struct {
		suffix string
		file   *os.File
	}{{"", s.db}, {walSuffix, s.hold.wal}, {shmSuffix, s.hold.shm}} {
		had, err := stampOf(f.file)
		if err != nil {
			return false
		}
		now, err := s.place.stamp(f.suffix)
		if err != nil || now.Ino != had.Ino || now.Dev != had.Dev {
			return false
		}
	}
	return true
}

// reopen follows the name to the file that lies there now, if it was replaced.
func (s *Session) reopen() error {
	had, err := stampOf(s.db)
	if err != nil {
		return err
	}
	now, err := s.place.stamp("")
	if err != nil {
		return fmt.Errorf("stat %s: %w", s.place.file, err)
	}
	if now.Ino == had.Ino && now.Dev == had.Dev {
		return nil
	}
	unlock := s.keeper.lock(had)
	defer unlock()
	s.drop(!s.frozen)
	s.db.Close()
	if s.db, err = s.place.open("", os.O_RDONLY, 0); err != nil {
		return err
	}
	s.sent, s.quiet = nil, false
	return nil
}

// quietStamp is the file's stamp with its change counter, and whether an equal
// one later proves that nothing was written in between.
func (s *Session) quietStamp() (Stamp, bool) {
	st, err := stampOf(s.db)
	if err != nil {
		return Stamp{}, false
	}
	now := time.Now()
	h, err := readHeader(s.db)
	if err != nil {
		return Stamp{}, false
	}
	st.ChangeCount = h.changes
	settled := !st.fresh(now) && s.place.size(journalSuffix) == 0 && s.place.size(walSuffix) == 0
	return st, settled
}

// Close ends the hold and the session. After [Session.Final] it writes nothing
// at the origin: the WAL stays as the account's programs left it.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	id, err := stampOf(s.db)
	if err == nil {
		defer s.keeper.lock(id)()
	}
	s.drop(!s.frozen)
	return errors.Join(s.db.Close(), s.place.close())
}

package sqlitecompare

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Cut is one side's result.
type Cut struct {
	Sums    Sums
	Touched []int64 // blocks that were hashed in the cut, ascending; nil if Whole
	Whole   bool    // all were: no hash from before the cut counted
	Hashed  int64   // bytes
	Frames  int     // committed frames of the WAL
	Notes   []string
	Took    time.Duration
}

// Brief is what the other side needs to know.
func (c Cut) Brief() Cut {
	c.Sums = c.Sums.Brief()
	return c
}

// cutter works on one file.
type cutter struct {
	ctx    context.Context
	db     *os.File
	log    *os.File
	wal    *wal
	sums   *Sums
	buf    []byte
	hashed int64
}

// Origin hashes the original in the cut, when its writers are dead, as it will
// be once the WAL is written back. also lists blocks to hash besides, such as
// those in which the two sides differed when they were warmed. Without warmed
// hashes the whole file is read, which is the way to compare outside the cut.
func Origin(ctx context.Context, t Target, w *Warmed, also []int64) (Cut, error) {
	began := time.Now()
	cut := Cut{}
	c, err := t.with(ctx, func(c *cutter) error {
		sqlite, err := isDatabase(c.db)
		if err != nil {
			return err
		}
		size, err := c.final(t, sqlite)
		if err != nil {
			return err
		}
		cut.Frames = c.wal.frames
		why, err := c.counts(w)
		if err != nil {
			return err
		}
		if why != "" {
			cut.Notes = append(cut.Notes, fmt.Sprintf("all %d bytes were hashed in the cut: %s", size, why))
			cut.Whole = true
			return c.whole(t, size, sqlite)
		}
		cut.Touched = c.touched(w.Sums.Size, size, also)
		return c.some(t, &w.Sums, size, cut.Touched, sqlite)
	})
	return cut.done(t, c, began, err)
}

// Receiver hashes the copy in the cut, after the replay. origin is the other
// side's result; its brief form is enough.
func Receiver(ctx context.Context, t Target, w *Warmed, origin Cut) (Cut, error) {
	began := time.Now()
	cut := Cut{}
	c, err := t.with(ctx, func(c *cutter) error {
		sqlite, err := isDatabase(c.db)
		if err != nil {
			return err
		}
		c.wal = &wal{}
		if sqlite && c.log != nil {
			if st, err := c.log.Stat(); err != nil || st.Size() > 0 {
				return errors.Join(err, fmt.Errorf("its WAL has not been replayed: it %w", ErrNotAtRest))
			}
		}
		st, err := stampOf(c.db)
		if err != nil {
			return err
		}
		if w == nil || origin.Whole {
			cut.Whole = true
			return c.whole(t, st.Size, sqlite)
		}
		cut.Touched = c.touched(w.Sums.Size, st.Size, origin.Touched)
		return c.some(t, &w.Sums, st.Size, cut.Touched, sqlite)
	})
	return cut.done(t, c, began, err)
}

// with runs work on the opened files and keeps its result.
func (t Target) with(ctx context.Context, work func(*cutter) error) (*cutter, error) {
	db, err := t.open("")
	if err != nil {
		return nil, err
	}
	defer t.shut(db)
	log, _, err := t.companion("-wal")
	if err != nil {
		return nil, err
	}
	if log != nil {
		defer log.Close()
	}
	c := &cutter{ctx: ctx, db: db, log: log}
	return c, work(c)
}

// final reads the WAL and returns the size that the database will have.
func (c *cutter) final(t Target, sqlite bool) (int64, error) {
	st, err := stampOf(c.db)
	if err != nil {
		return 0, err
	}
	c.wal = &wal{}
	if !sqlite {
		return st.Size, nil
	}
	if err := t.cold(); err != nil {
		return 0, err
	}
	if c.log == nil {
		return st.Size, nil
	}
	log, err := c.log.Stat()
	if err != nil {
		return 0, err
	}
	if c.wal, err = readWAL(c.log, log.Size()); err != nil {
		return 0, err
	}
	if c.wal.commits == 0 {
		return st.Size, nil
	}
	return int64(c.wal.count) * c.wal.pageSize, nil
}

// cold refuses a rollback journal that SQLite would still roll back.
func (t Target) cold() error {
	j, _, err := t.companion("-journal")
	if j == nil || err != nil {
		return err
	}
	defer j.Close()
	b := make([]byte, 8)
	if err := readAt(j, b, 0); err != nil {
		return err
	}
	if bytes.Equal(b, []byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")) {
		return fmt.Errorf("it has a hot journal: it %w", ErrNotAtRest)
	}
	return nil
}

// counts says why hashes from before the cut do not count, or "" if they do.
func (c *cutter) counts(w *Warmed) (string, error) {
	if w == nil {
		return "there are none from before", nil
	}
	now, err := stampOf(c.db)
	if err != nil {
		return "", err
	}
	if now.Ino != w.Stamp.Ino {
		return "the file was replaced", nil
	}
	if w.HasWAL && c.wal.commits > 0 && c.wal.salts == w.Salts {
		return "", nil
	}
	if w.Settled && now == w.Stamp {
		return "", nil
	}
	return "the file was written to since it was hashed, and the WAL does not tell where", nil
}

// touched lists the blocks to hash: those with a page in the WAL, the first,
// those at and behind the smaller of the sizes, and those asked for.
func (c *cutter) touched(before, size int64, also []int64) []int64 {
	n := blocksIn(size)
	list := []int64{0}
	for page := range c.wal.pages {
		list = append(list, (int64(page)-1)*c.wal.pageSize/BlockSize)
	}
	list = append(list, also...)
	if before != size {
		for i := min(before, size) / BlockSize; i < n; i++ {
			list = append(list, i)
		}
	}
	list = append(list, n-1)
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(i int64) bool { return i < 0 || i >= n })
}

func (c *cutter) whole(t Target, size int64, sqlite bool) error {
	c.sums = (&Sums{}).resized(size)
	if err := c.hashAll(); err != nil {
		return err
	}
	return c.seal(t, sqlite)
}

func (c *cutter) some(t Target, known *Sums, size int64, list []int64, sqlite bool) error {
	c.sums = known.resized(size)
	last := int64(-1)
	for _, i := range list {
		if err := c.hash(i); err != nil {
			return err
		}
		if g := i / groupBlocks; g != last && last >= 0 {
			c.sums.group(last)
		}
		last = i / groupBlocks
	}
	if last >= 0 {
		c.sums.group(last)
	}
	return c.seal(t, sqlite)
}

// seal adds the companions of what is no database: it may be an encrypted one.
func (c *cutter) seal(t Target, sqlite bool) error {
	if !sqlite && c.sums.Size > 0 {
		for _, suffix := range []string{"-wal", "-journal"} {
			f, size, err := t.companion(suffix)
			if err != nil {
				return err
			}
			h := sha256.New()
			if f != nil {
				_, err = io.Copy(h, io.LimitReader(f, size))
				f.Close()
			}
			if err != nil {
				return err
			}
			c.sums.extra = h.Sum(c.sums.extra)
		}
	}
	c.sums.seal()
	return nil
}

func (cut Cut) done(t Target, c *cutter, began time.Time, err error) (Cut, error) {
	if err != nil {
		return Cut{}, fmt.Errorf("compare %s: %w", t, err)
	}
	cut.Sums, cut.Hashed, cut.Took = *c.sums, c.hashed, time.Since(began)
	return cut, nil
}

// isDatabase says whether SQLite could read the file.
func isDatabase(f *os.File) (bool, error) {
	b := make([]byte, 16)
	if err := readAt(f, b, 0); err != nil {
		return false, err
	}
	return string(b) == "SQLite format 3\x00", nil
}

package sqlitecompare

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"
)

// Warmed are the hashes of a database file as it was some time before the cut,
// with what tells later which of them still count.
type Warmed struct {
	Sums  Sums
	Stamp Stamp // before the first block was read
	// Settled says that an equal stamp later proves that nothing was written.
	Settled bool
	Salts   [8]byte // of the WAL, before the first block was read
	HasWAL  bool
	Took    time.Duration
}

// Warm hashes the database file outside the cut, while programs may use it. It
// reads the whole file. At the origin it is called after the last pass; at the
// receiver when that pass has been applied.
func Warm(ctx context.Context, t Target) (*Warmed, error) {
	began := time.Now()
	f, err := t.open("")
	if err != nil {
		return nil, err
	}
	defer t.shut(f)
	w := &Warmed{}
	if w.Stamp, w.Settled, err = settle(f); err != nil {
		return nil, fmt.Errorf("compare %s: %w", t, err)
	}
	log, size, err := t.companion("-wal")
	if err != nil {
		return nil, err
	}
	if log != nil {
		w.Salts, w.HasWAL = salts(log, size)
		log.Close()
	}
	c := &cutter{ctx: ctx, db: f}
	c.sums = (&Sums{}).resized(w.Stamp.Size)
	if err := c.hashAll(); err != nil {
		return nil, fmt.Errorf("compare %s: %w", t, err)
	}
	c.sums.seal()
	w.Sums, w.Took = *c.sums, time.Since(began)
	return w, nil
}

// hashAll hashes every block.
func (c *cutter) hashAll() error {
	for i := range blocksIn(c.sums.Size) {
		if err := c.hash(i); err != nil {
			return err
		}
	}
	for g := range groupsIn(c.sums.Size) {
		c.sums.group(g)
	}
	return nil
}

// hash hashes one block as it will be when the WAL is written back.
func (c *cutter) hash(i int64) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if c.buf == nil {
		c.buf = make([]byte, BlockSize)
	}
	from := i * BlockSize
	b := c.buf[:min(BlockSize, c.sums.Size-from)]
	if err := readAt(c.db, b, from); err != nil {
		return err
	}
	if c.wal != nil && c.wal.commits > 0 {
		for at := int64(0); at < int64(len(b)); at += c.wal.pageSize {
			off, ok := c.wal.pages[uint32((from+at)/c.wal.pageSize)+1]
			if !ok {
				continue
			}
			if err := readAt(c.log, b[at:at+c.wal.pageSize], off); err != nil {
				return err
			}
		}
	}
	c.sums.set(i, sha256.Sum256(b))
	c.hashed += int64(len(b))
	return nil
}

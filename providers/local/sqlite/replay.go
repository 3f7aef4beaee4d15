package sqlite

import (
	"context"
	"errors"
	"fmt"
)

// replay has SQLite write the WAL back into the database file and remove it.
// Nothing of it is synced: a machine that goes down now makes the caller start
// with a new manifest anyway, and one sync of the file follows.
func replay(ctx context.Context, p *place) error {
	// With this process's own rights: nobody else can put files beside the copy.
	c, err := connect(ctx, p, identity{}, openWrite)
	if err != nil {
		return fmt.Errorf("replay the WAL: %w", err)
	}
	// Both statements need the schema. Where it is damaged, closing the last
	// connection still writes the WAL back, which decides.
	_ = c.exec(ctx, "PRAGMA synchronous=OFF")
	var busy, log, done int64
	err = errors.Join(
		c.touch(ctx),
		c.ask(ctx, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, &log, &done),
		c.close(),
	)
	left := p.size(walSuffix)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case left > 0 && err != nil:
		return fmt.Errorf("replay the WAL: %w", err)
	case left > 0 && busy != 0:
		return fmt.Errorf("replay the WAL: the copy %w", ErrBusy)
	case left > 0:
		return fmt.Errorf("replay the WAL: %d bytes of it are left (is the disk full?)", left)
	}
	return errors.Join(p.remove(walSuffix), p.remove(shmSuffix))
}

package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/local/sqlite"
	"github.com/stopover/stopover/schema"
)

// trial is the scratch place of one account, trials/NAME.
type trial struct {
	h   *Host
	dir string
}

// Trial makes an empty scratch place; see agent.Host.
func (h *Host) Trial(account string) (agent.Trial, error) {
	esc, err := schema.EscapeName(account)
	if err != nil {
		return nil, err
	}
	t := &trial{h: h, dir: filepath.Join(h.dir, trialsDir, esc)}
	if err := t.Empty(); err != nil {
		return nil, fmt.Errorf("make room for a trial: %w", err)
	}
	return t, nil
}

// About says where and with what databases are tried: with the library that is
// in use here, whatever version the server's description claims to offer.
func (t *trial) About() schema.TrialFact {
	return schema.TrialFact{Server: t.h.description().Name, Engine: sqliteEngine, Version: sqlite.Version()}
}

// reserve is what a trial leaves free for the accounts of its server: a
// twentieth of the disk, a gigabyte at most.
func reserve(total int64) int64 { return min(total/20, 1<<30) }

// Room refuses what the disk may not hold. A tenth more than the database is
// wanted, for its WAL and index; what comes beyond that is seen when it comes.
func (t *trial) Room(ctx context.Context, bytes int64) error {
	var d disk
	if bytes > 0 {
		var err error
		if d, err = t.h.disk(ctx); err != nil {
			return err
		}
	} else { // cheap: it is asked for every megabyte
		var st unix.Statfs_t
		if err := unix.Statfs(t.dir, &st); err != nil {
			return err
		}
		d.bytes, d.freeBytes = int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
	}
	need, keep := bytes+bytes/10, reserve(d.bytes)
	if d.freeBytes >= need+keep {
		return nil
	}
	return fmt.Errorf("%w: no space left for a trial on this server: it needs %s, and %s of the disk have to stay free, which has %s: make room, or name another trial server",
		providers.ErrRefused, humanize.IBytes(uint64(need)), humanize.IBytes(uint64(keep)), humanize.IBytes(uint64(d.freeBytes)))
}

func (t *trial) file(name string) (sqlite.File, error) {
	if n := name + sqliteExt; filepath.Base(n) == n && filepath.IsLocal(n) {
		return sqlite.File{Root: t.dir, Name: n}, nil
	}
	return sqlite.File{}, fmt.Errorf("%w: %s cannot be the name of a database", providers.ErrRefused, printable(name))
}

// Database is the receiving end for one database.
func (t *trial) Database(name string) (agent.DatabaseCopy, error) {
	f, err := t.file(name)
	if err != nil {
		return nil, err
	}
	return &copied{keeper: t.h.sqlite, file: f}, nil
}

// Try opens what was received.
func (t *trial) Try(ctx context.Context, name string) (schema.TriedDatabase, error) {
	f, err := t.file(name)
	if err != nil {
		return schema.TriedDatabase{}, err
	}
	r, err := sqlite.Try(ctx, f)
	if err != nil {
		return schema.TriedDatabase{}, err
	}
	return schema.TriedDatabase{Name: name, Engine: sqliteEngine, Bytes: r.Bytes, Objects: r.Objects, Rows: r.Rows, Errors: r.Errors, Warnings: r.Warnings}, nil
}

// Empty drops what was received.
func (t *trial) Empty() error {
	if err := os.RemoveAll(t.dir); err != nil {
		return err
	}
	return os.MkdirAll(t.dir, 0o700)
}

// Drop drops the place, and the folder of all trials once it is the last one.
func (t *trial) Drop() error {
	if err := os.RemoveAll(t.dir); err != nil {
		return fmt.Errorf("drop a trial's copies: %w", err)
	}
	_ = os.Remove(filepath.Dir(t.dir)) // another account's may be there
	return nil
}

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fxamacker/cbor/v2"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/local/sqlite"
	"github.com/stopover/stopover/providers/local/sqlite/sqlitecompare"
)

// origin is one SQLite database of a live account.
type origin struct {
	keeper  *sqlite.Keeper
	file    sqlite.File
	session *sqlite.Session
	warmed  *sqlitecompare.Warmed
}

// OpenDatabase opens one database for copying it out of here.
func (h *Host) OpenDatabase(ctx context.Context, account, name string) (agent.DatabaseOrigin, error) {
	p, err := h.Place(account, false)
	if err != nil {
		return nil, err
	}
	f := sqlite.File{Root: p.Databases, Name: name + sqliteExt}
	s, err := sqlite.OpenOrigin(ctx, h.sqlite, f, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	return &origin{keeper: h.sqlite, file: f, session: s}, nil
}

// Send writes what the receiver's copy lacks.
func (o *origin) Send(ctx context.Context, pass providers.Pass, manifest []byte, w io.Writer, _ func(done, total int64)) (agent.Sent, error) {
	var m sqlite.Manifest
	if err := cbor.Unmarshal(manifest, &m); err != nil {
		return agent.Sent{}, fmt.Errorf("manifest: %w", err)
	}
	var r sqlite.Result
	var err error
	switch pass {
	case providers.PassFinal:
		r, err = o.session.Final(ctx, m, w)
	case providers.PassCatchUp:
		r, err = o.session.CatchUp(ctx, m, w)
	default:
		r, err = o.session.Pass(ctx, m, w)
	}
	if err != nil {
		return agent.Sent{}, err
	}
	info, err := os.Stat(filepath.Join(o.file.Root, o.file.Name))
	if err != nil {
		return agent.Sent{}, err
	}
	return agent.Sent{Bytes: r.Stats.BytesSent, Total: info.Size(), Notes: r.Notes, Whole: r.Whole}, nil
}

func (o *origin) target() sqlitecompare.Target {
	return sqlitecompare.Target{Root: o.file.Root, Name: o.file.Name, CloseFile: o.keeper.CloseFile}
}

// Warm hashes the database in full while it is in use.
func (o *origin) Warm(ctx context.Context) error {
	var err error
	o.warmed, err = sqlitecompare.Warm(ctx, o.target())
	return err
}

// Digest hashes in the cut what may have changed since.
func (o *origin) Digest(ctx context.Context, _ []byte) (agent.DatabaseDigest, error) {
	c, err := sqlitecompare.Origin(ctx, o.target(), o.warmed, nil)
	return digestOf(c, err)
}

func digestOf(c sqlitecompare.Cut, err error) (agent.DatabaseDigest, error) {
	if err != nil {
		return agent.DatabaseDigest{}, err
	}
	scope, err := cbor.Marshal(c.Brief())
	return agent.DatabaseDigest{Digest: fmt.Sprintf("%x", c.Sums.Root), Hashed: c.Hashed, Scope: scope}, err
}

// Close ends the hold on the database.
func (o *origin) Close() error { return o.session.Close() }

// copied is one SQLite database of a staged copy.
type copied struct {
	keeper *sqlite.Keeper
	file   sqlite.File
	known  sqlite.Manifest
	warmed *sqlitecompare.Warmed
}

// CopyDatabase is the receiving end for one database.
func (h *Host) CopyDatabase(account, name string) agent.DatabaseCopy {
	p, err := h.Place(account, false)
	if err != nil {
		p.Databases = "" // every method fails with the directory's own error
	}
	return &copied{keeper: h.sqlite, file: sqlite.File{Root: p.Databases, Name: name + sqliteExt}}
}

// Manifest describes what the copy holds. Outside of bulk and warm passes the
// database file was not written since the last one, and only its WAL is read.
func (c *copied) Manifest(ctx context.Context, pass providers.Pass) ([]byte, error) {
	var m sqlite.Manifest
	var err error
	if pass == providers.PassBulk || pass == providers.PassWarm {
		m, err = sqlite.ManifestOf(ctx, c.file)
	} else {
		m, err = sqlite.Refresh(ctx, c.file, c.known)
	}
	if err != nil {
		return nil, err
	}
	if len(m.DB.Sums) > 0 {
		c.known = m
	}
	if pass == providers.PassFinal || pass == providers.PassCatchUp {
		m = m.Brief()
	}
	return cbor.Marshal(m)
}

// Receive applies one pass.
func (c *copied) Receive(ctx context.Context, r io.Reader, progress func(done, total int64)) error {
	_, err := sqlite.Receive(ctx, c.file, r, sqlite.Options{Progress: func(p sqlite.Progress) { progress(p.Done, p.Total) }})
	return err
}

func (c *copied) target() sqlitecompare.Target {
	return sqlitecompare.Target{Root: c.file.Root, Name: c.file.Name, CloseFile: c.keeper.CloseFile}
}

// Warm hashes the copy in full.
func (c *copied) Warm(ctx context.Context) error {
	var err error
	c.warmed, err = sqlitecompare.Warm(ctx, c.target())
	return err
}

// Digest hashes what the origin's side says has to be hashed again.
func (c *copied) Digest(ctx context.Context, scope []byte) (agent.DatabaseDigest, error) {
	var theirs sqlitecompare.Cut
	if err := cbor.Unmarshal(scope, &theirs); err != nil {
		return agent.DatabaseDigest{}, fmt.Errorf("scope: %w", err)
	}
	cut, err := sqlitecompare.Receiver(ctx, c.target(), c.warmed, theirs)
	return digestOf(cut, err)
}

// Remove deletes a database that the origin has no more.
func (c *copied) Remove() error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(filepath.Join(c.file.Root, c.file.Name+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

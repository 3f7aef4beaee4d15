package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// JournalMode is what a file shows of it: "wal", "rollback" (delete, truncate,
// persist, memory and off look the same), "empty" or "opaque".
type JournalMode = Kind

// Table is one table of a database.
type Table struct {
	Name string
	Rows int64 // -1 if not counted
}

// Info is what an inventory says about a database file.
type Info struct {
	Bytes         int64 // of the file alone
	PageSize      int
	PageCount     int64
	JournalMode   JournalMode
	UserVersion   int32
	SQLiteVersion string // that wrote the file last, such as "3.46.1"; "" if it does not say
	Tables        []Table
	WALBytes      int64 // size of the WAL file
	Notes         []string
}

// InspectOptions of [Inspect].
type InspectOptions struct {
	// Rows counts the rows of each table, which reads the whole database. It is
	// left out, with a note, where it would keep the account's writers waiting.
	Rows bool
}

// Limits of an inspection: the schema is the customer's.
const (
	maxTables    = 10000
	maxCounted   = 64 << 20 // bytes of a database in rollback mode whose rows are counted
	inspectTries = 3
)

// Inspect looks at a file without changing it or creating others beside it. A
// file that is no database is not an error: its mode is "opaque".
func Inspect(ctx context.Context, k *Keeper, f File, opts InspectOptions) (Info, error) {
	p, err := openPlace(f)
	if err != nil {
		return Info{}, err
	}
	defer p.close()
	db, err := p.open("", os.O_RDONLY, 0)
	if err != nil {
		return Info{}, err
	}
	st, err := stampOf(db)
	if err != nil {
		return Info{}, err
	}
	defer k.lock(st)()
	defer db.Close()
	h, err := readHeader(db)
	if err != nil {
		return Info{}, fmt.Errorf("inspect %s: %w", f, err)
	}
	in := describe(h, st, p)
	if h.kind == KindEmpty || h.kind == KindOpaque {
		return in, nil
	}
	if err := in.ask(ctx, p, opts); err != nil {
		if ctx.Err() != nil {
			return in, ctx.Err()
		}
		in.Tables = nil
		in.Notes = append(in.Notes, fmt.Sprintf("the tables could not be listed: %v", err))
	}
	return in, nil
}

func describe(h header, st Stamp, p *place) Info {
	in := Info{Bytes: st.Size, PageSize: h.pageSize, JournalMode: h.kind, UserVersion: h.userVersion, WALBytes: p.size(walSuffix)}
	if h.pageSize > 0 {
		in.PageCount = st.Size / int64(h.pageSize)
		if h.pages > 0 && h.validFor == h.changes {
			in.PageCount = int64(h.pages)
		}
	}
	if v := h.sqliteVersion; v > 3000000 && v < 4000000 {
		in.SQLiteVersion = fmt.Sprintf("%d.%d.%d", v/1000000, v/1000%1000, v%1000)
	}
	return in
}

// ask lets SQLite read the schema in the way that leaves no trace.
func (in *Info) ask(ctx context.Context, p *place, opts InspectOptions) error {
	_, noShm := p.stamp(shmSuffix)
	_, noWAL := p.stamp(walSuffix)
	shm := noShm == nil && noWAL == nil // SQLite would create the one that is missing
	rest := in.JournalMode == KindWAL && !shm || in.JournalMode == KindRollback && in.WALBytes > 0 && !shm
	switch {
	case in.JournalMode == KindRollback && p.size(journalSuffix) > 0:
		in.Notes = append(in.Notes, "a transaction is under way or was cut off: its rollback journal was not looked at")
		rest = true
	case rest && in.WALBytes > 0:
		in.Notes = append(in.Notes, fmt.Sprintf("nobody has the database open, and its WAL of %d bytes is not written back: what is in there was not looked at", in.WALBytes))
	}
	if !rest {
		return in.read(ctx, p, openRead, opts)
	}
	for range inspectTries {
		before, err := p.stamp("")
		if err != nil {
			return err
		}
		err = in.read(ctx, p, openImmutable, opts)
		after, _ := p.stamp("")
		if before == after {
			return err
		}
	}
	return errors.New("it changed while it was read")
}

func (in *Info) read(ctx context.Context, p *place, how string, opts InspectOptions) error {
	as, err := p.owner()
	if err != nil {
		return err
	}
	c, err := connect(ctx, p, as, how)
	if err != nil {
		return err
	}
	return errors.Join(c.run(func() error { return in.list(ctx, c, how, opts) }), c.close())
}

// list fills in the tables. It runs inside connection.run.
func (in *Info) list(ctx context.Context, c *connection, how string, opts InspectOptions) error {
	names, count, err := c.tables(ctx, in)
	if err != nil {
		return err
	}
	in.Tables = in.Tables[:0]
	if len(names) == maxTables {
		in.Notes = append(in.Notes, fmt.Sprintf("only the first %d tables are listed", maxTables))
	}
	rows := opts.Rows
	if rows && in.JournalMode == KindRollback && how == openRead && in.Bytes > maxCounted {
		rows = false
		in.Notes = append(in.Notes, "rows were not counted: that would keep writers waiting")
	}
	for i, name := range names {
		t := Table{Name: name, Rows: -1}
		if rows && count[i] {
			q := `SELECT count(*) FROM "` + strings.ReplaceAll(name, `"`, `""`) + `"`
			if err := c.c.QueryRowContext(ctx, q).Scan(&t.Rows); err != nil {
				t.Rows = -1
			}
		}
		in.Tables = append(in.Tables, t)
	}
	return nil
}

// tables lists the names, and whether their rows can be counted without running anything of the customer's.
func (c *connection) tables(ctx context.Context, in *Info) (names []string, count []bool, err error) {
	if err := c.c.QueryRowContext(ctx, "PRAGMA page_count").Scan(&in.PageCount); err != nil {
		return nil, nil, err
	}
	const q = `SELECT name, rootpage > 0 FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name LIMIT ?`
	rows, err := c.c.QueryContext(ctx, q, maxTables)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var real bool
		if err := rows.Scan(&name, &real); err != nil {
			return nil, nil, err
		}
		names, count = append(names, name), append(count, real)
	}
	return names, count, rows.Err()
}

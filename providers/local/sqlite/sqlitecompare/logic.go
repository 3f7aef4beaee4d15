package sqlitecompare

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"

	_ "modernc.org/sqlite" // the driver
)

// Logic is what SQLite understands of a database: evidence, not proof.
type Logic struct {
	Tables       []string // ordered by name
	Schema       []byte   // SHA-256 over the statements of the schema
	PageCount    int64
	FreelistSize int64 // pages
}

// Equal says that both sides mean the same.
func (l Logic) Equal(o Logic) bool {
	return slices.Equal(l.Tables, o.Tables) && string(l.Schema) == string(o.Schema) &&
		l.PageCount == o.PageCount && l.FreelistSize == o.FreelistSize
}

// ReadLogic asks SQLite about a database at rest, outside the cut. Where the
// WAL holds nothing it takes no locks and creates no files.
func ReadLogic(ctx context.Context, t Target) (Logic, error) {
	f, err := t.open("")
	if err != nil {
		return Logic{}, err
	}
	// Closed last: a descriptor closed earlier would drop SQLite's locks.
	defer t.shut(f)
	log, size, err := t.companion("-wal")
	if err != nil {
		return Logic{}, err
	}
	if log != nil {
		log.Close()
	}
	path, err := filepath.Abs(t.String())
	if err != nil {
		return Logic{}, err
	}
	how := "mode=ro&_pragma=trusted_schema(0)&_pragma=busy_timeout(2000)"
	if size == 0 {
		how += "&immutable=1"
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: how}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return Logic{}, fmt.Errorf("read the schema of %s: %w", t, err)
	}
	db.SetMaxOpenConns(1)
	l, err := readLogic(ctx, db)
	if err = errors.Join(err, db.Close()); err != nil {
		return Logic{}, fmt.Errorf("read the schema of %s: %w", t, err)
	}
	return l, nil
}

func readLogic(ctx context.Context, db *sql.DB) (l Logic, err error) {
	for pragma, to := range map[string]*int64{"page_count": &l.PageCount, "freelist_count": &l.FreelistSize} {
		if err := db.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(to); err != nil {
			return l, err
		}
	}
	rows, err := db.QueryContext(ctx, "SELECT type, name, tbl_name, rootpage, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name, rootpage")
	if err != nil {
		return l, err
	}
	defer rows.Close()
	h := sha256.New()
	for rows.Next() {
		var kind, name, table, text string
		var page int64
		if err := rows.Scan(&kind, &name, &table, &page, &text); err != nil {
			return l, err
		}
		fmt.Fprintf(h, "%q %q %q %d %q\n", kind, name, table, page, text)
		if kind == "table" {
			l.Tables = append(l.Tables, name)
		}
	}
	l.Schema = h.Sum(nil)
	return l, rows.Err()
}

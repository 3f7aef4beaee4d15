package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite"
)

var (
	errNoEntry = errors.New("no such entry")
	errAlready = errors.New("the entry is there already")
	errOther   = errors.New("another entry has this id")
)

// book keeps entries twice: as rows, which count, and as files.
type book struct {
	db  *sql.DB
	dir string
	ids [64]sync.Mutex // writers of the same id follow each other
}

func openBook(ctx context.Context, path, dir string) (*book, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	name := (&url.URL{Scheme: "file", Path: path}).String() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS entries (
		id TEXT PRIMARY KEY, text TEXT NOT NULL, written TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)`)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return &book{db: db, dir: dir}, nil
}

func (b *book) close() { _ = b.db.Close() }

func (b *book) count(ctx context.Context) (n int64, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT count(*) FROM entries`).Scan(&n)
	return n, err
}

func (b *book) last(ctx context.Context, n int) ([]string, error) {
	rows, err := b.db.QueryContext(ctx, `SELECT text FROM entries ORDER BY rowid DESC LIMIT ?`, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var texts []string
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, err
		}
		texts = append(texts, t)
	}
	return texts, rows.Err()
}

func (b *book) read(ctx context.Context, id string) (text string, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT text FROM entries WHERE id = ?`, id).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errNoEntry
	}
	return text, err
}

// write makes an entry durable: the file first, then the row, which decides. A
// file without its row is of an entry that was never acknowledged.
func (b *book) write(ctx context.Context, id, text string) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	lock := &b.ids[h.Sum32()%uint32(len(b.ids))]
	lock.Lock()
	defer lock.Unlock()
	old, err := b.read(ctx, id)
	switch {
	case err == nil && old == text:
		return errAlready
	case err == nil:
		return errOther
	case !errors.Is(err, errNoEntry):
		return err
	}
	if err := writeFile(b.dir, id+".txt", text); err != nil {
		return err
	}
	result, err := b.db.ExecContext(ctx, `INSERT INTO entries (id, text) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, text)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	// Another process wrote it since we looked: the row is right, so must the file be.
	if old, err = b.read(ctx, id); err != nil {
		return err
	}
	if old == text {
		return errAlready
	}
	return errors.Join(errOther, writeFile(b.dir, id+".txt", old))
}

// writeFile writes a file so that it is whole or not there, whatever happens.
func writeFile(dir, name, text string) error {
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package local_test

import (
	"bytes"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/providertest"
)

func createTable(path string) error {
	return onDatabase(path, func(db *sql.DB) error {
		_, err := db.Exec("PRAGMA journal_mode=WAL; CREATE TABLE lines (id INTEGER PRIMARY KEY, line TEXT NOT NULL)")
		return err
	})
}

func onDatabase(path string, do func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)")
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

func (w *world) database(side providertest.Side, account, name string) (string, error) {
	at, err := description.AccountDir(w.dirs[side], account)
	return filepath.Join(at, "databases", name+".sqlite"), err
}

func (w *world) Insert(side providertest.Side, account, database, row string) error {
	p, err := w.database(side, account, database)
	if err != nil {
		return err
	}
	if _, err := os.Stat(p); err != nil {
		return err
	}
	return onDatabase(p, func(db *sql.DB) error {
		_, err := db.Exec("INSERT INTO lines (line) VALUES (?)", row)
		return err
	})
}

// Rows reads a copy, so that looking at a server's database changes nothing.
func (w *world) Rows(side providertest.Side, account, database string) (out []string, err error) {
	p, err := w.database(side, account, database)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(w.base, "rows-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	at := filepath.Join(dir, "copy")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(p + suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue
		}
		if err == nil {
			err = os.WriteFile(at+suffix, b, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	err = onDatabase(at, func(db *sql.DB) error {
		rows, err := db.Query("SELECT line FROM lines ORDER BY id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			out = append(out, line)
		}
		return rows.Err()
	})
	return out, err
}

// Damage does to a database what a trial has to find.
func (w *world) Damage(side providertest.Side, account, name string, d providertest.Damage) error {
	p, err := w.database(side, account, name)
	if err != nil {
		return err
	}
	if d == providertest.Dangling {
		return onDatabase(p, func(db *sql.DB) error {
			_, err := db.Exec("CREATE TABLE gone (a); CREATE VIEW old AS SELECT a FROM gone; DROP TABLE gone")
			return err
		})
	}
	if err := onDatabase(p, func(db *sql.DB) error {
		_, err := db.Exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000) INSERT INTO lines (line) SELECT printf('%0100d', i) FROM n")
		return err
	}); err != nil {
		return err
	}
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(bytes.Repeat([]byte("garbage "), 512), 8*4096)
	return err
}

// Shrink changes the size of the disk in the server's description, which it
// reads when it starts.
func (w *world) Shrink(side providertest.Side, more int64) error {
	w.Kill(side)
	d, err := description.ReadServer(w.dirs[side])
	if err != nil {
		return err
	}
	if d.DiskBytes = 0; more >= 0 {
		d.DiskBytes = more
		err := filepath.WalkDir(w.dirs[side], func(_ string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			info, err := e.Info()
			if err == nil {
				d.DiskBytes += info.Size()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return description.WriteServer(w.dirs[side], d)
}

func (w *world) Scratch(side providertest.Side) (left []string) {
	entries, err := os.ReadDir(filepath.Join(w.dirs[side], "trials"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		left = append(left, err.Error())
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	return left
}

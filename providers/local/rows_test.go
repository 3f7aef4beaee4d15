package local_test

import (
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

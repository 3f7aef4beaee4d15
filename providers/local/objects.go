package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/sqlite"
	"github.com/stopover/stopover/schema"
)

// engines are what the description offers, with the version of the library
// where it says none. SQLite is always there.
func (h *Host) engines() []schema.EngineOffer {
	var out []schema.EngineOffer
	has := false
	for _, e := range h.description().Engines {
		if e.Name == sqliteEngine {
			has = true
			if e.Version == "" {
				e.Version = sqlite.Version()
			}
		}
		out = append(out, schema.EngineOffer{Name: e.Name, Version: e.Version})
	}
	if !has {
		out = append(out, schema.EngineOffer{Name: sqliteEngine, Version: sqlite.Version()})
	}
	return out
}

const sqliteEngine = "sqlite"

func (h *Host) sqliteVersion() string {
	for _, e := range h.engines() {
		if e.Name == sqliteEngine {
			return e.Version
		}
	}
	return ""
}

// Databases lists the account's databases as they are now.
func (h *Host) Databases(account string) ([]schema.Database, error) {
	p, err := h.Place(account, false)
	if err != nil {
		return nil, err
	}
	names, err := databaseNames(p.Databases)
	if err != nil {
		return nil, err
	}
	version := h.sqliteVersion()
	var out []schema.Database
	for _, n := range names {
		info, err := sqlite.Inspect(context.Background(), h.sqlite, sqlite.File{Root: p.Databases, Name: n + sqliteExt}, sqlite.InspectOptions{})
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", printable(n), err)
		}
		out = append(out, schema.Database{Engine: sqliteEngine, Version: version, Name: n, Bytes: info.Bytes, Mode: string(info.JournalMode)})
	}
	return out, nil
}

// DatabaseNames lists the databases of an account without opening them.
func (h *Host) DatabaseNames(account string) ([]string, error) {
	p, err := h.Place(account, false)
	if err != nil {
		return nil, err
	}
	return databaseNames(p.Databases)
}

const sqliteExt = ".sqlite"

// databaseNames lists the databases of a directory by name, sorted.
func databaseNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if n, ok := strings.CutSuffix(e.Name(), sqliteExt); ok && e.Type().IsRegular() {
			out = append(out, n)
		}
	}
	return out, nil
}

// Movable refuses what no part of a copy would carry.
func (h *Host) Movable(account string) error {
	p, err := h.Place(account, false)
	if err != nil {
		return err
	}
	strays, err := strayDatabases(p.Databases)
	if err != nil {
		return err
	}
	extra, err := strayEntries(filepath.Dir(p.Files))
	if err != nil {
		return err
	}
	if all := append(extra, strays...); len(all) > 0 {
		return fmt.Errorf("%w: %s would not be moved: move it into the account's home, or delete it", providers.ErrRefused, printable(all[0]))
	}
	return nil
}

// strayEntries lists what lies in an account's directory and is no part of it.
func strayEntries(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		switch n := e.Name(); n {
		case description.HomeDir, description.MailDir, description.DatabasesDir, description.AccountFile, copiedFile, description.IDFile:
		default:
			// Left by a crash while they were replaced.
			if !strings.HasPrefix(n, "."+description.AccountFile) && !strings.HasPrefix(n, "."+description.IDFile) {
				out = append(out, n)
			}
		}
	}
	return out, nil
}

// strayDatabases lists what else is in the directory: companions of a database
// belong to it, anything else would be left behind.
func strayDatabases(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		n := e.Name()
		for _, s := range []string{"", "-wal", "-shm", "-journal"} {
			if b, ok := strings.CutSuffix(n, s); ok && strings.HasSuffix(b, sqliteExt) && e.Type().IsRegular() {
				n = ""
				break
			}
		}
		if n != "" {
			out = append(out, n)
		}
	}
	return out, nil
}

//go:build linux

package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// Bounds of what a survey asks database engines. Counting is a favour: what
// would take long keeps the engine's own estimate.
const (
	engineTime   = 10 * time.Minute // for everything asked of one engine
	queryTime    = 60 * time.Second // for one query
	lockTime     = 2                // seconds that a query may wait for a lock
	countRows    = 50_000           // tables that seem larger are not counted
	countBytes   = 64 << 20
	countTime    = 20 * time.Second // for all tables of one engine
	countBatch   = 100              // tables in one query
	maxPerObject = 20_000           // tables, routines, … of one database that are listed
)

// asked is what one engine said: itself, its databases with who has rights on
// each, and its users.
type asked struct {
	engine schema.Engine
	dbs    []foundDatabase
	users  []schema.DatabaseUser
}

// databases asks every database engine of the machine and gives the accounts
// what is theirs. An engine that cannot be asked is in the answer with the
// reason, and is a finding unless it certainly holds nothing.
func (w *world) databases(ctx context.Context) error {
	var mu sync.Mutex
	var all []asked
	var wait sync.WaitGroup
	for _, ask := range []func(context.Context) []asked{w.mariadb, w.postgres, w.otherEngines} {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, engineTime)
			defer cancel()
			got := ask(ctx)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, got...)
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	slices.SortFunc(all, byEngine)
	for i := range all {
		w.hand(&all[i])
		w.server.System.Engines = append(w.server.System.Engines, all[i].engine)
	}
	for _, a := range w.accounts {
		slices.SortStableFunc(a.Databases, func(x, y schema.Database) int {
			return cmp.Or(strings.Compare(x.Engine, y.Engine), strings.Compare(x.Name, y.Name))
		})
		slices.SortStableFunc(a.DatabaseUsers, byDatabaseUser)
	}
	return nil
}

// byEngine sorts by name; of several of a name those that answered come first,
// so that whoever asks for the engine gets the one that there is something of.
func byEngine(x, y asked) int {
	silent := func(a asked) int {
		if a.engine.Error != "" {
			return 1
		}
		return 0
	}
	return cmp.Or(strings.Compare(x.engine.Name, y.engine.Name), cmp.Compare(silent(x), silent(y)),
		strings.Compare(x.engine.Socket, y.engine.Socket), strings.Compare(x.engine.Data, y.engine.Data))
}

func byDatabaseUser(x, y schema.DatabaseUser) int {
	return cmp.Or(strings.Compare(x.Engine, y.Engine), strings.Compare(x.Name, y.Name), strings.Compare(x.Host, y.Host))
}

// hand gives databases and users to the accounts that they belong to; the rest
// is the server's own.
func (w *world) hand(a *asked) {
	if a.engine.Running && a.engine.Error == "" {
		w.server.Engines = append(w.server.Engines, schema.EngineOffer{Name: a.engine.Name, Version: a.engine.Version})
	}
	names := make([]string, len(w.accounts))
	for i, x := range w.accounts {
		names[i] = x.Name
	}
	users := make([]string, len(a.users))
	for i, u := range a.users {
		users[i] = u.Name
	}
	o := belong(w.layout.Databases, w.layout.DatabaseUsers, names, a.dbs, users)
	for i := range a.dbs {
		d := a.dbs[i].found
		if owner := w.byName[o.databases[d.Name]]; owner != nil {
			owner.Databases = append(owner.Databases, d)
		} else {
			a.engine.Databases = append(a.engine.Databases, d)
		}
	}
	for _, u := range a.users {
		if owner := w.byName[o.users[u.Name]]; owner != nil {
			owner.DatabaseUsers = append(owner.DatabaseUsers, u)
		} else {
			a.engine.Users = append(a.engine.Users, u)
		}
	}
}

// silent is an engine that could not be asked; holds says whether it may have
// databases of accounts.
func (w *world) silent(e schema.Engine, holds bool) asked {
	if holds {
		w.incomplete("databases in "+engineTitle(e.Name), errors.New(e.Error))
	}
	return asked{engine: e}
}

func engineTitle(name string) string {
	switch name {
	case "mariadb":
		return "MariaDB"
	case "mysql":
		return "MySQL"
	case "postgresql":
		return "PostgreSQL"
	}
	return name
}

// path is where something of the machine is for this program.
func (w *world) path(p string) string { return filepath.Join(w.m.Root, p) }

// login is what the configuration says of an engine; nothing: the agent's own
// rights do.
func (w *world) login(engine string) (agent.EngineLogin, bool) {
	l, ok := w.q.Engines[engine]
	return l, ok && l.User != ""
}

// reason is an error for people: one line, nothing that a terminal would obey.
func reason(err error) string {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(err.Error(), "?"))
	if len(s) > 500 {
		s = strings.ToValidUTF8(s[:500], "") + "…"
	}
	return strings.TrimSpace(s)
}

// dirBytes is the size of the regular files of a directory and of those below,
// not following links.
func dirBytes(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, e := range entries {
		switch {
		case e.Type().IsRegular():
			if i, err := e.Info(); err == nil { // gone meanwhile otherwise
				n += i.Size()
			}
		case e.IsDir():
			below, err := dirBytes(filepath.Join(dir, e.Name()))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return n, err
			}
			n += below
		}
	}
	return n, nil
}

// detailError joins what could not be read of a database.
func detailError(d *schema.ObjectDetail, format string, args ...any) {
	s := reason(fmt.Errorf(format, args...))
	switch {
	case d.Error == "":
		d.Error = s
	case len(d.Error) < 2000:
		d.Error += "; " + s
	}
}

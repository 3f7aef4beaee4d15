package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	sqlitedrv "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// Tried says what became of a copy that was opened.
type Tried struct {
	Bytes    int64
	Objects  int64    // tables, views, indexes and triggers, those of SQLite itself left out
	Rows     int64    // of all tables that are not virtual
	Errors   []string // it cannot be used, or not all of it
	Warnings []string // to know beforehand
}

// Bounds of how long a trial looks at one database. Its schema is the
// customer's: views in views can take years to be translated, and a check that
// is evaluated for each row can do anything that an expression can.
const (
	lookLeast     = 10 * time.Minute
	lookRate      = 5 << 20 // bytes per second, beyond that
	translateMost = time.Minute
)

// Bounds of what a trial says: everything in it is the customer's.
const (
	maxTried    = 50  // errors, and warnings
	maxSentence = 300 // bytes of what SQLite says
)

// Try opens a copy that nobody else uses, in which the last pass may have left
// a WAL, and looks whether this library can use all of it: pages, references,
// views, triggers, virtual tables. Nothing that the schema names is run. What
// is wrong with the database is in the answer; the error is for anything else,
// such as a full disk.
func Try(ctx context.Context, f File) (Tried, error) {
	p, err := openPlace(f)
	if err != nil {
		return Tried{}, err
	}
	defer p.close()
	return tryPlace(ctx, f, p, lookLeast+time.Duration(p.size("")/lookRate)*time.Second, translateMost)
}

// tryPlace is Try with its bounds.
func tryPlace(ctx context.Context, f File, p *place, look, translate time.Duration) (Tried, error) {
	t := &try{translate: translate}
	var end context.CancelFunc
	t.ctx, end = context.WithTimeout(ctx, look)
	defer end()
	err := t.run(p)
	if err != nil && ctx.Err() == nil && t.ctx.Err() != nil {
		t.warn(fmt.Sprintf("it could not be looked at within %s: what was not reached is not tried", look))
		return t.out, nil
	}
	if err != nil {
		return Tried{}, fmt.Errorf("try %s: %w", f, err)
	}
	return t.out, nil
}

type try struct {
	ctx       context.Context
	c         *connection
	translate time.Duration // what is left for statements that are only translated
	out       Tried
}

func (t *try) run(p *place) (err error) {
	known, err := t.header(p)
	if err != nil || !known {
		return err
	}
	// With this process's own rights: nobody else can put files beside the copy.
	if t.c, err = connect(t.ctx, p, identity{}, openWrite); err != nil {
		return t.wrong("it cannot be opened", err)
	}
	defer func() { err = errors.Join(err, t.c.close()) }()
	// No value is larger than what holds it; one that an expression makes up
	// would take as much memory as it says.
	if _, err := sqlitedrv.Limit(t.c.c, sqlitelib.SQLITE_LIMIT_LENGTH, int(min(1_000_000_000, max(16<<20, 2*(p.size("")+p.size(walSuffix)))))); err != nil {
		return err
	}
	for _, step := range []func() error{t.integrity, t.references, t.objects} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// header looks at what the file is before SQLite does; known says whether
// there is something to try.
func (t *try) header(p *place) (known bool, err error) {
	db, err := p.open("", os.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer db.Close()
	h, err := readHeader(db)
	if err != nil {
		return false, err
	}
	t.out.Bytes = p.size("")
	switch h.kind {
	case KindOpaque:
		t.out.Warnings = append(t.out.Warnings, "it is not a readable SQLite database (damaged, encrypted or something else): it is moved byte for byte, and nothing of it could be tried")
		return false, nil
	case KindEmpty:
		return p.size(walSuffix) > 0, nil
	case KindRollback:
		if p.size(walSuffix) <= walHeader {
			t.warn("it is not in WAL mode: in the cutover the whole file is compared, unless nothing writes to it; PRAGMA journal_mode=WAL would avoid that")
		}
	}
	if v := h.sqliteVersion; v > sqlitelib.SQLITE_VERSION_NUMBER && v < 4000000 {
		t.warn(fmt.Sprintf("SQLite %d.%d.%d wrote it last, which is newer than %s here: what only that one knows cannot be used",
			v/1000000, v/1000%1000, v%1000, Version()))
	}
	return true, nil
}

func (t *try) warn(text string) { add(&t.out.Warnings, text) }
func (t *try) fail(text string) { add(&t.out.Errors, text) }

func add(list *[]string, text string) {
	switch {
	case len(*list) < maxTried:
		*list = append(*list, text)
	case len(*list) == maxTried:
		*list = append(*list, "there is more")
	}
}

// wrong makes an error of SQLite one of the database's, if it is that, and
// returns it otherwise.
func (t *try) wrong(what string, err error) error {
	if err == nil {
		return nil
	}
	if t.ctx.Err() != nil {
		return t.ctx.Err()
	}
	switch code(err) {
	case sqlitelib.SQLITE_ERROR, sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_SCHEMA, sqlitelib.SQLITE_FORMAT,
		sqlitelib.SQLITE_MISMATCH, sqlitelib.SQLITE_CONSTRAINT, sqlitelib.SQLITE_TOOBIG:
		t.fail(what + ": " + said(err))
		return nil
	}
	return err
}

// said is what SQLite says, cleaned: it repeats names out of the schema.
func said(err error) string {
	text := strings.TrimPrefix(err.Error(), "SQL logic error: ")
	if i := strings.LastIndex(text, " ("); i > 0 && strings.HasSuffix(text, ")") {
		text = text[:i] // the code
	}
	return clean(text)
}

func clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
	if len(text) <= maxSentence {
		return text
	}
	n := maxSentence
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// query runs a statement and gives each row to do.
func (t *try) query(statement string, do func(scan func(...any) error) error) error {
	return t.c.run(func() error {
		rows, err := t.c.c.QueryContext(t.ctx, statement)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := do(rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// integrity reads every page and compares every index with its table.
func (t *try) integrity() error {
	err := t.query(fmt.Sprintf("PRAGMA integrity_check(%d)", maxTried), func(scan func(...any) error) error {
		var s string
		if err := scan(&s); err != nil {
			return err
		}
		for line := range strings.SplitSeq(s, "\n") {
			if line = strings.TrimSpace(line); line != "ok" && line != "" && !strings.HasPrefix(line, "*** in database") {
				t.fail("integrity check: " + clean(line))
			}
		}
		return nil
	})
	return t.wrong("integrity check", err)
}

// references counts rows whose foreign keys lead nowhere. SQLite does not look
// at them by itself, so they arrive as they are.
func (t *try) references() error {
	broken := map[string]int64{}
	err := t.query("PRAGMA foreign_key_check", func(scan func(...any) error) error {
		var table, parent, row, key any
		if err := scan(&table, &row, &parent, &key); err != nil {
			return err
		}
		if pair := clean(fmt.Sprintf("table %v to table %v", table, parent)); len(broken) < maxTried || broken[pair] > 0 {
			broken[pair]++
		}
		return nil
	})
	pairs := make([]string, 0, len(broken))
	for p := range broken {
		pairs = append(pairs, p)
	}
	slices.Sort(pairs)
	for _, p := range pairs {
		t.warn(fmt.Sprintf("%d foreign keys from %s lead nowhere, now as well", broken[p], p))
	}
	if err != nil && code(err) == sqlitelib.SQLITE_ERROR && strings.Contains(err.Error(), "foreign key mismatch") {
		t.warn("foreign keys cannot be checked: " + said(err)) // the parent has no fitting index: so it is at home
		return nil
	}
	return t.wrong("foreign keys", err)
}

// object is one row of the schema.
type object struct {
	kind, name, table string
	real              bool // has pages of its own
}

func (t *try) objects() error {
	var all []object
	const q = `SELECT coalesce(type, ''), coalesce(name, ''), coalesce(tbl_name, ''), coalesce(rootpage, 0) > 0 FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%%' ESCAPE '\' ORDER BY type, name LIMIT %d`
	err := t.query(fmt.Sprintf(q, maxTables+1), func(scan func(...any) error) error {
		var o object
		err := scan(&o.kind, &o.name, &o.table, &o.real)
		all = append(all, o)
		return err
	})
	if err != nil {
		return t.wrong("its schema cannot be read", err)
	}
	if len(all) > maxTables {
		all = all[:maxTables]
		t.warn(fmt.Sprintf("it has more than %d tables, views, indexes and triggers: the others were not looked at", maxTables))
	}
	t.out.Objects = int64(len(all))
	triggered := map[string]bool{}
	for _, o := range all {
		if o.kind == "trigger" {
			triggered[strings.ToLower(o.table)] = true
		}
	}
	for _, o := range all {
		if err := t.object(o); err != nil {
			return err
		}
		if has := triggered[strings.ToLower(o.name)]; o.kind == "table" && o.real || o.kind == "view" && has {
			if err := t.statements(o, has); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *try) object(o object) error {
	switch {
	case o.kind == "table" && o.real:
		var n int64
		err := t.c.ask(t.ctx, "SELECT count(*) FROM "+quoted(o.name), &n)
		t.out.Rows += n
		return t.wrong("table "+clean(o.name), err)
	case o.kind == "table":
		return t.compile("virtual table "+clean(o.name), "SELECT * FROM "+quoted(o.name))
	case o.kind == "view":
		return t.compile("view "+clean(o.name), "SELECT * FROM "+quoted(o.name))
	}
	return nil
}

// compile lets SQLite translate a statement without running it. What is missing
// in the schema itself is missing on every server; what is missing in the
// library (modules, functions, collations) is missing here.
func (t *try) compile(what, statement string) error {
	if t.translate <= 0 {
		return nil // that there is more to look at than time was said
	}
	all, began := t.ctx, time.Now()
	ctx, end := context.WithTimeout(all, t.translate)
	// Only translated: what the schema names may be as untrusted as it likes.
	t.ctx = ctx
	err := t.query("EXPLAIN "+statement, func(func(...any) error) error { return nil })
	t.ctx = all
	late := ctx.Err() != nil && all.Err() == nil
	end()
	if t.translate -= time.Since(began); late {
		t.translate = 0
	}
	if t.translate <= 0 && all.Err() == nil {
		t.warn(what + " is so involved that there was no time to translate it: neither it nor what comes after it was tried")
		if late {
			return nil
		}
	}
	if err != nil && code(err) == sqlitelib.SQLITE_ERROR {
		text := said(err)
		for _, mark := range []string{"no such table", "no such column", "no such index", "ambiguous column", "is a view", "circularly defined", "has no column named"} {
			if strings.Contains(text, mark) {
				t.warn(what + " does not work, now neither: " + text)
				return nil
			}
		}
		if strings.Contains(text, "unsafe use of") {
			return nil // refused by the way in which it is looked at
		}
	}
	return t.wrong(what, err)
}

// statements are translated that need everything a table names: collations,
// functions in checks and generated columns, and what its triggers do.
func (t *try) statements(o object, triggers bool) error {
	columns, err := t.columns(o.name)
	if err != nil || len(columns) == 0 {
		return err // a view that does not work was said to be so
	}
	list := strings.Join(columns, ", ")
	what := func(event string) string {
		if triggers {
			return "a trigger of " + clean(o.name) + " on " + event
		}
		return "table " + clean(o.name)
	}
	if o.real {
		if err := t.compile("table "+clean(o.name), "SELECT 1 FROM "+quoted(o.name)+" ORDER BY "+list); err != nil {
			return err
		}
	}
	writes := []string{"INSERT"}
	if triggers {
		writes = []string{"INSERT", "UPDATE", "DELETE"}
	}
	for _, event := range writes {
		if o.kind == "view" && !t.fires(o.name, event) {
			continue // nothing can be written to a view but through a trigger
		}
		statement := "DELETE FROM " + quoted(o.name)
		switch event {
		case "INSERT":
			statement = "INSERT INTO " + quoted(o.name) + " (" + list + ") VALUES (" + strings.Repeat(", NULL", len(columns))[2:] + ")"
		case "UPDATE":
			statement = "UPDATE " + quoted(o.name) + " SET " + strings.Join(columns, " = NULL, ") + " = NULL"
		}
		if err := t.compile(what(event), statement); err != nil {
			return err
		}
	}
	return nil
}

// columns are those that can be written to, quoted.
func (t *try) columns(table string) (out []string, err error) {
	err = t.query("SELECT name FROM pragma_table_xinfo("+literal(table)+") WHERE hidden = 0", func(scan func(...any) error) error {
		var n string
		err := scan(&n)
		out = append(out, quoted(n))
		return err
	})
	if err != nil && t.ctx.Err() == nil && code(err) == sqlitelib.SQLITE_ERROR {
		return nil, nil
	}
	return out, err
}

// fires says whether a view has a trigger whose text speaks of an event. A
// trigger that only mentions it is tried in vain, which costs a warning.
func (t *try) fires(view, event string) bool {
	var n int64
	err := t.c.ask(t.ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = "+literal(view)+
		" COLLATE NOCASE AND upper(sql) LIKE '%INSTEAD OF "+event+"%'", &n)
	return err == nil && n > 0
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stopover/stopover/providers/local/sqlite/sqlitecompare"
)

// move is one database on its way between two directories.
type move struct {
	t        testing.TB
	ctx      context.Context
	keeper   *Keeper
	src, dst string
	s        *Session
	base     Manifest
}

func newMove(t testing.TB, name string) *move {
	t.Helper()
	d := t.TempDir()
	for _, sub := range []string{"src", "dst"} {
		if err := os.Mkdir(filepath.Join(d, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &move{t: t, ctx: context.Background(), keeper: &Keeper{}, src: filepath.Join(d, "src", name), dst: filepath.Join(d, "dst", name)}
}

// create makes a database with the tables that writers use.
func (m *move) create(mode string, rows int) {
	m.t.Helper()
	db := openDB(m.t, m.src)
	defer db.Close()
	for _, q := range []string{
		"PRAGMA journal_mode=" + mode,
		"CREATE TABLE acks(id INTEGER PRIMARY KEY, b BLOB)",
		"CREATE TABLE other(b BLOB)",
		fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d) INSERT INTO other SELECT randomblob(3000) FROM n", rows),
	} {
		if _, err := db.Exec(q); err != nil {
			m.t.Fatal(err)
		}
	}
}

func openDB(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+escape(path))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

func (m *move) open() {
	m.t.Helper()
	s, err := OpenOrigin(m.ctx, m.keeper, At(m.src), Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	m.s = s
	m.t.Cleanup(func() { s.Close() })
}

func (m *move) manifest() {
	m.t.Helper()
	var err error
	if m.base, err = Refresh(m.ctx, At(m.dst), m.base); err != nil {
		m.t.Fatal(err)
	}
}

// run connects a call of the session with the receiver.
func (m *move) run(call func(context.Context, Manifest, io.Writer) (Result, error), base Manifest) (Result, Received) {
	m.t.Helper()
	r, w := io.Pipe()
	type outcome struct {
		Result
		err error
	}
	sent := make(chan outcome, 1)
	go func() {
		res, err := call(m.ctx, base, w)
		w.CloseWithError(err)
		sent <- outcome{res, err}
	}()
	got, err := Receive(m.ctx, At(m.dst), r, Options{})
	r.CloseWithError(err)
	o := <-sent
	if err != nil || o.err != nil {
		m.t.Fatalf("send: %v, receive: %v", o.err, err)
	}
	return o.Result, got
}

func (m *move) pass() Result {
	m.t.Helper()
	m.manifest()
	r, _ := m.run(m.s.Pass, m.base)
	m.manifest()
	return r
}

func (m *move) catchUp() Result {
	m.t.Helper()
	r, _ := m.run(m.s.CatchUp, m.base)
	m.manifest()
	return r
}

func (m *move) final() Result {
	m.t.Helper()
	r, got := m.run(m.s.Final, m.base.Brief())
	if !got.Final {
		m.t.Fatal("the final did not complete the copy")
	}
	for _, suffix := range []string{walSuffix, shmSuffix, journalSuffix} {
		if _, err := os.Lstat(m.dst + suffix); err == nil && r.Kind != KindOpaque {
			m.t.Errorf("the copy has a %s", suffix)
		}
	}
	return r
}

func (m *move) source() sqlitecompare.Target {
	return sqlitecompare.Target{Root: filepath.Dir(m.src), Name: filepath.Base(m.src), CloseFile: m.keeper.CloseFile}
}

func (m *move) copy() sqlitecompare.Target {
	return sqlitecompare.Target{Root: filepath.Dir(m.dst), Name: filepath.Base(m.dst)}
}

type warmed struct{ origin, receiver *sqlitecompare.Warmed }

func (m *move) warm() (w warmed) {
	m.t.Helper()
	var err error
	if w.origin, err = sqlitecompare.Warm(m.ctx, m.source()); err != nil {
		m.t.Fatal(err)
	}
	if w.receiver, err = sqlitecompare.Warm(m.ctx, m.copy()); err != nil {
		m.t.Fatal(err)
	}
	return w
}

func (m *move) compare(w warmed) (sqlitecompare.Verdict, sqlitecompare.Cut) {
	m.t.Helper()
	o, err := sqlitecompare.Origin(m.ctx, m.source(), w.origin, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	r, err := sqlitecompare.Receiver(m.ctx, m.copy(), w.receiver, o.Brief())
	if err != nil {
		m.t.Fatal(err)
	}
	return sqlitecompare.Compare(o.Sums, r.Sums), o
}

// mustEqual compares with the warmed hashes and again without any.
func (m *move) mustEqual(w warmed) sqlitecompare.Cut {
	m.t.Helper()
	v, cut := m.compare(w)
	if !v.Equal {
		m.t.Fatalf("the copy differs: blocks %v, notes %q", v.Differing, cut.Notes)
	}
	if v, _ := m.compare(warmed{}); !v.Equal {
		m.t.Fatalf("the warmed comparison said equal, the whole one says blocks %v differ", v.Differing)
	}
	return cut
}

// check reads the copy with SQLite: nothing acknowledged is lost or doubled.
func (m *move) check(acks int64) {
	m.t.Helper()
	b, err := os.ReadFile(m.dst)
	if err != nil {
		m.t.Fatal(err)
	}
	// On a copy of the copy, so that nothing of ours touches the bytes that are compared.
	at := filepath.Join(m.t.TempDir(), "check.db")
	if err := os.WriteFile(at, b, 0o600); err != nil {
		m.t.Fatal(err)
	}
	db := openDB(m.t, at)
	defer db.Close()
	var ok string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		m.t.Fatalf("integrity_check: %v %s", err, ok)
	}
	var n, distinct, top int64
	if err := db.QueryRow("SELECT count(*), count(DISTINCT id), coalesce(max(id), 0) FROM acks").Scan(&n, &distinct, &top); err != nil {
		m.t.Fatal(err)
	}
	// One commit may have been durable when the kill came before its acknowledgement.
	if n != distinct || n != top || top < acks || top > acks+1 {
		m.t.Fatalf("%d rows, %d ids, highest %d, but %d were acknowledged", n, distinct, top, acks)
	}
}

func TestMoveUnderWrites(t *testing.T) {
	for seed, mode := range []string{"insert", "mixed", "mixed", "mixed", "mixed"} {
		t.Run(fmt.Sprintf("%s-%d", mode, seed), func(t *testing.T) {
			m := newMove(t, "app.db")
			m.create("wal", 300)
			w := startWriter(t, m.src, mode, seed)
			w.more(t, 20)
			m.open()
			for range 3 {
				if r := m.pass(); !r.Held || len(r.Notes) != 0 {
					t.Fatalf("not held: %q", r.Notes)
				}
				w.more(t, 15)
			}
			warm := m.warm()
			w.more(t, 15)
			m.catchUp()
			w.more(t, 5)
			acks := w.kill()
			r := m.final()
			if len(r.Notes) != 0 {
				t.Errorf("the cut was not cheap: %q", r.Notes)
			}
			cut := m.mustEqual(warm)
			if cut.Whole {
				t.Errorf("the comparison hashed everything: %q", cut.Notes)
			}
			m.check(acks)
			// Thawed: the original is as usable as before, and holds the same.
			if err := m.s.Close(); err != nil {
				t.Fatal(err)
			}
			thawed := openDB(t, m.src)
			defer thawed.Close()
			var top int64
			if err := thawed.QueryRow("SELECT max(id) FROM acks").Scan(&top); err != nil || top < acks {
				t.Fatalf("after the thaw: %v, %d of %d", err, top, acks)
			}
		})
	}
}

// Readers with old snapshots and checkpoints by others make the hold start
// inside the WAL instead of behind it.
func TestMoveWithOldReaders(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 200)
	reader, other := startProgram(t, m.src), startProgram(t, m.src)
	other.do("INSERT INTO acks VALUES(1, randomblob(9000))")
	reader.do("BEGIN DEFERRED")
	reader.do("SELECT count(*) FROM acks")
	other.do("UPDATE other SET b = randomblob(3000)")
	other.do("INSERT INTO acks VALUES(2, randomblob(9000))")
	m.open() // its checkpoint is stopped by the reader, so its mark lies in the WAL
	if r := m.pass(); !r.Held {
		t.Fatalf("not held: %q", r.Notes)
	}
	warm := m.warm()
	reader.do("COMMIT")
	before, err := os.ReadFile(m.src)
	if err != nil {
		t.Fatal(err)
	}
	other.do("PRAGMA wal_checkpoint(PASSIVE)") // writes back up to our mark
	after, err := os.ReadFile(m.src)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(before, after) {
		t.Error("the checkpoint wrote nothing back: the case is not tested")
	}
	other.do("DELETE FROM other WHERE rowid % 2")
	other.do("VACUUM")
	other.do("INSERT INTO acks VALUES(3, randomblob(9000))")
	other.kill()
	reader.kill()
	m.final()
	if cut := m.mustEqual(warm); cut.Whole {
		t.Errorf("the comparison hashed everything: %q", cut.Notes)
	}
	m.check(3)
}

// A writer killed between writing its commit to the WAL and publishing it in
// the -shm: others do not see the commit, whoever reads the WAL anew does.
func TestUnpublishedCommit(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 50)
	p := startProgram(t, m.src)
	p.do("INSERT INTO acks VALUES(1, 'a')")
	m.open()
	m.pass()
	warm := m.warm()
	p.do("INSERT INTO acks VALUES(2, 'b')")
	shm, err := os.OpenFile(m.src+shmSuffix, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shm.Close() })
	old := make([]byte, 96) // both copies of the header
	if _, err := shm.ReadAt(old, 0); err != nil {
		t.Fatal(err)
	}
	p.do("INSERT INTO acks VALUES(3, 'c')")
	p.kill()
	if _, err := shm.WriteAt(old, 0); err != nil {
		t.Fatal(err)
	}
	m.final()
	m.mustEqual(warm)
	m.check(2)
}

func TestAttributes(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 10)
	if err := os.Chmod(m.src, 0o640); err != nil {
		t.Fatal(err)
	}
	m.open()
	m.pass()
	if st, err := os.Stat(m.dst); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("an unfinished copy is not private: %v %v", st.Mode(), err)
	}
	then := time.Unix(1234567890, 987000000)
	m.final()
	// Times are set last, so a second final carries what the source has now.
	if err := os.Chtimes(m.src, then, then); err != nil {
		t.Fatal(err)
	}
	m.base = Manifest{}
	m.manifest()
	m.final()
	st, err := os.Stat(m.dst)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o640 || !st.ModTime().Equal(then) {
		t.Errorf("got mode %v, time %v", st.Mode(), st.ModTime())
	}
}

package sqlite

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRollbackModes(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist"} {
		t.Run(mode, func(t *testing.T) {
			m := newMove(t, "app.db")
			m.create(mode, 300)
			w := startWriter(t, m.src, "insert", 1)
			w.more(t, 5)
			m.open()
			for range 2 {
				if r := m.pass(); r.Held || len(r.Notes) == 0 || !strings.Contains(r.Notes[0], "rollback journal") {
					t.Fatalf("held %v, notes %q", r.Held, r.Notes)
				}
				w.more(t, 5)
			}
			warm := m.warm()
			w.more(t, 5)
			acks := w.kill()
			if r := m.final(); len(r.Notes) == 0 || !strings.Contains(r.Notes[0], "compared in the cut") {
				t.Errorf("notes %q", r.Notes)
			}
			m.mustEqual(warm)
			m.check(acks)
		})
	}
}

func TestRollbackUnchanged(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("delete", 300)
	time.Sleep(2 * settle) // as for any file that nobody has just written
	m.open()
	m.pass()
	warm := m.warm()
	if r := m.final(); r.Stats.BlocksCompared != 0 || len(r.Notes) != 0 {
		t.Errorf("%d blocks were compared, notes %q", r.Stats.BlocksCompared, r.Notes)
	}
	if cut := m.mustEqual(warm); cut.Whole {
		t.Errorf("the comparison hashed everything: %q", cut.Notes)
	}
	m.check(0)
}

func TestHotJournal(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("delete", 800)
	p := startProgram(t, m.src)
	p.do("INSERT INTO acks VALUES(1, 'a')")
	m.open()
	m.pass()
	p.do("PRAGMA cache_size=5") // spills into the database file before the commit
	p.do("BEGIN")
	p.do("UPDATE other SET b = zeroblob(3000)")
	p.do("INSERT INTO acks VALUES(7, 'never committed')")
	warm := m.warm()
	p.kill()
	if st, err := os.Stat(m.src + journalSuffix); err != nil || st.Size() == 0 {
		t.Fatal("there is no hot journal: the case is not tested")
	}
	m.final()
	if _, err := os.Stat(m.src + journalSuffix); err == nil {
		t.Error("the journal was not rolled back")
	}
	m.mustEqual(warm)
	m.check(1)
}

func TestBusyInTheCut(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("delete", 300)
	p := startProgram(t, m.src)
	m.open()
	m.pass()
	p.do("PRAGMA cache_size=5")
	p.do("BEGIN EXCLUSIVE")
	p.do("UPDATE other SET b = zeroblob(3000)")
	if _, err := m.s.Final(m.ctx, m.base.Brief(), &bytes.Buffer{}); !errors.Is(err, ErrBusy) {
		t.Fatalf("a database that is being written to: %v", err)
	}
	p.kill()
	m.final()
	m.mustEqual(warmed{})
	m.check(0)
}

func TestWriterInTheCut(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 300)
	p := startProgram(t, m.src)
	m.open()
	m.pass()
	p.do("BEGIN IMMEDIATE")
	p.do("INSERT INTO acks VALUES(1, 'a')")
	if _, err := m.s.Final(m.ctx, m.base.Brief(), &bytes.Buffer{}); !errors.Is(err, ErrBusy) {
		t.Fatalf("a database that is being written to: %v", err)
	}
	p.do("COMMIT")
	p.kill()
	m.final()
	m.mustEqual(warmed{})
	m.check(1)
}

func TestExclusiveWAL(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 100)
	p := startProgram(t, m.src)
	p.do("PRAGMA locking_mode=EXCLUSIVE")
	p.do("INSERT INTO acks VALUES(1, 'a')")
	m.open()
	if r := m.pass(); r.Held || len(r.Notes) == 0 {
		t.Fatalf("held %v, notes %q", r.Held, r.Notes)
	}
	p.do("INSERT INTO acks VALUES(2, 'a')")
	p.kill()
	m.final()
	m.mustEqual(warmed{})
	m.check(2)
}

// A WAL whose -shm is gone: what a crash of the machine or a careless copy leaves.
func TestWALWithoutShm(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 100)
	p := startProgram(t, m.src)
	p.do("INSERT INTO acks VALUES(1, 'a')")
	p.kill()
	if err := os.Remove(m.src + shmSuffix); err != nil {
		t.Fatal(err)
	}
	m.open()
	if r := m.pass(); !r.Held {
		t.Fatalf("notes %q", r.Notes)
	}
	m.final()
	m.mustEqual(warmed{})
	m.check(1)
}

func TestReplacedFile(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 100)
	m.open()
	m.pass()
	warm := m.warm()
	n := newMove(t, "new.db")
	n.create("delete", 200)
	for _, suffix := range []string{walSuffix, shmSuffix} {
		if err := os.Remove(m.src + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(n.src, m.src); err != nil {
		t.Fatal(err)
	}
	if r := m.final(); len(r.Notes) == 0 {
		t.Error("no note")
	}
	if cut := m.mustEqual(warm); !cut.Whole {
		t.Error("the comparison trusted hashes of another file")
	}
	m.check(0)
}

func TestModeChanges(t *testing.T) {
	for from, to := range map[string]string{"delete": "wal", "wal": "delete"} {
		t.Run(from+"-"+to, func(t *testing.T) {
			m := newMove(t, "app.db")
			m.create(from, 100)
			p := startProgram(t, m.src)
			m.open()
			m.pass()
			p.do("PRAGMA busy_timeout=50")
			changed := p.try("PRAGMA journal_mode=" + to)
			p.do("INSERT INTO acks VALUES(1, 'a')")
			t.Logf("journal_mode=%s: %s", to, changed)
			p.kill()
			m.final()
			m.mustEqual(warmed{})
			m.check(1)
		})
	}
}

func TestNoDatabase(t *testing.T) {
	noise := func(n int) []byte {
		b := make([]byte, n)
		r := rand.NewChaCha8([32]byte{1})
		_, _ = r.Read(b)
		return b
	}
	for name, files := range map[string]map[string][]byte{
		"garbage":   {"": []byte("not a database")},
		"short":     {"": []byte(magic)},
		"encrypted": {"": noise(300000), walSuffix: noise(70000), journalSuffix: noise(100)},
		"empty":     {"": {}},
		"badpage":   {"": append([]byte(magic), make([]byte, 200)...)},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMove(t, name+".sqlite")
			for suffix, b := range files {
				if err := os.WriteFile(m.src+suffix, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m.open()
			m.pass()
			warm := m.warm()
			if name == "encrypted" {
				files[walSuffix] = noise(80000)
				if err := os.WriteFile(m.src+walSuffix, files[walSuffix], 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m.final()
			m.mustEqual(warm)
			for suffix, want := range files {
				if got, err := os.ReadFile(m.dst + suffix); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes, %v", suffix, len(got), err)
				}
			}
			in, err := Inspect(m.ctx, m.keeper, At(m.src), InspectOptions{})
			if err != nil || in.JournalMode != m.s.Kind() || len(in.Tables) != 0 {
				t.Errorf("inspect: %+v %v", in, err)
			}
			if entries, _ := os.ReadDir(filepath.Dir(m.src)); len(entries) != len(files) {
				t.Errorf("files were created: %v", entries)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{
		"with space.db", "quote'\".db", "new\nline.db", "que?ry=1&mode=memory.db", "frag#ment.db", "per%20cent%.db",
		"-dash.db", "\xff\xfe.db", ":memory:", "file:x.db", "..db", "*.db", "ünï.db", strings.Repeat("n", 240),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMove(t, name)
			m.create("wal", 10)
			m.open()
			if r := m.pass(); !r.Held {
				t.Fatalf("not held: %q", r.Notes)
			}
			p := startProgram(t, m.src)
			p.do("INSERT INTO acks VALUES(1, 'a')")
			p.kill()
			m.final()
			m.mustEqual(warmed{})
			m.check(1)
			l, err := sqliteLogic(m)
			if err != nil || len(l) != 2 {
				t.Errorf("logic: %v %v", l, err)
			}
		})
	}
}

func TestRefusedPaths(t *testing.T) {
	d := t.TempDir()
	m := newMove(t, "app.db")
	m.create("wal", 10)
	link := filepath.Join(d, "link.db")
	pipe := filepath.Join(d, "pipe.db")
	if err := errors.Join(os.Symlink(m.src, link), syscall.Mkfifo(pipe, 0o600), os.Symlink(filepath.Dir(m.src), filepath.Join(d, "dir")), os.Mkdir(filepath.Join(d, "sub"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for want, files := range map[error][]File{
		ErrSymlink:     {At(link), {Root: d, Name: "dir/app.db"}},
		ErrNotRegular:  {At(pipe), {Root: d, Name: "sub"}},
		os.ErrNotExist: {{Root: d, Name: "none.db"}, {Root: d, Name: "none/x.db"}},
		error(nil):     {{Root: d, Name: "../x"}, {Root: d, Name: "/etc/passwd"}, {Root: d, Name: "."}, {Root: d}, {Root: d, Name: "a\x00b"}, {Root: d, Name: "sub/"}},
	} {
		for _, f := range files {
			if _, err := OpenOrigin(m.ctx, m.keeper, f, Options{}); err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("open %q: %v", f, err)
			}
			if _, err := Inspect(m.ctx, m.keeper, f, InspectOptions{}); err == nil {
				t.Errorf("inspect %q succeeded", f)
			}
		}
	}
	// A receiver does not follow links either, not even of companions.
	dst := At(filepath.Join(d, "copy.db"))
	if err := os.Symlink(filepath.Join(d, "victim"), dst.String()+walSuffix); err != nil {
		t.Fatal(err)
	}
	m.open()
	var b bytes.Buffer
	if _, err := m.s.Pass(m.ctx, Manifest{}, &b); err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(m.ctx, dst, &b, Options{}); !errors.Is(err, ErrSymlink) {
		t.Errorf("a -wal that is a link: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(d, "victim")); err == nil {
		t.Error("the link was followed")
	}
}

func TestReadOnlyFile(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 10)
	if err := os.Chmod(m.src, 0o444); err != nil {
		t.Fatal(err)
	}
	m.open()
	m.pass()
	m.final()
	m.mustEqual(warmed{})
	st, err := os.Stat(m.dst)
	if err != nil || st.Mode().Perm() != 0o444 {
		t.Errorf("%v %v", st, err)
	}
}

// chown gives the source and its directory to an account.
func chown(t *testing.T, m *move) {
	t.Helper()
	dir := filepath.Dir(m.src)
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, 12345, 12346), os.Chown(m.src, 12345, 12346)); err != nil {
		t.Fatal(err)
	}
	// t.TempDir lies in a directory of its own, private to the user of the test.
	for d := filepath.Dir(dir); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// As root, SQLite must not leave files that the account cannot open.
func TestOwnerOfCompanions(t *testing.T) {
	if os.Geteuid() != 0 {
		notHere(t, "needs root")
	}
	m := newMove(t, "app.db")
	m.create("wal", 10)
	chown(t, m)
	m.open()
	if r := m.pass(); !r.Held {
		t.Fatalf("not held: %q", r.Notes)
	}
	for _, suffix := range []string{walSuffix, shmSuffix} {
		st, err := os.Stat(m.src + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 12345 || sys.Gid != 12346 {
			t.Errorf("%s belongs to %d:%d", suffix, sys.Uid, sys.Gid)
		}
	}
}

func TestDamagedSchema(t *testing.T) {
	m := newMove(t, "app.db")
	m.create("wal", 50)
	p := startProgram(t, m.src)
	p.do("PRAGMA writable_schema=1")
	p.do("UPDATE sqlite_schema SET sql = 'CREATE TABLE acks(((' WHERE name = 'acks'")
	p.do("INSERT INTO other VALUES('x')")
	m.open()
	if r := m.pass(); !r.Held {
		t.Fatalf("not held: %q", r.Notes)
	}
	p.do("INSERT INTO other VALUES('y')")
	p.kill()
	m.final()
	m.mustEqual(warmed{})
}

func TestPageSizes(t *testing.T) {
	for _, size := range []string{"512", "1024", "8192", "65536"} {
		t.Run(size, func(t *testing.T) {
			m := newMove(t, "app.db")
			db := openDB(t, m.src)
			if _, err := db.Exec("PRAGMA page_size=" + size); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec("VACUUM"); err != nil {
				t.Fatal(err)
			}
			db.Close()
			m.create("wal", 200)
			w := startWriter(t, m.src, "mixed", 3)
			m.open()
			m.pass()
			warm := m.warm()
			w.more(t, 20)
			acks := w.kill()
			m.final()
			m.mustEqual(warm)
			m.check(acks)
			in, err := Inspect(m.ctx, m.keeper, At(m.dst), InspectOptions{Rows: true})
			if err != nil || in.PageSize == 0 || in.PageCount*int64(in.PageSize) != in.Bytes {
				t.Errorf("inspect: %+v %v", in, err)
			}
		})
	}
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func tryFile(t *testing.T, statements ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "main.sqlite")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func tried(t *testing.T, path string) Tried {
	t.Helper()
	r, err := Try(t.Context(), At(path))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const goodSchema = `PRAGMA journal_mode=WAL;
CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT, up GENERATED ALWAYS AS (upper(x)));
CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a(id)) ;
CREATE INDEX i ON a (x);
CREATE VIEW v AS SELECT x FROM a;
CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO b (a) VALUES (new.id); END;
CREATE TRIGGER iv INSTEAD OF INSERT ON v BEGIN INSERT INTO a (x) VALUES (new.x); END;
CREATE VIRTUAL TABLE f USING fts5(text);
INSERT INTO a (x) VALUES ('1'), ('2'), ('3');`

func TestTryGood(t *testing.T) {
	r := tried(t, tryFile(t, goodSchema))
	if len(r.Errors)+len(r.Warnings) != 0 {
		t.Errorf("errors %q, warnings %q", r.Errors, r.Warnings)
	}
	// a, b, i, v, t, iv, f and the five tables that fts5 keeps; its own rows are among these.
	if r.Objects != 12 || r.Rows < 6 || r.Bytes < 4096 {
		t.Errorf("%+v", r)
	}
	if r := tried(t, tryFile(t, "PRAGMA journal_mode=WAL", "PRAGMA user_version=1")); r.Objects != 0 || len(r.Errors) != 0 {
		t.Errorf("no tables: %+v", r)
	}
}

func TestTryFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		statements    []string
		errors, warns []string
	}{
		"view of nothing": {[]string{"CREATE TABLE x (a)", "CREATE VIEW old AS SELECT * FROM x", "DROP TABLE x"}, nil, []string{"view old does not work, now neither: no such table: main.x"}},
		"trigger on nothing": {[]string{"CREATE TABLE x (a)", "CREATE TRIGGER t AFTER DELETE ON x BEGIN INSERT INTO gone VALUES (1); END"}, nil,
			[]string{"a trigger of x on DELETE does not work, now neither: no such table: main.gone"}},
		"module": {[]string{"CREATE TABLE x (a)", "PRAGMA writable_schema=ON",
			"INSERT INTO sqlite_schema VALUES ('table', 'geo', 'geo', 0, 'CREATE VIRTUAL TABLE geo USING spatial(x)')"}, []string{"virtual table geo: no such module: spatial"}, nil},
		"function":  {[]string{"CREATE TABLE x (a)", "CREATE VIEW w AS SELECT soundslike(a) FROM x"}, []string{"view w: no such function: soundslike"}, nil},
		"reference": {[]string{"CREATE TABLE p (id INTEGER PRIMARY KEY)", "CREATE TABLE c (p REFERENCES p(id))", "INSERT INTO c VALUES (7), (8)"}, nil, []string{"2 foreign keys from table c to table p lead nowhere"}},
		"mismatch":  {[]string{"CREATE TABLE p (id)", "CREATE TABLE c (p REFERENCES p(id))"}, nil, []string{"foreign keys cannot be checked"}},
		"hostile":   {[]string{"CREATE VIEW \"\x1b[2J\n--\"\"\" AS SELECT * FROM gone"}, nil, []string{"view \uFFFD[2J\uFFFD--\" does not work"}},
		"collation": {[]string{"CREATE TABLE x (a)", "PRAGMA writable_schema=ON", "UPDATE sqlite_schema SET sql = 'CREATE TABLE x (a COLLATE klingon)'", "INSERT INTO x VALUES (1)"},
			[]string{"table x: no such collation sequence: klingon"}, nil},
		"check": {[]string{"CREATE TABLE x (a)", "PRAGMA writable_schema=ON", "UPDATE sqlite_schema SET sql = 'CREATE TABLE x (a CHECK (valid(a)))'"},
			[]string{"integrity check: unknown function: valid()", "table x: unknown function: valid()"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := tried(t, tryFile(t, append([]string{"PRAGMA journal_mode=WAL"}, c.statements...)...))
			holdAll(t, "errors", r.Errors, c.errors)
			holdAll(t, "warnings", r.Warnings, c.warns)
		})
	}
}

func holdAll(t *testing.T, what string, have, want []string) {
	t.Helper()
	if len(have) != len(want) {
		t.Errorf("%s %q, want %q", what, have, want)
		return
	}
	for i := range want {
		if !strings.HasPrefix(have[i], want[i]) {
			t.Errorf("%s %q, want %q", what, have, want)
		}
	}
	for _, s := range have {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\x1b\n") {
			t.Errorf("%q", s)
		}
	}
}

// patch changes bytes of a file.
func patch(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestTryDamaged(t *testing.T) {
	big := []string{"PRAGMA journal_mode=WAL", "CREATE TABLE x (a)", "CREATE INDEX i ON x (a)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) INSERT INTO x SELECT printf('%0100d', i) FROM n"}
	for name, at := range map[string]int64{"schema": 100, "table": 4096, "middle": 40960} {
		path := tryFile(t, big...)
		patch(t, path, at, []byte(strings.Repeat("\xde\xad\xbe\xef", 100)))
		if r := tried(t, path); len(r.Errors) == 0 || len(r.Errors) > maxTried+1 {
			t.Errorf("%s: errors %q", name, r.Errors)
		}
	}
	path := tryFile(t, big...)
	if err := os.Truncate(path, 20000); err != nil {
		t.Fatal(err)
	}
	if r := tried(t, path); len(r.Errors) == 0 {
		t.Error("cut off: no errors")
	}
	path = filepath.Join(t.TempDir(), "other.sqlite")
	if err := os.WriteFile(path, []byte("not a database at all, but long enough to look like one"+strings.Repeat(".", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := tried(t, path); len(r.Errors) != 0 || len(r.Warnings) != 1 || r.Objects != 0 {
		t.Errorf("opaque: %+v", r)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if r := tried(t, path); len(r.Errors)+len(r.Warnings) != 0 {
		t.Errorf("empty: %+v", r)
	}
}

func TestTryWarnings(t *testing.T) {
	r := tried(t, tryFile(t, "CREATE TABLE x (a)"))
	holdAll(t, "warnings", r.Warnings, []string{"it is not in WAL mode"})
	path := tryFile(t, "PRAGMA journal_mode=WAL", "CREATE TABLE x (a)")
	patch(t, path, 96, binary.BigEndian.AppendUint32(nil, 3999001))
	holdAll(t, "warnings", tried(t, path).Warnings, []string{"SQLite 3.999.1 wrote it last"})
}

// TestTryErrors: what is not the database's fault is an error.
func TestTryErrors(t *testing.T) {
	path := tryFile(t, goodSchema)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Try(ctx, At(path)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := Try(t.Context(), At(path+"x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("not there: %v", err)
	}
	link := path + "-link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Try(t.Context(), At(link)); !errors.Is(err, ErrSymlink) {
		t.Errorf("a link: %v", err)
	}
}

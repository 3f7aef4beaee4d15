package sqlite

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A check that makes up a large value gets no memory for it: SQLite evaluates
// checks when it looks at a database's integrity.
func TestTryLargeValue(t *testing.T) {
	p := tryFile(t, "PRAGMA journal_mode=WAL; PRAGMA ignore_check_constraints=1; CREATE TABLE a (x, CHECK (length(hex(zeroblob(200000000))) > 0)); INSERT INTO a VALUES (1)")
	r := tried(t, p)
	if len(r.Errors) == 0 || !strings.Contains(r.Errors[0], "too big") {
		t.Errorf("%+v", r)
	}
}

// Views in views that would take years to be translated are given up, and so is
// everything else that takes too long; the trial goes on to the next database.
func TestTryTakesTooLong(t *testing.T) {
	s := []string{"PRAGMA journal_mode=WAL", "CREATE TABLE v0 (x)"}
	for i := range 30 {
		s = append(s, fmt.Sprintf("CREATE VIEW v%d AS SELECT * FROM v%d UNION ALL SELECT * FROM v%d", i+1, i, i))
	}
	path := tryFile(t, s...)
	for _, c := range []struct {
		look, translate time.Duration
		want            string
	}{
		{time.Hour, 300 * time.Millisecond, "so involved"},
		{300 * time.Millisecond, time.Hour, "could not be looked at within 300ms"},
	} {
		p, err := openPlace(At(path))
		if err != nil {
			t.Fatal(err)
		}
		r, err := tryPlace(t.Context(), At(path), p, c.look, c.translate)
		p.close()
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Errors) > 0 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], c.want) {
			t.Errorf("%+v", r)
		}
	}
}

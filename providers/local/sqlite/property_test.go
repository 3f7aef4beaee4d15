package sqlite

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever programs do to a database, and however the passes fall in between,
// the copy equals the original, and the cheap comparison agrees with the whole one.
func TestAnyBehaviour(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes")
	}
	rapid.Check(t, func(r *rapid.T) {
		m := newMove(t, "app.db")
		mode := rapid.SampledFrom([]string{"wal", "wal", "wal", "delete"}).Draw(r, "mode")
		m.create(mode, rapid.IntRange(0, 120).Draw(r, "rows"))
		programs := []*program{startProgram(t, m.src), startProgram(t, m.src)}
		for _, p := range programs {
			p.do("PRAGMA busy_timeout=5")
			p.do(fmt.Sprintf("PRAGMA cache_size=%d", rapid.SampledFrom([]int{2, 20, 2000}).Draw(r, "cache")))
		}
		m.open()
		defer m.s.Close()
		m.pass()
		w := m.warm()
		for range rapid.IntRange(0, 25).Draw(r, "steps") {
			switch rapid.IntRange(0, 14).Draw(r, "step") {
			case 0:
				m.pass()
				w = m.warm()
			case 1:
				m.catchUp()
			default:
				p := rapid.SampledFrom(programs).Draw(r, "program")
				q := rapid.SampledFrom(statements).Draw(r, "statement")
				if strings.Contains(q, "%d") {
					q = fmt.Sprintf(q, rapid.IntRange(1, 120).Draw(r, "n"))
				}
				p.try(q) // being refused is part of the behaviour
			}
		}
		for _, p := range programs {
			p.kill()
		}
		m.final()
		m.mustEqual(w)
		m.sound()
		if err := m.s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

var statements = []string{
	"INSERT INTO other SELECT randomblob(3000) FROM acks, other LIMIT %d",
	"INSERT INTO other VALUES(randomblob(%d * 3000))",
	"INSERT INTO acks(b) VALUES(randomblob(%d))",
	"UPDATE other SET b = randomblob(2000) WHERE rowid %% 5 = %d",
	"UPDATE other SET b = zeroblob(50) WHERE rowid < %d",
	"DELETE FROM other WHERE rowid > %d",
	"DELETE FROM other",
	"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "COMMIT", "ROLLBACK",
	"SELECT count(*) FROM other",
	"VACUUM",
	"PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(FULL)", "PRAGMA wal_checkpoint(RESTART)", "PRAGMA wal_checkpoint(TRUNCATE)",
	"PRAGMA journal_mode=DELETE", "PRAGMA journal_mode=WAL",
	"PRAGMA wal_autocheckpoint=%d",
	"PRAGMA journal_size_limit=%d",
	"PRAGMA secure_delete=1",
	"CREATE TABLE t%d(x)", "DROP TABLE IF EXISTS t%d", "CREATE INDEX IF NOT EXISTS i ON other(b)", "DROP INDEX IF EXISTS i",
}

// sound checks a copy whose contents are not numbered.
func (m *move) sound() {
	m.t.Helper()
	at := m.t.TempDir() + "/check.db"
	copyFile(m.t, m.dst, at)
	db := openDB(m.t, at)
	defer db.Close()
	var ok string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		m.t.Fatalf("integrity_check: %v %s", err, ok)
	}
}

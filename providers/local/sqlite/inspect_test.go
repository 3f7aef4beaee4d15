package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/local/sqlite/sqlitecompare"
)

func sqliteLogic(m *move) ([]string, error) {
	l, err := sqlitecompare.ReadLogic(context.Background(), m.copy())
	return l.Tables, err
}

func TestInspect(t *testing.T) {
	for _, mode := range []string{"wal", "delete"} {
		t.Run(mode, func(t *testing.T) {
			m := newMove(t, "app.db")
			m.create(mode, 25)
			db := openDB(t, m.src)
			for _, q := range []string{"PRAGMA user_version=-7", `CREATE TABLE "odd "" name"(x)`, "CREATE VIRTUAL TABLE v USING fts5(x)", "INSERT INTO acks VALUES(1, 'a')"} {
				if _, err := db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			db.Close()
			in, err := Inspect(m.ctx, m.keeper, At(m.src), InspectOptions{Rows: true})
			if err != nil {
				t.Fatal(err)
			}
			if in.UserVersion != -7 || in.PageSize != 4096 || in.PageCount*4096 != in.Bytes || !strings.HasPrefix(in.SQLiteVersion, "3.") || len(in.Notes) != 0 {
				t.Errorf("%+v", in)
			}
			rows := map[string]int64{}
			for _, table := range in.Tables {
				rows[table.Name] = table.Rows
			}
			if rows["other"] != 25 || rows["acks"] != 1 || rows[`odd " name`] != 0 || rows["v"] != -1 {
				t.Errorf("%v", rows)
			}
			if entries, _ := os.ReadDir(filepath.Dir(m.src)); len(entries) != 1 {
				t.Errorf("files were created: %v", entries)
			}
			// In use: the WAL counts.
			p := startProgram(t, m.src)
			p.do("INSERT INTO acks VALUES(2, 'a')")
			in, err = Inspect(m.ctx, m.keeper, At(m.src), InspectOptions{Rows: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range in.Tables {
				if table.Name == "acks" && table.Rows != 2 {
					t.Errorf("%+v", in)
				}
			}
			if mode == "wal" && in.WALBytes == 0 {
				t.Error("no WAL")
			}
			p.kill()
			if mode == "wal" {
				if err := os.Remove(m.src + shmSuffix); err != nil {
					t.Fatal(err)
				}
				in, err = Inspect(m.ctx, m.keeper, At(m.src), InspectOptions{})
				if err != nil || len(in.Notes) != 1 {
					t.Errorf("%+v %v", in, err)
				}
				if _, err := os.Stat(m.src + shmSuffix); err == nil {
					t.Error("a -shm was created")
				}
			}
		})
	}
}

func sqliteOrigin(m *move, w warmed) (sqlitecompare.Cut, error) {
	return sqlitecompare.Origin(m.ctx, m.source(), w.origin, nil)
}

func sqliteReceiver(m *move, w warmed) (sqlitecompare.Cut, error) {
	return sqlitecompare.Receiver(m.ctx, m.copy(), w.receiver, sqlitecompare.Cut{})
}

package ledger

import (
	"context"
	"database/sql"
	"errors"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A ledger that finds nothing wrong is worth something only if it finds what is.
func TestJudge(t *testing.T) {
	asked := map[string]outcome{"r-1": acknowledged, "r-2": acknowledged, "r-3": refused, "r-4": unknown, "r-5": unknown}
	for name, c := range map[string]struct {
		have map[string]int
		want []string
	}{
		"as it should be":  {map[string]int{"r-1": 1, "r-2": 1, "r-4": 1}, nil},
		"lost":             {map[string]int{"r-1": 1}, []string{"row r-2 was acknowledged and is lost"}},
		"doubled":          {map[string]int{"r-1": 1, "r-2": 2}, []string{"row r-2 is there 2 times"}},
		"doubled unknown":  {map[string]int{"r-1": 1, "r-2": 1, "r-5": 2}, []string{"row r-5 is there 2 times"}},
		"refused and done": {map[string]int{"r-1": 1, "r-2": 1, "r-3": 1}, []string{"row r-3 was refused and is there"}},
		"from nowhere":     {map[string]int{"r-1": 1, "r-2": 1, "r-9": 1, "other-1": 1}, []string{"row r-9 was never asked for"}},
	} {
		if got := judge("row", asked, c.have, "r"); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAuditOfTheWorker(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"home/work", "databases", "mail/a.example/info/cur", "mail/a.example/info/new"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("home/worker.log", "\nl-1\n")
	write("home/work/f-1", "f-1\n")
	write("mail/a.example/info/cur/m1:2,S", "")
	db, err := sql.Open("sqlite", filepath.Join(dir, "databases", "worker.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE work (id TEXT PRIMARY KEY); INSERT INTO work VALUES ('r-1')"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	acks := filepath.Join(dir, "acks")
	good := `{"kind":"line","id":"l-1"}` + "\n" + `{"kind":"file","id":"f-1"}` + "\n" + `{"kind":"row","id":"r-1"}` + "\n" +
		`{"kind":"flag","id":"m1","mailbox":"a.example/info"}` + "\n" + `{"kind":"ro`
	write("acks", good)
	if bad, err := auditWorker(context.Background(), acks, dir); err != nil || len(bad) > 0 {
		t.Fatalf("all is there, and it says %q %v", bad, err)
	}
	write("mail/a.example/info/new/m2", "")
	write("acks", `{"kind":"line","id":"l-2"}`+"\n"+`{"kind":"file","id":"f-2"}`+"\n"+`{"kind":"row","id":"r-2"}`+"\n"+
		`{"kind":"flag","id":"m2","mailbox":"a.example/info"}`+"\n")
	if bad, err := auditWorker(context.Background(), acks, dir); err != nil || len(bad) != 4 {
		t.Fatalf("four are lost, and it says %q %v", bad, err)
	}
}

func TestCodeOf(t *testing.T) {
	if got := codeOf(&textproto.Error{Code: 451, Msg: "4.3.0 later"}); got != 451 {
		t.Errorf("got %d", got)
	}
	if got := codeOf(errors.New("EOF")); got != 0 {
		t.Errorf("got %d for an answer that never came", got)
	}
}

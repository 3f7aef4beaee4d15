package ledger

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite"
)

// Audit compares what was acknowledged with what an account's directory holds
// now. Every sentence it returns is a write that was lost, is there twice, or
// that nobody asked for.
func (l *Load) Audit(ctx context.Context, a Account, dir string) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var bad []string
	rows, err := count(ctx, filepath.Join(dir, "databases", "guestbook.sqlite"), "SELECT id FROM entries")
	if err != nil {
		return nil, err
	}
	bad = append(bad, judge("row", l.rows[a.Name], rows, l.o.Run)...)
	files, err := entryFiles(filepath.Join(dir, "home", "entries"))
	if err != nil {
		return nil, err
	}
	for id, o := range l.rows[a.Name] {
		if o == acknowledged && files[id] == 0 {
			bad = append(bad, fmt.Sprintf("file of entry %s is lost", id))
		}
	}
	mails, err := messages(filepath.Join(dir, "mail"), l.o.Run)
	if err != nil {
		return nil, err
	}
	bad = append(bad, judge("mail", l.mail[a.Name], mails, l.o.Run)...)
	more, err := auditWorker(ctx, a.Acks, dir)
	return append(bad, more...), err
}

// judge compares outcomes with counts. Ids of other runs are not its business.
func judge(what string, asked map[string]outcome, have map[string]int, run string) []string {
	var bad []string
	for id, o := range asked {
		switch n := have[id]; {
		case o == acknowledged && n == 0:
			bad = append(bad, fmt.Sprintf("%s %s was acknowledged and is lost", what, id))
		case o == refused && n > 0:
			bad = append(bad, fmt.Sprintf("%s %s was refused and is there", what, id))
		case n > 1:
			bad = append(bad, fmt.Sprintf("%s %s is there %d times", what, id, n))
		}
	}
	for id := range have {
		if strings.HasPrefix(id, run) && asked[id] == 0 {
			bad = append(bad, fmt.Sprintf("%s %s was never asked for", what, id))
		}
	}
	return bad
}

func count(ctx context.Context, path, query string) (map[string]int, error) {
	out := map[string]int{}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String()+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var check string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
		return nil, fmt.Errorf("%s is damaged: %s %w", path, check, err)
	}
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out[id]++
	}
	return out, rows.Err()
}

func entryFiles(dir string) (map[string]int, error) {
	out := map[string]int{}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".txt"); ok {
			out[id]++
		}
	}
	return out, err
}

// messages counts the messages of a load by their id, wherever in the Maildirs
// a worker has put them.
func messages(dir, run string) (map[string]int, error) {
	out := map[string]int{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) { // flagged while we walk
				return nil
			}
			return err
		}
		parent := filepath.Base(filepath.Dir(p))
		if e.IsDir() || parent != "new" && parent != "cur" {
			return nil
		}
		b, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for line := range bytes.Lines(b) {
			if id, ok := bytes.CutPrefix(line, []byte("Message-ID: <")); ok {
				out[strings.TrimSuffix(strings.TrimSpace(string(id)), ">")]++
				break
			}
		}
		return nil
	})
	for id := range out {
		if !strings.HasPrefix(id, run) {
			delete(out, id)
		}
	}
	return out, err
}

// auditWorker checks what the account's own program noted as done.
func auditWorker(ctx context.Context, acks, dir string) ([]string, error) {
	if acks == "" {
		return nil, nil
	}
	f, err := os.Open(acks)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := count(ctx, filepath.Join(dir, "databases", "worker.sqlite"), "SELECT id FROM work")
	if err != nil {
		return nil, err
	}
	lines := map[string]int{}
	log, err := os.ReadFile(filepath.Join(dir, "home", "worker.log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for l := range strings.Lines(string(log)) {
		lines[strings.TrimSpace(l)]++
	}
	var bad []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		var n struct{ Kind, ID, Mailbox string }
		if json.Unmarshal(s.Bytes(), &n) != nil {
			continue // the last line of a worker that was killed
		}
		have := 1
		switch n.Kind {
		case "line":
			have = lines[n.ID]
		case "row":
			have = rows[n.ID]
		case "file":
			if _, err := os.Stat(filepath.Join(dir, "home", "work", n.ID)); err != nil {
				have = 0
			}
		case "flag":
			have = flagged(filepath.Join(dir, "mail", n.Mailbox), n.ID)
		}
		if have != 1 {
			bad = append(bad, fmt.Sprintf("worker's %s %s is there %d times", n.Kind, n.ID, have))
		}
	}
	return bad, s.Err()
}

// flagged counts a message that was marked as seen; one that is back in new is
// a flag that was lost.
func flagged(box, base string) int {
	n := 0
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(box, sub))
		if err != nil {
			continue
		}
		for _, e := range entries {
			b, flags, _ := strings.Cut(e.Name(), ":2,")
			if b == base && sub == "cur" && strings.Contains(flags, "S") {
				n++
			} else if b == base {
				n += 100 // there without its flag
			}
		}
	}
	return n
}

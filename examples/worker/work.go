package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite"
)

type worker struct {
	home string
	mail string
	log  *os.File
	torn bool // the log may end within a line
	db   *sql.DB
	run  string // differs from that of every other run
	n    int
}

func newWorker(ctx context.Context, home, database, mail string) (*worker, error) {
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	w := &worker{home: home, mail: mail, torn: true, run: hex.EncodeToString(random)}
	if err := os.MkdirAll(filepath.Join(home, "work"), 0o755); err != nil {
		return nil, err
	}
	var err error
	w.log, err = os.OpenFile(filepath.Join(home, "worker.log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	name := (&url.URL{Scheme: "file", Path: database}).String() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	if w.db, err = sql.Open("sqlite", name); err != nil {
		return nil, errors.Join(err, w.log.Close())
	}
	w.db.SetMaxOpenConns(1)
	if _, err := w.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS work (id TEXT PRIMARY KEY)`); err != nil {
		w.close()
		return nil, fmt.Errorf("open %s: %w", database, err)
	}
	return w, syncDir(home)
}

func (w *worker) close() {
	_ = w.db.Close()
	_ = w.log.Close()
}

func (w *worker) nextID() string {
	w.n++
	return fmt.Sprintf("%s-%06d", w.run, w.n)
}

func (w *worker) appendLine(_ context.Context, n *notes) error {
	id := w.nextID()
	line := id + "\n"
	if w.torn {
		line = "\n" + line
	}
	w.torn = true
	if _, err := w.log.WriteString(line); err != nil {
		return err
	}
	w.torn = false
	if err := w.log.Sync(); err != nil {
		return err
	}
	return n.done(note{Kind: kindLine, ID: id})
}

func (w *worker) writeFile(_ context.Context, n *notes) error {
	id, dir := w.nextID(), filepath.Join(w.home, "work")
	f, err := os.OpenFile(filepath.Join(dir, "."+id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(id + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, id)); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return n.done(note{Kind: kindFile, ID: id})
}

func (w *worker) insertRow(ctx context.Context, n *notes) error {
	id := w.nextID()
	if _, err := w.db.ExecContext(ctx, `INSERT INTO work (id) VALUES (?)`, id); err != nil {
		return err
	}
	return n.done(note{Kind: kindRow, ID: id})
}

// flagMail marks one new message as seen, as a mail client does: it goes from
// new/ to cur/ and its name gets the flag.
func (w *worker) flagMail(_ context.Context, n *notes) error {
	if w.mail == "" {
		return nil
	}
	boxes, err := mailboxes(w.mail)
	if err != nil {
		return err
	}
	for _, box := range boxes {
		name, err := firstMessage(filepath.Join(w.mail, box, "new"))
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		base, _, _ := strings.Cut(name, ":2,")
		to := filepath.Join(w.mail, box, "cur", base+":2,S")
		if err := os.Rename(filepath.Join(w.mail, box, "new", name), to); err != nil {
			return err
		}
		for _, dir := range []string{"cur", "new"} {
			if err := syncDir(filepath.Join(w.mail, box, dir)); err != nil {
				return err
			}
		}
		return n.done(note{Kind: kindFlag, ID: base, Mailbox: box})
	}
	return nil
}

// mailboxes lists domain/user.
func mailboxes(mail string) ([]string, error) {
	domains, err := os.ReadDir(mail)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []string
	for _, d := range domains {
		users, err := os.ReadDir(filepath.Join(mail, d.Name()))
		if err != nil {
			return nil, err
		}
		for _, u := range users {
			if u.IsDir() {
				all = append(all, filepath.Join(d.Name(), u.Name()))
			}
		}
	}
	return all, nil
}

func firstMessage(dir string) (string, error) {
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer d.Close()
	names, err := d.Readdirnames(1)
	if len(names) == 0 {
		return "", nil // io.EOF: empty
	}
	return names[0], err
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

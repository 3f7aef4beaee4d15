package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"
)

// fill makes an account on the source: files, messages, a database and what it
// runs.
func (w *world) fill(a account) error {
	dir := w.accountDir(a)
	for _, sub := range []string{"home", "mail", "databases"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	d := map[string]any{"name": a.name, "domains": []any{map[string]string{"name": a.domain}}}
	if a.program {
		acks := filepath.Join(w.acks, a.domain)
		d["site"] = map[string]any{"kind": "program", "command": []string{"runtime:guestbook"}}
		d["runtimes_used"] = []any{map[string]string{"name": "guestbook", "version": "1"}, map[string]string{"name": "worker", "version": "1"}}
		d["programs"] = []any{map[string]any{"name": "queue", "command": []string{"runtime:worker", "--ack", acks}}}
		d["tasks"] = []any{map[string]any{"name": "tick", "schedule": "@every 5s", "command": []string{"runtime:worker", "--ack", acks, "--rounds", "1"}}}
		d["mailboxes"] = []any{map[string]string{"domain": a.domain, "user": a.mailbox}}
		d["databases"] = []any{map[string]string{"name": "guestbook"}, map[string]string{"name": "worker"}}
	} else {
		d["site"] = map[string]any{"kind": "static"}
	}
	random := rand.New(rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32s", a.domain)))))
	errs := []error{writeJSON(filepath.Join(dir, "account.json"), d), files(dir, a, random)}
	if a.messages > 0 {
		errs = append(errs, messages(dir, a, random))
	}
	if a.database > 0 {
		errs = append(errs, database(filepath.Join(dir, "databases", "guestbook.sqlite"), a.database))
	}
	return errors.Join(errs...)
}

// files writes what a web site has: many small files, some links, a name that
// is hard to bear.
func files(dir string, a account, random *rand.Rand) error {
	www := filepath.Join(dir, "home", "www")
	if err := writeFile(filepath.Join(www, "index.html"), []byte("<h1>"+a.domain+"</h1>\n")); err != nil {
		return err
	}
	for i := range a.files {
		sub := filepath.Join(www, fmt.Sprintf("part-%02d", i%40))
		if i < 40 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		b := bytes.Repeat(fmt.Appendf(nil, "%x ", random.Uint64()), 1+random.IntN(300))
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("page-%05d.html", i)), b, 0o644); err != nil {
			return err
		}
	}
	return errors.Join(
		os.WriteFile(filepath.Join(www, "two\nlines & a \"quote\".txt"), []byte("still here\n"), 0o600),
		os.Symlink("part-01/page-00001.html", filepath.Join(www, "newest.html")),
		os.Link(filepath.Join(www, "part-02", "page-00002.html"), filepath.Join(www, "twin.html")),
	)
}

// messages fills a Maildir: most were read, some are new.
func messages(dir string, a account, random *rand.Rand) error {
	box := filepath.Join(dir, "mail", a.domain, a.mailbox)
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(box, sub), 0o700); err != nil {
			return err
		}
	}
	for i := range a.messages {
		name := filepath.Join("cur", fmt.Sprintf("16%08d.M%dP1.old:2,S", i, i))
		if i%10 == 0 {
			name = filepath.Join("new", fmt.Sprintf("16%08d.M%dP1.old", i, i))
		}
		text := fmt.Sprintf("Message-ID: <old-%d@%s>\r\nSubject: order %d\r\n\r\n%x\r\n", i, a.domain, i, random.Uint64())
		if err := os.WriteFile(filepath.Join(box, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// database makes the guestbook's database as large as one that was used for
// years: beside its entries it has pictures.
func database(path string, bytes int64) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String()+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	const picture = 1 << 20
	if _, err := db.Exec(`CREATE TABLE pictures (id INTEGER PRIMARY KEY, picture BLOB NOT NULL)`); err != nil {
		return err
	}
	for done := int64(0); done < bytes; done += picture {
		if _, err := db.Exec(`INSERT INTO pictures (picture) VALUES (randomblob(?))`, picture); err != nil {
			return err
		}
	}
	_, err = db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}

func writeFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'))
}

package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// account makes an account with some new mail.
func account(t *testing.T) (home, databases, mail string) {
	t.Helper()
	dir := t.TempDir()
	home, databases, mail = filepath.Join(dir, "home"), filepath.Join(dir, "databases"), filepath.Join(dir, "mail")
	for _, d := range []string{home, databases, filepath.Join(mail, "a.example/ann/new"), filepath.Join(mail, "a.example/ann/cur"), filepath.Join(mail, "a.example/ann/tmp")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(mail, "a.example/ann/new", fmt.Sprintf("%d.x", i)), []byte("m"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("DATABASES", databases)
	t.Setenv("MAIL", mail)
	return home, databases, mail
}

func readNotes(t *testing.T, path string) []note {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []note
	for s := bufio.NewScanner(f); s.Scan(); {
		if s.Text() == "" {
			continue
		}
		var n note
		if err := json.Unmarshal(s.Bytes(), &n); err != nil {
			t.Logf("torn: %q", s.Text())
			continue
		}
		all = append(all, n)
	}
	return all
}

// check finds everything that was acknowledged, once.
func check(t *testing.T, notes []note, home, databases, mail string) map[string]int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(home, "worker.log"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(databases, "worker.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	count := map[string]int{}
	seen := map[string]bool{}
	for _, n := range notes {
		count[n.Kind]++
		if seen[n.Kind+n.ID] {
			t.Errorf("%s %s is acknowledged twice", n.Kind, n.ID)
		}
		seen[n.Kind+n.ID] = true
		ok := false
		switch n.Kind {
		case kindLine:
			ok = strings.Count("\n"+string(log), "\n"+n.ID+"\n") == 1
		case kindFile:
			data, err := os.ReadFile(filepath.Join(home, "work", n.ID))
			ok = err == nil && string(data) == n.ID+"\n"
		case kindRow:
			var rows int
			err := db.QueryRow(`SELECT count(*) FROM work WHERE id = ?`, n.ID).Scan(&rows)
			ok = err == nil && rows == 1
		case kindFlag:
			_, err := os.Stat(filepath.Join(mail, n.Mailbox, "cur", n.ID+":2,S"))
			_, gone := os.Stat(filepath.Join(mail, n.Mailbox, "new", n.ID))
			ok = err == nil && os.IsNotExist(gone)
		}
		if !ok {
			t.Errorf("acknowledged %s %s is not there", n.Kind, n.ID)
		}
	}
	return count
}

func TestWorker(t *testing.T) {
	home, databases, mail := account(t)
	ack := filepath.Join(t.TempDir(), "ack")
	if err := os.WriteFile(ack, []byte(`{"kind":"line","id":"tor`), 0o644); err != nil { // killed while it wrote
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "worker.log"), []byte("tor"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second run goes on
		if err := run(t.Context(), ack, time.Millisecond, 5); err != nil {
			t.Fatal(err)
		}
	}
	count := check(t, readNotes(t, ack), home, databases, mail)
	if count[kindLine] != 10 || count[kindFile] != 10 || count[kindRow] != 10 || count[kindFlag] != 3 {
		t.Errorf("%v", count)
	}
}

func TestWorkerStops(t *testing.T) {
	home, databases, mail := account(t)
	ack := filepath.Join(t.TempDir(), "ack")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, ack, time.Millisecond, 0) }()
	for {
		if data, _ := os.ReadFile(ack); strings.Count(string(data), "\n") > 20 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	check(t, readNotes(t, ack), home, databases, mail)
	if err := run(t.Context(), "", 0, 1); err == nil {
		t.Error("runs without a file to note in")
	}
	if err := run(t.Context(), filepath.Join(ack, "x"), 0, 1); err == nil {
		t.Error("runs with a file that cannot be written")
	}
}

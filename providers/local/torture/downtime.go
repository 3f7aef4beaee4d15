package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite"

	"github.com/stopover/stopover/examples/ledger"
	"github.com/stopover/stopover/providers/local"
)

// downtime measures what a cutover costs an account under load, by its size:
// "torture downtime -stopover bin/stopover". It prints Markdown.
func downtime(args []string) error {
	f := flag.NewFlagSet("downtime", flag.ExitOnError)
	stopover := f.String("stopover", "bin/stopover", "the shipped binary")
	rounds := f.Int("rounds", 3, "cutovers of each size")
	small := f.Bool("small", false, "only the smallest size, to see that it works")
	_ = f.Parse(args)
	defer removeBuilt()
	exe, err := filepath.Abs(*stopover)
	if err != nil {
		return err
	}
	dbs, trees := []int{10, 100, 1000}, []int{1000, 10000, 100000}
	if *small {
		dbs, trees = dbs[:1], trees[:1]
	}
	fmt.Println("| databases | files | predicted | down (median of rounds) | seen outside | freeze | files | databases | compare | prepare | switch | failed of visitors' requests |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, mb := range dbs {
		for _, n := range trees {
			if mb != dbs[0] && n != trees[0] && !(mb == dbs[len(dbs)-1] && n == trees[len(trees)-1]) {
				continue // one dimension at a time, and the largest of both
			}
			var all []measured
			for round := range *rounds {
				m, err := measure(exe, mb, n, round)
				if err != nil {
					return fmt.Errorf("%d MB, %d files: %w", mb, n, err)
				}
				all = append(all, m)
			}
			fmt.Println(row(mb, n, all))
		}
	}
	return nil
}

// measured is one cutover.
type measured struct {
	predicted, down, outside time.Duration
	parts                    map[string]time.Duration
	asked, failed            int64
}

func row(mb, n int, all []measured) string {
	m := all[0]
	for _, x := range all { // the median by downtime, all figures from one run
		lower, higher := 0, 0
		for _, y := range all {
			if y.down < x.down {
				lower++
			}
			if y.down > x.down {
				higher++
			}
		}
		if lower <= len(all)/2 && higher <= len(all)/2 {
			m = x
			break
		}
	}
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + " ms" }
	part := func(names ...string) string {
		var d time.Duration
		for _, p := range names {
			d += m.parts[p]
		}
		return ms(d)
	}
	return fmt.Sprintf("| %d MB | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %d of %d |", mb, n, ms(m.predicted), ms(m.down), ms(m.outside),
		part("freeze"), part("final_sync/files"), part("final_sync/databases"), part("compare"), part("prepare_copy"), part("commit", "activate"), m.failed, m.asked)
}

// measure moves one account of a size out, under load.
func measure(exe string, mb, files, round int) (m measured, err error) {
	ctx := context.Background()
	w, err := newWorldOf(rand.New(rand.NewPCG(uint64(mb), uint64(files+round))), []string{"big"}, false)
	if err != nil {
		return m, err
	}
	defer func() {
		for _, dir := range []string{w.client, w.transit} {
			err = errors.Join(err, local.Stop(ctx, dir))
		}
		err = errors.Join(err, os.RemoveAll(w.dir))
	}()
	at := where(w.client, "big")
	if err := fillFiles(filepath.Join(at, "home", "data"), files); err != nil {
		return m, err
	}
	if err := fillDatabase(ctx, filepath.Join(at, "databases", "bulk.sqlite"), mb); err != nil {
		return m, err
	}
	front := fmt.Sprintf("%s:%d", w.clientIP, httpPort)
	if out, err := exec.Command(exe, "-C", w.dir, "inventory").CombinedOutput(); err != nil { // starts the source
		return m, fmt.Errorf("inventory: %w: %s", err, out)
	}
	if err := awaitSite(ctx, front, w.accounts[0].Domain); err != nil {
		return m, err
	}
	load := ledger.New(ledger.Options{HTTP: front, Accounts: w.accounts, Run: "d" + strconv.Itoa(round), Pause: 10 * time.Millisecond})
	lctx, stop := context.WithCancel(ctx)
	loaded := make(chan struct{})
	go func() { defer close(loaded); load.Run(lctx) }()
	defer func() { stop(); <-loaded }()
	// Visitors first, so that the databases that programs make are planned for.
	time.Sleep(500 * time.Millisecond)
	if out, err := exec.Command(exe, "-C", w.dir, "apply", "--auto-approve", "--until", "install").CombinedOutput(); err != nil {
		if code := exitCode(err); code != 3 {
			return m, fmt.Errorf("install: %w: %s", err, tail(string(out), 2000))
		}
	}
	out, err := exec.Command(exe, "-C", w.dir, "--json", "apply", "--auto-approve", "--until", "migrate").Output()
	if err != nil && exitCode(err) != 3 {
		return m, fmt.Errorf("migrate: %w: %s", err, tail(string(out), 2000))
	}
	s := load.Stats()
	m, err = read(out)
	m.asked, m.failed = s.Asked, s.Failed
	return m, err
}

func exitCode(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return -1
}

// read finds the cutover in the tool's stream of JSON.
func read(out []byte) (measured, error) {
	m := measured{parts: map[string]time.Duration{}}
	d := json.NewDecoder(bufio.NewReader(bytes.NewReader(out)))
	for d.More() {
		var x struct {
			Type   string
			Plan   struct{ Downtime struct{ Max time.Duration } }
			Result struct {
				Accounts []struct {
					Cutovers []struct {
						Downtime, Outside time.Duration
						Parts             []struct {
							Name string
							Took time.Duration
						}
					}
				}
			}
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return m, err
		}
		if err := json.Unmarshal(raw, &x); err != nil {
			continue // another kind of message
		}
		m.predicted = max(m.predicted, x.Plan.Downtime.Max)
		for _, a := range x.Result.Accounts {
			for _, c := range a.Cutovers {
				m.down, m.outside = c.Downtime, c.Outside
				for _, p := range c.Parts {
					m.parts[p.Name] += p.Took
				}
			}
		}
	}
	if m.down == 0 {
		return m, fmt.Errorf("no cutover in the output: %s", tail(string(out), 1500))
	}
	return m, nil
}

func fillFiles(dir string, n int) error {
	content := make([]byte, 10000)
	for i := range n {
		sub := filepath.Join(dir, strconv.Itoa(i/200))
		if i%200 == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		content[i%len(content)]++
		if err := os.WriteFile(filepath.Join(sub, strconv.Itoa(i)), content[:1+i*37%len(content)], 0o644); err != nil {
			return err
		}
	}
	return nil
}

func fillDatabase(ctx context.Context, path string, mb int) error {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String()+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE bulk (id INTEGER PRIMARY KEY, data BLOB)"); err != nil {
		return err
	}
	for i := 0; i < mb; i += 10 {
		_, err := db.ExecContext(ctx, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000) INSERT INTO bulk (data) SELECT randomblob(10000) FROM n")
		if err != nil {
			return err
		}
	}
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

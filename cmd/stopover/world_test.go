package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // for database

	"github.com/stopover/stopover/apply/state"
	"github.com/stopover/stopover/schema"
)

const worldConfig = `
server "client" {
  address   = "client"
  serves    = ["ADDRESS.1"]
  http_port = PORT
  smtp_port = MAIL
  idle      = "5m"
}

server "transit" {
  address   = "transit"
  serves    = ["ADDRESS.2"]
  http_port = PORT
  smtp_port = MAIL
  idle      = "5m"
}

architecture "2024" {
  database "sqlite" { version = "3" }
}

migration "spring" {
  process      = "self-managed"
  architecture = "2024"
  source       = server.client
  transit      = server.transit

  accounts { include = ["*"] }
}
`

// world [NAME...] makes a source server with accounts, and the configuration
// of their journey, at addresses of its own.
func makeWorld(ts *testscript.TestScript, _ bool, names []string) {
	address, port := freeAddress()
	ts.Setenv("ADDRESS", address)
	ts.Setenv("PORT", fmt.Sprint(port))
	config := strings.NewReplacer("ADDRESS", address, "PORT", fmt.Sprint(port), "MAIL", fmt.Sprint(port+1)).Replace(worldConfig)
	write(ts, "main.stopover.hcl", config)
	server, err := json.Marshal(map[string]any{"name": "client", "architecture": "2019", "http_port": port, "smtp_port": port + 1,
		"serves": []string{address + ".1"}, "engines": []any{map[string]string{"name": "sqlite", "version": "3"}},
		"options": map[string]string{"idle": "5m"}})
	ts.Check(err)
	write(ts, "client/server.json", string(server))
	ts.Check(os.MkdirAll(ts.MkAbs("client/accounts"), 0o755))
	for i, n := range names {
		addAccount(ts, n, fmt.Sprintf("site%d.example", i), 20)
	}
}

// freeAddress chooses three bytes of a loopback address and a port, so that .1
// and .2 have that port and the next one free.
func freeAddress() (string, int) {
	for {
		a, p := fmt.Sprintf("127.%d.%d", 2+rand.IntN(250), rand.IntN(256)), 10000+2*rand.IntN(10000)
		if free(a+".1", p) && free(a+".1", p+1) && free(a+".2", p) && free(a+".2", p+1) {
			return a, p
		}
	}
}

func free(address string, port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, port))
	return err == nil && l.Close() == nil
}

// account NAME FILES adds an account.
func makeAccount(ts *testscript.TestScript, _ bool, args []string) {
	n := 0
	_, err := fmt.Sscan(args[1], &n)
	ts.Check(err)
	addAccount(ts, args[0], args[0]+".example", n)
}

// hostile adds accounts whose names and files are hard to bear.
func hostileAccounts(ts *testscript.TestScript, _ bool, _ []string) {
	for i, n := range []string{"two words", `"quoted' `, "new\nline \x1b[31mred", "café", "-rf", "..", "*", "a/b", "x]", "%41", "\xff\xfe", "7up"} {
		addAccount(ts, n, fmt.Sprintf("hostile%d.example", i), 2)
	}
}

func addAccount(ts *testscript.TestScript, name, domain string, files int) {
	esc, err := schema.EscapeName(name)
	ts.Check(err)
	at := filepath.Join("client", "accounts", esc)
	d, err := json.Marshal(map[string]any{"domains": []any{map[string]string{"name": domain}}, "site": map[string]string{"kind": "static"}})
	ts.Check(err)
	write(ts, filepath.Join(at, "account.json"), string(d))
	for _, sub := range []string{"mail", "databases"} {
		ts.Check(os.MkdirAll(ts.MkAbs(filepath.Join(at, sub)), 0o755))
	}
	write(ts, filepath.Join(at, "home", "www", "index.html"), "hello from "+domain+"\n")
	for _, odd := range []string{"-n", "a b", "new\nline", "\xff", "*", "quo\"te'", ".. "} {
		write(ts, filepath.Join(at, "home", "odd", odd), odd)
	}
	for i := range files {
		write(ts, filepath.Join(at, "home", "www", fmt.Sprintf("%d.html", i)), fmt.Sprintf("page %d\n", i))
	}
}

func write(ts *testscript.TestScript, path, text string) {
	path = ts.MkAbs(path)
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, []byte(text), 0o644))
}

// lock WHO takes the lock of the state in this directory for the time of the
// script, as another run would.
func holdLock(ts *testscript.TestScript, _ bool, args []string) {
	store := state.OpenLocal(ts.MkAbs(".stopover"), state.Options{})
	lock, err := store.Lock(context.Background(), state.Holder{Who: args[0], Doing: "apply", Started: time.Now().UTC()})
	ts.Check(err)
	ts.Defer(func() { ts.Check(errors.Join(lock.Release(), store.Close())) })
}

// database ACCOUNT NAME STATEMENT... makes an SQLite database on the source.
func makeDatabase(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(filepath.Join("client", "accounts", args[0], "databases", args[1]+".sqlite")))
	ts.Check(err)
	db.SetMaxOpenConns(1)
	for _, s := range append([]string{"PRAGMA journal_mode=WAL"}, args[2:]...) {
		_, err := db.Exec(s)
		ts.Check(err)
	}
	ts.Check(db.Close())
}

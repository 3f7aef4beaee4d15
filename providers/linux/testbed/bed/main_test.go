//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/providers/linux/testbed/accounts"
)

func TestMain(m *testing.M) {
	testbed.Main()
	os.Exit(m.Run())
}

// privateCache keeps the test off a bed that somebody uses on this machine.
func privateCache(t *testing.T) {
	t.Helper()
	testbed.Need(t)
	roots, err := testbed.Roots(t.Context(), []string{"bookworm", "trixie"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(testbed.Cache(), "private.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, r := range roots {
		if err := os.Symlink(r, filepath.Join(dir, filepath.Base(r))); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("STOPOVER_TESTBED_CACHE", dir)
}

// What make testbed and make testbed-down do, as a new user meets it.
func TestUpAndDown(t *testing.T) {
	privateCache(t)
	var out bytes.Buffer
	do := func(args ...string) error {
		out.Reset()
		return run(t.Context(), args, &out)
	}
	dir := filepath.Join(t.TempDir(), "testbed")
	if err := do("up", dir); err != nil {
		t.Fatalf("up: %v\n%s", err, &out)
	}
	t.Cleanup(func() { _, _ = testbed.Down(context.Background()) })
	if !strings.Contains(out.String(), "bin/stopover -C "+dir+" inventory") {
		t.Errorf("up says nothing of what to do next:\n%s", &out)
	}
	var truth accounts.Truth
	text, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &truth); err != nil || truth.Accounts["shop"] == nil {
		t.Fatalf("truth: %v\n%s", err, text)
	}
	if err := do("list"); err != nil || !strings.Contains(out.String(), "client") || !strings.Contains(out.String(), "trixie") {
		t.Errorf("list: %v\n%s", err, &out)
	}
	conf, err := os.ReadFile(filepath.Join(dir, "client.stopover.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := detached()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range b.Hosts() {
		if n := strings.Count(string(conf), `"`+h.Address().String()+`"`); n != 2 {
			t.Errorf("%s is %d times in the configuration", h.Name, n)
		}
	}
	if err := do("up", dir); err == nil || !strings.Contains(err.Error(), "make testbed-down") {
		t.Errorf("a second up: %v", err)
	}
	if err := do("exec", "client", "id", "-u", "shop"); err != nil {
		t.Errorf("exec: %v", err)
	}
	if err := do("exec", "nowhere", "true"); err == nil || !strings.Contains(err.Error(), "there are client, transit") {
		t.Errorf("exec on no host: %v", err)
	}
	if err := do("down", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("down leaves the directory that up wrote")
	}
	if left, err := testbed.Beds(); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// A directory that is somebody's is neither written to nor removed.
func TestDirectoryOfOthers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := usable(dir); err == nil || !strings.Contains(err.Error(), "name another directory") {
		t.Errorf("usable: %v", err)
	}
	if err := tidy(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("it is gone: %v", err)
	}
}

func TestUnknownCommand(t *testing.T) {
	var out bytes.Buffer
	for _, args := range [][]string{nil, {"sideways"}, {"exec", "client"}} {
		if err := run(t.Context(), args, &out); err == nil || !strings.Contains(err.Error(), "bed down") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

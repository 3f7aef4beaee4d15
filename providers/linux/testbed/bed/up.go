//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/stopover/stopover/providers/linux/testbed"
	"github.com/stopover/stopover/providers/linux/testbed/accounts"
)

// client and transit are the hosts of the bed that people use.
const client, transit = "client", "transit"

// up starts the two hosts, puts the sample accounts on the source and writes
// a directory to use Stopover in.
func up(ctx context.Context, args []string, out io.Writer) error {
	dir := "testbed"
	if len(args) > 0 {
		dir = args[0]
	}
	if err := testbed.Able(); err != nil {
		return fmt.Errorf("this machine cannot run a test bed: %w", err)
	}
	if b, err := detached(); err == nil {
		return fmt.Errorf("a bed is up already, in %s: make testbed-down ends it; STOPOVER_TESTBED_CACHE names another place for a second one", b.Dir())
	}
	if err := usable(dir); err != nil {
		return err
	}
	b, err := testbed.Start(ctx, testbed.Options{Detach: true, Progress: out, Hosts: []testbed.HostOptions{
		{Name: client, Release: "bookworm", Services: testbed.AllServices()},
		{Name: transit, Release: "trixie", Services: testbed.AllServices()},
	}})
	if err != nil {
		return err
	}
	n, err := furnish(ctx, b, dir, out)
	if err != nil {
		return errors.Join(err, b.Close(), tidy(dir))
	}
	fmt.Fprintf(out, next, b.Host(client).Address(), n, b.Host(transit).Address(), dir)
	return nil
}

// next is what there is, and what to do with it: the binary is where make
// build puts it.
const next = `
Two servers are up, on a network that only this machine reaches:
  client   Debian 12  %-12s  %d accounts
  transit  Debian 13  %-12s  none

%[4]s has a configuration for them, their key, and in truth.json what the
accounts really hold. Go on with:
  bin/stopover -C %[4]s inventory
  bin/stopover -C %[4]s check
  bin/stopover -C %[4]s plan
A shell on one of them: bin/bed exec client bash
End: make testbed-down
`

// furnish installs the accounts and writes the directory.
func furnish(ctx context.Context, b *testbed.Bed, dir string, out io.Writer) (int, error) {
	fmt.Fprintln(out, "sample accounts")
	h := b.Host(client)
	truth, err := accounts.Install(ctx, h, accounts.Options{Address: h.Address().String(), Name: h.Name})
	if err != nil {
		return 0, fmt.Errorf("sample accounts: %w", err)
	}
	text, err := json.MarshalIndent(truth, "", "  ")
	if err != nil {
		return 0, err
	}
	key, err := os.ReadFile(b.KeyFile())
	if err != nil {
		return 0, err
	}
	known, err := os.ReadFile(b.KnownHosts())
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{marker, []byte("bed down removes what bed up wrote here\n")},
		{"truth.json", append(text, '\n')},
		{"id_ed25519", key},
		{"known_hosts", known},
		{"client.stopover.hcl", []byte(configuration(b))},
	} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			return 0, err
		}
	}
	return len(truth.Accounts), nil
}

func configuration(b *testbed.Bed) string {
	return strings.NewReplacer(
		"CLIENT", b.Host(client).Address().String(),
		"TRANSIT", b.Host(transit).Address().String(),
	).Replace(`# Written by "make testbed" for the two servers that it started.
provider "linux" {
  user          = "root"
  identity_file = "id_ed25519"
  known_hosts   = "known_hosts"
  ssh_config    = "none"
  use_agent     = false
  layout        = "debian-vmail" # mailbox users of Dovecot below /var/vmail
}

server "client" {
  provider = "linux"
  address  = "CLIENT"
  serves   = ["CLIENT"]
  names    = "client.example.net" # its own as well, found in files of accounts
}

server "transit" {
  provider = "linux"
  address  = "TRANSIT"
  serves   = ["TRANSIT"]
}

architecture "debian-13" {
  os = "debian-13"
  runtime "php" { versions = ["8.4"] }
  runtime "python" { versions = ["3.13"] }
  database "mariadb" { version = "11.8" }
  database "postgresql" { version = "17" }
}

migration "spring" {
  process      = "self-managed"
  architecture = "debian-13"
  source       = server.client
  transit      = server.transit
  trial        = server.transit # databases are tried on it

  account "shop" {
    probe "front-page" {
      http     = "http://shop.example.org/"
      contains = "500 orders"
    }
  }

  account "ledger" {
    probe "front-page" {
      http     = "http://ledger.example.org/"
      contains = "800 entries"
    }
  }

  accounts { include = ["*"] }
}
`)
}

// marker says that a directory was written by up and may be removed by down.
const marker = ".testbed"

// usable refuses a directory that is somebody's.
func usable(dir string) error {
	found, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(found) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil {
		return fmt.Errorf("%s is not empty and was not written by this command: name another directory", dir)
	}
	return tidy(dir)
}

// tidy removes what up wrote into a directory, with the state of what was tried
// in it: it is of servers that are no more. What somebody else put there stays.
func tidy(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil {
		return nil
	}
	for _, name := range written {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 1 { // the marker says that up may write here again
		return err
	}
	return os.RemoveAll(dir)
}

// written are the names that up writes, and that of Stopover's own state.
var written = []string{"client.stopover.hcl", "id_ed25519", "known_hosts", "truth.json", ".stopover"}

func down(ctx context.Context, args []string, out io.Writer) error {
	dir := "testbed"
	if len(args) > 0 {
		dir = args[0]
	}
	gone, err := testbed.Down(ctx)
	for _, d := range gone {
		fmt.Fprintln(out, "removed", d)
	}
	return errors.Join(err, tidy(dir))
}

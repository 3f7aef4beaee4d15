package view

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

func lookedAtNoon() Options {
	return Options{Now: func() time.Time { return time.Date(2026, 4, 1, 12, 12, 0, 0, time.UTC) }}
}

func verbosely() Options {
	o := lookedAtNoon()
	o.Verbose = true
	return o
}

// wholeMachines is an inventory of whole machines: the source with so many accounts, as
// remembered since noon, with a text in every place that takes one.
func wholeMachines(accounts int, text string) *schema.Inventory {
	s := &schema.FoundServer{Name: "client", Presence: schema.Present, Provider: "linux", Machine: text, Layout: "debian", Listening: []string{"192.0.2.10"}, Known: true,
		At: time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC), Remembered: true, TotalBytes: 40 << 30, FreeBytes: 12 << 30,
		Runtimes: []schema.Runtime{{Name: "php", Version: "8.2"}, {Name: "python", Version: "3.11"}}, Findings: []schema.Finding{{Code: "survey-incomplete", Summary: text}}}
	s.System = &schema.System{OS: "debian-12", Release: "Debian GNU/Linux 12 (bookworm)", Version: "12.9", Kernel: "6.1.0-31", Arch: "amd64", Libc: "glibc 2.36", Init: "systemd", CPUs: 4,
		Memory: 8 << 30, Timezone: "Europe/Paris", Locale: "C.UTF-8", Queue: 3, Hostname: text, HostKeys: []string{text},
		Addresses: []schema.Address{{Address: "192.0.2.10", Interface: "eth0", Scope: "global"}}, Outgoing: []schema.PTR{{Address: "192.0.2.10", Names: []string{"client.example.org"}}},
		Mounts:   []schema.Mount{{Path: "/", Type: "ext4", Bytes: 40 << 30, Free: 12 << 30, Inodes: 1000, FreeInodes: 900, Quota: true}},
		Ports:    []schema.Port{{Protocol: "tcp", Address: "0.0.0.0", Port: 22, Program: text}},
		PHP:      []schema.PHP{{Version: "8.2", Full: "8.2.28", Extensions: []string{"intl", "gd"}}},
		Packages: make([]schema.Software, 412), Libraries: make([]string, 90), Users: make([]schema.SysUser, 30),
		Daemons: []schema.Service{{Name: "cron.service", Running: true, Command: text}},
		Unknown: []schema.Unknown{{Kind: "panel", Name: text, Path: "/usr/local/panel", Why: "a control panel manages accounts by its own database"}},
		Engines: []schema.Engine{
			{Name: "mariadb", Version: "10.11.11", Running: true, Databases: []schema.Database{{Engine: "mariadb", Name: text, Bytes: 1 << 20}}, Users: []schema.DatabaseUser{{Engine: "mariadb", Name: "old", Host: "%"}}},
			{Name: "postgresql", Version: "15", Error: "permission denied for user " + text}, {Name: "redis", Version: "7"}}}
	for i := range 30 {
		s.Residue = append(s.Residue, schema.Residue{Path: fmt.Sprintf("/opt/%02d %s", i, text)})
	}
	for i := range accounts {
		s.Accounts = append(s.Accounts, wholeAccount(fmt.Sprintf("a%02d", i)+text, text, i))
	}
	return &schema.Inventory{Servers: map[string]*schema.FoundServer{"client": s,
		"transit": {Name: "transit", Presence: schema.Present, Layout: "debian", System: &schema.System{OS: "debian-13"}}}}
}

func wholeAccount(name, text string, i int) *schema.FoundAccount {
	a := &schema.FoundAccount{Name: name, UID: 1000 + i, Owner: schema.Ownership{State: schema.StateUnmanaged, Serves: true},
		User: &schema.User{GID: 1000, Home: "/home/" + name, Mode: 0o750, Shell: "/bin/bash", Groups: []string{"www-data"}, Password: "set", Scheme: "yescrypt",
			Keys: []schema.Key{{Type: "ssh-ed25519", Fingerprint: "SHA256:abc", Comment: text}}, Quota: &schema.Quota{Hard: 1 << 30}, Logins: []schema.Login{{Kind: "ftp", Name: text}}},
		Files: schema.Files{Entries: int64(i) * 1234567, Bytes: int64(i) << 32},
		Mail:  schema.Mail{Messages: int64(i) * 1000, Bytes: int64(i) << 22, Boxes: []schema.Mailbox{{Address: text, Messages: 7, Folders: make([]schema.MailFolder, 2), Sieve: []schema.Sieve{{Path: text, Active: true}}}}},
		Databases: []schema.Database{{Engine: "mariadb", Name: text, Bytes: 5 << 20, Detail: &schema.ObjectDetail{Charset: "utf8mb4", Rows: 12345, Tables: make([]schema.Table, 12), Routines: make([]schema.Routine, 2)}},
			{Engine: "postgresql", Name: "p", Detail: &schema.ObjectDetail{Error: text}}},
		DatabaseUsers: []schema.DatabaseUser{{Engine: "mariadb", Name: "shop", Host: "localhost"}},
		Sites:         []schema.Site{{Domain: "shop.example.org", Names: []string{"shop.example.org", "www.shop.example.org"}, Root: "/home/" + text, Server: "nginx", File: "/etc/nginx/sites-enabled/shop", Line: 3, Pass: "unix:/run/php/shop.sock"}},
		Certificates:  []schema.Certificate{{Names: []string{"shop.example.org"}, Expires: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), Renewed: "account"}},
		Pools:         []schema.Pool{{Name: "shop", PHP: "8.2", Listen: text}}, Services: []schema.Service{{Name: "app.service", User: text, Running: true}},
		Timers: []schema.Timer{{Name: "/var/spool/cron/crontabs/shop:3", Schedule: "5 4 * * *", Command: text}}, Ports: []schema.Port{{Protocol: "tcp", Address: "127.0.0.1", Port: 8080}},
		Runtimes: []schema.RuntimeUse{{Name: "php", Version: "8.2", By: "site " + text}}, Environments: []schema.Environment{{Kind: "venv", Path: "venv", Runtime: "python", Version: "3.11.2"}},
		Binaries: []schema.Binary{{Path: "bin/tool", Arch: "amd64", Missing: []string{"libold.so.1", text}}}, Mentions: []schema.Mention{{Path: "config.php", Line: 3, What: "192.0.2.10"}},
		Links: []schema.Link{{Path: "l", Target: text}}, Clients: []schema.Client{{Service: "imap", User: "ann", Address: "198.51.100.7", Plain: true, Times: 12}},
		Other: []string{"/etc/nginx/sites-enabled/shop"}, Truncated: []string{"lines"}, Findings: []schema.Finding{{Code: "file-odd", Summary: text}}}
	for j := range 25 {
		a.Lines = append(a.Lines, schema.Line{Kind: "shebang", Path: fmt.Sprintf("bin/%02d", j), Line: 1, What: "python3.11"})
	}
	return a
}

// Of whole machines, people get a page; what is long is counted, and said to be.
func TestInventoryIsAPage(t *testing.T) {
	inv := wholeMachines(20, "x")
	out := show(Options{}, func(v *View) { v.Inventory(seed(0).Config, inv, false) })
	if n := strings.Count(out, "\n"); n > 60 {
		t.Errorf("%d lines\n%s", n, out)
	}
	for _, want := range []string{"not understood:", "… and 18 more; --verbose shows all", "looked at", "a19x"} {
		if !strings.Contains(out, want) {
			t.Errorf("without %q:\n%s", want, out)
		}
	}
	all := show(Options{Verbose: true}, func(v *View) { v.Inventory(seed(0).Config, inv, false) })
	for _, want := range []string{"/opt/29 x", "bin/24", "a19x on client"} {
		if !strings.Contains(all, want) {
			t.Errorf("--verbose without %q", want)
		}
	}
	// Programs get everything, whatever people were shown.
	var doc struct {
		Servers map[string]struct {
			Remembered bool
			System     struct{ Packages []any }
			Residue    []any
			Accounts   []struct{ Lines []any }
		}
	}
	if err := json.Unmarshal([]byte(show(Options{JSON: true}, func(v *View) { v.Inventory(seed(0).Config, inv, true) })), &doc); err != nil {
		t.Fatal(err)
	}
	if s := doc.Servers["client"]; len(s.System.Packages) != 412 || len(s.Residue) != 30 || len(s.Accounts) != 20 || len(s.Accounts[0].Lines) != 25 || !s.Remembered {
		t.Errorf("JSON has %d packages, %d accounts", len(s.System.Packages), len(s.Accounts))
	}
}

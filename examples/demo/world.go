package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// world is what the demo is played in: a directory with two pocket servers.
type world struct {
	dir        string
	program    string // stopover
	source     string // service address of the source: what visitors use, all the time
	transit    string
	http, smtp int
	accounts   []account // that travel
	stays      account   // that does not
	before     map[string]snapshot
	carried    string // content of the one file that no account owns
	acks       string // directory of the workers' notes, outside of the accounts
}

// account is one account of the demo and how much it holds.
type account struct {
	name, folder, domain, mailbox string
	files, messages               int
	database                      int64 // bytes
	program                       bool  // runs the guestbook and a worker
}

const (
	clientName  = "client"
	transitName = "transit"
	residue     = "monitoring.conf"
)

// make builds all of it on disk.
func (w *world) make(ctx context.Context, o options) error {
	n := max(1, o.scale)
	w.acks, w.carried, w.before = filepath.Join(w.dir, "acknowledged"), "watch = yes\n", map[string]snapshot{}
	w.accounts = []account{
		{name: "shop", folder: "shop", domain: "shop.example", mailbox: "orders", program: true,
			files: 2400 / n, messages: 650 / n, database: 64 << 20 / int64(n)},
		{name: "café & co", folder: "caf%C3%A9%20%26%20co", domain: "cafe.example", mailbox: "hello", program: true,
			files: 2050 / n, messages: 520 / n, database: 52 << 20 / int64(n)},
	}
	w.stays = account{name: "old-club", folder: "old-club", domain: "club.example", files: 40}
	for _, do := range []func() error{w.addresses, func() error { return w.programs(o) }, w.describe} {
		if err := do(); err != nil {
			return err
		}
	}
	for _, a := range append([]account{w.stays}, w.accounts...) {
		if err := w.fill(a); err != nil {
			return fmt.Errorf("make account %q: %w", a.name, err)
		}
		s, err := takeSnapshot(w.accountDir(a))
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		w.before[a.name] = s
	}
	return nil
}

func (w *world) accountDir(a account) string {
	return filepath.Join(w.dir, clientName, "accounts", a.folder)
}

// addresses chooses loopback addresses and ports that nobody uses, so that
// several demos can run at once.
func (w *world) addresses() error {
	for range 100 {
		a := fmt.Sprintf("127.%d.%d.", 2+rand.IntN(250), rand.IntN(256))
		n := 1 + rand.IntN(250)
		w.source, w.transit = a+strconv.Itoa(n), a+strconv.Itoa(n+1)
		w.http = 10000 + 2*rand.IntN(10000)
		w.smtp = w.http + 1
		if free(w.source, w.http) && free(w.source, w.smtp) && free(w.transit, w.http) && free(w.transit, w.smtp) {
			return nil
		}
	}
	return errors.New("no free loopback address was found: is 127.0.0.0/8 there?")
}

func free(address string, port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// web and mail are where visitors go, before, during and after the journey.
func (w *world) web() string  { return net.JoinHostPort(w.source, strconv.Itoa(w.http)) }
func (w *world) mail() string { return net.JoinHostPort(w.source, strconv.Itoa(w.smtp)) }

// programs puts the accounts' programs where servers install them from, and on
// the source, where they are installed already.
func (w *world) programs(o options) error {
	for name, from := range map[string]string{"guestbook": o.guestbook, "worker": o.worker} {
		for _, to := range []string{"depot", filepath.Join(clientName, "runtimes")} {
			if err := copyProgram(from, filepath.Join(w.dir, to, name, "1", name)); err != nil {
				return err
			}
		}
	}
	return os.MkdirAll(w.acks, 0o755)
}

func copyProgram(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

const config = `# The whole configuration of this journey.
server "client" {
  provider  = "local"
  address   = "client"
  serves    = ["{{.Source}}"]
  http_port = {{.HTTP}}
  smtp_port = {{.SMTP}}
  depot     = "depot"
  idle      = "10m"
}

server "transit" {
  provider  = "local"
  address   = "transit"
  serves    = ["{{.Transit}}"]
  http_port = {{.HTTP}}
  smtp_port = {{.SMTP}}
  depot     = "depot"
  idle      = "10m"
}

architecture "2024" {
  runtime "guestbook" { versions = ["1"] }
  runtime "worker" { versions = ["1"] }
  database "sqlite" { version = "3" }
}

migration "spring" {
  process      = "private-cloud-2025"
  architecture = "2024"
  source       = server.client
  transit      = server.transit

  account "shop" {
    after = ["café & co"]
  }

  accounts {
    include = ["*"]
    exclude = ["old-club"]
  }

  stays "old-club" {
    action = "archive"
    reason = "the club was closed in March"
  }

  residue "/monitoring.conf" {
    action = "carry"
    reason = "the hoster's monitoring, owned by no account"
  }
}
`

// describe writes the configuration, the source's description and the one file
// that belongs to nobody.
func (w *world) describe() error {
	var b strings.Builder
	err := template.Must(template.New("config").Parse(config)).Execute(&b,
		map[string]any{"Source": w.source, "Transit": w.transit, "HTTP": w.http, "SMTP": w.smtp})
	if err != nil {
		return err
	}
	server := map[string]any{
		"name": clientName, "architecture": "2019", "http_port": w.http, "smtp_port": w.smtp, "serves": []string{w.source},
		"runtimes": []any{
			map[string]string{"name": "guestbook", "version": "1", "path": "guestbook"},
			map[string]string{"name": "worker", "version": "1", "path": "worker"},
		},
		"engines": []any{map[string]string{"name": "sqlite", "version": "3"}},
		"options": map[string]string{"depot": filepath.Join(w.dir, "depot"), "idle": "10m"},
	}
	return errors.Join(
		writeFile(filepath.Join(w.dir, "main.stopover.hcl"), []byte(b.String())),
		writeJSON(filepath.Join(w.dir, clientName, "server.json"), server),
		writeFile(filepath.Join(w.dir, clientName, residue), []byte(w.carried)),
	)
}

// close ends the servers' processes and removes what the demo made.
func (w *world) close(keep bool, t *teller) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	errs := []error{w.stop(ctx, clientName), w.stop(ctx, transitName)}
	if err := errors.Join(errs...); keep || err != nil {
		t.line("\nKept: %s", w.dir)
		return err
	}
	return os.RemoveAll(w.dir)
}

// stop ends a server's process and its accounts' programs. It is no error if it
// does not run.
func (w *world) stop(ctx context.Context, name string) error {
	at := filepath.Join(w.dir, name)
	if _, err := os.Stat(at); err != nil {
		return nil
	}
	out, err := exec.CommandContext(ctx, w.program, "pocket-server", "--stop", "--dir="+at).CombinedOutput()
	if err != nil {
		return fmt.Errorf("stop server %s: %w: %s", name, err, out)
	}
	return nil
}

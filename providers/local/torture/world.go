package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/stopover/stopover/examples/ledger"
	"github.com/stopover/stopover/providers/local/description"
)

// world is one pair of servers with accounts, made from nothing.
type world struct {
	dir             string
	client, transit string // directories
	clientIP        string
	transitIP       string
	accounts        []ledger.Account
}

const (
	httpPort = 8080
	smtpPort = 8025
)

// newWorld makes the source with its accounts, the depot and the configuration.
func newWorld(r *rand.Rand) (*world, error) {
	return newWorldOf(r, []string{"shop", "café & 'co'\n-x"}, true)
}

// newWorldOf makes a world of these accounts; supervised servers are started
// by us, others by the tool.
func newWorldOf(r *rand.Rand, names []string, supervised bool) (*world, error) {
	dir, err := os.MkdirTemp("", "stopover-torture-")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, client: filepath.Join(dir, "client"), transit: filepath.Join(dir, "transit")}
	w.clientIP, w.transitIP = freeAddress(r), freeAddress(r)
	for _, program := range []string{"guestbook", "worker"} {
		if err := w.depot(program); err != nil {
			return nil, err
		}
	}
	d := description.Server{Name: "client", Architecture: "2020", HTTPPort: httpPort, SMTPPort: smtpPort, Serves: []string{w.clientIP},
		Engines: []description.Engine{{Name: "sqlite", Version: "3"}},
		Options: map[string]string{"depot": filepath.Join(dir, "depot"), "idle": "0"}}
	for _, program := range []string{"guestbook", "worker"} {
		d.Runtimes = append(d.Runtimes, description.Runtime{Name: program, Version: "1", Path: program})
		if err := os.CopyFS(filepath.Join(w.client, "runtimes", program), os.DirFS(filepath.Join(dir, "depot", program))); err != nil {
			return nil, err
		}
		if err := os.Chmod(filepath.Join(w.client, "runtimes", program, "1", program), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(w.client, "accounts"), 0o755); err != nil {
		return nil, err
	}
	if err := description.WriteServer(w.client, &d); err != nil {
		return nil, err
	}
	for i, name := range names {
		if err := w.account(r, name, fmt.Sprintf("a%d.example", i), i); err != nil {
			return nil, err
		}
	}
	return w, os.WriteFile(filepath.Join(dir, "main.stopover.hcl"), []byte(w.config(supervised)), 0o644)
}

// freeAddress picks a loopback address on which nobody listens.
func freeAddress(r *rand.Rand) string {
	for {
		ip := fmt.Sprintf("127.%d.%d.%d", 64+r.IntN(128), r.IntN(256), 1+r.IntN(254))
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", ip, httpPort))
		if err == nil {
			_ = l.Close()
			return ip
		}
	}
}

// building keeps journeys that run at the same time from building one program
// twice.
var building sync.Mutex

// builtPath is where a program is built once for all journeys of this process.
func builtPath(program string) string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("stopover-torture-%d-%s", os.Getpid(), program))
}

func removeBuilt() {
	for _, program := range []string{"guestbook", "worker"} {
		_ = os.Remove(builtPath(program))
	}
}

// depot builds a program of the accounts into the depot.
func (w *world) depot(program string) error {
	to := filepath.Join(w.dir, "depot", program, "1", program)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	building.Lock()
	defer building.Unlock()
	built := builtPath(program)
	if _, err := os.Stat(built); err != nil {
		c := exec.Command("go", "build", "-o", built, "github.com/stopover/stopover/examples/"+program)
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", program, err, out)
		}
	}
	from, err := os.Open(built)
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, from); err != nil {
		return err
	}
	return f.Close()
}

func (w *world) account(r *rand.Rand, name, domain string, i int) error {
	at, err := description.AccountDir(w.client, name)
	if err != nil {
		return err
	}
	for _, sub := range []string{"home/www", "databases", "mail/" + domain + "/info/cur", "mail/" + domain + "/info/new", "mail/" + domain + "/info/tmp"} {
		if err := os.MkdirAll(filepath.Join(at, sub), 0o755); err != nil {
			return err
		}
	}
	for n := range 40 {
		b := make([]byte, r.IntN(20000))
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		if err := os.WriteFile(filepath.Join(at, "home", fmt.Sprintf("file %d", n)), b, 0o644); err != nil {
			return err
		}
	}
	acks := filepath.Join(w.dir, fmt.Sprintf("acks-%d", i))
	d := &description.Account{Name: name, Domains: []description.Domain{{Name: domain}},
		Site:         &description.Site{Kind: description.SiteProgram, Command: []string{"runtime:guestbook"}},
		Programs:     []description.Program{{Name: "worker", Command: []string{"runtime:worker", "--ack", acks, "--every", "100ms"}}},
		Mailboxes:    []description.Mailbox{{Domain: domain, User: "info"}},
		Databases:    []description.Database{{Name: "guestbook"}, {Name: "worker"}},
		RuntimesUsed: []description.RuntimeUse{{Name: "guestbook", Version: "1"}, {Name: "worker", Version: "1"}},
	}
	w.accounts = append(w.accounts, ledger.Account{Name: name, Domain: domain, Mailbox: "info", Acks: acks})
	return description.WriteAccount(w.client, d)
}

func (w *world) config(supervised bool) string {
	quote := func(s string) string {
		b, _ := json.Marshal(s)
		return string(b)
	}
	return fmt.Sprintf(`server "client" {
  provider = "local"
  address  = "client"
  serves   = [%s]
  depot    = "depot"
  idle     = "0s"
  supervised = %t
}
server "transit" {
  provider = "local"
  address  = "transit"
  serves   = [%s]
  depot    = "depot"
  idle     = "0s"
  supervised = %t
}
architecture "2024" {
  runtime "guestbook" { versions = ["1"] }
  runtime "worker" { versions = ["1"] }
  database "sqlite" { version = "3" }
}
migration "torture" {
  process      = "self-managed"
  architecture = "2024"
  source       = server.client
  transit      = server.transit
  accounts { include = ["*"] }
}
`, quote(w.clientIP), supervised, quote(w.transitIP), supervised)
}

// where is the directory of an account on a server.
func where(server, account string) string {
	at, err := description.AccountDir(server, account)
	if err != nil {
		return ""
	}
	return at
}

const (
	lease  = 4 * time.Second
	leaseS = "4s"
)

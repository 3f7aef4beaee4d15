package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/front"
	"github.com/stopover/stopover/providers/local/program"
	"github.com/stopover/stopover/providers/local/sqlite"
	"github.com/stopover/stopover/schema"
)

// Host is what a pocket server offers to its agent: doors, places, machine.
type Host struct {
	dir      string
	machine  string
	boot     string
	log      hclog.Logger
	front    *front.Front
	programs *program.Manager
	sqlite   *sqlite.Keeper
	exit     func()
	failed   func(account string) // an opening did not succeed: order it again
	opening  sync.WaitGroup

	ended      <-chan struct{} // closed when the process ends
	background sync.WaitGroup  // what listens later

	mu    sync.Mutex
	desc  *description.Server
	doors map[string]*door
	calls int // open calls, for idleness
	busy  time.Time
}

// door is what the host last did for an account.
type door struct {
	op         sync.Mutex // one opening or closing at a time
	generation int        // of orders; a later one makes an earlier one's remainder void
	state      agent.Doors
	front      string
	epoch      uint64
	stopped    bool // its programs were ended, and nothing has started them since
}

var _ agent.Host = (*Host)(nil)

func (h *Host) description() *description.Server {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := *h.desc
	return &d
}

// change edits the description, durably.
func (h *Host) change(edit func(*description.Server)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := *h.desc
	d.Runtimes, d.RemovedRuntimes = slices.Clone(d.Runtimes), slices.Clone(d.RemovedRuntimes)
	edit(&d)
	if err := description.WriteServer(h.dir, &d); err != nil {
		return err
	}
	h.desc = &d
	return nil
}

func (h *Host) door(account string) *door {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.doors[account]
	if d == nil {
		d = &door{}
		h.doors[account] = d
	}
	return d
}

// order makes an order the newest for an account and says how to know later
// whether it still is.
func (h *Host) order(d *door) (current func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.generation++
	mine := d.generation
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return d.generation == mine
	}
}

// drainLimit is how long requests in flight may take to end when an account is
// closed; then their connections are cut.
const drainLimit = 3 * time.Second

// Hold closes an account: its requests wait, its programs are ended, its mail
// is deferred. When it returns nothing of the account can write.
func (h *Host) Hold(ctx context.Context, account string) error {
	d := h.door(account)
	h.order(d)
	d.op.Lock()
	defer d.op.Unlock()
	d.state = "" // half closed, until it is known better: any order that follows is carried out
	drain, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	if err := h.front.Hold(drain, account); err != nil && !errors.Is(err, front.ErrUnknown) {
		return err
	}
	if err := h.stop(ctx, account); err != nil {
		return err
	}
	d.state, d.stopped = agent.DoorsHeld, true
	return nil
}

func (h *Host) stop(ctx context.Context, account string) error {
	a, err := h.programsOf(account)
	if err != nil {
		// Nothing can be said about its programs but their marks.
		at, derr := description.AccountDir(h.dir, account)
		if derr != nil {
			return derr
		}
		a = program.Account{Name: account, Dir: at}
	}
	return h.programs.StopAll(ctx, a)
}

func (h *Host) programsOf(account string) (program.Account, error) {
	a, err := description.ReadAccount(h.dir, account)
	if err != nil {
		return program.Account{}, err
	}
	return program.Describe(h.dir, h.description(), a)
}

// Open sets the doors of an account; see agent.Host.
func (h *Host) Open(account string, doors agent.Doors, peer string, epoch uint64) error {
	d := h.door(account)
	d.op.Lock()
	defer d.op.Unlock()
	if d.state == doors && d.front == peer && d.epoch == epoch {
		return nil // and what an equal order has under way goes on
	}
	current := h.order(d)
	d.state = ""
	if doors == agent.DoorsServe {
		d.stopped = false
		err := h.openHere(account, epoch, current)
		d.set(err, doors, peer, epoch)
		return err
	}
	mode := front.Mode{Epoch: epoch}
	switch doors {
	case agent.DoorsHeld:
		mode.Kind = front.Hold
	case agent.DoorsRedirect:
		p, err := parseFront(peer)
		if err != nil {
			return err
		}
		mode.Kind, mode.Peer = front.Redirect, p
	default:
		mode.Kind = front.Closed
	}
	if err := h.set(account, mode); err != nil {
		return err
	}
	if !d.stopped {
		// What is not served here does not run here, whoever started it.
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := h.stop(ctx, account); err != nil {
			return err
		}
		d.stopped = true
	}
	d.set(nil, doors, peer, epoch)
	return nil
}

// set remembers an order that was carried out; one that was not is carried out
// again when it is repeated.
func (d *door) set(err error, doors agent.Doors, peer string, epoch uint64) {
	if err == nil {
		d.state, d.front, d.epoch = doors, peer, epoch
	}
}

// openHere starts the account's programs and lets requests in once its site
// answers. It does not wait: whoever comes meanwhile waits at the front.
func (h *Host) openHere(account string, epoch uint64, current func() bool) error {
	a, err := h.programsOf(account)
	if err != nil {
		return errors.Join(err, h.set(account, front.Mode{Kind: front.Closed}))
	}
	if err := h.keepDomains(account); err != nil { // a full disk must not keep the account closed
		h.log.Warn("note the names of its domains", "account", account, "error", err)
	}
	if err := h.set(account, front.Mode{Kind: front.Hold, Epoch: epoch}); err != nil {
		return err
	}
	h.opening.Go(func() { h.finishOpening(account, a, epoch, current) })
	return nil
}

// finishOpening is the part of an opening that takes time.
func (h *Host) finishOpening(account string, a program.Account, epoch uint64, current func() bool) {
	d := h.door(account)
	d.op.Lock()
	defer d.op.Unlock()
	if !current() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	err := h.programs.Start(ctx, a)
	if err != nil {
		h.log.Warn("programs", "account", account, "error", err)
	}
	err = errors.Join(others(err), h.front.Release(account, front.Mode{Kind: front.Serve, Epoch: epoch}))
	if err != nil {
		h.log.Error("open", "account", account, "error", err)
		d.state = "" // not done: the agent orders it again
		h.failed(account)
	}
}

// others is what of an error is not about single programs: those say at each
// request that they do not run, and are started again by themselves.
func others(err error) error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var rest []error
		for _, e := range j.Unwrap() {
			rest = append(rest, others(e))
		}
		return errors.Join(rest...)
	}
	var one *program.StartError
	if errors.As(err, &one) {
		return nil
	}
	return err
}

// set tells the front of an account and its mode.
func (h *Host) set(account string, m front.Mode) error {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return err
	}
	out := front.Account{Dir: at}
	a, err := description.ReadAccount(h.dir, account)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		out.Domains = h.domainsOf(account)
	case err != nil:
		// Nobody can say what it is, but its names are known: told to come later
		// is better than turned away for good.
		h.log.Error("account", "account", account, "error", err)
		out.Domains = h.domainsOf(account)
		if m.Kind == front.Serve || m.Kind == front.Hold {
			m.Kind = front.Closed
		}
	default:
		out.UID, out.GID = a.UID, a.Group()
		for _, x := range a.Domains {
			out.Domains = append(out.Domains, x.Name)
		}
		if a.Site != nil && a.Site.Kind == description.SiteProgram {
			out.Site.Socket = h.programs.Socket(account)
		} else if a.Site != nil {
			out.Site.Root = a.Site.Root
			if out.Site.Root == "" {
				out.Site.Root = "www"
			}
		}
	}
	return h.front.Set(account, out, m)
}

// domainsOf is what a stub remembers of an account whose data is elsewhere.
func (h *Host) domainsOf(account string) []string {
	esc, err := schema.EscapeName(account)
	if err != nil {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(h.dir, recordsDir, "domains", esc))
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// Place returns where an account's data is.
func (h *Host) Place(account string, create bool) (agent.Place, error) {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return agent.Place{}, err
	}
	p := agent.Place{
		Files: filepath.Join(at, description.HomeDir), Mail: filepath.Join(at, description.MailDir),
		Databases: filepath.Join(at, description.DatabasesDir),
	}
	if !create {
		if _, err := os.Stat(at); err != nil {
			return agent.Place{}, fmt.Errorf("account %s: %w", schema.QuoteName(account), err)
		}
		return p, nil
	}
	for _, dir := range []string{p.Files, p.Mail, p.Databases} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return agent.Place{}, fmt.Errorf("account %s: %w", schema.QuoteName(account), err)
		}
	}
	return p, nil
}

// Accounts lists the accounts that have a place here.
func (h *Host) Accounts() ([]string, error) {
	names, _, err := description.Accounts(h.dir)
	return names, err
}

// Settings is the account's description as it is on disk.
func (h *Host) Settings(account string) ([]byte, error) {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(at, description.AccountFile))
}

// Settle stores the settings of a staged copy. They arrive as they are: a
// runtime that is not offered here was a blocker before anything moved.
func (h *Host) Settle(account string, settings []byte) ([]schema.Finding, error) {
	a, err := description.ParseAccount(settings)
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", schema.QuoteName(account), err)
	}
	if a.Name != "" && a.Name != account {
		return nil, fmt.Errorf("settings of %s: they are of %s", schema.QuoteName(account), schema.QuoteName(a.Name))
	}
	have, err := h.Settings(account)
	if err == nil && string(have) == string(settings) {
		return nil, nil
	}
	// Byte for byte: the comparison in the cut knows no equivalent spellings.
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return nil, err
	}
	if err := renameio.WriteFile(filepath.Join(at, description.AccountFile), settings, 0o644, renameio.WithTempDir(at)); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", schema.QuoteName(account), err)
	}
	if err := h.keepDomains(account); err != nil {
		return nil, err
	}
	d := h.door(account)
	d.op.Lock()
	defer d.op.Unlock()
	// The front learns the domains; what it does with them stays as it was.
	return nil, h.set(account, h.front.Mode(account))
}

// Drop deletes an inactive copy.
func (h *Host) Drop(account string) error {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return err
	}
	if err := h.keepDomains(account); err != nil {
		return err
	}
	if err := os.RemoveAll(at); err != nil {
		return fmt.Errorf("drop the copy of %s: %w", schema.QuoteName(account), err)
	}
	return nil
}

// Redirects notes the names that a redirect is for.
func (h *Host) Redirects(account string, domains []string) error {
	for _, d := range domains {
		if err := description.CheckDomain(d); err != nil {
			return fmt.Errorf("redirects of %s: %w", schema.QuoteName(account), err)
		}
	}
	return h.writeDomains(account, domains)
}

// keepDomains writes down which names a redirect is for, before the copy with
// the description goes.
func (h *Host) keepDomains(account string) error {
	a, err := description.ReadAccount(h.dir, account)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var names []string
	for _, d := range a.Domains {
		names = append(names, d.Name)
	}
	return h.writeDomains(account, names)
}

func (h *Host) writeDomains(account string, names []string) error {
	esc, err := schema.EscapeName(account)
	if err != nil {
		return err
	}
	dir := filepath.Join(h.dir, recordsDir, "domains")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text := []byte(strings.Join(names, "\n"))
	if have, err := os.ReadFile(filepath.Join(dir, esc)); err == nil && string(have) == string(text) {
		return nil
	}
	return errors.Join(renameio.WriteFile(filepath.Join(dir, esc), text, 0o600, renameio.WithTempDir(dir)), syncDir(dir))
}

// copiedFile holds what of a staged copy was brought to which epoch.
const copiedFile = "copied.json"

func (h *Host) copied(account string) ([]schema.CopiedPart, error) {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(at, copiedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []schema.CopiedPart
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, nil // evidence only: the part is copied again
	}
	return out, nil
}

// Copied notes that a part was brought to the state of an epoch.
func (h *Host) Copied(account string, part schema.CopiedPart) error {
	parts, err := h.copied(account)
	if err != nil {
		return err
	}
	parts = slices.DeleteFunc(parts, func(p schema.CopiedPart) bool { return p.Part == part.Part })
	b, err := json.Marshal(append(parts, part))
	if err != nil {
		return err
	}
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(at, copiedFile), b, 0o600)
}

// Identity says how peers and probes reach this server.
func (h *Host) Identity() providers.Identity {
	return providers.Identity{Machine: h.machine, Agent: h.dir, Front: h.frontAddress(), HTTP: h.httpAddress()}
}

// own is the address that this server always answers on: its first own one.
func (h *Host) own() (front.Listening, bool) {
	d := h.description()
	all := h.front.Listening()
	for _, want := range d.Serves {
		for _, l := range all {
			if l.Address == want {
				return l, true
			}
		}
	}
	return front.Listening{}, false
}

func (h *Host) httpAddress() string {
	if l, ok := h.own(); ok {
		return l.HTTP
	}
	d := h.description()
	if len(d.Serves) == 0 {
		return ""
	}
	return net.JoinHostPort(d.Serves[0], strconv.Itoa(d.HTTPPort))
}

// frontAddress is what a peer's redirect is given; parseFront reads it.
func (h *Host) frontAddress() string {
	if l, ok := h.own(); ok {
		return "http=" + l.HTTP + " smtp=" + l.SMTP
	}
	d := h.description()
	if len(d.Serves) == 0 {
		return ""
	}
	return "http=" + net.JoinHostPort(d.Serves[0], strconv.Itoa(d.HTTPPort)) + " smtp=" + net.JoinHostPort(d.Serves[0], strconv.Itoa(d.SMTPPort))
}

func parseFront(s string) (front.Peer, error) {
	var p front.Peer
	for _, f := range strings.Fields(s) {
		switch k, v, _ := strings.Cut(f, "="); k {
		case "http":
			p.HTTP = v
		case "smtp":
			p.SMTP = v
		}
	}
	if p.HTTP == "" || p.SMTP == "" {
		return p, fmt.Errorf("%q is not the front address of a pocket server", s)
	}
	return p, nil
}

func (h *Host) addresses() []string {
	out := []string{}
	for _, l := range h.front.Listening() {
		out = append(out, l.Address)
	}
	return out
}

// Exit ends the server's process.
func (h *Host) Exit() { h.exit() }

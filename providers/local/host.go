package local

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/providers/local/front"
	"github.com/stopover/stopover/providers/local/program"
	"github.com/stopover/stopover/providers/local/sqlite"
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
	mentions *mentionCache
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

// smtpAddress is where its own front takes mail.
func (h *Host) smtpAddress() string {
	p, err := parseFront(h.frontAddress())
	if err != nil {
		return ""
	}
	return p.SMTP
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

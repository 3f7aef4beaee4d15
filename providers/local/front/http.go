package front

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// Headers that one front adds for the next; they are taken off before a request
// reaches a program of an account.
const (
	EpochHeader = "Stopover-Epoch" // epoch of the owner, as the sender knows it
	HopHeader   = "Stopover-Hop"   // there has been a redirect: not a second one
	// ElsewhereHeader, in an answer to a front, says that nothing was done for
	// the request: the account was handed over while it waited.
	ElsewhereHeader = "Stopover-Elsewhere"
)

// maxBounces is how often one request may find that its account has just moved.
const maxBounces = 3

const retryAfter = "5" // seconds

func (f *Front) serveHTTP(w http.ResponseWriter, r *http.Request) {
	g := f.bySite(hostOf(r.Host))
	if g == nil {
		f.log.Debug("refused", "host", r.Host, "reason", "no account has this domain")
		http.Error(w, "There is no site of this name here.", http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	conn, _ := ctx.Value(connKey{}).(net.Conn)
	cut := func() {
		cancel()
		if conn != nil {
			_ = conn.Close() // also ends a write to a client that does not read
		}
	}
	rec := &recorder{ResponseWriter: w}
	for range maxBounces {
		if !f.serveOnce(ctx, rec, r, g, cut) {
			return
		}
	}
	g.count(func(c *Counters) { c.Failed++ })
	f.log.Warn("refused", "account", g.name, "reason", "sent back by the peer again and again")
	unavailable(rec, "This account is being moved. Try again in a moment.")
}

// serveOnce answers a request by the account's present mode. It returns true if
// nothing was done for it because the account has just moved: the mode is, or
// will soon be, another one.
func (f *Front) serveOnce(ctx context.Context, rec *recorder, r *http.Request, g *gate, cut func()) (again bool) {
	in, err := g.enter(ctx, f.options.MaxHeld, f.options.MaxHoldAge, cut)
	if err != nil {
		f.refuse(rec, g, err)
		return false
	}
	if in.flight == nil {
		f.closedDoor(rec, g, in.mode)
		return false
	}
	finished := false
	defer func() { // also when the proxy panics to break the connection off
		in.leave()
		if !again {
			g.count(func(c *Counters) { c.answered(in.mode.Kind, finished && rec.status < 500) })
		}
	}()
	again = f.answer(rec, r.WithContext(ctx), in)
	finished = true
	return again
}

func (c *Counters) answered(k Kind, ok bool) {
	switch {
	case !ok:
		c.Failed++
	case k == Redirect:
		c.Redirected++
	default:
		c.Served++
	}
}

// answer answers a request that was let in. It returns true if nothing was done
// for it: see serveOnce.
func (f *Front) answer(w http.ResponseWriter, r *http.Request, in admission) (again bool) {
	hop := r.Header.Get(HopHeader) != ""
	if in.mode.Kind == Redirect {
		if hop {
			f.log.Debug("sent back", "account", in.gate.name, "reason", "the request was already redirected once")
			w.Header().Set(ElsewhereHeader, "1")
			http.Error(w, "This account is elsewhere now.", http.StatusMisdirectedRequest)
			return false
		}
		return f.proxyToPeer(w, r, in)
	}
	if hop && in.mode.Epoch != 0 {
		if e, err := strconv.ParseUint(r.Header.Get(EpochHeader), 10, 64); err != nil || e > in.mode.Epoch {
			f.log.Warn("refused", "account", in.gate.name, "reason", "the peer knows of a newer owner", "theirs", r.Header.Get(EpochHeader), "ours", in.mode.Epoch)
			unavailable(w, "This account is being moved. Try again in a moment.")
			return false
		}
	}
	switch {
	case in.account.Site.Socket != "":
		f.proxyToProgram(w, r, in)
	case in.account.Site.Root != "":
		f.serveFile(w, r, in)
	default:
		http.Error(w, "This account has no site.", http.StatusNotFound)
	}
	return false
}

// refuse answers a request that was not let in after, or instead of, waiting.
func (f *Front) refuse(w http.ResponseWriter, g *gate, err error) {
	g.count(func(c *Counters) { c.Failed++ })
	f.log.Warn("refused", "account", g.name, "reason", err)
	if !errors.Is(err, errGone) {
		unavailable(w, "This account is being moved. Try again in a moment.")
	}
}

func (f *Front) closedDoor(w http.ResponseWriter, g *gate, m Mode) {
	if m.Kind == Absent {
		f.log.Debug("refused", "account", g.name, "reason", "absent")
		http.Error(w, "There is no site of this name here.", http.StatusNotFound)
		return
	}
	g.count(func(c *Counters) { c.Failed++ })
	f.log.Debug("refused", "account", g.name, "reason", "closed")
	unavailable(w, "This account does not answer at the moment. Try again later.")
}

// unavailable is for requests of which nothing was done: they can be repeated.
func unavailable(w http.ResponseWriter, text string) {
	w.Header().Set("Retry-After", retryAfter)
	http.Error(w, text, http.StatusServiceUnavailable)
}

// hostOf is the domain in a Host header.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the final status. It keeps "100 Continue" back: between
// two fronts it is part of how a body is held back, and net/http says it to a
// client that has asked when the body is read.
func (r *recorder) WriteHeader(status int) {
	if status == http.StatusContinue {
		return
	}
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// ReadFrom keeps the fast path for files.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	return io.Copy(r.ResponseWriter, src)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

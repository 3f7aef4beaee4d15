package apply

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stopover/stopover/schema"
)

// Watched is what a cutover looked like from outside, through the account's
// own address, as a visitor sees it.
type Watched struct {
	Why    string        // not empty: nothing was watched, and why
	Asked  int           // questions sent
	Failed int           // that got no answer, or one that is an error of the server
	Gap    time.Duration // longest time between two answers
}

func (w Watched) sentence() string {
	if w.Why != "" {
		return "seen from outside: not measured, " + w.Why
	}
	return fmt.Sprintf("seen from outside: %d requests, %d failed, longest time without an answer %s", w.Asked, w.Failed, spaced(w.Gap))
}

// spaced is a duration as the tables beside it show it: "149 ms", not "149ms".
func spaced(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// mostAsking bounds the requests that are held by a frozen account at once.
const mostAsking = 64

// watcher asks an account's address for its first probe again and again.
type watcher struct {
	x      *run
	url    string
	client *http.Client
	done   chan struct{}
	ended  chan struct{}

	mu      sync.Mutex
	answers []time.Time
	asked   int
	failed  int
	why     string
	before  bool          // it answered before the freeze
	fresh   chan struct{} // an answer came; never blocks
}

// watch begins before the freeze and returns with the first answer, or without
// one after a wait.
func (x *run) watch(account string) *watcher {
	w := &watcher{x: x, done: make(chan struct{}), ended: make(chan struct{}), fresh: make(chan struct{}, 1)}
	probes := slices.DeleteFunc(slices.Clone(Probes(x.plan.Config, x.Inventory, account)), func(p schema.Probe) bool { return p.HTTP == "" })
	if len(probes) == 0 {
		probes = homeProbe(x.plan.Config, x.Inventory, account)
	}
	address := x.publicAddress()
	switch {
	case len(probes) == 0:
		w.why = schema.QuoteName(account) + " has no domain"
	case address == "":
		w.why = "the source has no service address"
	default:
		u, err := url.Parse(probes[0].HTTP)
		if err != nil {
			w.why = err.Error()
			break
		}
		w.url, w.client = probes[0].HTTP, clientFor(u, address, true)
	}
	if w.why != "" {
		close(w.ended)
		return w
	}
	go w.ask()
	w.before = w.awaitAnswer(x.soft) // the last one before the freeze is where a gap begins
	return w
}

// publicAddress is where users reach the accounts, on whichever server they
// are: the first service address of the source, with the port on which its
// front answers.
func (x *run) publicAddress() string {
	x.mu.Lock()
	s := x.servers[x.plan.Config.Migration.Source]
	x.mu.Unlock()
	if s == nil {
		return ""
	}
	addresses := x.addressesOf(s)
	if len(addresses) == 0 {
		return ""
	}
	x.mu.Lock()
	front := s.identity.HTTP
	x.mu.Unlock()
	if _, _, err := net.SplitHostPort(addresses[0]); err != nil {
		if _, port, err := net.SplitHostPort(front); err == nil {
			return net.JoinHostPort(strings.Trim(addresses[0], "[]"), port)
		}
	}
	return addresses[0]
}

func (w *watcher) ask() {
	defer close(w.ended)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx := w.x.hard
	slots := make(chan struct{}, mostAsking)
	for {
		select {
		case slots <- struct{}{}:
			wg.Go(func() {
				w.once(ctx)
				<-slots
			})
		default: // all are held by the frozen account: they are its visitors
		}
		select {
		case <-w.done:
			return
		case <-ctx.Done():
			return
		case <-w.x.clock.After(w.x.settings.Watch):
		}
	}
}

func (w *watcher) once(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.x.settings.Wait)
	defer cancel()
	res, err := get(ctx, w.url, "", w.client)
	good := err == nil && res.StatusCode < 500
	if err == nil {
		_ = res.Body.Close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if !good {
		w.failed++
		return
	}
	w.answers = append(w.answers, w.x.clock.Now())
	select {
	case w.fresh <- struct{}{}:
	default:
	}
}

// stop ends the watch: after a switch with the first answer since, and at the
// latest after one wait. Requests that were held have their answers by then, or
// fail. It returns what was seen.
func (w *watcher) stop(switched bool) Watched {
	if w.why != "" {
		return Watched{Why: w.why}
	}
	if switched {
		w.awaitAnswer(w.x.hard)
	}
	close(w.done)
	<-w.ended
	w.client.CloseIdleConnections()
	slices.SortFunc(w.answers, time.Time.Compare)
	r := Watched{Asked: w.asked, Failed: w.failed}
	for i := 1; i < len(w.answers); i++ {
		r.Gap = max(r.Gap, w.answers[i].Sub(w.answers[i-1]))
	}
	if len(w.answers) < 2 || !w.before {
		r.Why = fmt.Sprintf("its address did not answer before the cutover (%d requests, %d failed)", w.asked, w.failed)
	}
	return r
}

// awaitAnswer waits for an answer that came after now; false if none came.
func (w *watcher) awaitAnswer(ctx context.Context) bool {
	select {
	case <-w.fresh: // of before
	default:
	}
	select {
	case <-w.fresh:
		return true
	case <-ctx.Done():
	case <-w.x.clock.After(w.x.settings.Wait):
	}
	return false
}

// get asks for a URL at an address. keep may hold a client that is used again.
func get(ctx context.Context, rawURL, address string, keep *http.Client) (*http.Response, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an http URL", rawURL)
	}
	client := keep
	if client == nil {
		client = clientFor(u, address, false)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "stopover-probe")
	res, err := client.Do(req)
	if err != nil {
		// The URL's own text is known; what went wrong with it is not.
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("ask %s for %s: %w", address, rawURL, err)
	}
	return res, nil
}

func clientFor(u *url.URL, address string, reuse bool) *http.Client {
	dial := &net.Dialer{Timeout: 5 * time.Second}
	if _, _, err := net.SplitHostPort(address); err != nil {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		address = net.JoinHostPort(strings.Trim(address, "[]"), port)
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       15 * time.Second,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dial.DialContext(ctx, "tcp", address)
			},
			DisableKeepAlives:   !reuse,
			MaxIdleConnsPerHost: 4,
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // whether it answers is what is watched
		},
	}
}

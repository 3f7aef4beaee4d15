package state

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// HTTPOptions say where a store of kind "http" is: Terraform's http backend
// protocol, as GitLab serves it for the states of a project. The zero values of
// all but Address are right.
type HTTPOptions struct {
	Address    string // of the state that holds the journal
	RunAddress string // of the state whose lock a run holds; default: Address with "-run" after its last path element
	Username   string
	Password   string // resolved; never printed
	// LockMethod and UnlockMethod are what locks and unlocks ADDRESS/lock;
	// default POST and DELETE, as GitLab has them.
	LockMethod, UnlockMethod string
	SkipVerify               bool // accept any certificate
	Retries                  int  // of a request that failed for a while; default 4, negative none
	RetryWait                time.Duration

	Clock Clock
	Lease time.Duration // how long a heartbeat may be silent before the lock is taken over; default 2 min
	Beat  time.Duration // how often it beats, each a version in the store's history; default 30 s
}

// HTTP is a store behind a URL. The journal is one document, read, extended and
// written back under a lock that is held only for that long. What a run holds
// is the lock of a second state beside it, with its heartbeat as content:
// approvals can be given while a run goes on.
//
// The protocol is that of Terraform's http backend: GET and POST of the address
// with ?ID=LOCK, lock and unlock below it. Source: GitLab's documentation of
// Terraform state and its public API code.
type HTTP struct {
	o       HTTPOptions
	client  *retryablehttp.Client
	journal *remote
	run     *remote

	flushing sync.Mutex // one write at a time

	mu      sync.Mutex
	pending []Event // appended, not flushed
	written attempt
	lineage string // of the journal, once it was seen
	lock    *httpLock
}

var (
	_ Store    = (*HTTP)(nil)
	_ Unlocker = (*HTTP)(nil)
)

// OpenHTTP returns the store at an address. Nothing is asked yet.
func OpenHTTP(o HTTPOptions) (*HTTP, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	s := &HTTP{o: o, client: newClient(&o)}
	s.journal = &remote{s: s, address: o.Address}
	s.run = &remote{s: s, address: o.RunAddress}
	return s, nil
}

func (o *HTTPOptions) defaults() error {
	u, err := url.Parse(o.Address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("state store: address %q is no http or https URL", redacted(o.Address))
	}
	if u.User != nil {
		return errors.New("state store: the address holds a user name or a password; give them as username and password, the latter as env(\"NAME\")")
	}
	if o.RunAddress == "" {
		u.Path = strings.TrimSuffix(u.Path, "/") + "-run"
		u.RawPath = ""
		if strings.Contains(o.Address, "%") { // escaped slashes stay escaped
			u.RawPath = strings.TrimSuffix(mustPath(o.Address), "/") + "-run"
		}
		o.RunAddress = u.String()
	}
	if o.RunAddress == o.Address {
		return errors.New("state store: run_address is the same as address; a run would keep approvals from being written")
	}
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&o.LockMethod, http.MethodPost)
	set(&o.UnlockMethod, http.MethodDelete)
	if o.Clock == nil {
		o.Clock = System{}
	}
	if o.Lease <= 0 {
		o.Lease = 2 * time.Minute
	}
	if o.Beat <= 0 {
		o.Beat = o.Lease / 4
	}
	if o.Retries == 0 {
		o.Retries = 4
	}
	if o.RetryWait <= 0 {
		o.RetryWait = time.Second
	}
	return nil
}

func mustPath(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// redacted is an address without what may be secret in it.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(no URL)"
	}
	u.RawQuery = ""
	return u.Redacted()
}

func newClient(o *HTTPOptions) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.Logger = nil // its lines hold whole URLs
	c.RetryMax = max(o.Retries, 0)
	c.RetryWaitMin, c.RetryWaitMax = o.RetryWait, 30*o.RetryWait
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	c.HTTPClient.Timeout = time.Minute
	// Of a server that asks to come back much later nobody knows when it works
	// again; the run must not stand still for it.
	c.Backoff = func(least, most time.Duration, n int, answer *http.Response) time.Duration {
		return min(most, retryablehttp.DefaultBackoff(least, most, n, answer))
	}
	// A POST that is redirected would become a GET, and credentials would go to
	// somebody else.
	c.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if t, ok := c.HTTPClient.Transport.(*http.Transport); ok && o.SkipVerify {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // asked for by name
	}
	return c
}

// remote is one state behind the protocol.
type remote struct {
	s       *HTTP
	address string
}

// where is the address as messages show it: a query may hold a token.
func (r *remote) where() string {
	address, _, _ := strings.Cut(r.address, "?")
	return address
}

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 128 << 20

// reply is an answer that was read whole.
type reply struct {
	code int
	body []byte
}

// do sends one request. suffix goes below the address, lock into the query.
func (r *remote) do(ctx context.Context, method, suffix, lock string, body []byte) (*reply, error) {
	u, err := url.Parse(r.address)
	if err != nil {
		return nil, fmt.Errorf("state store: %w", err)
	}
	if suffix != "" {
		u = u.JoinPath(suffix)
	}
	if lock != "" {
		q := u.Query()
		q.Set("ID", lock)
		u.RawQuery = q.Encode()
	}
	var in any
	if body != nil {
		in = body
	}
	q, err := retryablehttp.NewRequestWithContext(ctx, method, u.String(), in)
	if err != nil {
		return nil, fmt.Errorf("state store: %w", err)
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	if r.s.o.Username != "" || r.s.o.Password != "" {
		q.SetBasicAuth(r.s.o.Username, r.s.o.Password)
	}
	answer, err := r.s.client.Do(q)
	if err != nil {
		return nil, fmt.Errorf("state store: %w", hidden(err, r.s.o.Password, u.RawQuery))
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("state store %s: %w", r.where(), err)
	}
	if len(data) > maxBody {
		return nil, fmt.Errorf("state store %s: its answer has more than %d MB", r.where(), maxBody>>20)
	}
	return &reply{answer.StatusCode, data}, r.refused(answer.StatusCode, answer.Header.Get("Location"))
}

// refused is what no caller has its own use for.
func (r *remote) refused(code int, to string) error {
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("state store %s refuses the credentials (%d): check username and password; a token of GitLab needs the scope api, and its user the role Maintainer", r.where(), code)
	case code >= 300 && code < 400:
		return fmt.Errorf("state store %s is somewhere else now: write address = %q", r.where(), redacted(to))
	case code == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("state store %s takes no document of this size: ask its administrator for a higher limit, or use state \"local\"", r.where())
	case code == http.StatusTooManyRequests, code >= 500:
		return fmt.Errorf("state store %s does not work now (%d): try again later", r.where(), code)
	}
	return nil
}

// strange is the error for an answer that the protocol does not know.
func (r *remote) strange(doing string, a *reply) error {
	text := strings.Join(strings.Fields(string(a.body[:min(len(a.body), 200)])), " ")
	return fmt.Errorf("state store %s: %s was answered with %d (%q): is this the address of a state, as https://gitlab.example.org/api/v4/projects/7/terraform/state/NAME?", r.where(), doing, a.code, text)
}

// hidden keeps secrets out of an error's text.
func hidden(err error, secrets ...string) error {
	text := err.Error()
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "(secret)")
		}
	}
	if text == err.Error() {
		return err
	}
	return hiddenError{text, err}
}

// hiddenError says something else than the error that it is.
type hiddenError struct {
	text string
	err  error
}

// Error implements error.
func (e hiddenError) Error() string { return e.text }

// Is lets errors.Is look at the error itself, and nobody at its text.
func (e hiddenError) Is(target error) bool { return errors.Is(e.err, target) }

// get returns the document, nil if there is none yet: GitLab says 404 before
// anybody has locked a state, and 204 before anybody has written it.
func (r *remote) get(ctx context.Context) ([]byte, error) {
	a, err := r.do(ctx, http.MethodGet, "", "", nil)
	if err != nil {
		return nil, err
	}
	switch a.code {
	case http.StatusOK:
		if len(bytes.TrimSpace(a.body)) == 0 {
			return nil, nil
		}
		return a.body, nil
	case http.StatusNotFound, http.StatusNoContent:
		return nil, nil
	}
	return nil, r.strange("reading", a)
}

// errNotOurs: the state's lock is not, or no more, the one that was named; or
// somebody else has written this serial.
var errNotOurs = errors.New("the lock is not ours")

// put writes the document under a lock.
func (r *remote) put(ctx context.Context, lock string, body []byte) error {
	a, err := r.do(ctx, http.MethodPost, "", lock, body)
	if err != nil {
		return err
	}
	switch a.code {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return nil
	case http.StatusConflict, http.StatusLocked, http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusPreconditionFailed:
		return fmt.Errorf("state store %s: %w (%d)", r.where(), errNotOurs, a.code)
	}
	return r.strange("writing", a)
}

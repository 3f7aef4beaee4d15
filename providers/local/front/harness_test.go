package front

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

const domain = "shop.example"

// loopback is an address that nobody else uses, most likely.
func loopback() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
}

// start returns a front that listens on one address.
func start(t *testing.T, o Options) (*Front, Listening) {
	t.Helper()
	o.SpoolDir = t.TempDir()
	f := New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := f.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := f.Listen(loopback()); err != nil {
		t.Fatal(err)
	}
	return f, f.Listening()[0]
}

func (l Listening) peer() Peer { return Peer{HTTP: l.HTTP, SMTP: l.SMTP} }

// accountDir makes an account with a page and a mailbox.
func accountDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"home/www", "mail/" + domain + "/ann/new", "mail/" + domain + "/ann/cur", "mail/" + domain + "/ann/tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "home/www/index.html"), "hello")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// program serves a handler on a Unix socket, as an account's program would.
func program(t *testing.T, h http.Handler) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

func set(t *testing.T, f *Front, a Account, m Mode) {
	t.Helper()
	a.Domains = append(a.Domains, domain)
	if err := f.Set("shop", a, m); err != nil {
		t.Fatal(err)
	}
}

type reply struct {
	status int
	body   string
	header http.Header
	err    error
}

func do(l Listening, method, path string, body io.Reader, header ...string) reply {
	r, err := http.NewRequest(method, "http://"+l.HTTP+path, body)
	if err != nil {
		return reply{err: err}
	}
	r.Host = domain
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	c := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
	resp, err := c.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, string(text), resp.Header, err}
}

func get(l Listening, path string, header ...string) reply {
	return do(l, http.MethodGet, path, nil, header...)
}

func (r reply) want(t *testing.T, status int, body string) {
	t.Helper()
	if r.err != nil || r.status != status || body != "" && r.body != body {
		t.Errorf("got %d %q %v, want %d %q", r.status, r.body, r.err, status, body)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func now() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// mail sends a message and returns the code of the answer.
func mail(t *testing.T, l Listening, to, text string) int {
	t.Helper()
	c := dialMail(t, l)
	defer c.Close()
	return code(t, send(c, to, text))
}

func dialMail(t *testing.T, l Listening) *smtp.Client {
	t.Helper()
	c, err := smtp.Dial(l.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(c *smtp.Client, to, text string) error {
	if err := c.Mail("visitor@example.org", nil); err != nil {
		return err
	}
	if err := c.Rcpt(to, nil); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.Close()
}

func code(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 250
	}
	e, ok := err.(*smtp.SMTPError)
	if !ok {
		t.Fatalf("no answer: %v", err)
	}
	return e.Code
}

func inbox(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "mail", domain, "ann", "new"))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, "mail", domain, "ann", "new", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	return texts
}

// notHere skips a test that this machine cannot run, loudly; in CI that is a
// failure.
func notHere(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot be tested here, and CI has to: %s", why)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s", why)
}

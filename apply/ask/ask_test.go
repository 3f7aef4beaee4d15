package ask

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stopover/stopover/schema"
)

// authority makes certificates, and is the only one whose certificates a place
// of these tests believes.
type authority struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	roots *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, roots: x509.NewCertPool()}
	a.roots.AddCert(cert)
	return a
}

func (a *authority) issue(t *testing.T, until time.Time, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: names, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve answers each connection to an address of its own with f.
func serve(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c)
			}()
		}
	}()
	return l.Addr().String()
}

func site(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func placeOf(service, address string) Place {
	return Place{Server: "client", Account: "shop", Host: "127.0.0.1", Services: map[string]string{service: address}}
}

func put(t *testing.T, p schema.Probe, at Place) Answer {
	t.Helper()
	p.Name = "p"
	a, err := Probe(context.Background(), p, at)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return a
}

func TestSite(t *testing.T) {
	address := site(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			fmt.Fprintf(w, "<TITLE lang=en>\n A &amp; B\t%s </TITLE> Cart", r.Host)
		case "/moved":
			http.Redirect(w, r, "/?token=hunter2", http.StatusMovedPermanently)
		case "/broken":
			fmt.Fprint(w, "Fatal error")
		}
	})
	at := placeOf(schema.ServiceHTTP, address)
	ask := func(path, contains, absent string) Answer {
		return put(t, schema.Probe{HTTP: "http://shop.example.org" + path, Contains: contains, Absent: absent}, at)
	}
	if a := ask("/", "Cart", "Fatal"); a.Status != 200 || a.Title != "A & B shop.example.org" || !a.Contains || a.Found || a.Kind != "http" {
		t.Errorf("%+v", a)
	}
	if a := ask("/", "Basket", ""); a.Contains {
		t.Errorf("%+v", a)
	}
	if a := ask("/broken", "", "Fatal"); !a.Found {
		t.Errorf("%+v", a)
	}
	if a := ask("/moved", "", ""); a.Status != 301 || !slices.Equal(a.Redirects, []string{"301 http://shop.example.org/?…"}) {
		t.Errorf("a redirect is the answer, without its query: %+v", a)
	}
	_, port, _ := net.SplitHostPort(address)
	if a := put(t, schema.Probe{HTTP: "http://shop.example.org:" + port + "/"}, Place{Host: "127.0.0.1"}); a.Status != 200 {
		t.Errorf("a port of the URL: %+v", a)
	}
	if _, err := Probe(context.Background(), schema.Probe{Name: "p", HTTP: "http://shop.example.org/"}, Place{Server: "client"}); err == nil || !strings.Contains(err.Error(), "server client answers http") {
		t.Errorf("no address: %v", err)
	}
	for _, bad := range []string{"ftp://x/", "http://", "/", "http://%zz/"} {
		if _, err := Probe(context.Background(), schema.Probe{Name: "p", HTTP: bad}, at); err == nil {
			t.Errorf("%q was asked for", bad)
		}
	}
}

// Redirects are followed among the account's own names, and the server that is
// meant is asked each time, with the name that a visitor would use.
func TestFollow(t *testing.T) {
	ca := newAuthority(t)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.ServerName != strings.Split(r.Host, ":")[0] {
			t.Errorf("asked for %s with the name %s", r.Host, r.TLS.ServerName)
		}
		switch {
		case r.URL.Path == "/cookie":
			if _, err := r.Cookie("seen"); err != nil {
				http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
				http.Redirect(w, r, "/cookie", http.StatusFound)
				return
			}
			fmt.Fprint(w, "<title>Seen</title>")
		case r.URL.Path == "/away":
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
		case r.URL.Path == "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case r.Host == "www.shop.example":
			http.Redirect(w, r, "https://boutique.example/home", http.StatusMovedPermanently)
		default:
			fmt.Fprintf(w, "<title>%s</title>", r.Host)
		}
	}))
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "shop.example", "www.shop.example", "boutique.example")}}
	secure.StartTLS()
	defer secure.Close()
	plain := site(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://www."+r.Host+r.URL.Path, http.StatusMovedPermanently)
	})
	at := Place{Host: "127.0.0.1", Domains: []string{"shop.example", "boutique.example"}, Roots: ca.roots,
		Services: map[string]string{schema.ServiceHTTP: plain, schema.ServiceHTTPS: strings.TrimPrefix(secure.URL, "https://")}}
	a := put(t, schema.Probe{HTTP: "http://shop.example/", Follow: true, Verify: true}, at)
	if want := []string{"301 https://www.shop.example/", "301 https://boutique.example/home"}; a.Status != 200 || a.Title != "boutique.example" || !slices.Equal(a.Redirects, want) {
		t.Errorf("%+v", a)
	}
	if c := a.Certificate; c == nil || c.Issuer != "Test Authority" || c.Wrong != "" || len(c.Names) != 3 {
		t.Errorf("%+v", c)
	}
	if a := put(t, schema.Probe{HTTP: "https://shop.example/cookie", Follow: true}, at); a.Status != 200 || a.Title != "Seen" {
		t.Errorf("a cookie is kept on the way: %+v", a)
	}
	if a := put(t, schema.Probe{HTTP: "https://shop.example/away", Follow: true}, at); a.Status != 302 || a.Refused != "" || len(a.Redirects) != 1 {
		t.Errorf("somebody else is not asked: %+v", a)
	}
	if a := put(t, schema.Probe{HTTP: "https://shop.example/loop", Follow: true}, at); !strings.Contains(a.Refused, "more than 10 redirects") {
		t.Errorf("endless redirects: %+v", a)
	}
}

// A certificate is told, and matters only to a probe that says so.
func TestCertificate(t *testing.T) {
	ca := newAuthority(t)
	for name, c := range map[string]struct {
		until time.Time
		names []string
		roots *x509.CertPool
		wrong string
	}{
		"good":     {time.Now().Add(time.Hour), []string{"shop.example"}, ca.roots, ""},
		"expired":  {time.Now().Add(-time.Hour), []string{"shop.example"}, ca.roots, "expired"},
		"other":    {time.Now().Add(time.Hour), []string{"other.example"}, ca.roots, "other.example"},
		"stranger": {time.Now().Add(time.Hour), []string{"shop.example"}, x509.NewCertPool(), "unknown authority"},
	} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<title>Shop</title>") }))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, c.until, c.names...)}}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		at := placeOf(schema.ServiceHTTPS, strings.TrimPrefix(s.URL, "https://"))
		at.Roots = c.roots
		lax := put(t, schema.Probe{HTTP: "https://shop.example/"}, at)
		if lax.Title != "Shop" || lax.Certificate == nil || (lax.Certificate.Wrong == "") != (c.wrong == "") || !strings.Contains(lax.Certificate.Wrong, c.wrong) {
			t.Errorf("%s: %+v %+v", name, lax, lax.Certificate)
		}
		p := schema.Probe{Name: "p", HTTP: "https://shop.example/", Verify: true}
		strict := put(t, p, at)
		if r := Compare(p, nil, strict); r.OK != (c.wrong == "") || c.wrong != "" && !strings.Contains(r.Why, "its certificate is not valid") || strict.Title != lax.Title && c.wrong == "" {
			t.Errorf("%s: %+v", name, r)
		}
		s.Close()
	}
}

func TestSecrets(t *testing.T) {
	at := placeOf(schema.ServiceIMAP, "127.0.0.1:1")
	p := schema.Probe{Name: "p", IMAP: "a@b", Password: "env:STOPOVER_TEST_NOWHERE", Security: schema.SecurityPlain}
	if _, err := Probe(context.Background(), p, at); err == nil || !strings.Contains(err.Error(), "variable STOPOVER_TEST_NOWHERE of the environment, which is not set") {
		t.Errorf("%v", err)
	}
	p.Password = "hunter2"
	if _, err := Probe(context.Background(), p, at); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	at.Secret = func(string) (string, error) { return "", errors.New("no such secret") }
	if _, err := Probe(context.Background(), p, at); err == nil || !strings.Contains(err.Error(), "no such secret") {
		t.Errorf("%v", err)
	}
	q := &asking{secret: "hunter2"}
	inner := &net.AddrError{Err: "told hunter2", Addr: "x"}
	err := q.hide(fmt.Errorf("asked: %w", inner))
	var as *net.AddrError
	if strings.Contains(err.Error(), "hunter2") || !errors.As(err, &as) {
		t.Errorf("%v", err)
	}
}

// Sites that answer without end, not at all, with rubbish or to a terminal.
func TestHostileSites(t *testing.T) {
	endless := func(begin, more string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, begin)
			for {
				if _, err := io.WriteString(c, more); err != nil {
					return
				}
			}
		}
	}
	filler := strings.Repeat("x", 64<<10)
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
	for name, c := range map[string]struct {
		serve func(net.Conn)
		ok    bool
	}{
		"body":      {endless(head+"\r\n<title>Shop</title>", filler), true},
		"chunk":     {endless(head+"Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n<title>Shop</title>", filler), true},
		"headers":   {endless(head, "X-More: "+filler+"\r\n"), false},
		"header":    {endless(head+"X-More: ", filler), false},
		"continues": {endless("", "HTTP/1.1 100 Continue\r\n\r\n"), false},
		"rubbish":   {endless("", "\x00\xff\x1b[2J"), false},
		"line":      {endless("HTTP/1.1 200 "+strings.Repeat("\x1b[2J", 5000)+"\r\nX", "\r\n\r\n"), false},
		"early":     {endless(head+"Content-Length: 19\r\n\r\n<title>Shop</title>", filler), true},
		"silence":   {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, false},
		"title":     {endless(head+"Connection: close\r\n\r\n<title>\x1b[31mShop\xff</title>", filler), true},
	} {
		p := schema.Probe{Name: "p", HTTP: "http://shop.example/", Timeout: 2 * time.Second}
		a, err := Probe(context.Background(), p, placeOf(schema.ServiceHTTP, serve(t, c.serve)))
		if (err == nil) != c.ok || c.ok && !strings.Contains(a.Title, "Shop") || !utf8.ValidString(a.Title) {
			t.Errorf("%s: %+v %v", name, a, err)
		}
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Probe(ctx, schema.Probe{Name: "p", HTTP: "http://x/"}, placeOf(schema.ServiceHTTP, "127.0.0.1:1")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

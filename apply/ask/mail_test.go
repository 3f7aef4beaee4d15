package ask

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/stopover/stopover/schema"
)

// post is a mail server of the test's own: what it says to recipients.
type post struct {
	mu    sync.Mutex
	says  map[string]int // recipient → status; 0: accepted
	from  []string
	hello []string
	wrong []string
}

func (p *post) NewSession(c *smtp.Conn) (smtp.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hello = append(p.hello, c.Hostname())
	return &session{p}, nil
}

type session struct{ *post }

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = append(s.from, from)
	return nil
}
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	code, known := s.says[to]
	if !known {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	if code != 0 {
		return &smtp.SMTPError{Code: code, Message: "not now"}
	}
	return nil
}
func (s *session) Data(io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, "a probe sent a message")
	return nil
}

func postAt(t *testing.T, config *tls.Config, implicit bool, says map[string]int) (*post, string) {
	t.Helper()
	p := &post{says: says}
	s := smtp.NewServer(p)
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.Domain, s.TLSConfig = "mail.example", config
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if implicit {
		l = tls.NewListener(l, config)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, w := range p.wrong {
			t.Error(w)
		}
	})
	return p, address
}

func TestMail(t *testing.T) {
	p, address := postAt(t, nil, false, map[string]int{"info@shop.example": 0, "late@shop.example": 451})
	at := placeOf(schema.ServiceSMTP, address)
	for to, want := range map[string]struct {
		status int
		ok     bool
	}{
		"info@shop.example": {250, true},
		"late@shop.example": {451, false},
		"gone@shop.example": {550, false},
	} {
		probe := schema.Probe{SMTP: to}
		a := put(t, probe, at)
		r := Compare(probe, &schema.BaselineFact{Status: 250, Contains: true}, a)
		if a.Status != want.status || a.Contains != want.ok || r.OK != want.ok || len(a.Offers) > 0 || !strings.HasPrefix(a.Line, "220 mail.example") {
			t.Errorf("%s: %+v %+v", to, a, r)
		}
	}
	if p.from[0] != "" {
		t.Errorf("mail from %q", p.from[0])
	}
	if a, err := Probe(context.Background(), schema.Probe{Name: "p", SMTP: "x@y>\r\nDATA\r\nhello"}, at); err == nil {
		t.Errorf("a recipient that is a command: %+v", a)
	}
	if a := put(t, schema.Probe{SMTP: "info@shop.example", Security: schema.SecurityStartTLS}, at); a.Refused != "it does not offer STARTTLS" || a.Contains {
		t.Errorf("no STARTTLS: %+v", a)
	}
}

func TestMailOverTLS(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "mail.example")}}
	says := map[string]int{"info@shop.example": 0}
	p, starttls := postAt(t, config, false, says)
	_, implicit := postAt(t, config, true, says)
	at := Place{Host: "127.0.0.1", Roots: ca.roots, Services: map[string]string{schema.ServiceSMTP: starttls, schema.ServiceSMTPS: implicit}}
	if a := put(t, schema.Probe{SMTP: "info@shop.example"}, at); !a.Contains || a.Certificate != nil || len(a.Offers) != 1 {
		t.Errorf("STARTTLS is offered and not used: %+v", a)
	}
	for _, security := range []string{schema.SecurityStartTLS, schema.SecurityTLS} {
		a := put(t, schema.Probe{SMTP: "info@shop.example", Security: security, Host: "mail.example", Verify: true}, at)
		if !a.Contains || a.Certificate == nil || a.Certificate.Wrong != "" {
			t.Errorf("%s: %+v", security, a)
		}
		a = put(t, schema.Probe{SMTP: "info@shop.example", Security: security, Verify: true}, at) // the domain is shop.example
		if a.Contains || !strings.Contains(a.Refused, "certificate is not valid") {
			t.Errorf("%s with another name: %+v", security, a)
		}
	}
	at.Roots = x509.NewCertPool()
	if a := put(t, schema.Probe{SMTP: "info@shop.example", Security: schema.SecurityTLS}, at); !a.Contains || a.Certificate.Wrong == "" {
		t.Errorf("a certificate that is only told: %+v", a)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.hello) == 0 {
		t.Error("nobody said hello")
	}
}

func TestSilentMail(t *testing.T) {
	at := placeOf(schema.ServiceSMTP, serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }))
	p := schema.Probe{Name: "mail", SMTP: "a@b", Timeout: 50 * time.Millisecond}
	if _, err := Probe(context.Background(), p, at); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that says nothing: %v", err)
	}
}

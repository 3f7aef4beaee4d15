package ask

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/stopover/stopover/schema"
)

const mailPassword = "hunter2 \"\\ é"

func mailboxServer(t *testing.T, config *tls.Config, implicit bool) (*imapmemserver.User, string) {
	t.Helper()
	u := imapmemserver.NewUser("info@shop.example", mailPassword)
	for name, messages := range map[string]int{"INBOX": 3, "Sent": 1, "Envoyés": 0, "a \"quoted\" one": 2} {
		if err := u.Create(name, nil); err != nil {
			t.Fatal(err)
		}
		for range messages {
			deliver(t, u, name)
		}
	}
	m := imapmemserver.New()
	m.AddUser(u)
	s := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return m.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}}, TLSConfig: config, InsecureAuth: config == nil || implicit, Logger: log.New(io.Discard, "", 0),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if implicit {
		l = tls.NewListener(l, config)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return u, address
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

func deliver(t *testing.T, u *imapmemserver.User, box string) {
	t.Helper()
	if _, err := u.Append(box, literal{bytes.NewReader([]byte("Subject: x\r\n\r\nbody\r\n"))}, &imap.AppendOptions{}); err != nil {
		t.Fatal(err)
	}
}

func secretOf(value string) func(string) (string, error) {
	return func(string) (string, error) { return value, nil }
}

func TestMailboxes(t *testing.T) {
	u, address := mailboxServer(t, nil, false)
	at := placeOf(schema.ServiceIMAP, address)
	at.Secret = secretOf(mailPassword)
	p := schema.Probe{IMAP: "info@shop.example", Password: "env:P", Security: schema.SecurityPlain}
	before := put(t, p, at)
	var got []string
	for _, m := range before.Mailboxes {
		got = append(got, fmt.Sprint(m.Name, " ", m.Messages))
		if m.UIDValidity == 0 {
			t.Errorf("%s has no UIDVALIDITY", m.Name)
		}
	}
	if want := []string{"Envoyés 0", "INBOX 3", "Sent 1", `a "quoted" one 2`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	base := Baseline("p", before)
	deliver(t, u, "INBOX")
	if r := Compare(p, &base, put(t, p, at)); !r.OK {
		t.Errorf("mail arrived: %s", r.Why)
	}
	if err := u.Delete("Sent"); err != nil {
		t.Fatal(err)
	}
	if err := u.Create("Sent", nil); err != nil {
		t.Fatal(err)
	}
	if r := Compare(p, &base, put(t, p, at)); r.OK || !strings.Contains(r.Why, "Sent had 1 message and has 0, UIDVALIDITY of Sent was") {
		t.Errorf("another mailbox of the same name: %q", r.Why)
	}
	p.Mailboxes = []string{"Sent", "INBOX", "nowhere"}
	if a := put(t, p, at); len(a.Mailboxes) != 2 || Fit(p, a) != "there is no mailbox nowhere" {
		t.Errorf("%+v: %s", a, Fit(p, a))
	}
	at.Secret = secretOf("hunter3")
	a := put(t, p, at)
	if !strings.HasPrefix(a.Refused, "login: ") || strings.Contains(a.Refused, "hunter") || len(a.Mailboxes) > 0 {
		t.Errorf("a wrong password: %+v", a)
	}
}

func TestMailboxesOverTLS(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "shop.example")}}
	_, starttls := mailboxServer(t, config, false)
	_, implicit := mailboxServer(t, config, true)
	at := Place{Host: "127.0.0.1", Roots: ca.roots, Secret: secretOf(mailPassword),
		Services: map[string]string{schema.ServiceIMAP: starttls, schema.ServiceIMAPS: implicit}}
	for _, security := range []string{schema.SecurityStartTLS, schema.SecurityTLS, ""} {
		p := schema.Probe{IMAP: "info@shop.example", Password: "env:P", Security: security, Verify: true}
		if a := put(t, p, at); len(a.Mailboxes) != 4 || a.Certificate == nil || a.Certificate.Wrong != "" {
			t.Errorf("%q: %+v", security, a)
		}
		p.Host = "mail.example"
		if a := put(t, p, at); !strings.Contains(a.Refused, "certificate is not valid") || len(a.Mailboxes) > 0 {
			t.Errorf("%q with another name: %+v", security, a)
		}
	}
}

// A server whose certificate is not believed never hears the password, and one
// that takes it back out of TLS neither.
func TestPasswordIsKept(t *testing.T) {
	stranger, ca := newAuthority(t), newAuthority(t)
	heard := make(chan string, 8)
	config := &tls.Config{Certificates: []tls.Certificate{stranger.issue(t, time.Now().Add(time.Hour), "shop.example")}}
	listen := func(c net.Conn) {
		b, _ := io.ReadAll(c)
		heard <- string(b)
	}
	implicit := serve(t, func(c net.Conn) { listen(tls.Server(c, config)) })
	without := serve(t, func(c net.Conn) {
		fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
		r := bufio.NewReader(c)
		line, _ := r.ReadString('\n')
		tag, _, _ := strings.Cut(line, " ")
		fmt.Fprintf(c, "%s NO no TLS here\r\n", tag)
		b, _ := io.ReadAll(r)
		heard <- line + string(b)
	})
	at := Place{Host: "127.0.0.1", Roots: ca.roots, Secret: secretOf(mailPassword),
		Services: map[string]string{schema.ServiceIMAP: without, schema.ServiceIMAPS: implicit}}
	p := schema.Probe{IMAP: "info@shop.example", Password: "env:P", Security: schema.SecurityTLS, Verify: true}
	if a := put(t, p, at); !strings.Contains(a.Refused, "certificate") {
		t.Errorf("%+v", a)
	}
	p.Security = schema.SecurityStartTLS
	if a := put(t, p, at); !strings.Contains(a.Refused, "STARTTLS") {
		t.Errorf("%+v", a)
	}
	for range 2 {
		if s := <-heard; strings.Contains(s, "hunter2") {
			t.Errorf("it heard %q", s)
		}
	}
}

// imapLiar answers the first commands well and then with what a test says.
func imapLiar(t *testing.T, lie func(w io.Writer, tag, command string) bool) string {
	return serve(t, func(c net.Conn) {
		fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
			if lie(c, tag, command) {
				continue
			}
			if strings.HasPrefix(command, "CAPABILITY") {
				fmt.Fprint(c, "* CAPABILITY IMAP4rev1\r\n")
			}
			fmt.Fprintf(c, "%s OK done\r\n", tag)
		}
	})
}

func TestHostileMailboxes(t *testing.T) {
	filler := strings.Repeat("x", 64<<10)
	endless := func(w io.Writer, what string) bool {
		for {
			if _, err := io.WriteString(w, what); err != nil {
				return true
			}
		}
	}
	for name, lie := range map[string]func(w io.Writer, tag, command string) bool{
		"literal of 4 GB": func(w io.Writer, _, command string) bool {
			if !strings.HasPrefix(command, "LIST") {
				return false
			}
			fmt.Fprint(w, "* LIST () \"/\" {4294967296}\r\n")
			return endless(w, filler)
		},
		"endless line": func(w io.Writer, _, command string) bool { return endless(w, filler) },
		"endless list": func(w io.Writer, _, command string) bool {
			return strings.HasPrefix(command, "LIST") && endless(w, strings.Repeat("* LIST () \"/\" box\r\n", 1000))
		},
		"deep nesting": func(w io.Writer, _, command string) bool {
			return strings.HasPrefix(command, "LIST") && endless(w, "* LIST "+strings.Repeat("(", 60<<10))
		},
		"garbage": func(w io.Writer, _, _ string) bool { return endless(w, "\x00\xff\x1b[2J\r\n") },
		"the password back": func(w io.Writer, tag, command string) bool {
			fmt.Fprintf(w, "%s BAD %s\r\n", tag, command)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			at := placeOf(schema.ServiceIMAP, imapLiar(t, lie))
			at.Secret = secretOf("hunter2")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a, err := Probe(context.Background(), schema.Probe{Name: "p", IMAP: "a@b", Password: "env:P", Security: schema.SecurityPlain, Timeout: 20 * time.Second}, at)
			runtime.ReadMemStats(&after)
			if err == nil && a.Refused == "" {
				t.Errorf("%+v", a)
			}
			if s := fmt.Sprint(err, a); strings.Contains(s, "hunter2") || len(s) > 2000 {
				t.Errorf("%.3000s", s)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 512<<20 {
				t.Errorf("it took %d MiB", used>>20)
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("only the time limit stopped it: %v", err)
			}
		})
	}
}

// A server that leaves in the middle is noticed, whatever the library does.
func TestMailboxesEnd(t *testing.T) {
	for _, last := range []string{"CAPABILITY", "LOGIN", "LIST", "STATUS", "LOGOUT"} {
		address := serve(t, func(c net.Conn) {
			fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
			r := bufio.NewReader(c)
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
				fmt.Fprintf(c, "* CAPABILITY IMAP4rev1\r\n* LIST () \"/\" INBOX\r\n%s OK done\r\n", tag)
				if strings.HasPrefix(command, last) {
					return
				}
			}
		})
		at := placeOf(schema.ServiceIMAP, address)
		at.Secret = secretOf("hunter2")
		p := schema.Probe{Name: "p", IMAP: "a@b", Password: "env:P", Security: schema.SecurityPlain, Timeout: time.Minute}
		if a, err := Probe(context.Background(), p, at); last == "LOGIN" && err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it left after %s: %+v %v", last, a, err)
		}
	}
}

// A server that knows a mailbox under many names, and one more than is kept.
func TestManyMailboxes(t *testing.T) {
	address := imapLiar(t, func(w io.Writer, tag, command string) bool {
		switch {
		case strings.HasPrefix(command, "LIST"):
			var b strings.Builder
			for i := range mostMailboxes + 100 {
				fmt.Fprintf(&b, "* LIST () \"/\" box%04d\r\n", i)
			}
			fmt.Fprintf(&b, "* LIST (\\Noselect) \"/\" aaa\r\n%s OK done\r\n", tag)
			_, _ = io.WriteString(w, b.String())
		case strings.HasPrefix(command, "STATUS"):
			name := strings.Fields(command)[1]
			if name == "box0001" || name == `"box0001"` {
				fmt.Fprintf(w, "%s NO somebody else's\r\n", tag)
				break
			}
			fmt.Fprintf(w, "* STATUS %s (MESSAGES 7 UIDVALIDITY 9)\r\n%s OK done\r\n", name, tag)
		default:
			return false
		}
		return true
	})
	at := placeOf(schema.ServiceIMAP, address)
	at.Secret = secretOf("hunter2")
	a := put(t, schema.Probe{IMAP: "a@b", Password: "env:P", Security: schema.SecurityPlain}, at)
	if len(a.Mailboxes) != mostMailboxes-1 || !a.Cut || a.Mailboxes[0].Name != "box0000" || a.Mailboxes[1].Name != "box0002" || a.Mailboxes[0].Messages != 7 {
		t.Errorf("%d %v %+v", len(a.Mailboxes), a.Cut, a.Mailboxes[:2])
	}
}

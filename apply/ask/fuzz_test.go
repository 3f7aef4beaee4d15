package ask

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// canned is a connection whose other side has said everything already.
type canned struct{ *bytes.Reader }

func (canned) Write(b []byte) (int, error)      { return len(b), nil }
func (canned) Close() error                     { return nil }
func (canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (canned) SetDeadline(time.Time) error      { return nil }
func (canned) SetReadDeadline(time.Time) error  { return nil }
func (canned) SetWriteDeadline(time.Time) error { return nil }

// FuzzAnswers: whatever a server says, a probe of a mailbox, a database or a
// port ends without a panic and tells no secret.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		"* OK [CAPABILITY IMAP4rev1] ready\r\nT1 OK done\r\n* LIST (\\Noselect) \"/\" INBOX\r\n* LIST () \"/\" {3}\r\nabc\r\nT2 OK done\r\n* STATUS INBOX (MESSAGES 1 UIDVALIDITY 2)\r\nT3 OK done\r\n",
		"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n* LIST () NIL \"a\"\r\nT1 OK\r\n* STATUS \"a\" (MESSAGES 99999999999)\r\nT2 OK\r\n",
		"* OK x\r\n* CAPABILITY IMAP4rev1 LIST-STATUS\r\nT1 OK\r\nT2 NO [AUTHENTICATIONFAILED] hunter2-of-it\r\n",
		"* BYE hunter2-of-it\r\n", "R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I",
		"R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05IC\x00\x00\x00\x0aBEGIN\x00Z\x00\x00\x00\x05TT\x00\x00\x00\x06\x00\x00D\x00\x00\x00\x0a\x00\x01\xff\xff\xff\xff",
		"\x4a\x00\x00\x00\x0a8.0.11\x00\x01\x00\x00\x00abcdefgh\x00\xff\xf7\xff\x02\x00\xff\x81\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00ijklmnopqrst\x00mysql_native_password\x00\x07\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00",
		"\x10\x00\x00\x00\xff\x15\x04#28000hunter2",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		dial := func(context.Context, string, string) (net.Conn, error) { return canned{bytes.NewReader(said)}, nil }
		at := Place{Server: "s", Host: "127.0.0.1", Dial: dial, Secret: secretOf("hunter2-of-it")}
		for _, p := range []schema.Probe{
			{SQL: "mariadb://a@localhost/b", Query: "select 1", Password: "env:P"},
			{SQL: "postgresql://a@localhost/b", Query: "select 1", Password: "env:P"},
			{TCP: "localhost:1", Contains: "x", Password: "env:P"},
		} {
			p.Name, p.Timeout = "p", time.Second
			told(t, p, at)
		}
		q := &asking{Probe: schema.Probe{Name: "p", IMAP: "a", Security: schema.SecurityPlain}, Place: at, secret: "hunter2-of-it", hurry: time.Millisecond}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := q.countOver(ctx, bound(ctx, canned{bytes.NewReader(said)})); err == nil {
			q.tidy()
		}
		v := &visit{asking: &asking{Probe: schema.Probe{HTTP: "http://x/"}, Place: at}}
		if u, err := siteURL("http://x/"); err == nil { // Go's own reader needs no guard
			if res, err := v.get(ctx, canned{bytes.NewReader(said)}, u); err == nil {
				_, _ = io.ReadAll(io.LimitReader(res.Body, mostBody))
			}
		}
	})
}

func told(t *testing.T, p schema.Probe, at Place) {
	t.Helper()
	a, err := Probe(context.Background(), p, at)
	if s := fmt.Sprint(a, err); bytes.Contains([]byte(s), []byte("hunter2-of-it")) {
		t.Errorf("the secret is told: %s", s)
	}
}

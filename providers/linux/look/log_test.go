//go:build linux

package look

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/schema"
)

func loginLines() []string {
	return []string{
		`Nov 22 10:00:01 client dovecot: imap-login: Login: user=<ann@mailco.example>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, mpid=77, session=<x>`,
		`2026-11-22T10:00:02.5+01:00 client dovecot: imap-login: Login: user=<ann@mailco.example>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, mpid=78, TLS, session=<x>`,
		`Nov 22 10:00:03 pop3-login: Info: Login: user=<shop>, method=PLAIN, rip=2001:db8::7, lip=::1, mpid=1, secured, session=<y>`,
		`Nov 22 10:00:04 client dovecot: imap-login: Login: user=<shop>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, mpid=2`,
		`Nov 22 10:00:05 client postfix/smtpd[99]: Anonymous TLS connection established from h.example[192.0.2.8]: TLSv1 with cipher X (128/128 bits)`,
		`Nov 22 10:00:06 client postfix/smtpd[99]: 4A1: client=h.example[192.0.2.8], sasl_method=LOGIN, sasl_username=shop`,
		`Nov 22 10:00:07 client postfix/smtpd[100]: 4A2: client=unknown[192.0.2.9], sasl_method=PLAIN, sasl_username=shop`,
		`2026-11-22 10:00:08 1abc-000 <= a@b.example H=(x) [192.0.2.10] P=esmtpa A=plain_server:shop S=1 id=x`,
		`2026-11-22 10:00:09 1abc-001 <= a@b.example H=(x) [192.0.2.10] P=esmtpsa X=TLS1.3:AES:256 CV=no A=plain_server:shop S=1`,
		`Sun Nov 22 10:00:10 2026 [pid 3] [shop] OK LOGIN: Client "192.0.2.11"`,
		`2026-11-22 10:00:11,123 client proftpd[5] client (h[192.0.2.12]): USER shop: Login successful.`,
		`Nov 22 10:00:12 client dovecot: imap-login: Disconnected (auth failed, 1 attempts): user=<shop>, method=PLAIN, rip=192.0.2.99`,
		`Nov 22 10:00:13 client dovecot: imap-login: Login: user=<stranger@other.example>, method=PLAIN, rip=192.0.2.50, lip=x`,
	}
}

func TestClients(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(strings.ReplaceAll(loginLines()[0], "Nov 22", "Nov 15") + "\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r := made(t, map[string]string{
		"var/log/mail.log":   strings.Join(loginLines(), "\n") + "\n",
		"var/log/mail.log.1": strings.ReplaceAll(loginLines()[0], "Nov 22", "Nov 20") + "\nx\n", "var/log/mail.log.2.gz": packed.String(),
		"etc/dovecot/users": "ann@mailco.example:{PLAIN}hush:2002:2002::/var/vmail/mailco.example/ann::\n",
	})
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, n := range []string{"mail.log", "mail.log.1", "mail.log.2.gz"} {
		if err := os.Chtimes(filepath.Join(string(r), "var/log", n), now, now); err != nil {
			t.Fatal(err)
		}
	}
	w := worldOf(t, r, "shop", "mailco")
	if err := w.sites(context.Background()); err != nil {
		t.Fatal(err)
	}
	at := func(s int) time.Time { return time.Date(2026, 11, 22, 10, 0, s, 0, time.Local).UTC() }
	want := []schema.Client{
		{Service: "ftp", User: "shop", Address: "192.0.2.11", Plain: true, Times: 1},
		{Service: "ftp", User: "shop", Address: "192.0.2.12", Plain: true, Times: 1, Last: at(11)},
		{Service: "imap", User: "shop", Address: "127.0.0.1", Times: 1, Last: at(4)},
		{Service: "pop3", User: "shop", Address: "2001:db8::7", Times: 1, Last: at(3)},
		{Service: "smtp", User: "shop", Address: "192.0.2.10", Plain: true, Times: 1, Last: at(8)},
		{Service: "smtp", User: "shop", Address: "192.0.2.10", Version: "TLS1.3", Times: 1, Last: at(9)},
		{Service: "smtp", User: "shop", Address: "192.0.2.8", Version: "TLSv1", Times: 1, Last: at(6)},
		{Service: "smtp", User: "shop", Address: "192.0.2.9", Plain: true, Times: 1, Last: at(7)},
	}
	if d := cmp.Diff(want, w.accounts[0].Clients); d != "" {
		t.Error(d)
	}
	want = []schema.Client{
		{Service: "imap", User: "ann@mailco.example", Address: "192.0.2.7", Plain: true, Times: 3, Last: at(1)},
		{Service: "imap", User: "ann@mailco.example", Address: "192.0.2.7", Times: 1, Last: time.Date(2026, 11, 22, 9, 0, 2, 500_000_000, time.UTC)},
	}
	if d := cmp.Diff(want, w.accounts[1].Clients); d != "" {
		t.Error(d)
	}
}

// TestLongLog: of a log only the end is read.
func TestLongLog(t *testing.T) {
	line := loginLines()[0] + "\n"
	text := strings.Repeat(line, 3*maxLogTail/2/len(line))
	n := 0
	readLog(strings.NewReader(text), int64(len(text)), false, time.Now(), func(seen) { n++ })
	if most := maxLogTail/len(line) + 1; n > most || n < most-2 {
		t.Errorf("%d lines, at most %d", n, most)
	}
}

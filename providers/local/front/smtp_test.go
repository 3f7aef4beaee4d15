package front

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

func TestDeliver(t *testing.T) {
	f, l := start(t, Options{Hostname: "client.example"})
	dir := accountDir(t)
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	if got := mail(t, l, "ann@"+domain, "Subject: hi\r\n\r\n..dots\r\n.\r\nend\r\n"); got != 250 {
		t.Fatalf("answer %d", got)
	}
	if got := mail(t, l, "Ann@"+strings.ToUpper(domain), "second"); got != 250 {
		t.Fatalf("answer %d", got)
	}
	texts := inbox(t, dir)
	if len(texts) != 2 {
		t.Fatalf("%d messages", len(texts))
	}
	all := strings.Join(texts, "")
	for _, want := range []string{"Return-Path: <visitor@example.org>\r\n", "by client.example with SMTP; ", "Subject: hi\r\n\r\n..dots\r\n.\r\nend\r\n"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %q", want, all)
		}
	}
	tmp, err := os.ReadDir(filepath.Join(dir, "mail", domain, "ann", "tmp"))
	if err != nil || len(tmp) != 0 {
		t.Errorf("left in tmp: %v %v", tmp, err)
	}
	if c := f.Counters("shop"); c.Delivered != 2 || c.Deferred != 0 {
		t.Errorf("%+v", c)
	}
}

func TestLargeMessage(t *testing.T) {
	f, l := start(t, Options{MaxMessageBytes: 4 << 20})
	dir := accountDir(t)
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	line := strings.Repeat("x", 76) + "\r\n"
	text := strings.Repeat(line, (3<<20)/len(line)) // goes through the spool
	if got := mail(t, l, "ann@"+domain, text); got != 250 {
		t.Fatalf("answer %d", got)
	}
	if texts := inbox(t, dir); len(texts) != 1 || !strings.HasSuffix(texts[0], text) {
		t.Errorf("%d messages, or the text differs", len(texts))
	}
	if got := mail(t, l, "ann@"+domain, text+text); got != 552 {
		t.Errorf("too large: %d", got)
	}
	spool, err := os.ReadDir(f.options.SpoolDir)
	if err != nil || len(spool) != 0 || len(inbox(t, dir)) != 1 {
		t.Errorf("spool %v %v", spool, err)
	}
}

func TestRecipients(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	outside := filepath.Join(filepath.Dir(dir), "outside")
	if err := os.MkdirAll(filepath.Join(outside, "new"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "mail", domain, "link")); err != nil {
		t.Fatal(err)
	}
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	for to, want := range map[string]int{
		"<ann@" + domain + ">":                              250,
		"<ann@" + domain + ".>":                             250,
		`<"ann"@` + domain + ">":                            250,
		"<bob@" + domain + ">":                              550,
		"<ann@other.example>":                               550,
		"<ann>":                                             501,
		"<..@" + domain + ">":                               550,
		"<../ann@" + domain + ">":                           550,
		`<"../shop.example/ann"@` + domain + ">":            550,
		`<"ann/"@` + domain + ">":                           550,
		`<"ann/new/.."@` + domain + ">":                     550,
		"<ann@..>":                                          550,
		"<ann@../" + domain + ">":                           550,
		"<ann@" + domain + "/ann>":                          550,
		"<.ann@" + domain + ">":                             550,
		"<\x01@" + domain + ">":                             550,
		"<" + strings.Repeat("a", 300) + "@" + domain + ">": 550,
		"<link@" + domain + ">":                             451, // leads outside: something is wrong, nothing is lost
	} {
		c, err := net.Dial("tcp", l.SMTP)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		say := func(line string) int {
			if line != "" {
				fmt.Fprintf(c, "%s\r\n", line)
			}
			var code int
			text, _ := r.ReadString('\n')
			fmt.Sscan(text, &code)
			return code
		}
		say("")
		say("HELO test")
		say("MAIL FROM:<a@b>")
		if got := say("RCPT TO:" + to); got != want {
			t.Errorf("%q: %d, want %d", to, got, want)
		}
		if got := say("DATA"); (got == 354) != (want == 250) {
			t.Errorf("%q: DATA answered %d", to, got)
		}
		c.Close()
	}
	if left, _ := os.ReadDir(filepath.Join(outside, "new")); len(left) != 0 {
		t.Error("delivered outside")
	}
}

func TestOneRecipientPerMessage(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	c := dialMail(t, l)
	if err := errors.Join(c.Mail("a@b", nil), c.Rcpt("ann@"+domain, nil)); err != nil {
		t.Fatal(err)
	}
	if got := code(t, c.Rcpt("ann@"+domain, nil)); got != 452 {
		t.Errorf("second recipient: %d", got)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "x")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(inbox(t, dir)); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestIncompleteMessageIsNotKept(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	for _, text := range []string{"DATA\r\nSubject: x\r\n\r\nhalf", "BDAT 100\r\nhalf", "BDAT 4\r\nhalf", "BDAT 4\r\nhalfRSET\r\n"} {
		c, err := net.Dial("tcp", l.SMTP)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "EHLO test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@%s>\r\n%s", domain, text)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
	}
	if n := len(inbox(t, dir)); n != 0 {
		t.Errorf("%d messages", n)
	}
	if got := mail(t, l, "ann@"+domain, "whole"); got != 250 {
		t.Errorf("answer %d", got)
	}
}

func TestBdat(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	c, err := net.Dial("tcp", l.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "EHLO test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@%s>\r\nBDAT 5\r\nfirstBDAT 7 LAST\r\n second", domain)
	fmt.Fprint(c, "QUIT\r\n")
	answers, err := io.ReadAll(c)
	if err != nil || !strings.Contains(string(answers), "stored as") {
		t.Fatalf("%q %v", answers, err)
	}
	if texts := inbox(t, dir); len(texts) != 1 || !strings.HasSuffix(texts[0], "first second") {
		t.Errorf("%q", texts)
	}
}

// The mode is looked at when the message is complete, whatever it was before.
func TestHoldRefusesMessageThatIsBeingSent(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	c := dialMail(t, l)
	if err := errors.Join(c.Mail("a@b", nil), c.Rcpt("ann@"+domain, nil)); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "half")
	if err := f.Hold(t.Context(), "shop"); err != nil { // does not wait for a slow sender
		t.Fatal(err)
	}
	io.WriteString(w, " and half")
	if got := code(t, w.Close()); got != 451 {
		t.Errorf("DATA: %d", got)
	}
	if got := code(t, send(c, "ann@"+domain, "x")); got != 451 {
		t.Errorf("RCPT: %d", got)
	}
	if n := len(inbox(t, dir)); n != 0 {
		t.Errorf("%d delivered", n)
	}
	for mode, want := range map[Kind]int{Closed: 451, Absent: 550, Serve: 250} {
		if err := f.Release("shop", Mode{Kind: mode}); err != nil {
			t.Fatal(err)
		}
		if got := mail(t, l, "ann@"+domain, "x"); got != want {
			t.Errorf("%s: %d, want %d", mode, got, want)
		}
	}
	if c := f.Counters("shop"); c.Deferred != 3 || c.Delivered != 1 {
		t.Errorf("%+v", c)
	}
}

func TestRelay(t *testing.T) {
	from, to, l, peer, dir := pair(t, nil)
	odd := filepath.Join(dir, "mail", domain, `o "d\d`)
	for _, d := range []string{"new", "tmp", "cur"} {
		if err := os.MkdirAll(filepath.Join(odd, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := mail(t, l, "ann@"+domain, "text\r\n.dot\r\n"); got != 250 {
		t.Fatalf("answer %d", got)
	}
	if got := mail(t, l, "bob@"+domain, "x"); got != 550 {
		t.Errorf("no such mailbox: %d", got) // the peer's answer
	}
	if got := mail(t, l, `"o \"d\\d"@`+domain, "x"); got != 250 {
		t.Errorf("odd mailbox: %d", got)
	}
	if texts := inbox(t, dir); len(texts) != 1 || !strings.HasSuffix(texts[0], "text\r\n.dot\r\n") {
		t.Errorf("%q", texts)
	}
	// Redirected to elsewhere between RCPT and DATA.
	c := dialMail(t, l)
	if err := errors.Join(c.Mail("a@b", nil), c.Rcpt("ann@"+domain, nil)); err != nil {
		t.Fatal(err)
	}
	if err := from.Release("shop", Mode{Kind: Redirect, Epoch: 6, Peer: peer.peer()}); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "later")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := to.Release("shop", Mode{Kind: Serve, Epoch: 5}); err != nil { // older than the peer knows
		t.Fatal(err)
	}
	if got := mail(t, l, "ann@"+domain, "x"); got != 451 {
		t.Errorf("stale: %d", got)
	}
	if a, b := from.Counters("shop"), to.Counters("shop"); a.Relayed != 3 || a.Delivered != 0 || b.Delivered != 3 {
		t.Errorf("from %+v to %+v", a, b)
	}
}

// A peer that accepts messages and breaks off without an answer.
func TestRelayIsNotRepeated(t *testing.T) {
	pl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pl.Close()
	var got atomic.Int64
	go func() {
		for {
			c, err := pl.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, "220 hi\r\n")
				in := bufio.NewScanner(c)
				for in.Scan() {
					switch line := in.Text(); {
					case line == "DATA":
						fmt.Fprint(c, "354 go\r\n")
					case line == ".":
						got.Add(1)
						return
					case !strings.HasPrefix(line, "text"):
						fmt.Fprint(c, "250 ok\r\n")
					}
				}
			}()
		}
	}()
	f, l := start(t, Options{})
	set(t, f, Account{Dir: accountDir(t)}, Mode{Kind: Redirect, Peer: Peer{SMTP: pl.Addr().String()}})
	// The sender gets no answer either: nobody knows whether the peer has it.
	var answered *smtp.SMTPError
	if err := send(dialMail(t, l), "ann@"+domain, "text"); err == nil || errors.As(err, &answered) {
		t.Errorf("answered: %v", err)
	}
	if got.Load() != 1 {
		t.Errorf("sent %d times", got.Load())
	}
}

// Every acknowledged message is there once, every other one at most once, and
// none appears while the account is held.
func TestMaildirExactlyOnce(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	var acknowledged sync.Map
	var sent atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			client, err := smtp.Dial(l.SMTP)
			if err != nil {
				t.Error(err)
				return
			}
			defer client.Close()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("message %d-%d;", c, i)
				sent.Add(1)
				err := send(client, "ann@"+domain, id)
				if err == nil {
					acknowledged.Store(id, true)
				} else if client.Reset() != nil {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	for range 15 {
		if err := f.Hold(soon(t), "shop"); err != nil {
			t.Fatal(err)
		}
		before := len(inbox(t, dir))
		time.Sleep(5 * time.Millisecond)
		if after := len(inbox(t, dir)); after != before {
			t.Errorf("%d delivered while held", after-before)
		}
		if err := f.Release("shop", Mode{Kind: Serve}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	close(stop)
	clients.Wait()
	all := strings.Join(inbox(t, dir), "")
	n := 0
	acknowledged.Range(func(id, _ any) bool {
		n++
		if got := strings.Count(all, id.(string)); got != 1 {
			t.Errorf("%s is there %d times", id, got)
		}
		return true
	})
	if got := len(inbox(t, dir)); got != n || n == 0 {
		t.Errorf("%d messages, %d acknowledged, %d sent", got, n, sent.Load())
	}
}

func TestDeliverOnFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		notHere(t, "needs root to mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		notHere(t, err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	for _, d := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, "mail", domain, "ann", d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f, l := start(t, Options{})
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	if got := mail(t, l, "ann@"+domain, strings.Repeat("a line of text\r\n", 8<<10)); got != 451 {
		t.Errorf("answer %d", got)
	}
	if got := mail(t, l, "ann@"+domain, "small"); got != 250 {
		t.Errorf("small: %d", got)
	}
	if n := len(inbox(t, dir)); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestMailboxQuota: what does not fit is put off, not lost, and not stored.
func TestMailboxQuota(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	set(t, f, Account{Dir: dir, Quotas: map[string]int64{"ann@" + domain: 2000}}, Mode{Kind: Serve})
	write(t, filepath.Join(dir, "mail", domain, "ann/.Sent/cur/1"), strings.Repeat("x", 600))
	if got := mail(t, l, "ann@"+domain, strings.Repeat("y", 800)); got != 250 {
		t.Fatalf("with room: %d", got)
	}
	if got := mail(t, l, "ann@"+domain, strings.Repeat("y", 800)); got != 452 {
		t.Errorf("without room: %d", got)
	}
	if got := mail(t, l, "Ann@"+domain, strings.Repeat("y", 800)); got != 452 {
		t.Errorf("without room, in capitals: %d", got)
	}
	if n := len(inbox(t, dir)); n != 1 {
		t.Errorf("%d messages", n)
	}
	if err := os.Remove(filepath.Join(dir, "mail", domain, "ann/.Sent/cur/1")); err != nil {
		t.Fatal(err)
	}
	if got := mail(t, l, "ann@"+domain, strings.Repeat("y", 100)); got != 250 {
		t.Errorf("after room was made: %d", got)
	}
	if c := f.Counters("shop"); c.Delivered != 2 || c.Deferred != 2 {
		t.Errorf("%+v", c)
	}
}

// Package ledger is test load that knows nothing of Stopover: visitors that
// make accounts' sites write rows and files, and mail deliveries. It writes
// down what was acknowledged, and after any journey it says what of that was
// lost or is there twice. A request without an answer may have happened once
// or not at all.
package ledger

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Account is what the load knows of an account: how its users reach it.
type Account struct {
	Name    string
	Domain  string
	Mailbox string // user part; empty: no mail is sent
	Acks    string // file in which the account's own worker notes what it did; may be empty
}

// Options of a load.
type Options struct {
	HTTP     string // host:port through which users reach all accounts
	SMTP     string // the same for mail
	Accounts []Account
	Pause    time.Duration // between two requests of one visitor; default 20 ms
	Timeout  time.Duration // how long a visitor waits for an answer; default 40 s
	Run      string        // prefix of ids, so that two loads never meet
}

// Outcome of one write.
type outcome uint8

const (
	acknowledged outcome = iota + 1
	refused              // the server said that nothing was done
	unknown              // no answer: it may have happened once, or not at all
)

// Stats counts what visitors saw.
type Stats struct {
	Asked, Failed int64         // reads and writes; failed: no answer or a 5xx
	Writes        int64         // acknowledged
	Mails         int64         // acknowledged
	Deferred      int64         // mails that were answered with 4xx, as mail servers do
	Slowest       time.Duration // longest answer
}

// Load runs visitors.
type Load struct {
	o    Options
	http *http.Client

	asked, failed, writes, mails, deferred, slowest atomic.Int64

	mu   sync.Mutex
	rows map[string]map[string]outcome // account → id
	mail map[string]map[string]outcome
}

// New makes a load that is not running yet.
func New(o Options) *Load {
	if o.Pause == 0 {
		o.Pause = 20 * time.Millisecond
	}
	if o.Timeout == 0 {
		o.Timeout = 40 * time.Second
	}
	l := &Load{o: o, rows: map[string]map[string]outcome{}, mail: map[string]map[string]outcome{}}
	for _, a := range o.Accounts {
		l.rows[a.Name], l.mail[a.Name] = map[string]outcome{}, map[string]outcome{}
	}
	dial := net.Dialer{Timeout: 5 * time.Second}
	l.http = &http.Client{Timeout: o.Timeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial.DialContext(ctx, network, o.HTTP)
		},
		// net/http repeats by itself what fails on a connection that was used
		// before; a ledger must know how often it asked.
		DisableKeepAlives: true,
	}}
	return l
}

// Run sends requests until ctx ends, and returns when every visitor has its
// last answer.
func (l *Load) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, a := range l.o.Accounts {
		wg.Go(func() { l.loop(ctx, func(n int) { l.post(a, n) }) })
		wg.Go(func() { l.loop(ctx, func(int) { l.get(a) }) })
		if a.Mailbox != "" && l.o.SMTP != "" {
			wg.Go(func() { l.loop(ctx, func(n int) { l.deliver(a, n) }) })
		}
	}
	wg.Wait()
}

func (l *Load) loop(ctx context.Context, do func(n int)) {
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(l.o.Pause):
		}
		do(n)
	}
}

// Stats is what visitors saw until now.
func (l *Load) Stats() Stats {
	return Stats{Asked: l.asked.Load(), Failed: l.failed.Load(), Writes: l.writes.Load(), Mails: l.mails.Load(),
		Deferred: l.deferred.Load(), Slowest: time.Duration(l.slowest.Load())}
}

func (l *Load) timed(began time.Time) {
	took := int64(time.Since(began))
	for {
		have := l.slowest.Load()
		if took <= have || l.slowest.CompareAndSwap(have, took) {
			return
		}
	}
}

func (l *Load) set(in map[string]map[string]outcome, account, id string, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in[account][id] = o
}

// post makes the site write one row and one file.
func (l *Load) post(a Account, n int) {
	id := fmt.Sprintf("%s-%06d", l.o.Run, n)
	l.set(l.rows, a.Name, id, unknown)
	began := time.Now()
	l.asked.Add(1)
	res, err := l.http.PostForm("http://"+a.Domain+"/entries", url.Values{"id": {id}, "text": {"entry " + id}})
	l.timed(began)
	if err != nil {
		l.failed.Add(1)
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	switch {
	case res.StatusCode < 300 || res.StatusCode == http.StatusConflict:
		l.set(l.rows, a.Name, id, acknowledged)
		l.writes.Add(1)
	default:
		l.failed.Add(1)
		if res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "" {
			l.set(l.rows, a.Name, id, refused)
		}
	}
}

// get reads the site's page, as most visitors do.
func (l *Load) get(a Account) {
	began := time.Now()
	l.asked.Add(1)
	res, err := l.http.Get("http://" + a.Domain + "/")
	l.timed(began)
	if err != nil {
		l.failed.Add(1)
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	if res.StatusCode >= 500 {
		l.failed.Add(1)
	}
}

// deliver sends one message. A temporary refusal is what mail servers are used
// to: they would try again, and so the id is simply not counted.
func (l *Load) deliver(a Account, n int) {
	id := fmt.Sprintf("%s-%06d@ledger", l.o.Run, n)
	l.set(l.mail, a.Name, id, unknown)
	switch code, err := l.send(a, id); {
	case err == nil:
		l.set(l.mail, a.Name, id, acknowledged)
		l.mails.Add(1)
	case code >= 400 && code < 600:
		l.set(l.mail, a.Name, id, refused)
		l.deferred.Add(1)
	}
}

// send returns the server's code where it refused the message; 0 means that
// what became of it is not known.
func (l *Load) send(a Account, id string) (int, error) {
	conn, err := net.DialTimeout("tcp", l.o.SMTP, 5*time.Second)
	if err != nil {
		return 421, err // nothing was sent
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(l.o.Timeout))
	c, err := smtp.NewClient(conn, "ledger")
	if err != nil {
		return 421, err
	}
	to := a.Mailbox + "@" + a.Domain
	for _, step := range []func() error{
		func() error { return c.Hello("ledger.invalid") },
		func() error { return c.Mail("visitor@ledger.invalid") },
		func() error { return c.Rcpt(to) },
	} {
		if err := step(); err != nil {
			return 450, err // before the data nothing can have been delivered
		}
	}
	w, err := c.Data()
	if err != nil {
		return 450, err
	}
	text := "Message-ID: <" + id + ">\r\nFrom: visitor@ledger.invalid\r\nTo: " + to + "\r\nSubject: " + id + "\r\n\r\nhello\r\n"
	if _, err := io.WriteString(w, text); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return codeOf(err), err
	}
	_ = c.Quit()
	return 0, nil
}

// codeOf is the code in an answer that the server really gave.
func codeOf(err error) int {
	var code int
	if _, e := fmt.Sscanf(strings.TrimSpace(err.Error()), "%d", &code); e != nil || code < 400 || code > 599 {
		return 0
	}
	return code
}

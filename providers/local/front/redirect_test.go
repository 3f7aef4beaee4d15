package front

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pair is a front that redirects to another one.
func pair(t *testing.T, site http.Handler) (from, to *Front, l, peer Listening, dir string) {
	t.Helper()
	to, peer = start(t, Options{})
	from, l = start(t, Options{})
	dir = accountDir(t)
	set(t, to, Account{Dir: dir, Site: Site{Socket: program(t, site)}}, Mode{Kind: Serve, Epoch: 7})
	set(t, from, Account{Dir: accountDir(t), Site: Site{Root: "www"}}, Mode{Kind: Redirect, Epoch: 7, Peer: peer.peer()})
	return from, to, l, peer, dir
}

func TestRedirect(t *testing.T) {
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %q host=%s hop=%q epoch=%q for=%q", r.Method, r.URL.RequestURI(), r.Proto, body, r.Host,
			r.Header.Get(HopHeader), r.Header.Get(EpochHeader), r.Header.Get("X-Forwarded-For"))
	})
	from, to, l, _, _ := pair(t, site)
	do(l, http.MethodPost, "/a%2Fb?x=1;y=%20", strings.NewReader("body"), "X-Forwarded-For", "6.6.6.6").want(t, 200,
		`POST /a%2Fb?x=1;y=%20 HTTP/1.1 "body" host=shop.example hop="" epoch="" for="127.0.0.1, 127.0.0.1"`)
	eventually(t, "counted here", func() bool { c := from.Counters("shop"); return c.Redirected == 1 && c.Served == 0 })
	eventually(t, "counted there", func() bool { c := to.Counters("shop"); return c.Served == 1 && c.Redirected == 0 })
}

func TestRedirectCarriesEpochAndHop(t *testing.T) {
	got := make(chan http.Header, 1)
	peer := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- r.Header })}
	pl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go peer.Serve(pl)
	t.Cleanup(func() { peer.Close() })
	f, l := start(t, Options{})
	set(t, f, Account{Dir: accountDir(t)}, Mode{Kind: Redirect, Epoch: 9, Peer: Peer{HTTP: pl.Addr().String()}})
	get(l, "/", "Connection", EpochHeader+", "+HopHeader).want(t, 200, "")
	if h := <-got; h.Get(EpochHeader) != "9" || h.Get(HopHeader) == "" {
		t.Errorf("got %v", h)
	}
}

func TestRedirectGoesOneHop(t *testing.T) {
	a, la := start(t, Options{})
	b, lb := start(t, Options{})
	set(t, a, Account{Dir: accountDir(t)}, Mode{Kind: Redirect, Epoch: 1, Peer: lb.peer()})
	set(t, b, Account{Dir: accountDir(t)}, Mode{Kind: Redirect, Epoch: 2, Peer: la.peer()})
	get(la, "/").want(t, 503, "")
	eventually(t, "counted", func() bool { c := a.Counters("shop"); return c.Failed == 1 && c.Redirected == 0 })
	if got := mail(t, la, "ann@"+domain, "x"); got != 451 {
		t.Errorf("mail: %d", got)
	}
}

// The commit of a cutover: what waits at the old place goes to the new one.
func TestHeldRequestsGoToThePeer(t *testing.T) {
	var n atomic.Int64
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		io.Copy(w, r.Body)
	})
	from, to, l, peer, _ := pair(t, site)
	if err := from.Release("shop", Mode{Kind: Serve}); err != nil {
		t.Fatal(err)
	}
	if err := to.Release("shop", Mode{Kind: Hold}); err != nil { // prepared
		t.Fatal(err)
	}
	if err := from.Hold(soon(t), "shop"); err != nil {
		t.Fatal(err)
	}
	replies := make(chan reply, 10)
	for range 10 {
		go func() { replies <- do(l, http.MethodPost, "/", strings.NewReader("text")) }()
	}
	eventually(t, "all wait here", func() bool { return from.Counters("shop").Waiting == 10 })
	if err := from.Release("shop", Mode{Kind: Redirect, Epoch: 8, Peer: peer.peer()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all wait there", func() bool { return to.Counters("shop").Waiting == 10 })
	if n.Load() != 0 {
		t.Fatal("answered before the peer was active")
	}
	if err := to.Release("shop", Mode{Kind: Serve, Epoch: 8}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		(<-replies).want(t, 200, "text")
	}
	if n.Load() != 10 {
		t.Errorf("%d requests for 10", n.Load())
	}
}

func TestRedirectStreams(t *testing.T) {
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		in := bufio.NewReader(r.Body)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(w, "echo "+line)
			rc.Flush()
		}
	})
	_, _, l, _, _ := pair(t, site)
	c, err := net.Dial("tcp", l.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n", domain)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(resp.Body)
	if line, err := body.ReadString('\n'); line != "echo a\n" {
		t.Fatalf("%q %v", line, err) // although the request has not ended
	}
	fmt.Fprintf(c, "2\r\nb\n\r\n0\r\n\r\n")
	if line, err := body.ReadString('\n'); line != "echo b\n" {
		t.Fatalf("%q %v", line, err)
	}
}

// A request that waits at the peer while the account is handed back is answered
// here, body and all, and once.
func TestRequestSentBackByThePeer(t *testing.T) {
	for name, body := range map[string]string{"none": "", "small": "text", "large": strings.Repeat("text ", 1<<18)} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				io.Copy(w, r.Body)
			})
			from, to, l, peer, _ := pair(t, site)
			set(t, from, Account{Dir: accountDir(t), Site: Site{Socket: program(t, site)}}, Mode{Kind: Redirect, Epoch: 7, Peer: peer.peer()})
			if err := to.Hold(soon(t), "shop"); err != nil {
				t.Fatal(err)
			}
			answer := make(chan reply, 1)
			go func() { answer <- do(l, http.MethodPost, "/", strings.NewReader(body)) }()
			eventually(t, "waits there", func() bool { return to.Counters("shop").Waiting == 1 })
			if err := from.Release("shop", Mode{Kind: Serve, Epoch: 8}); err != nil {
				t.Fatal(err)
			}
			if err := to.Release("shop", Mode{Kind: Redirect, Epoch: 8, Peer: l.peer()}); err != nil {
				t.Fatal(err)
			}
			(<-answer).want(t, 200, body)
			if n.Load() != 1 {
				t.Errorf("answered %d times", n.Load())
			}
		})
	}
}

// One that is cut here while it waits at the peer is answered by nobody.
func TestCutRequestIsNotAnsweredByThePeer(t *testing.T) {
	var n atomic.Int64
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.Add(1) })
	from, to, l, _, _ := pair(t, site)
	if err := to.Hold(soon(t), "shop"); err != nil {
		t.Fatal(err)
	}
	answer := make(chan reply, 1)
	go func() { answer <- get(l, "/") }()
	eventually(t, "waits there", func() bool { return to.Counters("shop").Waiting == 1 })
	if err := from.Hold(now(), "shop"); err != nil {
		t.Fatal(err)
	}
	if r := <-answer; r.err == nil && r.status < 500 {
		t.Errorf("got %+v", r)
	}
	eventually(t, "nothing waits there", func() bool { return to.Counters("shop").Waiting == 0 })
	if err := to.Release("shop", Mode{Kind: Serve, Epoch: 7}); err != nil {
		t.Fatal(err)
	}
	if n.Load() != 0 {
		t.Error("answered")
	}
}

// breaking is a peer that reads requests and breaks off, after it has answered
// the first on each connection if told so.
func breaking(t *testing.T, answerFirst bool) (addr string, seen func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []string
	serve := func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		for i := 0; ; i++ {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if req.Header.Get("Expect") != "" {
				io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			io.Copy(io.Discard, req.Body)
			mu.Lock()
			all = append(all, req.Method+" "+req.URL.Path)
			mu.Unlock()
			if !answerFirst || i > 0 {
				return // after it was read and, for all that the front knows, worked on
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), all...)
	}
}

func TestNothingIsRepeatedWhenThePeerBreaksOff(t *testing.T) {
	for _, answerFirst := range []bool{false, true} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
			addr, seen := breaking(t, answerFirst)
			f, l := start(t, Options{})
			set(t, f, Account{Dir: accountDir(t)}, Mode{Kind: Redirect, Peer: Peer{HTTP: addr}})
			if answerFirst { // leaves connections that could be used again
				for range 3 {
					get(l, "/warm").want(t, 200, "ok")
				}
			}
			before := len(seen())
			var ok, failed int
			for i := range 5 {
				var body io.Reader
				if i%2 == 1 && method != "TRACE" {
					body = strings.NewReader("body")
				}
				r := do(l, method, fmt.Sprintf("/%d", i), body, "Idempotency-Key", "x", "X-Idempotency-Key", "x")
				if r.status == 200 {
					ok++
				} else {
					failed++
				}
			}
			count := map[string]int{}
			for _, s := range seen()[before:] {
				count[s]++
			}
			for s, n := range count {
				if n != 1 {
					t.Errorf("answerFirst %v: %q reached the peer %d times", answerFirst, s, n)
				}
			}
			if len(count) != 5 || answerFirst && ok != 5 || !answerFirst && failed != 5 {
				t.Errorf("answerFirst %v, %s: %v, %d ok, %d failed", answerFirst, method, count, ok, failed)
			}
		}
	}
}

func TestPeerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	f, at := start(t, Options{})
	set(t, f, Account{Dir: accountDir(t)}, Mode{Kind: Redirect, Peer: Peer{HTTP: addr, SMTP: addr}})
	r := do(at, http.MethodPost, "/", strings.NewReader("x"))
	r.want(t, 503, "") // nothing was sent, so it may be tried again
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if got := mail(t, at, "ann@"+domain, "x"); got != 451 {
		t.Errorf("mail: %d", got)
	}
	set(t, f, Account{Dir: accountDir(t), Site: Site{Socket: "/nowhere/s"}}, Mode{Kind: Serve})
	get(at, "/").want(t, 503, "")
}

// A peer that is killed in the middle: every request arrives there at most
// once, and what was answered with success arrived exactly once.
func TestNoDuplicatesWhenThePeerDies(t *testing.T) {
	var mu sync.Mutex
	count := map[string]int{}
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		mu.Lock()
		count[r.URL.Query().Get("id")]++
		mu.Unlock()
		time.Sleep(time.Millisecond)
		w.WriteHeader(http.StatusCreated)
	})
	socket := program(t, site)
	f, l := start(t, Options{})
	set(t, f, Account{Dir: accountDir(t)}, Mode{Kind: Closed})
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var acknowledged sync.Map
	for c := range 6 {
		clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", c, i)
				r := do(l, http.MethodPost, "/?id="+id, strings.NewReader("text"), "Idempotency-Key", id)
				if r.err == nil && r.status == http.StatusCreated {
					acknowledged.Store(id, true)
				}
			}
		})
	}
	for range 10 {
		peer := New(Options{})
		if err := peer.Listen(loopback()); err != nil {
			t.Fatal(err)
		}
		at := peer.Listening()[0]
		set(t, peer, Account{Dir: accountDir(t), Site: Site{Socket: socket}}, Mode{Kind: Serve})
		if err := f.Release("shop", Mode{Kind: Redirect, Peer: at.peer()}); err != nil {
			t.Fatal(err)
		}
		before := f.Counters("shop").Redirected
		eventually(t, "some requests", func() bool { return f.Counters("shop").Redirected > before+20 })
		if err := peer.Close(now()); err != nil { // cuts all connections
			t.Fatal(err)
		}
	}
	cancel()
	clients.Wait()
	mu.Lock()
	defer mu.Unlock()
	n := 0
	for id, times := range count {
		if times != 1 {
			t.Errorf("%s arrived %d times", id, times)
		}
	}
	acknowledged.Range(func(id, _ any) bool {
		n++
		if count[id.(string)] != 1 {
			t.Errorf("acknowledged %s arrived %d times", id, count[id.(string)])
		}
		return true
	})
	if n < 200 {
		t.Errorf("only %d acknowledged", n)
	}
}

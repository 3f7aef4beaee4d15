package front

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestStaticSite(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	www := filepath.Join(dir, "home/www")
	write(t, filepath.Join(www, "style.css"), "a{}")
	write(t, filepath.Join(www, "sub/index.html"), "sub")
	write(t, filepath.Join(www, "with space?.txt"), "odd")
	write(t, filepath.Join(dir, "home/shared/x.txt"), "shared")
	write(t, filepath.Join(dir, "secret.txt"), "secret")
	if err := os.Mkdir(filepath.Join(www, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"out.txt": "../../secret.txt", "passwd": "/etc/passwd", "shared": "../shared", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(www, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(www, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	set(t, f, Account{Dir: dir, Site: Site{Root: "www"}}, Mode{Kind: Serve})

	get(l, "/").want(t, 200, "hello")
	css := get(l, "/style.css")
	css.want(t, 200, "a{}")
	if got := css.header.Get("Content-Type"); got != "text/css; charset=utf-8" {
		t.Errorf("type %q", got)
	}
	get(l, "/sub/").want(t, 200, "sub")
	if r := get(l, "/sub"); r.status != 301 || r.header.Get("Location") != "/sub/" {
		t.Errorf("folder: %d %q", r.status, r.header.Get("Location"))
	}
	if r := get(l, "//sub"); r.header.Get("Location") != "/sub/" {
		t.Errorf("leads to another host: %q", r.header.Get("Location"))
	}
	get(l, "/with%20space%3F.txt").want(t, 200, "odd")
	get(l, "/shared/x.txt").want(t, 200, "shared")
	get(l, "/missing").want(t, 404, "")
	get(l, "/index.html/x").want(t, 404, "")
	get(l, "/empty/").want(t, 404, "")
	get(l, "/pipe").want(t, 404, "")
	get(l, "/a%00b").want(t, 404, "")
	for _, path := range []string{"/out.txt", "/passwd", "/loop", "/../../secret.txt", "/%2e%2e/%2e%2e/secret.txt", "/..%2f..%2fsecret.txt"} {
		if r := get(l, path); r.status != 403 && r.status != 404 || strings.Contains(r.body, "secret") && !strings.Contains(r.body, "page") {
			t.Errorf("%s: %d %q", path, r.status, r.body)
		}
	}
	do(l, http.MethodPost, "/", strings.NewReader("x")).want(t, 405, "")
	if r := get(l, "/", "Range", "bytes=1-2"); r.status != 206 || r.body != "el" {
		t.Errorf("range: %d %q", r.status, r.body)
	}
	if c := f.Counters("shop"); c.Served == 0 || c.Failed != 0 || c.InFlight != 0 {
		t.Errorf("counters %+v", c)
	}
}

func TestHosts(t *testing.T) {
	f, l := start(t, Options{})
	set(t, f, Account{Dir: accountDir(t), Site: Site{Root: "www"}}, Mode{Kind: Serve})
	for host, status := range map[string]int{
		domain: 200, strings.ToUpper(domain): 200, domain + ".": 200, domain + ":8080": 200,
		"other.example": 404, "": 404, "..": 404, "x." + domain: 404,
	} {
		c, err := net.Dial("tcp", l.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != status {
			t.Errorf("host %q: %d, want %d", host, resp.StatusCode, status)
		}
		c.Close()
	}
	if err := f.Set("blog", Account{Domains: []string{domain}}, Mode{}); err == nil || !strings.Contains(err.Error(), `"shop"`) {
		t.Errorf("a domain of two accounts: %v", err)
	}
	f.Remove("shop")
	get(l, "/").want(t, 404, "")
	if err := f.Hold(soon(t), "shop"); !errors.Is(err, ErrUnknown) {
		t.Errorf("hold: %v", err)
	}
}

func TestModes(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	set(t, f, Account{Dir: dir, Site: Site{Root: "www"}}, Mode{Kind: Closed})
	r := get(l, "/")
	r.want(t, 503, "")
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if err := f.Release("shop", Mode{Kind: Absent}); err != nil {
		t.Fatal(err)
	}
	get(l, "/").want(t, 404, "")
	if err := f.Release("shop", Mode{Kind: Serve, Epoch: 3}); err != nil {
		t.Fatal(err)
	}
	get(l, "/", HopHeader, "1", EpochHeader, "3").want(t, 200, "hello")
	get(l, "/", HopHeader, "1", EpochHeader, "4").want(t, 503, "") // the peer knows better
	get(l, "/", HopHeader, "1").want(t, 503, "")
	set(t, f, Account{Dir: dir}, Mode{Kind: Serve})
	get(l, "/").want(t, 404, "")
}

func TestAddressInUse(t *testing.T) {
	f, l := start(t, Options{})
	host, port, _ := net.SplitHostPort(l.HTTP)
	var n int
	fmt.Sscan(port, &n)
	other := New(Options{HTTPPort: n})
	var inUse *InUseError
	if err := other.Listen(host); !errors.As(err, &inUse) || inUse.Address != l.HTTP {
		t.Fatalf("got %v", err)
	}
	// The SMTP port is somebody else's: the HTTP port must not stay taken.
	_, mailPort, _ := net.SplitHostPort(l.SMTP)
	fmt.Sscan(mailPort, &n)
	half := New(Options{HTTPPort: 0, SMTPPort: n})
	if err := half.Listen(host); !errors.As(err, &inUse) || inUse.Address != l.SMTP {
		t.Fatalf("got %v", err)
	}
	if got := half.Listening(); len(got) != 0 {
		t.Errorf("listens on %v", got)
	}
	if err := f.Listen(host); err != nil {
		t.Errorf("again: %v", err)
	}
	c, err := net.Dial("tcp", l.HTTP) // an old connection is no obstacle
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := f.Unlisten(now(), host); err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(host); err != nil {
		t.Fatalf("after Unlisten: %v", err)
	}
	if err := other.Close(now()); err != nil {
		t.Fatal(err)
	}
	if err := f.Unlisten(now(), host); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := f.Listen("no address"); err == nil {
		t.Error("listens on no address")
	}
}

func TestListenAndUnlistenAtOnce(t *testing.T) {
	f, _ := start(t, Options{})
	for range 20 {
		addr := loopback()
		if err := f.Listen(addr); err != nil {
			t.Fatal(err)
		}
		if err := f.Unlisten(now(), addr); err != nil {
			t.Fatal(err)
		}
	}
}

// gateProgram is a site whose requests end when told.
type gateProgram struct {
	began   chan string
	proceed chan struct{}
	done    atomic.Int64
}

func newGateProgram() *gateProgram {
	return &gateProgram{began: make(chan string, 1000), proceed: make(chan struct{})}
}

func (p *gateProgram) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.began <- r.URL.Path
	if strings.HasPrefix(r.URL.Path, "/slow") {
		select {
		case <-p.proceed:
		case <-r.Context().Done():
			return
		}
	}
	p.done.Add(1)
	io.WriteString(w, "done")
}

func TestHoldDrainsAndQueues(t *testing.T) {
	f, l := start(t, Options{})
	p := newGateProgram()
	set(t, f, Account{Dir: accountDir(t), Site: Site{Socket: program(t, p)}}, Mode{Kind: Serve})
	slow := make(chan reply, 1)
	go func() { slow <- get(l, "/slow") }()
	<-p.began

	held := make(chan error, 1)
	go func() { held <- f.Hold(soon(t), "shop") }()
	eventually(t, "mode is hold", func() bool { return f.Mode("shop").Kind == Hold })
	const n = 20
	replies := make(chan reply, n)
	for range n {
		go func() { replies <- do(l, http.MethodPost, "/write", strings.NewReader("x")) }()
	}
	eventually(t, "all wait", func() bool { return f.Counters("shop").Waiting == n })
	select {
	case err := <-held:
		t.Fatalf("hold returned with a request in flight: %v", err)
	default:
	}
	close(p.proceed)
	(<-slow).want(t, 200, "done")
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if c := f.Counters("shop"); c.InFlight != 0 || c.Waiting != n || p.done.Load() != 1 {
		t.Fatalf("%+v, %d done", c, p.done.Load())
	}
	if err := f.Release("shop", Mode{Kind: Serve}); err != nil {
		t.Fatal(err)
	}
	for range n {
		(<-replies).want(t, 200, "done")
	}
	c := f.Counters("shop")
	if p.done.Load() != n+1 || c.Held != n || c.Failed != 0 || c.LongestHold <= 0 {
		t.Errorf("%+v, %d done", c, p.done.Load())
	}
}

func TestHoldLimits(t *testing.T) {
	f, l := start(t, Options{MaxHeld: 2, MaxHoldAge: 200 * time.Millisecond})
	set(t, f, Account{Dir: accountDir(t), Site: Site{Root: "www"}}, Mode{Kind: Serve})
	if err := f.Hold(soon(t), "shop"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			r := get(l, "/")
			r.want(t, 503, "")
			if r.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
	wg.Wait()
	if c := f.Counters("shop"); c.Held > 4 || c.Held < 2 || c.Failed != 5 || c.Waiting != 0 {
		t.Errorf("%+v", c)
	}
}

func TestHoldCutsWhatDoesNotEnd(t *testing.T) {
	f, l := start(t, Options{})
	p := newGateProgram()
	set(t, f, Account{Dir: accountDir(t), Site: Site{Socket: program(t, p)}}, Mode{Kind: Serve})
	slow := make(chan reply, 1)
	go func() { slow <- get(l, "/slow") }()
	<-p.began
	if err := f.Hold(now(), "shop"); err != nil {
		t.Fatal(err)
	}
	if r := <-slow; r.err == nil && r.status < 500 {
		t.Errorf("got %+v", r)
	}
	if c := f.Counters("shop"); c.InFlight != 0 || c.Cut != 1 || c.Failed != 1 {
		t.Errorf("%+v", c)
	}
}

// A client that does not read what it has asked for must not hold up a freeze.
func TestHoldCutsClientThatDoesNotRead(t *testing.T) {
	f, l := start(t, Options{})
	dir := accountDir(t)
	file, err := os.Create(filepath.Join(dir, "home/www/big.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(256<<20), file.Close()); err != nil {
		t.Fatal(err)
	}
	set(t, f, Account{Dir: dir, Site: Site{Root: "www"}}, Mode{Kind: Serve})
	c, err := net.Dial("tcp", l.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /big.bin HTTP/1.1\r\nHost: %s\r\n\r\n", domain)
	eventually(t, "in flight", func() bool { return f.Counters("shop").InFlight == 1 })
	if err := f.Hold(now(), "shop"); err != nil {
		t.Fatal(err)
	}
	if n := f.Counters("shop").InFlight; n != 0 {
		t.Errorf("%d in flight", n)
	}
}

func TestHoldCutsUpgradedConnectionsAtOnce(t *testing.T) {
	f, l := start(t, Options{})
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		io.Copy(c, rw)
	})
	set(t, f, Account{Dir: accountDir(t), Site: Site{Socket: program(t, echo)}}, Mode{Kind: Serve})
	c, err := net.Dial("tcp", l.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", domain)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v %v", resp, err)
	}
	fmt.Fprint(c, "ping\n")
	if line, err := r.ReadString('\n'); line != "ping\n" {
		t.Fatalf("%q %v", line, err)
	}
	// The context never ends: nobody waits for such a connection.
	if err := f.Hold(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection lives on")
	}
	if c := f.Counters("shop"); c.InFlight != 0 {
		t.Errorf("%+v", c)
	}
}

func TestReleaseDuringHold(t *testing.T) {
	f, l := start(t, Options{})
	p := newGateProgram()
	set(t, f, Account{Dir: accountDir(t), Site: Site{Socket: program(t, p)}}, Mode{Kind: Serve})
	slow := make(chan reply, 1)
	go func() { slow <- get(l, "/slow") }()
	<-p.began
	held := make(chan error, 1)
	go func() { held <- f.Hold(soon(t), "shop") }()
	eventually(t, "mode is hold", func() bool { return f.Mode("shop").Kind == Hold })
	set(t, f, Account{Dir: accountDir(t)}, Mode{Kind: Hold}) // is no release
	select {
	case err := <-held:
		t.Fatalf("hold returned: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if err := f.Release("shop", Mode{Kind: Serve}); err != nil {
		t.Fatal(err)
	}
	if err := <-held; !errors.Is(err, ErrReleased) {
		t.Errorf("got %v", err)
	}
	close(p.proceed)
	(<-slow).want(t, 200, "done")
}

// Whatever the order of holds and releases is, nothing runs while held.
func TestNothingInFlightWhileHeld(t *testing.T) {
	f, l := start(t, Options{MaxHoldAge: time.Minute})
	var inside atomic.Int64
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside.Add(1)
		defer inside.Add(-1)
		time.Sleep(time.Millisecond)
		io.WriteString(w, "done")
	})
	set(t, f, Account{Dir: accountDir(t), Site: Site{Socket: program(t, site)}}, Mode{Kind: Serve})
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					do(l, http.MethodPost, "/", strings.NewReader("x")).want(t, 200, "done")
				}
			}
		})
	}
	for range 30 {
		if err := f.Hold(soon(t), "shop"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if c := f.Counters("shop"); c.InFlight != 0 || inside.Load() != 0 {
				t.Fatalf("%+v, %d inside", c, inside.Load())
			}
			time.Sleep(time.Millisecond)
		}
		if err := f.Release("shop", Mode{Kind: Serve}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Millisecond)
	}
	close(stop)
	clients.Wait()
}

func TestCloseCutsUpgradedConnections(t *testing.T) {
	f, l := start(t, Options{})
	ended := make(chan struct{})
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		rw.Flush()
		io.Copy(io.Discard, rw)
		close(ended)
	})
	set(t, f, Account{Dir: accountDir(t), Site: Site{Socket: program(t, site)}}, Mode{Kind: Serve})
	c, err := net.Dial("tcp", l.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", domain)
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v %v", resp, err)
	}
	if err := f.Close(now()); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// TestSiteOnAnotherDomain: a name for HTTP alone goes before the domain of
// another account, whose mail stays its own.
func TestSiteOnAnotherDomain(t *testing.T) {
	f, l := start(t, Options{})
	agency := t.TempDir()
	write(t, filepath.Join(agency, "home/www/index.html"), "by the agency")
	dir := accountDir(t)
	set(t, f, Account{Dir: dir, Site: Site{Root: "www"}}, Mode{Kind: Serve})
	get(l, "/").want(t, 200, "hello")
	site := Account{Dir: agency, Also: []string{domain}, Site: Site{Root: "www"}}
	if err := f.Set("agency", site, Mode{Kind: Serve}); err != nil {
		t.Fatal(err)
	}
	get(l, "/").want(t, 200, "by the agency")
	if got := mail(t, l, "ann@"+domain, "x"); got != 250 {
		t.Errorf("mail: %d", got)
	}
	if err := f.Set("third", site, Mode{Kind: Serve}); err == nil {
		t.Error("two accounts have the same site")
	}
	f.Remove("agency")
	get(l, "/").want(t, 200, "hello")
	if err := f.Set("agency", Account{Dir: agency, Also: []string{"../x"}}, Mode{Kind: Serve}); err == nil {
		t.Error("a bad name was taken")
	}
}

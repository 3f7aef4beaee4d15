package front

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// socketSuffix ends the made-up host names that stand for Unix sockets, so that
// the transport never mixes up two connections. No peer has such an address:
// those end in a port.
const socketSuffix = ".socket"

// newTransport returns a transport for proxying. http.Transport repeats a
// request by itself when a connection that it used before breaks, and takes an
// Idempotency-Key header as leave to do so for any method. A connection that is
// never used twice never breaks in that sense: one transport for what may be
// repeated, one without reuse for all else.
//
// Reuse is not switched off by DisableKeepAlives: with "Connection: close" a
// program may answer and close before it has read the request's body, and the
// transport then reports the failing write instead of the answer.
func newTransport(reuse bool) *http.Transport {
	idle := 16
	if !reuse {
		idle = -1
	}
	return &http.Transport{
		DialContext:         dial,
		DisableCompression:  true, // what the program answers is passed on as it is
		MaxIdleConnsPerHost: idle,
		IdleConnTimeout:     30 * time.Second,
		// Longer than a request may be held: a peer that holds one must not be
		// sent its body before it knows that it will answer it.
		ExpectContinueTimeout: 2 * time.Minute,
	}
}

// transport chooses by the request: GET and HEAD without a body may be repeated.
func (f *Front) transport(r *http.Request) *http.Transport {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength == 0 &&
		(r.Body == nil || r.Body == http.NoBody) {
		return f.reuse
	}
	return f.once
}

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	host, _, _ := net.SplitHostPort(addr)
	name, ok := strings.CutSuffix(host, socketSuffix)
	if !ok {
		return d.DialContext(ctx, network, addr)
	}
	path, uid, err := parseSocketHost(name)
	if err != nil {
		return nil, err
	}
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := checkListener(c, uid); err != nil {
		c.Close()
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: err}
	}
	return c, nil
}

func socketHost(path string, uid int) string {
	return hex.EncodeToString([]byte(path)) + "." + strconv.Itoa(uid) + socketSuffix
}

func parseSocketHost(name string) (path string, uid int, err error) {
	h, u, _ := strings.Cut(name, ".")
	raw, err := hex.DecodeString(h)
	if err != nil {
		return "", 0, err
	}
	uid, err = strconv.Atoi(u)
	return string(raw), uid, err
}

// checkListener refuses a socket that is not the account's own: its programs
// can put a link to anybody's socket where theirs should be, and the front may
// be allowed to connect there.
func checkListener(c net.Conn, uid int) error {
	if uid == 0 {
		return nil
	}
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return err
	}
	if int(cred.Uid) != uid {
		return fmt.Errorf("the socket belongs to user %d, not to the account's user %d", cred.Uid, uid)
	}
	return nil
}

// errElsewhere: the peer has done nothing for the request, because meanwhile it
// has handed the account over.
var errElsewhere = errors.New("the peer says that the account is elsewhere now")

// proxyToPeer passes a request on. It returns true if the peer has done nothing
// with it, and no byte of its body was sent: then, and only then, it may be
// answered in another way.
func (f *Front) proxyToPeer(w http.ResponseWriter, r *http.Request, in admission) (untouched bool) {
	body := &sentBody{ReadCloser: r.Body}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = body
	}
	f.proxy(w, r, in, in.mode.Peer.HTTP, proxying{
		rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetXForwarded()
			pr.Out.Header.Set(HopHeader, "1")
			pr.Out.Header.Set(EpochHeader, strconv.FormatUint(in.mode.Epoch, 10))
			if r.Body == body {
				pr.Out.Header.Set("Expect", "100-continue")
			}
		},
		respond: func(resp *http.Response) error {
			if resp.StatusCode == http.StatusMisdirectedRequest && resp.Header.Get(ElsewhereHeader) != "" {
				return errElsewhere
			}
			return nil
		},
		failed: func(err error) bool {
			untouched = errors.Is(err, errElsewhere) && !body.sent.Load()
			return untouched
		},
	})
	if r.Body == body {
		r.Body = body.ReadCloser
	}
	return untouched
}

// sentBody notes whether any of a body was read to be sent. It is not closed by
// a transport: whoever answers the request in the end still needs it.
type sentBody struct {
	io.ReadCloser
	sent atomic.Bool
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.sent.Store(true)
	return b.ReadCloser.Read(p)
}

func (b *sentBody) Close() error { return nil }

func (f *Front) proxyToProgram(w http.ResponseWriter, r *http.Request, in admission) {
	uid := in.account.UID
	if os.Geteuid() != 0 {
		uid = 0 // programs then run as whoever the server is
	}
	f.proxy(w, r, in, socketHost(in.account.Site.Socket, uid), proxying{rewrite: func(pr *httputil.ProxyRequest) {
		if pr.In.Header.Get(HopHeader) != "" { // the first front knows the client
			pr.Out.Header["X-Forwarded-For"] = pr.In.Header["X-Forwarded-For"]
		}
		pr.SetXForwarded()
		pr.Out.Header.Del(HopHeader)
		pr.Out.Header.Del(EpochHeader)
		pr.Out.Header.Del("Expect") // answered here: a program that knows nothing of it would let us wait
	}})
}

// proxying is what the two ways of proxying do differently.
type proxying struct {
	rewrite func(*httputil.ProxyRequest)
	respond func(*http.Response) error // may be nil
	failed  func(error) bool           // may be nil; true: the failure is dealt with
}

func (f *Front) proxy(w http.ResponseWriter, r *http.Request, in admission, host string, how proxying) {
	p := httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL = &url.URL{Scheme: "http", Host: host, Path: pr.In.URL.Path, RawPath: pr.In.URL.RawPath, RawQuery: pr.In.URL.RawQuery}
			pr.Out.Host = pr.In.Host
			how.rewrite(pr)
		},
		Transport:     f.transport(r),
		FlushInterval: -1,
		ErrorLog:      f.standardLog("proxy"),
		ModifyResponse: func(resp *http.Response) error {
			if resp.StatusCode == http.StatusSwitchingProtocols {
				in.upgrade()
			}
			if how.respond != nil {
				return how.respond(resp)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if how.failed != nil && how.failed(err) {
				return
			}
			f.log.Warn("not answered", "account", in.gate.name, "mode", in.mode.Kind, "method", r.Method, "error", err)
			proxyError(w, err)
		},
	}
	// A program may answer before it has read all of the request; by default the
	// rest would then be read here first, for ever if the client waits for us.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		f.log.Debug("no full duplex", "error", err)
	}
	p.ServeHTTP(w, r)
}

// proxyError tells a client whether its request may have been worked on.
func proxyError(w http.ResponseWriter, err error) {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		unavailable(w, "The site does not answer at the moment. Try again later.")
		return
	}
	http.Error(w, "The site broke off before it had answered. Whether it did what was asked for is not known.", http.StatusBadGateway)
}

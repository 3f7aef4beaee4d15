package front

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/hashicorp/go-hclog"
)

// Listening is a service address that the front answers on.
type Listening struct {
	Address string // as given to Listen
	HTTP    string // host:port
	SMTP    string // host:port
}

type listener struct {
	Listening
	http *http.Server
	smtp *smtp.Server
	mail net.Listener  // of smtp, which forgets it when closed before it began
	done chan struct{} // closed when both have stopped accepting
}

// Listen begins to answer on a service address (an IP address). It is no error
// if the front already does. If somebody else listens there, on one of the two
// ports, the error is an *InUseError and nothing has changed.
func (f *Front) Listen(addr string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fmt.Errorf("listen on %s: the front is closed", addr)
	}
	if f.listeners[addr] != nil {
		return nil
	}
	web, err := listen(addr, f.options.HTTPPort)
	if err != nil {
		return err
	}
	mail, err := listen(addr, f.options.SMTPPort)
	if err != nil {
		web.Close()
		return err
	}
	l := &listener{
		Listening: Listening{Address: addr, HTTP: web.Addr().String(), SMTP: mail.Addr().String()},
		http:      f.newHTTPServer(), smtp: f.newSMTPServer(), mail: mail, done: make(chan struct{}),
	}
	f.listeners[addr] = l
	go func() {
		defer close(l.done)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			f.stopped(addr, "smtp", l.smtp.Serve(mail))
		}()
		f.stopped(addr, "http", l.http.Serve(web))
		<-stopped
	}()
	f.log.Info("listening", "http", l.HTTP, "smtp", l.SMTP)
	return nil
}

func (f *Front) stopped(addr, protocol string, err error) {
	if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		f.log.Error("stopped listening", "address", addr, "protocol", protocol, "error", err)
	}
}

// listen relies on what Linux does with Go's default options: an address with a
// listener on it, also a listener on all addresses, is refused; one with only
// old connections is not.
func listen(addr string, port int) (net.Listener, error) {
	at := net.JoinHostPort(addr, strconv.Itoa(port))
	if net.ParseIP(addr) == nil {
		return nil, fmt.Errorf("listen on %s: %q is not an IP address", at, addr)
	}
	l, err := net.Listen("tcp", at)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &InUseError{Address: at, Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", at, err)
	}
	return l, nil
}

// Unlisten gives a service address up. The address is free for others soon
// after the call and at the latest when it returns; requests that came in over it may end
// until ctx is done, then their connections are cut. It is no error if the front
// does not listen there.
func (f *Front) Unlisten(ctx context.Context, addr string) error {
	f.mu.Lock()
	l := f.listeners[addr]
	delete(f.listeners, addr)
	f.mu.Unlock()
	if l == nil {
		return nil
	}
	_ = l.mail.Close()
	err := l.http.Shutdown(ctx)
	if err != nil {
		err = l.http.Close()
	}
	// A client may keep an idle SMTP connection for minutes; what is being
	// delivered ends without its client, as when the network fails.
	_ = l.smtp.Close()
	<-l.done
	f.log.Info("stopped listening", "http", l.HTTP, "smtp", l.SMTP)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop listening on %s: %w", addr, err)
	}
	return nil
}

// Listening returns the addresses that the front answers on, sorted.
func (f *Front) Listening() []Listening {
	f.mu.RLock()
	defer f.mu.RUnlock()
	all := make([]Listening, 0, len(f.listeners))
	for _, l := range f.listeners {
		all = append(all, l.Listening)
	}
	slices.SortFunc(all, func(a, b Listening) int { return strings.Compare(a.Address, b.Address) })
	return all
}

// connKey is where the connection of a request lies in its context.
type connKey struct{}

func (f *Front) newHTTPServer() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(f.serveHTTP),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          f.standardLog("http"),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

func (f *Front) newSMTPServer() *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(f.newSession))
	s.Domain = f.options.Hostname
	s.MaxRecipients = 1 // so that an answer to DATA is about one mailbox: delivered once, or not at all
	s.MaxMessageBytes = f.options.MaxMessageBytes
	s.ReadTimeout = 5 * time.Minute
	s.WriteTimeout = time.Minute
	s.EnableSMTPUTF8 = true
	s.ErrorLog = f.standardLog("smtp")
	return s
}

func (f *Front) standardLog(name string) *log.Logger {
	return f.log.Named(name).StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug})
}

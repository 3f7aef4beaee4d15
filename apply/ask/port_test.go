package ask

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/schema"
)

// port is a probe of the port of an address, by a name that exists nowhere.
func port(address, contains string) schema.Probe {
	_, number, _ := net.SplitHostPort(address)
	return schema.Probe{Name: "p", TCP: "shop.invalid:" + number, Contains: contains}
}

func TestPort(t *testing.T) {
	at := Place{Server: "client", Host: "127.0.0.1"}
	greets := serve(t, func(c net.Conn) {
		fmt.Fprint(c, "NOTICE \x1b[31mhello\x1b[0m\r\nmore\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	if a := put(t, port(greets, "NOTICE"), at); !a.Contains || a.Line != "NOTICE \x1b[31mhello\x1b[0m" {
		t.Errorf("%+v", a)
	}
	slow := port(greets, "absent")
	slow.Timeout = 200 * time.Millisecond
	if a := put(t, slow, at); a.Contains || !strings.HasPrefix(a.Line, "NOTICE") {
		t.Errorf("another banner: %+v", a)
	}
	if a := put(t, port(greets, ""), at); !a.Contains || a.Line != "" {
		t.Errorf("it connects: %+v", a)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if a := put(t, port(l.Addr().String(), ""), at); !strings.Contains(a.Refused, "does not connect") {
		t.Errorf("a closed port: %+v", a)
	}
	endless := serve(t, func(c net.Conn) {
		for {
			if _, err := c.Write([]byte(strings.Repeat("\xff", 4096))); err != nil {
				return
			}
		}
	})
	if a := put(t, port(endless, "x"), at); a.Contains || len(a.Line) > 4*mostLine {
		t.Errorf("a banner without end: %+v", a)
	}
	silent := port(serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), "x")
	silent.Timeout = 50 * time.Millisecond
	if _, err := Probe(context.Background(), silent, at); err == nil {
		t.Error("a server that says nothing has answered")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Probe(ctx, port(greets, "NOTICE"), at); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPortOverTLS(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "shop.invalid")}}
	p := port(serve(t, func(c net.Conn) { fmt.Fprint(tls.Server(c, config), "hello\n") }), "hello")
	p.Security, p.Verify = schema.SecurityTLS, true
	at := Place{Host: "127.0.0.1", Roots: ca.roots}
	if a := put(t, p, at); !a.Contains || a.Certificate == nil || a.Certificate.Wrong != "" {
		t.Errorf("%+v", a)
	}
	p.Host = "other.invalid"
	if a := put(t, p, at); !strings.Contains(a.Refused, "certificate is not valid") {
		t.Errorf("%+v", a)
	}
}

// What listens on the server's own localhost is asked from there, or not at all.
func TestLocalhost(t *testing.T) {
	address := serve(t, func(c net.Conn) { fmt.Fprint(c, "inside\n") })
	_, number, _ := net.SplitHostPort(address)
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", "127.9.9.9"} {
		p := schema.Probe{Name: "p", TCP: host + ":" + number, Contains: "inside"}
		if _, err := Probe(context.Background(), p, Place{Server: "client", Host: "127.0.0.1", Cannot: "no way in"}); err == nil || !strings.Contains(err.Error(), "localhost of server client, which cannot be asked there: no way in") {
			t.Errorf("%s: %v", host, err)
		}
		var asked string
		at := Place{Server: "client", Host: "192.0.2.1", Dial: func(ctx context.Context, network, to string) (net.Conn, error) {
			asked = network + " " + to
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}}
		if a := put(t, p, at); !a.Contains || asked != "tcp "+net.JoinHostPort(strings.Trim(host, "[]"), number) {
			t.Errorf("%s: %+v, asked %s", host, a, asked)
		}
	}
	lost := Place{Server: "client", Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("the server is gone") }}
	p := schema.Probe{Name: "p", SQL: "mariadb://a@localhost/b", Query: "select 1"}
	if _, err := Probe(context.Background(), p, lost); err == nil || !strings.Contains(err.Error(), "connect to localhost:3306 of server client: the server is gone") {
		t.Errorf("%v", err)
	}
}

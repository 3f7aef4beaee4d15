package ask

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stopover/stopover/schema"
)

// mostBytes is how much one connection may send: more than any answer needs,
// and less than hurts.
const mostBytes = 8 << 20

var errTooMuch = fmt.Errorf("it sent more than %d MiB", mostBytes>>20)

// bounded is a connection that ends with its question, and that cannot send
// without end.
type bounded struct {
	net.Conn
	left int64
	stop func() bool
	once sync.Once
	over chan struct{} // closed once nothing more will come
}

// Read is called by one goroutine at a time, as that of every connection here.
func (c *bounded) Read(b []byte) (int, error) {
	if c.left <= 0 {
		c.once.Do(func() { close(c.over) })
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	if err != nil {
		c.once.Do(func() { close(c.over) })
	}
	return n, err
}

func (c *bounded) Close() error {
	c.stop()
	return c.Conn.Close()
}

// dial connects to an address as it is.
func dial(ctx context.Context, address string) (*bounded, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return bound(ctx, conn), nil
}

func bound(ctx context.Context, conn net.Conn) *bounded {
	return &bounded{Conn: conn, left: mostBytes, stop: context.AfterFunc(ctx, func() { _ = conn.Close() }), over: make(chan struct{})}
}

// plainly keeps a connection that is not there from looking like one.
func plainly(c *bounded, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// reach says how a host:port that a probe names is connected to: localhost is
// the server's own, and everything else is the server as others see it.
func (q *asking) reach(service, host string, port int) (address string, connect func(ctx context.Context) (net.Conn, error), err error) {
	if !schema.IsLocalhost(host) {
		to, err := q.at(service, port)
		if err != nil {
			return "", nil, err
		}
		return to, func(ctx context.Context) (net.Conn, error) { return plainly(dial(ctx, to)) }, nil
	}
	if port == 0 {
		port = schema.ServicePort(service)
	}
	inside := net.JoinHostPort(host, fmt.Sprint(port))
	if q.Dial == nil {
		why := q.Cannot
		if why == "" {
			why = "its provider has no such ability"
		}
		return "", nil, fmt.Errorf("%s is the localhost of server %s, which cannot be asked there: %s", inside, schema.QuoteName(q.Server), why)
	}
	return inside + " of server " + schema.QuoteName(q.Server), func(ctx context.Context) (net.Conn, error) {
		conn, err := q.Dial(ctx, "tcp", inside)
		if err != nil {
			return nil, err
		}
		return bound(ctx, conn), nil
	}, nil
}

// untrusted is a certificate that the probe does not put up with.
type untrusted struct{ why string }

func (e *untrusted) Error() string { return "its certificate is not valid: " + e.why }

// tls is how TLS is spoken: with the name that users ask for. The certificate is
// looked at before anything else is said, so that no password goes to whoever
// cannot show the right one, if the probe wants that.
func (q *asking) tls(name string) *tls.Config {
	return &tls.Config{
		ServerName:         name,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection looks, and the probe says whether it matters
		VerifyConnection: func(s tls.ConnectionState) error {
			c := q.inspect(name, s.PeerCertificates)
			q.answer.Certificate = c
			if q.Verify && c.Wrong != "" {
				return &untrusted{c.Wrong}
			}
			return nil
		},
	}
}

// handshake begins TLS on a connection.
func (q *asking) handshake(ctx context.Context, conn net.Conn, name string) (net.Conn, error) {
	c := tls.Client(conn, q.tls(name))
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// distrusts makes a certificate that is not put up with the answer.
func (q *asking) distrusts(err error) bool {
	var no *untrusted
	if !errors.As(err, &no) {
		return false
	}
	q.refuse(no.Error())
	return true
}

func (q *asking) inspect(name string, chain []*x509.Certificate) *schema.SeenCertificate {
	if len(chain) == 0 {
		return &schema.SeenCertificate{Wrong: "there is none"}
	}
	leaf := chain[0]
	out := &schema.SeenCertificate{Issuer: leaf.Issuer.CommonName, Expires: leaf.NotAfter.UTC()}
	if out.Issuer == "" {
		out.Issuer = leaf.Issuer.String()
	}
	names := slices.Clone(leaf.DNSNames)
	slices.Sort(names)
	out.Names = names[:min(len(names), 20)]
	others := x509.NewCertPool()
	for _, c := range chain[1:] {
		others.AddCert(c)
	}
	o := x509.VerifyOptions{DNSName: name, Roots: q.Roots, Intermediates: others}
	if q.Now != nil {
		o.CurrentTime = q.Now()
	}
	if _, err := leaf.Verify(o); err != nil {
		out.Wrong = err.Error()
	}
	return out
}

// tlsName is the name that TLS asks for: the probe's, else another.
func (q *asking) tlsName(other string) string {
	if q.Probe.Host != "" {
		return q.Probe.Host
	}
	return strings.Trim(other, "[]")
}

// domainOf is what stands behind the @ of an address of mail.
func domainOf(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}

// left is how long a context still lasts.
func left(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return usualTime
	}
	return time.Until(end)
}

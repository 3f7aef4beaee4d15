package ask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/emersion/go-smtp"

	"github.com/stopover/stopover/schema"
)

// probeName is what the probe calls itself. It exists nowhere, so that nobody
// believes that it was them.
const probeName = "stopover-probe.invalid"

// askMail asks a server whether it would take mail for a recipient, and sends
// none: the conversation ends before there is a message. It comes from nobody,
// as notices of failed delivery do, which every server has to take.
func (q *asking) askMail(ctx context.Context) error {
	service := schema.ServiceSMTP
	if q.Security == schema.SecurityTLS {
		service = schema.ServiceSMTPS
	}
	address, err := q.at(service, q.Port)
	if err != nil {
		return err
	}
	if err := q.converse(ctx, address); err != nil && !q.distrusts(err) && !q.said(err) {
		return fmt.Errorf("ask %s about %s: %w", address, schema.QuoteName(q.SMTP), err)
	}
	return nil
}

// said takes a server that says no for an answer, unlike one that says nothing.
func (q *asking) said(err error) bool {
	var no *smtp.SMTPError
	if !errors.As(err, &no) {
		return false
	}
	q.answer.Status, q.answer.Contains = no.Code, false
	return true
}

func (q *asking) converse(ctx context.Context, address string) error {
	conn, err := plainly(dial(ctx, address))
	if err != nil {
		return err
	}
	defer conn.Close()
	name := q.tlsName(domainOf(q.SMTP))
	if q.Security == schema.SecurityTLS {
		if conn, err = q.handshake(ctx, conn, name); err != nil {
			return err
		}
	}
	heard := &listening{Conn: conn}
	defer func() { q.answer.Line = firstLine(heard.first.String()) }()
	c := smtp.NewClient(heard)
	if err := c.Hello(probeName); err != nil {
		return err
	}
	offers, _ := c.Extension("STARTTLS")
	if offers {
		q.answer.Offers = []string{"STARTTLS"}
	}
	if q.Security == schema.SecurityStartTLS {
		if !offers {
			q.refuse("it does not offer STARTTLS")
			return nil
		}
		if c, err = q.secured(ctx, name, address); err != nil {
			return err
		}
		defer c.Close()
		if err := c.Hello(probeName); err != nil {
			return err
		}
	}
	if err := c.Mail("", nil); err != nil {
		return err
	}
	if err := c.Rcpt(q.SMTP, nil); err != nil {
		return err
	}
	q.answer.Status, q.answer.Contains = 250, true
	_ = c.Quit() // a courtesy
	return nil
}

// secured begins again, with TLS from the first command on: the library's way
// of asking for it.
func (q *asking) secured(ctx context.Context, name, address string) (*smtp.Client, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	c, err := smtp.NewClientStartTLS(conn, q.tls(name))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// listening remembers the begin of what a server says.
type listening struct {
	net.Conn
	first bytes.Buffer
}

func (l *listening) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if room := 512 - l.first.Len(); room > 0 {
		l.first.Write(b[:min(n, room)])
	}
	return n, err
}

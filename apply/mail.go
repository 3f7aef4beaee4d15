package apply

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/stopover/stopover/schema"
)

// mailTime bounds one question about mail, from dialling to the answer.
const mailTime = 15 * time.Second

// askMail asks a server whether it would take mail for a recipient, and sends
// none: the conversation ends before there is a message. It comes from nobody,
// as notices of failed delivery do, which every server has to take.
func askMail(ctx context.Context, p schema.Probe, address string) (Answer, error) {
	fail := func(err error) (Answer, error) {
		return Answer{}, fmt.Errorf("probe %s: ask %s about %s: %w", schema.QuoteName(p.Name), address, schema.QuoteName(p.SMTP), err)
	}
	ctx, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fail(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // the library's own bounds are minutes
	defer stop()
	c := smtp.NewClient(conn)
	defer c.Close()
	if err := c.Hello("stopover-probe.invalid"); err != nil {
		return mailAnswer(ctx, err, fail)
	}
	if err := c.Mail("", nil); err != nil {
		return mailAnswer(ctx, err, fail)
	}
	if err := c.Rcpt(p.SMTP, nil); err != nil {
		return mailAnswer(ctx, err, fail)
	}
	_ = c.Quit() // a courtesy
	return Answer{Status: 250, Contains: true}, nil
}

// mailAnswer tells a server that says no, which is an answer, from one that
// says nothing.
func mailAnswer(ctx context.Context, err error, fail func(error) (Answer, error)) (Answer, error) {
	var said *smtp.SMTPError
	switch {
	case ctx.Err() != nil:
		return fail(ctx.Err())
	case errors.As(err, &said):
		return Answer{Status: said.Code}, nil
	}
	return fail(err)
}

// compareMail judges the answer to a probe for mail. It was accepted before
// anything moved, or there would be no baseline: so nothing else is right.
func compareMail(p schema.Probe, a Answer) ProbeResult {
	r := ProbeResult{Probe: p.Name, Answer: a, OK: a.Contains && a.Status >= 200 && a.Status < 300}
	switch {
	case r.OK:
	case a.Status >= 400 && a.Status < 500:
		r.Why = fmt.Sprintf("mail for %s is put off with %d", schema.QuoteName(p.SMTP), a.Status)
	default:
		r.Why = fmt.Sprintf("mail for %s is refused with %d", schema.QuoteName(p.SMTP), a.Status)
	}
	return r
}

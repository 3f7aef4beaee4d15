package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/stopover/stopover/schema"
)

// askMailboxes logs in and counts what is in each mailbox. Nothing is opened:
// a mailbox that is only asked about keeps its marks of what is recent.
func (q *asking) askMailboxes(ctx context.Context) error {
	service := schema.ServiceIMAPS
	if q.Security == schema.SecurityPlain || q.Security == schema.SecurityStartTLS {
		service = schema.ServiceIMAP
	}
	address, err := q.at(service, q.Port)
	if err != nil {
		return err
	}
	err = q.countMailboxes(ctx, address)
	var no *imap.Error
	switch {
	case err == nil || q.distrusts(err):
		return nil
	case errors.As(err, &no) && no.Type != imap.StatusResponseTypeBye:
		q.refuse(err.Error())
		return nil
	}
	return fmt.Errorf("ask %s for the mailboxes of %s: %w", address, schema.QuoteName(q.IMAP), err)
}

func (q *asking) countMailboxes(ctx context.Context, address string) error {
	conn, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	return q.countOver(ctx, conn)
}

// lastWord is how long a conversation may take to notice that it is over.
const lastWord = time.Second

func (q *asking) patience() time.Duration {
	if q.hurry > 0 {
		return q.hurry
	}
	return lastWord
}

// countOver counts over a connection. The library can wait for ever for the end
// of a command that it began when the connection had just ended; nobody waits
// for it then, and what it did is not looked at.
func (q *asking) countOver(ctx context.Context, conn *bounded) error {
	done := make(chan error, 1)
	go func() { done <- guarded(func() error { return q.count(ctx, conn) }) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	case <-conn.over:
	}
	select {
	case err := <-done:
		return err
	case <-time.After(q.patience()):
	}
	_ = conn.Close()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("it ended the conversation: %w", io.ErrUnexpectedEOF)
}

func (q *asking) count(ctx context.Context, conn net.Conn) error {
	c, err := q.mailClient(ctx, conn)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.WaitGreeting(); err != nil {
		return err
	}
	// PREAUTH: it asks for no password, and so gets none.
	if c.State() == imap.ConnStateNotAuthenticated {
		if err := c.Login(q.IMAP, q.secret).Wait(); err != nil {
			return fmt.Errorf("login: %w", err)
		}
	}
	names, err := q.mailboxes(c)
	if err != nil {
		return fmt.Errorf("list mailboxes: %w", err)
	}
	if err := q.status(c, names); err != nil {
		return err
	}
	_ = c.Logout().Wait() // a courtesy
	return nil
}

func (q *asking) mailClient(ctx context.Context, conn net.Conn) (*imapclient.Client, error) {
	name := q.tlsName(domainOf(q.IMAP))
	switch q.Security {
	case schema.SecurityPlain:
		return imapclient.New(conn, nil), nil
	case schema.SecurityStartTLS:
		return startTLS(conn, &imapclient.Options{TLSConfig: q.tls(name)})
	}
	secured, err := q.handshake(ctx, conn, name)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return imapclient.New(secured, nil), nil
}

// startTLS turns the answer of a server that has no TLS into one to be told.
func startTLS(conn net.Conn, o *imapclient.Options) (*imapclient.Client, error) {
	c, err := imapclient.NewStartTLS(conn, o)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("STARTTLS: %w", err)
	}
	return c, nil
}

// mailboxes are the names that are counted, sorted: those that the probe names,
// or all that the login has.
func (q *asking) mailboxes(c *imapclient.Client) ([]string, error) {
	if len(q.Mailboxes) > 0 {
		names := slices.Clone(q.Mailboxes)
		slices.Sort(names)
		return names, nil
	}
	list := c.List("", "*", nil)
	var names []string
	for m := list.Next(); m != nil; m = list.Next() {
		if !slices.ContainsFunc(m.Attrs, func(a imap.MailboxAttr) bool {
			return a == imap.MailboxAttrNoSelect || a == imap.MailboxAttrNonExistent
		}) {
			names = append(names, strings.Clone(m.Mailbox))
		}
	}
	if err := list.Close(); err != nil {
		return nil, err
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > mostMailboxes {
		names, q.answer.Cut = names[:mostMailboxes], true
	}
	return names, nil
}

// status asks about all mailboxes at once. One that is listed and cannot be
// asked about, such as one that somebody else shares, is left out; one that the
// probe names is missing then.
func (q *asking) status(c *imapclient.Client, names []string) error {
	o := &imap.StatusOptions{NumMessages: true, UIDValidity: true}
	var asked []*imapclient.StatusCommand
	for _, n := range names {
		asked = append(asked, c.Status(n, o))
	}
	for i, a := range asked {
		s, err := a.Wait()
		var no *imap.Error
		switch {
		case errors.As(err, &no) && no.Type == imap.StatusResponseTypeNo:
			continue
		case err != nil:
			return fmt.Errorf("count %s: %w", schema.QuoteName(names[i]), err)
		}
		m := schema.SeenMailbox{Name: names[i], UIDValidity: int64(s.UIDValidity)}
		if s.NumMessages != nil {
			m.Messages = int64(*s.NumMessages)
		}
		q.answer.Mailboxes = append(q.answer.Mailboxes, m)
	}
	return nil
}

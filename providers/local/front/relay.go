package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// upstream is a transaction at the peer that has its sender and recipient and
// waits for the message.
type upstream struct {
	client *smtp.Client
	conn   net.Conn
	mode   Mode
}

func (u *upstream) close() { _ = u.client.Close() }

// openUpstream opens the transaction at the peer, so that the sender gets the
// peer's answer about the recipient. Its errors are SMTP answers.
func (s *session) openUpstream(ctx context.Context, mode Mode, from string, o smtp.MailOptions, box mailbox) (*upstream, error) {
	if s.hop {
		s.front.log.Warn("mail refused", "domain", box.domain, "reason", "the message was already redirected once")
		return nil, answer(451, smtp.EnhancedCode{4, 4, 6}, "this account is being moved, try again later")
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", mode.Peer.SMTP)
	if err != nil {
		s.front.log.Warn("relay mail", "peer", mode.Peer.SMTP, "error", err)
		return nil, answer(451, smtp.EnhancedCode{4, 4, 1}, "the server that has this account does not answer, try again later")
	}
	client := smtp.NewClient(conn)
	client.CommandTimeout, client.SubmissionTimeout = 30*time.Second, 2*time.Minute
	u := &upstream{client: client, conn: conn, mode: mode}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = client.Hello(fmt.Sprintf("%s%d.%s", hopName, mode.Epoch, s.front.options.Hostname))
	if err == nil {
		err = client.Mail(quoted(from), &smtp.MailOptions{Body: o.Body, Size: o.Size, UTF8: o.UTF8})
	}
	if err == nil {
		err = client.Rcpt(quoted(box.user+"@"+box.domain), nil)
	}
	if err != nil {
		u.close()
		return nil, s.peerAnswer(err)
	}
	return u, nil
}

// relay passes the message on, once: if the peer breaks off nobody knows
// whether it has the message, and only the sender may decide to send it again.
func (s *session) relay(ctx context.Context, mode Mode, t transaction, m *message) error {
	u := t.upstream
	if u == nil || u.mode != mode { // it was redirected, or elsewhere, since RCPT
		var err error
		if u, err = s.openUpstream(ctx, mode, t.from, t.options, t.mailbox); err != nil {
			return err
		}
		defer u.close()
	}
	stop := context.AfterFunc(ctx, func() { _ = u.conn.Close() })
	defer stop()
	body, err := m.reader()
	if err != nil {
		return answer(451, smtp.EnhancedCode{4, 3, 0}, "the message cannot be read again, try again later")
	}
	w, err := u.client.Data()
	if err != nil {
		return s.peerAnswer(err)
	}
	if _, err := io.Copy(w, body); err != nil {
		// Never end a message that is not whole: the peer would keep the part.
		_ = u.conn.Close()
		return s.peerAnswer(err)
	}
	reply, err := w.CloseWithResponse()
	if err != nil {
		var e *smtp.SMTPError
		if !errors.As(err, &e) {
			// The peer has the whole message and its word is lost. Any answer would
			// claim to know what became of it, so the sender gets none, as if it had
			// spoken to the peer itself.
			s.front.log.Warn("relay mail", "error", err, "answer", "none")
			_ = s.client.Close()
		}
		return s.peerAnswer(err)
	}
	return answer(250, smtp.EnhancedCode{2, 0, 0}, strings.TrimPrefix(reply.StatusText, "2.0.0 "))
}

// quoted is an address as SMTP writes it: a local part that is not a plain word
// gets quotes, which the server took off when it read it.
func quoted(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	user, domain := address[:at], address[at:]
	special := func(r rune) bool { return strings.ContainsRune(" \"(),:;<>@[\\]", r) }
	if !strings.ContainsFunc(user, special) {
		return address
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(user) + `"` + domain
}

// peerAnswer passes on what the peer answered; without an answer the sender is
// told to come again.
func (s *session) peerAnswer(err error) error {
	var e *smtp.SMTPError
	if errors.As(err, &e) && e.Code >= 400 && e.Code < 600 && !strings.ContainsAny(e.Message, "\r\n") {
		return e
	}
	s.front.log.Warn("relay mail", "error", err)
	return answer(451, smtp.EnhancedCode{4, 4, 2}, "the server that has this account broke off, try again later")
}

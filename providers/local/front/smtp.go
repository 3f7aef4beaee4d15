package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// hopName begins the name that a front gives in EHLO when it relays: what
// HopHeader and EpochHeader are for HTTP. Anybody can say it; it only makes the
// front more careful.
const hopName = "stopover-hop-"

// session is one SMTP connection. Reset and Logout may be called while Data
// still runs: that one works on a transaction which it has taken away.
type session struct {
	front  *Front
	client net.Conn
	remote string
	helo   string
	hop    bool
	epoch  uint64 // of the owner, as the peer that relays knows it

	mu  sync.Mutex
	now transaction
}

// transaction is one message on its way.
type transaction struct {
	from     string
	options  smtp.MailOptions
	gate     *gate // of the recipient's account; nil before there is one
	mailbox  mailbox
	upstream *upstream // the same at the peer, if the account is redirected
}

// take ends the session's transaction and returns it.
func (s *session) take() transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.now
	s.now = transaction{}
	return t
}

func (s *session) begin(t transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = t
}

func (t transaction) drop() {
	if t.upstream != nil {
		t.upstream.close()
	}
}

func (f *Front) newSession(c *smtp.Conn) (smtp.Session, error) {
	s := &session{front: f, client: c.Conn(), helo: c.Hostname()}
	if host, _, err := net.SplitHostPort(c.Conn().RemoteAddr().String()); err == nil {
		s.remote = host
	}
	if e, ok := strings.CutPrefix(s.helo, hopName); ok {
		s.hop = true
		e, _, _ = strings.Cut(e, ".")
		s.epoch, _ = strconv.ParseUint(e, 10, 64)
	}
	return s, nil
}

// Reset forgets the transaction.
func (s *session) Reset() { s.take().drop() }

// Logout ends the session.
func (s *session) Logout() error {
	s.take().drop()
	return nil
}

// Mail begins a transaction.
func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	if strings.ContainsFunc(from, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return answer(553, smtp.EnhancedCode{5, 1, 7}, "this sender address cannot be written in a message")
	}
	s.take().drop()
	s.begin(transaction{from: from, options: *opts})
	return nil
}

// Rcpt accepts a recipient whose mailbox exists, here or at the peer.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	at := strings.LastIndexByte(to, '@')
	if at < 0 {
		return answer(550, smtp.EnhancedCode{5, 1, 3}, "the address has no domain")
	}
	box := mailbox{domain: strings.ToLower(strings.TrimSuffix(to[at+1:], ".")), user: to[:at]}
	g := s.front.byDomain(box.domain)
	if g == nil || box.check() != nil {
		return s.refuse(box, nil, answer(550, smtp.EnhancedCode{5, 1, 1}, "no such mailbox here"))
	}
	t := s.take()
	account, mode := g.peek()
	var err error
	switch mode.Kind {
	case Serve:
		box, err = s.findMailbox(account, mode, box)
	case Redirect:
		t.upstream, err = s.openUpstream(context.Background(), mode, t.from, t.options, box)
	default:
		err = closedTo(mode.Kind)
	}
	if err == nil {
		t.gate, t.mailbox = g, box
	}
	s.begin(t)
	if err != nil {
		return s.refuse(box, g, err)
	}
	return nil
}

func (s *session) findMailbox(account Account, mode Mode, box mailbox) (mailbox, error) {
	if s.stale(mode) {
		return box, answer(451, smtp.EnhancedCode{4, 3, 2}, "this account is being moved, try again later")
	}
	box, err := findMailbox(account, box)
	switch {
	case errors.Is(err, errNoMailbox):
		return box, answer(550, smtp.EnhancedCode{5, 1, 1}, "no such mailbox here")
	case err != nil:
		s.front.log.Error("find mailbox", "domain", box.domain, "user", box.user, "error", err)
		return box, answer(451, smtp.EnhancedCode{4, 3, 0}, "the mailbox cannot be read at the moment, try again later")
	}
	return box, nil
}

// stale tells whether the front that relays knows of a newer owner.
func (s *session) stale(m Mode) bool { return s.hop && m.Epoch != 0 && s.epoch > m.Epoch }

// Data receives the message. Nothing of the account is touched, and its door is
// not looked at, before the message is complete: a slow sender holds nobody up.
func (s *session) Data(r io.Reader) error {
	t := s.take()
	defer t.drop()
	if t.gate == nil {
		return answer(503, smtp.EnhancedCode{5, 5, 1}, "name a recipient first")
	}
	m, err := s.front.receive(r)
	if err != nil {
		return err
	}
	defer m.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in, err := t.gate.enter(ctx, 0, 0, cancel)
	if err != nil {
		return s.refuse(t.mailbox, t.gate, closedTo(Hold))
	}
	if in.flight == nil {
		return s.refuse(t.mailbox, t.gate, closedTo(in.mode.Kind))
	}
	defer in.leave()
	if in.mode.Kind == Redirect {
		err = s.relay(ctx, in.mode, t, m)
	} else {
		err = s.deliver(in, t, m)
	}
	var e *smtp.SMTPError
	if errors.As(err, &e) && e.Code >= 400 {
		return s.refuse(t.mailbox, t.gate, e)
	}
	t.gate.count(func(c *Counters) {
		if in.mode.Kind == Redirect {
			c.Relayed++
		} else {
			c.Delivered++
		}
	})
	return err
}

// deliver writes the message into the mailbox; its answer is the
// acknowledgement.
func (s *session) deliver(in admission, t transaction, m *message) error {
	box, err := s.findMailbox(in.account, in.mode, t.mailbox)
	if err != nil {
		return err
	}
	if full, err := box.full(in.account, m.size); err != nil || full {
		if err != nil {
			s.front.log.Error("measure mailbox", "account", in.gate.name, "domain", box.domain, "user", box.user, "error", err)
		}
		// Temporary, so that the sender comes again: the owner can make room.
		return answer(452, smtp.EnhancedCode{4, 2, 2}, "the mailbox is full, try again later")
	}
	name, err := box.deliver(in.account, s.front.options.Hostname, s.header(t.from, box), m)
	if err != nil {
		s.front.log.Error("deliver mail", "account", in.gate.name, "domain", box.domain, "user", box.user, "error", err)
		return answer(451, smtp.EnhancedCode{4, 3, 0}, "the message could not be stored, try again later")
	}
	return answer(250, smtp.EnhancedCode{2, 0, 0}, "stored as "+name)
}

func (s *session) header(from string, box mailbox) string {
	return fmt.Sprintf("Return-Path: <%s>\r\nDelivered-To: %s@%s\r\nReceived: from %s ([%s])\r\n\tby %s with SMTP; %s\r\n",
		from, box.user, box.domain, printable(s.helo), s.remote, s.front.options.Hostname,
		time.Now().Format("Mon, 2 Jan 2006 15:04:05 -0700"))
}

// printable keeps what a client calls itself from ending a header line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '(' || r == ')' {
			return '?'
		}
		return r
	}, s)
}

// refuse logs and counts an answer that is not an acknowledgement.
func (s *session) refuse(box mailbox, g *gate, err error) error {
	name := ""
	if g != nil {
		name = g.name
		var e *smtp.SMTPError
		if errors.As(err, &e) && e.Temporary() {
			g.count(func(c *Counters) { c.Deferred++ })
		}
	}
	s.front.log.Debug("mail refused", "account", name, "domain", box.domain, "user", box.user, "reason", err)
	return err
}

func closedTo(k Kind) *smtp.SMTPError {
	if k == Absent {
		return answer(550, smtp.EnhancedCode{5, 1, 1}, "no such mailbox here")
	}
	return answer(451, smtp.EnhancedCode{4, 3, 0}, "this account is being moved, try again later")
}

func answer(code int, enhanced smtp.EnhancedCode, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

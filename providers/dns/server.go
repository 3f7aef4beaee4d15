package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/stopover/stopover/schema"
)

// servers asks name servers, the first that answers.
type servers struct {
	addresses []string
	udp, tcp  *dns.Client
	silent    atomic.Int64 // questions in a row that no server answered
}

// mostSilent is how many questions in a row may stay without any answer. Then
// the servers are away, and to wait for each of ten thousand names would keep
// a rollback from beginning for hours.
const mostSilent = 2 * atOnce

// defaultTimeout bounds one question to one server.
const defaultTimeout = 5 * time.Second

func newServers(cfg schema.Resolver) (*servers, error) {
	if len(cfg.Servers) == 0 {
		return nil, errors.New("dns: there is neither a name server nor a zone file to ask")
	}
	t := cfg.Timeout
	if t <= 0 {
		t = defaultTimeout
	}
	s := &servers{udp: &dns.Client{Net: "udp", Timeout: t, UDPSize: dns.DefaultMsgSize}, tcp: &dns.Client{Net: "tcp", Timeout: t}}
	for _, a := range cfg.Servers {
		s.addresses = append(s.addresses, withPort(a))
	}
	return s, nil
}

func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), "53")
}

func (s *servers) title() string { return strings.Join(s.addresses, ", ") }

func (s *servers) ask(ctx context.Context, name string, kind uint16) (answer, error) {
	if n := s.silent.Load(); n >= mostSilent {
		return answer{}, fmt.Errorf("%s records of %s were not asked for: the name servers %s did not answer the last %d questions", dns.TypeToString[kind], schema.QuoteName(name), s.title(), n)
	}
	var last error
	for range 2 { // a datagram may be lost
		for _, at := range s.addresses {
			m, err := s.exchange(ctx, name, kind, at)
			if ctx.Err() != nil {
				return answer{}, ctx.Err()
			}
			var away net.Error
			if err == nil || !errors.As(err, &away) {
				s.silent.Store(0)
			}
			if err == nil {
				return read(m, name, kind)
			}
			last = err
		}
	}
	var away net.Error
	if errors.As(last, &away) {
		s.silent.Add(1)
	}
	return answer{}, fmt.Errorf("%s records of %s: %w", dns.TypeToString[kind], schema.QuoteName(name), last)
}

func (s *servers) exchange(ctx context.Context, name string, kind uint16, at string) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), kind)
	q.SetEdns0(dns.DefaultMsgSize, false)
	m, _, err := s.udp.ExchangeContext(ctx, q, at)
	if err == nil && m.Truncated {
		m, _, err = s.tcp.ExchangeContext(ctx, q, at)
	}
	if err != nil {
		return nil, fmt.Errorf("name server %s: %w", at, err)
	}
	if err := proper(q, m); err != nil {
		return nil, fmt.Errorf("name server %s %w", at, err)
	}
	return m, nil
}

// proper says whether a message answers a question: anybody can send a
// datagram.
func proper(q, m *dns.Msg) error {
	switch {
	case !m.Response || m.Id != q.Id:
		return errors.New("sent something that is no answer")
	case len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, q.Question[0].Name) || m.Question[0].Qtype != q.Question[0].Qtype:
		return errors.New("answered another question")
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return fmt.Errorf("refuses to say (%s)", dns.RcodeToString[m.Rcode])
	}
	return nil
}

// read takes from a message what answers the question, nothing else that its
// sender put beside it.
func read(m *dns.Msg, name string, kind uint16) (answer, error) {
	out := answer{missing: m.Rcode == dns.RcodeNameError, apex: apexOf(m.Ns)}
	at := Fold(name)
	for range 16 { // a chain of CNAMEs
		var next string
		for _, rr := range m.Answer {
			h := rr.Header()
			if Fold(h.Name) != at {
				continue
			}
			switch {
			case h.Rrtype == kind:
				out.records = append(out.records, rr)
			case h.Rrtype == dns.TypeCNAME:
				if c, ok := rr.(*dns.CNAME); ok && next == "" {
					out.records = append(out.records, rr)
					next = Fold(c.Target)
				}
			}
			if len(out.records) > maxRecords {
				return out, nil
			}
		}
		if next == "" || next == at {
			break
		}
		at = next
	}
	if len(out.records) > 0 && out.missing {
		out.missing = false // the alias is there; what it leads to is not
	}
	return out, nil
}

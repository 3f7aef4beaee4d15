package apply

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/stopover/stopover/plan"
	"github.com/stopover/stopover/schema"
)

// post is a mail server of the test's own: what it says to recipients.
type post struct {
	mu    sync.Mutex
	says  map[string]int // recipient → status; 0: accepted
	from  []string
	wrong []string
}

func (p *post) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{p}, nil }

type session struct{ *post }

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = append(s.from, from)
	return nil
}
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	code, known := s.says[to]
	if !known {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	if code != 0 {
		return &smtp.SMTPError{Code: code, Message: "not now"}
	}
	return nil
}
func (s *session) Data(io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, "a probe sent a message")
	return nil
}

func postAt(t *testing.T, says map[string]int) (*post, string) {
	t.Helper()
	p := &post{says: says}
	s := smtp.NewServer(p)
	s.Domain = "mail.example"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		for _, w := range p.wrong {
			t.Error(w)
		}
	})
	return p, l.Addr().String()
}

// A mailbox is probed before and after; one that is refused before anything
// moves stops its account.
func TestMailProbe(t *testing.T) {
	for _, c := range []struct {
		name   string
		before map[string]int
		after  map[string]int
		ok     bool
		why    string
	}{
		{"arrives", map[string]int{"info@shop.example": 0}, map[string]int{"info@shop.example": 0}, true, ""},
		{"lost", map[string]int{"info@shop.example": 0}, nil, false, "is refused with 550"},
		{"never was", nil, nil, false, "before anything moves"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, _ := memoryTrip(t, "shop")
			j.config.Migration.Accounts = []schema.Account{{Name: "shop", Probes: []schema.Probe{{Name: "mail", SMTP: "info@shop.example"}}}}
			_, j.w.source.smtp = postAt(t, c.before)
			_, j.w.transit.smtp = postAt(t, c.after)
			res, err := j.once(context.Background())
			if c.before == nil {
				if ExitCode(err) != ExitError || !strings.Contains(state1(res, "shop").Why, c.why) {
					t.Errorf("%v", err)
				}
				return
			}
			if ExitCode(err) != ExitWaiting {
				t.Fatal(err)
			}
			var v plan.ProbedFact
			f, ok := j.fact(plan.ProbedID("shop", 1))
			if !ok || json.Unmarshal(f.Value, &v) != nil || v.OK != c.ok || !strings.Contains(string(f.Value), c.why) {
				t.Errorf("%s", f.Value)
			}
			if a := state1(res, "shop"); len(a.Cutovers) != 1 || a.Cutovers[0].Outside == 0 {
				t.Errorf("its site was not watched: %+v", a.Cutovers)
			}
		})
	}
}

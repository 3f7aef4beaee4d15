// Package ask puts probes to servers: it asks a site, a mailbox, a database or
// a port at the server that is meant, whatever the DNS says of its name, and
// compares what was answered before and after.
//
// Servers are not trusted: what they send is bounded before it is kept, in
// bytes and in time, and nothing of it is ever run. A secret is looked up for
// one question and is in no answer and in no error.
package ask

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/schema"
)

// usualTime bounds one question of a probe that does not say.
const usualTime = 15 * time.Second

// Answer is what a probe got.
type Answer struct {
	Status   int    `json:"status"` // of HTTP, of SMTP for the recipient, with which a command ended
	Title    string `json:"title,omitempty"`
	Contains bool   `json:"contains"` // the text that the probe names is there; the recipient is accepted
	schema.Seen
}

// Place is where a probe is asked, and for whom.
type Place struct {
	Server  string // name
	Account string // name
	// Host is where the server itself answers, whoever holds its service
	// addresses: a name or an address, without a port.
	Host string
	// Services says at which host:port services answer that are not at Host and
	// their usual port.
	Services map[string]string
	// Domains are the account's: redirects are followed among them.
	Domains []string
	// Dial connects from the server's own point of view; nil: it cannot, and
	// Cannot says why.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Cannot string
	// Dir is where commands run; empty: where this program does.
	Dir string
	// Secret looks up the value of a reference; nil: in the environment.
	Secret func(reference string) (string, error)
	// Roots are whose certificates are believed; nil: those of this machine.
	Roots *x509.CertPool
	// Now is for the dates of certificates; nil: this machine's.
	Now func() time.Time
}

// asking is one question.
type asking struct {
	schema.Probe
	Place
	secret string
	hurry  time.Duration // of tests: instead of lastWord
	answer Answer
}

// Probe asks. An answer that says no is an answer: a mailbox that is refused, a
// wrong password, a query that fails. The error is for a question that could not
// be put or that nobody answered.
func Probe(ctx context.Context, p schema.Probe, at Place) (Answer, error) {
	q := &asking{Probe: p, Place: at}
	q.answer.Kind = p.Kind()
	if err := q.look(); err != nil {
		return Answer{}, fmt.Errorf("probe %s: %w", schema.QuoteName(p.Name), err)
	}
	limit := p.Timeout
	if limit <= 0 {
		limit = usualTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := guarded(func() error { return q.ask(ctx) }); err != nil {
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err) // what broke is only that nobody waits any more
		}
		return Answer{}, q.hide(fmt.Errorf("probe %s: %w", schema.QuoteName(p.Name), err))
	}
	q.tidy()
	return q.answer, nil
}

// guarded turns a panic into an error: libraries that read what servers send do
// not all mind what a hostile one makes up, and no server ends a run.
func guarded(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("what it sent cannot be understood")
		}
	}()
	return f()
}

func (q *asking) ask(ctx context.Context) error {
	switch q.Kind() {
	case schema.ProbeHTTP:
		return q.askSite(ctx)
	case schema.ProbeSMTP:
		return q.askMail(ctx)
	case schema.ProbeIMAP:
		return q.askMailboxes(ctx)
	case schema.ProbeSQL:
		return q.askDatabase(ctx)
	case schema.ProbeTCP:
		return q.askPort(ctx)
	case schema.ProbeCommand:
		return q.askCommand(ctx)
	}
	return errors.New("it asks nothing")
}

// look looks the secret up.
func (q *asking) look() error {
	if q.Password == "" {
		return nil
	}
	find := q.Secret
	if find == nil {
		find = fromEnvironment
	}
	var err error
	q.secret, err = find(q.Password)
	return err
}

func fromEnvironment(reference string) (string, error) {
	name, ok := strings.CutPrefix(reference, "env:")
	if !ok {
		return "", errors.New("its password is no reference to a variable of the environment")
	}
	value, ok := os.LookupEnv(name)
	if !ok || value == "" {
		return "", fmt.Errorf("its password is in the variable %s of the environment, which is not set", name)
	}
	return value, nil
}

// at is the host:port of a service on the server. A port that the probe names
// is on the server's own address.
func (q *asking) at(service string, port int) (string, error) {
	if s := q.Services[service]; s != "" && (port == 0 || port == schema.ServicePort(service)) {
		return s, nil
	}
	if q.Place.Host == "" {
		return "", fmt.Errorf("nothing says at which address server %s answers %s: give it an address, or remove the probe", schema.QuoteName(q.Server), service)
	}
	if port == 0 {
		port = schema.ServicePort(service)
	}
	return net.JoinHostPort(strings.Trim(q.Place.Host, "[]"), strconv.Itoa(port)), nil
}

// refuse makes what a server said instead of answering the answer.
func (q *asking) refuse(why string) { q.answer.Refused = why }

// hiddenError is an error without the probe's secret in its text.
type hiddenError struct {
	text string
	err  error
}

func (e *hiddenError) Error() string { return e.text }
func (e *hiddenError) Unwrap() error { return e.err }

func (q *asking) hide(err error) error {
	text := q.mask(err.Error())
	if strings.Contains(text, "\n") { // a library tells where it gave up, at length
		text = firstLine(text)
	}
	if text == err.Error() {
		return err
	}
	return &hiddenError{text, err}
}

// mask takes the secret out of a text: a server may say back what it was told.
func (q *asking) mask(s string) string {
	if q.secret == "" {
		return s
	}
	return strings.ReplaceAll(s, q.secret, "(secret)")
}

package schema

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Kinds of probes: what is asked.
const (
	ProbeHTTP    = "http"
	ProbeSMTP    = "smtp"
	ProbeIMAP    = "imap"
	ProbeSQL     = "sql"
	ProbeTCP     = "tcp"
	ProbeCommand = "command"
)

// ProbeKinds are the kinds of probes, in the order in which they are told.
func ProbeKinds() []string {
	return []string{ProbeHTTP, ProbeSMTP, ProbeIMAP, ProbeSQL, ProbeTCP, ProbeCommand}
}

// How a probe's connection is secured.
const (
	SecurityPlain    = "plain"    // not at all
	SecurityStartTLS = "starttls" // from the first command on; a server that does not offer it has refused
	SecurityTLS      = "tls"      // from the beginning
)

// Probe is a functional check of an account, run before and after and compared.
// Exactly one of HTTP, SMTP, IMAP, SQL, TCP and Command is set; each is asked of
// the server that is checked, whatever the DNS says of its name.
type Probe struct {
	Name    string   `json:"name"`
	HTTP    string   `json:"http,omitempty"`    // URL; asked of the server's own address with this Host
	SMTP    string   `json:"smtp,omitempty"`    // recipient that must be accepted; nothing is sent
	IMAP    string   `json:"imap,omitempty"`    // login, whose mailboxes are counted
	SQL     string   `json:"sql,omitempty"`     // mariadb:// or postgresql://USER@HOST/DATABASE; localhost is the server's own
	TCP     string   `json:"tcp,omitempty"`     // host:port; localhost is the server's own
	Command []string `json:"command,omitempty"` // program of this machine and its arguments; no shell

	Status    int      `json:"status,omitempty"`    // of HTTP; 0: whatever the baseline had
	Contains  string   `json:"contains,omitempty"`  // text that must be in what was answered
	Absent    string   `json:"absent,omitempty"`    // text that must not be in it
	Follow    bool     `json:"follow,omitempty"`    // HTTP: redirects are followed and are part of the answer
	Query     string   `json:"query,omitempty"`     // SQL
	Grows     bool     `json:"grows,omitempty"`     // SQL: whole numbers may be higher than before, not lower
	Mailboxes []string `json:"mailboxes,omitempty"` // IMAP: only these; empty: all

	Security string        `json:"security,omitempty"` // see SecurityPlain …; empty: TLS for IMAP, by the URL for HTTP, else plain
	Verify   bool          `json:"verify,omitempty"`   // the certificate must be valid for Host; else it is only told
	Host     string        `json:"host,omitempty"`     // name of the server in TLS; empty: that of the URL or the domain of the address
	Port     int           `json:"port,omitempty"`     // SMTP and IMAP; 0: the usual one
	Password string        `json:"password,omitempty"` // reference (env:NAME), never the value
	Timeout  time.Duration `json:"timeout,omitempty"`  // of one question; 0: 15 s
	Pos      Pos           `json:"-"`
}

// Kind is what the probe asks; empty: nothing.
func (p *Probe) Kind() string {
	switch {
	case p.HTTP != "":
		return ProbeHTTP
	case p.SMTP != "":
		return ProbeSMTP
	case p.IMAP != "":
		return ProbeIMAP
	case p.SQL != "":
		return ProbeSQL
	case p.TCP != "":
		return ProbeTCP
	case len(p.Command) > 0:
		return ProbeCommand
	}
	return ""
}

// BaselineFact is what a probe answered before anything was moved. Facts of the
// first version have no kind: they are of HTTP or SMTP, and what they do not
// hold is not compared.
type BaselineFact struct {
	Probe    string `json:"probe"`
	Status   int    `json:"status"`
	Title    string `json:"title,omitempty"`
	Contains bool   `json:"contains"`
	Seen
}

// Seen is what an answer holds besides its status, by the kind of the probe.
// Everything in it comes from a server and is for people: bounded, valid UTF-8
// and without secrets, but not without control characters.
type Seen struct {
	Kind        string           `json:"kind,omitempty"`        // of the probe: http, smtp, imap, sql, tcp, command
	Refused     string           `json:"refused,omitempty"`     // the server refused to answer: why, in its words
	Found       bool             `json:"found,omitempty"`       // the text that must be absent is there
	Redirects   []string         `json:"redirects,omitempty"`   // HTTP: status and target of each; queries left out
	Line        string           `json:"line,omitempty"`        // the greeting, or the first line of output
	Offers      []string         `json:"offers,omitempty"`      // SMTP: STARTTLS, where it is offered
	Certificate *SeenCertificate `json:"certificate,omitempty"` // nil: no TLS
	Mailboxes   []SeenMailbox    `json:"mailboxes,omitempty"`   // IMAP; sorted by name
	Rows        [][]string       `json:"rows,omitempty"`        // SQL
	Cut         bool             `json:"cut,omitempty"`         // there was more than is kept
}

// SeenCertificate is the certificate that a server showed. It is told, and not
// compared: a renewed one is none the worse.
type SeenCertificate struct {
	Issuer  string    `json:"issuer"`
	Names   []string  `json:"names,omitempty"`
	Expires time.Time `json:"expires"`
	Wrong   string    `json:"wrong,omitempty"` // why a client would not believe it; empty: it would
}

// SeenMailbox is one mailbox of an IMAP login.
type SeenMailbox struct {
	Name        string `json:"name"`
	Messages    int64  `json:"messages"`
	UIDValidity int64  `json:"uid_validity"`
}

// Services whose place on a server a survey may tell.
const (
	ServiceHTTP       = "http"
	ServiceHTTPS      = "https"
	ServiceSMTP       = "smtp"
	ServiceSMTPS      = "smtps"
	ServiceIMAP       = "imap"
	ServiceIMAPS      = "imaps"
	ServiceMariaDB    = "mariadb"
	ServicePostgreSQL = "postgresql"
)

// ServicePort is the usual port of a service; 0: it is not known.
func ServicePort(service string) int {
	switch service {
	case ServiceHTTP:
		return 80
	case ServiceHTTPS:
		return 443
	case ServiceSMTP:
		return 25
	case ServiceSMTPS:
		return 465
	case ServiceIMAP:
		return 143
	case ServiceIMAPS:
		return 993
	case ServiceMariaDB:
		return 3306
	case ServicePostgreSQL:
		return 5432
	}
	return 0
}

// Service is the host:port at which a server itself answers a service, whoever
// holds its service addresses; empty: nothing says so, and it is the usual port
// of the server's own address.
func (s *FoundServer) Service(name string) string {
	switch {
	case s == nil:
		return ""
	case s.Services[name] != "":
		return s.Services[name]
	case name == ServiceHTTP:
		return s.HTTP
	case name == ServiceSMTP:
		return s.SMTP
	}
	return ""
}

// ProbedDatabase is the URL of a database that a probe asks, taken apart.
type ProbedDatabase struct {
	Service string // ServiceMariaDB or ServicePostgreSQL
	User    string
	Host    string
	Port    int // 0: the usual one
	Name    string
}

// ErrPasswordInURL says that a URL holds what belongs in a variable of the
// environment.
var ErrPasswordInURL = errors.New("the URL of the database holds a password")

// ParseProbedDatabase reads mariadb://USER@HOST[:PORT]/DATABASE, or postgresql://
// with the same. Errors do not repeat the URL: it may hold a password.
func ParseProbedDatabase(raw string) (ProbedDatabase, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return ProbedDatabase{}, errors.New("this is not the URL of a database")
	}
	if _, has := u.User.Password(); has {
		return ProbedDatabase{}, ErrPasswordInURL
	}
	d := ProbedDatabase{User: u.User.Username(), Host: u.Hostname(), Name: strings.TrimPrefix(u.Path, "/")}
	switch u.Scheme {
	case "mariadb", "mysql":
		d.Service = ServiceMariaDB
	case "postgresql", "postgres":
		d.Service = ServicePostgreSQL
	default:
		return d, errors.New("the URL of a database begins with mariadb:// or postgresql://")
	}
	if d.User == "" || d.Host == "" || d.Name == "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsRune(u.Path+d.User, 0) {
		return d, errors.New("the URL of a database is USER@HOST/DATABASE behind its scheme, and nothing else")
	}
	if p := u.Port(); p != "" {
		if d.Port, err = strconv.Atoi(p); err != nil || d.Port < 1 || d.Port > 65535 {
			return d, errors.New("the port in the URL of the database is none, from 1 to 65535")
		}
	}
	return d, nil
}

// IsLocalhost says whether a host names the machine that uses the name.
func IsLocalhost(host string) bool {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

package hclfile

import (
	"errors"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/stopover/stopover/schema"
)

func probeBlock() *Block {
	return &Block{
		Name:  "probe",
		Label: "name",
		Doc: "A functional check of the account. It runs before the move, which records what is normal, and after it, to compare. " +
			"It asks one thing: `http`, `smtp`, `imap`, `sql`, `tcp` or `command`. The question goes to the server that is checked, whatever the DNS says.",
		Attrs: append(probeKindAttrs(), probeAttrs()...),
	}
}

// probeKindAttrs are what a probe can ask, of which it has one.
func probeKindAttrs() []Attr {
	return []Attr{
		{Name: "http", Type: TypeString, Example: `http = "http://shop.example.org/"`,
			Doc: "The URL to ask for. The request goes to the server that is checked, whatever the DNS says."},
		{Name: "smtp", Type: TypeString, Example: `smtp = "info@shop.example.org"`,
			Doc: "An address of mail that the server must accept as recipient; nothing is sent."},
		{Name: "imap", Type: TypeString, Example: `imap = "info@shop.example.org"`,
			Doc: "A login, with `password`. The messages of its mailboxes are counted: there may be more than before, and not fewer, and UIDVALIDITY has to stay."},
		{Name: "sql", Type: TypeString, Example: `sql = "mariadb://shop@localhost/shop"`,
			Doc: "The URL of a database, with `query`: `mariadb://USER@HOST/DATABASE` or `postgresql://USER@HOST/DATABASE`. `localhost` is the server's own; any other host stands for the server as others reach it."},
		{Name: "tcp", Type: TypeString, Example: `tcp = "shop.example.org:6667"`,
			Doc: "A host and a port that must connect; hosts as in `sql`."},
		{Name: "command", Type: TypeStrings, Example: `command = ["./check-shop", "--fast"]`,
			Doc: "A program of the machine where Stopover runs, and its arguments; there is no shell. It starts in the directory of the configuration and finds `STOPOVER_SERVER`, `STOPOVER_ADDRESS` and `STOPOVER_ACCOUNT` in its environment. Its exit status and the first line of its output are compared."},
	}
}

func probeAttrs() []Attr {
	secured := []string{schema.ProbeSMTP, schema.ProbeIMAP, schema.ProbeSQL, schema.ProbeTCP}
	return []Attr{
		{Name: "status", With: []string{schema.ProbeHTTP}, Type: TypeNumber, Default: "as before the move", Example: `status = 200`,
			Doc: "The status that the answer must have, from 100 to 599."},
		{Name: "follow", With: []string{schema.ProbeHTTP}, Type: TypeBool, Default: "false", Example: `follow = true`,
			Doc: "Follow redirects, at most 10, among the account's own domains. Each is part of what is compared. Without it a redirect is the answer."},
		{Name: "contains", With: []string{schema.ProbeHTTP, schema.ProbeTCP, schema.ProbeCommand}, Type: TypeString, Example: `contains = "Cart"`,
			Doc: "Text that the answer must hold: the first MiB of a page, what a server says first, the output of a command."},
		{Name: "absent", With: []string{schema.ProbeHTTP, schema.ProbeCommand}, Type: TypeString, Example: `absent = "Fatal error"`,
			Doc: "Text that the answer must not hold."},
		{Name: "query", With: []string{schema.ProbeSQL}, Type: TypeString, Example: `query = "select count(*) from orders"`,
			Doc: "One query, which can read only. At most 100 rows are compared, in the order in which they come."},
		{Name: "grows", With: []string{schema.ProbeSQL}, Type: TypeBool, Default: "false", Example: `grows = true`,
			Doc: "Whole numbers may be higher than before, and there may be more rows: the account is in use."},
		{Name: "mailboxes", With: []string{schema.ProbeIMAP}, Type: TypeStrings, Default: "all", Example: `mailboxes = ["INBOX", "Sent"]`,
			Doc: "The mailboxes that are counted."},
		{Name: "password", With: []string{schema.ProbeIMAP, schema.ProbeSQL}, Type: TypeString, Example: `password = env("SHOP_MAIL_PASSWORD")`,
			Doc: "Its password: `env(\"NAME\")`, or a sensitive variable that the environment gives. It is read when the probe runs and is written nowhere."},
		{Name: "security", With: secured, Type: TypeString, Values: []string{schema.SecurityPlain, schema.SecurityStartTLS, schema.SecurityTLS},
			Default: "`tls` for `imap` and for `sql` on another host than localhost, else `plain`", Example: `security = "starttls"`,
			Doc: "How the connection is secured. `starttls` is for `smtp` and `imap`."},
		{Name: "verify", With: []string{schema.ProbeHTTP, schema.ProbeSMTP, schema.ProbeIMAP, schema.ProbeSQL, schema.ProbeTCP}, Type: TypeBool,
			Default: "true where a password is sent, else false", Example: `verify = true`,
			Doc: "The certificate must be valid for the host. Otherwise its issuer and its last day are told, and any is taken."},
		{Name: "host", With: secured, Type: TypeString, Default: "the host of the URL, or the domain of the address", Example: `host = "mail.example.org"`,
			Doc: "The name of the server that TLS asks for, and that its certificate must be valid for."},
		{Name: "port", With: []string{schema.ProbeSMTP, schema.ProbeIMAP}, Type: TypeNumber, Default: "the usual one", Example: `port = 587`,
			Doc: "The port, from 1 to 65535. URLs hold their own."},
		{Name: "timeout", Type: TypeDuration, Default: `"15s"`, Example: `timeout = "30s"`,
			Doc: "How long the question may take, at most 10 minutes."},
	}
}

func (d *decoder) probes(n *node) []schema.Probe {
	var out []schema.Probe
	for k := range n.each("probe") {
		d.made(k)
		out = append(out, d.probe(k))
	}
	return out
}

func (d *decoder) probe(n *node) schema.Probe {
	p := schema.Probe{
		Name: n.label, Pos: pos(n.defRange),
		HTTP: d.words(n, "http"), SMTP: d.words(n, "smtp"), IMAP: d.words(n, "imap"), SQL: d.words(n, "sql"), TCP: d.words(n, "tcp"), Command: d.program(n),
		Contains: d.text(n, "contains"), Absent: d.text(n, "absent"), Follow: d.flag(n, "follow"),
		Query: d.words(n, "query"), Grows: d.flag(n, "grows"), Mailboxes: d.texts(n, "mailboxes"),
		Password: d.password(n), Security: d.text(n, "security"), Verify: d.flag(n, "verify"), Host: d.words(n, "host"),
		Timeout: d.duration(n, "timeout"),
	}
	p.Status, _ = d.number(n, "status", 100, 599)
	p.Port, _ = d.number(n, "port", 1, 65535)
	if p.Timeout > 10*time.Minute {
		d.wrong(n.at("timeout"), n, "Duration out of range", "A probe may take 10 minutes at most, and this is %s.", p.Timeout)
	}
	if kind := d.probeKind(n); kind != "" {
		d.probeRest(n, kind, &p)
	}
	return p
}

// stands says whether an argument is there and is not null.
func (d *decoder) stands(n *node, name string) bool {
	return n.attrs[name] != nil && !d.isNull(n, name)
}

// probeKind checks that a probe asks one thing, and returns what.
func (d *decoder) probeKind(n *node) string {
	kind, meant := "", n.unread
	for _, name := range schema.ProbeKinds() {
		meant = meant || n.meant[name]
		switch {
		case !d.stands(n, name):
		case kind != "":
			d.wrong(n.attrs[name].NameRange, n, "Two probes in one", "A probe asks one thing, and this one has %q already. Write two probe blocks.", kind)
			return ""
		default:
			kind = name
		}
	}
	if kind == "" && !meant {
		d.wrong(n.defRange, n, "Missing argument", "%s asks nothing. It needs one of %s. For example: %s", n.title(), quoted(schema.ProbeKinds(), "or"), n.spec.Attr("http").Example)
	}
	return kind
}

// probeRest checks what stands beside what is asked, and fills in what follows
// from it.
func (d *decoder) probeRest(n *node, kind string, p *schema.Probe) {
	stray := false
	for _, a := range n.spec.Attrs {
		if len(a.With) > 0 && !slices.Contains(a.With, kind) && d.stands(n, a.Name) {
			d.wrong(n.attrs[a.Name].NameRange, n, "Argument of another probe", "%q belongs to %s, and this probe asks %q. Take it out.", a.Name, quoted(a.With, "or"), kind)
			stray = true
		}
	}
	switch kind {
	case schema.ProbeHTTP:
		d.siteURL(n, p.HTTP)
	case schema.ProbeSMTP:
		d.recipient(n, p.SMTP)
	case schema.ProbeIMAP:
		d.login(n, p)
	case schema.ProbeSQL:
		d.database(n, p)
	case schema.ProbeTCP:
		d.hostPort(n, p.TCP)
	}
	if !stray {
		d.secured(n, kind, p)
	}
}

// program reads a program and its arguments, which may be anything.
func (d *decoder) program(n *node) []string {
	v, ok := d.value(n, "command")
	if !ok {
		return nil
	}
	out, ok := d.stringList(n, "command", v)
	switch {
	case !ok:
		return nil
	case len(out) == 0 || strings.TrimSpace(out[0]) == "":
		d.wrong(n.at("command"), n, "Empty command", "\"command\" names no program. For example: %s", n.spec.Attr("command").Example)
		return nil
	case slices.ContainsFunc(out, func(s string) bool { return strings.ContainsRune(s, 0) }):
		d.wrong(n.at("command"), n, "Bad command", "\"command\" holds a null character, which no argument can have.")
		return nil
	}
	return out
}

// password reads the reference to a password.
func (d *decoder) password(n *node) string {
	attr := n.attrs["password"]
	if attr == nil {
		return ""
	}
	v, ok := d.expression(n, attr)
	if !ok {
		return ""
	}
	if plain, _ := v.Unmark(); plain.IsNull() {
		return ""
	}
	s, _ := d.secret(n, attr, v)
	return s
}

// recipient checks an address of mail.
func (d *decoder) recipient(n *node, s string) {
	if a, err := mail.ParseAddress(s); s == "" || err == nil && a.Address == s && a.Name == "" && !strings.ContainsFunc(s, unicode.IsControl) {
		return
	}
	d.wrong(n.at("smtp"), n, "Not an address of mail", "%q is not an address of mail. For example: %s", s, n.spec.Attr("smtp").Example)
}

// login checks what logs in to mailboxes.
func (d *decoder) login(n *node, p *schema.Probe) {
	if strings.ContainsFunc(p.IMAP, unicode.IsControl) {
		d.wrong(n.at("imap"), n, "Not a login", "%q holds a control character, which no login can have.", p.IMAP)
	}
	if !d.stands(n, "password") && !n.unread && !n.meant["password"] {
		d.wrong(n.defRange, n, "Missing argument", "%s logs in, and needs \"password\", a reference to a secret. For example: %s", n.title(), n.spec.Attr("password").Example)
	}
}

// database checks the URL of a database and that something is asked of it.
func (d *decoder) database(n *node, p *schema.Probe) {
	example := n.spec.Attr("sql").Example
	switch _, err := schema.ParseProbedDatabase(p.SQL); {
	case p.SQL == "":
	case errors.Is(err, schema.ErrPasswordInURL):
		d.hidden(n.at("sql"), n, "Password in a URL", "\"sql\" holds a password, which plans would show. Take it out, and write %s.", n.spec.Attr("password").Example)
	case err != nil && strings.Contains(p.SQL, "@") && strings.Count(p.SQL, ":") > 1:
		d.hidden(n.at("sql"), n, "Not a URL", "%s. It may hold a password, so it is not shown. For example: %s", sentence(err.Error()), example)
	case err != nil:
		d.wrong(n.at("sql"), n, "Not a URL", "%q cannot be asked: %s. For example: %s", p.SQL, err, example)
	}
	if !d.stands(n, "query") && !n.unread && !n.meant["query"] {
		d.wrong(n.defRange, n, "Missing argument", "%s needs \"query\", what to ask the database. For example: %s", n.title(), n.spec.Attr("query").Example)
	}
}

// hostPort checks a host and a port.
func (d *decoder) hostPort(n *node, s string) {
	host, port, err := net.SplitHostPort(s)
	number, errN := strconv.Atoi(port)
	if s == "" || err == nil && errN == nil && number >= 1 && number <= 65535 && host != "" &&
		!strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("/@", r) }) {
		return
	}
	d.wrong(n.at("tcp"), n, "Not a host and a port", "%q is not a host and a port from 1 to 65535. For example: %s", s, n.spec.Attr("tcp").Example)
}

// secured fills in how a connection is secured, and refuses what means nothing
// then.
func (d *decoder) secured(n *node, kind string, p *schema.Probe) {
	given := p.Security != ""
	switch u, _ := schema.ParseProbedDatabase(p.SQL); {
	case given:
	case kind == schema.ProbeIMAP, kind == schema.ProbeSQL && !schema.IsLocalhost(u.Host):
		p.Security = schema.SecurityTLS
	case kind == schema.ProbeSQL:
		p.Security = schema.SecurityPlain
	}
	if p.Security == schema.SecurityStartTLS && kind != schema.ProbeSMTP && kind != schema.ProbeIMAP {
		d.wrong(n.at("security"), n, "Unknown value", "\"starttls\" is for \"smtp\" and \"imap\". Write \"tls\".")
		return
	}
	encrypted := p.Security == schema.SecurityTLS || p.Security == schema.SecurityStartTLS ||
		kind == schema.ProbeHTTP && (p.Follow || strings.HasPrefix(strings.ToLower(p.HTTP), "https:"))
	if !d.stands(n, "verify") {
		p.Verify = encrypted && p.Password != ""
	}
	for _, name := range []string{"verify", "host"} {
		if d.stands(n, name) && !encrypted && (name == "host" || p.Verify) {
			d.wrong(n.attrs[name].NameRange, n, "No TLS", "%q is about TLS, and this probe speaks none: %s.", name,
				map[bool]string{true: "its URL begins with http://", false: "say so with \"security\", or take this out"}[kind == schema.ProbeHTTP])
			return
		}
	}
}

// siteURL checks the URL of a probe.
func (d *decoder) siteURL(n *node, s string) {
	why := ""
	u, err := url.Parse(s)
	switch {
	case s == "":
		return
	case err == nil && u.User != nil:
		d.hidden(n.at("http"), n, "Password in a URL", "\"http\" holds a user's name or password, which plans would show. Take it out; a page that needs one can be asked for by \"command\".")
		return
	case (err != nil || u.Hostname() == "") && strings.Contains(s, "@"):
		d.hidden(n.at("http"), n, "Not a URL", "This is not the URL of a site, and it may hold a password, so it is not shown. For example: %s", n.spec.Attr("http").Example)
		return
	case err != nil || u.Hostname() == "":
	case u.Scheme != "http" && u.Scheme != "https":
		why = "It must begin with http:// or https://. "
	case u.Fragment != "":
		why = "It must hold no \"#\": what follows is never sent to a server. "
	default:
		return
	}
	d.wrong(n.at("http"), n, "Not a URL", "%q is not the URL of a site. %sFor example: %s", s, why, n.spec.Attr("http").Example)
}
